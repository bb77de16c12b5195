import { readFileSync } from 'node:fs';
import type { GraphQLResolveInfo } from 'graphql';
import { Arg, Args, Ctx, FieldResolver, ID, Info, Query, registerEnumType, Resolver, Root } from 'type-graphql';
import type { RowOf } from '../../src/database/rows.js';
import type { Context } from '../../src/graphql/context/context.js';
import type { DomainModule } from '../../src/graphql/module.js';
import { isSession } from '../../src/graphql/permissions/rules.js';
import { connectionType, type Connection } from '../../src/graphql/relay/connection.js';
import { Reads } from '../../src/graphql/schema/reads.js';
import { column, enumOf, listOf, textOf } from '../../src/graphql/tables/column-types.js';
import { Column, ExistingTable } from '../../src/graphql/tables/existing-table.js';
import { tableArgs, type TableArgs } from '../../src/graphql/tables/table-args.js';
import { TableReads } from '../../src/graphql/tables/table-reads.js';

/** A schema with what tables of other people have. */
export const oddTables = readFileSync(new URL('../fixtures/existing-tables/odd.sql', import.meta.url), 'utf8');

/*
 * Some of its tables, as `npm run new:type -- --table` writes them.
 */

enum Mood {
  HAPPY = 'happy',
  IN_BETWEEN = 'in between',
  GROESSER = 'größer',
}
registerEnumType(Mood, { name: 'Mood' });

@ExistingTable({ schema: 'odd', table: 'order_header', description: 'An order.' })
class OrderHeader {
  @Column(column.integer, { isKey: true, isIndexed: true, description: 'The shop.' })
  shop!: number;

  @Column(column.integer, { isKey: true, description: 'The number within the shop.' })
  number!: number;

  @Column(column.timestamptz, { description: 'The time of the order.' })
  placedAt!: Date;
}

@ExistingTable({ schema: 'odd', table: 'order_line', description: 'A line of an order.' })
class OrderLine {
  @Column(column.integer, { isKey: true, isIndexed: true, description: 'The shop.' })
  shop!: number;

  @Column(column.integer, { isKey: true, description: 'The number of the order.' })
  orderNumber!: number;

  @Column(column.integer, { isKey: true, description: 'The number of the line.' })
  line!: number;

  @Column(column.text, { description: 'The article.' })
  article!: string;
}

@ExistingTable({ schema: 'odd', table: 'notes', description: 'A note of a user.', ownedBy: 'userId' })
class Note {
  @Column(column.integer, { name: 'id', isKey: true, description: 'The number.' })
  rowId!: number;

  @Column(column.uuid, { description: 'The user.' })
  userId!: string;

  @Column(column.text, { description: 'The text.' })
  text!: string;
}

@ExistingTable({ schema: 'odd', table: 'every_type', description: 'A row with a column of every type.' })
class EveryType {
  @Column(column.bigint, { name: 'id', isKey: true, isGenerated: true, description: 'The number.' })
  rowId!: string;

  @Column(column.bigint, { nullable: true, description: 'A large number.' })
  large!: string | null;

  @Column(column.numeric, { nullable: true, description: 'An exact number.' })
  exact!: string | null;

  @Column(column.money, { nullable: true, description: 'A price.' })
  price!: string | null;

  @Column(column.real, { nullable: true, description: 'A number.' })
  single!: number | null;

  @Column(column.double, { nullable: true, description: 'A number.' })
  double!: number | null;

  @Column(column.char, { nullable: true, description: 'A padded text.' })
  padded!: string | null;

  @Column(enumOf('odd.mood', Mood), { nullable: true, description: 'An enum.' })
  mood!: Mood | null;

  @Column(listOf(enumOf('odd.mood', Mood)), { nullable: true, description: 'Enums.' })
  moods!: (Mood | null)[] | null;

  @Column(listOf(column.text), { description: 'Texts.' })
  tags!: (string | null)[];

  @Column(listOf(column.integer), { nullable: true, description: 'Numbers.' })
  numbers!: (number | null)[] | null;

  @Column(listOf(column.date), { nullable: true, description: 'Days.' })
  days!: (string | null)[] | null;

  @Column(column.date, { nullable: true, description: 'A day.' })
  born!: string | null;

  @Column(column.timestamptz, { nullable: true, description: 'A time.' })
  at!: Date | null;

  @Column(column.timestamp, { nullable: true, description: 'A time without a zone.' })
  local!: string | null;

  @Column(column.time, { nullable: true, description: 'A time of day.' })
  clock!: string | null;

  @Column(column.interval, { nullable: true, description: 'A span.' })
  span!: string | null;

  @Column(column.bytea, { nullable: true, description: 'Bytes.' })
  bytes!: string | null;

  @Column(column.json, { nullable: true, description: 'JSON.' })
  data!: unknown;

  @Column(column.jsonb, { nullable: true, description: 'JSON.' })
  document!: unknown;

  @Column(textOf('inet'), { nullable: true, description: 'An address.' })
  address!: string | null;

  @Column(textOf('int4range'), { nullable: true, description: 'A range.' })
  valid!: string | null;

  @Column(column.integer, { nullable: true, isGenerated: true, description: 'Computed.' })
  doubled!: number | null;

  @Column(column.integer, { name: 'Größe in cm', nullable: true, description: 'A name with spaces.' })
  groesseInCm!: number | null;
}

@ExistingTable({ schema: 'odd', table: 'by_time', description: 'A row by its time.' })
class ByTime {
  @Column(column.exactTimestamptz, { isKey: true, description: 'The time.' })
  at!: string;

  @Column(column.integer, { nullable: true, description: 'The value.' })
  value!: number | null;
}

@ExistingTable({ schema: 'odd', table: 'sorted', description: 'A row to sort.' })
class Sorted {
  @Column(column.integer, { name: 'id', isKey: true, isIndexed: true, description: 'The number.' })
  rowId!: number;

  @Column(column.integer, { nullable: true, isIndexed: true, description: 'A number.' })
  number!: number | null;

  @Column(column.text, { nullable: true, isIndexed: true, description: 'A word.' })
  word!: string | null;

  @Column(enumOf('odd.mood', Mood), { nullable: true, isIndexed: true, description: 'An enum.' })
  mood!: Mood | null;

  @Column(column.timestamptz, { isIndexed: true, description: 'A time that differs by microseconds.' })
  at!: Date;
}

type SortedRow = RowOf<Sorted>;
type OrderRow = RowOf<OrderHeader>;
type LineRow = RowOf<OrderLine>;
type NoteRow = RowOf<Note>;
type EveryRow = RowOf<EveryType>;
type TimeRow = RowOf<ByTime>;

const OrderConnection = connectionType<OrderRow>(OrderHeader, 'OrderHeader');
const LineConnection = connectionType<LineRow>(OrderLine, 'OrderLine');
const NoteConnection = connectionType<NoteRow>(Note, 'Note');
const EveryConnection = connectionType<EveryRow>(EveryType, 'EveryType');
const TimeConnection = connectionType<TimeRow>(ByTime, 'ByTime');

const SortedConnection = connectionType<SortedRow>(Sorted, 'Sorted');
const SortedArgs = tableArgs(Sorted);
const OrderHeaderArgs = tableArgs(OrderHeader);
const OrderLineArgs = tableArgs(OrderLine);
const NoteArgs = tableArgs(Note);
const EveryTypeArgs = tableArgs(EveryType);
const ByTimeArgs = tableArgs(ByTime);

const canRead = isSession;
const orders = new TableReads<OrderRow>({
  entity: OrderHeader,
  connection: OrderConnection,
  idPrefix: 'oddorder',
  canRead,
});
const lines = new TableReads<LineRow>({ entity: OrderLine, connection: LineConnection, idPrefix: 'oddline', canRead });
const notes = new TableReads<NoteRow>({ entity: Note, connection: NoteConnection, idPrefix: 'oddnote', canRead });
const every = new TableReads<EveryRow>({
  entity: EveryType,
  connection: EveryConnection,
  idPrefix: 'oddtype',
  canRead,
});
const times = new TableReads<TimeRow>({ entity: ByTime, connection: TimeConnection, idPrefix: 'oddtime', canRead });

const sorted = new TableReads<SortedRow>({
  entity: Sorted,
  connection: SortedConnection,
  idPrefix: 'oddsorted',
  canRead,
});

@Resolver(() => Sorted)
class SortedResolver {
  @Query(() => SortedConnection)
  sorted(
    @Args(() => SortedArgs) args: TableArgs,
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Connection<SortedRow>> {
    return sorted.page(args, context, info);
  }

  @Reads<SortedRow>('rowId')
  @FieldResolver(() => ID)
  id(@Root() row: SortedRow): string {
    return sorted.idOf(row);
  }
}

@Resolver(() => OrderHeader)
class OrderResolver {
  @Query(() => OrderConnection)
  orders(
    @Args(() => OrderHeaderArgs) args: TableArgs,
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Connection<OrderRow>> {
    return orders.page(args, context, info);
  }

  @Reads<OrderRow>('shop', 'number')
  @FieldResolver(() => ID)
  id(@Root() row: OrderRow): string {
    return orders.idOf(row);
  }

  @Reads<OrderRow>('shop', 'number')
  @FieldResolver(() => LineConnection)
  lines(
    @Root() row: OrderRow,
    @Args(() => OrderLineArgs) args: TableArgs,
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Connection<LineRow>> {
    return lines.of({ shop: row.shop, orderNumber: row.number }, args, context, info);
  }
}

@Resolver(() => OrderLine)
class LineResolver {
  @Query(() => OrderLine, { nullable: true })
  line(
    @Arg('id', () => ID) id: string,
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<LineRow | null> {
    return lines.byId(id, context, info);
  }

  @Query(() => LineConnection)
  lines(
    @Args(() => OrderLineArgs) args: TableArgs,
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Connection<LineRow>> {
    return lines.page(args, context, info);
  }

  @Reads<LineRow>('shop', 'orderNumber', 'line')
  @FieldResolver(() => ID)
  id(@Root() row: LineRow): string {
    return lines.idOf(row);
  }

  @Reads<LineRow>('shop', 'orderNumber')
  @FieldResolver(() => OrderHeader, { nullable: true })
  order(
    @Root() row: LineRow,
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<OrderRow | null> | null {
    return orders.one({ shop: row.shop, number: row.orderNumber }, context, info);
  }
}

@Resolver(() => Note)
class NoteResolver {
  @Query(() => Note, { nullable: true })
  note(
    @Arg('id', () => ID) id: string,
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<NoteRow | null> {
    return notes.byId(id, context, info);
  }

  @Query(() => NoteConnection)
  notes(
    @Args(() => NoteArgs) args: TableArgs,
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Connection<NoteRow>> {
    return notes.page(args, context, info);
  }

  /** The notes of a user, as a relation reads them. */
  @Query(() => NoteConnection)
  notesOf(
    @Arg('userId') userId: string,
    @Args(() => NoteArgs) args: TableArgs,
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Connection<NoteRow>> {
    return notes.of({ userId }, args, context, info);
  }

  @Reads<NoteRow>('rowId')
  @FieldResolver(() => ID)
  id(@Root() row: NoteRow): string {
    return notes.idOf(row);
  }
}

@Resolver(() => EveryType)
class EveryResolver {
  @Query(() => EveryConnection)
  every(
    @Args(() => EveryTypeArgs) args: TableArgs,
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Connection<EveryRow>> {
    return every.page(args, context, info);
  }

  @Reads<EveryRow>('rowId')
  @FieldResolver(() => ID)
  id(@Root() row: EveryRow): string {
    return every.idOf(row);
  }
}

@Resolver(() => ByTime)
class TimeResolver {
  @Query(() => ByTime, { nullable: true })
  time(
    @Arg('id', () => ID) id: string,
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<TimeRow | null> {
    return times.byId(id, context, info);
  }

  @Query(() => TimeConnection)
  times(
    @Args(() => ByTimeArgs) args: TableArgs,
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Connection<TimeRow>> {
    return times.page(args, context, info);
  }

  @Reads<TimeRow>('at')
  @FieldResolver(() => ID)
  id(@Root() row: TimeRow): string {
    return times.idOf(row);
  }
}

const resolvers = [SortedResolver, OrderResolver, LineResolver, NoteResolver, EveryResolver, TimeResolver];

/** The domain of these tables. */
export const oddDomain: DomainModule = {
  name: 'odd',
  entities: [],
  existingTables: [Sorted, OrderHeader, OrderLine, Note, EveryType, ByTime],
  resolvers,
  permissions: {
    Query: {
      sorted: canRead,
      orders: canRead,
      line: canRead,
      lines: canRead,
      note: canRead,
      notes: canRead,
      notesOf: canRead,
      every: canRead,
      time: canRead,
      times: canRead,
    },
  },
  load: () => ({
    resolvers: resolvers.map((one) => new one()),
    nodes: {
      ...sorted.nodes('sorted'),
      ...orders.nodes('orders'),
      ...lines.nodes('lines'),
      ...notes.nodes('notes'),
      ...every.nodes('every'),
      ...times.nodes('times'),
    },
  }),
};

declare module '../../src/graphql/relay/global-id.js' {
  interface IdPrefixes {
    oddsorted: true;
    oddorder: true;
    oddline: true;
    oddnote: true;
    oddtype: true;
    oddtime: true;
  }
}

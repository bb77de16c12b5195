import type { GraphQLResolveInfo } from 'graphql';
import { Arg, Args, Ctx, FieldResolver, ID, Info, Query, Resolver, Root } from 'type-graphql';
import { Role } from '../../../src/auth/viewer.js';
import type { RowOf } from '../../../src/database/rows.js';
import type { Context } from '../../../src/graphql/context/context.js';
import type { AggregateRow } from '../../../src/graphql/filtering/aggregate-types.js';
import type { DomainModule } from '../../../src/graphql/module.js';
import { hasRole, isSession } from '../../../src/graphql/permissions/rules.js';
import { connectionType, type Connection } from '../../../src/graphql/relay/connection.js';
import { Reads } from '../../../src/graphql/schema/reads.js';
import { References } from '../../../src/graphql/tables/references.js';
import {
  tableAggregate,
  tableArgs,
  type AggregateArgs,
  type TableArgs,
} from '../../../src/graphql/tables/table-args.js';
import { TableReads } from '../../../src/graphql/tables/table-reads.js';
import { ByTime, EveryType, Note, OrderHeader, OrderLine, Secret, Sorted } from './entities.js';

type SortedRow = RowOf<Sorted>;
type OrderRow = RowOf<OrderHeader>;
type LineRow = RowOf<OrderLine>;
type NoteRow = RowOf<Note>;
type EveryRow = RowOf<EveryType>;
type SecretRow = RowOf<Secret>;
type TimeRow = RowOf<ByTime>;

const OrderConnection = connectionType<OrderRow>(OrderHeader, 'OrderHeader');
const LineConnection = connectionType<LineRow>(OrderLine, 'OrderLine');
const NoteConnection = connectionType<NoteRow>(Note, 'Note');
const EveryConnection = connectionType<EveryRow>(EveryType, 'EveryType');
const TimeConnection = connectionType<TimeRow>(ByTime, 'ByTime');

const SortedConnection = connectionType<SortedRow>(Sorted, 'Sorted');
const SortedArgs = tableArgs(Sorted);
const { Aggregate: SortedAggregate, Args: SortedAggregateArgs } = tableAggregate(Sorted);
const { Aggregate: NoteAggregate, Args: NoteAggregateArgs } = tableAggregate(Note);
const { Aggregate: EveryAggregate, Args: EveryAggregateArgs } = tableAggregate(EveryType);
const OrderHeaderArgs = tableArgs(OrderHeader);
const OrderLineArgs = tableArgs(OrderLine);
const SecretConnection = connectionType<SecretRow>(Secret, 'Secret');
const SecretArgs = tableArgs(Secret);
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

/** Only an ADMIN reads it. */
const secrets = new TableReads<SecretRow>({
  entity: Secret,
  connection: SecretConnection,
  idPrefix: 'oddsecret',
  canRead: hasRole(Role.ADMIN),
});

const sorted = new TableReads<SortedRow>({
  entity: Sorted,
  connection: SortedConnection,
  idPrefix: 'oddsorted',
  canRead,
});

lines.relate('order', orders, { shop: 'shop', orderNumber: 'number' });
sorted.relate('note', notes, { number: 'rowId' });
sorted.relate('next', sorted, { number: 'rowId' });
orders.relate('secret', secrets, { number: 'rowId' });

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

  @Query(() => [SortedAggregate])
  sortedAggregate(
    @Args(() => SortedAggregateArgs) args: AggregateArgs,
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<AggregateRow[]> {
    return sorted.aggregate(args, context, info);
  }

  @Reads<SortedRow>('rowId')
  @FieldResolver(() => ID)
  id(@Root() row: SortedRow): string {
    return sorted.idOf(row);
  }
}

@Resolver(() => Secret)
class SecretResolver {
  @Query(() => SecretConnection)
  secrets(
    @Args(() => SecretArgs) args: TableArgs,
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Connection<SecretRow>> {
    return secrets.page(args, context, info);
  }

  @Reads<SecretRow>('rowId')
  @FieldResolver(() => ID)
  id(@Root() row: SecretRow): string {
    return secrets.idOf(row);
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

  @References<LineRow>(() => orders, { shop: 'shop', orderNumber: 'number' })
  @FieldResolver(() => OrderHeader, { nullable: true })
  order(
    @Root() row: LineRow,
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<OrderRow | null> | OrderRow | null {
    return orders.referenced(row, context, info);
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

  @Query(() => [NoteAggregate])
  notesAggregate(
    @Args(() => NoteAggregateArgs) args: AggregateArgs,
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<AggregateRow[]> {
    return notes.aggregate(args, context, info);
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

  @Query(() => [EveryAggregate])
  everyAggregate(
    @Args(() => EveryAggregateArgs) args: AggregateArgs,
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<AggregateRow[]> {
    return every.aggregate(args, context, info);
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

const resolvers = [
  SortedResolver,
  SecretResolver,
  OrderResolver,
  LineResolver,
  NoteResolver,
  EveryResolver,
  TimeResolver,
];

/** The domain of these tables. */
export const oddDomain: DomainModule = {
  name: 'odd',
  entities: [],
  existingTables: [Sorted, Secret, OrderHeader, OrderLine, Note, EveryType, ByTime],
  resolvers,
  permissions: {
    Query: {
      sorted: canRead,
      secrets: secrets.canRead,
      sortedAggregate: canRead,
      notesAggregate: canRead,
      everyAggregate: canRead,
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
      ...secrets.nodes('secrets'),
      ...orders.nodes('orders'),
      ...lines.nodes('lines'),
      ...notes.nodes('notes'),
      ...every.nodes('every'),
      ...times.nodes('times'),
    },
  }),
};

declare module '../../../src/graphql/relay/global-id.js' {
  interface IdPrefixes {
    oddsorted: true;
    oddsecret: true;
    oddorder: true;
    oddline: true;
    oddnote: true;
    oddtype: true;
    oddtime: true;
  }
}

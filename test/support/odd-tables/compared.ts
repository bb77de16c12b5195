import type { GraphQLResolveInfo } from 'graphql';
import { Args, Ctx, FieldResolver, ID, Info, Query, registerEnumType, Resolver, Root } from 'type-graphql';
import type { RowOf } from '../../../src/database/rows.js';
import type { Context } from '../../../src/graphql/context/context.js';
import type { AggregateRow } from '../../../src/graphql/filtering/aggregate-types.js';
import type { DomainModule } from '../../../src/graphql/module.js';
import { isSession } from '../../../src/graphql/permissions/rules.js';
import { connectionType, type Connection } from '../../../src/graphql/relay/connection.js';
import { Reads } from '../../../src/graphql/schema/reads.js';
import { column, enumOf, textOf } from '../../../src/graphql/tables/column-types.js';
import { Column, ExistingTable } from '../../../src/graphql/tables/existing-table.js';
import {
  tableAggregate,
  tableArgs,
  type AggregateArgs,
  type TableArgs,
} from '../../../src/graphql/tables/table-args.js';
import { TableReads } from '../../../src/graphql/tables/table-reads.js';

/** A table whose columns have the types that are compared. The extension of `email` is in a schema that is not searched. */
export const comparedTable = `
  create schema compared; create schema tools; create extension citext schema tools;
  create type compared.size as enum ('small', 'medium', 'large');
  create table compared.thing (id integer primary key, padded char(5), local timestamp, clock time, address inet, network cidr,
    size compared.size, email tools.citext, price numeric, weight double precision, data jsonb, parent_id integer references compared.thing);
  create index on compared.thing (padded); create index on compared.thing (parent_id);`;

enum Size {
  SMALL = 'small',
  MEDIUM = 'medium',
  LARGE = 'large',
}
registerEnumType(Size, { name: 'Size' });

@ExistingTable({ schema: 'compared', table: 'thing', description: 'A thing.' })
class Compared {
  @Column(column.integer, { name: 'id', isKey: true, isIndexed: true, description: 'The number.' })
  rowId!: number;

  @Column(column.char, { nullable: true, isIndexed: true, description: 'A padded text.' })
  padded!: string | null;

  @Column(column.timestamp, { nullable: true, description: 'A time without a zone.' })
  local!: string | null;

  @Column(column.time, { nullable: true, description: 'A time of day.' })
  clock!: string | null;

  @Column(textOf('inet'), { nullable: true, description: 'An address.' })
  address!: string | null;

  @Column(textOf('cidr'), { nullable: true, description: 'A network.' })
  network!: string | null;

  @Column(enumOf('compared.size', Size), { nullable: true, description: 'A size.' })
  size!: Size | null;

  @Column(textOf('tools.citext'), { nullable: true, description: 'An e-mail address.' })
  email!: string | null;

  @Column(column.numeric, { nullable: true, description: 'A price.' })
  price!: string | null;

  @Column(column.double, { nullable: true, description: 'A weight.' })
  weight!: number | null;

  @Column(column.jsonb, { nullable: true, description: 'JSON.' })
  data!: unknown;

  @Column(column.integer, { nullable: true, isIndexed: true, description: 'The parent.' })
  parentId!: number | null;
}

type ComparedRow = RowOf<Compared>;
const ComparedConnection = connectionType<ComparedRow>(Compared, 'Compared');
const ComparedArgs = tableArgs(Compared);
const { Aggregate: ComparedAggregate, Args: ComparedAggregateArgs } = tableAggregate(Compared);
const things = new TableReads<ComparedRow>({
  entity: Compared,
  connection: ComparedConnection,
  idPrefix: 'compared',
  canRead: isSession,
});
things.relate('parent', things, { parentId: 'rowId' });

@Resolver(() => Compared)
class ComparedResolver {
  @Query(() => ComparedConnection)
  things(
    @Args(() => ComparedArgs) args: TableArgs,
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Connection<ComparedRow>> {
    return things.page(args, context, info);
  }

  @Query(() => [ComparedAggregate])
  thingsAggregate(
    @Args(() => ComparedAggregateArgs) args: AggregateArgs,
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<AggregateRow[]> {
    return things.aggregate(args, context, info);
  }

  @Reads<ComparedRow>('rowId')
  @FieldResolver(() => ID)
  id(@Root() row: ComparedRow): string {
    return things.idOf(row);
  }
}

/** The domain of the table. */
export const comparedDomain: DomainModule = {
  name: 'compared',
  entities: [],
  existingTables: [Compared],
  resolvers: [ComparedResolver],
  permissions: { Query: { things: isSession, thingsAggregate: isSession } },
  load: () => ({ resolvers: [new ComparedResolver()], nodes: things.nodes('things') }),
};

declare module '../../../src/graphql/relay/global-id.js' {
  interface IdPrefixes {
    compared: true;
  }
}

import type { EntityClass } from '@mikro-orm/core';
import type { GraphQLResolveInfo } from 'graphql';
import { Arg, Args, Ctx, FieldResolver, ID, Info, Mutation, Query, Resolver, Root, type ClassType } from 'type-graphql';
import type { AuditLog } from '../../../src/audit/audit-log.js';
import type { RowOf } from '../../../src/database/rows.js';
import type { Context } from '../../../src/graphql/context/context.js';
import type { DomainModule } from '../../../src/graphql/module.js';
import { isSession, type Permissions } from '../../../src/graphql/permissions/rules.js';
import { connectionType, type Connection } from '../../../src/graphql/relay/connection.js';
import type { IdType } from '../../../src/graphql/relay/global-id.js';
import { Invalidates } from '../../../src/graphql/schema/cache-control.js';
import { Reads } from '../../../src/graphql/schema/reads.js';
import { tableOf } from '../../../src/graphql/tables/existing-table.js';
import { tableArgs, type TableArgs } from '../../../src/graphql/tables/table-args.js';
import { createInput, deletePayload, updateInput } from '../../../src/graphql/tables/table-inputs.js';
import { TableReads } from '../../../src/graphql/tables/table-reads.js';
import { administrators, TableWrites } from '../../../src/graphql/tables/table-writes.js';
import { Account, Entry, Guarded, Reading } from './entities.js';

type AnyRule = Permissions[string][string];

interface WrittenTable {
  reads: TableReads<object>;
  resolver: ClassType;
  permissions: { query: Permissions[string]; mutation: Permissions[string] };
}

/** The reads and mutations of a table, as `npm run new:type -- --table` writes them in a separate folder. */
function tableWithWrites(
  entity: EntityClass<unknown>,
  { one, many, idPrefix, canWrite }: { one: string; many: string; idPrefix: IdType; canWrite: AnyRule },
): WrittenTable {
  const { name } = entity;
  const type = (): never => entity as never;
  const connection = connectionType<object>(entity as never, name);
  const Arguments = tableArgs(entity);
  const Create = createInput(entity);
  const Update = updateInput(entity);
  const Payload = deletePayload(entity);
  const reads = new TableReads<object>({ entity, connection, idPrefix, canRead: isSession });
  const writes = new TableWrites<object>({ entity, reads, canWrite });
  const key = tableOf(entity).key.map(({ property }) => property) as never[];

  @Resolver(type)
  class TableResolver {
    constructor(readonly audit: Pick<AuditLog, 'by'>) {}

    @Query(type, { name: one, nullable: true })
    one(@Arg('id', () => ID) id: string, @Ctx() context: Context, @Info() info: GraphQLResolveInfo) {
      return reads.byId(id, context, info);
    }

    @Query(() => connection, { name: many })
    page(
      @Args(() => Arguments) args: TableArgs,
      @Ctx() context: Context,
      @Info() info: GraphQLResolveInfo,
    ): Promise<Connection<object>> {
      return reads.page(args, context, info);
    }

    @Reads<object>(...key)
    @FieldResolver(() => ID)
    id(@Root() row: object): string {
      return reads.idOf(row);
    }

    @Invalidates(name)
    @Mutation(type, { name: `create${name}`, nullable: true })
    create(@Arg('input', () => Create) input: object, @Ctx() context: Context, @Info() info: GraphQLResolveInfo) {
      return writes.create(input, { context, info, record: this.audit.by(context) });
    }

    @Invalidates(name)
    @Mutation(type, { name: `update${name}`, nullable: true })
    update(
      @Arg('id', () => ID) id: string,
      @Arg('input', () => Update) input: object,
      @Arg('expectedVersion', () => String, { nullable: true }) expectedVersion: string | null | undefined,
      @Ctx() context: Context,
      @Info() info: GraphQLResolveInfo,
    ) {
      return writes.update(id, input, expectedVersion, { context, info, record: this.audit.by(context) });
    }

    @Invalidates(name)
    @Mutation(() => Payload, { name: `delete${name}`, nullable: true })
    delete(
      @Arg('id', () => ID) id: string,
      @Arg('expectedVersion', () => String, { nullable: true }) expectedVersion: string | null | undefined,
      @Ctx() context: Context,
      @Info() info: GraphQLResolveInfo,
    ) {
      return writes.delete(id, expectedVersion, { context, info, record: this.audit.by(context) });
    }
  }
  const { canRead } = reads;
  const { canWrite: rule } = writes;
  return {
    reads,
    resolver: TableResolver,
    permissions: {
      query: { [one]: canRead, [many]: canRead },
      mutation: { [`create${name}`]: rule, [`update${name}`]: rule, [`delete${name}`]: rule },
    },
  };
}

const accounts = tableWithWrites(Account, {
  one: 'account',
  many: 'accounts',
  idPrefix: 'ledgeraccount',
  canWrite: administrators,
});
/** Its users write their rows. */
const entries = tableWithWrites(Entry, {
  one: 'entry',
  many: 'entries',
  idPrefix: 'ledgerentry',
  canWrite: isSession,
});
const guarded = tableWithWrites(Guarded, {
  one: 'guarded',
  many: 'guardeds',
  idPrefix: 'ledgerguarded',
  canWrite: administrators,
});
const readings = tableWithWrites(Reading, {
  one: 'reading',
  many: 'readings',
  idPrefix: 'ledgerreading',
  canWrite: administrators,
});
const tables = [accounts, entries, guarded, readings];

type AccountRow = RowOf<Account>;

@Resolver(() => Account)
class AccountRelations {
  @Reads<AccountRow>('parentId')
  @FieldResolver(() => Account, { nullable: true })
  parent(@Root() row: AccountRow, @Ctx() context: Context, @Info() info: GraphQLResolveInfo) {
    return accounts.reads.one({ rowId: row.parentId }, context, info);
  }
}

/** The domain of these tables. */
export const ledgerDomain: DomainModule = {
  name: 'ledger',
  entities: [],
  existingTables: [Account, Entry, Guarded, Reading],
  resolvers: [...tables.map(({ resolver }) => resolver), AccountRelations],
  permissions: {
    Query: Object.assign({}, ...tables.map(({ permissions }) => permissions.query)) as Permissions[string],
    Mutation: Object.assign({}, ...tables.map(({ permissions }) => permissions.mutation)) as Permissions[string],
  },
  load: ({ audit }) => ({
    resolvers: [...tables.map(({ resolver: One }) => new One(audit)), new AccountRelations()],
    nodes: {
      ...accounts.reads.nodes('account'),
      ...entries.reads.nodes('entry'),
      ...guarded.reads.nodes('guarded'),
      ...readings.reads.nodes('reading'),
    },
  }),
};

declare module '../../../src/graphql/relay/global-id.js' {
  interface IdPrefixes {
    ledgeraccount: true;
    ledgerentry: true;
    ledgerguarded: true;
    ledgerreading: true;
  }
}

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import pg from 'pg';
import { openDatabase, type OpenDatabase } from '../../src/database/open-database.js';
import { databaseOf } from '../../src/database/orm.js';
import { parameter, rawQuery, readTemplate, type ReadTemplate } from '../../src/database/read-templates.js';
import type { Database } from '../../src/database/tables.js';
import { domains } from '../../src/domains/index.js';
import { systemErrorCode } from '../../src/errors/system-error-code.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { startGateway, type TestGateway } from '../support/gateway.js';
import { waitUntil } from '../support/wait-until.js';

let database: TestDatabase;
const opened: OpenDatabase[] = [];
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(async () => {
  await Promise.all(opened.map((one) => one.close()));
  await database.drop();
});

function open(
  poolSize: number,
  timeouts = { connectionMs: 5_000, statementMs: 10_000 },
  preparesStatements = true,
): OpenDatabase {
  const one = openDatabase({
    preparesStatements,
    url: database.url,
    entities: domains.flatMap((domain) => domain.entities),
    poolSize,
    timeouts,
  });
  opened.push(one);
  return one;
}

/** Takes all connections of the pool. @returns a function that releases them */
async function holdAll({ orm, pools }: OpenDatabase, count: number): Promise<() => Promise<void>> {
  const { promise: released, resolve: release } = Promise.withResolvers<undefined>();
  const held = Promise.all(
    Array.from({ length: count }, () =>
      databaseOf(orm)
        .connection()
        .execute(() => released),
    ),
  );
  await waitUntil(() => pools()[0]?.inUse === count);
  return async () => {
    release(undefined);
    await held;
  };
}

describe('the connection pool', () => {
  it('cancels a slow statement on the server and executes the next', async () => {
    const { orm } = open(1, { connectionMs: 5_000, statementMs: 200 });
    const failure: unknown = await sql`select pg_sleep(30)`.execute(databaseOf(orm)).catch((error: unknown) => error);
    expect(systemErrorCode(failure)).toBe('57014');
    const { rows } = await sql<{
      left: number;
    }>`select count(*)::integer as left from pg_stat_activity where query like 'select pg_sleep(30)%' and state = 'active'`.execute(
      databaseOf(orm),
    );
    expect(rows).toEqual([{ left: 0 }]);
  });

  it('terminates an idle transaction, which releases its locks', async () => {
    const [{ orm }, watching] = [
      open(1, { connectionMs: 5_000, statementMs: 200 }),
      open(1, { connectionMs: 5_000, statementMs: 5_000 }),
    ];
    const idle = sql<{
      count: number;
    }>`select count(*)::integer as count from pg_stat_activity where datname = current_database() and state = 'idle in transaction'`;
    const count = async (): Promise<number> => (await idle.execute(databaseOf(watching.orm))).rows[0]?.count ?? -1;
    const transaction = databaseOf(orm)
      .transaction()
      .execute(async (held) => {
        await sql`select 1`.execute(held);
        await waitUntil(async () => (await count()) === 0);
        await sql`select 1`.execute(held);
      });
    await expect(transaction).rejects.toThrow();
    expect((await sql`select 1`.execute(databaseOf(orm))).rows).toHaveLength(1);
  });

  it('times out while waiting for a connection and leaks none', async () => {
    const one = open(1, { connectionMs: 300, statementMs: 5_000 });
    const release = await holdAll(one, 1);
    const startMs = performance.now();
    await expect(sql`select 1`.execute(databaseOf(one.orm))).rejects.toThrow(/timeout/);
    expect(performance.now() - startMs).toBeGreaterThan(250);
    await release();
    expect((await sql<{ one: number }>`select 1 as one`.execute(databaseOf(one.orm))).rows).toEqual([{ one: 1 }]);
  });

  it('opens connections up to its limit and reports used, idle and waiting', async () => {
    const one = open(3, { connectionMs: 5_000, statementMs: 5_000 });
    const release = await holdAll(one, 3);
    const waiting = [1, 2].map(() => sql`select 1`.execute(databaseOf(one.orm)));
    await waitUntil(() => one.pools()[0]?.waiting === 2);
    expect(one.pools()).toEqual([{ server: 'primary', size: 3, inUse: 3, idle: 0, waiting: 2 }]);
    await release();
    await Promise.all(waiting);
    await waitUntil(() => one.pools()[0]?.inUse === 0);
    expect(one.pools()).toEqual([{ server: 'primary', size: 3, inUse: 0, idle: 3, waiting: 0 }]);
  });
});

describe('the gateway', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startGateway({
      DATABASE_POOL_SIZE: '2',
      DATABASE_STATEMENT_TIMEOUT_MS: '700',
      RESPONSE_CACHE: 'false',
      QUERY_CACHE: 'false',
    });
  });
  afterAll(() => gateway.close());

  it('applies the configured pool size and statement timeout and recovers from a lock', async () => {
    const blocker = new pg.Client({ connectionString: gateway.databaseUrl });
    await blocker.connect();
    await blocker.query('begin; lock table department in access exclusive mode');
    const stuck = await gateway.execute('user', '{ departments { name } }');
    expect(stuck.errors).toHaveLength(1);
    expect(stuck.data ?? null).toBeNull();
    await blocker.query('rollback');
    await blocker.end();
    expect((await gateway.execute('user', '{ departments { name } }')).errors).toEqual([]);
  });

  it('exposes metrics of its pool and its reads', async () => {
    const value = async (series: string): Promise<number> => {
      const text = await (await fetch(gateway.metricsUrl ?? '')).text();
      return Number(new RegExp(`^${series.replace(/[{}]/g, '\\$&')} (\\S+)$`, 'm').exec(text)?.[1]);
    };
    expect(await value('auspex_database_pool_size{server="primary"}')).toBe(2);
    const [inUse, idle] = [
      await value('auspex_database_pool_connections{server="primary",state="used"}'),
      await value('auspex_database_pool_connections{server="primary",state="idle"}'),
    ];
    expect(inUse + idle).toBeGreaterThanOrEqual(1);
    expect(await value('auspex_database_pool_waiting{server="primary"}')).toBe(0);
    const before = await value('auspex_database_reads_total{server="primary"}');
    await gateway.execute('user', '{ departments { name headcount } }');
    expect(await value('auspex_database_reads_total{server="primary"}')).toBe(before + 2);
  });
});

describe('the statements of templates', () => {
  const plus = (text: string, hasStablePlan = true): ReadTemplate =>
    readTemplate(text, () => rawQuery(sql`select ${parameter('one')}::integer + 1 as ${sql.id(text)}`), {
      hasStablePlan,
    });
  const run = async (db: Database, template: ReadTemplate, times = 1): Promise<unknown[]> => {
    const results: unknown[] = [];
    for (let time = 0; time < times; time++) results.push(await template.execute(db, { one: time }));
    return results;
  };
  /** The texts that a connection has prepared. */
  const prepared = async (db: Database): Promise<string[]> => {
    const { rows } = await sql<{
      statement: string;
    }>`select statement from pg_prepared_statements where name like 'auspex%' order by prepare_time`.execute(db);
    return rows.map(({ statement }) => statement);
  };

  it('are prepared by name once they are frequent, unless their plan depends on the values', async () => {
    const db = databaseOf(open(1).orm);
    const template = plus('frequent');
    expect(await run(db, template, 3)).toEqual([[[1]], [[2]], [[3]]]);
    expect(await prepared(db)).toEqual([]);
    expect(await run(db, template, 3)).toEqual([[[1]], [[2]], [[3]]]);
    await run(db, plus('planned with its values', false), 10);
    expect(await prepared(db)).toEqual([template.textFor(db)]);
  });

  it('return the same without a name', async () => {
    const db = databaseOf(open(1, undefined, false).orm);
    expect(await run(db, plus('unnamed'), 5)).toEqual([[[1]], [[2]], [[3]], [[4]], [[5]]]);
    expect(await prepared(db)).toEqual([]);
  });

  it('are bounded: the least recently used is closed, and prepared again when it is needed', async () => {
    const db = databaseOf(open(1).orm);
    const templates = Array.from({ length: 51 }, (_, index) => plus(`bounded ${index}`));
    for (const template of templates) await run(db, template, 4);
    const texts = templates.map((template) => template.textFor(db));
    expect(await prepared(db)).toEqual(texts.slice(1));
    const [first] = templates;
    expect(first && (await run(db, first))).toEqual([[[1]]]);
    expect(await prepared(db)).toEqual([...texts.slice(2), texts[0]]);
  });

  it('are executed without a name once a connection has lost them, as behind an unrecognized pooler', async () => {
    const db = databaseOf(open(1).orm);
    const template = plus('lost');
    await run(db, template, 5);
    await sql`deallocate all`.execute(db);
    expect(await run(db, template, 3)).toEqual([[[1]], [[2]], [[3]]]);
    expect(await prepared(db)).toEqual([]);
  });

  it('are prepared again after a change of a column’s type', async () => {
    const db = databaseOf(open(1).orm);
    await sql`create table measured (value integer)`.execute(db);
    await sql`insert into measured values (1)`.execute(db);
    const template = readTemplate('measured', () => rawQuery(sql`select value from measured`), { hasStablePlan: true });
    await run(db, template, 5);
    await sql`alter table measured alter column value type text`.execute(db);
    expect(await run(db, template, 2)).toEqual([[['1']], [['1']]]);
    expect(await prepared(db)).toEqual([template.textFor(db)]);
  });

  it('fail as other statements do, and leave the connection usable', async () => {
    const db = databaseOf(open(1).orm);
    const template = plus('failing');
    await run(db, template, 5);
    expect(systemErrorCode(await template.execute(db, { one: 'x' }).catch((error: unknown) => error))).toBe('22P02');
    expect(await run(db, template)).toEqual([[[1]]]);
    await expect(template.execute(db, {})).rejects.toThrow('The statement needs a value of one.');
  });
});

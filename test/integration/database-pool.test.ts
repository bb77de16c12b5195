import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import pg from 'pg';
import { openDatabase, type OpenDatabase } from '../../src/database/open.js';
import { databaseOf } from '../../src/database/orm.js';
import { domains } from '../../src/domains/index.js';
import { codeOf } from '../../src/shared/error-code.js';
import { createTestDatabase, type TestDatabase } from '../kit/database.js';
import { startGateway, type TestGateway } from '../kit/gateway.js';
import { until } from '../kit/until.js';

let database: TestDatabase;
const opened: OpenDatabase[] = [];
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(async () => {
  await Promise.all(opened.map((one) => one.close()));
  await database.drop();
});

async function open(poolSize: number, timeouts: { connectionMs: number; statementMs: number }): Promise<OpenDatabase> {
  const one = await openDatabase({ databaseUrl: database.url, dataDir: '/nonexistent' }, { entities: domains.flatMap((domain) => domain.entities), poolSize, timeouts });
  opened.push(one);
  return one;
}

/** Holds all connections of the pool until it is released. */
async function holdAll({ orm, pools }: OpenDatabase, count: number): Promise<() => Promise<void>> {
  const { promise: released, resolve: release } = Promise.withResolvers<undefined>();
  const held = Promise.all(Array.from({ length: count }, () => databaseOf(orm).connection().execute(() => released)));
  await until(() => pools()[0]?.busy === count);
  return async () => {
    release(undefined);
    await held;
  };
}

describe('the pool of connections', () => {
  it('ends a statement that takes too long, by the server, and goes on with the next', async () => {
    const { orm } = await open(1, { connectionMs: 5_000, statementMs: 200 });
    const failure: unknown = await sql`select pg_sleep(30)`.execute(databaseOf(orm)).catch((error: unknown) => error);
    expect(codeOf(failure)).toBe('57014');
    const { rows } = await sql<{ left: number }>`select count(*)::integer as left from pg_stat_activity where query like 'select pg_sleep(30)%' and state = 'active'`.execute(databaseOf(orm));
    expect(rows).toEqual([{ left: 0 }]);
  });

  it('ends a transaction that does nothing for as long, so that its locks do not stay', async () => {
    const [{ orm }, watching] = [await open(1, { connectionMs: 5_000, statementMs: 200 }), await open(1, { connectionMs: 5_000, statementMs: 5_000 })];
    const idle = sql<{ count: number }>`select count(*)::integer as count from pg_stat_activity where datname = current_database() and state = 'idle in transaction'`;
    const count = async (): Promise<number> => (await idle.execute(databaseOf(watching.orm))).rows[0]?.count ?? -1;
    const transaction = databaseOf(orm)
      .transaction()
      .execute(async (held) => {
        await sql`select 1`.execute(held);
        await until(async () => (await count()) === 0);
        await sql`select 1`.execute(held);
      });
    await expect(transaction).rejects.toThrow();
    expect((await sql`select 1`.execute(databaseOf(orm))).rows).toHaveLength(1);
  });

  it('gives up on a connection after its time, and loses nothing of those that wait no longer', async () => {
    const one = await open(1, { connectionMs: 300, statementMs: 5_000 });
    const release = await holdAll(one, 1);
    const startMs = performance.now();
    await expect(sql`select 1`.execute(databaseOf(one.orm))).rejects.toThrow(/timeout/);
    expect(performance.now() - startMs).toBeGreaterThan(250);
    await release();
    expect((await sql<{ one: number }>`select 1 as one`.execute(databaseOf(one.orm))).rows).toEqual([{ one: 1 }]);
  });

  it('has as many connections as it may, and tells how many are busy, idle and waited for', async () => {
    const one = await open(3, { connectionMs: 5_000, statementMs: 5_000 });
    const release = await holdAll(one, 3);
    const waiting = [1, 2].map(() => sql`select 1`.execute(databaseOf(one.orm)));
    await until(() => one.pools()[0]?.waiting === 2);
    expect(one.pools()).toEqual([{ server: 'primary', size: 3, busy: 3, idle: 0, waiting: 2 }]);
    await release();
    await Promise.all(waiting);
    await until(() => one.pools()[0]?.busy === 0);
    expect(one.pools()).toEqual([{ server: 'primary', size: 3, busy: 0, idle: 3, waiting: 0 }]);
  });
});

describe('the gateway', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startGateway({ DATABASE_POOL_SIZE: '2', DATABASE_STATEMENT_TIMEOUT_MS: '700', RESPONSE_CACHE: 'false', QUERY_CACHE: 'false' });
  });
  afterAll(() => gateway.close());

  it('takes the size of the pool and the limit of a statement from its configuration, and answers again once the fault is over', async () => {
    const blocker = new pg.Client({ connectionString: gateway.databaseUrl });
    await blocker.connect();
    await blocker.query('begin; lock table department in access exclusive mode');
    const stuck = await gateway.ask('user', '{ departments { name } }');
    expect(stuck.errors).toHaveLength(1);
    expect(stuck.data ?? null).toBeNull();
    await blocker.query('rollback');
    await blocker.end();
    expect((await gateway.ask('user', '{ departments { name } }')).errors).toEqual([]);
  });

  it('tells of its pool and its reads in /metrics', async () => {
    const value = async (series: string): Promise<number> => {
      const text = await (await fetch(gateway.metricsUrl ?? '')).text();
      return Number(new RegExp(`^${series.replace(/[{}]/g, '\\$&')} (\\S+)$`, 'm').exec(text)?.[1]);
    };
    expect(await value('auspex_database_pool_size{server="primary"}')).toBe(2);
    const [busy, idle] = [await value('auspex_database_pool_connections{server="primary",state="busy"}'), await value('auspex_database_pool_connections{server="primary",state="idle"}')];
    expect(busy + idle).toBeGreaterThanOrEqual(1);
    expect(await value('auspex_database_pool_waiting{server="primary"}')).toBe(0);
    const before = await value('auspex_database_reads_total{server="primary"}');
    await gateway.ask('user', '{ departments { name headcount } }');
    expect(await value('auspex_database_reads_total{server="primary"}')).toBe(before + 2);
  });
});

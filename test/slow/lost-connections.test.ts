import 'reflect-metadata';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { MikroORM } from '@mikro-orm/postgresql';
import { sql } from 'kysely';
import { databaseErrorKind, isOutcomeUnknown } from '../../src/database/database-errors.js';
import { databaseOf, openOrm } from '../../src/database/orm.js';
import type { Database } from '../../src/database/tables.js';
import { domains } from '../../src/domains/index.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { startProxy, type TcpProxy } from '../support/tcp-proxy.js';

const timeouts = { connectionMs: 1_000, statementMs: 1_200 };

let database: TestDatabase;
let proxy: TcpProxy;
/** Has a pool of one connection, so that a leaked connection blocks every later statement. */
let orm: MikroORM;
let db: Database;

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

beforeEach(async () => {
  const url = new URL(database.url);
  proxy = await startProxy(Number(url.port));
  url.port = String(proxy.port);
  orm = openOrm({ url: url.href, entities: domains.flatMap((domain) => domain.entities), poolSize: 1, timeouts });
  db = databaseOf(orm);
  await sql`create table if not exists note (text text primary key)`.execute(db);
  await sql`truncate note`.execute(db);
});
afterEach(async () => {
  proxy.restore();
  await orm.close();
  await proxy.close();
});

const notes = async (): Promise<string[]> =>
  (await sql<{ text: string }>`select text from note order by text`.execute(db)).rows.map(({ text }) => text);

async function errorOf(task: Promise<unknown>): Promise<unknown> {
  return task.then(
    () => Promise.reject(new Error('it did not fail')),
    (error: unknown) => error,
  );
}

const cutOwnConnection = (): Promise<unknown> =>
  errorOf(sql`select pg_terminate_backend(pg_backend_pid())`.execute(db));

describe('a lost connection', () => {
  it('in a transaction is released and the transaction is rolled back', async () => {
    for (let round = 0; round < 3; round += 1) {
      const error = await errorOf(
        orm.em.fork().transactional(async (em) => {
          await em.execute(`insert into note values ('round ${round}')`);
          proxy.reset();
          await em.execute(`insert into note values ('more ${round}')`);
        }),
      );
      expect([databaseErrorKind(error), isOutcomeUnknown(error)]).toEqual(['unavailable', false]);
    }
    expect(await notes()).toEqual([]);
  });

  it('in a statement is replaced', async () => {
    expect(databaseErrorKind(await cutOwnConnection())).toBe('unavailable');
    await orm.em.fork().transactional((em) => em.execute(`insert into note values ('after')`));
    expect(await notes()).toEqual(['after']);
  });

  it('before a transaction fails its first statement and is released', async () => {
    await notes();
    proxy.blackhole();
    const error = await errorOf(orm.em.fork().transactional((em) => em.execute(`insert into note values ('never')`)));
    expect([databaseErrorKind(error), isOutcomeUnknown(error)]).toEqual(['unavailable', false]);
    proxy.restore();
    expect(await notes()).toEqual([]);
  });

  it('during a commit is reported as an unknown outcome', async () => {
    const error = await errorOf(
      orm.em.fork().transactional(async (em) => {
        await em.execute(`insert into note values ('perhaps')`);
        proxy.blackhole();
      }),
    );
    expect([databaseErrorKind(error), isOutcomeUnknown(error)]).toEqual(['unavailable', true]);
    proxy.restore();
    await notes();
  });

  it('during a single statement is reported as an unknown outcome for a write, and not for a read', async () => {
    await notes();
    proxy.blackhole();
    const change = await errorOf(sql`insert into note values ('perhaps')`.execute(db));
    proxy.restore();
    await notes();
    proxy.blackhole();
    const read = await errorOf(sql`with one as (select 1) select * from one`.execute(db));
    proxy.restore();
    expect([isOutcomeUnknown(change), isOutcomeUnknown(read)]).toEqual([true, false]);
  });

  it('that never responds is not reused', async () => {
    await notes();
    proxy.blackhole();
    await errorOf(notes());
    proxy.restore();
    const startMs = performance.now();
    expect(await notes()).toEqual([]);
    // On the previous connection each statement would time out.
    expect(performance.now() - startMs).toBeLessThan(timeouts.statementMs + 900);
  });
});

describe('a statement that fails for another reason', () => {
  it('keeps its connection, with a known outcome', async () => {
    const before = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(db);
    const late = await errorOf(sql`select pg_sleep(20)`.execute(db));
    const wrong = await errorOf(sql`insert into nothing values (1)`.execute(db));
    const after = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(db);
    expect([
      databaseErrorKind(late),
      databaseErrorKind(wrong),
      isOutcomeUnknown(late),
      isOutcomeUnknown(wrong),
    ]).toEqual(['timed-out', null, false, false]);
    expect(after.rows).toEqual(before.rows);
  });

  it('returns overloaded if the pool has no free connection', async () => {
    await orm.em.fork().transactional(async (em) => {
      await em.execute('select 1');
      const error = await errorOf(notes());
      expect(databaseErrorKind(error)).toBe('overloaded');
    });
  });
});

import 'reflect-metadata';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { MikroORM } from '@mikro-orm/postgresql';
import { sql } from 'kysely';
import { databaseFault, isOutcomeUnknown } from '../../src/database/faults.js';
import { databaseOf, openOrm } from '../../src/database/orm.js';
import type { Database } from '../../src/database/tables.js';
import { domains } from '../../src/domains/index.js';
import { createTestDatabase, type TestDatabase } from '../kit/database.js';
import { startProxy, type TcpProxy } from '../kit/tcp-proxy.js';

const timeouts = { connectionMs: 1_000, statementMs: 1_200 };

let database: TestDatabase;
let proxy: TcpProxy;
/** With a pool of one connection: if that is kept, nothing can be asked any more. */
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

const notes = async (): Promise<string[]> => (await sql<{ text: string }>`select text from note order by text`.execute(db)).rows.map(({ text }) => text);

async function errorOf(task: Promise<unknown>): Promise<unknown> {
  return task.then(
    () => Promise.reject(new Error('it did not fail')),
    (error: unknown) => error,
  );
}

const cutOwnConnection = (): Promise<unknown> => errorOf(sql`select pg_terminate_backend(pg_backend_pid())`.execute(db));

describe('a connection that is lost', () => {
  it('in a transaction, is given back, and nothing of the transaction is there', async () => {
    for (let round = 0; round < 3; round += 1) {
      const error = await errorOf(
        orm.em.fork().transactional(async (em) => {
          await em.execute(`insert into note values ('round ${round}')`);
          proxy.reset();
          await em.execute(`insert into note values ('more ${round}')`);
        }),
      );
      expect([databaseFault(error), isOutcomeUnknown(error)]).toEqual(['away', false]);
    }
    expect(await notes()).toEqual([]);
  });

  it('by a statement, is replaced by another', async () => {
    expect(databaseFault(await cutOwnConnection())).toBe('away');
    await orm.em.fork().transactional((em) => em.execute(`insert into note values ('after')`));
    expect(await notes()).toEqual(['after']);
  });

  it('before a transaction begins, fails its first statement and is given back', async () => {
    await notes();
    proxy.blackhole();
    const error = await errorOf(orm.em.fork().transactional((em) => em.execute(`insert into note values ('never')`)));
    expect([databaseFault(error), isOutcomeUnknown(error)]).toEqual(['away', false]);
    proxy.restore();
    expect(await notes()).toEqual([]);
  });

  it('while a transaction is committed, leaves open whether it was, and says so', async () => {
    const error = await errorOf(
      orm.em.fork().transactional(async (em) => {
        await em.execute(`insert into note values ('perhaps')`);
        proxy.blackhole();
      }),
    );
    expect([databaseFault(error), isOutcomeUnknown(error)]).toEqual(['away', true]);
    proxy.restore();
    await notes();
  });

  it('while a single statement makes a change, leaves open whether it was made, and one that only reads does not', async () => {
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

  it('or never answers, does not go to the next who asks', async () => {
    await notes();
    proxy.blackhole();
    await errorOf(notes());
    proxy.restore();
    const startMs = performance.now();
    expect(await notes()).toEqual([]);
    // On the connection of before it would be the statement's whole time, again and again.
    expect(performance.now() - startMs).toBeLessThan(timeouts.statementMs + 900);
  });
});

describe('a statement that fails for another reason', () => {
  it('keeps its connection, and leaves nothing open', async () => {
    const before = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(db);
    const late = await errorOf(sql`select pg_sleep(20)`.execute(db));
    const wrong = await errorOf(sql`insert into nothing values (1)`.execute(db));
    const after = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(db);
    expect([databaseFault(late), databaseFault(wrong), isOutcomeUnknown(late), isOutcomeUnknown(wrong)]).toEqual(['late', null, false, false]);
    expect(after.rows).toEqual(before.rows);
  });

  it('is a pool that has no connection to give', async () => {
    await orm.em.fork().transactional(async (em) => {
      await em.execute('select 1');
      const error = await errorOf(notes());
      expect(databaseFault(error)).toBe('busy');
    });
  });
});

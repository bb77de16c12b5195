import { describe, expect, it } from '@jest/globals';
import { DummyDriver, Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler, sql, type DatabaseConnection } from 'kysely';
import pg from 'pg';
import { Replica } from '../../src/database/replica.js';
import type { Database, Tables } from '../../src/database/tables.js';

/** A database whose statements are answered by a function. */
function answering(answer: () => Promise<{ rows: unknown[] }>): Database {
  class Driver extends DummyDriver {
    override acquireConnection(): Promise<DatabaseConnection> {
      return Promise.resolve({ executeQuery: answer, streamQuery: () => { throw new Error('unused'); } } as unknown as DatabaseConnection);
    }
  }
  return new Kysely<Tables>({
    dialect: { createDriver: () => new Driver(), createAdapter: () => new PostgresAdapter(), createIntrospector: (db) => new PostgresIntrospector(db), createQueryCompiler: () => new PostgresQueryCompiler() },
  });
}

const byPrimary = { rows: [{ by: 'primary' }] };
const primary = answering(() => Promise.resolve(byPrimary));
const replicaWith = (own: () => Promise<{ rows: unknown[] }>): Replica => {
  const replica = new Replica('replica-1', { own: answering(own), primary });
  replica.caughtUp(1000);
  return replica;
};
const ask = async ({ db }: Replica): Promise<unknown[]> => (await sql`select 1`.execute(db)).rows;

function postgresError(code: string): pg.DatabaseError {
  const error = new pg.DatabaseError('it failed', 9, 'error');
  error.code = code;
  error.severity = 'ERROR';
  return error;
}

describe('a read by a replica', () => {
  it('is answered by it', async () => {
    const replica = replicaWith(() => Promise.resolve({ rows: [{ by: 'replica' }] }));
    expect(await ask(replica)).toEqual([{ by: 'replica' }]);
    expect(replica.counted).toEqual({ reads: 1, moved: 0 });
  });

  const troubles: [string, Error][] = [
    ['refuses connections', Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })],
    ['has cut the connection', new Error('Connection terminated unexpectedly')],
    ['shuts down (57P01)', postgresError('57P01')],
    ['starts up (57P03)', postgresError('57P03')],
    ['has no connection left (53300)', postgresError('53300')],
    ['has lost the connection (08006)', postgresError('08006')],
  ];
  it.each(troubles)('is answered by the primary where the replica %s, and the replica is left out', async (_name, error) => {
    const replica = replicaWith(() => Promise.reject(error));
    expect(await ask(replica)).toEqual(byPrimary.rows);
    expect(replica.counted).toEqual({ reads: 0, moved: 1 });
    expect(replica.asOfMs).toBe(-Infinity);
  });

  it.each(['40001', '40P01', '42P01', '42703'])('is answered by the primary where the replica cannot (%s), which is no fault of the server', async (code) => {
    const replica = replicaWith(() => Promise.reject(postgresError(code)));
    expect(await ask(replica)).toEqual(byPrimary.rows);
    expect(replica.asOfMs).toBe(1000);
  });

  it.each(['57014', '22P02', '42601', '25006', '42501'])('fails where the statement itself does (%s), without asking the primary', async (code) => {
    const replica = replicaWith(() => Promise.reject(postgresError(code)));
    await expect(ask(replica)).rejects.toMatchObject({ code });
    expect(replica.counted).toEqual({ reads: 0, moved: 0 });
    expect(replica.asOfMs).toBe(1000);
  });

  it('that waits for a replica which is found to be away is answered by the primary at once', async () => {
    const replica = replicaWith(() => new Promise(() => undefined));
    const asked = ask(replica);
    await Promise.resolve();
    setTimeout(() => replica.leaveOut(), 20);
    expect(await asked).toEqual(byPrimary.rows);
  });

  it('is no transaction', async () => {
    const replica = replicaWith(() => Promise.resolve({ rows: [] }));
    await expect(replica.db.transaction().execute(() => Promise.resolve())).rejects.toThrow('A replica takes no transactions');
  });
});

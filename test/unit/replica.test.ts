import { describe, expect, it } from '@jest/globals';
import {
  DummyDriver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  sql,
  type DatabaseConnection,
} from 'kysely';
import pg from 'pg';
import { Replica } from '../../src/database/replicas/replica.js';
import { SchemaNames } from '../../src/database/schema-names.js';
import type { Database, Tables } from '../../src/database/tables.js';

/** A database with a function that executes statements. */
function responding(response: () => Promise<{ rows: unknown[] }>): Database {
  class Driver extends DummyDriver {
    override acquireConnection(): Promise<DatabaseConnection> {
      return Promise.resolve({
        executeQuery: response,
        streamQuery: () => {
          throw new Error('unused');
        },
      } as unknown as DatabaseConnection);
    }
  }
  return new Kysely<Tables>({
    plugins: [new SchemaNames('staff')],
    dialect: {
      createDriver: () => new Driver(),
      createAdapter: () => new PostgresAdapter(),
      createIntrospector: (db) => new PostgresIntrospector(db),
      createQueryCompiler: () => new PostgresQueryCompiler(),
    },
  });
}

const byPrimary = { rows: [{ by: 'primary' }] };
const primary = responding(() => Promise.resolve(byPrimary));
const replicaWith = (own: () => Promise<{ rows: unknown[] }>): Replica => {
  const replica = new Replica('replica-1', { own: responding(own), primary });
  replica.caughtUp(1000);
  return replica;
};
const execute = async ({ db }: Replica): Promise<unknown[]> => (await sql`select 1`.execute(db)).rows;

function postgresError(code: string): pg.DatabaseError {
  const error = new pg.DatabaseError('it failed', 9, 'error');
  error.code = code;
  error.severity = 'ERROR';
  return error;
}

describe('a replica read', () => {
  it('is served by the replica', async () => {
    const replica = replicaWith(() => Promise.resolve({ rows: [{ by: 'replica' }] }));
    expect(await execute(replica)).toEqual([{ by: 'replica' }]);
    expect(replica.counted).toEqual({ reads: 1, fallbacks: 0 });
    expect(replica.db.selectFrom('employee').select('id').compile().sql).toBe('select "id" from "staff"."employee"');
  });

  const troubles: [string, Error][] = [
    ['does not accept connections', Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })],
    ['terminates the connection', new Error('Connection terminated unexpectedly')],
    ['shuts down (57P01)', postgresError('57P01')],
    ['starts up (57P03)', postgresError('57P03')],
    ['has no connection left (53300)', postgresError('53300')],
    ['has lost the connection (08006)', postgresError('08006')],
  ];
  it.each(troubles)(
    'is served by the primary if the replica %s, and the replica is skipped for a while',
    async (_name, error) => {
      const replica = replicaWith(() => Promise.reject(error));
      expect(await execute(replica)).toEqual(byPrimary.rows);
      expect(replica.counted).toEqual({ reads: 0, fallbacks: 1 });
      expect(replica.asOfMs).toBe(-Infinity);
    },
  );

  it.each(['40001', '40P01', '42P01', '42703'])(
    'is served by the primary after %s, without skipping the replica',
    async (code) => {
      const replica = replicaWith(() => Promise.reject(postgresError(code)));
      expect(await execute(replica)).toEqual(byPrimary.rows);
      expect(replica.asOfMs).toBe(1000);
    },
  );

  it.each(['57014', '22P02', '42601', '25006', '42501'])(
    'fails with %s without a retry on the primary',
    async (code) => {
      const replica = replicaWith(() => Promise.reject(postgresError(code)));
      await expect(execute(replica)).rejects.toMatchObject({ code });
      expect(replica.counted).toEqual({ reads: 0, fallbacks: 0 });
      expect(replica.asOfMs).toBe(1000);
    },
  );

  it('moves to the primary at once if its replica becomes unavailable', async () => {
    const replica = replicaWith(() => new Promise(() => undefined));
    const requested = execute(replica);
    await Promise.resolve();
    setTimeout(() => replica.exclude(), 20);
    expect(await requested).toEqual(byPrimary.rows);
  });

  it('is not a transaction', async () => {
    const replica = replicaWith(() => Promise.resolve({ rows: [] }));
    await expect(replica.db.transaction().execute(() => Promise.resolve())).rejects.toThrow(
      'Replicas do not support transactions',
    );
  });
});

import type { MikroORM } from '@mikro-orm/postgresql';
import pg from 'pg';

/** Any number that all replicas share. */
const lockId = 7_240_881_503;

/**
 * Runs the migrations that this database has not seen, in order. Of several processes that start at once one migrates
 * and the others wait.
 * @returns the names of the migrations that ran
 */
export async function migrate(orm: MikroORM, url: string): Promise<string[]> {
  // A connection of its own: the lock belongs to it and ends with it, also when this process is killed.
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  await client.connect();
  try {
    await client.query('select pg_advisory_lock($1)', [lockId]);
    const ran = await orm.migrator.up();
    return ran.map((migration) => migration.name);
  } finally {
    await client.end();
  }
}

import type { MikroORM } from '@mikro-orm/postgresql';
import pg from 'pg';

/** Any number that all replicas share. */
const lockId = 7_240_881_503;
const connectTimeoutMs = 5_000;
/** Another process's migrations may take a while on a large table. */
const lockTimeoutMs = 600_000;

/** The database does not let us in; the message says where it was looked for and what to do, and holds no password. */
export class DatabaseUnreachable extends Error {
  constructor(url: string, cause: unknown) {
    const { host, pathname, username } = new URL(url);
    const reason = cause instanceof AggregateError ? cause.errors.map(String).join('; ') : String(cause);
    super(`The database ${pathname.slice(1)} at ${host} cannot be opened as ${username || 'the default user'} (${reason}); start it, or correct DATABASE_URL.`, { cause });
    this.name = 'DatabaseUnreachable';
  }
}

/**
 * Runs the migrations that this database has not seen, in order. Of several processes that start at once one migrates
 * and the others wait.
 * @returns the names of the migrations that ran
 * @throws DatabaseUnreachable
 */
export async function migrate(orm: MikroORM, url: string): Promise<string[]> {
  // A connection of its own: the lock belongs to it and ends with it, also when this process is killed.
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: connectTimeoutMs, lock_timeout: lockTimeoutMs });
  client.on('error', () => {}); // a server that goes away fails the migration itself
  try {
    await client.connect().catch((error: unknown) => {
      throw new DatabaseUnreachable(url, error);
    });
    await client.query('select pg_advisory_lock($1)', [lockId]);
    const ran = await orm.migrator.up();
    return ran.map((migration) => migration.name);
  } finally {
    await client.end();
  }
}

import { setTimeout as sleep } from 'node:timers/promises';
import type { MikroORM } from '@mikro-orm/postgresql';
import pg from 'pg';

/** Any number that all replicas share. */
const lockId = 7_240_881_503;
const connectTimeoutMs = 5_000;
/** Another process's migrations may take a while on a large table. */
const turnTimeoutMs = 600_000;
const turnPollMs = 50;

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
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: connectTimeoutMs });
  client.on('error', () => {}); // a server that goes away fails the migration itself
  try {
    await client.connect().catch((error: unknown) => {
      throw new DatabaseUnreachable(url, error);
    });
    await takeTurn(client);
    const ran = await orm.migrator.up();
    return ran.map((migration) => migration.name);
  } finally {
    await client.end();
  }
}

/**
 * Takes the lock, or asks again until it is free. A statement that waited for it would be a transaction that does not end, and
 * an index that is built concurrently waits for those: the two would wait for each other for good.
 */
async function takeTurn(client: pg.Client): Promise<void> {
  const deadline = Date.now() + turnTimeoutMs;
  while (Date.now() < deadline) {
    const { rows } = await client.query<{ isOurs: boolean }>('select pg_try_advisory_lock($1) as "isOurs"', [lockId]);
    if (rows[0]?.isOurs) return;
    await sleep(turnPollMs);
  }
  throw new Error(`Another process has been migrating this database for ${turnTimeoutMs / 60_000} minutes; see what it waits for (select * from pg_stat_activity), and start again.`);
}

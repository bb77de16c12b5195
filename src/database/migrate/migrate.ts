import { MikroORM } from '@mikro-orm/postgresql';
import { ExponentialBackoff, handleWhen, retry } from 'cockatiel';
import pg from 'pg';
import { systemErrorCode } from '../../errors/system-error-code.js';
import type { Logger } from '../../telemetry/logger.js';
import { PooledConnection } from '../connection.js';
import { addressOf } from '../database-address.js';
import { schemaOfOrm } from '../schema-names.js';
import { withProgress } from '../progress.js';
import { DatabaseUnreachable } from '../wait-for-database.js';
import { MigrationBlocked, migrationError } from './migration-errors.js';
import { withMigrationLock } from './migration-lock.js';
import { assertMovable, earlierSchemaOf, moveTables } from './move-tables.js';
import { assertMigratable, assertTablesUsable, isMigrated, migrationState } from './preconditions.js';

export interface MigrateOptions {
  /** A migration waits so long for a lock before it steps aside. */
  lockTimeoutMs?: number;
  /** So often it tries for its locks. */
  attempts?: number;
  /** Limit of the wait for another process that migrates. */
  waitMs?: number;
  /** The schema whose tables move into the configured one; otherwise those of a release without schemas do. */
  moveFrom?: string | undefined;
  log?: Logger | undefined;
  /** Ends the wait for another process that migrates. */
  signal?: AbortSignal | undefined;
}

const connectTimeoutMs = 5_000;
/** Time limit of the reads and of the lock; a connection pooler may queue them. */
const queryTimeoutMs = 30_000;
const retryMs = { initialDelay: 250, maxDelay: 5_000 };

/** PostgreSQL's lock_not_available. */
const lockNotAvailable = '55P03';

/**
 * Runs pending migrations in order, each in a transaction; without pending ones it takes no lock. Of several processes that start
 * together, one migrates and the others wait. Statements have no time limit but wait only briefly for locks, since a queued
 * exclusive lock would block all later readers; a migration that cannot get its lock is retried.
 * @returns the names of the migrations
 * @throws DatabaseUnreachable, MigrationBlocked, MigrationRejected
 */
export async function migrate(
  orm: MikroORM,
  url: string,
  { lockTimeoutMs = 2_000, attempts = 30, waitMs = 600_000, moveFrom, log, signal }: MigrateOptions = {},
): Promise<string[]> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: connectTimeoutMs,
    query_timeout: queryTimeoutMs,
  });
  client.on('error', () => {}); // A lost connection fails its statements.
  try {
    await client.connect().catch((error: unknown) => {
      throw new DatabaseUnreachable(url, error);
    });
    const state = await migrationState(client, orm, url);
    // Read before the lock, whose transaction must not lock the tables that move.
    if (moveFrom !== undefined) await assertMovable(client, { orm, url, from: moveFrom, state });
    const from = moveFrom ?? (await earlierSchemaOf(client, { orm, url, state }));
    const migrated =
      state.pending.length === 0
        ? []
        : await withMigrationLock(client, { waitMs, log, signal }, () =>
            runPending(client, { orm, url, from, lockTimeoutMs, attempts, log }),
          );
    await assertTablesUsable(client, orm, url);
    return migrated;
  } finally {
    await client.end();
  }
}

interface RunOptions {
  orm: MikroORM;
  url: string;
  /** The schema of tables that move. */
  from: string | null;
  lockTimeoutMs: number;
  attempts: number;
  log: Logger | undefined;
}

/** Runs what is still pending, over another connection than that of the lock. */
async function runPending(
  client: pg.Client,
  { orm, url, from, lockTimeoutMs, attempts, log }: RunOptions,
): Promise<string[]> {
  let state = await migrationState(client, orm, url);
  let [current = ''] = state.pending;
  if (current === '') return [];
  await assertMigratable(client, { orm, url, state });
  if (from !== null && !isMigrated(orm, state.executed)) {
    await withRetries(() => moveTables(client, { orm, url, from, lockTimeoutMs, log }), attempts, log);
    state = await migrationState(client, orm, url);
    [current = ''] = state.pending;
  }
  // A statement with parameters leaves a snapshot in its transaction until the next one: `create index concurrently` would wait for it.
  await client.query('select 1');
  const unhurried = openUnhurried(orm, url, lockTimeoutMs);
  try {
    await createSchema(unhurried);
    const { migrator } = unhurried;
    migrator.on('migrating', ({ name }) => void (current = name));
    migrator.on('migrated', ({ name }) => log?.info({ migration: name }, 'migration applied'));
    await withProgress(
      withRetries(() => migrator.up(), attempts, log),
      (seconds) => log?.info({ migration: current, seconds }, 'migration running'),
    );
    return state.pending;
  } catch (error) {
    throw migrationError(error, current, addressOf(url));
  } finally {
    await unhurried.close();
  }
}

/** PostgreSQL needs the privilege for `if not exists`, too. */
async function createSchema(orm: MikroORM): Promise<void> {
  const schema = schemaOfOrm(orm);
  const found = await orm.em.fork().execute('select 1 from pg_namespace where nspname = ?', [schema]);
  if (found.length === 0) await orm.em.fork().execute(`create schema ${pg.escapeIdentifier(schema)}`);
}

/** The same database for migrations: over one connection without the time limits that requests have, with the schema as search path. */
function openUnhurried(orm: MikroORM, url: string, lockTimeoutMs: number): MikroORM {
  const { clientUrl, entities, metadataProvider, extensions, migrations, logger, forceUtcTimezone } =
    orm.config.getAll();
  const schema = schemaOfOrm(orm);
  return new MikroORM({
    ...(clientUrl === undefined ? {} : { clientUrl }),
    ...{ schema, entities, metadataProvider, extensions, migrations, logger, forceUtcTimezone },
    pool: { max: 1 },
    driverOptions: {
      connectionString: url,
      connectionTimeoutMillis: connectTimeoutMs,
      settings: {
        lock_timeout: lockTimeoutMs,
        statement_timeout: 0,
        idle_in_transaction_session_timeout: 0,
        // Migrations name no schema.
        search_path: pg.escapeIdentifier(schema),
      },
      keepAlive: true,
      Client: PooledConnection,
    },
  });
}

async function withRetries(up: () => Promise<unknown>, attempts: number, log: Logger | undefined): Promise<void> {
  const isBlocked = (error: unknown): boolean => systemErrorCode(error) === lockNotAvailable;
  const policy = retry(handleWhen(isBlocked), { maxAttempts: attempts - 1, backoff: new ExponentialBackoff(retryMs) });
  policy.onRetry(({ attempt, delay }) =>
    log?.warn({ attempt, nextAttemptMs: Math.round(delay) }, 'a migration did not get its locks; trying again'),
  );
  await policy.execute(up).catch((error: unknown) => {
    throw isBlocked(error) ? new MigrationBlocked(blockedFor(attempts, error), error) : error;
  });
}

const blockedFor = (attempts: number, error: unknown): string =>
  `A migration tried ${attempts} times for the locks that it needs, and others held them (${String(error)}); end the long transactions of this database (select * from pg_stat_activity), and start again.`;

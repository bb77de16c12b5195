import { setTimeout as sleep } from 'node:timers/promises';
import { MikroORM } from '@mikro-orm/postgresql';
import { ExponentialBackoff, handleWhen, retry } from 'cockatiel';
import pg from 'pg';
import { codeOf } from '../shared/error-code.js';
import type { Logger } from '../shared/logger.js';
import { DatabaseUnreachable } from './reach.js';

export interface MigrateOptions {
  /** A migration waits so long for a lock before it steps aside. */
  lockTimeoutMs?: number;
  /** So often it tries for its locks. */
  attempts?: number;
  log?: Logger | undefined;
  /** Ends the wait for another process that migrates. */
  signal?: AbortSignal | undefined;
}

/** Any number that all replicas share. */
const lockId = 7_240_881_503;
const connectTimeoutMs = 5_000;
/** Another process's migrations may take a while on a large table. */
const turnTimeoutMs = 600_000;
const turnPauseMs = 250;
const pauseMs = { initialDelay: 250, maxDelay: 5_000 };

/** PostgreSQL's lock_not_available. */
const lockNotAvailable = '55P03';

/** Migrations could not run because of what others do. What came before the one that waits has run. */
export class MigrationBlocked extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'MigrationBlocked';
  }
}

/**
 * Runs the migrations that this database has not seen, in order, each in a transaction of its own. Of several processes that
 * start at once one migrates and the others wait. A statement may take as long as it needs, but waits only a moment for its
 * locks: whoever waits for a table's exclusive lock has all later readers wait behind it. The migration steps aside instead,
 * and tries again.
 * @returns the names of the migrations that ran
 * @throws DatabaseUnreachable
 * @throws MigrationBlocked
 * @throws the signal's reason
 */
export async function migrate(orm: MikroORM, url: string, { lockTimeoutMs = 2_000, attempts = 30, log, signal }: MigrateOptions = {}): Promise<string[]> {
  // A connection of its own: the lock belongs to it and ends with it, also when this process is killed.
  const turn = new pg.Client({ connectionString: url, connectionTimeoutMillis: connectTimeoutMs });
  turn.on('error', () => {}); // a server that goes away fails the migration itself
  let unhurried: MikroORM | null = null;
  try {
    await turn.connect().catch((error: unknown) => {
      throw new DatabaseUnreachable(url, error);
    });
    await takeTurn(turn, signal);
    unhurried = withoutHaste(orm, lockTimeoutMs);
    const { migrator } = unhurried;
    const pending = await migrator.getPending();
    await patiently(() => migrator.up(), attempts, log);
    return pending.map(({ name }) => name);
  } finally {
    await unhurried?.close();
    await turn.end();
  }
}

/** Asks again and again: a statement that waited would be waited for by `create index concurrently`, for ever. */
async function takeTurn(turn: pg.Client, signal: AbortSignal | undefined): Promise<void> {
  const giveUpAt = performance.now() + turnTimeoutMs;
  for (;;) {
    signal?.throwIfAborted();
    const { rows } = await turn.query<{ isTaken: boolean }>('select pg_try_advisory_lock($1) as "isTaken"', [lockId]);
    if (rows[0]?.isTaken) return;
    if (performance.now() > giveUpAt) throw new MigrationBlocked(`Another process has been migrating this database for ${turnTimeoutMs / 1000} s; see what it waits for (select * from pg_stat_activity), and start again.`);
    await sleep(turnPauseMs);
  }
}

/** The same database, over one connection without the time limits that requests have. */
function withoutHaste(orm: MikroORM, lockTimeoutMs: number): MikroORM {
  const { clientUrl, entities, metadataProvider, extensions, migrations, logger, forceUtcTimezone } = orm.config.getAll();
  return new MikroORM({
    ...(clientUrl === undefined ? {} : { clientUrl }),
    ...{ entities, metadataProvider, extensions, migrations, logger, forceUtcTimezone },
    pool: { max: 1 },
    driverOptions: { connectionTimeoutMillis: connectTimeoutMs, lock_timeout: lockTimeoutMs, keepAlive: true },
  });
}

async function patiently(up: () => Promise<unknown>, attempts: number, log: Logger | undefined): Promise<void> {
  const isBlocked = (error: unknown): boolean => codeOf(error) === lockNotAvailable;
  const policy = retry(handleWhen(isBlocked), { maxAttempts: attempts - 1, backoff: new ExponentialBackoff(pauseMs) });
  policy.onRetry(({ attempt, delay }) => log?.warn({ attempt, nextAttemptMs: Math.round(delay) }, 'a migration did not get its locks; trying again'));
  await policy.execute(up).catch((error: unknown) => {
    throw isBlocked(error) ? new MigrationBlocked(blockedFor(attempts, error), error) : error;
  });
}

const blockedFor = (attempts: number, error: unknown): string =>
  `A migration tried ${attempts} times for the locks that it needs, and others held them (${String(error)}); end the long transactions of this database (select * from pg_stat_activity), and start again.`;

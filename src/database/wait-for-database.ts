import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { Logger } from '../telemetry/logger.js';
import { OperatorError } from '../errors/operator-error.js';
import { adviceOn } from './connection-advice.js';
import { addressOf } from './database-address.js';
import { withProgress } from './progress.js';

export interface WaitOptions {
  /** Time limit for a database that is still starting. */
  waitSeconds: number;
  /** Aborts the wait. */
  signal?: AbortSignal | undefined;
  log: Logger;
}

const connectTimeoutMs = 5_000;
const pauseMs = { first: 200, longest: 3_000 };

/** No connection to the database. The message names server, database and remedy, without the password. */
export class DatabaseUnreachable extends OperatorError {
  readonly reason: string;
  /** Whether waiting does not help. */
  readonly isPermanent: boolean;

  constructor(url: string, cause: unknown) {
    const address = addressOf(url);
    const { reason, remedy, isPermanent } = adviceOn(cause, address);
    super(
      `The database ${address.database} at ${address.server} cannot be opened as ${address.user} (${reason}); ${remedy}.`,
      { cause },
    );
    this.reason = reason;
    this.isPermanent = isPermanent;
  }
}

/** The database accepts connections, and Auspex cannot use it. */
class UnsuitableDatabase extends OperatorError {
  constructor(
    message: string,
    readonly isPermanent: boolean,
  ) {
    super(message);
  }
}

/**
 * Waits until the database accepts connections and writes, and logs the wait. Fails at once for permanent errors, such as a
 * wrong password.
 * @throws DatabaseUnreachable, UnsuitableDatabase
 * @throws the signal's reason
 */
export async function waitForDatabase(url: string, { waitSeconds, signal, log }: WaitOptions): Promise<void> {
  const deadline = performance.now() + waitSeconds * 1000;
  const { database, server } = addressOf(url);
  for (let attempt = 1; ; attempt += 1) {
    const report = (waitedSeconds: number): void =>
      log.warn({ database, server, attempt, waitedSeconds }, 'waiting for the database to respond');
    const problem = await withProgress(unlessAborted(probe(url), signal), report);
    if (problem === null) return;
    const pause = pauseAfter(attempt);
    if (problem.isPermanent || performance.now() + pause > deadline) throw problem;
    const reason = problem instanceof DatabaseUnreachable ? problem.reason : problem.message;
    log.warn({ database, server, attempt, reason, nextAttemptMs: pause }, 'database not ready; retrying');
    await unlessAborted(sleep(pause), signal);
  }
}

/** Connects and disconnects. @returns what is wrong, or null */
async function probe(url: string): Promise<DatabaseUnreachable | UnsuitableDatabase | null> {
  let client: pg.Client | null = null;
  try {
    client = new pg.Client({
      connectionString: url,
      connectionTimeoutMillis: connectTimeoutMs,
      query_timeout: connectTimeoutMs,
    });
    client.on('error', () => {}); // a loss after the probe is irrelevant
    await client.connect();
    const { rows } = await client.query<DatabaseProperties>(readProperties);
    return rows[0] ? unsuitability(url, rows[0]) : null;
  } catch (error) {
    return new DatabaseUnreachable(url, error);
  } finally {
    // Not awaited: a lost server never closes the connection.
    client?.end().catch(() => undefined);
  }
}

interface DatabaseProperties {
  encoding: string;
  isStandby: boolean;
  isReadOnly: boolean;
  hasCollation: boolean;
}

/** The collation by whose rules searches ignore case; part of every PostgreSQL that is built with ICU. */
const readProperties = `select current_setting('server_encoding') as encoding, pg_is_in_recovery() as "isStandby",
  current_setting('transaction_read_only') = 'on' as "isReadOnly",
  exists (select from pg_collation where collname = 'und-x-icu') as "hasCollation"`;

/** @returns why Auspex cannot use the database, and what to do; null if it can */
function unsuitability(
  url: string,
  { encoding, isStandby, isReadOnly, hasCollation }: DatabaseProperties,
): UnsuitableDatabase | null {
  const { database, server } = addressOf(url);
  if (encoding !== 'UTF8')
    return new UnsuitableDatabase(
      `The database ${database} has the encoding ${encoding}; Auspex needs UTF8. Create another one with "createdb --encoding=UTF8 --template=template0 <name>", and copy the data with pg_dump.`,
      true,
    );
  if (!hasCollation)
    return new UnsuitableDatabase(
      `The server ${server} has no collation "und-x-icu", which searches need: use a PostgreSQL that is built with ICU, as all common packages and images are.`,
      true,
    );
  // A failover may promote the server meanwhile.
  if (isStandby)
    return new UnsuitableDatabase(
      `The database ${database} at ${server} is a standby, which accepts no changes; name the primary in DATABASE_URL, and standbys in DATABASE_REPLICA_URLS.`,
      false,
    );
  if (isReadOnly)
    return new UnsuitableDatabase(
      `The database ${database} at ${server} is read-only; turn default_transaction_read_only off for the database and its role, or correct DATABASE_URL.`,
      false,
    );
  return null;
}

/** Exponential backoff with jitter. */
const pauseAfter = (attempt: number): number =>
  Math.round(Math.min(pauseMs.first * 2 ** (attempt - 1), pauseMs.longest) * (0.5 + Math.random() / 2));

/** @throws the signal's reason once aborted */
async function unlessAborted<Result>(work: Promise<Result>, signal: AbortSignal | undefined): Promise<Result> {
  if (!signal) return work;
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(signal.reason as Error);
  signal.addEventListener('abort', abort);
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { codeOf } from '../shared/error-code.js';
import type { Logger } from '../shared/logger.js';

export interface Patience {
  /** How long is waited for a database that is not there yet. */
  waitSeconds: number;
  /** Ends the wait at once. */
  signal?: AbortSignal | undefined;
  log: Logger;
}

const connectTimeoutMs = 5_000;
const pauseMs = { first: 200, longest: 3_000 };

/** The database does not let us in; the message says where it was looked for and what to do, and holds no password. */
export class DatabaseUnreachable extends Error {
  constructor(url: string, cause: unknown) {
    const { host, pathname, username } = new URL(url);
    super(`The database ${pathname.slice(1)} at ${host} cannot be opened as ${username || 'the default user'} (${reasonOf(cause)}); start it, or correct DATABASE_URL.`, { cause });
    this.name = 'DatabaseUnreachable';
  }
}

/**
 * Waits until the database takes connections. What no waiting mends, such as a wrong password, is not waited for.
 * @throws DatabaseUnreachable
 * @throws the signal's reason
 */
export async function reachDatabase(url: string, { waitSeconds, signal, log }: Patience): Promise<void> {
  const giveUpAt = performance.now() + waitSeconds * 1000;
  for (let attempt = 1; ; attempt += 1) {
    const refusal = await unlessAborted(knock(url), signal);
    if (refusal === null) return;
    const pause = pauseAfter(attempt);
    if (isFinal(refusal) || performance.now() + pause > giveUpAt) throw new DatabaseUnreachable(url, refusal);
    log.warn({ attempt, reason: reasonOf(refusal), nextAttemptMs: pause }, 'the database is not there yet; trying again');
    await unlessAborted(sleep(pause), signal);
  }
}

/** Connects and goes away again; gives what came in between. */
async function knock(url: string): Promise<unknown> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: connectTimeoutMs });
  client.on('error', () => {}); // a server that goes away now is seen by the next who connects
  try {
    await client.connect();
    return null;
  } catch (error) {
    return error;
  } finally {
    // Not waited for: a server that is gone never says goodbye.
    client.end().catch(() => undefined);
  }
}

/** Longer each time, and never the same for all replicas that wait. */
const pauseAfter = (attempt: number): number => Math.round(Math.min(pauseMs.first * 2 ** (attempt - 1), pauseMs.longest) * (0.5 + Math.random() / 2));

/** A user or password that is refused, a database that does not exist or may not be entered, and a password that is asked for and not there. */
function isFinal(error: unknown): boolean {
  const code = codeOf(error) ?? '';
  return code.startsWith('28') || code === '3D000' || code === '42501' || String(error).includes('SASL');
}

const reasonOf = (error: unknown): string => (error instanceof AggregateError ? error.errors.map(String).join('; ') : String(error));

/** @throws the signal's reason, as soon as it is aborted */
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

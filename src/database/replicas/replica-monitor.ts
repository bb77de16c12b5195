import pg from 'pg';
import type { Logger } from '../../telemetry/logger.js';
import { addressOf } from '../database-address.js';
import { applyToSession } from '../session-settings.js';
import type { Replica } from './replica.js';

export interface ReplicaMonitorOptions {
  primaryUrl: string;
  replicas: readonly { replica: Replica; url: string }[];
  /** A replica with more lag is excluded. */
  maxLagMs: number;
  log: Logger;
}

/** The primary's WAL position at a time: every commit before `atMs` is before `position`. */
interface Mark {
  atMs: number;
  position: bigint;
}

/** Polling interval as a fraction of the allowed lag, and its limits. */
const pollPart = 20;
const pollMs = { least: 100, most: 250 };
const timeoutMs = 1_000;

/**
 * Measures each replica's lag. Several times a second it reads the primary's WAL position and each replica's replay position,
 * and finds when the primary had written that position. This needs no server clock, works without writes, and detects a replica
 * that lost its primary.
 */
export class ReplicaMonitor {
  readonly #options: ReplicaMonitorOptions;
  readonly #primary: pg.Pool;
  readonly #watched: WatchedReplica[];
  readonly #pollMs: number;
  readonly #sinceMs = performance.now();
  #marks: Mark[] = [];
  #timer: NodeJS.Timeout | null = null;
  #isClosed = false;

  constructor(options: ReplicaMonitorOptions) {
    this.#options = options;
    this.#primary = monitoringPool(options.primaryUrl);
    this.#watched = options.replicas.map(({ replica, url }) => new WatchedReplica(replica, url, options.log));
    this.#pollMs = Math.min(pollMs.most, Math.max(pollMs.least, options.maxLagMs / pollPart));
  }

  /** Checks once, so that healthy replicas are used from the start, then polls. */
  async open(): Promise<void> {
    await this.#check();
    this.#next();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#timer) clearTimeout(this.#timer);
    await Promise.allSettled([this.#primary, ...this.#watched].map((pool) => pool.end()));
  }

  #next(): void {
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => void this.#check().then(() => this.#next()), this.#pollMs).unref();
  }

  async #check(): Promise<void> {
    const { maxLagMs } = this.#options;
    const atMs = performance.now();
    const cluster = await this.#mark(atMs);
    // Older marks exceed the allowed lag.
    this.#marks = this.#marks.filter((mark) => mark.atMs > atMs - maxLagMs);
    const isYoung = atMs - this.#sinceMs < maxLagMs;
    await Promise.all(this.#watched.map((watched) => watched.check(this.#marks, cluster, isYoung)));
  }

  /** @returns the primary's system identifier; null if it does not respond */
  async #mark(atMs: number): Promise<string | null> {
    try {
      const { rows } = await this.#primary.query<{ position: string; cluster: string }>(
        `select (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::text as position, system_identifier::text as cluster from pg_control_system()`,
      );
      if (!rows[0]) return null;
      this.#marks.push({ atMs, position: BigInt(rows[0].position) });
      return rows[0].cluster;
    } catch {
      // Without new marks, replicas are excluded once the last mark is too old.
      return null;
    }
  }
}

const tooFarBehind = 'lag exceeds the limit';

/** A replica and its last check. */
class WatchedReplica {
  readonly #pool: pg.Pool;
  #lastProblem: string | null = null;

  constructor(
    readonly replica: Replica,
    readonly url: string,
    readonly log: Logger,
  ) {
    this.#pool = monitoringPool(url);
  }

  /** @param isYoung whether marks do not cover the allowed lag yet, so that the lag may be unknown rather than too long */
  async check(marks: readonly Mark[], cluster: string | null, isYoung: boolean): Promise<void> {
    const problem = await this.#problem(marks, cluster);
    if (problem) {
      this.replica.exclude();
      if (isYoung && problem.reason === tooFarBehind) return;
      this.#logChange(problem.reason, () =>
        this.log.warn({ ...this.#named, ...problem }, 'replica excluded; reads go to the primary'),
      );
    } else {
      this.#logChange('', () => this.log.info(this.#named, 'replica in use'));
    }
  }

  end(): Promise<void> {
    return this.#pool.end();
  }

  /** @returns why the replica must not be used; null if it may */
  async #problem(marks: readonly Mark[], cluster: string | null): Promise<{ reason: string; err?: unknown } | null> {
    try {
      const { rows } = await this.#pool.query<{ position: string | null; isFollowing: boolean; cluster: string }>(
        `select (pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::text as position, pg_is_in_recovery() as "isFollowing", system_identifier::text as cluster from pg_control_system()`,
      );
      const [row] = rows;
      if (!row?.isFollowing || row.position === null) return { reason: 'not in recovery: it follows no primary' };
      if (cluster !== null && row.cluster !== cluster)
        return { reason: 'it belongs to another cluster than the primary' };
      const replayed = BigInt(row.position);
      const mark = marks.findLast(({ position }) => position <= replayed);
      if (!mark) return { reason: tooFarBehind };
      this.replica.caughtUp(mark.atMs);
      return null;
    } catch (err) {
      return { reason: 'no response', err };
    }
  }

  get #named() {
    return { replica: this.replica.name, host: addressOf(this.url).server };
  }

  /** Logs each change once. */
  #logChange(problem: string, log: () => void): void {
    if (problem === this.#lastProblem) return;
    this.#lastProblem = problem;
    log();
  }
}

/** A pool of one connection, which reconnects. */
function monitoringPool(url: string): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    max: 1,
    connectionTimeoutMillis: timeoutMs,
    query_timeout: timeoutMs,
    // If it fails, so does the check that follows.
    // eslint-disable-next-line @typescript-eslint/no-misused-promises -- the pool awaits it, contrary to its types
    onConnect: (client) => applyToSession(client, { statement_timeout: timeoutMs }).catch(() => undefined),
    keepAlive: true,
    allowExitOnIdle: true,
  });
  pool.on('error', () => {}); // a lost connection fails the next check
  return pool;
}

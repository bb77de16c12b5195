import pg from 'pg';
import type { Logger } from '../shared/logger.js';
import type { Replica } from './replica.js';

export interface ReplicaWatchOptions {
  primaryUrl: string;
  replicas: readonly { replica: Replica; url: string }[];
  /** A replica that is further behind is left out. */
  maxLagMs: number;
  log: Logger;
}

/** Up to where the primary had written at a time: every commit before `atMs` lies before `position`. */
interface Mark {
  atMs: number;
  position: bigint;
}

/** How often it looks, as a part of the lag that is allowed, and within which limits. */
const pollPart = 20;
const pollMs = { least: 100, most: 250 };
/** A server answers such a look within this, or counts as away. */
const deadlineMs = 1_000;

/**
 * Knows of each replica how far behind it is. Several times a second the primary is asked up to where it has written, and each
 * replica up to where it has replayed: what it has replayed, the primary had written at a time that is known here. That needs no
 * clock of a server, holds while nobody writes, and does not take a replica that has lost its primary for one that keeps up.
 */
export class ReplicaWatch {
  readonly #options: ReplicaWatchOptions;
  readonly #primary: pg.Pool;
  readonly #watched: WatchedReplica[];
  readonly #pollMs: number;
  readonly #sinceMs = performance.now();
  #marks: Mark[] = [];
  #timer: NodeJS.Timeout | null = null;
  #isClosed = false;

  constructor(options: ReplicaWatchOptions) {
    this.#options = options;
    this.#primary = lookingPool(options.primaryUrl);
    this.#watched = options.replicas.map(({ replica, url }) => new WatchedReplica(replica, url, options.log));
    this.#pollMs = Math.min(pollMs.most, Math.max(pollMs.least, options.maxLagMs / pollPart));
  }

  /** Looks once, so that replicas that are well are used from the start, and then goes on looking. */
  async open(): Promise<void> {
    await this.#look();
    this.#next();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#timer) clearTimeout(this.#timer);
    await Promise.allSettled([this.#primary, ...this.#watched].map((pool) => pool.end()));
  }

  #next(): void {
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => void this.#look().then(() => this.#next()), this.#pollMs).unref();
  }

  async #look(): Promise<void> {
    const { maxLagMs } = this.#options;
    const atMs = performance.now();
    const cluster = await this.#mark(atMs);
    // Older ones would only tell of a lag that is too long anyway.
    this.#marks = this.#marks.filter((mark) => mark.atMs > atMs - maxLagMs);
    const isYoung = atMs - this.#sinceMs < maxLagMs;
    await Promise.all(this.#watched.map((watched) => watched.look(this.#marks, cluster, isYoung)));
  }

  /** Answers which cluster the primary is; null where it cannot say now. */
  async #mark(atMs: number): Promise<string | null> {
    try {
      const { rows } = await this.#primary.query<{ position: string; cluster: string }>(
        `select (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::text as position, system_identifier::text as cluster from pg_control_system()`,
      );
      if (!rows[0]) return null;
      this.#marks.push({ atMs, position: BigInt(rows[0].position) });
      return rows[0].cluster;
    } catch {
      // Replicas are as of the last mark, and are left out once that is too old: what is there now only the primary knows.
      return null;
    }
  }
}

const tooFarBehind = 'it is too far behind';

/** A replica, and what was last found of it. */
class WatchedReplica {
  readonly #pool: pg.Pool;
  #found: string | null = null;

  constructor(
    readonly replica: Replica,
    readonly url: string,
    readonly log: Logger,
  ) {
    this.#pool = lookingPool(url);
  }

  /** @param isYoung whether the marks do not go back as far as they will: what is behind the first of them is not known to be too far behind */
  async look(marks: readonly Mark[], cluster: string | null, isYoung: boolean): Promise<void> {
    const problem = await this.#problem(marks, cluster);
    if (problem) {
      this.replica.leaveOut();
      if (isYoung && problem.reason === tooFarBehind) return;
      this.#tell(problem.reason, () => this.log.warn({ ...this.#named, ...problem }, 'a replica is left out; the primary answers in its place'));
    } else {
      this.#tell('', () => this.log.info(this.#named, 'a replica answers reads'));
    }
  }

  end(): Promise<void> {
    return this.#pool.end();
  }

  /** Looks, and answers why the replica must not be used now; null where it may be. */
  async #problem(marks: readonly Mark[], cluster: string | null): Promise<{ reason: string; err?: unknown } | null> {
    try {
      const { rows } = await this.#pool.query<{ position: string | null; isFollowing: boolean; cluster: string }>(
        `select (pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::text as position, pg_is_in_recovery() as "isFollowing", system_identifier::text as cluster from pg_control_system()`,
      );
      const [row] = rows;
      if (!row?.isFollowing || row.position === null) return { reason: 'it follows no primary' };
      if (cluster !== null && row.cluster !== cluster) return { reason: 'it is of another cluster than the primary' };
      const replayed = BigInt(row.position);
      const mark = marks.findLast(({ position }) => position <= replayed);
      if (!mark) return { reason: tooFarBehind };
      this.replica.caughtUp(mark.atMs);
      return null;
    } catch (err) {
      return { reason: 'it does not answer', err };
    }
  }

  get #named() {
    return { replica: this.replica.name, host: new URL(this.url).host };
  }

  /** Once for each change. */
  #tell(found: string, log: () => void): void {
    if (found === this.#found) return;
    this.#found = found;
    log();
  }
}

/** One connection that is opened again whenever it was lost. */
function lookingPool(url: string): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    max: 1,
    connectionTimeoutMillis: deadlineMs,
    query_timeout: deadlineMs,
    statement_timeout: deadlineMs,
    keepAlive: true,
    allowExitOnIdle: true,
  });
  pool.on('error', () => {}); // whatever cuts the connection fails the next look
  return pool;
}

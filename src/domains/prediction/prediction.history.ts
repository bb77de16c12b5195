import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import type { Database } from '../../database/tables.js';
import type { WriteQueue } from '../../graphql/domain.js';
import { codeOf } from '../../shared/error-code.js';
import { ServiceUnavailable } from '../../shared/errors.js';
import type { Logger } from '../../shared/logger.js';
import type { PredictionRow } from './prediction.types.js';

export interface HistoryOptions {
  /** Predictions older than this are deleted. */
  retentionDays: number;
  /** Rows that may wait to be written; past it a call waits, and then is refused. */
  maxPending?: number;
  /** Called with rows once they are written. */
  onWritten?: (rows: readonly PredictionRow[]) => void;
}

const columns = sql.raw('id, user_id, model, version, digest, input, output, source, age_seconds, duration_ms, created_at');

/** A write waits so long for others to join it. */
const joinMs = 20;
/** Rows in one insert: to write them down holds the event loop for a millisecond or two. */
const batchSize = 250;
/** A call waits so long for room before it is refused. */
const waitForRoomMs = 1_000;
const retryMs = { first: 100, longest: 5_000 };
const purgeEveryMs = 3_600_000;
const purgeBatch = 5_000;

/**
 * Records predictions behind the response, in batches. Rows wait in memory, bounded, until they are written; an outage of
 * the database is retried, and `close` writes what is left.
 */
export class PredictionHistory implements WriteQueue {
  readonly name = 'prediction_history';
  readonly #db: Database;
  readonly #log: Logger;
  readonly #maxPending: number;
  readonly #onWritten: (rows: readonly PredictionRow[]) => void;
  readonly #purge: NodeJS.Timeout;
  #pending: PredictionRow[] = [];
  #writing: Promise<void> | null = null;
  #isClosing = false;
  #lost = 0;

  constructor(db: Database, log: Logger, { retentionDays, maxPending = 20_000, onWritten = () => {} }: HistoryOptions) {
    this.#db = db;
    this.#log = log;
    this.#maxPending = maxPending;
    this.#onWritten = onWritten;
    this.#purge = setInterval(() => void this.#deleteOlderThan(retentionDays), purgeEveryMs).unref();
  }

  get length(): number {
    return this.#pending.length;
  }

  get lost(): number {
    return this.#lost;
  }

  /**
   * Takes rows to be written. Returns at once while there is room.
   * @throws ServiceUnavailable where the database has been away for so long that there is none
   */
  async record(rows: readonly PredictionRow[]): Promise<void> {
    for (let waited = 0; this.#pending.length > 0 && this.#pending.length + rows.length > this.#maxPending; waited += joinMs) {
      if (waited >= waitForRoomMs) throw new ServiceUnavailable('The history of predictions cannot be written; try again later.');
      await sleep(joinMs);
    }
    this.#pending.push(...rows);
    this.#writing ??= this.#write();
  }

  /** Resolves once all that was recorded before is written, so that a reader finds it; waits a second at the most. */
  async settled(): Promise<void> {
    if (this.#writing) await Promise.race([this.#writing, sleep(waitForRoomMs)]);
  }

  /** Writes what is left. Rows that cannot be written within the time are counted in the log. */
  async close(deadlineMs = 10_000): Promise<void> {
    clearInterval(this.#purge);
    this.#isClosing = true;
    const deadline = new AbortController();
    if (this.#writing) await Promise.race([this.#writing, sleep(deadlineMs, undefined, { signal: deadline.signal }).catch(() => undefined)]);
    deadline.abort();
    if (this.#pending.length === 0) return;
    this.#lost += this.#pending.length;
    this.#log.error({ rows: this.#pending.length }, 'predictions were lost: the database did not take them before the shutdown');
  }

  async #write(): Promise<void> {
    let pauseMs = retryMs.first;
    if (!this.#isClosing) await sleep(joinMs);
    while (this.#pending.length > 0) {
      const batch = this.#pending.slice(0, batchSize);
      try {
        await this.#insert(batch);
        this.#pending = this.#pending.slice(batch.length);
        pauseMs = retryMs.first;
      } catch (error) {
        this.#log.warn({ err: error, rows: this.#pending.length }, 'the history of predictions is not written; trying again');
        await sleep(pauseMs);
        pauseMs = Math.min(pauseMs * 2, retryMs.longest);
      }
    }
    this.#writing = null;
  }

  async #insert(batch: readonly PredictionRow[]): Promise<void> {
    try {
      await this.#insertAll(batch);
      this.#onWritten(batch);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      if (batch.length === 1) {
        this.#lost += 1;
        this.#log.error({ err: error, id: batch[0]?.id, model: batch[0]?.model }, 'a prediction cannot be recorded: the database refuses it');
        return;
      }
      // One row that the database refuses must not keep the others out.
      for (const row of batch) await this.#insert([row]);
    }
  }

  /** One parameter for all rows: a parameter for each value would hold the event loop for many milliseconds. */
  async #insertAll(batch: readonly PredictionRow[]): Promise<void> {
    const rows = batch.map(({ userId, ageSeconds, durationMs, createdAt, ...row }) => ({
      ...row,
      user_id: userId,
      age_seconds: ageSeconds,
      duration_ms: durationMs,
      created_at: createdAt,
    }));
    // A batch whose answer was lost may have been written.
    await sql`
      insert into prediction (${columns})
      select ${columns}
      from json_to_recordset(${JSON.stringify(rows)}::json) as batch (
        id uuid, user_id uuid, model text, version integer, digest text, input jsonb, output jsonb,
        source prediction_source, age_seconds double precision, duration_ms double precision, created_at timestamptz
      )
      on conflict (id) do nothing`.execute(this.#db);
  }

  async #deleteOlderThan(days: number): Promise<void> {
    const before = new Date(Date.now() - days * 86_400_000);
    try {
      for (let deleted = purgeBatch; deleted === purgeBatch && !this.#isClosing; ) {
        const old = this.#db.selectFrom('prediction').select('id').where('created_at', '<', before).orderBy('created_at').limit(purgeBatch);
        const { numDeletedRows } = await this.#db.deleteFrom('prediction').where('id', 'in', old).executeTakeFirstOrThrow();
        deleted = Number(numDeletedRows);
      }
    } catch (error) {
      this.#log.warn({ err: error }, 'old predictions were not deleted; trying again in an hour');
    }
  }
}

/** Whether PostgreSQL refused the data itself (SQLSTATE classes 22 and 23), which another try would not change. */
const isRefusal = (error: unknown): boolean => /^2[23]/.test(codeOf(error) ?? '');

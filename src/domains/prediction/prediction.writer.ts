import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import { storedProperties } from '../../database/rows.js';
import type { Database } from '../../database/tables.js';
import type { WriteQueue } from '../../graphql/module.js';
import { systemErrorCode } from '../../errors/system-error-code.js';
import { ServiceUnavailable } from '../../errors/app-error.js';
import type { Logger } from '../../telemetry/logger.js';
import { PredictionRecord } from './prediction.entity.js';
import type { PredictionRow } from './prediction.types.js';

export interface HistoryOptions {
  /** Predictions older than this are deleted. */
  retentionDays: number;
  /** Rows buffered for writing. Beyond it a call waits, then fails. */
  maxPending?: number;
  /** Called with rows once they are written. */
  onWritten?: (rows: readonly PredictionRow[]) => void;
}

const properties = storedProperties(PredictionRecord);
const columns = sql.join(properties.map(({ column }) => sql.ref(column)));

/** Delay before a write, so that concurrent calls share it. */
const joinMs = 20;
/** Rows per insert: serializing them blocks the event loop for one or two milliseconds. */
const batchSize = 250;
/** How long a call waits for room in the buffer. */
const waitForRoomMs = 1_000;
const retryMs = { first: 100, longest: 1_000 };
const purgeEveryMs = 3_600_000;
const purgeBatch = 5_000;

/**
 * Records predictions in the background, in batches. A bounded buffer holds rows until they are written; failures of the
 * database are retried, and `close` writes the rest.
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
   * Buffers rows for writing. Resolves at once while the buffer has room.
   * @throws ServiceUnavailable if the buffer is full because the database is unavailable
   */
  async record(rows: readonly PredictionRow[]): Promise<void> {
    for (
      let waited = 0;
      this.#pending.length > 0 && this.#pending.length + rows.length > this.#maxPending;
      waited += joinMs
    ) {
      if (waited >= waitForRoomMs) throw new ServiceUnavailable('Prediction history is unavailable; try again later.');
      await sleep(joinMs);
    }
    this.#pending.push(...rows);
    this.#writing ??= this.#write();
  }

  /** Resolves once all rows recorded before are written, or after one second. */
  async settled(): Promise<void> {
    if (this.#writing) await Promise.race([this.#writing, sleep(waitForRoomMs, undefined, { ref: false })]);
  }

  /** Writes the remaining rows. Rows not written in time are logged as lost. */
  async close(deadlineMs = 10_000): Promise<void> {
    clearInterval(this.#purge);
    this.#isClosing = true;
    const deadline = new AbortController();
    if (this.#writing)
      await Promise.race([
        this.#writing,
        sleep(deadlineMs, undefined, { signal: deadline.signal }).catch(() => undefined),
      ]);
    deadline.abort();
    if (this.#pending.length === 0) return;
    this.#lost += this.#pending.length;
    this.#log.error({ rows: this.#pending.length }, 'predictions lost: not written before shutdown');
  }

  async #write(): Promise<void> {
    let pauseMs = retryMs.first;
    let isFailing = false;
    if (!this.#isClosing) await sleep(joinMs);
    while (this.#pending.length > 0) {
      const batch = this.#pending.slice(0, batchSize);
      try {
        await this.#insert(batch);
        this.#pending = this.#pending.slice(batch.length);
        pauseMs = retryMs.first;
        if (isFailing) this.#log.info('prediction history recovered');
        isFailing = false;
      } catch (error) {
        this.#log[isFailing ? 'debug' : 'warn'](
          { err: error, rows: this.#pending.length },
          'prediction history write failed; retrying',
        );
        isFailing = true;
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
      if (!isRejection(error)) throw error;
      if (batch.length === 1) {
        this.#lost += 1;
        this.#log.error(
          { err: error, id: batch[0]?.id, model: batch[0]?.model },
          'prediction dropped: rejected by the database',
        );
        return;
      }
      // A rejected row must not block the others.
      for (const row of batch) await this.#insert([row]);
    }
  }

  /** One parameter for all rows: a parameter per value would block the event loop for many milliseconds. */
  async #insertAll(batch: readonly PredictionRow[]): Promise<void> {
    const rows = batch.map((row) =>
      Object.fromEntries(properties.map(({ name, column }) => [column, row[name as keyof PredictionRow]])),
    );
    // A batch may have been written although its reply was lost.
    await sql`
      insert into prediction (${columns})
      select ${columns} from json_populate_recordset(null::prediction, ${JSON.stringify(rows)}::json)
      on conflict (id) do nothing`.execute(this.#db);
  }

  async #deleteOlderThan(days: number): Promise<void> {
    const before = new Date(Date.now() - days * 86_400_000);
    try {
      for (let deleted = purgeBatch; deleted === purgeBatch && !this.#isClosing;) {
        const old = this.#db
          .selectFrom('prediction')
          .select('id')
          .where('created_at', '<', before)
          .orderBy('created_at')
          .limit(purgeBatch);
        const { numDeletedRows } = await this.#db
          .deleteFrom('prediction')
          .where('id', 'in', old)
          .executeTakeFirstOrThrow();
        deleted = Number(numDeletedRows);
      }
    } catch (error) {
      this.#log.warn({ err: error }, 'purge of old predictions failed; retrying in an hour');
    }
  }
}

/** Whether PostgreSQL rejected the data itself (SQLSTATE classes 22 and 23), so that a retry cannot succeed. */
const isRejection = (error: unknown): boolean => /^2[23]/.test(systemErrorCode(error) ?? '');

import type { Database } from '../../../database/tables.js';
import type { Logger } from '../../../telemetry/logger.js';
import { createPartitionsAhead, deleteUnpartitioned, dropPartitionsBefore } from './partitions.js';

const dayMs = 86_400_000;
const everyMs = 3_600_000;
/** Days for which partitions exist in advance. */
const daysAhead = 7;

interface RetentionOptions {
  /** Predictions of UTC days that ended longer ago are deleted. */
  days: number;
  /** Rows per statement, of the table that was there before partitions. */
  batchSize?: number;
}

/** Every hour, creates the partitions of the next days and drops those of old days. Several replicas may do so at once. */
export class HistoryRetention {
  readonly #timer: NodeJS.Timeout;
  readonly #days: number;
  readonly #batchSize: number;
  #running: Promise<void> | null = null;
  #isClosing = false;

  constructor(
    private readonly db: Database,
    private readonly log: Logger,
    { days, batchSize = 5_000 }: RetentionOptions,
  ) {
    this.#days = days;
    this.#batchSize = batchSize;
    this.#timer = setInterval(() => void this.run(), everyMs).unref();
  }

  /** Never throws: the next hour tries again. */
  run(now = Date.now()): Promise<void> {
    this.#running ??= this.#run(now).finally(() => (this.#running = null));
    return this.#running;
  }

  /** Stops after the current statement. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#isClosing = true;
    await this.#running;
  }

  async #run(now: number): Promise<void> {
    try {
      await createPartitionsAhead(this.db, now, daysAhead);
      const olderThan = now - this.#days * dayMs;
      const end = await dropPartitionsBefore(this.db, olderThan);
      if (end === null) return;
      const batch = { olderThan, end, limit: this.#batchSize };
      while (!this.#isClosing && (await deleteUnpartitioned(this.db, batch)) === this.#batchSize);
    } catch (error) {
      this.log.warn({ err: error }, 'retention of the prediction history failed; retrying in an hour');
    }
  }
}

import type { Database } from '../../../database/tables.js';
import type { Logger } from '../../../telemetry/logger.js';

const everyMs = 3_600_000;
const batchSize = 5_000;

/** Deletes old predictions every hour. Several replicas may do so at once. */
export class HistoryRetention {
  readonly #timer: NodeJS.Timeout;
  #isClosing = false;

  constructor(
    private readonly db: Database,
    private readonly log: Logger,
    private readonly days: number,
  ) {
    this.#timer = setInterval(() => void this.run(), everyMs).unref();
  }

  /** Deletes what is old now. Never throws: the next hour tries again. */
  async run(): Promise<void> {
    const before = new Date(Date.now() - this.days * 86_400_000);
    try {
      for (let deleted = batchSize; deleted === batchSize && !this.#isClosing;)
        deleted = await this.#deleteBatch(before);
    } catch (error) {
      this.log.warn({ err: error }, 'purge of old predictions failed; retrying in an hour');
    }
  }

  /** Stops after the current batch. */
  close(): void {
    clearInterval(this.#timer);
    this.#isClosing = true;
  }

  async #deleteBatch(before: Date): Promise<number> {
    const old = this.db
      .selectFrom('prediction')
      .select('id')
      .where('created_at', '<', before)
      .orderBy('created_at')
      .limit(batchSize);
    const { numDeletedRows } = await this.db.deleteFrom('prediction').where('id', 'in', old).executeTakeFirstOrThrow();
    return Number(numDeletedRows);
  }
}

import type { MikroORM } from '@mikro-orm/postgresql';
import { sql } from 'kysely';
import { execute } from '../database/execute.js';
import { owned } from '../database/schema-names.js';
import type { Logger } from '../telemetry/logger.js';

export interface AuditRetentionOptions {
  orm: Pick<MikroORM, 'em'>;
  log: Logger;
  /** Events older than this are deleted. */
  days: number;
  /** Events per transaction, which holds the lock of the chain. */
  batchSize?: number;
}

const everyMs = 3_600_000;
const defaultBatchSize = 5_000;

/** Deletes old events of the audit log every hour. Several replicas may do so at once. */
export class AuditRetention {
  readonly #options: AuditRetentionOptions;
  readonly #timer: NodeJS.Timeout;
  #running: Promise<void> | null = null;
  #isClosing = false;

  constructor(options: AuditRetentionOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.run(), everyMs).unref();
  }

  /** Deletes what is old now. Never throws: the next hour tries again. */
  run(): Promise<void> {
    this.#running ??= this.#deleteOld().finally(() => (this.#running = null));
    return this.#running;
  }

  /** Stops after the current batch. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#isClosing = true;
    await this.#running;
  }

  async #deleteOld(): Promise<void> {
    const { orm, log, days, batchSize = defaultBatchSize } = this.#options;
    const before = new Date(Date.now() - days * 86_400_000);
    try {
      for (let deleted = batchSize; deleted === batchSize && !this.#isClosing;) {
        const statement = sql<{
          deleted: number;
        }>`select ${owned('auspex_delete_audit_events')}(${before}, ${batchSize}) as deleted`;
        const [row] = await execute(orm.em.fork(), statement);
        deleted = row?.deleted ?? 0;
      }
    } catch (error) {
      log.warn({ err: error }, 'retention of the audit log failed; retrying in an hour');
    }
  }
}

import { systemErrorCode } from '../errors/system-error-code.js';
import type { Logger } from '../telemetry/logger.js';
import { databaseErrorKind, type DatabaseErrorKind } from './database-errors.js';

/** A continuing outage. */
interface Outage {
  sinceMs: number;
  times: number;
  /** Whether an error occurred since the last check. */
  isRecent: boolean;
}

const defaultQuietMs = 10_000;

const startMessages: Record<DatabaseErrorKind, string> = {
  unavailable: 'database unavailable',
  overloaded: 'database or connection pool overloaded',
  'timed-out': 'statement exceeded DATABASE_STATEMENT_TIMEOUT_MS',
};

const endMessages: Record<DatabaseErrorKind, string> = {
  unavailable: 'database available again',
  overloaded: 'database no longer overloaded',
  'timed-out': 'statements within their time limit again',
};

/**
 * Logs an outage of the database once when it starts and once when it ends: a line per failed request would hide all others.
 * An outage ends after ten seconds without an error.
 */
export class OutageLog {
  readonly #log: Logger;
  readonly #quietMs: number;
  readonly #outages = new Map<DatabaseErrorKind, Outage>();

  constructor(log: Logger, quietMs = defaultQuietMs) {
    this.#log = log;
    this.#quietMs = quietMs;
  }

  /** Records an error; ignores errors that the database did not cause. */
  record(error: unknown): void {
    const kind = databaseErrorKind(error);
    if (kind === null) return;
    const known = this.#outages.get(kind);
    if (known) {
      known.times += 1;
      known.isRecent = true;
      return;
    }
    const outage = { sinceMs: performance.now(), times: 1, isRecent: false };
    this.#outages.set(kind, outage);
    this.#log.error(
      { kind, code: systemErrorCode(error), reason: error instanceof Error ? error.message : undefined },
      startMessages[kind],
    );
    const check = setInterval(() => {
      if (outage.isRecent) {
        outage.isRecent = false;
        return;
      }
      clearInterval(check);
      this.#outages.delete(kind);
      this.#log.info(
        {
          kind,
          times: outage.times,
          lastedMs: Math.max(0, Math.round(performance.now() - outage.sinceMs - this.#quietMs)),
        },
        endMessages[kind],
      );
    }, this.#quietMs).unref();
  }
}

import { codeOf } from '../shared/error-code.js';
import type { Logger } from '../shared/logger.js';
import { databaseFault, type DatabaseFault } from './faults.js';

/** A fault that lasts: when it was first seen, and how often. */
interface Outage {
  sinceMs: number;
  times: number;
  /** Since it was last looked at. */
  isRecent: boolean;
}

const defaultQuietMs = 10_000;

const begins: Record<DatabaseFault, string> = {
  away: 'the database cannot be reached',
  busy: 'the database, or the pool of connections to it, has none to give',
  late: 'a statement took longer than DATABASE_STATEMENT_TIMEOUT_MS, and was given up',
};

const ends: Record<DatabaseFault, string> = {
  away: 'the database is reached again',
  busy: 'the database has connections to give again',
  late: 'statements are done in time again',
};

/**
 * Says in the log once that the database does not answer, and once that it does again: every request feels an outage, and a
 * line for each would bury all others. It counts as over when none was seen for ten seconds.
 */
export class Outages {
  readonly #log: Logger;
  readonly #quietMs: number;
  readonly #underWay = new Map<DatabaseFault, Outage>();

  constructor(log: Logger, quietMs = defaultQuietMs) {
    this.#log = log;
    this.#quietMs = quietMs;
  }

  /** Takes an error of the database; those that are no fault of its own are left alone. */
  note(error: unknown): void {
    const fault = databaseFault(error);
    if (fault === null) return;
    const known = this.#underWay.get(fault);
    if (known) {
      known.times += 1;
      known.isRecent = true;
      return;
    }
    const outage = { sinceMs: performance.now(), times: 1, isRecent: false };
    this.#underWay.set(fault, outage);
    this.#log.error({ fault, code: codeOf(error), reason: error instanceof Error ? error.message : undefined }, begins[fault]);
    const look = setInterval(() => {
      if (outage.isRecent) {
        outage.isRecent = false;
        return;
      }
      clearInterval(look);
      this.#underWay.delete(fault);
      this.#log.info({ fault, times: outage.times, lastedMs: Math.max(0, Math.round(performance.now() - outage.sinceMs - this.#quietMs)) }, ends[fault]);
    }, this.#quietMs).unref();
  }
}

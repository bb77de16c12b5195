import { LRUCache } from 'lru-cache';
import { entryLimit } from '../../cache/entry-limit.js';

/** How long a row that failed alone is not run again. */
const rememberMs = 5_000;

/** Remembered rows and callers of a version; the oldest are dropped. */
const maxRows = 10_000;
const maxCallers = 1_000;

/** The rows that failed alone, for some seconds. A repetition would fail too, and take a thread from others. */
export class FailedRows {
  readonly #errors: LRUCache<string, Error>;

  constructor(ttlMs = rememberMs) {
    this.#errors = new LRUCache({ ...entryLimit(maxRows), ttl: ttlMs });
  }

  get isEmpty(): boolean {
    return this.#errors.size === 0;
  }

  add(key: string, error: unknown): void {
    this.#errors.set(key, new RowFailedBefore(error));
  }

  /** The error of a row; undefined if it may run. */
  errorOf(key: string): Error | undefined {
    return this.#errors.get(key);
  }
}

/** A row failed some seconds ago and was not run again. The cause is the error of that run. */
export class RowFailedBefore extends Error {
  constructor(cause: unknown) {
    super('The model failed on this row before.', { cause });
    this.name = 'RowFailedBefore';
  }
}

/** The callers whose rows failed a run, for some seconds. Their rows do not run together with those of others. */
export class Suspects {
  readonly #callers: LRUCache<string, true>;

  constructor(ttlMs = rememberMs) {
    this.#callers = new LRUCache({ ...entryLimit(maxCallers), ttl: ttlMs });
  }

  add(caller: string): void {
    this.#callers.set(caller, true);
  }

  has(caller: string): boolean {
    return this.#callers.has(caller);
  }
}

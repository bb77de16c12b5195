import { LRUCache } from 'lru-cache';
import type { ThrottleLimits } from '../config.js';
import { TooManyAttempts } from '../shared/errors.js';

/** Accounts and addresses that are counted at a time; the least recently seen is forgotten first. */
const maxCounters = 100_000;

interface Counter {
  attempts: number;
  endsAtMs: number;
}

/**
 * Bounds how often credentials are tried, by account and by address, in a fixed window. An attempt is counted before
 * it is checked, so that many at once, or many in one request, do not slip through. Counts in this process.
 */
export class LoginThrottle {
  readonly #counters = new LRUCache<string, Counter>({ max: maxCounters });

  constructor(readonly limits: ThrottleLimits) {}

  /** @throws TooManyAttempts past the limit for the account or the address */
  login(account: string, address: string): void {
    this.#count(`login account ${account}`, this.limits.loginsPerAccount);
    this.#count(`login address ${address}`, this.limits.loginsPerAddress);
  }

  /** A right password clears the account's count; the address keeps its own. */
  loginSucceeded(account: string): void {
    this.#counters.delete(`login account ${account}`);
  }

  /** Counted before the token is looked up. @throws TooManyAttempts past the limit for the address */
  refreshFrom(address: string): void {
    this.#count(`refresh address ${address}`, this.limits.refreshesPerAddress);
  }

  /** Counted once the token's account is known. @throws TooManyAttempts past the limit for the account */
  refreshOf(userId: string): void {
    this.#count(`refresh account ${userId}`, this.limits.refreshesPerAccount);
  }

  /** @throws TooManyAttempts past the limit for the address */
  register(address: string): void {
    this.#count(`register address ${address}`, this.limits.registrationsPerAddress);
  }

  #count(key: string, limit: number): void {
    const now = Date.now();
    let counter = this.#counters.get(key);
    if (!counter || counter.endsAtMs <= now) {
      counter = { attempts: 0, endsAtMs: now + this.limits.windowSeconds * 1000 };
      this.#counters.set(key, counter);
    }
    if (counter.attempts >= limit) {
      const retryAfterSeconds = Math.max(1, Math.ceil((counter.endsAtMs - now) / 1000));
      throw new TooManyAttempts(`Too many attempts; try again in ${retryAfterSeconds} seconds.`, retryAfterSeconds);
    }
    counter.attempts += 1;
  }
}

import { isIPv6 } from 'node:net';
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
  /** Passwords that were tried since the start, by what came of it. */
  readonly tries = { succeeded: 0, failed: 0, throttled: 0 };
  readonly #counters = new LRUCache<string, Counter>({ max: maxCounters });

  constructor(readonly limits: ThrottleLimits) {}

  /**
   * The address comes first: past its limit it must not use up the attempts of accounts.
   * @throws TooManyAttempts past the limit for the account or the address
   */
  login(account: string, address: string): void {
    try {
      this.#count(`login address ${networkOf(address)}`, this.limits.loginsPerAddress);
      this.#count(`login account ${account}`, this.limits.loginsPerAccount);
    } catch (error) {
      this.tries.throttled += 1;
      throw error;
    }
  }

  /** The password was wrong, or there is no such account. */
  loginFailed(): void {
    this.tries.failed += 1;
  }

  /** A right password clears the account's count; the address keeps its own. */
  loginSucceeded(account: string): void {
    this.tries.succeeded += 1;
    this.#counters.delete(`login account ${account}`);
  }

  /** Counted before the token is looked up. @throws TooManyAttempts past the limit for the address */
  refreshFrom(address: string): void {
    this.#count(`refresh address ${networkOf(address)}`, this.limits.refreshesPerAddress);
  }

  /** Counted once the token's account is known. @throws TooManyAttempts past the limit for the account */
  refreshOf(userId: string): void {
    this.#count(`refresh account ${userId}`, this.limits.refreshesPerAccount);
  }

  /** @throws TooManyAttempts past the limit for the address */
  register(address: string): void {
    this.#count(`register address ${networkOf(address)}`, this.limits.registrationsPerAddress);
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

/** What an address is counted as: IPv4 by itself, IPv6 by its /64, which is the least that one subscriber gets (RFC 6177). */
function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  const ipv4 = /^::ffff:(\d+(?:\.\d+){3})$/i.exec(address)?.[1];
  if (ipv4 !== undefined) return ipv4;
  // Puts the address into its one canonical form, of hexadecimal groups alone; a zone says nothing about the network.
  const canonical = URL.parse(`http://[${address.replace(/%.*/, '')}]`)?.hostname.slice(1, -1) ?? address;
  const [front = [], back = []] = canonical.split('::').map((part) => part.split(':').filter((group) => group !== ''));
  const skipped = Array.from({ length: 8 - front.length - back.length }, () => '0');
  return [...front, ...skipped, ...back].slice(0, 4).join(':');
}

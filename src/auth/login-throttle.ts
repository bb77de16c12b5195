import type { ThrottleLimits } from '../config.js';
import type { Counters } from '../shared/counters.js';
import { TooManyAttempts } from '../shared/errors.js';
import { networkOf } from './network.js';

/**
 * Bounds how often credentials are tried, by account and by address, in a fixed window. An attempt is counted before
 * it is checked, so that many at once, or many in one request, do not slip through.
 */
export class LoginThrottle {
  /** Passwords that were tried since the start, by what came of it. */
  readonly tries = { succeeded: 0, failed: 0, throttled: 0 };

  constructor(
    readonly limits: ThrottleLimits,
    private readonly counters: Counters,
  ) {}

  /**
   * The address comes first: past its limit it must not use up the attempts of accounts.
   * @throws TooManyAttempts past the limit for the account or the address
   */
  async login(account: string, address: string): Promise<void> {
    try {
      await this.#count(`login address ${networkOf(address)}`, this.limits.loginsPerAddress);
      await this.#count(`login account ${account}`, this.limits.loginsPerAccount);
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
  loginSucceeded(account: string): Promise<void> {
    this.tries.succeeded += 1;
    return this.counters.clear(`login account ${account}`);
  }

  /** Counted before the token is looked up. @throws TooManyAttempts past the limit for the address */
  refreshFrom(address: string): Promise<void> {
    return this.#count(`refresh address ${networkOf(address)}`, this.limits.refreshesPerAddress);
  }

  /** Counted once the token's account is known. @throws TooManyAttempts past the limit for the account */
  refreshOf(userId: string): Promise<void> {
    return this.#count(`refresh account ${userId}`, this.limits.refreshesPerAccount);
  }

  /** @throws TooManyAttempts past the limit for the address */
  register(address: string): Promise<void> {
    return this.#count(`register address ${networkOf(address)}`, this.limits.registrationsPerAddress);
  }

  async #count(key: string, limit: number): Promise<void> {
    const { times, endsInMs } = await this.counters.add(key, this.limits.windowSeconds * 1000);
    if (times <= limit) return;
    const retryAfterSeconds = Math.max(1, Math.ceil(endsInMs / 1000));
    throw new TooManyAttempts(`Too many attempts; try again in ${retryAfterSeconds} seconds.`, retryAfterSeconds);
  }
}

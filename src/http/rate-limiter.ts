import type { FastifyReply } from 'fastify';
import { networkOf } from '../auth/network.js';
import type { Viewer } from '../auth/viewer.js';
import type { WindowCount, RateCounters } from '../redis/rate-counters.js';
import { TooManyAttempts } from '../errors/app-error.js';

/** Requests that a caller may send within the window; 0 disables a limit. */
export interface RateLimits {
  windowSeconds: number;
  /** Of a user, by sessions and API keys together: a user may have many keys. */
  perViewer: number;
  /** Of an address, for anonymous callers. */
  perAddress: number;
}

/** Counted since the start. */
export interface RateLimitStatistics {
  /** Rejected requests of viewers and of addresses. */
  rejected: { viewer: number; address: number };
  /** Whether replicas count together now; null without Redis. */
  isShared: boolean | null;
}

/** For a caller over the limit, Redis is read again only after this time, so that a flood does not reach Redis. */
const trustMs = 1_000;

/** Rate limit headers; CORS exposes them to permitted pages. */
export const rateLimitHeaders = ['x-ratelimit-limit', 'x-ratelimit-remaining', 'x-ratelimit-reset'] as const;

/**
 * Limits requests per window: per user, and per address for anonymous callers (per /64 for IPv6). Signed-in callers
 * are not affected by others at the same address.
 */
export class RateLimiter {
  readonly #rejected = { viewer: 0, address: 0 };

  constructor(
    private readonly limits: RateLimits,
    private readonly counters: RateCounters,
  ) {}

  get statistics(): RateLimitStatistics {
    return { rejected: { ...this.#rejected }, isShared: this.counters.isShared };
  }

  /**
   * Counts `weight` requests of the viewer and sets the headers of the reply.
   * @throws TooManyAttempts beyond the limit
   */
  async admit(
    viewer: Viewer,
    address: string,
    { reply, weight = 1 }: { reply?: FastifyReply; weight?: number } = {},
  ): Promise<void> {
    if (viewer.kind !== 'anonymous') return this.#count('viewer', `viewer ${viewer.userId}`, { reply, weight });
    await this.#count('address', `address ${networkOf(address)}`, { reply, weight });
    if (viewer.reason !== undefined) await this.counters.add(wrongKeysOf(address), this.#windowMs);
  }

  /**
   * Counts a WebSocket of an address before it is opened, apart from requests: its caller is not known yet.
   * @throws TooManyAttempts beyond the limit of the address
   */
  admitUpgrade(address: string): Promise<void> {
    return this.#count('address', `upgrade ${networkOf(address)}`, { reply: undefined, weight: 1 });
  }

  /**
   * Rejects an address that has sent too many wrong API keys, before the next key costs a statement.
   * @throws TooManyAttempts
   */
  rejectKeyGuessing(headers: Readonly<Record<string, unknown>>, address: string): void {
    const { perAddress } = this.limits;
    if (perAddress === 0 || headers['x-api-key'] === undefined) return;
    const wrong = this.counters.peek(wrongKeysOf(address));
    if (wrong && wrong.count > perAddress) this.#reject('address', perAddress, wrong);
  }

  async #count(
    kind: 'viewer' | 'address',
    key: string,
    { reply, weight }: { reply?: FastifyReply | undefined; weight: number },
  ): Promise<void> {
    const limit = kind === 'viewer' ? this.limits.perViewer : this.limits.perAddress;
    if (limit === 0) return;
    const known = this.counters.peek(key);
    const count =
      known && known.count > limit && known.ageMs < trustMs
        ? known
        : await this.counters.addUpTo(key, { limit, windowMs: this.#windowMs, weight });
    if (reply) setHeaders(reply, limit, count);
    if (count.count > limit) this.#reject(kind, limit, count);
  }

  #reject(kind: 'viewer' | 'address', limit: number, count: WindowCount): never {
    this.#rejected[kind] += 1;
    const seconds = secondsLeft(count);
    throw new TooManyAttempts(
      `More than ${limit} requests came from you within ${this.limits.windowSeconds} seconds; try again in ${seconds}.`,
      seconds,
    );
  }

  get #windowMs(): number {
    return this.limits.windowSeconds * 1000;
  }
}

const wrongKeysOf = (address: string): string => `wrong keys from ${networkOf(address)}`;

const secondsLeft = ({ resetInMs }: WindowCount): number => Math.max(1, Math.ceil(resetInMs / 1000));

/** The reset is in seconds from now, like Retry-After. */
function setHeaders(reply: FastifyReply, limit: number, count: WindowCount): void {
  const [limitHeader, remaining, reset] = rateLimitHeaders;
  void reply
    .header(limitHeader, limit)
    .header(remaining, Math.max(0, limit - count.count))
    .header(reset, secondsLeft(count));
}

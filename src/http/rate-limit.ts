import type { FastifyReply, FastifyRequest } from 'fastify';
import { networkOf } from '../auth/network.js';
import type { Viewer } from '../auth/viewer.js';
import type { RateLimits } from '../config.js';
import type { Count, Counters } from '../shared/counters.js';
import { TooManyAttempts } from '../shared/errors.js';

/** Counted since the start. */
export interface RateLimitStatistics {
  /** Requests refused to known viewers, and to addresses. */
  refused: { viewer: number; address: number };
  /** Whether replicas count together now; null where there is no Redis to do it in. */
  isShared: boolean | null;
}

/** Once a caller is known to be over the limit, Redis is asked again only after so long: who floods the gateway must not flood Redis. */
const trustMs = 1_000;

/** The headers that tell callers where they stand; browsers show them to pages that CORS lets in. */
export const rateLimitHeaders = ['x-ratelimit-limit', 'x-ratelimit-remaining', 'x-ratelimit-reset'] as const;

/**
 * How many requests a caller may send within a window: a user, or an API key; a stranger by the address, IPv6 by its /64.
 * Whoever is signed in is not held up by others at the same address.
 */
export class RateLimiter {
  readonly #refused = { viewer: 0, address: 0 };

  constructor(
    private readonly limits: RateLimits,
    private readonly counters: Counters,
  ) {}

  get statistics(): RateLimitStatistics {
    const health = this.counters.health();
    return { refused: { ...this.#refused }, isShared: health.kind === 'redis' ? health.isUp : null };
  }

  /**
   * Counts `weight` requests of the viewer; the reply's headers say how many are left.
   * @throws TooManyAttempts past the limit
   */
  async admit(viewer: Viewer, ip: string, { reply, weight = 1 }: { reply?: FastifyReply; weight?: number } = {}): Promise<void> {
    if (viewer.kind !== 'stranger') return this.#count('viewer', `viewer ${viewer.kind === 'apiKey' ? viewer.credentialId : viewer.userId}`, { reply, weight });
    await this.#count('address', `address ${networkOf(ip)}`, { reply, weight });
    if (viewer.reason !== undefined) await this.counters.add(wrongKeysOf(ip), this.#windowMs);
  }

  /**
   * Looking up an API key costs a statement: an address that has sent too many wrong ones is refused before the next is looked up.
   * @throws TooManyAttempts
   */
  refuseGuesser({ headers, ip }: Pick<FastifyRequest, 'headers' | 'ip'>): void {
    const { perAddress } = this.limits;
    if (perAddress === 0 || headers['x-api-key'] === undefined) return;
    const wrong = this.counters.known(wrongKeysOf(ip));
    if (wrong && wrong.times > perAddress) this.#refuse('address', perAddress, wrong);
  }

  async #count(kind: 'viewer' | 'address', key: string, { reply, weight }: { reply?: FastifyReply | undefined; weight: number }): Promise<void> {
    const limit = kind === 'viewer' ? this.limits.perViewer : this.limits.perAddress;
    if (limit === 0) return;
    const known = this.counters.known(key);
    const count = known && known.times > limit && known.ageMs < trustMs ? known : await this.counters.add(key, this.#windowMs, weight);
    if (reply) tell(reply, limit, count);
    if (count.times > limit) this.#refuse(kind, limit, count);
  }

  #refuse(kind: 'viewer' | 'address', limit: number, count: Count): never {
    this.#refused[kind] += 1;
    const seconds = secondsLeft(count);
    throw new TooManyAttempts(`More than ${limit} requests came from you within ${this.limits.windowSeconds} seconds; try again in ${seconds}.`, seconds);
  }

  get #windowMs(): number {
    return this.limits.windowSeconds * 1000;
  }
}

const wrongKeysOf = (ip: string): string => `wrong keys from ${networkOf(ip)}`;

const secondsLeft = ({ endsInMs }: Count): number => Math.max(1, Math.ceil(endsInMs / 1000));

/** The reset is in seconds from now, as Retry-After has it. */
function tell(reply: FastifyReply, limit: number, count: Count): void {
  const [limitHeader, remaining, reset] = rateLimitHeaders;
  void reply.header(limitHeader, limit).header(remaining, Math.max(0, limit - count.times)).header(reset, secondsLeft(count));
}

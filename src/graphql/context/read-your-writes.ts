import { LRUCache } from 'lru-cache';
import type { Cache } from '../../cache/cache.js';
import { entryLimit } from '../../cache/entry-limit.js';

export interface ReadYourWritesOptions {
  /** Milliseconds for which a user reads from the primary after `pin`; 0 if there are no replicas. */
  windowMs: number;
  /** Shares pins with other processes; null keeps them in this process. */
  cache: Cache | null;
}

/** Far more users than can be pinned within one window. */
const maxUsers = 100_000;

/**
 * Users that read from the primary for a while, since they changed something or were notified of a change. By user, so that
 * their sessions and API keys share it.
 */
export class ReadYourWrites {
  readonly #windowMs: number;
  readonly #cache: Cache | null;
  /** When each user was pinned, in milliseconds of `performance.now()`. */
  readonly #pinnedAt: LRUCache<string, number> | null;

  constructor({ windowMs, cache }: ReadYourWritesOptions) {
    this.#windowMs = windowMs;
    this.#cache = cache;
    this.#pinnedAt = windowMs > 0 ? new LRUCache({ ...entryLimit(maxUsers), ttl: this.#ttlMs }) : null;
  }

  /** Pins a user to the primary. Resolves once the other processes can read it, or the shared cache is known to be down. */
  async pin(userId: string): Promise<void> {
    if (!this.#pinnedAt) return;
    const nowMs = performance.now();
    const pinnedAt = this.#pinnedAt.get(userId);
    // The TTL exceeds the window, so that a series of changes does not write to the shared cache for each of them.
    if (pinnedAt !== undefined && nowMs - pinnedAt < this.#ttlMs - this.#windowMs) return;
    this.#pinnedAt.set(userId, nowMs);
    await this.#cache?.setMany([{ key: userId, value: true }], this.#ttlMs);
  }

  async isPinned(userId: string): Promise<boolean> {
    if (!this.#pinnedAt) return false;
    if (this.#pinnedAt.has(userId)) return true;
    const [pinned] = (await this.#cache?.getMany([userId])) ?? [];
    return pinned !== undefined;
  }

  get #ttlMs(): number {
    return this.#windowMs * 1.5;
  }
}

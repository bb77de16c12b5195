import { LRUCache } from 'lru-cache';
import { networkOf } from '../auth/network.js';
import type { Cache } from '../cache/cache.js';
import type { RateCounters } from '../redis/rate-counters.js';
import { hashOf } from './document-request.js';
import type { DocumentCaller } from './sent-operation.js';

/** Longer documents are executed but not stored. */
const maxBytes = 20_000;
const ttlMs = 6 * 3_600_000;
/** What a user, or a network of anonymous callers, may store within the window; further documents are executed but not stored. */
const perCaller = { bytes: 1_000_000, windowMs: 3_600_000 };
/** Bounds of the in-process copy of a shared cache; the text of a hash never changes. */
const localLimits = { entries: 1_000, characters: 8_000_000 };

/**
 * Automatic persisted queries: documents that clients stored under their SHA-256, in a cache that replicas may share. A client
 * sends the text again if it was evicted. Bounded per caller, so that one cannot evict what others store.
 */
export class AutomaticDocuments {
  readonly #cache: Cache;
  readonly #counters: RateCounters;
  readonly #local = new LRUCache<string, string>({
    max: localLimits.entries,
    maxSize: localLimits.characters,
    sizeCalculation: (text) => text.length,
  });

  constructor(cache: Cache, counters: RateCounters) {
    this.#cache = cache;
    this.#counters = counters;
  }

  /** Finds the text with this SHA-256; null if none is stored. */
  async find(hash: string): Promise<string | null> {
    const local = this.#local.get(hash);
    if (local !== undefined) return local;
    const [text] = await this.#cache.getMany([hash]);
    // Other programs may write to a shared Redis.
    if (typeof text !== 'string' || hashOf(text) !== hash) return null;
    this.#storeLocally(hash, text);
    return text;
  }

  /** Stores a text that was executed under its hash, which was verified, if its length and the caller's bound allow it. */
  async store(hash: string, text: string, { viewer, address }: DocumentCaller): Promise<void> {
    const bytes = Buffer.byteLength(text);
    if (bytes > maxBytes) return;
    const who = viewer.kind === 'anonymous' ? `address ${networkOf(address)}` : `viewer ${viewer.userId}`;
    const stored = await this.#counters.add(`automatic documents ${who}`, perCaller.windowMs, bytes);
    if (stored.count > perCaller.bytes) return;
    this.#storeLocally(hash, text);
    await this.#cache.setMany([{ key: hash, value: text }], ttlMs);
  }

  #storeLocally(hash: string, text: string): void {
    if (this.#cache.isShared) this.#local.set(hash, text);
  }
}

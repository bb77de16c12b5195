import { LRUCache } from 'lru-cache';
import type { Cache } from '../shared/cache.js';
import { hashOf } from './document-id.js';

/** Longer ones are executed and not remembered. */
const maxCharacters = 100_000;
const ttlMs = 7 * 24 * 3_600_000;
/** What this process keeps of what all share: a text never changes under its hash. */
const near = { entries: 1_000, characters: 8_000_000 };

/**
 * Automatic persisted queries: texts that clients had remembered under their SHA-256. They lie in a cache, so that replicas may
 * share them; what was forgotten, the client sends again.
 */
export class AutomaticDocuments {
  readonly #cache: Cache;
  readonly #near = new LRUCache<string, string>({ max: near.entries, maxSize: near.characters, sizeCalculation: (text) => text.length });

  constructor(cache: Cache) {
    this.#cache = cache;
  }

  /** The text with this SHA-256; null where none is remembered. */
  async find(hash: string): Promise<string | null> {
    const kept = this.#near.get(hash);
    if (kept !== undefined) return kept;
    const [text] = await this.#cache.getMany([hash]);
    // Anyone may have written to a shared Redis.
    if (typeof text !== 'string' || hashOf(text) !== hash) return null;
    this.#keep(hash, text);
    return text;
  }

  /** Remembers a text under its hash, which the caller has checked. Does not wait for the cache. */
  remember(hash: string, text: string): void {
    if (text.length > maxCharacters) return;
    this.#keep(hash, text);
    void this.#cache.setMany([{ key: hash, value: text }], ttlMs);
  }

  #keep(hash: string, text: string): void {
    if (this.#cache.isShared) this.#near.set(hash, text);
  }
}

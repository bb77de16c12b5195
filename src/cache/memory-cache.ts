import { LRUCache } from 'lru-cache';
import type { Cache, CacheEntry, CacheHealth, ValueOrClaim } from './cache.js';
import { entryText, parseEntryText } from './entry-text.js';
import { maxEntriesPerWrite } from './redis-cache.js';

/** Shared by all missing keys. */
const missing: ValueOrClaim = { kind: 'missing', isClaimed: true };

/** Stores values as text: their size is known, and callers cannot change each other's copies. */
export class MemoryCache implements Cache {
  readonly isShared = false;
  readonly #texts: LRUCache<string, string>;

  constructor(
    private readonly maxEntries: number,
    maxBytes: number,
  ) {
    this.#texts = new LRUCache({
      maxSize: maxBytes,
      // One entry must not evict all others.
      maxEntrySize: Math.max(1, Math.floor(maxBytes / 8)),
      // V8 stores a character in one byte or two.
      sizeCalculation: (text, key) => 2 * (key.length + text.length) + 1,
    });
  }

  getMany(keys: readonly string[]): Promise<unknown[]> {
    return Promise.resolve(
      keys.map((key) => {
        const text = this.#texts.get(key);
        return text === undefined ? undefined : parseEntryText(text)?.value;
      }),
    );
  }

  setMany(entries: readonly CacheEntry[], ttlMs: number): Promise<boolean> {
    for (const { key, value } of entries.slice(0, maxEntriesPerWrite)) {
      // Not by the option `max`, which allocates the memory of all entries at the start.
      if (this.#texts.size >= this.maxEntries && !this.#texts.has(key)) this.#texts.pop();
      this.#texts.set(key, entryText(value), { ttl: ttlMs });
    }
    return Promise.resolve(true);
  }

  claimMany(keys: readonly string[]): Promise<boolean[]> {
    return Promise.resolve(keys.map(() => true));
  }

  async readOrClaimMany(keys: readonly string[]): Promise<ValueOrClaim[]> {
    const values = await this.getMany(keys);
    return values.map((value) => (value === undefined ? missing : { kind: 'value', value }));
  }

  releaseMany(): Promise<void> {
    return Promise.resolve();
  }

  health(): CacheHealth {
    return { kind: 'memory' };
  }

  close(): Promise<void> {
    this.#texts.clear();
    return Promise.resolve();
  }
}

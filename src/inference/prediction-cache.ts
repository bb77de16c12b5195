import { hash } from 'node:crypto';
import type { Cache, CacheEntry } from '../shared/cache.js';
import { isOutput, type EncodedRow, type Signature } from './signature.js';

/** The part of a version that its keys and answers depend on. */
export interface CachedVersion {
  /** See `fingerprintOf`. */
  fingerprint: string;
  signature: Signature;
}

/** What a version is, for a cache: 64 hexadecimal digits over its model, its bytes, and the names that its rows and answers go by. */
export function fingerprintOf(model: string, digest: string, { inputs, outputs }: Signature): string {
  const named = [model, digest, inputs.map(({ name }) => name), outputs.map(({ name, vector }) => [name, vector])];
  return hash('sha256', JSON.stringify(named), 'hex');
}

/**
 * The key of an answer: SHA-256 of all that the answer depends on. The row is what the model is fed, in the
 * signature's order, so that rows which differ only in the order of their keys, or in absent against null, share a key;
 * as JSON after a part of fixed length, so that no two different rows do.
 */
export function cacheKey(fingerprint: string, row: EncodedRow): string {
  return hash('sha256', fingerprint + JSON.stringify(row), 'hex');
}

/** Answers that were given before, in a cache that may be shared with other processes. */
export class PredictionCache {
  readonly #writes = new Set<Promise<void>>();

  constructor(
    private readonly cache: Cache,
    private readonly ttlSeconds: number,
  ) {}

  /** The answers under these keys, in one round trip; undefined for a miss, and for what is not an answer of this version. */
  async getMany({ signature }: CachedVersion, keys: readonly string[]): Promise<(Record<string, unknown> | undefined)[]> {
    const found = await this.cache.getMany(keys);
    return keys.map((_, index) => (isOutput(signature, found[index]) ? found[index] : undefined));
  }

  /** Writes answers in one round trip, behind the caller's back. */
  writeBehind(entries: readonly CacheEntry[]): void {
    if (entries.length === 0) return;
    const write = this.cache.setMany(entries, this.ttlSeconds * 1000).finally(() => this.#writes.delete(write));
    this.#writes.add(write);
  }

  /** Waits for the answers that are still being written. The cache itself belongs to whoever opened it. */
  async close(): Promise<void> {
    await Promise.all(this.#writes);
  }
}

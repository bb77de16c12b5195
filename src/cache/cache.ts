import type { RedisConnection } from '../redis/connection.js';
import { MemoryCache } from './memory-cache.js';
import { RedisCache } from './redis-cache.js';

/** A cache of JSON values, also with a text (`WithText`). Entries may be evicted and Redis may be unavailable; calls never throw and never stall. */
export interface Cache {
  /**
   * Reads values in the order of the keys; `undefined` is a miss. A value is `unknown`, because other programs may write
   * to a shared Redis: validate it before use.
   */
  getMany(keys: readonly string[]): Promise<unknown[]>;
  /**
   * Writes values that expire after `ttlMs` milliseconds, at most `maxEntriesPerWrite`; the rest is dropped.
   * @returns whether the write is confirmed. An unconfirmed write may still arrive later.
   */
  setMany(entries: readonly CacheEntry[], ttlMs: number): Promise<boolean>;
  /** Whether other processes read and write the same entries. */
  readonly isShared: boolean;
  /**
   * Claims work for this process, so that processes that share the cache do not repeat it. A claim expires after `ttlMs`
   * milliseconds.
   * @returns for each key whether this process holds the claim; all true if the cache is not shared or unavailable.
   */
  claimMany(keys: readonly string[], ttlMs: number): Promise<boolean[]>;
  /** Reads values and claims each missing key, as `getMany` and `claimMany` do, in one round trip. */
  readOrClaimMany(keys: readonly string[], ttlMs: number): Promise<ValueOrClaim[]>;
  /** Releases claims of this process before they expire. */
  releaseMany(keys: readonly string[]): Promise<void>;
  health(): CacheHealth;
  close(): Promise<void>;
}

export interface CacheEntry {
  key: string;
  value: unknown;
}

/** `isClaimed`: whether this process holds the claim of a missing key. */
export type ValueOrClaim = { kind: 'value'; value: unknown } | { kind: 'missing'; isClaimed: boolean };

export type CacheHealth = { kind: 'memory' } | { kind: 'redis'; isUp: boolean };

export interface CacheOptions {
  /** Without it the cache is in the memory of this process. */
  redis?: RedisConnection | null;
  /** Part of each key in Redis, so that several caches can share one. */
  namespace: string;
  /** Bound of the memory cache; Redis has its own `maxmemory`. */
  maxEntries: number;
  /** Bound of the memory cache. */
  maxBytes: number;
}

/** Opens a cache in Redis, or in memory without one. It does not wait for Redis: until then every read is a miss. */
export const openCache = ({ redis = null, namespace, maxEntries, maxBytes }: CacheOptions): Cache =>
  redis === null ? new MemoryCache(maxEntries, maxBytes) : new RedisCache(redis, `${redis.prefix}:${namespace}`);

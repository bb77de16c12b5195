import type { z } from 'zod';
import type { CacheHealth } from '../../cache/cache.js';
import type { VersionedCache } from '../../cache/versioned-cache.js';
import type { Batch, LoaderKind } from '../context/loader-kind.js';

/** A query whose rows are the same for every viewer that may read them. */
export interface CachedQuery<Value> {
  /** Its name in the cache and in the metrics. */
  name: string;
  /** The types that its rows depend on; `@Invalidates` of one of them invalidates the rows. */
  entities: readonly string[];
  /** Validates a cached value after JSON.parse: other programs may write to a shared Redis. */
  value: z.ZodType<Value>;
}

/** Counted since the start. */
export interface QueryCacheStatistics {
  /** Keys by the name of their query. */
  queries: Readonly<Record<string, KeyCounts>>;
  /** Invalidations of the entities of queries. */
  invalidations: number;
}

export interface KeyCounts {
  /** Keys that needed no read from the database. */
  hits: number;
  misses: number;
}

/**
 * Caches the rows of a loader for all viewers and operations, until one of their entities changes. Only for loaders that depend on
 * the key alone. Authorization rules still decide which viewer may read the rows. Mutations bypass the cache.
 */
export function cachedQuery<Value>(
  query: CachedQuery<Value>,
  kind: LoaderKind<string, Value>,
): LoaderKind<string, Value> {
  return { ...kind, cachedBy: (queries, read) => (keys) => queries.read(query, keys, read) };
}

/**
 * The query result cache. Rows share the versions of entities with cached responses, so that a response computed from cached
 * rows never outlives them. Identical in-flight reads are coalesced, unless an entity changed since the first one started.
 */
export class QueryCache {
  readonly #cache: VersionedCache;
  readonly #ttlSeconds: number;
  readonly #counts = new Map<string, KeyCounts>();
  readonly #entities = new Set<string>();
  /** Reads in flight, by key and versions. */
  readonly #pending = new Map<string, PendingRead>();

  constructor({ cache, ttlSeconds }: { cache: VersionedCache; ttlSeconds: number }) {
    this.#cache = cache;
    this.#ttlSeconds = ttlSeconds;
  }

  /** Reads values in the order of the keys: from the cache, and the rest by one call of `read`. */
  async read<Value>(
    query: CachedQuery<Value>,
    keys: readonly string[],
    read: Batch<string, Value>,
  ): Promise<(Value | Error)[]> {
    const counts = this.#countsOf(query);
    const lookup = await this.#cache.find(
      keys.map((key) => cacheKey(query, key)),
      query.entities,
      this.#ttlSeconds,
    );
    if (lookup.state === 'uncacheable') {
      counts.misses += keys.length;
      return Array.from(await read(keys));
    }
    const started: PendingRead[] = [];
    const values = keys.map((key, index) => {
      const cached = parseCached(query, lookup.entries[index]?.text);
      return cached ? cached.value : this.#joinOrStart(query, key, lookup.versions, started);
    });
    counts.hits += keys.length - started.length;
    counts.misses += started.length;
    if (started.length > 0) void this.#run(query, started, lookup.versions, read);
    return Promise.all(values);
  }

  get statistics(): QueryCacheStatistics {
    const invalidations = [...this.#entities].reduce((sum, entity) => sum + this.#cache.invalidationCount(entity), 0);
    return { queries: Object.fromEntries(this.#counts), invalidations };
  }

  /** The health of the underlying cache. */
  health(): CacheHealth {
    return this.#cache.health();
  }

  #countsOf({ name, entities }: CachedQuery<unknown>): KeyCounts {
    const counts = this.#counts.get(name) ?? { hits: 0, misses: 0 };
    this.#counts.set(name, counts);
    for (const entity of entities) this.#entities.add(entity);
    return counts;
  }

  /** Waits for the read of a key, which is added to `started` if new. Returns a copy each: resolvers may modify rows. */
  #joinOrStart<Value>(
    query: CachedQuery<Value>,
    key: string,
    versions: readonly string[],
    started: PendingRead[],
  ): Promise<Value | Error> {
    // Other versions make another read: one that started before a change must not serve a read after it.
    const id = `${cacheKey(query, key)} ${versions.join()}`;
    let pending = this.#pending.get(id);
    if (!pending) {
      pending = { id, key, text: Promise.withResolvers() };
      this.#pending.set(id, pending);
      started.push(pending);
    }
    return pending.text.promise.then((text) => query.value.parse(JSON.parse(text)), asError);
  }

  /** Runs pending reads by one call of `read`, stores their values, and removes them. */
  async #run<Value>(
    query: CachedQuery<Value>,
    pending: readonly PendingRead[],
    versions: readonly string[],
    read: Batch<string, Value>,
  ): Promise<void> {
    try {
      const values = await read(pending.map(({ key }) => key));
      const texts = pending.flatMap((one, index) => settle(one, values[index]));
      const entries = texts.map(({ key, text }) => ({ key: cacheKey(query, key), text }));
      await this.#cache.store(entries, { entities: query.entities, versions, maxAgeSeconds: this.#ttlSeconds });
    } catch (error) {
      // Without effect on reads that are settled already.
      for (const { text } of pending) text.reject(error);
    } finally {
      for (const { id } of pending) this.#pending.delete(id);
    }
  }
}

/** The read of a key in flight. */
interface PendingRead {
  id: string;
  key: string;
  /** Its value as JSON. */
  text: PromiseWithResolvers<string>;
}

/** Settles a pending read. @returns what to store: nothing for an error */
function settle({ key, text: pending }: PendingRead, value: unknown): { key: string; text: string }[] {
  if (value instanceof Error) {
    pending.reject(value);
    return [];
  }
  const text = JSON.stringify(value);
  pending.resolve(text);
  return [{ key, text }];
}

const cacheKey = ({ name }: CachedQuery<unknown>, key: string): string => `${name}:${key}`;

/** The value of a cached text; null if absent or not of the query's shape. */
function parseCached<Value>({ value }: CachedQuery<Value>, text: string | undefined): { value: Value } | null {
  if (text === undefined) return null;
  try {
    return { value: value.parse(JSON.parse(text)) };
  } catch {
    return null;
  }
}

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));

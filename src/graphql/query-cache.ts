import type { z } from 'zod';
import type { CacheHealth } from '../shared/cache.js';
import type { VersionedCache } from '../shared/versioned-cache.js';
import type { Batch, LoaderKind } from './context.js';

/** A read whose rows are the same for everyone who may have them. */
export interface KeptQuery<Value> {
  /** Its name in the cache and in the metrics. */
  name: string;
  /** The types that its rows tell of: they are read anew once one of them has changed, as `@Invalidates` says. */
  entities: readonly string[];
  /** What is kept under a key, as it comes back from JSON: a shared Redis may hold anything. */
  value: z.ZodType<Value>;
}

/** Counted since the start. */
export interface QueryCacheStatistics {
  /** Keys by the name of their query. */
  queries: Readonly<Record<string, KeyCounts>>;
  /** Changes of entities that made kept rows old. */
  invalidations: number;
}

export interface KeyCounts {
  /** Keys that the database was not asked for. */
  hits: number;
  misses: number;
}

/**
 * Says of a loader that what it reads is kept, for all viewers and all operations, until an entity changes. Only for reads by
 * the key alone: a batch function is given the database and keys, and nothing of who asks. Which viewer may have the rows is
 * for the rules to say, as ever. Mutations read past it.
 */
export function keptQuery<Value>(query: KeptQuery<Value>, kind: LoaderKind<string, Value>): LoaderKind<string, Value> {
  return { ...kind, keptBy: (queries, read) => (keys) => queries.read(query, keys, read) };
}

/**
 * Rows of queries, kept beside answers and under the same versions of entities: an answer that is computed from kept rows can
 * never outlive them. Equal reads that come while one is on its way wait for that one, unless an entity has changed since it began.
 */
export class QueryCache {
  readonly #kept: VersionedCache;
  readonly #ttlSeconds: number;
  readonly #counts = new Map<string, KeyCounts>();
  readonly #entities = new Set<string>();
  /** What is being read now, by key and versions. */
  readonly #flights = new Map<string, Flight>();

  constructor({ kept, ttlSeconds }: { kept: VersionedCache; ttlSeconds: number }) {
    this.#kept = kept;
    this.#ttlSeconds = ttlSeconds;
  }

  /** What the keys stand for, in their order: from what is kept, and the rest by `read`, in one call. */
  async read<Value>(query: KeptQuery<Value>, keys: readonly string[], read: Batch<string, Value>): Promise<(Value | Error)[]> {
    const counts = this.#countsOf(query);
    const sought = await this.#kept.find(keys.map((key) => keptKey(query, key)), query.entities, this.#ttlSeconds);
    if (sought.state === 'unkeepable') {
      counts.misses += keys.length;
      return Array.from(await read(keys));
    }
    const begun: Flight[] = [];
    const answers = keys.map((key, index) => {
      const kept = keptValue(query, sought.entries[index]?.text);
      return kept ? kept.value : this.#joined(query, key, sought.versions, begun);
    });
    counts.hits += keys.length - begun.length;
    counts.misses += begun.length;
    if (begun.length > 0) void this.#land(query, begun, sought.versions, read);
    return Promise.all(answers);
  }

  get statistics(): QueryCacheStatistics {
    const invalidations = [...this.#entities].reduce((sum, entity) => sum + this.#kept.timesForgotten(entity), 0);
    return { queries: Object.fromEntries(this.#counts), invalidations };
  }

  /** Of where rows are kept. */
  health(): CacheHealth {
    return this.#kept.health();
  }

  #countsOf({ name, entities }: KeptQuery<unknown>): KeyCounts {
    const counts = this.#counts.get(name) ?? { hits: 0, misses: 0 };
    this.#counts.set(name, counts);
    for (const entity of entities) this.#entities.add(entity);
    return counts;
  }

  /** What a key's flight brings; where nobody has begun one, it is added to `begun`. Each gets a copy: resolvers write on rows. */
  #joined<Value>(query: KeptQuery<Value>, key: string, versions: readonly string[], begun: Flight[]): Promise<Value | Error> {
    // With other versions it is another flight: one that began before a change is not for those who ask after it.
    const id = `${keptKey(query, key)} ${versions.join()}`;
    let flight = this.#flights.get(id);
    if (!flight) {
      flight = { id, key, text: Promise.withResolvers() };
      this.#flights.set(id, flight);
      begun.push(flight);
    }
    return flight.text.promise.then((text) => query.value.parse(JSON.parse(text)), asError);
  }

  /** Brings flights in by one read, and lets go of them once what they brought is kept. */
  async #land<Value>(query: KeptQuery<Value>, flights: readonly Flight[], versions: readonly string[], read: Batch<string, Value>): Promise<void> {
    try {
      const values = await read(flights.map(({ key }) => key));
      const texts = flights.flatMap((flight, index) => settled(flight, values[index]));
      const kept = texts.map(({ key, text }) => ({ key: keptKey(query, key), text }));
      await this.#kept.keep(kept, { entities: query.entities, versions, maxAgeSeconds: this.#ttlSeconds });
    } catch (error) {
      // Those that have landed are not touched by it.
      for (const { text } of flights) text.reject(error);
    } finally {
      for (const { id } of flights) this.#flights.delete(id);
    }
  }
}

/** A key that is being read. */
interface Flight {
  id: string;
  key: string;
  /** Its value as JSON. */
  text: PromiseWithResolvers<string>;
}

/** Lets a flight land; answers what may be kept of it. */
function settled({ key, text: landing }: Flight, value: unknown): { key: string; text: string }[] {
  if (value instanceof Error) {
    landing.reject(value);
    return [];
  }
  const text = JSON.stringify(value);
  landing.resolve(text);
  return [{ key, text }];
}

const keptKey = ({ name }: KeptQuery<unknown>, key: string): string => `${name}:${key}`;

/** The value of a kept text; null where there is none, or none of the query's shape. */
function keptValue<Value>({ value }: KeptQuery<Value>, text: string | undefined): { value: Value } | null {
  if (text === undefined) return null;
  try {
    return { value: value.parse(JSON.parse(text)) };
  } catch {
    return null;
  }
}

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));

import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cache, CacheHealth } from './cache.js';
import { WithText } from './entry-text.js';

/** What the cache holds for some keys. */
export type Lookup =
  /** `entries` in the order of the keys, null for a miss. `versions` are those to store the missing texts under. */
  | { state: 'known'; entries: (CachedText | null)[]; versions: readonly string[] }
  /** The current versions are not known for sure: compute everything and store nothing. */
  | { state: 'uncacheable' };

export interface CachedText {
  text: string;
  ageSeconds: number;
}

export interface StoreOptions {
  /** The entities that the texts contain data of. */
  entities: readonly string[];
  /** The versions that `find` returned before the texts were computed. */
  versions: readonly string[];
  maxAgeSeconds: number;
}

/** A version must outlive every text that is stored under it. */
const versionTtlMs = 86_400_000;
const retryMs = 250;

/** Longer texts, in characters, are not stored: a few of them would evict all others. */
const maxTextLength = 512 * 1024;

/**
 * Caches texts, each valid only while all its entities still have the versions they had before it was computed. A
 * version is a random string in the same cache: one read returns texts and versions, and one write of a new version
 * invalidates an entity for every process, including texts that are still being computed from older data.
 *
 * Texts are stored only under versions that were read back from the cache. A version that was merely sent could arrive
 * late and replace a newer one.
 */
export class VersionedCache {
  /** Entities whose invalidation has not reached the cache, with its number. Bounded by the number of entities. */
  readonly #pending = new Map<string, number>();
  readonly #invalidations = new Map<string, number>();
  readonly #closed = new AbortController();
  #isRetrying = false;

  constructor(private readonly cache: Cache) {}

  /** Reads the texts of the keys, all of which contain data of the same entities. */
  async find(keys: readonly string[], entities: readonly string[], maxAgeSeconds: number): Promise<Lookup> {
    if (this.#isPending(entities)) return { state: 'uncacheable' };
    let read = await this.#read(keys, entities);
    const missing = entities.filter((_, index) => read.versions[index] === null);
    // If the write fails the cache is unavailable; a second read would only add latency.
    if (missing.length > 0 && (await this.#renewVersions(missing))) read = await this.#read(keys, entities);
    const versions = read.versions.filter((version) => version !== null);
    if (versions.length < entities.length || this.#isPending(entities)) return { state: 'uncacheable' };
    return {
      state: 'known',
      versions,
      entries: read.texts.map((stored) => validText(stored, versions, maxAgeSeconds)),
    };
  }

  /** Stores texts that were computed after `find` returned the versions. */
  async store(
    texts: readonly { key: string; text: string }[],
    { entities, versions, maxAgeSeconds }: StoreOptions,
  ): Promise<void> {
    if (this.#isPending(entities)) return;
    const storedAt = Date.now();
    const entries = texts
      .filter(({ text }) => text.length <= maxTextLength)
      .map(({ key, text }) => ({
        key: textKey(key),
        value: new WithText({ versions, storedAt } satisfies Stored, text),
      }));
    if (entries.length > 0) await this.cache.setMany(entries, maxAgeSeconds * 1000);
  }

  /**
   * Invalidates every text of the entities. If the cache is unavailable, this process neither reads nor stores such
   * texts until a retry has reached the cache.
   */
  async invalidate(entities: readonly string[]): Promise<void> {
    for (const entity of entities) this.#invalidations.set(entity, this.invalidationCount(entity) + 1);
    if (entities.length === 0 || (await this.#renewVersions(entities))) return;
    for (const entity of entities) this.#pending.set(entity, this.invalidationCount(entity));
    void this.#retryPending();
  }

  /** How often this process invalidated the texts of an entity. */
  invalidationCount(entity: string): number {
    return this.#invalidations.get(entity) ?? 0;
  }

  health(): CacheHealth {
    return this.cache.health();
  }

  /** Stops retries; the cache itself stays open. */
  close(): void {
    this.#closed.abort();
  }

  #isPending(entities: readonly string[]): boolean {
    return entities.some((entity) => this.#pending.has(entity));
  }

  async #read(
    keys: readonly string[],
    entities: readonly string[],
  ): Promise<{ texts: unknown[]; versions: (string | null)[] }> {
    const read = await this.cache.getMany([...keys.map(textKey), ...entities.map(versionKey)]);
    const versions = read.slice(keys.length).map((version) => (typeof version === 'string' ? version : null));
    return { texts: read.slice(0, keys.length), versions };
  }

  /** @returns whether the write of the new versions is confirmed. */
  #renewVersions(entities: readonly string[]): Promise<boolean> {
    const entries = entities.map((entity) => ({
      key: versionKey(entity),
      value: randomBytes(12).toString('base64url'),
    }));
    return this.cache.setMany(entries, versionTtlMs);
  }

  async #retryPending(): Promise<void> {
    if (this.#isRetrying) return;
    this.#isRetrying = true;
    while (this.#pending.size > 0 && (await this.#waitForRetry())) {
      const renewed = [...this.#pending];
      if (!(await this.#renewVersions(renewed.map(([entity]) => entity)))) continue;
      // An entity that was invalidated again meanwhile stays pending.
      for (const [entity, count] of renewed) if (this.#pending.get(entity) === count) this.#pending.delete(entity);
    }
    this.#isRetrying = false;
  }

  /** @returns false once closed. */
  #waitForRetry(): Promise<boolean> {
    return sleep(retryMs, true, { ref: false, signal: this.#closed.signal }).catch(() => false);
  }
}

/** What is stored beside a text. */
interface Stored {
  versions: readonly string[];
  /** Milliseconds, by the clock of the process that stored it. */
  storedAt: number;
}

const textKey = (key: string): string => `text:${key}`;
const versionKey = (entity: string): string => `version:${entity}`;

/** @returns the text if it was stored under these versions and is young enough, otherwise null. */
function validText(stored: unknown, versions: readonly string[], maxAgeSeconds: number): CachedText | null {
  if (!(stored instanceof WithText) || !isStored(stored.value)) return null;
  if (stored.value.versions.join() !== versions.join()) return null;
  // Clocks of replicas differ: an age below zero counts as zero.
  const ageSeconds = Math.max(0, Math.floor((Date.now() - stored.value.storedAt) / 1000));
  return ageSeconds < maxAgeSeconds ? { text: stored.text, ageSeconds } : null;
}

function isStored(value: unknown): value is Stored {
  if (typeof value !== 'object' || value === null) return false;
  const { versions, storedAt } = value as Partial<Record<keyof Stored, unknown>>;
  return Array.isArray(versions) && typeof storedAt === 'number';
}

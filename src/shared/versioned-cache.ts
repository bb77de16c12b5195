import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cache, CacheHealth } from './cache.js';

/** What is known of texts before they are computed. */
export type Sought =
  /** `entries` in the order of the keys, null where there is none; with `versions`, as they were before, the missing may be kept. */
  | { state: 'known'; entries: (KeptText | null)[]; versions: readonly string[] }
  /** Nothing may be taken, and nothing kept: what it would be kept under is not known for sure. */
  | { state: 'unkeepable' };

/** A text that was found. */
export interface KeptText {
  text: string;
  ageSeconds: number;
}

/** What texts are kept under. */
export interface Keeping {
  /** The entities that the texts tell of. */
  entities: readonly string[];
  /** What `find` gave before the texts were computed. */
  versions: readonly string[];
  maxAgeSeconds: number;
}

/** An entity's version outlives the texts that were kept under it, whatever their age. */
const versionTtlMs = 86_400_000;
const retryMs = 250;

/** Longer texts, in characters, are not kept: a few would push out all others. */
const maxTextLength = 512 * 1024;

/**
 * Texts in a cache, each good only while every entity that it tells of has the version that it had before the text was
 * computed. A version is a random text in the same cache, so that one question reads texts and their versions, and a
 * change is forgotten by giving its entity a new one: for all who share the cache, and for texts that are only just being
 * computed from what was there before.
 *
 * A version that a text is kept under has always been read from the cache. One that was only sent there could arrive
 * late and take the place of a newer one.
 */
export class VersionedCache {
  /** Entities that have changed without the cache knowing, and how often so far. Bounded by the entities that there are. */
  readonly #untold = new Map<string, number>();
  /** Entities that have changed here, and how often. */
  readonly #forgotten = new Map<string, number>();
  readonly #stopped = new AbortController();
  #isTelling = false;

  constructor(private readonly cache: Cache) {}

  async find(keys: readonly string[], entities: readonly string[], maxAgeSeconds: number): Promise<Sought> {
    if (this.#isUntold(entities)) return { state: 'unkeepable' };
    let read = await this.#read(keys, entities);
    const unknown = entities.filter((_, index) => read.versions[index] === null);
    // Where they do not arrive, the cache is away, and asking it once more would only take longer.
    if (unknown.length > 0 && (await this.#renew(unknown))) read = await this.#read(keys, entities);
    const versions = read.versions.filter((version) => version !== null);
    if (versions.length < entities.length || this.#isUntold(entities)) return { state: 'unkeepable' };
    return { state: 'known', versions, entries: read.texts.map((kept) => current(kept, versions, maxAgeSeconds)) };
  }

  /** Keeps texts that were computed after `find` had said under which versions. */
  async keep(texts: readonly { key: string; text: string }[], { entities, versions, maxAgeSeconds }: Keeping): Promise<void> {
    if (this.#isUntold(entities)) return;
    const keptAt = Date.now();
    const entries = texts.filter(({ text }) => text.length <= maxTextLength).map(({ key, text }) => ({ key: textKey(key), value: { text, versions, keptAt } satisfies Kept }));
    if (entries.length > 0) await this.cache.setMany(entries, maxAgeSeconds * 1000);
  }

  /**
   * Forgets every text that tells of one of the entities. Where the cache cannot be told now, nothing of them is taken
   * from it or kept in it here, and it is told as soon as it can be.
   */
  async forget(entities: readonly string[]): Promise<void> {
    for (const entity of entities) this.#forgotten.set(entity, this.timesForgotten(entity) + 1);
    if (entities.length === 0 || (await this.#renew(entities))) return;
    for (const entity of entities) this.#untold.set(entity, (this.#untold.get(entity) ?? 0) + 1);
    void this.#tell();
  }

  /** How often the texts of an entity were forgotten by this process. */
  timesForgotten(entity: string): number {
    return this.#forgotten.get(entity) ?? 0;
  }

  health(): CacheHealth {
    return this.cache.health();
  }

  /** Waits for the cache no more. */
  close(): void {
    this.#stopped.abort();
  }

  #isUntold(entities: readonly string[]): boolean {
    return entities.some((entity) => this.#untold.has(entity));
  }

  async #read(keys: readonly string[], entities: readonly string[]): Promise<{ texts: unknown[]; versions: (string | null)[] }> {
    const read = await this.cache.getMany([...keys.map(textKey), ...entities.map(versionKey)]);
    const versions = read.slice(keys.length).map((version) => (typeof version === 'string' ? version : null));
    return { texts: read.slice(0, keys.length), versions };
  }

  /** Answers whether the new versions have arrived. */
  #renew(entities: readonly string[]): Promise<boolean> {
    const entries = entities.map((entity) => ({ key: versionKey(entity), value: randomBytes(12).toString('base64url') }));
    return this.cache.setMany(entries, versionTtlMs);
  }

  async #tell(): Promise<void> {
    if (this.#isTelling) return;
    this.#isTelling = true;
    while (this.#untold.size > 0 && (await this.#waited())) {
      const told = [...this.#untold];
      if (!(await this.#renew(told.map(([entity]) => entity)))) continue;
      // One that has changed again meanwhile is told again.
      for (const [entity, times] of told) if (this.#untold.get(entity) === times) this.#untold.delete(entity);
    }
    this.#isTelling = false;
  }

  /** False once it is closed. */
  #waited(): Promise<boolean> {
    return sleep(retryMs, true, { ref: false, signal: this.#stopped.signal }).catch(() => false);
  }
}

interface Kept {
  text: string;
  versions: readonly string[];
  /** By the clock of who kept it, in milliseconds. */
  keptAt: number;
}

const textKey = (key: string): string => `text:${key}`;
const versionKey = (entity: string): string => `version:${entity}`;

/** What was kept, where it is good under the versions and not too old. */
function current(kept: unknown, versions: readonly string[], maxAgeSeconds: number): KeptText | null {
  if (!isKept(kept) || kept.versions.join() !== versions.join()) return null;
  // Clocks of replicas differ.
  const ageSeconds = Math.max(0, Math.floor((Date.now() - kept.keptAt) / 1000));
  return ageSeconds < maxAgeSeconds ? { text: kept.text, ageSeconds } : null;
}

function isKept(value: unknown): value is Kept {
  if (typeof value !== 'object' || value === null) return false;
  const { text, versions, keptAt } = value as Partial<Record<keyof Kept, unknown>>;
  return typeof text === 'string' && Array.isArray(versions) && typeof keptAt === 'number';
}

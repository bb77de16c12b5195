import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cache } from '../shared/cache.js';

/** What is known of an answer before it is computed. */
export type Sought =
  | { state: 'kept'; text: string; ageSeconds: number }
  /** `versions` of the entities as they were before the execution: with them the answer may be kept. */
  | { state: 'missing'; versions: readonly string[] }
  /** The answer must not be kept: what it would be kept under is not known for sure. */
  | { state: 'unkeepable' };

/** An entity's version outlives the answers that were kept under it, whatever their age. */
const versionTtlMs = 86_400_000;
const retryMs = 250;

/** Longer answers, in characters, are not kept: a few would push out all others. */
const maxTextLength = 512 * 1024;

/**
 * Answers in a cache, each good only while every entity that it tells of has the version that it had before the answer was
 * computed. A version is a random text in the same cache, so that one question reads the answer and its versions, and a
 * change is forgotten by giving its entity a new one: for all who share the cache, and for answers that are only just being
 * computed from what was there before.
 *
 * A version that an answer is kept under has always been read from the cache. One that was only sent there could arrive
 * late and take the place of a newer one.
 */
export class KeptAnswers {
  /** Entities that have changed without the cache knowing, and how often so far. Bounded by the entities that there are. */
  readonly #untold = new Map<string, number>();
  readonly #stopped = new AbortController();
  #isTelling = false;

  constructor(private readonly cache: Cache) {}

  async find(key: string, entities: readonly string[], maxAgeSeconds: number): Promise<Sought> {
    if (entities.some((entity) => this.#untold.has(entity))) return { state: 'unkeepable' };
    const [kept, ...read] = await this.cache.getMany([answerKey(key), ...entities.map(versionKey)]);
    const versions = read.filter((version) => typeof version === 'string');
    if (versions.length < entities.length) {
      void this.#renew(entities.filter((_, index) => typeof read[index] !== 'string'));
      return { state: 'unkeepable' };
    }
    if (!isKeptAnswer(kept) || kept.versions.join() !== versions.join()) return { state: 'missing', versions };
    // Clocks of replicas differ.
    const ageSeconds = Math.max(0, Math.floor((Date.now() - kept.keptAt) / 1000));
    return ageSeconds < maxAgeSeconds ? { state: 'kept', text: kept.text, ageSeconds } : { state: 'missing', versions };
  }

  async keep({ key, text, entities, versions, maxAgeSeconds }: AnswerToKeep): Promise<void> {
    if (text.length > maxTextLength || entities.some((entity) => this.#untold.has(entity))) return;
    const value: KeptAnswer = { text, versions, keptAt: Date.now() };
    await this.cache.setMany([{ key: answerKey(key), value }], maxAgeSeconds * 1000);
  }

  /**
   * Forgets every answer that tells of one of the entities. Where the cache cannot be told now, nothing of them is taken
   * from it or kept in it here, and it is told as soon as it can be.
   */
  async forget(entities: readonly string[]): Promise<void> {
    if (entities.length === 0 || (await this.#renew(entities))) return;
    for (const entity of entities) this.#untold.set(entity, (this.#untold.get(entity) ?? 0) + 1);
    void this.#tell();
  }

  /** Waits for the cache no more. */
  close(): void {
    this.#stopped.abort();
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

export interface AnswerToKeep {
  key: string;
  text: string;
  entities: readonly string[];
  /** What `find` gave before the answer was computed. */
  versions: readonly string[];
  maxAgeSeconds: number;
}

interface KeptAnswer {
  text: string;
  versions: readonly string[];
  /** By the clock of who kept it, in milliseconds. */
  keptAt: number;
}

const answerKey = (key: string): string => `answer:${key}`;
const versionKey = (entity: string): string => `version:${entity}`;

function isKeptAnswer(value: unknown): value is KeptAnswer {
  if (typeof value !== 'object' || value === null) return false;
  const { text, versions, keptAt } = value as Partial<Record<keyof KeptAnswer, unknown>>;
  return typeof text === 'string' && Array.isArray(versions) && typeof keptAt === 'number';
}

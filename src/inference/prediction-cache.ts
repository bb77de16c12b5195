import { hash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cache } from '../shared/cache.js';
import { isOutput, type EncodedRow, type Signature } from './signature.js';

/** The part of a version that its keys and answers depend on. */
export interface CachedVersion {
  /** See `fingerprintOf`. */
  fingerprint: string;
  signature: Signature;
}

/** What a version is, for a cache: 64 hexadecimal digits over its model, its bytes, and the names that its rows and answers go by. */
export function fingerprintOf(model: string, digest: string, { inputs, outputs }: Signature): string {
  const named = [model, digest, inputs.map(({ name }) => name), outputs.map(({ name, rowShape, labels }) => [name, rowShape, labels])];
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

/** An answer that was given before. */
export interface CachedAnswer {
  output: Record<string, unknown>;
  /** Milliseconds since 1970. */
  computedAt: number;
}

/** What Redis holds of a claim's work may be gone with the process that claimed it: then another does it after this time. */
const claimMs = 1000;

/** Answers that were given before, in a cache that may be shared with other processes. */
export class PredictionCache {
  readonly #writes = new Set<Promise<unknown>>();

  constructor(
    private readonly cache: Cache,
    private readonly ttlSeconds: number,
  ) {}

  /** Whether an answer is young enough to be given as it is. */
  isFresh({ computedAt }: CachedAnswer): boolean {
    return Date.now() - computedAt <= this.ttlSeconds * 1000;
  }

  /**
   * The answers under these keys, expired ones among them, in one round trip; undefined for a miss, and for what is not
   * an answer of this version.
   */
  async getMany({ signature }: CachedVersion, keys: readonly string[]): Promise<(CachedAnswer | undefined)[]> {
    const found = await this.cache.getMany(keys);
    return keys.map((_, index) => answerIn(signature, found[index]));
  }

  /** Writes answers in one round trip, behind the caller's back. They stay for the cache's time and `staleSeconds` more. */
  writeBehind(answers: readonly { key: string; answer: CachedAnswer }[], staleSeconds: number): void {
    if (answers.length === 0) return;
    const entries = answers.map(({ key, answer }) => ({ key, value: { output: answer.output, at: answer.computedAt } }));
    const write = this.cache.setMany(entries, (this.ttlSeconds + staleSeconds) * 1000).finally(() => this.#writes.delete(write));
    this.#writes.add(write);
  }

  /**
   * Claims rows among all processes that share the cache; at once and all of them where none do.
   * @returns the keys that this process is to compute; the others are being computed elsewhere
   */
  async claim(keys: readonly string[]): Promise<ReadonlySet<string>> {
    if (!this.cache.isShared) return new Set(keys);
    const isOurs = await this.cache.claimMany(keys, claimMs);
    return new Set(keys.filter((_, index) => isOurs[index]));
  }

  /** Lets others compute what this process could not. */
  release(keys: readonly string[]): void {
    if (this.cache.isShared && keys.length > 0) void this.cache.releaseMany(keys);
  }

  /**
   * Waits for answers that another process is computing, for as long as its claim can last.
   * @param found is told of each answer as it comes
   * @returns the keys for which none came
   */
  async awaitElsewhere(version: CachedVersion, keys: readonly string[], found: (key: string, answer: CachedAnswer) => void): Promise<string[]> {
    let missing = [...keys];
    const until = performance.now() + claimMs;
    for (let pauseMs = 4; missing.length > 0 && performance.now() < until; pauseMs = Math.min(pauseMs * 2, 64)) {
      await sleep(pauseMs);
      const answers = await this.getMany(version, missing);
      missing = missing.filter((key, index) => {
        const answer = answers[index];
        if (!answer || !this.isFresh(answer)) return true;
        found(key, answer);
        return false;
      });
    }
    return missing;
  }

  /** Waits for the answers that are still being written. The cache itself belongs to whoever opened it. */
  async close(): Promise<void> {
    await Promise.all(this.#writes);
  }
}

function answerIn(signature: Signature, entry: unknown): CachedAnswer | undefined {
  if (typeof entry !== 'object' || entry === null || !('output' in entry) || !('at' in entry)) return undefined;
  const { output, at } = entry;
  if (!Number.isFinite(at) || !isOutput(signature, output)) return undefined;
  // Clocks of two machines differ; no answer is from tomorrow.
  return { output, computedAt: Math.min(Number(at), Date.now()) };
}

import { hash } from 'node:crypto';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { Cache } from '../../cache/cache.js';
import { maxEntriesPerWrite } from '../../cache/redis-cache.js';
import type { Serving } from '../repository/model-manifest.js';
import { isOutput, rowsPerTurn } from '../signature/decode.js';
import { elementsPerRow, type Signature } from '../signature/types.js';

/** The part of a version that keys and results depend on. */
export interface CachedVersion {
  /** See `fingerprintOf`. */
  fingerprint: string;
  signature: Signature;
}

/** Identifies a version in the cache: SHA-256 over the model, the digest of its file, and the names of inputs and outputs. */
export function fingerprintOf(model: string, digest: string, { inputs, outputs, tensors = inputs }: Signature): string {
  const named = [
    model,
    digest,
    tensors.map(({ name }) => name),
    outputs.map(({ name, rowShape, labels }) => [name, rowShape, labels]),
  ];
  return hash('sha256', JSON.stringify(named), 'hex');
}

/** A cached result. */
export interface CachedResult {
  output: Record<string, unknown>;
  /** Milliseconds since 1970. */
  computedAt: number;
}

/** The results of a run. */
export interface NewResults {
  results: { key: string; output: Record<string, unknown> }[];
  /** Milliseconds since 1970. */
  computedAt: number;
}

/** `isClaimed`: whether this process has to compute the row if it has no result. */
export interface ResultOrClaim {
  result: CachedResult | undefined;
  isClaimed: boolean;
}

/** What most rows of a call give, without an object for each. */
const claimed: ResultOrClaim = { result: undefined, isClaimed: true };
const claimedElsewhere: ResultOrClaim = { result: undefined, isClaimed: false };

/** How long a model caches its results. */
export type CacheRule = Pick<Serving, 'ttlSeconds' | 'staleSeconds'>;

/** Lifetime of a claim: if the claiming process has died, another computes the row after this time. */
export const claimMs = 1000;

/** Cached results, possibly shared with other processes. */
export class PredictionCache {
  readonly #writes = new Set<Promise<unknown>>();

  constructor(
    private readonly cache: Cache,
    private readonly ttlSeconds: number,
  ) {}

  /** Whether a result has not expired. */
  isFresh({ computedAt }: CachedResult, rule: CacheRule): boolean {
    return Date.now() - computedAt <= this.ttlMs(rule);
  }

  /** How long a result is fresh. */
  ttlMs({ ttlSeconds }: CacheRule): number {
    return (ttlSeconds ?? this.ttlSeconds) * 1000;
  }

  /**
   * Reads results, including expired ones, and claims the missing rows among the processes that share the cache: in one round trip, for wide
   * rows in several. Entries that do not match the signature are missing.
   */
  async readOrClaim({ signature }: CachedVersion, keys: readonly string[]): Promise<ResultOrClaim[]> {
    const results: ResultOrClaim[] = [];
    for await (const part of inTurns(keys, rowsPerTurn(elementsPerRow(signature.outputs)))) {
      for (const found of await this.cache.readOrClaimMany(part, claimMs)) {
        if (found.kind === 'missing') results.push(found.isClaimed ? claimed : claimedElsewhere);
        else results.push({ result: parseEntry(signature, found.value), isClaimed: true });
      }
    }
    return results;
  }

  /**
   * Writes results in the background, one round trip for each `maxEntriesPerWrite`, more if they are wide. They expire after the TTL plus
   * `staleSeconds`. Claims on results that may not have been written are released.
   */
  writeBehind({ signature }: CachedVersion, computed: NewResults, rule: CacheRule): void {
    if (computed.results.length === 0) return;
    const size = Math.min(maxEntriesPerWrite, rowsPerTurn(elementsPerRow(signature.outputs)));
    const write = this.#write(computed, size, this.ttlMs(rule) + rule.staleSeconds * 1000).finally(() =>
      this.#writes.delete(write),
    );
    this.#writes.add(write);
  }

  async #write({ results, computedAt: at }: NewResults, size: number, ttlMs: number): Promise<void> {
    for await (const slice of inTurns(results, size)) {
      const entries = slice.map(({ key, output }) => ({ key, value: { output, at } }));
      if (!(await this.cache.setMany(entries, ttlMs))) this.release(slice.map(({ key }) => key));
    }
  }

  async #getMany({ signature }: CachedVersion, keys: readonly string[]): Promise<(CachedResult | undefined)[]> {
    const results: (CachedResult | undefined)[] = [];
    for await (const part of inTurns(keys, rowsPerTurn(elementsPerRow(signature.outputs)))) {
      const found = await this.cache.getMany(part);
      results.push(...part.map((_, index) => parseEntry(signature, found[index])));
    }
    return results;
  }

  /**
   * Claims rows among the processes that share the cache. @returns the keys that this process has to compute; all of them if
   * the cache is not shared
   */
  async claim(keys: readonly string[]): Promise<ReadonlySet<string>> {
    if (!this.cache.isShared) return new Set(keys);
    const isOurs = await this.cache.claimMany(keys, claimMs);
    return new Set(keys.filter((_, index) => isOurs[index]));
  }

  /** Releases claims, so that other processes can compute the rows. */
  release(keys: readonly string[]): void {
    if (this.cache.isShared && keys.length > 0) void this.cache.releaseMany(keys);
  }

  /**
   * Waits for results of another process.
   * @param found called with each result
   * @returns the keys without a result after `waitMs`
   */
  async awaitRemote(
    version: CachedVersion,
    keys: readonly string[],
    { rule, waitMs, found }: { rule: CacheRule; waitMs: number; found: (key: string, result: CachedResult) => void },
  ): Promise<string[]> {
    let missing = [...keys];
    const until = performance.now() + waitMs;
    for (let pauseMs = 4; missing.length > 0; pauseMs = Math.min(pauseMs * 2, 64)) {
      const leftMs = until - performance.now();
      if (leftMs <= 0) break;
      await sleep(Math.min(pauseMs, leftMs));
      const results = await this.#getMany(version, missing);
      missing = missing.filter((key, index) => {
        const result = results[index];
        if (!result || !this.isFresh(result, rule)) return true;
        found(key, result);
        return false;
      });
    }
    return missing;
  }

  /** Waits for pending writes. Does not close the cache. */
  async close(): Promise<void> {
    await Promise.all(this.#writes);
  }
}

/** Slices of a list, one per turn of the event loop: converting one takes milliseconds. */
async function* inTurns<Item>(items: readonly Item[], size: number): AsyncGenerator<readonly Item[]> {
  for (let start = 0; start < items.length; start += size) {
    if (start > 0) await nextTurn();
    yield items.slice(start, start + size);
  }
}

function parseEntry(signature: Signature, entry: unknown): CachedResult | undefined {
  if (typeof entry !== 'object' || entry === null || !('output' in entry) || !('at' in entry)) return undefined;
  const { output, at } = entry;
  if (!Number.isFinite(at) || !isOutput(signature, output)) return undefined;
  // Clocks differ between machines; a result cannot be from the future.
  return { output, computedAt: Math.min(Number(at), Date.now()) };
}

import type { Serving } from '../repository/model-manifest.js';
import type { RowResult } from '../signature/types.js';
import {
  claimMs,
  type CachedResult,
  type CachedVersion,
  type NewResults,
  type PredictionCache,
  type ResultOrClaim,
} from './prediction-cache.js';
import type { PendingPrediction } from './request-coalescing.js';
import type { VersionCounters } from './version-statistics.js';

/** Share of a call's deadline that it waits for another process; the rest is for computing the row here. */
const remoteWaitShare = 0.25;

const unknownRow: Partial<ResultOrClaim> = {};

export interface CachedRowsParts {
  version: CachedVersion;
  cache: PredictionCache;
  counters: VersionCounters;
  /** The current settings of the model. */
  serving: () => Serving;
}

/** The pending rows of a version and its cache: cached results, results of other processes, and writes of new ones. */
export class CachedRows {
  readonly #toRelease: string[] = [];

  constructor(private readonly parts: CachedRowsParts) {}

  /** Settles rows found in the cache, and claims the others. @returns the missing rows that are still needed */
  async settleCached(pendingRows: readonly PendingPrediction[]): Promise<PendingPrediction[]> {
    const { version, cache, counters } = this.parts;
    const serving = this.parts.serving();
    if (!serving.cache) return stillNeeded(pendingRows);
    const cached = await cache.readOrClaim(
      version,
      pendingRows.map(({ key }) => key),
    );
    const knownAt = performance.now();
    let next = 0;
    for (const pending of pendingRows) {
      const { result: found, isClaimed = true } = cached[next++] ?? unknownRow;
      if (!found) {
        pending.isClaimed = isClaimed;
        // Its calls have left while it was claimed.
        if (isClaimed && !pending.isNeeded) this.releaseLater(pending.key);
      } else if (cache.isFresh(found, serving)) settleFromCache(pending, found, knownAt);
      else if (serving.staleSeconds > 0)
        pending.stale = { result: { kind: 'ok', output: found.output }, computedAt: found.computedAt };
    }
    const missing = pendingRows.filter(({ outcome }) => !outcome);
    counters.cacheHits += pendingRows.length - missing.length;
    counters.cacheMisses += missing.length;
    return stillNeeded(missing);
  }

  /**
   * Leaves claimed rows to the process that computes them, for a share of the deadline.
   * @param compute called with rows that the other process did not compute in time
   * @returns the rows that this process has to compute
   */
  async settleRemote(
    pendingRows: readonly PendingPrediction[],
    deadlineMs: number,
    compute: (pendingRows: readonly PendingPrediction[]) => void,
  ): Promise<PendingPrediction[]> {
    if (!this.parts.serving().cache) return stillNeeded(pendingRows);
    await this.#claimExpired(pendingRows);
    const theirs = pendingRows.filter(({ isClaimed }) => !isClaimed);
    // Not awaited: rows of this process do not wait for those of another.
    if (theirs.length > 0) void this.#awaitRemote(theirs, Math.min(claimMs, remoteWaitShare * deadlineMs), compute);
    return stillNeeded(pendingRows.filter(({ isClaimed }) => isClaimed));
  }

  /** Claims the rows whose result in the cache has expired: only missing ones are claimed when they are read. */
  async #claimExpired(pendingRows: readonly PendingPrediction[]): Promise<void> {
    const expired = pendingRows.filter(({ isClaimed }) => isClaimed === null);
    if (expired.length === 0) return;
    const ours = await this.parts.cache.claim(expired.map(({ key }) => key));
    for (const pending of expired) pending.isClaimed = ours.has(pending.key);
  }

  /** Writes the results of a run to the cache, in the background. */
  store(pendingRows: readonly PendingPrediction[], results: readonly RowResult[]): void {
    const serving = this.parts.serving();
    if (!serving.cache) return;
    const known: NewResults = { results: [], computedAt: Date.now() };
    let next = 0;
    for (const { key } of pendingRows) {
      const result = results[next++];
      if (result?.kind === 'ok') known.results.push({ key, output: result.output });
      else this.releaseLater(key);
    }
    this.parts.cache.writeBehind(this.parts.version, known, serving);
  }

  /** Releases the claim of a row without a result; one round trip for all rows of a turn. */
  releaseLater(key: string): void {
    if (this.#toRelease.length === 0) setImmediate(() => this.parts.cache.release(this.#toRelease.splice(0)));
    this.#toRelease.push(key);
  }

  async #awaitRemote(
    pendingRows: readonly PendingPrediction[],
    waitMs: number,
    compute: (pendingRows: readonly PendingPrediction[]) => void,
  ): Promise<void> {
    const { version, cache, serving } = this.parts;
    const byKey = new Map(pendingRows.map((pending) => [pending.key, pending]));
    const found = (key: string, result: CachedResult): void => {
      const pending = byKey.get(key);
      if (pending && !pending.outcome) settleFromCache(pending, result, performance.now());
    };
    try {
      await cache.awaitRemote(version, [...byKey.keys()], { rule: serving(), waitMs, found });
      compute(stillNeeded(pendingRows.filter(({ outcome }) => !outcome)));
    } catch (error) {
      for (const pending of pendingRows) if (!pending.outcome) pending.fail(error);
    }
  }
}

/** The rows that a call still waits for. */
export function stillNeeded(pendingRows: readonly PendingPrediction[]): PendingPrediction[] {
  return pendingRows.filter((pending) => pending.isNeeded);
}

function settleFromCache(pending: PendingPrediction, { output, computedAt }: CachedResult, knownAt: number): void {
  pending.complete({ result: { kind: 'ok', output }, source: 'CACHE', received: { computedAt, knownAt } });
}

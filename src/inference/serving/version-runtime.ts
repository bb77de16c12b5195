import { Overloaded, TimedOut } from '../../errors/app-error.js';
import { isTracing, activeSpan, withSharedSpan } from '../../telemetry/tracing.js';
import type { LoadedGraph } from '../onnx/backend.js';
import { Batcher, type BatchLimits } from './batcher.js';
import type { FindWarnings } from '../reference/input-warnings.js';
import type { Serving } from '../repository/model-manifest.js';
import type { ModelVersion } from './model.js';
import { cacheKey, fingerprintOf, type CachedResult, type PredictionCache } from './prediction-cache.js';
import { fixedBytes } from '../signature/row-bytes.js';
import { runRows } from '../signature/run-rows.js';
import type { EncodedRow, RowResult, Signature } from '../signature/types.js';
import { PendingPrediction, PendingPredictionFailed, Wait, type Outcome } from './request-coalescing.js';
import { VersionCounters } from './version-statistics.js';

/** The parts of a loaded version. */
export interface VersionParts {
  /** The folder's name. */
  model: string;
  version: Omit<ModelVersion, 'statistics'>;
  signature: Signature;
  /** Null if nothing is known of the training rows. */
  findWarnings: FindWarnings | null;
  graph: LoadedGraph;
  serving: Serving;
  cache: PredictionCache;
}

/** The deadline and cancellation of a call. */
export interface CallOptions {
  deadlineMs: number;
  signal?: AbortSignal | undefined;
}

/** Bound on pending rows, including those that wait for the cache, as a multiple of the queue's bound. */
const pendingPerQueueSlot = 4;

/** Bound on the tensors of a run, beside which its results exist as JSON. */
const maxRunBytes = 32 * 1024 * 1024;

const idleCheckMs = 20;

/**
 * A loaded version, and the path from its rows to their results: join identical in-pending rows, read the cache, wait for rows
 * that another process has claimed, and run the rest in batches.
 */
export class VersionRuntime {
  readonly model: string;
  readonly signature: Signature;
  readonly fingerprint: string;
  readonly findWarnings: FindWarnings | null;
  readonly counters = new VersionCounters();
  readonly version: ModelVersion;
  readonly #graph: LoadedGraph;
  readonly #cache: PredictionCache;
  readonly #batcher: Batcher<RowResult, PendingPrediction>;
  readonly #pendingRows = new Map<string, PendingPrediction>();
  readonly #toRelease: string[] = [];
  #serving: Serving;
  #users = 0;
  #onIdle: (() => void) | null = null;

  constructor({ model, version, signature, findWarnings, graph, serving, cache }: VersionParts) {
    this.model = model;
    this.signature = signature;
    this.findWarnings = findWarnings;
    this.fingerprint = fingerprintOf(model, version.digest, signature);
    this.version = { ...version, statistics: this.counters };
    this.#graph = graph;
    this.#cache = cache;
    this.#serving = serving;
    this.#batcher = new Batcher(
      { run: (pendingRows) => this.#tracedRun(pendingRows), room: () => graph.room() },
      this.counters,
      batchLimits(serving, signature),
    );
  }

  get serving(): Serving {
    return this.#serving;
  }

  /** Applies new limits from the manifest; queued rows are unaffected. */
  configure(serving: Serving, metrics: ModelVersion['metrics']): void {
    this.#serving = serving;
    this.#batcher.limits = batchLimits(serving, this.signature);
    this.version.metrics = metrics;
  }

  /** The cache key of a row. */
  keyOf(row: EncodedRow): string {
    return cacheKey(this.fingerprint, row);
  }

  /** Keeps the version loaded while `use` runs. */
  async using<Result>(use: () => Promise<Result>): Promise<Result> {
    this.#users += 1;
    try {
      return await use();
    } finally {
      this.#users -= 1;
      this.#checkIdle();
    }
  }

  /**
   * Predicts distinct rows. @param rows by `keyOf` @returns the outcomes by key
   * @throws Overloaded, TimedOut, the signal's reason, or PendingPredictionFailed caused by the model's error
   */
  async predict(
    rows: ReadonlyMap<string, EncodedRow>,
    { deadlineMs, signal }: CallOptions,
  ): Promise<Map<string, Outcome>> {
    if (this.#pendingRows.size > pendingPerQueueSlot * this.#serving.maxQueue) {
      throw new Overloaded('Too many predictions are pending for this model.');
    }
    const started: PendingPrediction[] = [];
    const pendingRows = Array.from(rows, ([key, row]) => {
      const known = this.#pendingRows.get(key);
      if (known) return known;
      const pending = new PendingPrediction(key, row, (onSettled) => this.#onSettled(onSettled));
      this.#pendingRows.set(key, pending);
      started.push(pending);
      return pending;
    });
    const wait = new Wait(pendingRows);
    void this.#resolveRows(started);
    try {
      await wait.settled(deadlineMs, this.#serving.deadlineMs, signal);
    } catch (error) {
      this.#withdrawAbandoned(pendingRows);
      return this.#staleOutcomes(pendingRows, error);
    }
    return outcomesOf(pendingRows);
  }

  /** Frees memory that is not needed between calls. @param isServing whether it has a role, so that calls are expected */
  shrink(isServing: boolean): Promise<void> {
    return this.#graph.shrink(isServing ? 1 : 0);
  }

  /** Frees the model's memory once it is idle. No call may start after this. */
  async retire(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve;
      this.#checkIdle();
    });
    await this.#graph.close();
  }

  get #isIdle(): boolean {
    return this.#users === 0 && this.#pendingRows.size === 0 && this.#batcher.isIdle;
  }

  #checkIdle(): void {
    if (!this.#onIdle) return;
    // A run without waiting callers ends after the last call.
    if (this.#isIdle) this.#onIdle();
    else setTimeout(() => this.#checkIdle(), idleCheckMs).unref();
  }

  /** Resolves pending rows. Never throws: errors go to the waiting calls. */
  async #resolveRows(started: readonly PendingPrediction[]): Promise<void> {
    if (started.length === 0) return;
    let unresolved = started;
    try {
      unresolved = await this.#settleCached(unresolved);
      unresolved = await this.#settleRemote(unresolved);
      this.#batcher.submit(unresolved);
    } catch (error) {
      for (const pending of unresolved) pending.fail(error);
    }
  }

  /** Settles rows found in the cache. @returns the missing rows that are still needed */
  async #settleCached(pendingRows: readonly PendingPrediction[]): Promise<PendingPrediction[]> {
    const cached = await this.#cache.getMany(
      this,
      pendingRows.map(({ key }) => key),
    );
    const knownAt = performance.now();
    for (const [index, pending] of pendingRows.entries()) {
      const found = cached[index];
      if (!found) continue;
      if (this.#cache.isFresh(found)) settleFromCache(pending, found, knownAt);
      else if (this.#serving.staleSeconds > 0)
        pending.stale = { result: { kind: 'ok', output: found.output }, computedAt: found.computedAt };
    }
    const missing = pendingRows.filter(({ outcome }) => !outcome);
    this.counters.cacheHits += pendingRows.length - missing.length;
    this.counters.cacheMisses += missing.length;
    return this.#stillNeeded(missing);
  }

  /** Leaves claimed rows to the process that computes them. @returns the rows that this process has to compute */
  async #settleRemote(pendingRows: readonly PendingPrediction[]): Promise<PendingPrediction[]> {
    const byKey = new Map(pendingRows.map((pending) => [pending.key, pending]));
    const ours = await this.#cache.claim([...byKey.keys()]);
    if (ours.size === pendingRows.length) return this.#stillNeeded(pendingRows);
    const theirs = pendingRows.filter(({ key }) => !ours.has(key));
    // Not awaited: rows of this process do not wait for those of another.
    void this.#awaitRemote(theirs);
    return this.#stillNeeded(pendingRows.filter(({ key }) => ours.has(key)));
  }

  async #awaitRemote(pendingRows: readonly PendingPrediction[]): Promise<void> {
    const byKey = new Map(pendingRows.map((pending) => [pending.key, pending]));
    try {
      await this.#cache.awaitRemote(this, [...byKey.keys()], (key, result) => {
        const pending = byKey.get(key);
        if (pending && !pending.outcome) settleFromCache(pending, result, performance.now());
      });
      this.#batcher.submit(this.#stillNeeded(pendingRows.filter(({ outcome }) => !outcome)));
    } catch (error) {
      for (const pending of pendingRows) if (!pending.outcome) pending.fail(error);
    }
  }

  /** Runs in a span below one of the waiting requests, linked to the others. */
  #tracedRun(pendingRows: readonly PendingPrediction[]): Promise<{ results: RowResult[]; computeMs: number }> {
    if (!isTracing()) return this.#run(pendingRows);
    const origins = new Set(pendingRows.flatMap((pending) => pending.origins().filter((origin) => origin !== null)));
    const describe = () => ({
      'auspex.model.name': this.model,
      'auspex.model.version': this.version.version,
      'auspex.model.rows': pendingRows.length,
    });
    return withSharedSpan(`onnx.run ${this.model}`, origins, describe, () => this.#run(pendingRows));
  }

  /** Runs a batch and writes its results to the cache at once. */
  async #run(pendingRows: readonly PendingPrediction[]): Promise<{ results: RowResult[]; computeMs: number }> {
    for (const pending of pendingRows) pending.isRunning = true;
    const { results, computeMs } = await runRows(
      this.#graph,
      this.signature,
      pendingRows.map(({ row }) => row),
      hangMsOf(this.#serving),
    );
    activeSpan()?.setAttribute('auspex.model.compute_ms', computeMs);
    // Before the calls resolve, so that a repeated call finds the results.
    this.#cacheResults(pendingRows, results);
    return { results, computeMs };
  }

  #cacheResults(pendingRows: readonly PendingPrediction[], results: readonly RowResult[]): void {
    const computedAt = Date.now();
    const known: { key: string; result: CachedResult }[] = [];
    for (const [index, { key }] of pendingRows.entries()) {
      const result = results[index];
      if (result?.kind === 'ok') known.push({ key, result: { output: result.output, computedAt } });
      else this.#releaseLater(key);
    }
    this.#cache.writeBehind(known, this.#serving.staleSeconds);
  }

  /** Releases the claim of a row without a result; one round trip for all rows of a turn. */
  #releaseLater(key: string): void {
    if (this.#toRelease.length === 0) setImmediate(() => this.#cache.release(this.#toRelease.splice(0)));
    this.#toRelease.push(key);
  }

  /** Falls back to stale results if every unresolved row has one. @throws the error otherwise */
  #staleOutcomes(pendingRows: readonly PendingPrediction[], error: unknown): Map<string, Outcome> {
    const isAboutModel = error instanceof PendingPredictionFailed || error instanceof TimedOut;
    if (!isAboutModel || pendingRows.some(({ outcome, stale }) => !outcome && !stale)) throw error;
    const knownAt = performance.now();
    return new Map(
      pendingRows.map(({ key, outcome, stale }) => [key, outcome ?? { ...known(stale), source: 'STALE', knownAt }]),
    );
  }

  /** Removes rows without waiting calls from the queue, unless they are running. */
  #withdrawAbandoned(pendingRows: readonly PendingPrediction[]): void {
    const abandoned = pendingRows.filter((pending) => !pending.isNeeded && !pending.outcome && !pending.isRunning);
    for (const pending of abandoned) {
      this.#batcher.withdraw(pending);
      this.#remove(pending);
      this.#releaseLater(pending.key);
    }
  }

  /** The rows that a call still waits for. */
  #stillNeeded(pendingRows: readonly PendingPrediction[]): PendingPrediction[] {
    return pendingRows.filter((pending) => pending.isNeeded);
  }

  #onSettled(pending: PendingPrediction): void {
    this.#remove(pending);
    if (!pending.outcome) this.#releaseLater(pending.key);
  }

  #remove(pending: PendingPrediction): void {
    // A new pending row may have the same key.
    if (this.#pendingRows.get(pending.key) === pending) this.#pendingRows.delete(pending.key);
  }
}

/** The limits of the manifest, with fewer rows for a run if their values are large. */
function batchLimits(serving: Serving, signature: Signature): BatchLimits {
  const rows = Math.max(
    1,
    Math.floor(maxRunBytes / Math.max(1, fixedBytes(signature.inputs) + fixedBytes(signature.outputs))),
  );
  return { ...serving, maxBatch: Math.min(serving.maxBatch, rows) };
}

/** After this time no caller waits for a run any longer, and its thread may be needed by others. */
const hangMsOf = ({ deadlineMs }: Serving): number => 2 * deadlineMs + 1000;

function settleFromCache(pending: PendingPrediction, { output, computedAt }: CachedResult, knownAt: number): void {
  pending.complete({ result: { kind: 'ok', output }, source: 'CACHE', computedAt, knownAt });
}

function outcomesOf(pendingRows: readonly PendingPrediction[]): Map<string, Outcome> {
  return new Map(pendingRows.map(({ key, outcome }) => [key, known(outcome)]));
}

function known<Value>(value: Value | null): Value {
  if (value === null) throw new Error('A settled row has no outcome.');
  return value;
}

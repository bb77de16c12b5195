import { setImmediate as nextTurn } from 'node:timers/promises';
import { Overloaded, TimedOut } from '../../errors/app-error.js';
import { isTracing, activeSpan, withSharedSpan } from '../../telemetry/tracing.js';
import type { LoadedGraph } from '../onnx/backend.js';
import { batchLimits } from './batch-limits.js';
import { Batcher } from './batcher.js';
import type { FindWarnings } from '../reference/input-warnings.js';
import type { Serving } from '../repository/model-manifest.js';
import type { ModelVersion } from './model.js';
import { CachedRows, stillNeeded } from './cached-rows.js';
import { FailedRows } from './failed-rows.js';
import { cacheKey } from './cache-key.js';
import { fingerprintOf, type PredictionCache } from './prediction-cache.js';
import { runRows } from '../signature/run-rows.js';
import type { EncodedRow, RowResult, Signature } from '../signature/types.js';
import {
  PendingPrediction,
  PendingPredictionFailed,
  Wait,
  type Outcome,
  type StaleResult,
} from './request-coalescing.js';
import { VersionBreaker } from './version-breaker.js';
import { VersionCounters } from './version-statistics.js';

/** The parts of a loaded version. */
export interface VersionParts {
  /** The folder's name. */
  model: string;
  version: Omit<ModelVersion, 'statistics' | 'isFailing'>;
  signature: Signature;
  /** Null if nothing is known of the training rows. */
  findWarnings: FindWarnings | null;
  /** Problems that do not prevent serving. */
  problems: readonly string[];
  graph: LoadedGraph;
  serving: Serving;
  cache: PredictionCache;
  /** A row that the graph can run. */
  probeRow: EncodedRow;
}

/** The deadline and cancellation of a call, and its share of the runs. */
export interface CallOptions {
  deadlineMs: number;
  /** Callers share the runs of a model fairly. */
  caller?: string | undefined;
  signal?: AbortSignal | undefined;
}

/** Bound on pending rows, including those that wait for the cache, as a multiple of the queue's bound. */
const pendingPerQueueSlot = 4;

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
  readonly problems: readonly string[];
  readonly counters = new VersionCounters();
  readonly version: ModelVersion;
  readonly #graph: LoadedGraph;
  readonly breaker: VersionBreaker;
  readonly #cached: CachedRows;
  readonly #failedRows = new FailedRows();
  readonly #batcher: Batcher<RowResult, PendingPrediction>;
  #pendingRows = new Map<string, PendingPrediction>();
  #uncachedRows = 0;
  #serving: Serving;
  #users = 0;
  #onIdle: (() => void) | null = null;

  constructor({ model, version, signature, findWarnings, problems, graph, serving, cache, probeRow }: VersionParts) {
    this.model = model;
    this.signature = signature;
    this.findWarnings = findWarnings;
    this.problems = problems;
    this.fingerprint = fingerprintOf(model, version.digest, signature);
    this.#graph = graph;
    this.#serving = serving;
    const breaker = new VersionBreaker(() => this.#runGraph([probeRow]));
    this.breaker = breaker;
    this.version = {
      ...version,
      statistics: this.counters,
      get isFailing() {
        return breaker.isOpen;
      },
    };
    this.#cached = new CachedRows({ version: this, cache, counters: this.counters, serving: () => this.#serving });
    this.#batcher = new Batcher(
      {
        run: (pendingRows) => this.#tracedRun(pendingRows),
        room: () => graph.room(),
        onCulprit: (pending, error) => {
          this.#failedRows.add(this.#contentKeyOf(pending), error);
          this.breaker.countFailure();
        },
      },
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

  /** The key of a row; rows of the same key share a run. Without a cache each row has its own. */
  keyOf(row: EncodedRow): string {
    return this.#serving.cache ? cacheKey(this.fingerprint, row) : `uncached ${(this.#uncachedRows += 1)}`;
  }

  /** The same for rows of the same content. */
  #contentKeyOf({ key, row }: PendingPrediction): string {
    return key.startsWith('uncached') ? cacheKey(this.fingerprint, row) : key;
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
   * Predicts rows, each key once. @param rows with the keys of `keyOf` @returns the outcomes in the order of the rows
   * @throws Overloaded, TimedOut, the signal's reason, or PendingPredictionFailed caused by the model's error
   */
  async predict(
    rows: readonly { key: string; row: EncodedRow }[],
    { deadlineMs, signal, caller = '' }: CallOptions,
  ): Promise<Outcome[]> {
    if (this.#pendingRows.size > pendingPerQueueSlot * this.#serving.maxQueue) {
      throw new Overloaded('Too many predictions are pending for this model.');
    }
    const started: PendingPrediction[] = [];
    const onSettled = (settled: PendingPrediction): void => this.#onSettled(settled);
    const pendingRows: PendingPrediction[] = [];
    for (const { key, row } of rows) {
      let pending = this.#pendingRows.get(key);
      if (!pending) {
        pending = new PendingPrediction(key, row, caller, onSettled);
        this.#pendingRows.set(key, pending);
        started.push(pending);
      }
      pendingRows.push(pending);
    }
    const wait = new Wait(pendingRows);
    void this.#resolveRows(started, deadlineMs);
    try {
      await wait.settled(deadlineMs, this.#serving.deadlineMs, signal);
    } catch (error) {
      this.#withdrawAbandoned(pendingRows);
      return this.#staleOutcomes(pendingRows, error);
    }
    return pendingRows.map(({ outcome }) => known(outcome));
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
  async #resolveRows(started: readonly PendingPrediction[], deadlineMs: number): Promise<void> {
    if (started.length === 0) return;
    let unresolved = started;
    try {
      unresolved = await this.#cached.settleCached(unresolved);
      if (unresolved.length === 0) return;
      await this.breaker.check();
      unresolved = await this.#failKnown(unresolved);
      unresolved = await this.#cached.settleRemote(unresolved, deadlineMs, (left) => this.#batcher.submit(left));
      this.#batcher.submit(unresolved);
    } catch (error) {
      for (const pending of unresolved) pending.fail(error);
    }
  }

  /** Fails the rows that failed alone some seconds ago. @returns the others that are still needed */
  async #failKnown(pendingRows: readonly PendingPrediction[]): Promise<readonly PendingPrediction[]> {
    if (this.#failedRows.isEmpty) return pendingRows;
    let hasFailed = false;
    for (const pending of pendingRows) {
      const error = this.#failedRows.errorOf(this.#contentKeyOf(pending));
      if (!error) continue;
      hasFailed = true;
      pending.fail(error);
    }
    // Calls that failed leave their other rows.
    if (hasFailed) await nextTurn();
    return stillNeeded(pendingRows);
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
    const { results, computeMs } = await this.#runGraph(pendingRows.map(({ row }) => row));
    activeSpan()?.setAttribute('auspex.model.compute_ms', computeMs);
    this.breaker.countSuccess();
    // Before the calls resolve, so that a repeated call finds the results.
    this.#cached.store(pendingRows, results);
    return { results, computeMs };
  }

  #runGraph(rows: readonly EncodedRow[]): Promise<{ results: RowResult[]; computeMs: number }> {
    const weight = weights[this.#serving.priority];
    const graph: Pick<LoadedGraph, 'run'> = {
      run: (feeds, rowCount, limitMs) => this.#graph.run(feeds, rowCount, limitMs, weight),
    };
    return runRows(graph, this.signature, rows, hangMsOf(this.#serving));
  }

  /** Falls back to stale results if every unresolved row has one. @throws the error otherwise */
  #staleOutcomes(pendingRows: readonly PendingPrediction[], error: unknown): Outcome[] {
    const isAboutModel = error instanceof PendingPredictionFailed || error instanceof TimedOut;
    if (!isAboutModel || pendingRows.some(({ outcome, stale }) => !outcome && !stale)) throw error;
    const knownAt = performance.now();
    return pendingRows.map(({ outcome, stale }) => outcome ?? staleOutcome(known(stale), knownAt));
  }

  /** Removes rows without waiting calls from the queue, unless they are running. */
  #withdrawAbandoned(pendingRows: readonly PendingPrediction[]): void {
    const abandoned = pendingRows.filter((pending) => !pending.isNeeded && !pending.outcome && !pending.isRunning);
    for (const pending of abandoned) {
      this.#batcher.withdraw(pending);
      this.#remove(pending);
      this.#cached.releaseLater(pending.key);
    }
  }

  #onSettled(pending: PendingPrediction): void {
    this.#remove(pending);
    if (!pending.outcome) this.#cached.releaseLater(pending.key);
  }

  #remove(pending: PendingPrediction): void {
    // A new pending row may have the same key.
    if (this.#pendingRows.get(pending.key) !== pending) return;
    this.#pendingRows.delete(pending.key);
    // V8 links the tables that a map outgrew, so that an old one holds all later rows until a full collection of garbage.
    if (this.#pendingRows.size === 0) this.#pendingRows = new Map();
  }
}

/** Shares of the threads. */
const weights = { low: 1, normal: 4, high: 16 };

/** After this time no caller waits for a run any longer, and its thread may be needed by others. */
const hangMsOf = ({ deadlineMs }: Serving): number => 2 * deadlineMs + 1000;

const staleOutcome = ({ result, computedAt }: StaleResult, knownAt: number): Outcome => ({
  result,
  source: 'STALE',
  received: { computedAt, knownAt },
});

function known<Value>(value: Value | null): Value {
  if (value === null) throw new Error('A settled row has no outcome.');
  return value;
}

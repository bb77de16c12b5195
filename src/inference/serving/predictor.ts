import { setTimeout as sleep } from 'node:timers/promises';
import { AppError, BadUserInput, ServiceUnavailable } from '../../errors/app-error.js';
import type { Logger } from '../../telemetry/logger.js';
import { recordCost } from '../../telemetry/operation-cost.js';
import type { Backend } from '../onnx/backend.js';
import type { Canary } from '../rollout/canary.js';
import { countError, countResults, lateShare, type CallOutcome } from './call-outcome.js';
import type { Deployment, Model, ModelProblems, ModelVersion } from './model.js';
import type { PredictionCache } from './prediction-cache.js';
import type { ModelRegistry } from './model-registry.js';
import type { ServedModel } from './model-roles.js';
import {
  prepareRows,
  toPredictedRows,
  type InvalidRows,
  type OnInvalid,
  type PredictedRow,
  type PreparedRow,
} from './prediction-rows.js';
import { PendingPredictionFailed, type Outcome } from './request-coalescing.js';
import type { CallOptions, VersionRuntime } from './version-runtime.js';
import type { InputWarning } from '../reference/input-warnings.js';
import { elementsPerRow, type EncodedRow } from '../signature/types.js';
import { shortened } from '../../errors/input-validation.js';
import type { RepositoryWatcher } from '../repository/watcher.js';

export { parseEvidence, type CanaryEvidence } from '../rollout/canary-evidence.js';
export type { Canary, CanaryStep } from '../rollout/canary.js';
export { ModelRepositoryError } from '../repository/model-repository.js';
export type { Deployment, Model, ModelProblems, ModelVersion, VersionStatistics } from './model.js';
export type { InvalidRows, OnInvalid, PredictedRow } from './prediction-rows.js';
export type { InputWarning } from '../reference/input-warnings.js';
export type { InputField, OutputField } from '../signature/types.js';

export interface PredictCall {
  model: string;
  /** Absent or null: the current version, or the canary for callers in its share. */
  version?: number | null;
  /** 1 to 1000 rows with the inputs of the model. */
  rows: readonly unknown[];
  /** What an invalid row does; FAIL by default. */
  onInvalid?: OnInvalid;
  /** Identifies the caller, so that a caller keeps its version while a canary by `user` runs. */
  caller?: string | undefined;
  /** Reads a header of the request, by which a canary may select its calls. */
  header?: ((name: string) => string | undefined) | undefined;
  /** Cancels the call; rows that have not started do not run. */
  signal?: AbortSignal | undefined;
}

/** What a recorded prediction says of its version and input. */
export interface PastPrediction {
  model: string;
  version: number;
  digest: string;
  input: Record<string, unknown>;
}

/** The predictions of a call. */
export interface PredictionSet extends Predicted {
  model: Model;
  version: ModelVersion;
}

interface Predicted {
  /** The predictions of the valid rows, in their order. */
  rows: PredictedRow[];
  /** The other rows; empty unless the call has `onInvalid: NULL`. */
  invalid: InvalidRows;
}

/** A canary that exceeded its limits and stopped. The listener must store it and distribute it to all replicas. */
export interface CanaryStop {
  model: string;
  version: number;
  digest: string;
  /** `Deployment.canaryRestarts` when it started: a restart since then lifts the stop. */
  restarts: number;
  reason: string;
}

/** How a version runs a call. */
interface RunOptions {
  /** When the call started, by `performance.now()`. */
  startedAt: number;
  deadlineMs: number;
  /** Called with what the call says about the version, unless its rows are invalid or the caller cancelled it. */
  judge: (outcome: CallOutcome) => void;
}

/** How long a shutdown waits for runs without waiting callers. */
const graceMs = 5_000;

/** Maximum rows per call. */
const maxRows = 1000;

export interface PredictorParts {
  registry: ModelRegistry;
  cache: PredictionCache;
  backend: Backend;
  logger: Logger;
  watcher: RepositoryWatcher;
}

/** The path from rows to predictions: select a version, validate, compute keys, run. */
export class Predictor {
  readonly #parts: PredictorParts;
  readonly #calls = new Set<Promise<unknown>>();
  readonly #canaryListeners = new Set<(stop: CanaryStop) => void>();

  constructor(parts: PredictorParts) {
    this.#parts = parts;
  }

  /** Lists the served models by name. */
  models(): Model[] {
    return this.#parts.registry.models();
  }

  /** A served model; null if unknown. */
  model(name: string): Model | null {
    return this.#parts.registry.get(name)?.view ?? null;
  }

  /**
   * The warnings of an input that was predicted before; null if the same files no longer serve under that number, or nothing is
   * known of their training rows.
   */
  warningsOf({ model, version, digest, input }: PastPrediction): readonly InputWarning[] | null {
    const served = this.#parts.registry.get(model)?.versions.get(version);
    return served?.version.digest === digest ? (served.findWarnings?.(input) ?? null) : null;
  }

  /** The elements that the current version of a model returns for a row; 0 if unknown. Free dimensions count as one. */
  outputElements(name: string): number {
    return elementsPerRow(this.model(name)?.current.outputs ?? []);
  }

  /** Problems of folders that cannot be served as they are on disk, also of models that are not served at all. */
  problems(): ModelProblems[] {
    return this.#parts.registry.problems();
  }

  /** Estimated memory of the loaded graphs in bytes. */
  memoryBytes(): number {
    return this.#parts.backend.memoryBytes;
  }

  /**
   * Applies promoted versions and stopped canaries to all models at once.
   * @param startMs when their reading began, by `performance.now()`, for the log
   */
  apply(deployments: readonly Deployment[], startMs?: number): void {
    this.#parts.registry.apply(deployments, startMs);
  }

  /** Calls the listener after each change of the models. @returns a function that unsubscribes */
  onChange(listener: () => void): () => void {
    return this.#parts.registry.onChange(listener);
  }

  /** Calls the listener when a canary exceeds its limits and stops. @returns a function that unsubscribes */
  onCanaryStopped(listener: (stop: CanaryStop) => void): () => void {
    this.#canaryListeners.add(listener);
    return () => this.#canaryListeners.delete(listener);
  }

  /** The canaries that run, for the exchange of evidence with other replicas. */
  canaries(): Canary[] {
    return this.models().flatMap(({ name }) => {
      const canary = this.#parts.registry.get(name)?.canary;
      return canary?.state.stopped === null ? [canary] : [];
    });
  }

  /** Stops a canary for a reason that its evidence gave. */
  canaryStopped({ version: { model, version }, state }: Canary, reason: string): void {
    this.#parts.logger.error({ model, modelVersion: version.version, reason }, 'canary stopped');
    this.#parts.registry.updateCanary(model);
    const stop = { model, version: version.version, digest: version.digest, restarts: state.restarts, reason };
    for (const listener of this.#canaryListeners) listener(stop);
  }

  /**
   * Predicts rows, in order, in either spelling of their inputs. Cached rows are not run; others run in batches with those of other calls, each distinct row once.
   * @throws BadUserInput naming `model`, `version`, `inputs`, or each invalid field of each row
   * @throws Overloaded if the queue of the version is full, TimedOut past the deadline of the model
   * @throws ServiceUnavailable if the model failed; the signal's reason if the call was cancelled
   */
  async predict(call: PredictCall): Promise<PredictionSet> {
    const startMs = performance.now();
    const prediction = this.#predict(call);
    this.#calls.add(prediction);
    try {
      return await prediction;
    } finally {
      this.#calls.delete(prediction);
      recordCost('model', startMs);
    }
  }

  /** Waits for pending calls, then releases the models. */
  async close(): Promise<void> {
    const { watcher, cache, registry, backend } = this.#parts;
    this.#canaryListeners.clear();
    await watcher.close();
    await Promise.allSettled(this.#calls);
    // A hanging run must not keep the process alive: closing the backend ends it.
    await Promise.race([registry.close(), sleep(graceMs, undefined, { ref: false })]);
    await cache.close();
    await backend.close();
  }

  async #predict(call: PredictCall): Promise<PredictionSet> {
    const startedAt = performance.now();
    call.signal?.throwIfAborted();
    const model = this.#modelNamed(call.model);
    if (call.rows.length < 1 || call.rows.length > maxRows) {
      throw BadUserInput.ofFields([
        { field: 'inputs', message: `must have 1 to ${maxRows} rows; it has ${call.rows.length}` },
      ]);
    }
    const version = versionOf(model, call.version ?? null);
    const { canary } = model;
    const role = call.version == null ? (canary?.roleOf(call) ?? null) : null;
    if (canary && role === 'canary') {
      const predicted = await this.#runCanary(canary, call, startedAt);
      if (predicted) return { model: model.view, version: canary.version.version, ...predicted };
    }
    const elapsedMs = performance.now() - startedAt;
    const predicted = await this.#run(version, call, {
      startedAt,
      deadlineMs: version.serving.deadlineMs - elapsedMs,
      judge: (outcome) => {
        if (canary && role === 'current') this.#judge(canary, role, outcome);
      },
    });
    if (version === model.current) model.shadow?.compare(predicted.rows);
    return { model: model.view, version: version.version, ...predicted };
  }

  /** Runs the canary, which must not be late. @returns null if it failed and the current version must run */
  async #runCanary(canary: Canary, call: PredictCall, startedAt: number): Promise<Predicted | null> {
    const { version } = canary;
    try {
      // FAIL: a row that is invalid for the canary may be valid for the current version.
      const strict: PredictCall = { ...call, onInvalid: 'FAIL' };
      const deadlineMs = version.serving.deadlineMs * lateShare;
      return await this.#run(version, strict, {
        startedAt,
        deadlineMs,
        judge: (outcome) => this.#judge(canary, 'canary', outcome),
      });
    } catch {
      // Rows that its limits reject, or that it fails on, may work with the current version.
      call.signal?.throwIfAborted();
      return null;
    }
  }

  #judge(canary: Canary, role: 'canary' | 'current', { kind, durationMs }: CallOutcome): void {
    if (kind === 'unjudged') return;
    const reason = canary.record(role, { isFailure: kind === 'failure', durationMs });
    if (reason !== null) this.canaryStopped(canary, reason);
  }

  /** Runs a call on a version. */
  #run(
    version: VersionRuntime,
    { rows: sent, signal, onInvalid = 'FAIL' }: PredictCall,
    { startedAt, deadlineMs, judge }: RunOptions,
  ): Promise<Predicted> {
    return version.using(async () => {
      const { prepared, invalid } = await prepareRows(version, sent, onInvalid);
      const distinct = new Map(prepared.map(({ key, row }) => [key, row]));
      const outcomes = await this.#outcomes(version, distinct, prepared, { startedAt, deadlineMs, signal, judge });
      const predicted = await toPredictedRows(prepared, outcomes, { startedAt, onInvalid });
      return { rows: predicted.rows, invalid: new Map([...invalid, ...predicted.invalid]) };
    });
  }

  async #outcomes(
    version: VersionRuntime,
    distinct: ReadonlyMap<string, EncodedRow>,
    prepared: readonly PreparedRow[],
    options: CallOptions & RunOptions,
  ): Promise<Map<string, Outcome>> {
    const { startedAt, judge } = options;
    const { deadlineMs } = version.serving;
    const durationMs = (): number => performance.now() - startedAt;
    try {
      const outcomes = await version.predict(distinct, options);
      judge(countResults(version.counters, outcomes, { durationMs: durationMs(), deadlineMs }));
      return outcomes;
    } catch (error) {
      if (!options.signal?.aborted) judge(countError(version.counters, error, durationMs()));
      if (!(error instanceof PendingPredictionFailed)) throw error;
      if (error.cause instanceof AppError) throw error.cause;
      const {
        model,
        version: { version: number },
      } = version;
      const row = prepared.find(({ key }) => key === error.pending.key)?.index;
      this.#parts.logger.warn({ err: error.cause, model, modelVersion: number, row }, 'model run failed');
      throw new ServiceUnavailable(
        `The model ${model}, version ${number}, failed on row ${row}. Try again; if it persists, report it to the owner of the model.`,
      );
    }
  }

  #modelNamed(name: string): ServedModel {
    const model = this.#parts.registry.get(name);
    if (model) return model;
    const names = this.models().map((known) => known.name);
    throw BadUserInput.ofFields([
      { field: 'model', message: `${shortened(name)} is not served; served models: ${names.join(', ') || 'none'}` },
    ]);
  }
}

function versionOf({ view, versions, current }: ServedModel, requested: number | null): VersionRuntime {
  const version = requested === null ? current : versions.get(requested);
  if (version) return version;
  throw BadUserInput.ofFields([
    {
      field: 'version',
      message: `${requested} of ${view.name} is not served; served versions: ${[...versions.keys()].join(', ')}`,
    },
  ]);
}

import { setTimeout as sleep } from 'node:timers/promises';
import { BadUserInput } from '../../errors/app-error.js';
import type { Logger } from '../../telemetry/logger.js';
import { recordCost } from '../../telemetry/operation-cost.js';
import type { Backend } from '../onnx/backend.js';
import { Admission, type AdmissionStatistics } from '../scheduling/admission.js';
import { bytesOfCall } from '../scheduling/call-bytes.js';
import type { Canary } from '../rollout/canary.js';
import { lateShare, type CallOutcome } from './call-outcome.js';
import type { Deployment, Model, ModelProblems } from './model.js';
import type { PastPrediction, PredictCall, Predicted, PredictionSet } from './predict-call.js';
import type { PredictionCache } from './prediction-cache.js';
import type { ModelRegistry } from './model-registry.js';
import type { ServedModel } from './model-roles.js';
import { runOnVersion, type RunOptions } from './version-call.js';
import type { VersionRuntime } from './version-runtime.js';
import type { InputWarning } from '../reference/input-warnings.js';
import { elementsPerRow } from '../signature/types.js';
import { ownValue } from '../../errors/own-value.js';
import { shortened } from '../../errors/input-validation.js';
import type { RepositoryWatcher } from '../repository/watcher.js';

export { parseEvidence, type CanaryEvidence } from '../rollout/canary-evidence.js';
export type { Canary, CanaryStep } from '../rollout/canary.js';
export type { Binding } from '../repository/model-manifest.js';
export type { BindingInput } from '../repository/binding-rules.js';
export { ModelRepositoryError } from '../repository/model-repository.js';
export type { AdmissionStatistics } from '../scheduling/admission.js';
export type { PredictCall, PredictionSet } from './predict-call.js';
export type { Deployment, Model, ModelProblems, ModelVersion, ShadowOutput, VersionStatistics } from './model.js';
export type { InvalidRows, OnInvalid, PredictedRow } from './prediction-rows.js';
export type { InputWarning } from '../reference/input-warnings.js';
export type { FieldType, InputField, OutputField } from '../signature/types.js';

/** A canary that exceeded its limits and stopped. The listener must store it and distribute it to all replicas. */
export interface CanaryStop {
  model: string;
  version: number;
  digest: string;
  /** `Deployment.canaryRestarts` when it started: a restart since then lifts the stop. */
  restarts: number;
  reason: string;
}

/** How long a shutdown waits for runs without waiting callers. */
const graceMs = 5_000;

/** Maximum rows per call. */
const maxRows = 1000;

/** Share of its deadline that a call waits for its admission; the rest is for the model. */
const waitShare = 0.75;

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
  readonly #admission = new Admission();
  /** The ends of the calls in progress. */
  readonly #calls = new Set<Promise<void>>();
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
    if (served?.version.digest !== digest || !served.findWarnings) return null;
    // The history may hold no inputs, and has no pixels of images.
    const isComplete =
      Object.keys(input).length > 0 &&
      !served.version.inputs.some(({ name, media }) => media === 'image' && ownValue(input, name) != null);
    return isComplete ? served.findWarnings(input) : null;
  }

  /** The elements that the current version of a model returns for a row; 0 if unknown. Free dimensions count as one. */
  outputElements(name: string): number {
    return elementsPerRow(this.model(name)?.current.outputs ?? []);
  }

  /** The milliseconds that a row takes in the current version of a model; 0 if unknown. See `VersionCounters.rowMs`. */
  rowMs(name: string): number {
    return this.#parts.registry.get(name)?.current.counters.rowMs ?? 0;
  }

  /** Milliseconds that a result of the current version is fresh; 0 if its manifest keeps it out of caches. */
  freshMs(name: string): number {
    const serving = this.#parts.registry.get(name)?.current.serving;
    return serving?.cache === true ? this.#parts.cache.ttlMs(serving) : 0;
  }

  /** Counts rows of the current version whose results a caller found in a cache before this one. */
  countCacheHits(name: string, rows: number): void {
    const served = this.#parts.registry.get(name);
    if (served) served.current.counters.cacheHits += rows;
  }

  /** The calls that wait for a model and those that were rejected; null if it was never called. */
  admission(model: string): AdmissionStatistics | null {
    return this.#admission.statistics(model);
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
    // Without its result, which the set may hold for longer than the call.
    const end = prediction.then(nothing, nothing);
    this.#calls.add(end);
    try {
      return await prediction;
    } finally {
      this.#calls.delete(end);
      recordCost('model', startMs);
    }
  }

  /** Waits for pending calls, then releases the models. */
  async close(): Promise<void> {
    const { watcher, cache, registry, backend } = this.#parts;
    this.#canaryListeners.clear();
    await watcher.close();
    await Promise.all(this.#calls);
    // A hanging run must not keep the process alive: closing the backend ends it.
    await Promise.race([registry.close(), sleep(graceMs, undefined, { ref: false })]);
    await cache.close();
    await backend.close();
  }

  async #predict(call: PredictCall): Promise<PredictionSet> {
    const startedAt = performance.now();
    call.signal?.throwIfAborted();
    const { serving, signature } = versionOf(this.#modelNamed(call.model), call.version ?? null);
    if (call.rows.length < 1 || call.rows.length > maxRows) {
      throw BadUserInput.ofFields([
        { field: 'inputs', message: `must have 1 to ${maxRows} rows; it has ${call.rows.length}` },
      ]);
    }
    const entered = this.#admission.enter({
      model: call.model,
      caller: call.caller ?? '',
      rows: call.rows.length,
      bytes: bytesOfCall(call.rows, signature),
      maxBatch: serving.maxBatch,
      maxQueue: serving.maxQueue,
      waitMs: waitShare * serving.deadlineMs,
      signal: call.signal,
    });
    // An admitted call starts in this turn, with the versions that serve now.
    const leave = typeof entered === 'function' ? entered : await entered;
    try {
      return await this.#predictAdmitted(call, startedAt);
    } finally {
      leave();
    }
  }

  /** Selects the version only now: the models may have changed while the call waited. */
  async #predictAdmitted(call: PredictCall, startedAt: number): Promise<PredictionSet> {
    const model = this.#modelNamed(call.model);
    const version = versionOf(model, call.version ?? null);
    const { canary } = model;
    const admittedAt = performance.now();
    // A canary needs half of the deadline, and the current version time to run after it.
    const isEarly = admittedAt - startedAt < version.serving.deadlineMs / 4;
    const role = call.version == null && isEarly ? (canary?.roleOf(call) ?? null) : null;
    if (canary && role === 'canary') {
      const predicted = await this.#runCanary(canary, call, { startedAt, admittedAt });
      if (predicted) return { model: model.view, version: canary.version.version, ...predicted };
    }
    const elapsedMs = performance.now() - startedAt;
    const predicted = await runOnVersion(version, call, {
      startedAt,
      admittedAt,
      deadlineMs: version.serving.deadlineMs - elapsedMs,
      judge: (outcome) => {
        if (canary && role === 'current') this.#judge(canary, role, outcome);
      },
      logger: this.#parts.logger,
    });
    if (version === model.current)
      model.shadow?.compare(predicted.rows.map(({ sent: input, output }) => ({ input, output })));
    return { model: model.view, version: version.version, ...predicted };
  }

  /** Runs the canary, which must not be late. @returns null if it failed and the current version must run */
  async #runCanary(
    canary: Canary,
    call: PredictCall,
    times: Pick<RunOptions, 'startedAt' | 'admittedAt'>,
  ): Promise<Predicted | null> {
    const { version } = canary;
    try {
      // FAIL: a row that is invalid for the canary may be valid for the current version.
      const strict: PredictCall = { ...call, onInvalid: 'FAIL' };
      const deadlineMs = version.serving.deadlineMs * lateShare;
      return await runOnVersion(version, strict, {
        ...times,
        deadlineMs,
        judge: (outcome) => this.#judge(canary, 'canary', outcome),
        logger: this.#parts.logger,
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

  #modelNamed(name: string): ServedModel {
    const model = this.#parts.registry.get(name);
    if (model) return model;
    const names = this.models().map((known) => known.name);
    throw BadUserInput.ofFields([
      { field: 'model', message: `${shortened(name)} is not served; served models: ${names.join(', ') || 'none'}` },
    ]);
  }
}

const nothing = (): void => {};

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

import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { Cache } from '../shared/cache.js';
import { AppError, BadUserInput, ServiceUnavailable, type FieldProblem } from '../shared/errors.js';
import type { Logger } from '../shared/logger.js';
import { noteDone } from '../shared/work.js';
import type { Backend } from './backend/backend.js';
import { openOnnxBackend } from './backend/onnx-backend.js';
import type { Canary } from './canary.js';
import type { Deployment, Model, ModelProblems, ModelVersion } from './model.js';
import { glanceAtModelStore, ModelStoreError, problemsOf, readModel, readModelStore } from './model-store.js';
import { PredictionCache } from './prediction-cache.js';
import { Registry, type ServedModel } from './registry.js';
import type { Patience, ServedVersion } from './served-version.js';
import { encodeRow, maxProblems, shortened, validateRows, type EncodedRow } from './signature.js';
import { FlightFailed, type Outcome } from './single-flight.js';
import { StoreWatcher } from './store-watcher.js';

export { ModelStoreError } from './model-store.js';
export type { Canary, Deployment, Model, ModelProblems, ModelVersion, Shadow, VersionStatistics } from './model.js';
export type { FieldType, InputField, ModelField, OutputField, Signature } from './signature.js';

/** One answered row. */
export interface PredictedRow {
  /** The row as the caller wrote it. */
  input: Record<string, unknown>;
  /** One entry per output of the model. */
  output: Record<string, unknown>;
  /** STALE: the model failed or was late, and an expired answer stands in. */
  source: 'MODEL' | 'CACHE' | 'STALE';
  /** Seconds since the model gave the answer. */
  ageSeconds: number;
  /** Milliseconds from the call's start until this row's answer was known. */
  durationMs: number;
}

export interface PredictCall {
  model: string;
  /** Absent or null: the current one, or the canary for those whom it gets. */
  version?: number | null;
  /** 1 to 1000 objects with the model's inputs. */
  rows: readonly unknown[];
  /** Who asks, so that the same caller gets the same version while a canary runs. */
  caller?: string | undefined;
  /** Gives the call up; what has not begun is not run. */
  signal?: AbortSignal | undefined;
}

/** The answers of a call, in the order of its rows. */
export interface PredictionSet {
  model: Model;
  version: ModelVersion;
  rows: PredictedRow[];
}

/** A canary that broke its limits, for good: what is decided here must be kept, and handed to every replica. */
export interface CanaryStop {
  model: string;
  version: number;
  digest: string;
  reason: string;
}

export interface PredictorOptions {
  storeDir: string;
  /** Stays open when the predictor closes; whoever opened it closes it. */
  cache: Cache;
  cacheTtlSeconds?: number;
  logger: Logger;
  /** What runs the models; ONNX Runtime if absent. Closed with the predictor. */
  backend?: Backend;
  /** Worker threads of ONNX Runtime, each of which holds every model; if absent, one less than the cores, from 2 to 4. */
  threads?: number | undefined;
  /** Milliseconds between two looks for changed folders; 0: none, what was there at the start is served. */
  pollMs?: number;
  /** What speaks against serving these models together, such as names that clash. */
  check?: (models: readonly Model[]) => ModelProblems[];
}

/** How long a shutdown waits for runs whose callers have all gone. */
const graceMs = 5_000;

/** Rows of one call. */
export const maxRows = 1000;

/** Rows that are checked or put together in one turn of the event loop. */
const rowsPerTurn = 100;

/**
 * Loads all models of a store, and follows its changes.
 * @throws ModelStoreError that names every problem of every model
 */
export async function openPredictor(options: PredictorOptions): Promise<Predictor> {
  const { storeDir, logger, cache, cacheTtlSeconds = 3600, pollMs = 0, check = () => [], threads } = options;
  const backend = options.backend ?? openOnnxBackend(threads === undefined ? {} : { size: threads });
  const answers = new PredictionCache(cache, cacheTtlSeconds);
  const registry = new Registry({ backend, cache: answers, logger, check });
  try {
    const glance = await glanceAtModelStore(storeDir);
    await takeAll(registry, storeDir);
    const models = registry.models().map(({ name, current }) => `${name}/${current.version}`);
    if (models.length > 0) logger.info({ models }, 'models are loaded');
    else logger.warn({ storeDir }, 'the model store is empty; there is nothing to predict with');
    const changed = (name: string): Promise<boolean> => takeChange(registry, storeDir, name, logger);
    return new Predictor({ registry, cache: answers, backend, logger, watcher: new StoreWatcher({ storeDir, pollMs, logger, changed }, glance) });
  } catch (error) {
    await registry.close();
    await backend.close();
    throw error;
  }
}

async function takeAll(registry: Registry, storeDir: string): Promise<void> {
  const problems: string[] = [];
  for (const stored of await readModelStore(storeDir)) {
    await registry.take(stored).catch((error: unknown) => {
      if (!(error instanceof ModelStoreError)) throw error;
      problems.push(...error.problems);
    });
  }
  if (problems.length > 0) throw new ModelStoreError(problems);
}

/** Takes a changed folder up, or notes what is wrong with it; answers whether that is the last word on the folder as it is. */
async function takeChange(registry: Registry, storeDir: string, name: string, logger: Logger): Promise<boolean> {
  try {
    const stored = await readModel(storeDir, name);
    if (stored) {
      await registry.take(stored);
      logger.info({ model: name, versions: stored.versions.map(({ label }) => label) }, 'a model was taken up');
    } else {
      const wasServed = registry.get(name) !== null;
      registry.remove(name);
      if (wasServed) logger.info({ model: name }, 'a model was removed');
    }
    return true;
  } catch (error) {
    const isFaultOfFolder = error instanceof ModelStoreError;
    logger.error({ model: name, problems: problemsOf(error), ...(isFaultOfFolder ? {} : { err: error }) }, 'a changed model was not taken up; what serves goes on');
    registry.refuse(name, problemsOf(error));
    return isFaultOfFolder;
  }
}

interface PredictorParts {
  registry: Registry;
  cache: PredictionCache;
  backend: Backend;
  logger: Logger;
  watcher: StoreWatcher;
}

/** The one path from rows to answers: choose a version, check, key, and let the version answer. */
export class Predictor {
  readonly #parts: PredictorParts;
  readonly #calls = new Set<Promise<unknown>>();
  readonly #canaryListeners = new Set<(stop: CanaryStop) => void>();

  constructor(parts: PredictorParts) {
    this.#parts = parts;
  }

  /** By name, in the order of the alphabet. */
  models(): Model[] {
    return this.#parts.registry.models();
  }

  /** Null where there is no such model. */
  model(name: string): Model | null {
    return this.#parts.registry.get(name)?.view ?? null;
  }

  /** Folders that are not served as they lie on disk now. */
  problems(): ModelProblems[] {
    return this.#parts.registry.problems();
  }

  /** Switches to what was decided elsewhere, for all models in one turn: promoted versions and stopped canaries. */
  apply(deployments: readonly Deployment[]): void {
    this.#parts.registry.apply(deployments);
  }

  /** Calls the listener after each change of the models; answers how to stop that. */
  onChange(listener: () => void): () => void {
    return this.#parts.registry.onChange(listener);
  }

  /** Calls the listener when a canary has broken its limits and gets nobody any more; answers how to stop that. */
  onCanaryStopped(listener: (stop: CanaryStop) => void): () => void {
    this.#canaryListeners.add(listener);
    return () => this.#canaryListeners.delete(listener);
  }

  /**
   * Answers rows, in their order. Rows that were answered before come from the cache; the others are run together with
   * those of other calls, each different row once.
   * @throws BadUserInput that names `model`, `version`, `inputs`, or each faulty field of each row
   * @throws Overloaded where too many rows wait for this version, TimedOut past the model's deadline
   * @throws ServiceUnavailable where the model failed; the signal's reason where the call was given up
   */
  async predict(call: PredictCall): Promise<PredictionSet> {
    const startMs = performance.now();
    const answering = this.#predict(call);
    this.#calls.add(answering);
    try {
      return await answering;
    } finally {
      this.#calls.delete(answering);
      noteDone('model', startMs);
    }
  }

  /** Waits for what is under way, then releases the models. */
  async close(): Promise<void> {
    const { watcher, cache, registry, backend } = this.#parts;
    this.#canaryListeners.clear();
    await watcher.close();
    await Promise.allSettled(this.#calls);
    // A run that hangs must not keep the process: closing the backend ends it.
    await Promise.race([registry.close(), sleep(graceMs, undefined, { ref: false })]);
    await cache.close();
    await backend.close();
  }

  async #predict(call: PredictCall): Promise<PredictionSet> {
    const startedAt = performance.now();
    call.signal?.throwIfAborted();
    const model = this.#modelNamed(call.model);
    if (call.rows.length < 1 || call.rows.length > maxRows) {
      throw BadUserInput.ofFields([{ field: 'inputs', message: `must have 1 to ${maxRows} rows; it has ${call.rows.length}` }]);
    }
    const version = versionOf(model, call.version ?? null);
    const { canary } = model;
    if (canary && call.version == null && canary.takes(call.caller)) {
      const rows = await this.#tryCanary(canary, call, startedAt);
      if (rows) return { model: model.view, version: canary.version.version, rows };
    }
    const elapsedMs = performance.now() - startedAt;
    const rows = await this.#answer(version, call, { startedAt, deadlineMs: version.serving.deadlineMs - elapsedMs });
    if (version === model.current) model.shadow?.compare(rows);
    return { model: model.view, version: version.version, rows };
  }

  /** The canary's answers; null where it has none, and the current version is to answer. Half of the time is the canary's. */
  async #tryCanary(canary: Canary, call: PredictCall, startedAt: number): Promise<PredictedRow[] | null> {
    const { version } = canary;
    try {
      const rows = await this.#answer(version, call, { startedAt, deadlineMs: version.serving.deadlineMs / 2 });
      this.#judge(canary, true, performance.now() - startedAt);
      return rows;
    } catch (error) {
      call.signal?.throwIfAborted();
      // What its own limits refuse, or what comes when it has too much to do, the current version may answer.
      if (!(error instanceof BadUserInput)) this.#judge(canary, false, performance.now() - startedAt);
      return null;
    }
  }

  #judge(canary: Canary, isAnswered: boolean, durationMs: number): void {
    const reason = canary.judge({ isAnswered, durationMs });
    if (reason === null) return;
    const { model, version } = canary.version;
    this.#parts.logger.error({ model, version: version.version, reason }, 'the canary was stopped');
    this.#parts.registry.noteCanary(model);
    for (const listener of this.#canaryListeners) listener({ model, version: version.version, digest: version.digest, reason });
  }

  /** One version's answers to a call. */
  #answer(version: ServedVersion, { rows, signal }: PredictCall, { startedAt, deadlineMs }: { startedAt: number; deadlineMs: number }): Promise<PredictedRow[]> {
    return version.using(async () => {
      const keyed = await keyedRows(version, rows);
      const distinct = new Map(keyed.map(({ key, row }) => [key, row]));
      const outcomes = await this.#outcomes(version, distinct, keyed, { deadlineMs, signal });
      return predictedRows(keyed, outcomes, startedAt);
    });
  }

  async #outcomes(version: ServedVersion, distinct: ReadonlyMap<string, EncodedRow>, keyed: readonly KeyedRow[], patience: Patience): Promise<Map<string, Outcome>> {
    try {
      const outcomes = await version.answer(distinct, patience);
      version.counters.successes += 1;
      return outcomes;
    } catch (error) {
      if (!patience.signal?.aborted) version.counters.failures += 1;
      if (!(error instanceof FlightFailed)) throw error;
      if (error.cause instanceof AppError) throw error.cause;
      const { model, version: { version: number } } = version;
      const row = keyed.findIndex(({ key }) => key === error.flight.key);
      this.#parts.logger.error({ err: error.cause, model, version: number, row }, 'a model failed');
      throw new ServiceUnavailable(`The model ${model}, version ${number}, failed on row ${row}; ask again, and tell its owner if it goes on.`);
    }
  }

  #modelNamed(name: string): ServedModel {
    const model = this.#parts.registry.get(name);
    if (model) return model;
    const names = this.models().map((known) => known.name);
    throw BadUserInput.ofFields([{ field: 'model', message: `${shortened(name)} is not served; served are ${names.join(', ') || 'none'}` }]);
  }
}

function versionOf({ view, versions, current }: ServedModel, asked: number | null): ServedVersion {
  const version = asked === null ? current : versions.get(asked);
  if (version) return version;
  throw BadUserInput.ofFields([
    { field: 'version', message: `${asked} of ${view.name} is not served; served are ${[...versions.keys()].join(', ')}` },
  ]);
}

/** A row as the caller wrote it and as the model is fed, with the key of its answer. */
interface KeyedRow {
  input: Record<string, unknown>;
  row: EncodedRow;
  key: string;
}

/** @throws BadUserInput that names each faulty field of each row */
async function keyedRows(version: ServedVersion, rows: readonly unknown[]): Promise<KeyedRow[]> {
  const { signature } = version;
  const keyed: KeyedRow[] = [];
  const problems: FieldProblem[] = [];
  for (let start = 0; start < rows.length && problems.length < maxProblems; start += rowsPerTurn) {
    if (start > 0) await nextTurn();
    const slice = rows.slice(start, start + rowsPerTurn);
    for (const problem of validateRows(signature, slice)) problems.push({ ...problem, row: start + (problem.row ?? 0) });
    if (problems.length > 0) continue;
    for (const input of slice as Record<string, unknown>[]) {
      const row = encodeRow(signature, input);
      keyed.push({ input, row, key: version.keyOf(row) });
    }
  }
  if (problems.length > 0) throw BadUserInput.ofFields(problems.slice(0, maxProblems));
  return keyed;
}

async function predictedRows(keyed: readonly KeyedRow[], outcomes: ReadonlyMap<string, Outcome>, startedAt: number): Promise<PredictedRow[]> {
  const predicted: PredictedRow[] = [];
  const now = Date.now();
  for (const [index, { input, key }] of keyed.entries()) {
    if (index % rowsPerTurn === 0 && index > 0) await nextTurn();
    const outcome = outcomes.get(key);
    if (!outcome) throw new Error(`row ${index} got no answer`);
    const { answer, source, computedAt, knownAt } = outcome;
    if (answer.kind === 'unanswerable') {
      throw BadUserInput.ofFields([
        { row: index, field: answer.field, message: 'has no finite value for this row; the model cannot answer these inputs' },
      ]);
    }
    predicted.push({
      input,
      output: answer.output,
      source,
      ageSeconds: source === 'MODEL' ? 0 : Math.max(0, now - computedAt) / 1000,
      durationMs: Math.max(0, knownAt - startedAt),
    });
  }
  return predicted;
}

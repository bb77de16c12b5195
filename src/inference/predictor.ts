import type { Cache } from '../shared/cache.js';
import { BadUserInput } from '../shared/errors.js';
import type { Logger } from '../shared/logger.js';
import { Batcher } from './batcher.js';
import { readModelStore } from './model-store.js';
import { cacheKey, PredictionCache } from './prediction-cache.js';
import { Registry, type LoadedVersion, type Model, type ModelVersion } from './registry.js';
import { encodeRow, shortened, validateRows, type EncodedRow, type RowAnswer } from './signature.js';

export { ModelStoreError } from './model-store.js';
export type { Model, ModelVersion } from './registry.js';
export type { FieldType, ModelField } from './signature.js';

/** One answered row. */
export interface PredictedRow {
  /** The row as the caller wrote it. */
  input: Record<string, unknown>;
  /** One entry per output of the model. */
  output: Record<string, unknown>;
  source: 'MODEL' | 'CACHE';
  /** Milliseconds from the call's start until this row's answer was known. */
  durationMs: number;
}

export interface PredictCall {
  model: string;
  /** Absent or null: the current one. */
  version?: number | null;
  /** 1 to 1000 objects with the model's inputs. */
  rows: readonly unknown[];
}

/** The answers of a call, in the order of its rows. */
export interface PredictionSet {
  model: Model;
  version: ModelVersion;
  rows: PredictedRow[];
}

/** Counted since the start. */
export interface PredictorStats {
  /** Runs of a graph. */
  runs: number;
  /** Rows that went through those runs. */
  rowsRun: number;
  /** Rows that were answered from the cache. */
  cacheHits: number;
  /** Rows that were not. */
  cacheMisses: number;
}

export interface PredictorLimits {
  /** Rows of one call. */
  maxRows: number;
  /** Rows of one run; at least `maxRows`, so that a call is never more than one run. */
  maxBatch: number;
  /** Rows of one version that may wait for a run. */
  maxWaitingRows: number;
}

export interface PredictorOptions {
  storeDir: string;
  /** Stays open when the predictor closes; whoever opened it closes it. */
  cache: Cache;
  cacheTtlSeconds?: number;
  logger: Logger;
  limits?: Partial<PredictorLimits>;
}

const defaultLimits: PredictorLimits = { maxRows: 1000, maxBatch: 1024, maxWaitingRows: 16_384 };

/**
 * Loads all models of a store.
 * @throws ModelStoreError that names every problem of every model
 */
export async function openPredictor({ storeDir, cache, cacheTtlSeconds = 3600, logger, limits }: PredictorOptions): Promise<Predictor> {
  const registry = await Registry.load(await readModelStore(storeDir));
  const models = registry.models().map(({ name, current }) => `${name}/${current.version}`);
  if (models.length > 0) logger.info({ models }, 'models are loaded');
  else logger.warn({ storeDir }, 'the model store is empty; there is nothing to predict with');
  return new Predictor(registry, new PredictionCache(cache, cacheTtlSeconds), { ...defaultLimits, ...limits });
}

/** The one path from rows to answers: check, key, cache, batch, answer. */
export class Predictor {
  readonly #batchers: Map<LoadedVersion, Batcher<KeyedRow, RowAnswer>>;
  readonly #stats: PredictorStats = { runs: 0, rowsRun: 0, cacheHits: 0, cacheMisses: 0 };
  readonly #calls = new Set<Promise<unknown>>();

  constructor(
    private readonly registry: Registry,
    private readonly cache: PredictionCache,
    private readonly limits: PredictorLimits,
  ) {
    if (limits.maxBatch < limits.maxRows) throw new RangeError('maxBatch must not be below maxRows');
    const batchLimits = { maxBatch: limits.maxBatch, maxWaiting: limits.maxWaitingRows };
    this.#batchers = new Map(registry.versions().map((loaded) => [loaded, new Batcher((rows) => this.#run(loaded, rows), batchLimits)]));
  }

  /** By name, in the order of the alphabet. */
  models(): Model[] {
    return this.registry.models();
  }

  /** Null where there is no such model. */
  model(name: string): Model | null {
    return this.registry.get(name);
  }

  get stats(): Readonly<PredictorStats> {
    return { ...this.#stats };
  }

  /**
   * Answers rows, in their order. Rows that were answered before come from the cache; the others take one run together,
   * each different row once.
   * @throws BadUserInput that names `model`, `version`, `inputs`, or each faulty field of each row
   * @throws ServiceUnavailable where too many rows wait for this version
   */
  async predict(call: PredictCall): Promise<PredictionSet> {
    const answering = this.#predict(call);
    this.#calls.add(answering);
    try {
      return await answering;
    } finally {
      this.#calls.delete(answering);
    }
  }

  /** Waits for what is under way, then releases the models. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#calls);
    await this.cache.close();
    await this.registry.close();
  }

  async #predict({ model, version, rows }: PredictCall): Promise<PredictionSet> {
    const startedAt = performance.now();
    const loaded = this.#versionFor(model, version ?? null);
    const inputs = this.#checkedRows(loaded, rows);
    const keyed = inputs.map((input) => keyedRow(loaded, input));
    // Rows that are the same to the model share a key, and so an answer.
    const answers = await this.#answers(loaded, new Map(keyed.map((row) => [row.key, row])), startedAt);
    const predicted = inputs.map((input, row) => ({ input, ...answerOf(answers, keyed[row]?.key ?? '', row) }));
    this.#countRows(predicted);
    return { model: loaded.model, version: loaded.version, rows: predicted };
  }

  /** The answers by key: those in the cache, then those of one run for the rest. */
  async #answers(loaded: LoadedVersion, wanted: ReadonlyMap<string, KeyedRow>, startedAt: number): Promise<Map<string, KnownAnswer>> {
    const keys = [...wanted.keys()];
    const cached = await this.cache.getMany(loaded, keys);
    const answers = new Map<string, KnownAnswer>();
    const cachedAfterMs = performance.now() - startedAt;
    for (const [index, key] of keys.entries()) {
      const output = cached[index];
      if (output) answers.set(key, { kind: 'answered', output, source: 'CACHE', durationMs: cachedAfterMs });
    }
    const missing = [...wanted.values()].filter(({ key }) => !answers.has(key));
    if (missing.length === 0) return answers;

    const computed = await this.#batcherOf(loaded).answer(missing);
    const durationMs = performance.now() - startedAt;
    for (const [index, { key }] of missing.entries()) {
      const answer = computed[index];
      if (answer) answers.set(key, { ...answer, source: 'MODEL', durationMs });
    }
    return answers;
  }

  #versionFor(name: string, version: number | null): LoadedVersion {
    const model = this.registry.get(name);
    if (!model) {
      const names = this.registry.models().map((known) => known.name);
      throw BadUserInput.ofFields([
        { field: 'model', message: `${shortened(name)} is not served; served are ${names.join(', ') || 'none'}` },
      ]);
    }
    const loaded = this.registry.find(name, version);
    if (!loaded) {
      const versions = model.versions.map((known) => known.version);
      throw BadUserInput.ofFields([
        { field: 'version', message: `${version} of ${name} is not served; served are ${versions.join(', ')}` },
      ]);
    }
    return loaded;
  }

  #checkedRows({ signature }: LoadedVersion, rows: readonly unknown[]): Record<string, unknown>[] {
    const { maxRows } = this.limits;
    if (rows.length < 1 || rows.length > maxRows) {
      throw BadUserInput.ofFields([{ field: 'inputs', message: `must have 1 to ${maxRows} rows; it has ${rows.length}` }]);
    }
    const problems = validateRows(signature, rows);
    if (problems.length > 0) throw BadUserInput.ofFields(problems);
    return rows as Record<string, unknown>[];
  }

  #batcherOf(loaded: LoadedVersion): Batcher<KeyedRow, RowAnswer> {
    const batcher = this.#batchers.get(loaded);
    if (!batcher) throw new Error(`${loaded.model.name}/${loaded.version.version} has no batcher`);
    return batcher;
  }

  /** One run for all the calls that the batcher joined, and one write to the cache for all of their answers. */
  async #run(loaded: LoadedVersion, rows: readonly KeyedRow[]): Promise<RowAnswer[]> {
    this.#stats.runs += 1;
    this.#stats.rowsRun += rows.length;
    const answers = await loaded.run(rows.map(({ row }) => row));
    this.cache.writeBehind(
      rows.flatMap(({ key }, index) => {
        const answer = answers[index];
        return answer?.kind === 'answered' ? [{ key, value: answer.output }] : [];
      }),
    );
    return answers;
  }

  #countRows(rows: readonly PredictedRow[]): void {
    const hits = rows.filter(({ source }) => source === 'CACHE').length;
    this.#stats.cacheHits += hits;
    this.#stats.cacheMisses += rows.length - hits;
  }
}

/** A row as the model is fed, and the key of its answer. */
interface KeyedRow {
  key: string;
  row: EncodedRow;
}

function keyedRow({ signature, fingerprint }: LoadedVersion, input: Record<string, unknown>): KeyedRow {
  const row = encodeRow(signature, input);
  return { key: cacheKey(fingerprint, row), row };
}

type KnownAnswer = RowAnswer & Pick<PredictedRow, 'source' | 'durationMs'>;

/** @throws BadUserInput where the model gave the row no value that JSON could hold */
function answerOf(answers: ReadonlyMap<string, KnownAnswer>, key: string, row: number): Omit<PredictedRow, 'input'> {
  const answer = answers.get(key);
  if (!answer) throw new Error(`row ${row} got no answer`);
  if (answer.kind === 'unanswerable') {
    throw BadUserInput.ofFields([
      { row, field: answer.field, message: 'has no finite value for this row; the model cannot answer these inputs' },
    ]);
  }
  const { output, source, durationMs } = answer;
  return { output, source, durationMs };
}

import type { Cache } from '../../cache/cache.js';
import type { Logger } from '../../telemetry/logger.js';
import type { Backend } from '../onnx/backend.js';
import { openOnnxBackend } from '../onnx/onnx-backend.js';
import { ModelRepositoryError, scanModelRepository } from '../repository/model-repository.js';
import { RepositoryWatcher } from '../repository/watcher.js';
import { ModelRegistry } from './model-registry.js';
import type { Model, ModelProblems } from './model.js';
import { PredictionCache } from './prediction-cache.js';
import { Predictor } from './predictor.js';
import { applyChange, loadAll } from './registry-loader.js';

export interface PredictorOptions {
  storeDir: string;
  /** Not closed by the predictor. */
  cache: Cache;
  cacheTtlSeconds?: number;
  logger: Logger;
  /** Runs the models; ONNX Runtime by default. Closed by the predictor. */
  backend?: Backend;
  /** Worker threads of ONNX Runtime; by default the number of cores minus one, from 2 to 4. */
  threads?: number | undefined;
  /** Memory of loaded graphs beyond which the least recently used are freed; by default half of what the process may use. */
  memoryBytes?: number | undefined;
  /** Polling interval for changed folders in milliseconds; 0 disables hot reload. */
  pollMs?: number;
  /** Whether a broken model prevents the start; otherwise it is reported, and the others serve. */
  isStrict?: boolean;
  /** Finds problems of serving these models together, such as colliding names. */
  check?: (models: readonly Model[]) => ModelProblems[];
  /** Finds names of a model that allow no typed field; `predict` alone serves it then. */
  typingProblems?: (model: Model) => readonly string[];
}

/**
 * Loads all models of the repository and follows its changes.
 * @throws ModelRepositoryError if the repository cannot be read, or, if strict, with every problem of every model
 */
export async function openPredictor(options: PredictorOptions): Promise<Predictor> {
  const { storeDir, logger, cache, cacheTtlSeconds = 3600, pollMs = 0, threads, memoryBytes } = options;
  const { check = () => [], typingProblems = () => [], isStrict = false } = options;
  const backend =
    options.backend ?? openOnnxBackend({ memoryBytes, ...(threads === undefined ? {} : { size: threads }) });
  const results = new PredictionCache(cache, cacheTtlSeconds);
  const registry = new ModelRegistry({ backend, cache: results, logger, check, typingProblems });
  try {
    const glance = await scanModelRepository(storeDir);
    const { problems, toRetry } = await loadAll(registry, storeDir, logger, { logsProblems: !isStrict });
    if (isStrict && problems.length > 0) throw new ModelRepositoryError(problems);
    for (const name of toRetry) glance.delete(name);
    const isServing = (): boolean => registry.models().length > 0;
    if (!isServing()) logger.warn({ storeDir }, 'model repository is empty');
    const changed = (name: string): Promise<boolean> => applyChange(registry, storeDir, name, logger);
    return new Predictor({
      registry,
      cache: results,
      backend,
      logger,
      watcher: new RepositoryWatcher({ storeDir, pollMs, logger, isServing, changed }, glance),
    });
  } catch (error) {
    await registry.close();
    await backend.close();
    throw error;
  }
}

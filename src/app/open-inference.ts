import path from 'node:path';
import type { GraphQLSchema } from 'graphql';
import { schemaProblems } from '../bindings/schema-problems.js';
import { openCache, type Cache } from '../cache/cache.js';
import type { Config } from '../config/config.js';
import type { FeatureSource } from '../graphql/lineage/features.js';
import { openPredictor } from '../inference/serving/open-predictor.js';
import type { Predictor } from '../inference/serving/predictor.js';
import type { RedisConnection } from '../redis/connection.js';
import type { Logger } from '../telemetry/logger.js';
import { typingProblems } from '../typed-models/naming-problems.js';
import { projectDir } from './data-dir.js';

/** Bound of a cache in memory; without Redis it shares the process with everything else. */
export const maxCacheBytes = 64 * 1024 * 1024;

/** The models and the cache of their predictions. */
export interface Inference {
  predictor: Predictor;
  predictionCache: Cache;
}

interface InferenceOptions {
  /** Names of models must not clash with this schema. */
  baseSchema: GraphQLSchema;
  /** The values that bindings may use. */
  features: readonly FeatureSource[];
  redis: RedisConnection | null;
  log: Logger;
}

/** @throws OperatorError if the models cannot be read, or, with `STRICT_MODELS`, that lists every problem of every model */
export async function openInference(
  { inference: settings, modelLogLevel }: Pick<Config, 'inference' | 'modelLogLevel'>,
  { baseSchema, features, redis, log }: InferenceOptions,
  opened: AsyncDisposableStack,
): Promise<Inference> {
  const predictionCache = openCache({
    redis,
    namespace: 'prediction',
    maxEntries: settings.cacheMaxEntries,
    maxBytes: maxCacheBytes,
  });
  opened.defer(() => predictionCache.close());
  const modelLog = log.child({});
  const predictor = await openPredictor({
    storeDir: path.resolve(projectDir, settings.repositoryDir),
    pollMs: settings.pollMs,
    threads: settings.threads,
    isStrict: settings.strict,
    memoryBytes: settings.memoryMb === undefined ? undefined : settings.memoryMb * 1e6,
    cache: predictionCache,
    cacheTtlSeconds: settings.cacheTtlSeconds,
    logger: modelLog,
    check: schemaProblems(baseSchema, features),
    typingProblems: (model) => typingProblems(model, baseSchema),
  });
  opened.defer(() => predictor.close());
  // Only now: the start has its own progress.
  modelLog.level = modelLogLevel;
  return { predictor, predictionCache };
}

import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Registry } from 'prom-client';
import { projectDir } from './data-dir.js';
import type { WriteQueue } from './graphql/domain.js';
import type { OperationStatistics } from './graphql/operation-statistics.js';
import type { Refusals } from './graphql/refusals.js';
import type { ResponseCache } from './graphql/response-cache.js';
import type { Subscriptions } from './graphql/subscriptions.js';
import type { Readiness } from './http/health.js';
import { answerMetrics } from './http/metrics/answers.js';
import { httpMetrics } from './http/metrics/http.js';
import { modelMetrics } from './http/metrics/models.js';
import { operationMetrics } from './http/metrics/operations.js';
import { processMetrics } from './http/metrics/process.js';
import { queueMetrics } from './http/metrics/queues.js';
import { stateMetrics } from './http/metrics/state.js';
import type { RequestStatistics } from './http/request-statistics.js';
import type { Predictor } from './inference/predictor.js';
import type { OpenParts } from './parts.js';
import type { CacheHealth } from './shared/cache.js';

/** The parts of the gateway that count. */
interface CountingParts extends Pick<OpenParts, 'predictor' | 'cache' | 'pubSub' | 'throttle'> {
  responses: ResponseCache;
  operations: OperationStatistics;
  queues: readonly WriteQueue[];
  subscriptions: Subscriptions;
  readiness: Readiness;
  requests: RequestStatistics;
  refusals: Refusals;
}

/** What the parts of the gateway tell Prometheus, in the order of its answer. */
export function measured(parts: CountingParts): Registry[] {
  const { predictor, cache, pubSub, throttle, responses, operations, queues, subscriptions, readiness, requests, refusals } = parts;
  return [
    stateMetrics({
      build: { version: packageVersion(), node: process.versions.node },
      look: () => readiness.look(),
      caches: () => cachesUp({ prediction: cache.health(), response: responses.health() }),
      reachesReplicas: () => pubSub.reachesOthers(),
    }),
    httpMetrics(requests),
    operationMetrics({ operations: () => operations.all(), sql: () => operations.sql, refusals: () => refusals.counts, logins: () => throttle.tries }),
    queueMetrics({
      lengths: () => ({ inference: pendingRows(predictor.models()), ...Object.fromEntries(queues.map(({ name, length }) => [name, length])) }),
      predictionsLost: () => queues.find(({ name }) => name === 'prediction_history')?.lost ?? 0,
    }),
    answerMetrics({ responses: () => responses.statistics, streams: () => subscriptions.statistics() }),
    modelMetrics({ models: () => predictor.models(), problems: () => predictor.problems() }),
    processMetrics(),
  ];
}

const pendingRows = (models: ReturnType<Predictor['models']>): number =>
  models.flatMap(({ versions }) => versions).reduce((sum, { statistics }) => sum + statistics.pending, 0);

/** Whether those that lie in Redis are up; one in memory is as long as the process is. */
const cachesUp = (caches: Record<string, CacheHealth | null>): Record<string, boolean> =>
  Object.fromEntries(Object.entries(caches).flatMap(([name, health]) => (health?.kind === 'redis' ? [[name, health.isUp]] : [])));

const packageVersion = (): string => (JSON.parse(readFileSync(path.join(projectDir, 'package.json'), 'utf8')) as { version: string }).version;

import type { Registry } from 'prom-client';
import { service } from '../telemetry/service.js';
import type { Readiness } from '../http/routes/health.js';
import { cacheMetrics } from '../metrics/caches.js';
import { databaseMetrics } from '../metrics/database.js';
import { exchangeRateMetrics } from '../metrics/exchange-rates.js';
import { httpMetrics, limitMetrics } from '../metrics/http.js';
import { modelMetrics } from '../metrics/models.js';
import { operationMetrics, subscriptionMetrics } from '../metrics/operations.js';
import { processMetrics, queueMetrics, stateMetrics, type HistoryStatistics } from '../metrics/state.js';
import type { WriteQueue } from '../graphql/module.js';
import { passwordQueue } from '../auth/password.js';
import type { RateLimiter } from '../http/rate-limiter.js';
import type { Predictor } from '../inference/serving/predictor.js';
import type { Graphql } from './open-graphql.js';
import type { HttpCounts } from './open-http.js';
import type { OpenServices } from './services.js';
import type { CacheHealth } from '../cache/cache.js';

export interface MeasuredParts {
  services: OpenServices;
  graphql: Graphql;
  counts: HttpCounts;
  limiter: RateLimiter;
  readiness: Readiness;
}

/** Creates the metrics of every subsystem, in the order in which Prometheus receives them. */
export function createMetricsRegistries({ services, graphql, counts, limiter, readiness }: MeasuredParts): Registry[] {
  const { predictor, predictionCache, pools, reads, exchangeRates, pubSub, throttle } = services;
  const { responses, queries, operations, queues, subscriptions } = graphql;
  return [
    stateMetrics({
      build: { version: service.version, node: process.versions.node },
      look: () => readiness.look(),
      caches: () =>
        cachesUp({
          prediction: predictionCache.health(),
          response: responses.health(),
          query: queries?.health() ?? null,
        }),
      reachesReplicas: () => pubSub.isConnected(),
    }),
    httpMetrics(counts.requests, counts.buffers),
    operationMetrics({
      operations: () => operations.all(),
      sql: () => operations.sql,
      rejections: () => counts.rejections.counts,
      logins: () => throttle.attempts,
    }),
    databaseMetrics({ pools, reads: () => reads.statistics() }),
    limitMetrics({ rateLimits: () => limiter.statistics }),
    queueMetrics({
      lengths: () => ({
        inference: pendingRows(predictor.models()),
        password_hashing: passwordQueue.length,
        ...Object.fromEntries(queues.map(({ name, length }) => [name, length])),
      }),
      history: () => historyStatistics(queues),
    }),
    cacheMetrics({ responses: () => responses.statistics, queries: () => queries?.statistics ?? null }),
    subscriptionMetrics(() => subscriptions.statistics()),
    exchangeRateMetrics({ exchangeRates: () => exchangeRates?.statistics ?? null }),
    modelMetrics(predictor),
    processMetrics(),
  ];
}

function historyStatistics(queues: readonly WriteQueue[]): HistoryStatistics {
  const history = queues.find(({ name }) => name === 'prediction_history');
  const empty = { reservedBytes: 0, capacityBytes: 0, rejectedCalls: 0, journal: null };
  return { ...empty, ...history?.room, lost: history?.lost ?? 0 };
}

const pendingRows = (models: ReturnType<Predictor['models']>): number =>
  models.flatMap(({ versions }) => versions).reduce((sum, { statistics }) => sum + statistics.pending, 0);

/** Health of the caches in Redis; caches in memory have no state to report. */
const cachesUp = (caches: Record<string, CacheHealth | null>): Record<string, boolean> =>
  Object.fromEntries(
    Object.entries(caches).flatMap(([name, health]) => (health?.kind === 'redis' ? [[name, health.isUp]] : [])),
  );

import type { FastifyInstance } from 'fastify';
import { Registry } from 'prom-client';
import { answerMetrics, type AnswersSource } from './answers.js';
import { exchangeRateMetrics, type ExchangeRatesSource } from './exchange-rates.js';
import { modelMetrics, type ModelsSource } from './models.js';
import { processMetrics } from './process.js';
import { queryCacheMetrics, type QueryCacheSource } from './query-cache.js';

/** What is measured, read anew at each scrape. */
export interface MetricsSource extends ModelsSource, AnswersSource, QueryCacheSource, ExchangeRatesSource {}

/**
 * `/metrics`, in Prometheus' text format. Names follow Triton Inference Server's, with units as Prometheus has them. Nothing
 * is counted here: a scrape reads what is served now, so that the series of a model that has left the store are gone, and the
 * counters of one that was loaded again start anew.
 */
export function addMetricsRoute(server: FastifyInstance, source: MetricsSource): void {
  const registries = [modelMetrics(source), answerMetrics(source), queryCacheMetrics(source), exchangeRateMetrics(source), processMetrics()];
  server.get('/metrics', async (_request, reply) => {
    const texts = await Promise.all(registries.map((registry) => registry.metrics()));
    return reply.type(Registry.PROMETHEUS_CONTENT_TYPE).send(texts.join('\n'));
  });
}

import type { FastifyInstance } from 'fastify';
import { Registry } from 'prom-client';
import { textOf } from './text.js';

/**
 * `/metrics`, in Prometheus' text format. Nothing is counted here: a scrape reads what each part of the gateway counts, and what
 * is served now, so that the series of a model that has left the store are gone, and the counters of one that was loaded again
 * start anew.
 * @param parts what the parts of the gateway tell, in the order of the answer
 */
export function addMetricsRoute(server: FastifyInstance, parts: readonly Registry[]): void {
  server.get('/metrics', async (_request, reply) => reply.type(Registry.PROMETHEUS_CONTENT_TYPE).send(await textOf(parts)));
}

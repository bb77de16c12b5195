import { Registry } from 'prom-client';
import type { RequestStatistics } from '../request-statistics.js';
import { metricsOf, one } from './series.js';

/** Requests, whatever they ask for. */
export function httpMetrics(requests: Pick<RequestStatistics, 'all' | 'inFlight'>): Registry {
  const registry = new Registry();
  const { counter, gauge } = metricsOf(registry);
  counter('auspex_http_requests_total', 'Requests over HTTP; 499 where the caller did not wait for the answer.', ['route', 'method', 'status'], () =>
    requests.all().map(({ route, method, status, count }) => ({ labels: { route, method, status }, value: count })),
  );
  gauge('auspex_http_requests_in_flight', 'Requests whose answer is not sent yet; open event streams among them.', [], one(() => requests.inFlight));
  return registry;
}

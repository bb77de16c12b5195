import { Registry } from 'prom-client';
import type { RateLimitStatistics } from '../http/rate-limiter.js';
import type { RequestStatistics } from '../http/hooks/request-statistics.js';
import type { ResponseBuffers } from '../http/hooks/response-buffers.js';
import { each, metricsOf, one } from './registry.js';

export function httpMetrics(
  requests: Pick<RequestStatistics, 'all' | 'inFlight'>,
  buffers: Pick<ResponseBuffers, 'bytes' | 'cut'>,
): Registry {
  const registry = new Registry();
  const { counter, gauge } = metricsOf(registry);
  counter(
    'auspex_http_requests_total',
    'HTTP requests; status 499 if the client closed the connection before the response.',
    ['route', 'method', 'status'],
    () =>
      requests.all().map(({ route, method, status, count }) => ({ labels: { route, method, status }, value: count })),
  );
  gauge(
    'auspex_http_requests_in_flight',
    'HTTP requests without a complete response, including open event streams.',
    [],
    one(() => requests.inFlight),
  );
  gauge(
    'auspex_http_response_bytes_buffered',
    'Bytes of responses and streams that wait for their readers.',
    [],
    one(() => buffers.bytes),
  );
  counter(
    'auspex_http_connections_cut_total',
    'Connections of slow readers that were cut: stalled, over the limit of a connection, or over that of the process.',
    ['reason'],
    each('reason', () => buffers.cut),
  );
  return registry;
}

export interface LimitsSource {
  rateLimits(): RateLimitStatistics;
}

export function limitMetrics(source: LimitsSource): Registry {
  const registry = new Registry();
  const { counter, gauge } = metricsOf(registry);
  counter(
    'auspex_rate_limit_rejections_total',
    'Rate-limited requests: of an authenticated viewer, or of an address.',
    ['kind'],
    each('kind', () => source.rateLimits().rejected),
  );
  gauge(
    'auspex_rate_limit_store_up',
    '1 if replicas share rate limits through Redis, 0 while each counts alone; no series without Redis.',
    [],
    () => {
      const { isShared } = source.rateLimits();
      return isShared === null ? [] : [{ labels: {}, value: Number(isShared) }];
    },
  );
  return registry;
}

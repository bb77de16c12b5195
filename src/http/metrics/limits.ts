import { Registry } from 'prom-client';
import type { RateLimitStatistics } from '../rate-limit.js';
import { each, metricsOf } from './series.js';

/** What is measured of limits. */
export interface LimitsSource {
  rateLimits(): RateLimitStatistics;
}

export function limitMetrics(source: LimitsSource): Registry {
  const registry = new Registry();
  const { counter, gauge } = metricsOf(registry);
  counter('auspex_rate_limit_refusals_total', 'Requests that were refused since too many came: of a known viewer, or of an address.', ['kind'], each('kind', () => source.rateLimits().refused));
  gauge('auspex_rate_limit_store_up', '1 where replicas count together in Redis, 0 while each counts for itself; absent without Redis.', [], () => {
    const { isShared } = source.rateLimits();
    return isShared === null ? [] : [{ labels: {}, value: Number(isShared) }];
  });
  return registry;
}

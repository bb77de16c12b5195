import { Registry } from 'prom-client';
import type { KeyCounts, QueryCacheStatistics } from '../graphql/caching/query-cache.js';
import type { ResponseCacheStatistics } from '../graphql/caching/response-cache.js';
import { metricsOf, one, type Sample } from './registry.js';

export interface CachesSource {
  responses(): ResponseCacheStatistics;
  /** Null if the query cache is disabled. */
  queries(): QueryCacheStatistics | null;
}

/** Metrics of the response cache and the query result cache. */
export function cacheMetrics(source: CachesSource): Registry {
  const registry = new Registry();
  const { counter } = metricsOf(registry);
  counter(
    'auspex_response_cache_hits_total',
    'Queries served from the response cache.',
    [],
    one(() => source.responses().hits),
  );
  counter(
    'auspex_response_cache_misses_total',
    'Cacheable queries that were not in the response cache.',
    [],
    one(() => source.responses().misses),
  );
  counter(
    'auspex_response_cache_invalidations_total',
    'Mutations and model changes that invalidated cached responses.',
    [],
    one(() => source.responses().invalidations),
  );
  const ofQueries = (valueOf: (counts: KeyCounts) => number) => (): Sample[] =>
    Object.entries(source.queries()?.queries ?? {}).map(([query, counts]) => ({
      labels: { query },
      value: valueOf(counts),
    }));
  counter(
    'auspex_query_cache_hits_total',
    'Keys of a cached query that needed no SQL: cached, or already being loaded.',
    ['query'],
    ofQueries(({ hits }) => hits),
  );
  counter(
    'auspex_query_cache_misses_total',
    'Keys of a cached query that were read with SQL.',
    ['query'],
    ofQueries(({ misses }) => misses),
  );
  counter('auspex_query_cache_invalidations_total', 'Entity changes that invalidated cached rows.', [], () => {
    const statistics = source.queries();
    return statistics ? [{ labels: {}, value: statistics.invalidations }] : [];
  });
  return registry;
}

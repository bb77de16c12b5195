import { Registry } from 'prom-client';
import type { KeyCounts, QueryCacheStatistics } from '../../graphql/query-cache.js';
import { metricsOf, type Sample } from './series.js';

/** What is measured of kept rows. */
export interface QueryCacheSource {
  /** Null where no rows are kept. */
  queries(): QueryCacheStatistics | null;
}

/** Rows of queries that are kept for everyone. */
export function queryCacheMetrics(source: QueryCacheSource): Registry {
  const registry = new Registry();
  const { counter } = metricsOf(registry);
  const ofQueries = (valueOf: (counts: KeyCounts) => number) => (): Sample[] =>
    Object.entries(source.queries()?.queries ?? {}).map(([query, counts]) => ({ labels: { query }, value: valueOf(counts) }));
  counter('auspex_query_cache_hits_total', 'Keys of a query that the database was not asked for: kept, or being read for another.', ['query'], ofQueries(({ hits }) => hits));
  counter('auspex_query_cache_misses_total', 'Keys of a query that the database was asked for.', ['query'], ofQueries(({ misses }) => misses));
  counter('auspex_query_cache_invalidations_total', 'Changes of entities that made kept rows old.', [], () => {
    const statistics = source.queries();
    return statistics ? [{ labels: {}, value: statistics.invalidations }] : [];
  });
  return registry;
}

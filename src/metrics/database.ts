import { Registry } from 'prom-client';
import { metricsOf, type Sample } from './registry.js';

export interface DatabaseSource {
  /** Connection pools by server. */
  pools(): readonly { server: string; size: number; inUse: number; idle: number; waiting: number }[];
  reads(): {
    primary: { server: string; reads: number };
    replicas: readonly { server: string; reads: number; fallbacks: number; isUp: boolean; lagSeconds: number | null }[];
  };
}

/** Metrics of connection pools, and of reads by server. */
export function databaseMetrics(source: DatabaseSource): Registry {
  const registry = new Registry();
  const { counter, gauge } = metricsOf(registry);
  const pools =
    <Pool>(samples: (pool: ReturnType<DatabaseSource['pools']>[number]) => Pool[]) =>
    (): Pool[] =>
      source.pools().flatMap(samples);
  gauge(
    'auspex_database_pool_size',
    'Maximum number of connections of a pool.',
    ['server'],
    pools(({ server, size }) => [sample({ server }, size)]),
  );
  gauge(
    'auspex_database_pool_connections',
    'Open connections of a pool, used or idle.',
    ['server', 'state'],
    pools(({ server, inUse, idle }) => [
      sample({ server, state: 'used' }, inUse),
      sample({ server, state: 'idle' }, idle),
    ]),
  );
  gauge(
    'auspex_database_pool_waiting',
    'Statements and transactions that wait for a connection.',
    ['server'],
    pools(({ server, waiting }) => [sample({ server }, waiting)]),
  );
  counter(
    'auspex_database_reads_total',
    'Reads outside transactions, by the server that executed them.',
    ['server'],
    () => {
      const { primary, replicas } = source.reads();
      return [primary, ...replicas].map(({ server, reads }) => sample({ server }, reads));
    },
  );
  counter(
    'auspex_database_read_fallbacks_total',
    'Reads that failed on a read replica and were executed on the primary.',
    ['server'],
    () => source.reads().replicas.map(({ server, fallbacks }) => sample({ server }, fallbacks)),
  );
  gauge(
    'auspex_database_replica_up',
    '1 if the read replica is in use: it responds and its lag is acceptable.',
    ['server'],
    () => source.reads().replicas.map(({ server, isUp }) => sample({ server }, Number(isUp))),
  );
  gauge(
    'auspex_database_replica_lag_seconds',
    'Upper bound of replication lag; no series if unknown.',
    ['server'],
    () =>
      source
        .reads()
        .replicas.flatMap(({ server, lagSeconds }) => (lagSeconds === null ? [] : [sample({ server }, lagSeconds)])),
  );
  return registry;
}

const sample = (labels: Record<string, string>, value: number): Sample => ({ labels, value });

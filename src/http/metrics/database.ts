import { Registry } from 'prom-client';
import { metricsOf, type Sample } from './series.js';

/** What is measured of the database and its replicas. */
export interface DatabaseSource {
  /** Connections, by server. */
  pools(): readonly { server: string; size: number; busy: number; idle: number; waiting: number }[];
  reads(): {
    primary: { server: string; reads: number };
    replicas: readonly { server: string; reads: number; moved: number; isUp: boolean; lagSeconds: number | null }[];
  };
}

/** Connections to the database, and who answers reads. */
export function databaseMetrics(source: DatabaseSource): Registry {
  const registry = new Registry();
  const { counter, gauge } = metricsOf(registry);
  const pools = <Pool>(samples: (pool: ReturnType<DatabaseSource['pools']>[number]) => Pool[]) => (): Pool[] => source.pools().flatMap(samples);
  gauge('auspex_database_pool_size', 'Connections that a pool may have.', ['server'], pools(({ server, size }) => [sample({ server }, size)]));
  gauge(
    'auspex_database_pool_connections',
    'Connections that a pool has, by what they do.',
    ['server', 'state'],
    pools(({ server, busy, idle }) => [sample({ server, state: 'busy' }, busy), sample({ server, state: 'idle' }, idle)]),
  );
  gauge('auspex_database_pool_waiting', 'Statements and transactions that wait for a connection.', ['server'], pools(({ server, waiting }) => [sample({ server }, waiting)]));
  counter('auspex_database_reads_total', 'Statements of operations that read outside a unit of work, by the server that answered.', ['server'], () => {
    const { primary, replicas } = source.reads();
    return [primary, ...replicas].map(({ server, reads }) => sample({ server }, reads));
  });
  counter('auspex_database_reads_moved_total', 'Reads that a replica could not answer, so that the primary did.', ['server'], () =>
    source.reads().replicas.map(({ server, moved }) => sample({ server }, moved)),
  );
  gauge('auspex_database_replica_up', 'Whether a replica is used: it answers, and is not too far behind.', ['server'], () =>
    source.reads().replicas.map(({ server, isUp }) => sample({ server }, Number(isUp))),
  );
  gauge('auspex_database_replica_lag_seconds', 'How far behind a replica is at the most; left out where that is not known.', ['server'], () =>
    source.reads().replicas.flatMap(({ server, lagSeconds }) => (lagSeconds === null ? [] : [sample({ server }, lagSeconds)])),
  );
  return registry;
}

const sample = (labels: Record<string, string>, value: number): Sample => ({ labels, value });

import type { MikroORM } from '@mikro-orm/postgresql';
import type pg from 'pg';
import type { OrmOptions } from './orm.js';
import { startEmbeddedPostgres } from './embedded-postgres.js';
import { openOrm } from './orm.js';

/** What a pool of connections does now. */
export interface PoolStatistics {
  server: string;
  /** Connections at the most. */
  size: number;
  busy: number;
  idle: number;
  /** Statements and transactions that wait for a connection. */
  waiting: number;
}

/** Where the database is. */
export interface DatabaseLocation {
  /** Absent: a PostgreSQL of the gateway's own, in the data directory. */
  databaseUrl: string | undefined;
  dataDir: string;
}

/** An open database; `close` gives the connections back and stops a server of our own. */
export interface OpenDatabase {
  orm: MikroORM;
  url: string;
  /** The pools of connections, in use so far, of the primary and its replicas. */
  pools: () => PoolStatistics[];
  close(): Promise<void>;
}

/**
 * Opens the database that the configuration names, or starts one.
 * @throws EmbeddedPostgresError
 */
export async function openDatabase(location: DatabaseLocation, options: Omit<OrmOptions, 'url' | 'onPool'>): Promise<OpenDatabase> {
  const embedded = location.databaseUrl === undefined ? await startEmbeddedPostgres({ dir: location.dataDir }) : null;
  const url = location.databaseUrl ?? embedded?.url ?? '';
  const pools = new Map<string, pg.Pool>();
  const orm = openOrm({ ...options, url, onPool: (server, pool) => pools.set(server, pool) });
  return {
    orm,
    url,
    pools: () => [...pools].map(([server, pool]) => poolStatistics(server, pool)),
    async close() {
      await orm.close();
      await embedded?.stop();
    },
  };
}

const poolStatistics = (server: string, { options, totalCount, idleCount, waitingCount }: pg.Pool): PoolStatistics => ({
  server,
  size: options.max,
  busy: totalCount - idleCount,
  idle: idleCount,
  // Who asks while a connection is free is in the queue until the next turn only: the look of a scrape among them.
  waiting: Math.max(0, waitingCount - idleCount),
});

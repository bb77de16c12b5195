import type { MikroORM } from '@mikro-orm/postgresql';
import type pg from 'pg';
import type { OrmOptions } from './orm.js';
import { openOrm } from './orm.js';

/** Current state of a connection pool. */
export interface PoolStatistics {
  server: string;
  /** Maximum number of connections. */
  size: number;
  inUse: number;
  idle: number;
  /** Statements and transactions waiting for a connection. */
  waiting: number;
}

/** An open database. `close` closes its connections. */
export interface OpenDatabase {
  orm: MikroORM;
  url: string;
  /** Statistics of each connection pool: the primary's and the replicas'. Pools appear with their first use. */
  pools: () => PoolStatistics[];
  close(): Promise<void>;
}

/** Opens connection pools, which connect with their first statement. */
export function openDatabase(options: Omit<OrmOptions, 'onPool'>): OpenDatabase {
  const pools = new Map<string, pg.Pool>();
  const orm = openOrm({ ...options, onPool: (server, pool) => pools.set(server, pool) });
  return {
    orm,
    url: options.url,
    pools: () => [...pools].map(([server, pool]) => poolStatistics(server, pool)),
    close: () => orm.close(),
  };
}

const poolStatistics = (server: string, { options, totalCount, idleCount, waitingCount }: pg.Pool): PoolStatistics => ({
  server,
  size: options.max,
  inUse: totalCount - idleCount,
  idle: idleCount,
  // With an idle connection, requests stay in the queue only until the next tick.
  waiting: Math.max(0, waitingCount - idleCount),
});

import type { KyselyPlugin } from 'kysely';
import type { MikroORM } from '@mikro-orm/postgresql';
import type { Logger } from '../telemetry/logger.js';
import { databaseOf, primaryName, replicaName, ReplicatedDriver } from './orm.js';
import { Replica } from './replicas/replica.js';
import { ReplicaMonitor } from './replicas/replica-monitor.js';
import type { Database } from './tables.js';

export interface ReadRouterOptions {
  primaryUrl: string;
  /** In MikroORM's order. */
  replicaUrls: readonly string[];
  /** A replica with more lag is excluded. */
  maxLagMs: number;
  log: Logger;
}

/** Reads of a server since the start. */
export interface ServerReads {
  server: string;
  reads: number;
}

export interface ReplicaStatistics extends ServerReads {
  isUp: boolean;
  /** Upper bound of the replication lag; null if unknown. */
  lagSeconds: number | null;
  /** Failed reads that fell back to the primary. */
  fallbacks: number;
}

/** Routes reads to healthy replicas in turn, or to the primary. */
export class ReadRouter {
  /** Always up to date. */
  readonly primary: Database;
  readonly #maxLagMs: number;
  readonly #replicas: readonly Replica[];
  readonly #monitor: ReplicaMonitor | null;
  #primaryReads = 0;
  #turn = 0;

  constructor(orm: MikroORM, { primaryUrl, replicaUrls, maxLagMs, log }: ReadRouterOptions) {
    const primary = databaseOf(orm);
    this.primary = primary.withPlugin(countingReads(() => (this.#primaryReads += 1)));
    this.#maxLagMs = maxLagMs;
    const driver = orm.em.getDriver();
    const databases = driver instanceof ReplicatedDriver ? driver.replicaDatabases() : [];
    this.#replicas = databases.map((own, index) => new Replica(replicaName(index), { own, primary: this.primary }));
    const monitored = this.#replicas.map((replica, index) => ({ replica, url: replicaUrls[index] ?? '' }));
    this.#monitor =
      monitored.length > 0 ? new ReplicaMonitor({ primaryUrl, replicas: monitored, maxLagMs, log }) : null;
  }

  /** Whether replicas are configured, healthy or not. */
  get hasReplicas(): boolean {
    return this.#replicas.length > 0;
  }

  /** Checks the replicas. An unhealthy replica does not prevent the start. */
  async open(): Promise<void> {
    await this.#monitor?.open();
  }

  async close(): Promise<void> {
    await this.#monitor?.close();
  }

  /** @returns a healthy replica, in turn, or the primary; for operations that need not see commits of the last `maxLagMs` */
  next(): Database {
    const notBefore = performance.now() - this.#maxLagMs;
    const healthy = this.#replicas.filter(({ asOfMs }) => asOfMs > notBefore);
    this.#turn += 1;
    return healthy[this.#turn % healthy.length]?.db ?? this.primary;
  }

  statistics(): { primary: ServerReads; replicas: ReplicaStatistics[] } {
    const nowMs = performance.now();
    return {
      primary: { server: primaryName, reads: this.#primaryReads },
      replicas: this.#replicas.map(({ name, asOfMs, counted }) => ({
        server: name,
        isUp: asOfMs > nowMs - this.#maxLagMs,
        lagSeconds: asOfMs === -Infinity ? null : (nowMs - asOfMs) / 1000,
        ...counted,
      })),
    };
  }
}

/** Counts results, because the queries of templates are compiled elsewhere. */
const countingReads = (count: () => void): KyselyPlugin => ({
  transformQuery: ({ node }) => node,
  transformResult({ result }) {
    count();
    return Promise.resolve(result);
  },
});

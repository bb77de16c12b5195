import type { KyselyPlugin } from 'kysely';
import type { MikroORM } from '@mikro-orm/postgresql';
import type { Logger } from '../shared/logger.js';
import { databaseOf, primaryName, replicaName, ReplicatedDriver } from './orm.js';
import { Replica } from './replica.js';
import { ReplicaWatch } from './replica-watch.js';
import type { Database } from './tables.js';

export interface ReadsOptions {
  primaryUrl: string;
  /** In the order in which MikroORM was given them. */
  replicaUrls: readonly string[];
  /** A replica that is further behind is left out. */
  maxLagMs: number;
  log: Logger;
}

/** What reads a server has answered since the start. */
export interface ServerReads {
  server: string;
  reads: number;
}

/** How a replica is doing. */
export interface ReplicaStatistics extends ServerReads {
  isUp: boolean;
  /** How far behind it is at the most; null where that is not known. */
  lagSeconds: number | null;
  /** Reads that it could not answer, so that the primary did. */
  moved: number;
}

/** Where reads go. */
export class Reads {
  /** What it says is true now. */
  readonly primary: Database;
  readonly #maxLagMs: number;
  readonly #replicas: readonly Replica[];
  readonly #watch: ReplicaWatch | null;
  #primaryReads = 0;
  #turn = 0;

  constructor(orm: MikroORM, { primaryUrl, replicaUrls, maxLagMs, log }: ReadsOptions) {
    const primary = databaseOf(orm);
    this.primary = primary.withPlugin(countingReads(() => (this.#primaryReads += 1)));
    this.#maxLagMs = maxLagMs;
    const driver = orm.em.getDriver();
    const owns = driver instanceof ReplicatedDriver ? driver.replicaDatabases() : [];
    this.#replicas = owns.map((own, index) => new Replica(replicaName(index), { own, primary: this.primary }));
    const watched = this.#replicas.map((replica, index) => ({ replica, url: replicaUrls[index] ?? '' }));
    this.#watch = watched.length > 0 ? new ReplicaWatch({ primaryUrl, replicas: watched, maxLagMs, log }) : null;
  }

  /** Whether there are replicas at all, well or not. */
  get hasReplicas(): boolean {
    return this.#replicas.length > 0;
  }

  /** Finds out which replicas are well. A replica that is not does not keep the gateway from starting. */
  async open(): Promise<void> {
    await this.#watch?.open();
  }

  async close(): Promise<void> {
    await this.#watch?.close();
  }

  /** Where an operation reads that need not see what was committed in the last `maxLagMs`: replicas that are well, in turns. */
  next(): Database {
    const notBefore = performance.now() - this.#maxLagMs;
    const well = this.#replicas.filter(({ asOfMs }) => asOfMs > notBefore);
    this.#turn += 1;
    return well[this.#turn % well.length]?.db ?? this.primary;
  }

  statistics(): { primary: ServerReads; replicas: ReplicaStatistics[] } {
    const nowMs = performance.now();
    const moved = this.#replicas.reduce((sum, { counted }) => sum + counted.moved, 0);
    return {
      primary: { server: primaryName, reads: this.#primaryReads + moved },
      replicas: this.#replicas.map(({ name, asOfMs, counted }) => ({
        server: name,
        isUp: asOfMs > nowMs - this.#maxLagMs,
        lagSeconds: asOfMs === -Infinity ? null : (nowMs - asOfMs) / 1000,
        ...counted,
      })),
    };
  }
}

const countingReads = (count: () => void): KyselyPlugin => ({
  transformQuery({ node }) {
    count();
    return node;
  },
  transformResult: ({ result }) => Promise.resolve(result),
});

import { ReflectMetadataProvider } from '@mikro-orm/decorators/legacy';
import { Migrator } from '@mikro-orm/migrations';
import { MikroORM, PostgreSqlDriver, type EntityClass, type Options } from '@mikro-orm/postgresql';
import pg from 'pg';
import type { Logger } from '../shared/logger.js';
import { PooledConnection } from './connection.js';
import { migrations } from './migrations/index.js';
import { Outages } from './outages.js';
import type { Database, Tables } from './tables.js';

/** How the database is reached. */
export interface OrmOptions {
  url: string;
  entities: EntityClass<unknown>[];
  /** Connections at the most. */
  poolSize: number;
  timeouts?: { connectionMs: number; statementMs: number };
  /** Where it is said once that the database does not answer, and once that it does again; absent: nowhere. */
  log?: Logger;
  /** Servers that follow it and answer reads; each has a pool of the same size. */
  replicaUrls?: readonly string[];
  /** Told of each pool of connections once it is made. */
  onPool?: (server: string, pool: pg.Pool) => void;
}

const defaultTimeouts = { connectionMs: 5_000, statementMs: 10_000 };

/** The server ends a statement that takes too long; where it does not answer at all, the wait ends here, a little later. */
const graceMs = 1_000;

/** So long a connection may be silent before the system asks whether the other end is there. */
const keepAliveMs = 10_000;

/** Opens MikroORM; `orm.close()` gives the connections back. Connects at the first statement. */
export function openOrm({ url, entities, poolSize, timeouts = defaultTimeouts, log, replicaUrls = [], onPool }: OrmOptions): MikroORM {
  const driverOptions = (server: string) => ({
    connectionTimeoutMillis: timeouts.connectionMs,
    statement_timeout: timeouts.statementMs,
    idle_in_transaction_session_timeout: timeouts.statementMs,
    query_timeout: timeouts.statementMs + graceMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: keepAliveMs,
    Client: PooledConnection,
    onPoolCreated(pool: pg.Pool) {
      readTimesAsDates(pool);
      if (log) tellOfOutages(pool, new Outages(log));
      onPool?.(server, pool);
    },
  });
  const options: Options = {
    clientUrl: url,
    driver: ReplicatedDriver,
    replicas: replicaUrls.map((clientUrl, index) => ({ clientUrl, driverOptions: driverOptions(replicaName(index)) })),
    // Where a read may go to a replica, `Reads` decides; entities are read to be changed.
    preferReadReplicas: false,
    entities,
    metadataProvider: ReflectMetadataProvider,
    extensions: [Migrator],
    pool: { max: poolSize },
    driverOptions: driverOptions(primaryName),
    forceUtcTimezone: true,
    allowGlobalContext: false,
    // MikroORM would print to the console; what matters comes back as results and errors.
    logger: () => {},
    migrations: { migrationsList: migrations, snapshot: false, tableName: 'migration', disableForeignKeys: false, allOrNothing: false },
  };
  return new MikroORM(options);
}

/** MikroORM's driver, which keeps the connections of replicas to itself. */
export class ReplicatedDriver extends PostgreSqlDriver {
  /** Each replica by itself, in the order of their URLs. */
  replicaDatabases(): Database[] {
    return this.replicas.map((replica) => replica.getClient<Tables>());
  }
}

/** What metrics and logs call the servers. */
export const primaryName = 'primary';
export const replicaName = (index: number): string => `replica-${index + 1}`;

/** MikroORM has its driver give times as text, which it parses for entities; rows are read without it. */
function readTimesAsDates({ options }: pg.Pool): void {
  const { TIMESTAMPTZ } = pg.types.builtins;
  const parseTime = pg.types.getTypeParser(TIMESTAMPTZ) as (text: string) => Date;
  if (options.types instanceof pg.TypeOverrides) options.types.setTypeParser(TIMESTAMPTZ, parseTime);
}

/** Has the outages seen by whoever asks for a connection, or sends a statement over one. */
function tellOfOutages(pool: pg.Pool, outages: Outages): void {
  const connect = pool.connect.bind(pool) as (...args: unknown[]) => unknown;
  pool.connect = ((...args: unknown[]) => {
    const connecting = connect(...args);
    if (connecting instanceof Promise) connecting.catch((error: unknown) => outages.note(error));
    return connecting;
  }) as pg.Pool['connect'];
  pool.on('connect', (client) => {
    if (client instanceof PooledConnection) client.onFailure = (error) => outages.note(error);
  });
}

/** The reading side: rows by SQL, outside any unit of work. */
export const databaseOf = (orm: MikroORM): Database => orm.em.fork().getKysely();

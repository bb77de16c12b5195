import { ReflectMetadataProvider } from '@mikro-orm/decorators/legacy';
import { Migrator, TSMigrationGenerator } from '@mikro-orm/migrations';
import {
  MikroORM,
  PostgreSqlConnection,
  PostgreSqlDriver,
  PostgreSqlPlatform,
  type EntityClass,
  type Options,
} from '@mikro-orm/postgresql';
import type { Kysely } from 'kysely';
import pg from 'pg';
import type { Logger } from '../telemetry/logger.js';
import { PooledConnection } from './connection.js';
import { migrations } from './migrations/index.js';
import { OutageLog } from './outage-log.js';
import { defaultSchema, SchemaNames } from './schema-names.js';
import type { Database, Tables } from './tables.js';

export interface OrmOptions {
  url: string;
  /** Schema of the tables. */
  schema?: string;
  entities: EntityClass<unknown>[];
  /** Maximum number of connections per server. */
  poolSize: number;
  /** Whether frequent statements are prepared by name. True by default. */
  preparesStatements?: boolean;
  timeouts?: { connectionMs: number; statementMs: number };
  /** The most bytes of the result of a list or of a write. */
  maxResultBytes?: number;
  /** Logs the start and the end of an outage. */
  log?: Logger;
  /** Streaming replicas for reads; each has a pool of the same size. */
  replicaUrls?: readonly string[];
  /** Called with each new connection pool. */
  onPool?: (server: string, pool: pg.Pool) => void;
}

const defaultTimeouts = { connectionMs: 5_000, statementMs: 10_000 };

/** The server cancels slow statements. If it does not respond at all, the client times out this much later. */
const graceMs = 1_000;

/** Idle time before TCP keepalive probes. */
const keepAliveMs = 10_000;

/** Opens MikroORM; `orm.close()` gives the connections back. Connects at the first statement. */
export function openOrm({
  url,
  schema = defaultSchema,
  entities,
  poolSize,
  preparesStatements = true,
  timeouts = defaultTimeouts,
  maxResultBytes = Infinity,
  log,
  replicaUrls = [],
  onPool,
}: OrmOptions): MikroORM {
  const driverOptions = (server: string, connectionString: string) => ({
    // MikroORM reads only the address from a URL, and the driver all of it, such as `sslmode`.
    connectionString,
    connectionTimeoutMillis: timeouts.connectionMs,
    settings: {
      statement_timeout: timeouts.statementMs,
      idle_in_transaction_session_timeout: timeouts.statementMs,
    },
    preparesStatements,
    maxResultBytes,
    query_timeout: timeouts.statementMs + graceMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: keepAliveMs,
    Client: PooledConnection,
    onPoolCreated(pool: pg.Pool) {
      readTimesAsDates(pool);
      if (log) reportOutages(pool, new OutageLog(log));
      onPool?.(server, pool);
    },
  });
  const options: Options = {
    clientUrl: url,
    driver: ReplicatedDriver,
    schema,
    replicas: replicaUrls.map((clientUrl, index) => ({
      clientUrl,
      driverOptions: driverOptions(replicaName(index), clientUrl),
    })),
    // `ReadRouter` chooses replicas; entities are loaded to be changed.
    preferReadReplicas: false,
    entities,
    metadataProvider: ReflectMetadataProvider,
    extensions: [Migrator],
    pool: { max: poolSize },
    driverOptions: driverOptions(primaryName, url),
    forceUtcTimezone: true,
    allowGlobalContext: false,
    // MikroORM would print to the console.
    logger: () => {},
    // Written by hand in migrations: MikroORM's own form of a trigger has no transition tables.
    schemaGenerator: { ignoreTriggers: true, ignoreRoutines: true },
    migrations: {
      migrationsList: migrations,
      generator: UnqualifiedMigrations,
      snapshot: false,
      tableName: 'migration',
      disableForeignKeys: false,
      allOrNothing: false,
    },
  };
  return new MikroORM(options);
}

/** MikroORM's driver, with access to its replicas. All its statements qualify their tables with the schema. */
export class ReplicatedDriver extends PostgreSqlDriver {
  protected override readonly platform: PostgreSqlPlatform = new QualifyingPlatform();
  protected override readonly connection = new QualifyingConnection(this.config);
  protected override readonly replicas = this.createReplicas(
    (options) => new QualifyingConnection(this.config, options, 'read'),
  );

  /** One database per replica, in the order of the URLs. */
  replicaDatabases(): Database[] {
    return this.replicas.map((replica) => replica.getClient<Tables>());
  }
}

/** MikroORM would leave the schema `public` to the search path. */
class QualifyingPlatform extends PostgreSqlPlatform {
  override getDefaultSchemaName(): undefined {
    return undefined;
  }
}

class QualifyingConnection extends PostgreSqlConnection {
  #qualified: Kysely<unknown> | null = null;

  override getClient<Schema = unknown>(): Kysely<Schema> {
    this.#qualified ??= super.getClient().withPlugin(new SchemaNames(this.config.get('schema')));
    return this.#qualified as Kysely<Schema>;
  }
}

/** Migrations run with the schema as their search path, whatever its name. */
class UnqualifiedMigrations extends TSMigrationGenerator {
  override createStatement(statement: string, padLeft: number): string {
    return super.createStatement(statement.replaceAll(`"${this.driver.config.get('schema')}".`, ''), padLeft);
  }
}

/** Server names in metrics and logs. */
export const primaryName = 'primary';
export const replicaName = (index: number): string => `replica-${index + 1}`;

/** MikroORM makes the driver return times as text; Kysely's rows need dates. */
function readTimesAsDates({ options }: pg.Pool): void {
  const { TIMESTAMPTZ } = pg.types.builtins;
  const parseTime = pg.types.getTypeParser(TIMESTAMPTZ) as (text: string) => Date;
  if (options.types instanceof pg.TypeOverrides) options.types.setTypeParser(TIMESTAMPTZ, parseTime);
}

/** Records errors of connecting and of statements. */
function reportOutages(pool: pg.Pool, outages: OutageLog): void {
  const connect = pool.connect.bind(pool) as (...args: unknown[]) => unknown;
  pool.connect = ((...args: unknown[]) => {
    const connecting = connect(...args);
    if (connecting instanceof Promise) connecting.catch((error: unknown) => outages.record(error));
    return connecting;
  }) as pg.Pool['connect'];
  pool.on('connect', (client) => {
    if (client instanceof PooledConnection) client.onFailure = (error) => outages.record(error);
  });
}

/** Kysely over the primary's pool, outside any unit of work. */
export const databaseOf = (orm: MikroORM): Database => orm.em.fork().getKysely();

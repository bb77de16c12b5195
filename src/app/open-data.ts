import type { Constructor } from '@mikro-orm/core';
import type { MikroORM } from '@mikro-orm/postgresql';
import { openCache } from '../cache/cache.js';
import type { Config } from '../config/config.js';
import { migrate } from '../database/migrate/migrate.js';
import { openDatabase, type PoolStatistics } from '../database/open-database.js';
import { databaseOf } from '../database/orm.js';
import { ReadRouter } from '../database/read-router.js';
import type { Database } from '../database/tables.js';
import { waitForDatabase } from '../database/wait-for-database.js';
import { domains } from '../domains/index.js';
import { findOpenDemoAccounts, hasAccounts, newDemoAccounts } from '../domains/user/demo-accounts.js';
import { ConfigError } from '../errors/operator-error.js';
import { ReadYourWrites } from '../graphql/context/read-your-writes.js';
import type { RedisConnection } from '../redis/connection.js';
import type { Logger } from '../telemetry/logger.js';
import { importDemoData, startDatabase } from './development-packages.js';

/** The migrated database and its replicas. */
export interface Data {
  orm: MikroORM;
  db: Database;
  databaseUrl: string;
  reads: ReadRouter;
  /** How far a change may be behind on a server that serves reads; 0 without replicas. */
  settleMs: number;
  /** The connection pools of the primary and its replicas. */
  pools: () => PoolStatistics[];
}

/** Receives each step of a start that takes long: `Creating the embedded database`. */
export type ProgressListener = (step: string) => void;

interface DataOptions {
  dataDir: string;
  log: Logger;
  signal: AbortSignal | undefined;
  onProgress: ProgressListener;
}

/**
 * Waits for the database, migrates it, and loads the demo data if it is on.
 * @throws ConfigError if a production database has demo accounts
 * @throws DatabaseUnreachable, MigrationBlocked, EmbeddedPostgresError
 */
export async function openData(
  { database: settings, isProduction }: Pick<Config, 'database' | 'isProduction'>,
  { dataDir, log, signal, onProgress }: DataOptions,
  opened: AsyncDisposableStack,
): Promise<Data> {
  const { replicaUrls } = settings;
  const { url, stop } = await startDatabase(settings.url, dataDir, onProgress);
  opened.defer(stop);
  const database = openDatabase({
    url,
    schema: settings.schema,
    entities: domains.flatMap(({ entities }) => entities),
    poolSize: settings.poolSize,
    preparesStatements: settings.preparesStatements,
    maxResultBytes: settings.maxResultBytes,
    timeouts: { connectionMs: settings.connectionTimeoutMs, statementMs: settings.statementTimeoutMs },
    replicaUrls,
    log,
  });
  opened.defer(() => database.close());
  await waitForDatabase(database.url, { waitSeconds: settings.startTimeoutSeconds, signal, log });
  await migrate(database.orm, database.url, { log, signal });
  // Not before: migrations must not know the tables that others own.
  database.orm.discoverEntity(domains.flatMap(({ existingTables = [] }) => existingTables as Constructor[]));
  const db = databaseOf(database.orm);
  if (settings.hasDemoData) await ensureDemoData(db, onProgress);
  else if (isProduction) await rejectDemoAccounts(db);
  const maxLagMs = maxReplicaLagMs(settings.readYourWritesSeconds);
  const reads = new ReadRouter(database.orm, { primaryUrl: database.url, replicaUrls, maxLagMs, log });
  opened.defer(() => reads.close());
  await reads.open();
  const settleMs = reads.hasReplicas ? maxLagMs : 0;
  return { orm: database.orm, db, databaseUrl: database.url, reads, settleMs, pools: database.pools };
}

/** The limit if authors do not read from the primary after a change. */
const defaultReplicaLagMs = 5_000;

/**
 * Maximum replication lag of a replica that serves reads. It equals the time for which authors read from the primary, so that
 * their changes have reached every replica afterwards.
 */
const maxReplicaLagMs = (readYourWritesSeconds: number): number => readYourWritesSeconds * 1000 || defaultReplicaLagMs;

/** Loads the demo data into a database without accounts. */
async function ensureDemoData(db: Database, onProgress: ProgressListener): Promise<void> {
  if (await hasAccounts(db)) return;
  onProgress('Loading the demo data');
  const { loadDemoData } = await importDemoData();
  await loadDemoData(db, newDemoAccounts);
}

/** Demo accounts have a published password: production must allow them explicitly. */
async function rejectDemoAccounts(db: Database): Promise<void> {
  const accounts = await findOpenDemoAccounts(db);
  if (accounts.length === 0) return;
  throw new ConfigError([
    `The database holds demo accounts with the published password (${accounts.map(({ email }) => email).join(', ')}); change their passwords, disable them, or set DEMO_DATA=true to keep them`,
  ]);
}

/** Remembers recent authors of changes for all processes that share a Redis. */
export function openReadYourWrites(
  { replicaUrls, readYourWritesSeconds }: Config['database'],
  redis: RedisConnection | null,
  opened: AsyncDisposableStack,
): ReadYourWrites {
  const windowMs = replicaUrls.length > 0 ? readYourWritesSeconds * 1000 : 0;
  if (windowMs === 0 || redis === null) return new ReadYourWrites({ windowMs, cache: null });
  const cache = openCache({ redis, namespace: 'read-your-writes', maxEntries: 1, maxBytes: 1024 });
  opened.defer(() => cache.close());
  return new ReadYourWrites({ windowMs, cache });
}

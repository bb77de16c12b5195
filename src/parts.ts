import path from 'node:path';
import type { MikroORM } from '@mikro-orm/postgresql';
import type { GraphQLSchema } from 'graphql';
import { LoginThrottle } from './auth/login-throttle.js';
import { TokenSigner } from './auth/token.js';
import { ConfigError, type Config } from './config.js';
import { dataDirOf, keptSecret, projectDir } from './data-dir.js';
import { migrate } from './database/migrate.js';
import { openDatabase } from './database/open.js';
import type { PoolStatistics } from './database/open.js';
import { databaseOf } from './database/orm.js';
import { reachDatabase } from './database/reach.js';
import { Reads } from './database/reads.js';
import type { Database } from './database/tables.js';
import { openDocuments, type Documents } from './documents/open.js';
import { loadDemoData, openDemoAccounts } from './domains/demo-data.js';
import { domains } from './domains/index.js';
import { namingProblems } from './domains/prediction/typed-models/index.js';
import type { Parts } from './graphql/domain.js';
import { FreshReaders } from './graphql/fresh-readers.js';
import { domainSchema } from './graphql/schema.js';
import { openPredictor } from './inference/predictor.js';
import { openCache, type Cache } from './shared/cache.js';
import { openCounters, type Counters } from './shared/counters.js';
import type { Logger } from './shared/logger.js';
import { openPubSub } from './shared/pub-sub.js';
import { ExchangeRates } from './sources/exchange-rates.js';

/** What the gateway stands on: that which domains are given, and what only the rest of the gateway needs. */
export interface OpenParts extends Parts {
  dataDir: string;
  orm: MikroORM;
  /** Where operations read. */
  reads: Reads;
  freshReaders: FreshReaders;
  /** Connections to the database and its replicas. */
  pools: () => PoolStatistics[];
  /** Of predictions. */
  cache: Cache;
  documents: Documents;
  /** What callers have sent, and tried. */
  counters: Counters;
}

/** A cache's size in memory; without Redis it must fit into the process. */
export const maxCacheBytes = 64 * 1024 * 1024;

/**
 * Opens the database, the models, the documents of clients and the way to other replicas; `opened` closes them again.
 * @param signal ends the wait for a database that is not there yet
 * @throws ConfigError, and whatever keeps a part from opening
 */
export async function openParts(config: Config, log: Logger, opened: AsyncDisposableStack, signal?: AbortSignal): Promise<OpenParts> {
  const dataDir = dataDirOf(config);
  const baseSchema = domainSchema(domains);
  const [data, inference] = await bothOrNeither(openData(config, { dataDir, log, signal }, opened), openInference(config, baseSchema, log, opened));
  const documents = await openDocuments({ ...config, settings: config.documents, dir: path.resolve(projectDir, config.documents.dir), log });
  opened.defer(() => documents.close());
  const counters = openCounters({ redisUrl: config.redisUrl, deadlineMs: config.cacheDeadlineMs, logger: log });
  opened.defer(() => counters.close());
  const exchangeRates = openExchangeRates(config, log, opened);
  const pubSub = openPubSub({ redisUrl: config.redisUrl, logger: log });
  opened.defer(() => pubSub.close());
  return {
    ...data,
    ...inference,
    freshReaders: openFreshReaders(config, log, opened),
    dataDir,
    baseSchema,
    exchangeRates,
    documents,
    pubSub,
    tokens: new TokenSigner(config.jwtSecret ?? keptSecret(dataDir), config.accessTokenTtlSeconds),
    throttle: new LoginThrottle(config.throttle, counters),
    counters,
    log,
    settings: config,
  };
}

/** Waits for both also where one fails, so that what the other opens is closed as well. */
async function bothOrNeither<One, Other>(one: Promise<One>, other: Promise<Other>): Promise<[One, Other]> {
  await Promise.allSettled([one, other]);
  return Promise.all([one, other]);
}

/** The database: waited for, opened, migrated, and filled with demo data where that is asked for. */
async function openData(config: Config, { dataDir, log, signal }: { dataDir: string; log: Logger; signal: AbortSignal | undefined }, opened: AsyncDisposableStack) {
  const entities = domains.flatMap((domain) => domain.entities);
  const replicaUrls = config.databaseReplicaUrls;
  const options = { entities, poolSize: config.databasePoolSize, timeouts: config.databaseTimeouts, replicaUrls, log };
  const database = await openDatabase({ databaseUrl: config.databaseUrl, dataDir }, options);
  opened.defer(() => database.close());
  await reachDatabase(database.url, { waitSeconds: config.databaseStartSeconds, signal, log });
  await migrate(database.orm, database.url, { log, signal });
  const db = databaseOf(database.orm);
  if (config.hasDemoData) await loadDemoData(db);
  else if (config.isProduction) await refuseDemoAccounts(db);
  const reads = new Reads(database.orm, { primaryUrl: database.url, replicaUrls, maxLagMs: maxReplicaLagMs(config), log });
  opened.defer(() => reads.close());
  await reads.open();
  return { orm: database.orm, db, databaseUrl: database.url, reads, pools: database.pools };
}

/** A replica is used while it is known to be less behind; where authors do not read their own changes elsewhere, within this. */
const defaultReplicaLagMs = 5_000;

/**
 * How far a replica may be behind to be used. Not further than for how long authors read from the primary: what they have
 * changed is then on every replica that they are answered by.
 */
export const maxReplicaLagMs = ({ readOwnWritesSeconds }: Config): number => readOwnWritesSeconds * 1000 || defaultReplicaLagMs;

/** Who has changed something a moment ago, for all processes that share a Redis. */
function openFreshReaders(config: Config, log: Logger, opened: AsyncDisposableStack): FreshReaders {
  const { databaseReplicaUrls, readOwnWritesSeconds, redisUrl, cacheDeadlineMs } = config;
  const windowMs = databaseReplicaUrls.length > 0 ? readOwnWritesSeconds * 1000 : 0;
  if (windowMs === 0 || redisUrl === undefined) return new FreshReaders({ windowMs, cache: null });
  const cache = openCache({ redisUrl, namespace: 'auspex:fresh-reader', maxEntries: 1, maxBytes: 1024, deadlineMs: cacheDeadlineMs, logger: log });
  opened.defer(() => cache.close());
  return new FreshReaders({ windowMs, cache });
}

/** Demo accounts have a published password: production starts with them only where that was asked for. */
async function refuseDemoAccounts(db: Database): Promise<void> {
  const open = await openDemoAccounts(db);
  if (open.length === 0) return;
  throw new ConfigError([
    `The database holds demo accounts with the published password (${open.join(', ')}); change their passwords, switch them off, or set DEMO_DATA=true to run with them`,
  ]);
}

/** The models and the cache of their answers. */
async function openInference(config: Config, baseSchema: GraphQLSchema, log: Logger, opened: AsyncDisposableStack) {
  const { ttlSeconds, maxEntries } = config.predictionCache;
  const cache = openCache({
    redisUrl: config.redisUrl,
    namespace: 'auspex:prediction',
    maxEntries,
    maxBytes: maxCacheBytes,
    deadlineMs: config.cacheDeadlineMs,
    logger: log,
  });
  opened.defer(() => cache.close());
  const predictor = await openPredictor({
    storeDir: path.resolve(projectDir, config.modelStoreDir),
    pollMs: config.modelStorePollMs,
    threads: config.inferenceThreads,
    cache,
    cacheTtlSeconds: ttlSeconds,
    logger: log,
    check: (models) => namingProblems(models, baseSchema),
  });
  opened.defer(() => predictor.close());
  return { cache, predictor };
}

/** Exchange rates and where replicas share them; null where no source is configured. */
function openExchangeRates({ exchangeRates: { url, ...settings }, redisUrl, cacheDeadlineMs }: Config, log: Logger, opened: AsyncDisposableStack): ExchangeRates | null {
  if (url === undefined) return null;
  const cache = openCache({ redisUrl, namespace: 'auspex:rates', maxEntries: 10, maxBytes: 1024 * 1024, deadlineMs: cacheDeadlineMs, logger: log });
  opened.defer(() => cache.close());
  const rates = new ExchangeRates({ url, ...settings, cache, log });
  opened.defer(() => rates.close());
  return rates;
}

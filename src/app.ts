import 'reflect-metadata';
import path from 'node:path';
import { fastifyApolloDrainPlugin } from '@as-integrations/fastify';
import type { FastifyInstance } from 'fastify';
import { sql } from 'kysely';
import { LiveViewers } from './auth/live-viewers.js';
import { LoginThrottle } from './auth/login-throttle.js';
import { TokenSigner } from './auth/token.js';
import { ConfigError, type Config } from './config.js';
import { dataDirOf, keptSecret, projectDir } from './data-dir.js';
import { migrate } from './database/migrate.js';
import { openDatabase } from './database/open.js';
import { databaseOf } from './database/orm.js';
import type { Database } from './database/tables.js';
import { demoAccounts, loadDemoData, openDemoAccounts } from './domains/demo-data.js';
import { openDocuments } from './documents/open.js';
import { domains } from './domains/index.js';
import { namingProblems } from './domains/prediction/typed-models/index.js';
import { findViewerByApiKey, whyViewersEnded } from './domains/user/user.queries.js';
import { createApollo } from './graphql/apollo.js';
import { Contexts } from './graphql/context.js';
import type { Parts, SchemaExtension } from './graphql/domain.js';
import { domainSchema, LiveSchema } from './graphql/schema.js';
import { Subscriptions } from './graphql/subscriptions.js';
import { addGraphqlRoute } from './http/graphql-route.js';
import { addHealthRoutes, modelsHealth, type HealthCheck } from './http/health.js';
import { addMetricsRoute, type MetricsSource } from './http/metrics.js';
import { createHttpServer } from './http/server.js';
import { createEventStreamHandler } from './http/streams/sse.js';
import { addWebsockets } from './http/streams/websocket.js';
import { openPredictor, type Predictor } from './inference/predictor.js';
import { openCache, type Cache } from './shared/cache.js';
import { codeOf } from './shared/error-code.js';
import type { Logger } from './shared/logger.js';
import { openPubSub } from './shared/pub-sub.js';

/** The gateway at work. */
export interface App {
  /** Where GraphQL is. */
  url: string;
  /** Where Prometheus reads; null where nothing is told. */
  metricsUrl: string | null;
  dataDir: string;
  /** Accounts that the demo data brought, with their password; null without demo data. */
  demo: typeof demoAccounts | null;
  /** Takes no more requests, finishes those under way, writes what waits to be written, and closes every part. */
  close(): Promise<void>;
}

/** The cache's size in memory; without Redis it must fit into the process. */
const maxCacheBytes = 64 * 1024 * 1024;
const healthDeadlineMs = 1_000;

/**
 * Opens every part once, in order, and listens.
 * @throws ConfigError, and whatever keeps a part from opening; what was opened before is closed again
 */
export async function openApp(config: Config, log: Logger): Promise<App> {
  const opened = new AsyncDisposableStack();
  try {
    const dataDir = dataDirOf(config);
    const [{ db, orm, databaseUrl }, { cache, predictor }] = await bothOrNeither(openData(config, dataDir, opened), openInference(config, log, opened));
    const tokens = new TokenSigner(config.jwtSecret ?? keptSecret(dataDir), config.accessTokenTtlSeconds);
    const documents = await openDocuments({ ...config, settings: config.documents, dir: path.resolve(projectDir, config.documents.dir), log });
    opened.defer(() => documents.close());
    const pubSub = openPubSub({ redisUrl: config.redisUrl, logger: log });
    opened.defer(() => pubSub.close());
    const throttle = new LoginThrottle(config.throttle);
    const { resolvers, extensions } = await openDomains({ db, databaseUrl, predictor, documents, tokens, log, throttle, pubSub, settings: config }, opened);

    const server = createHttpServer({ ...config, log });
    const schema = new LiveSchema(domains, resolvers, extensions, log);
    opened.defer(() => schema.close());
    const apollo = createApollo({ ...config, schema, log, drain: fastifyApolloDrainPlugin(server) });
    await apollo.start();

    const contexts = new Contexts(orm, db, log, {
      verifyToken: (token) => tokens.verify(token),
      findByApiKey: (secret) => findViewerByApiKey(db, log, secret),
    });
    const liveViewers = new LiveViewers({ whyEnded: (viewers) => whyViewersEnded(db, viewers), pubSub, log });
    opened.defer(() => liveViewers.close());
    const subscriptions = new Subscriptions({ ...config, schema, contexts, documents: documents.gate, log });
    addWebsockets(server, { ...config, subscriptions, contexts, liveViewers, limits: config.streams, log });
    addGraphqlRoute(server, { apollo, contexts, documents: documents.gate, eventStream: createEventStreamHandler({ subscriptions, contexts, liveViewers, log }) });
    let isDraining = false;
    addHealthRoutes(server, healthCheck(db, cache, predictor), () => isDraining);
    if (config.metricsPort === undefined && !config.isProduction) addMetricsRoute(server, predictor, subscriptions);
    const metricsPort = config.metricsPort === undefined ? null : await openMetrics(config.host, config.metricsPort, { predictor, subscriptions }, log, opened);
    opened.defer(() => apollo.stop());
    const port = await listen(server, config);

    const urlOf = (at: number, route: string): string => `http://${urlHost(config.host)}:${at}${route}`;
    return {
      url: urlOf(port, '/graphql'),
      metricsUrl: metricsPort === null && config.isProduction ? null : urlOf(metricsPort ?? port, '/metrics'),
      dataDir,
      demo: config.hasDemoData ? demoAccounts : null,
      async close() {
        isDraining = true;
        await opened.disposeAsync();
      },
    };
  } catch (error) {
    await opened.disposeAsync();
    throw error;
  }
}

/** Waits for both also where one fails, so that what the other opens is closed as well. */
async function bothOrNeither<One, Other>(one: Promise<One>, other: Promise<Other>): Promise<[One, Other]> {
  await Promise.allSettled([one, other]);
  return Promise.all([one, other]);
}

/**
 * Listens; answers the port.
 * @param variable the one that sets the port
 * @throws ConfigError where the address cannot be had
 */
async function listen(server: FastifyInstance, { host, port }: { host: string; port: number }, variable = 'PORT'): Promise<number> {
  try {
    await server.listen({ host, port });
  } catch (error) {
    const reason = {
      EADDRINUSE: `${variable} ${port} is taken on ${host}; stop what listens there, or set another`,
      EACCES: `${variable} ${port} may not be used by this user; set one above 1023`,
      EADDRNOTAVAIL: `HOST ${host} is no address of this machine`,
      ENOTFOUND: `HOST ${host} is not known`,
    }[codeOf(error) ?? ''];
    throw reason === undefined ? error : new ConfigError([reason]);
  }
  const address = server.server.address();
  return typeof address === 'object' && address ? address.port : port;
}

/** `/metrics` on a port of its own; answers the port. It can be read until everything else is closed. */
async function openMetrics(
  host: string,
  port: number,
  { predictor, subscriptions }: { predictor: MetricsSource; subscriptions: Subscriptions },
  log: Logger,
  opened: AsyncDisposableStack,
): Promise<number> {
  const server = createHttpServer({ maxBodyBytes: 1024, trustedProxies: 0, corsOrigins: [], log });
  addMetricsRoute(server, predictor, subscriptions);
  opened.defer(() => server.close());
  return listen(server, { host, port }, 'METRICS_PORT');
}

/** A host as URLs have it; an address that stands for all of this machine's becomes one that can be opened. */
const urlHost = (host: string): string => (host === '0.0.0.0' || host === '::' ? 'localhost' : host.includes(':') ? `[${host}]` : host);

/** The database: opened, migrated, and filled with demo data where that is asked for. */
async function openData(config: Config, dataDir: string, opened: AsyncDisposableStack) {
  const entities = domains.flatMap((domain) => domain.entities);
  const database = await openDatabase({ databaseUrl: config.databaseUrl, dataDir }, { entities, poolSize: config.databasePoolSize });
  opened.defer(() => database.close());
  await migrate(database.orm, database.url);
  const db = databaseOf(database.orm);
  if (config.hasDemoData) await loadDemoData(db);
  else if (config.isProduction) await refuseDemoAccounts(db);
  return { orm: database.orm, db, databaseUrl: database.url };
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
async function openInference(config: Config, log: Logger, opened: AsyncDisposableStack) {
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
  const names = domainSchema(domains);
  const predictor = await openPredictor({
    storeDir: path.resolve(projectDir, config.modelStoreDir),
    pollMs: config.modelStorePollMs,
    threads: config.inferenceThreads,
    cache,
    cacheTtlSeconds: ttlSeconds,
    logger: log,
    check: (models) => namingProblems(models, names),
  });
  opened.defer(() => predictor.close());
  return { cache, predictor };
}

/** Opens the domains in their order; answers their parts of the schema. */
async function openDomains(parts: Parts, opened: AsyncDisposableStack): Promise<{ resolvers: object[]; extensions: SchemaExtension[] }> {
  const resolvers: object[] = [];
  const extensions: SchemaExtension[] = [];
  for (const domain of domains) {
    const open = domain.open(parts);
    if (open.close) opened.defer(() => open.close?.());
    await open.ready?.();
    resolvers.push(...open.resolvers);
    if (open.extension) extensions.push(open.extension);
  }
  return { resolvers, extensions };
}

function healthCheck(db: Database, cache: Cache, predictor: Predictor): HealthCheck {
  return async () => {
    const cacheHealth = cache.health();
    return {
      database: { isRequired: true, isUp: await answers(db) },
      models: modelsHealth(predictor.models(), predictor.problems()),
      cache: { isRequired: false, isUp: cacheHealth.kind === 'memory' || cacheHealth.isUp, detail: cacheHealth.kind },
    };
  };
}

async function answers(db: Database): Promise<boolean> {
  const answer = sql`select 1`.execute(db).then(
    () => true,
    () => false,
  );
  const deadline = new Promise<false>((resolve) => setTimeout(resolve, healthDeadlineMs, false).unref());
  return Promise.race([answer, deadline]);
}

import 'reflect-metadata';
import path from 'node:path';
import { fastifyApolloDrainPlugin } from '@as-integrations/fastify';
import type { FastifyInstance } from 'fastify';
import { sql } from 'kysely';
import { LiveViewers } from './auth/live-viewers.js';
import type { Config } from './config.js';
import { projectDir } from './data-dir.js';
import type { Database } from './database/tables.js';
import { demoAccounts } from './domains/demo-data.js';
import { domains } from './domains/index.js';
import { activeRoleOf, findViewerByApiKey, whyViewersEnded } from './domains/user/user.queries.js';
import { createApollo } from './graphql/apollo.js';
import { Contexts } from './graphql/context.js';
import type { LocalEntity } from './graphql/domain.js';
import { openDomains } from './graphql/open-domains.js';
import { QueryCache } from './graphql/query-cache.js';
import { ResponseCache } from './graphql/response-cache.js';
import { LiveSchema } from './graphql/schema.js';
import { Subscriptions } from './graphql/subscriptions.js';
import { addGraphiqlRoutes, readIdeFiles } from './http/graphiql.js';
import { addGraphqlRoute } from './http/graphql-route.js';
import { addHealthRoutes, modelsHealth, type HealthCheck } from './http/health.js';
import { listen, urlHost } from './http/listen.js';
import { addMetricsRoute, type MetricsSource } from './http/metrics/route.js';
import { createHttpServer } from './http/server.js';
import { createEventStreamHandler } from './http/streams/sse.js';
import { addWebsockets } from './http/streams/websocket.js';
import { maxCacheBytes, openParts, type OpenParts } from './parts.js';
import { openCache } from './shared/cache.js';
import type { Logger } from './shared/logger.js';
import { VersionedCache } from './shared/versioned-cache.js';

/** The gateway at work. */
export interface App {
  /** Where GraphQL is. */
  url: string;
  /** Where GraphiQL is; null where it is not served. */
  graphiqlUrl: string | null;
  /** Where Prometheus reads; null where nothing is told. */
  metricsUrl: string | null;
  dataDir: string;
  /** Accounts that the demo data brought, with their password; null without demo data. */
  demo: typeof demoAccounts | null;
  /** Takes no more requests, finishes those under way, writes what waits to be written, and closes every part. */
  close(): Promise<void>;
}

const healthDeadlineMs = 1_000;

/** Where `npm run build` puts GraphiQL. */
const ideDir = path.join(projectDir, 'dist', 'ide');
const sandboxOrigin = 'https://studio.apollographql.com';

/**
 * Opens every part once, in order, and listens.
 * @throws ConfigError, and whatever keeps a part from opening; what was opened before is closed again
 */
export async function openApp(config: Config, log: Logger): Promise<App> {
  const opened = new AsyncDisposableStack();
  try {
    const parts = await openParts(config, log, opened);
    const server = createHttpServer({ ...config, log });
    const graph = await openGraph(config, parts, server, opened);
    let isDraining = false;
    const source = measured(parts, graph);
    await addRoutes(server, config, parts, graph);
    addHealthRoutes(server, healthCheck(parts), () => isDraining);
    if (config.metricsPort === undefined && !config.isProduction) addMetricsRoute(server, source);
    const metricsPort = config.metricsPort === undefined ? null : await openMetrics(config.host, config.metricsPort, source, log, opened);
    opened.defer(() => graph.apollo.stop());
    const port = await listen(server, config);

    const urlOf = (at: number, route: string): string => `http://${urlHost(config.host)}:${at}${route}`;
    return {
      url: urlOf(port, '/graphql'),
      graphiqlUrl: config.hasGraphiql ? urlOf(port, '/graphiql') : null,
      metricsUrl: metricsPort === null && config.isProduction ? null : urlOf(metricsPort ?? port, '/metrics'),
      dataDir: parts.dataDir,
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

/** All that answers operations, whatever they come by. */
type Graph = Awaited<ReturnType<typeof openGraph>>;

async function openGraph(config: Config, parts: OpenParts, server: FastifyInstance, opened: AsyncDisposableStack) {
  const { db, orm, documents, pubSub, tokens, log } = parts;
  const { resolvers, extensions, localEntities } = await openDomains(domains, parts, opened);
  const schema = new LiveSchema(domains, resolvers, extensions, log);
  opened.defer(() => schema.close());
  const kept = openKept(config, log, opened);
  const responses = openResponses(config, kept, localEntities, opened);
  const queries = kept && config.queryCache.isOn ? new QueryCache({ kept, ttlSeconds: config.queryCache.ttlSeconds }) : null;
  const apollo = createApollo({ ...config, schema, responses, log, drain: fastifyApolloDrainPlugin(server) });
  await apollo.start();

  const contexts = new Contexts({
    orm,
    db,
    queries,
    log,
    credentials: { verifyToken: (token) => tokens.verify(token), findByApiKey: (secret) => findViewerByApiKey(db, log, secret) },
    roleOf: (userId) => activeRoleOf(db, userId),
  });
  const liveViewers = new LiveViewers({ whyEnded: (viewers) => whyViewersEnded(db, viewers), pubSub, log });
  opened.defer(() => liveViewers.close());
  const subscriptions = new Subscriptions({ ...config, schema, contexts, documents: documents.gate, log });
  return { apollo, contexts, responses, queries, liveViewers, subscriptions };
}

/** Where and how operations come: sockets, streams, HTTP, and from GraphiQL. */
async function addRoutes(server: FastifyInstance, config: Config, { documents, log }: OpenParts, { apollo, ...graph }: Graph): Promise<void> {
  addWebsockets(server, { ...config, ...graph, limits: config.streams, log });
  const eventStream = createEventStreamHandler({ ...graph, log });
  addGraphqlRoute(server, { ...config, ...graph, apollo, documents: documents.gate, eventStream });
  if (config.hasGraphiql) addGraphiqlRoutes(server, { files: await readIdeFiles(ideDir), isSandboxAllowed: config.corsOrigins.includes(sandboxOrigin) });
}

/** Where answers and rows are kept, under the same versions of what they tell of; null where neither are. */
function openKept({ responseCache, queryCache, redisUrl, cacheDeadlineMs }: Config, log: Logger, opened: AsyncDisposableStack): VersionedCache | null {
  const maxEntries = [responseCache, queryCache].reduce((sum, { isOn, maxEntries: own }) => sum + (isOn ? own : 0), 0);
  if (maxEntries === 0) return null;
  const cache = openCache({ redisUrl, namespace: 'auspex:response', maxEntries, maxBytes: maxCacheBytes, deadlineMs: cacheDeadlineMs, logger: log });
  opened.defer(() => cache.close());
  const kept = new VersionedCache(cache);
  opened.defer(() => kept.close());
  return kept;
}

/** Answers that are kept, and what is forgotten when what they tell of changes. */
function openResponses(config: Config, kept: VersionedCache | null, localEntities: readonly LocalEntity[], opened: AsyncDisposableStack): ResponseCache {
  const responses = new ResponseCache({
    kept,
    keepsAnswers: config.responseCache.isOn,
    // Where only trusted documents are executed, an ADMIN may read the schema and others may not: what one got is not for everyone.
    introspection: { maxAge: 60, scope: config.documents.trusted === 'enforce' ? 'PRIVATE' : 'PUBLIC' },
    localEntities: localEntities.map(({ type }) => type),
  });
  for (const entity of localEntities) opened.defer(entity.onChange(() => void responses.forget([entity.type])));
  return responses;
}

/** `/metrics` on a port of its own; answers the port. It can be read until everything else is closed. */
async function openMetrics(host: string, port: number, source: MetricsSource, log: Logger, opened: AsyncDisposableStack): Promise<number> {
  const server = createHttpServer({ maxBodyBytes: 1024, trustedProxies: 0, corsOrigins: [], hasGraphiql: false, log });
  addMetricsRoute(server, source);
  opened.defer(() => server.close());
  return listen(server, { host, port }, 'METRICS_PORT');
}

const measured = ({ predictor, exchangeRates }: OpenParts, { responses, queries, subscriptions }: Graph): MetricsSource => ({
  models: () => predictor.models(),
  problems: () => predictor.problems(),
  responses: () => responses.statistics,
  queries: () => queries?.statistics ?? null,
  exchangeRates: () => exchangeRates?.statistics ?? null,
  streams: () => subscriptions.statistics(),
});

function healthCheck({ db, cache, predictor, exchangeRates }: OpenParts): HealthCheck {
  return async () => {
    const cacheHealth = cache.health();
    return {
      database: { isRequired: true, isUp: await answers(db) },
      models: modelsHealth(predictor.models(), predictor.problems()),
      cache: { isRequired: false, isUp: cacheHealth.kind === 'memory' || cacheHealth.isUp, detail: cacheHealth.kind },
      ...(exchangeRates ? { exchangeRates: { isRequired: false, ...exchangeRates.health() } } : {}),
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

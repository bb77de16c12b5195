import 'reflect-metadata';
import path from 'node:path';
import { fastifyApolloDrainPlugin } from '@as-integrations/fastify';
import type { FastifyInstance } from 'fastify';
import { sql } from 'kysely';
import type { Registry } from 'prom-client';
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
import { OperationStatistics } from './graphql/operation-statistics.js';
import { Refusals } from './graphql/refusals.js';
import { ResponseCache } from './graphql/response-cache.js';
import { LiveSchema } from './graphql/schema.js';
import { Subscriptions } from './graphql/subscriptions.js';
import { addGraphiqlRoutes, readIdeFiles } from './http/graphiql.js';
import { addGraphqlRoute } from './http/graphql-route.js';
import { addHealthRoutes, modelsHealth, Readiness, type HealthCheck } from './http/health.js';
import { listen, urlHost } from './http/listen.js';
import { addMetricsRoute } from './http/metrics/route.js';
import { RequestStatistics } from './http/request-statistics.js';
import { createHttpServer } from './http/server.js';
import { createEventStreamHandler } from './http/streams/sse.js';
import { addWebsockets } from './http/streams/websocket.js';
import { measured } from './measured.js';
import { maxCacheBytes, openParts, type OpenParts } from './parts.js';
import { openCache } from './shared/cache.js';
import type { Logger } from './shared/logger.js';

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
    const counted = { requests: new RequestStatistics(), refusals: new Refusals() };
    const server = createHttpServer({ ...config, ...counted, log });
    const graph = await openGraph(config, parts, server, counted, opened);
    let isDraining = false;
    const readiness = new Readiness(healthCheck(parts), () => isDraining);
    const metrics = measured({ ...parts, ...graph, ...counted, readiness });
    await addRoutes(server, config, parts, graph, counted);
    addHealthRoutes(server, readiness);
    if (config.metricsPort === undefined && !config.isProduction) addMetricsRoute(server, metrics);
    const metricsPort = config.metricsPort === undefined ? null : await openMetrics(config.host, config.metricsPort, metrics, counted, log, opened);
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

/** What is counted of all that comes over HTTP. */
interface Counted {
  requests: RequestStatistics;
  refusals: Refusals;
}

/** All that answers operations, whatever they come by. */
type Graph = Awaited<ReturnType<typeof openGraph>>;

async function openGraph(config: Config, parts: OpenParts, server: FastifyInstance, { refusals }: Counted, opened: AsyncDisposableStack) {
  const { db, orm, documents, pubSub, tokens, log } = parts;
  const { resolvers, extensions, localEntities, queues } = await openDomains(domains, parts, opened);
  const schema = new LiveSchema(domains, resolvers, extensions, log);
  opened.defer(() => schema.close());
  const responses = openResponses(config, localEntities, log, opened);
  const operations = new OperationStatistics({ isTrusted: (hash) => documents.trusted.byHash(hash) !== null, refusals });
  const apollo = createApollo({ ...config, schema, responses, operations, log, drain: fastifyApolloDrainPlugin(server) });
  await apollo.start();

  const contexts = new Contexts({
    orm,
    db,
    log,
    credentials: { verifyToken: (token) => tokens.verify(token), findByApiKey: (secret) => findViewerByApiKey(db, log, secret) },
    roleOf: (userId) => activeRoleOf(db, userId),
  });
  const liveViewers = new LiveViewers({ whyEnded: (viewers) => whyViewersEnded(db, viewers), pubSub, log });
  opened.defer(() => liveViewers.close());
  const subscriptions = new Subscriptions({ ...config, schema, contexts, documents: documents.gate, refusals, log });
  return { apollo, contexts, responses, operations, queues, liveViewers, subscriptions };
}

/** Where and how operations come: sockets, streams, HTTP, and from GraphiQL. */
async function addRoutes(server: FastifyInstance, config: Config, { documents, log }: OpenParts, { apollo, ...graph }: Graph, { refusals }: Counted): Promise<void> {
  addWebsockets(server, { ...config, ...graph, limits: config.streams, refusals, log });
  const eventStream = createEventStreamHandler({ ...graph, log });
  addGraphqlRoute(server, { ...config, ...graph, apollo, documents: documents.gate, refusals, eventStream });
  if (config.hasGraphiql) addGraphiqlRoutes(server, { files: await readIdeFiles(ideDir), isSandboxAllowed: config.corsOrigins.includes(sandboxOrigin) });
}

/** Answers that are kept, and forgotten when what they tell of changes. */
function openResponses(config: Config, localEntities: readonly LocalEntity[], log: Logger, opened: AsyncDisposableStack): ResponseCache {
  const { isOn, maxEntries } = config.responseCache;
  const cache = isOn
    ? openCache({ redisUrl: config.redisUrl, namespace: 'auspex:response', maxEntries, maxBytes: maxCacheBytes, deadlineMs: config.cacheDeadlineMs, logger: log })
    : null;
  if (cache) opened.defer(() => cache.close());
  const responses = new ResponseCache({
    cache,
    // Where only trusted documents are executed, an ADMIN may read the schema and others may not: what one got is not for everyone.
    introspection: { maxAge: 60, scope: config.documents.trusted === 'enforce' ? 'PRIVATE' : 'PUBLIC' },
    localEntities: localEntities.map(({ type }) => type),
  });
  opened.defer(() => responses.close());
  for (const entity of localEntities) opened.defer(entity.onChange(() => void responses.forget([entity.type])));
  return responses;
}

/** `/metrics` on a port of its own; answers the port. It can be read until everything else is closed. */
async function openMetrics(host: string, port: number, metrics: readonly Registry[], counted: Counted, log: Logger, opened: AsyncDisposableStack): Promise<number> {
  const server = createHttpServer({ maxBodyBytes: 1024, trustedProxies: 0, corsOrigins: [], hasGraphiql: false, ...counted, log });
  addMetricsRoute(server, metrics);
  opened.defer(() => server.close());
  return listen(server, { host, port }, 'METRICS_PORT');
}

function healthCheck({ db, cache, predictor }: OpenParts): HealthCheck {
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

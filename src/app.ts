import 'reflect-metadata';
import path from 'node:path';
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
import { QueryCache } from './graphql/query-cache.js';
import { Refusals } from './graphql/refusals.js';
import { ResponseCache } from './graphql/response-cache.js';
import { LiveSchema } from './graphql/schema.js';
import { Subscriptions } from './graphql/subscriptions.js';
import { drainPlugin } from './http/drain.js';
import { addGraphiqlRoutes, readIdeFiles } from './http/graphiql.js';
import { addGraphqlRoute } from './http/graphql-route.js';
import { addHealthRoutes, modelsHealth, Readiness, type HealthCheck } from './http/health.js';
import { listen, urlHost } from './http/listen.js';
import { addMetricsRoute } from './http/metrics/route.js';
import { RateLimiter } from './http/rate-limit.js';
import { RequestStatistics } from './http/request-statistics.js';
import { createHttpServer } from './http/server.js';
import { createEventStreamHandler } from './http/streams/sse.js';
import { addWebsockets } from './http/streams/websocket.js';
import { measured } from './measured.js';
import { maxCacheBytes, maxReplicaLagMs, openParts, type OpenParts } from './parts.js';
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
  /** Says at `/readyz` that no more is to be sent here. What is sent all the same is answered as ever. */
  drain(): void;
  /** Takes no more requests, finishes those under way, writes what waits to be written, and closes every part. */
  close(): Promise<void>;
}

const healthDeadlineMs = 1_000;

/** A balancer that keeps connections has used each of them, or given it up, within this. */
const maxLingerSeconds = 3;

/** Where `npm run build` puts GraphiQL. */
const ideDir = path.join(projectDir, 'dist', 'ide');
const sandboxOrigin = 'https://studio.apollographql.com';

/**
 * Opens every part once, in order, and listens.
 * @param signal ends the wait for what is not there yet; the start fails with its reason then
 * @throws ConfigError, and whatever keeps a part from opening; what was opened before is closed again
 */
export async function openApp(config: Config, log: Logger, signal?: AbortSignal): Promise<App> {
  const opened = new AsyncDisposableStack();
  try {
    // Closed last: what a shutdown does can be read while it does it.
    const openMetricsServers = opened.use(new AsyncDisposableStack());
    const parts = await openParts(config, log, opened, signal);
    const counted = { requests: new RequestStatistics(), refusals: new Refusals() };
    const server = await createHttpServer({ ...config, ...counted, lingerSeconds: Math.min(config.shutdownDelaySeconds, maxLingerSeconds), log });
    const graph = await openGraph(config, parts, server, counted, opened);
    let isDraining = false;
    const readiness = new Readiness(healthCheck(parts), () => isDraining);
    const metrics = measured({ ...parts, ...graph, ...counted, readiness });
    await addRoutes(server, config, parts, graph, counted);
    addHealthRoutes(server, readiness);
    if (config.metricsPort === undefined && !config.isProduction) addMetricsRoute(server, metrics);
    const metricsPort = config.metricsPort === undefined ? null : await openMetrics(config.host, config.metricsPort, metrics, counted, log, openMetricsServers);
    opened.defer(() => graph.apollo.stop());
    const port = await listen(server, config);

    const urlOf = (at: number, route: string): string => `http://${urlHost(config.host)}:${at}${route}`;
    return {
      url: urlOf(port, '/graphql'),
      graphiqlUrl: config.hasGraphiql ? urlOf(port, '/graphiql') : null,
      metricsUrl: metricsPort === null && config.isProduction ? null : urlOf(metricsPort ?? port, '/metrics'),
      dataDir: parts.dataDir,
      demo: config.hasDemoData ? demoAccounts : null,
      drain() {
        isDraining = true;
      },
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
  const { db, orm, reads, freshReaders, documents, pubSub, tokens, log } = parts;
  const { resolvers, extensions, localEntities, queues } = await openDomains(domains, parts, opened);
  const schema = new LiveSchema(domains, resolvers, extensions, log);
  opened.defer(() => schema.close());
  const kept = openKept(config, log, opened);
  const settleMs = reads.hasReplicas ? maxReplicaLagMs(config) : 0;
  const responses = openResponses(config, { kept, localEntities, settleMs }, opened);
  const queries = kept && config.queryCache.isOn ? new QueryCache({ kept, ttlSeconds: config.queryCache.ttlSeconds }) : null;
  const operations = new OperationStatistics({ isTrusted: (hash) => documents.trusted.byHash(hash) !== null, refusals });
  const drain = drainPlugin(server, patienceMs(config));
  const apollo = createApollo({ ...config, schema, responses, operations, freshReaders: reads.hasReplicas ? freshReaders : null, log, drain });
  await apollo.start();

  const contexts = new Contexts({
    orm,
    reads,
    queries,
    freshReaders,
    log,
    credentials: { verifyToken: (token) => tokens.verify(token), findByApiKey: (secret) => findViewerByApiKey(db, log, secret) },
    roleOf: (userId) => activeRoleOf(db, userId),
  });
  const liveViewers = new LiveViewers({ whyEnded: (viewers) => whyViewersEnded(db, viewers), pubSub, log });
  opened.defer(() => liveViewers.close());
  const subscriptions = new Subscriptions({ ...config, schema, contexts, documents: documents.gate, refusals, log });
  const limiter = new RateLimiter(config.rateLimit, parts.counters);
  return { apollo, contexts, responses, queries, operations, queues, liveViewers, subscriptions, limiter };
}

/** Half of what a shutdown has after its delay is for what is under way, the rest for what waits to be written. */
const patienceMs = ({ shutdownSeconds, shutdownDelaySeconds }: Config): number => (shutdownSeconds - shutdownDelaySeconds) * 500;

/** Where and how operations come: sockets, streams, HTTP, and from GraphiQL. */
async function addRoutes(server: FastifyInstance, config: Config, { documents, log }: OpenParts, { apollo, ...graph }: Graph, { refusals }: Counted): Promise<void> {
  addWebsockets(server, { ...config, ...graph, limits: config.streams, refusals, log });
  const eventStream = createEventStreamHandler({ ...graph, log });
  addGraphqlRoute(server, { ...config, ...graph, apollo, documents: documents.gate, refusals, eventStream });
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

interface ResponseParts {
  kept: VersionedCache | null;
  localEntities: readonly LocalEntity[];
  /** How long a change takes to be seen wherever it is read. */
  settleMs: number;
}

/** Answers that are kept, and what is forgotten when what they tell of changes. */
function openResponses(config: Config, { kept, localEntities, settleMs }: ResponseParts, opened: AsyncDisposableStack): ResponseCache {
  const responses = new ResponseCache({
    kept,
    keepsAnswers: config.responseCache.isOn,
    // Where only trusted documents are executed, an ADMIN may read the schema and others may not: what one got is not for everyone.
    introspection: { maxAge: 60, scope: config.documents.trusted === 'enforce' ? 'PRIVATE' : 'PUBLIC' },
    localEntities: localEntities.map(({ type }) => type),
    settleMs,
  });
  for (const entity of localEntities) opened.defer(entity.onChange(() => void responses.forget([entity.type])));
  return responses;
}

const ofMetrics = { maxBodyBytes: 1024, trustedProxies: 0, corsOrigins: [], isCompressing: true, redirectsToHttps: false, hasGraphiql: false, lingerSeconds: 0 };

/** `/metrics` on a port of its own; answers the port. It can be read until everything else is closed. */
async function openMetrics(host: string, port: number, metrics: readonly Registry[], counted: Counted, log: Logger, opened: AsyncDisposableStack): Promise<number> {
  const server = await createHttpServer({ ...ofMetrics, ...counted, log });
  addMetricsRoute(server, metrics);
  opened.defer(() => server.close());
  return listen(server, { host, port }, 'METRICS_PORT');
}

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

import path from 'node:path';
import type { FastifyInstance } from 'fastify';
import type { Registry } from 'prom-client';
import type { Config } from '../config/config.js';
import { allowedHosts, type AllowedHosts } from '../http/allowed-hosts.js';
import { RateLimiter } from '../http/rate-limiter.js';
import { ConnectionGate, openFilesLimit, withDescriptorReserve } from '../http/connection-limits.js';
import { RequestStatistics } from '../http/hooks/request-statistics.js';
import { ResponseBuffers } from '../http/hooks/response-buffers.js';
import { listen } from '../http/listen.js';
import { addAccountRoute } from '../http/routes/account-page.js';
import { addGraphiqlRoutes, readIdeFiles } from '../http/routes/graphiql.js';
import { addGraphqlRoute } from '../http/routes/graphql.js';
import { addLandingRoutes, readDocs } from '../http/routes/landing.js';
import { addKeySetRoute } from '../http/routes/key-set.js';
import type { DemoSignIn } from '../http/routes/landing-page.js';
import { createHttpServer } from '../http/server.js';
import { createStreamHandler } from '../http/subscriptions/stream-response.js';
import { addWebsockets } from '../http/subscriptions/websocket-server.js';
import { addMetricsRoute } from '../metrics/registry.js';
import type { Logger } from '../telemetry/logger.js';
import { RejectionCounts } from '../telemetry/rejection-counts.js';
import { projectDir } from './data-dir.js';
import type { Graphql } from './open-graphql.js';
import { providerSignInOf } from './open-identity.js';
import type { OpenServices } from './services.js';

/** Counts of everything that HTTP servers receive. */
export interface HttpCounts {
  requests: RequestStatistics;
  buffers: ResponseBuffers;
  rejections: RejectionCounts;
}

export const createHttpCounts = ({ http }: Pick<Config, 'http'>, log: Logger): HttpCounts => ({
  requests: new RequestStatistics(),
  buffers: new ResponseBuffers({ maxBytes: http.maxBufferedBytes }, log),
  rejections: new RejectionCounts(),
});

/** Load balancers with keep-alive connections have used or closed each of them within this time. */
const maxLingerSeconds = 3;

/** Where `npm run build` writes GraphiQL. */
const ideDir = path.join(projectDir, 'dist', 'ide');
const docsDir = path.join(projectDir, 'docs');
const sandboxOrigin = 'https://studio.apollographql.com';

/** The server of the gateway, and what its transports check. */
export interface GatewayServer {
  server: FastifyInstance;
  hosts: AllowedHosts | null;
  gate: ConnectionGate;
}

/** Creates the server of the gateway, without routes. */
export function createGatewayServer(
  { http, graphql, runtime, isProduction }: Pick<Config, 'http' | 'graphql' | 'runtime' | 'isProduction'>,
  counts: HttpCounts,
  log: Logger,
): GatewayServer {
  const { maxConnections: total, maxConnectionsPerAddress: perAddress, trustedProxies } = http;
  const limits = withDescriptorReserve({ total, perAddress }, openFilesLimit(), log);
  const gate = new ConnectionGate(limits, { trustedProxies, log });
  const hosts = allowedHosts(http.allowedHosts, isProduction);
  const server = createHttpServer({
    maxBodyBytes: http.maxBodyBytes,
    trustedProxies,
    connections: { limits, gate },
    corsOrigins: http.corsOrigins,
    isCompressing: http.isCompressing,
    hosts,
    redirectsToHttps: http.redirectsToHttps,
    hasGraphiql: graphql.hasGraphiql,
    lingerSeconds: Math.min(runtime.shutdownDelaySeconds, maxLingerSeconds),
    requests: counts.requests,
    buffers: counts.buffers,
    rejections: counts.rejections,
    log,
  });
  return { server, hosts, gate };
}

/** Adds GraphQL over HTTP, WebSocket and server-sent events, GraphiQL and the landing page. */
export async function addGraphqlRoutes(
  { server, hosts, gate }: GatewayServer,
  config: Pick<Config, 'http' | 'graphql' | 'oidc' | 'rateLimits' | 'subscriptions' | 'isProduction'>,
  { counters, signingKeys, log }: OpenServices,
  { contexts, operationServer, credentialWatcher, subscriptions }: Graphql,
  { buffers, rejections }: HttpCounts,
  demo: () => Promise<DemoSignIn | null>,
): Promise<RateLimiter> {
  const { http, graphql: settings, rateLimits, subscriptions: limits, isProduction } = config;
  const { corsOrigins, hasServerTiming, redirectsToHttps, trustedProxies } = http;
  const provider = providerSignInOf(config);
  const limiter = new RateLimiter(rateLimits, counters);
  addWebsockets(server, {
    operations: operationServer,
    subscriptions,
    contexts,
    credentialWatcher,
    limiter,
    trustedProxies,
    redirectsToHttps,
    hosts,
    corsOrigins,
    limits: { ...limits, pending: http.maxPendingSockets },
    gate,
    buffers,
    rejections,
    log,
  });
  addKeySetRoute(server, signingKeys.publicKeys);
  const { hasGraphiql, hasLandingPage } = settings;
  const hasMetrics = http.metricsPort === undefined && !isProduction;
  addGraphqlRoute(server, {
    operations: operationServer,
    contexts,
    limiter,
    rejections,
    maxBatchedOperations: settings.maxBatchedOperations,
    hasServerTiming,
    stream: createStreamHandler({ subscriptions, credentialWatcher, log }),
    landing: hasLandingPage
      ? addLandingRoutes(server, { hasGraphiql, hasMetrics, demo, provider, docs: await readDocs(docsDir) })
      : null,
  });
  addAccountRoute(server);
  if (hasGraphiql)
    addGraphiqlRoutes(server, {
      files: await readIdeFiles(ideDir),
      isSandboxAllowed: corsOrigins.includes(sandboxOrigin),
      demo,
      provider,
    });
  return limiter;
}

/** Serves `/metrics` on a separate port. @returns the port */
export async function openMetricsServer(
  { host, port }: { host: string; port: number },
  metrics: readonly Registry[],
  { counts: { requests, buffers, rejections }, log }: { counts: HttpCounts; log: Logger },
  opened: AsyncDisposableStack,
): Promise<number> {
  const server = createHttpServer({
    maxBodyBytes: 1024,
    trustedProxies: 0,
    corsOrigins: [],
    isCompressing: true,
    hosts: null,
    redirectsToHttps: false,
    hasGraphiql: false,
    connections: null,
    lingerSeconds: 0,
    requests,
    buffers,
    rejections,
    log,
  });
  addMetricsRoute(server, metrics);
  opened.defer(() => server.close());
  return listen(server, { host, port }, 'METRICS_PORT');
}

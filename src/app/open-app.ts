import 'reflect-metadata';
import { sql } from 'kysely';
import type { Config } from '../config/config.js';
import type { Database } from '../database/tables.js';
import { demoAccounts, findOpenDemoAccounts, hasAccounts, type DemoAccess } from '../domains/user/demo-accounts.js';
import { drainPlugin } from '../http/hooks/drain-connections.js';
import { listen, urlHost } from '../http/listen.js';
import { addHealthRoutes, modelsHealth, Readiness, type HealthCheck } from '../http/routes/health.js';
import { addMetricsRoute } from '../metrics/registry.js';
import type { Logger } from '../telemetry/logger.js';
import { createMetricsRegistries } from './metrics-registries.js';
import { openGraphql } from './open-graphql.js';
import { openProviderSignIn } from './open-identity.js';
import { addGraphqlRoutes, createGatewayServer, createHttpCounts, openMetricsServer } from './open-http.js';
import { openServices, type OpenServices, type StartOptions } from './services.js';

/** The running gateway. */
export interface App {
  /** URL of GraphQL. */
  url: string;
  /** URL of GraphiQL; null if it is disabled. */
  graphiqlUrl: string | null;
  /** URL of the metrics for Prometheus; null if they are not served. */
  metricsUrl: string | null;
  dataDir: string;
  /** Demo accounts and their published password; null if there are none. */
  demo: DemoLookup;
  /** Whether anyone can sign in. */
  hasAccounts: () => Promise<boolean>;
  /** Makes `/readyz` report unready, so that load balancers stop sending requests. Requests are still served. */
  drain(): void;
  /** Stops accepting requests, completes those in flight, flushes write queues and closes every part. */
  close(): Promise<void>;
}

const healthTimeoutMs = 1_000;

/**
 * Opens every part in order and listens. On an error it closes what was opened.
 * @throws OperatorError if a part cannot be opened
 */
export async function openApp(config: Config, log: Logger, options?: StartOptions): Promise<App> {
  const opened = new AsyncDisposableStack();
  try {
    // Closed last, so that the shutdown can be observed.
    const metricsServers = opened.use(new AsyncDisposableStack());
    const services = await openServices(config, log, opened, options);
    const counts = createHttpCounts(config, log);
    const gatewayServer = createGatewayServer(config, counts, log);
    const { server } = gatewayServer;
    const drain = drainPlugin(server, drainTimeoutMs(config.runtime));
    const graphql = await openGraphql(config, services, { rejections: counts.rejections, drain }, opened);
    const demo = config.database.hasDemoData ? demoLookup(services.db) : () => Promise.resolve(null);
    const limiter = await addGraphqlRoutes(gatewayServer, config, services, graphql, counts, demo);
    await openProviderSignIn(server, config, services, limiter);

    let isDraining = false;
    const readiness = new Readiness(healthCheck(services), () => isDraining);
    addHealthRoutes(server, readiness);
    const metrics = createMetricsRegistries({ services, graphql, counts, limiter, readiness });
    const { host, metricsPort } = config.http;
    if (metricsPort === undefined && !config.isProduction) addMetricsRoute(server, metrics);
    const openMetricsPort =
      metricsPort === undefined
        ? null
        : await openMetricsServer({ host, port: metricsPort }, metrics, { counts, log }, metricsServers);
    opened.defer(() => graphql.apollo.stop());
    const port = await listen(server, { host, port: config.http.port });

    const urlOf = (at: number, route: string): string => `http://${urlHost(host)}:${at}${route}`;
    return {
      url: urlOf(port, '/graphql'),
      graphiqlUrl: config.graphql.hasGraphiql ? urlOf(port, '/graphiql') : null,
      metricsUrl: openMetricsPort === null && config.isProduction ? null : urlOf(openMetricsPort ?? port, '/metrics'),
      dataDir: services.dataDir,
      demo,
      hasAccounts: () => hasAccounts(services.db),
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

type DemoLookup = () => Promise<DemoAccess | null>;

/** Looks up on the first call and caches the result: each comparison with the published password takes long. */
function demoLookup(db: Database): DemoLookup {
  let found: Promise<DemoAccess | null> | null = null;
  const look = async (): Promise<DemoAccess | null> => {
    const accounts = await findOpenDemoAccounts(db);
    return accounts.length > 0 ? { accounts, password: demoAccounts.password } : null;
  };
  return () =>
    (found ??= look().catch((error: unknown) => {
      found = null;
      throw error;
    }));
}

/** After the delay, half of the remaining shutdown time is for requests in flight, the rest for the write queues. */
const drainTimeoutMs = ({ shutdownSeconds, shutdownDelaySeconds }: Config['runtime']): number =>
  (shutdownSeconds - shutdownDelaySeconds) * 500;

function healthCheck({ db, predictionCache, predictor, exchangeRates }: OpenServices): HealthCheck {
  return async () => {
    const cache = predictionCache.health();
    return {
      database: { isRequired: true, isUp: await respondsInTime(db) },
      models: modelsHealth(predictor.models(), predictor.problems()),
      cache: { isRequired: false, isUp: cache.kind === 'memory' || cache.isUp, detail: cache.kind },
      ...(exchangeRates ? { exchangeRates: { isRequired: false, ...exchangeRates.health() } } : {}),
    };
  };
}

async function respondsInTime(db: Database): Promise<boolean> {
  const response = sql`select 1`.execute(db).then(
    () => true,
    () => false,
  );
  const timeout = new Promise<false>((resolve) => setTimeout(resolve, healthTimeoutMs, false).unref());
  return Promise.race([response, timeout]);
}

import type { ApolloServer, ApolloServerPlugin } from '@apollo/server';
import { CredentialWatcher } from '../auth/credential-watcher.js';
import type { ViewerSources } from '../auth/viewer.js';
import { openCache } from '../cache/cache.js';
import { VersionedCache } from '../cache/versioned-cache.js';
import type { Config } from '../config/config.js';
import { withDatabaseTimeout } from '../database/table-follower.js';
import { domains } from '../domains/index.js';
import { activeRoleOf, credentialEndReasons, findViewerByApiKey } from '../domains/user/user.queries.js';
import { QueryCache } from '../graphql/caching/query-cache.js';
import { ResponseCache } from '../graphql/caching/response-cache.js';
import { ContextFactory, type Context } from '../graphql/context/context.js';
import { httpStatus } from '../graphql/errors/http-status.js';
import { loadModules } from '../graphql/load-modules.js';
import type { LocalEntity, WriteQueue } from '../graphql/module.js';
import { LiveSchema } from '../graphql/schema/build-schema.js';
import { createApollo } from '../graphql/server/apollo-server.js';
import { OperationServer } from '../graphql/server/operation-server.js';
import { OperationExecutor } from '../graphql/execution/operation-executor.js';
import { PreparedExecution } from '../graphql/prepared-operations/prepared-execution.js';
import { PreparedOperations } from '../graphql/prepared-operations/prepared-operations.js';
import type { ModelCosts } from '../graphql/server/operation-size.js';
import { queryLimits } from '../graphql/server/query-limits.js';
import { afterResponse } from '../graphql/server/stages/after-response.js';
import { costReport } from '../graphql/server/stages/cost-report.js';
import { OperationLog } from '../graphql/server/stages/operation-log.js';
import { OperationStatistics } from '../graphql/server/stages/operation-statistics.js';
import { operationTrace } from '../graphql/server/stages/operation-trace.js';
import { readYourWritesStage } from '../graphql/server/stages/read-your-writes.js';
import type { Stage } from '../graphql/server/stages/stage.js';
import { SubscriptionServer } from '../graphql/subscriptions/subscription-server.js';
import { maxCompressedBytes } from '../http/hooks/compression.js';
import type { RedisConnection } from '../redis/connection.js';
import type { RejectionCounts } from '../telemetry/rejection-counts.js';
import { isTracing } from '../telemetry/tracing.js';
import { maxCacheBytes } from './open-inference.js';
import { openTokenVerifier } from './open-identity.js';
import type { OpenServices } from './services.js';

/** Executes operations, whatever their transport. */
export interface Graphql {
  apollo: ApolloServer<Context>;
  contexts: ContextFactory;
  responses: ResponseCache;
  /** Null if the query result cache is off. */
  queries: QueryCache | null;
  operations: OperationStatistics;
  operationServer: OperationServer;
  queues: readonly WriteQueue[];
  credentialWatcher: CredentialWatcher;
  subscriptions: SubscriptionServer;
}

type GraphqlConfig = Pick<
  Config,
  'documents' | 'graphql' | 'oidc' | 'queryCache' | 'queryLimits' | 'responseCache' | 'subscriptions'
>;

/** Loads the domains, builds the schema and starts Apollo Server. @param drain stops the HTTP server before Apollo Server */
export async function openGraphql(
  config: GraphqlConfig,
  services: OpenServices,
  { rejections, drain }: { rejections: RejectionCounts; drain: ApolloServerPlugin },
  opened: AsyncDisposableStack,
): Promise<Graphql> {
  const { db, reads, readYourWrites, documents, credentialChanges, settleMs, log } = services;
  const { resolvers, extensions, localEntities, queues } = await loadModules(domains, services, opened);
  const schema = new LiveSchema(domains, services.baseSchema, resolvers, extensions, log);
  opened.defer(() => schema.close());
  const cache = openVersionedCache(config, services.redis, opened);
  const responses = openResponseCache(config, { cache, localEntities, settleMs }, opened);
  const { isEnabled, ttlSeconds } = config.queryCache;
  const queries = cache && isEnabled ? new QueryCache({ cache, ttlSeconds }) : null;
  const operations = new OperationStatistics({
    isTrusted: (hash) => documents.trusted.byHash(hash) !== null,
    rejections,
  });
  const operationLog = new OperationLog(log);
  const { isIntrospectionOpen } = config.graphql;
  const limits = config.queryLimits;
  const models: ModelCosts = {
    outputElements: (model) => services.predictor.outputElements(model),
    rowMs: (model) => services.predictor.rowMs(model),
  };
  // In this order; see `Stage`.
  const stages: Stage[] = [
    queryLimits(limits, isIntrospectionOpen, models),
    operationLog,
    operations,
    ...(isTracing() ? [operationTrace] : []),
    httpStatus,
    responses,
    costReport(limits, models),
    afterResponse([responses]),
    ...(reads.hasReplicas ? [readYourWritesStage(readYourWrites)] : []),
  ];
  const executor = new OperationExecutor({ hidesSuggestions: !isIntrospectionOpen });
  const prepared = new PreparedOperations(schema);
  const apollo = createApollo({
    schema,
    limits,
    isIntrospectionOpen,
    stages,
    prepared,
    executor,
    stringify: responses.stringify,
    operations,
    log,
    drain,
  });
  await apollo.start();

  const credentialWatcher = new CredentialWatcher({
    endReasons: (viewers) => credentialEndReasons(db, viewers),
    changes: credentialChanges,
    log,
  });
  opened.defer(() => credentialWatcher.close());
  const contexts = createContextFactory(
    services,
    await openTokenVerifier(config, services),
    queries,
    credentialWatcher,
  );
  const subscriptions = new SubscriptionServer({
    schema,
    contexts,
    executor,
    limits,
    streams: config.subscriptions,
    isIntrospectionOpen,
    rejections,
    log,
  });
  const operationServer = new OperationServer({
    apollo,
    prepared,
    execution: new PreparedExecution({ stages, executor, log }),
    stringify: responses.stringify,
    documents: documents.resolver,
    operations,
    operationLog,
    limits,
  });
  return {
    apollo,
    contexts,
    responses,
    queries,
    operations,
    operationServer,
    queues,
    credentialWatcher,
    subscriptions,
  };
}

/** Longest wait for the database to check a session. */
const sessionCheckMs = 1_000;

const createContextFactory = (
  { db, orm, reads, readYourWrites, credentialChanges, audit, indexes, log }: OpenServices,
  verifyToken: ViewerSources['verifyToken'],
  queries: QueryCache | null,
  credentialWatcher: CredentialWatcher,
): ContextFactory =>
  new ContextFactory({
    orm,
    reads,
    queries,
    readYourWrites,
    audit,
    indexes,
    log,
    credentials: {
      verifyToken,
      findByApiKey: (secret) => findViewerByApiKey(db, log, secret),
    },
    sessionEndReason: (viewer) => {
      const known = credentialChanges.contradictionOf(viewer);
      if (known ? known.isFinal : credentialChanges.isComplete) return known?.reason ?? null;
      // A token that another replica has just issued may be newer than what is known here. Without the database nothing can be
      // revoked, and only cached responses and predictions are served.
      return withDatabaseTimeout(credentialWatcher.endReason(viewer), sessionCheckMs).catch(
        () => known?.reason ?? null,
      );
    },
    roleOf: (userId) => activeRoleOf(db, userId),
  });

/** The cache that responses and query results share, with versions by entity; null if both are off. */
function openVersionedCache(
  { responseCache, queryCache }: Pick<Config, 'responseCache' | 'queryCache'>,
  redis: RedisConnection | null,
  opened: AsyncDisposableStack,
): VersionedCache | null {
  const enabled = [responseCache, queryCache].filter(({ isEnabled }) => isEnabled);
  if (enabled.length === 0) return null;
  const maxEntries = enabled.reduce((sum, settings) => sum + settings.maxEntries, 0);
  // The compressed bodies of cached responses are part of the budget.
  const maxBytes = maxCacheBytes - maxCompressedBytes;
  const cache = openCache({ redis, namespace: 'response', maxEntries, maxBytes });
  opened.defer(() => cache.close());
  const versioned = new VersionedCache(cache);
  opened.defer(() => versioned.close());
  return versioned;
}

interface ResponseCacheParts {
  cache: VersionedCache | null;
  localEntities: readonly LocalEntity[];
  settleMs: number;
}

/** Opens the response cache; a change of an entity that each process holds for itself invalidates its responses. */
function openResponseCache(
  { responseCache, documents, graphql }: Pick<Config, 'responseCache' | 'documents' | 'graphql'>,
  { cache, localEntities, settleMs }: ResponseCacheParts,
  opened: AsyncDisposableStack,
): ResponseCache {
  // Otherwise only an ADMIN may introspect: such a response must not be shared.
  const isPublic = graphql.isIntrospectionOpen && documents.trusted !== 'enforce';
  const responses = new ResponseCache({
    cache,
    isEnabled: responseCache.isEnabled,
    introspection: { maxAge: 60, scope: isPublic ? 'PUBLIC' : 'PRIVATE' },
    localEntities: localEntities.map(({ type }) => type),
    settleMs,
  });
  for (const entity of localEntities) opened.defer(entity.onChange(() => void responses.invalidate([entity.type])));
  return responses;
}

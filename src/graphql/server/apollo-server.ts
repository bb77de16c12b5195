import { ApolloServer, type ApolloServerPlugin } from '@apollo/server';
import {
  ApolloServerPluginCacheControlDisabled,
  ApolloServerPluginLandingPageDisabled,
} from '@apollo/server/plugin/disabled';
import type { GatewayExecutor, GatewayInterface } from '@apollo/server-gateway-interface';
import type { GraphQLSchema } from 'graphql';
import type { Logger } from '../../telemetry/logger.js';
import { isTracing } from '../../telemetry/tracing.js';
import type { Context } from '../context/context.js';
import { createErrorFormatter } from '../errors/format-error.js';
import type { OperationExecutor } from '../execution/operation-executor.js';
import type { OperationStatistics } from './stages/operation-statistics.js';
import type { PreparedOperations } from '../prepared-operations/prepared-operations.js';
import { preparationTrace } from './stages/operation-trace.js';
import { stagesPlugin, type Stage } from './stages/stage.js';
import type { QueryLimits } from './query-limits.js';
import { validationOptions, validationRule } from './validation.js';
import type { ResponseCache } from '../caching/response-cache.js';
import type { SchemaSource } from '../schema/build-schema.js';

export interface ApolloOptions {
  schema: SchemaSource;
  limits: QueryLimits;
  isIntrospectionOpen: boolean;
  stages: readonly Stage[];
  /** Remembers valid operations. */
  prepared: PreparedOperations;
  executor: OperationExecutor;
  /** Serializes a result for HTTP. */
  stringify: ResponseCache['stringify'];
  operations: OperationStatistics;
  log: Logger;
  /** Drains the HTTP server before Apollo stops. */
  drain: ApolloServerPlugin;
}

/**
 * Headers that a page of another site cannot send without a preflight, so that a request with one of them is no cross-site request
 * forgery. `accept` is not one of them: pages may set it.
 */
export const preflightHeaders = [
  'authorization',
  'x-api-key',
  'apollo-require-preflight',
  'x-apollo-operation-name',
] as const;

/** Creates Apollo Server with the gateway's limits and stages. */
export function createApollo({
  schema,
  limits,
  isIntrospectionOpen,
  stages,
  prepared,
  executor,
  stringify,
  operations,
  log,
  drain,
}: ApolloOptions): ApolloServer<Context> {
  const hidesSuggestions = !isIntrospectionOpen;
  return new ApolloServer<Context>({
    gateway: schemaGateway(schema, executorOf(executor)),
    parseOptions: { maxLexicalTokens: limits.tokens },
    csrfPrevention: { requestHeaders: [...preflightHeaders] },
    // `queryLimits` decides about introspection, by viewer: Apollo Server's rule is part of the validation, which is cached.
    introspection: true,
    validationRules: [validationRule({ limits, hidesSuggestions })],
    validationOptions: validationOptions(hidesSuggestions),
    includeStacktraceInErrorResponses: false,
    persistedQueries: false,
    stopOnTerminationSignals: false,
    formatError: createErrorFormatter(log),
    logger: log,
    stringifyResult: stringify,
    plugins: [
      drain,
      prepared.plugin,
      stagesPlugin(stages),
      operations.invalidRequests,
      ...(isTracing() ? [preparationTrace] : []),
      // It visits every field of each response, which triples the time of a page; cache policies are computed per document instead.
      ApolloServerPluginCacheControlDisabled(),
      ApolloServerPluginLandingPageDisabled(),
    ],
  });
}

/**
 * Serves a schema that may change while the gateway runs. Apollo's `gateway` option is its interface for that: each operation
 * is executed on the schema that it was validated with.
 */
function schemaGateway(source: SchemaSource, executor: GatewayExecutor): GatewayInterface {
  return {
    onSchemaLoadOrUpdate(callback) {
      const update = (schema: GraphQLSchema): void => callback({ apiSchema: schema, coreSupergraphSdl: '' });
      update(source.current);
      return source.onChange(update);
    },
    load: () => Promise.resolve({ executor }),
    stop: () => Promise.resolve(),
  };
}

function executorOf(executor: OperationExecutor): GatewayExecutor {
  // The requested name: Apollo Server's own `operationName` is null if the document has no operation of that name.
  return ({ schema, document, context, request: { operationName, variables } }) =>
    executor.execute({ schema, document, operationName, contextValue: context, variableValues: variables });
}

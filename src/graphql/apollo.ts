import { ApolloServer, type ApolloServerPlugin } from '@apollo/server';
import { ApolloServerPluginCacheControlDisabled, ApolloServerPluginLandingPageDisabled } from '@apollo/server/plugin/disabled';
import { ApolloServerPluginLandingPageLocalDefault } from '@apollo/server/plugin/landingPage/default';
import type { QueryLimits } from '../config.js';
import type { Logger } from '../shared/logger.js';
import type { Context } from './context.js';
import { createExecutor, type ExecutorKind } from './executor.js';
import { createErrorFormatter } from './format-error.js';
import { httpStatus } from './http-status.js';
import { operationLog } from './operation-log.js';
import type { OperationStatistics } from './operation-statistics.js';
import { queryLimits } from './query-limits.js';
import type { ResponseCache } from './response-cache.js';
import type { SchemaSource } from './schema.js';

export interface ApolloOptions {
  schema: SchemaSource;
  executor: ExecutorKind;
  limits: QueryLimits;
  isIntrospectionOpen: boolean;
  responses: ResponseCache;
  operations: OperationStatistics;
  hasLandingPage: boolean;
  log: Logger;
  /** Drains the HTTP server before Apollo stops. */
  drain: ApolloServerPlugin;
}

/** Apollo Server with the gateway's own executor and limits. Its plugins are few: each hook costs every request. */
export function createApollo({ schema, executor, limits, isIntrospectionOpen, responses, operations, hasLandingPage, log, drain }: ApolloOptions): ApolloServer<Context> {
  return new ApolloServer<Context>({
    gateway: createExecutor(schema, executor),
    parseOptions: { maxLexicalTokens: limits.tokens },
    introspection: isIntrospectionOpen,
    hideSchemaDetailsFromClientErrors: !isIntrospectionOpen,
    maxRecursiveSelections: true,
    includeStacktraceInErrorResponses: false,
    persistedQueries: false,
    stopOnTerminationSignals: false,
    formatError: createErrorFormatter({ log, hidesSuggestions: !isIntrospectionOpen }),
    logger: log,
    stringifyResult: responses.stringify,
    plugins: [
      drain,
      queryLimits(limits),
      operationLog,
      operations.plugin(),
      httpStatus,
      responses.plugin(),
      // Its own walk through each answer would triple the time of a page; the policies are worked out beforehand instead.
      ApolloServerPluginCacheControlDisabled(),
      hasLandingPage ? ApolloServerPluginLandingPageLocalDefault({ embed: true, includeCookies: false }) : ApolloServerPluginLandingPageDisabled(),
    ],
  });
}

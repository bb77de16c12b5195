import { randomUUID } from 'node:crypto';
import { unwrapResolverError } from '@apollo/server/errors';
import { GraphQLError, type GraphQLFormattedError } from 'graphql';
import { AppError } from '../shared/errors.js';
import type { Logger } from '../shared/logger.js';

/** The codes of what Apollo Server itself refuses: the caller's mistakes, which are told as they are. */
const clientErrors = new Set([
  'GRAPHQL_PARSE_FAILED',
  'GRAPHQL_VALIDATION_FAILED',
  'BAD_USER_INPUT',
  'BAD_REQUEST',
  'OPERATION_RESOLUTION_FAILURE',
  'PERSISTED_QUERY_NOT_FOUND',
  'PERSISTED_QUERY_NOT_SUPPORTED',
  'QUERY_TOO_LARGE',
]);

/** Lets the errors meant for callers pass; any other is logged whole under an id, and only the id is told. */
export function createErrorFormatter(log: Logger): (formatted: GraphQLFormattedError, error: unknown) => GraphQLFormattedError {
  return (formatted, error) => {
    const cause = unwrapResolverError(error);
    const { locations, path } = formatted;
    const at = { ...(locations ? { locations } : {}), ...(path ? { path } : {}) };
    if (cause instanceof AppError) return { message: cause.message, ...at, extensions: { ...cause.extensions } };
    const code = formatted.extensions?.code;
    if (cause instanceof GraphQLError && typeof code === 'string' && clientErrors.has(code)) {
      return { message: formatted.message, ...at, extensions: { ...cause.extensions, code } };
    }
    const errorId = randomUUID();
    log.error({ errorId, err: cause, path }, 'unexpected error');
    return { message: `Internal error. Quote the id ${errorId} when you report it.`, ...at, extensions: { code: 'INTERNAL_SERVER_ERROR', errorId } };
  };
}

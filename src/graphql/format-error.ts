import { randomUUID } from 'node:crypto';
import { unwrapResolverError } from '@apollo/server/errors';
import { GraphQLError, isValueNode, type GraphQLFormattedError } from 'graphql';
import { AppError } from '../shared/errors.js';
import type { Logger } from '../shared/logger.js';
import { appErrorOf } from './app-error.js';
import { sizeRefusal } from './query-limits.js';

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

export interface ErrorOptions {
  log: Logger;
  /** Drops graphql-js's guesses at what was meant, which give away names of a schema that is not to be read. */
  hidesSuggestions: boolean;
}

/** Lets the errors meant for callers pass; any other is logged whole under an id, and only the id is told. */
export function createErrorFormatter({ log, hidesSuggestions }: ErrorOptions): (formatted: GraphQLFormattedError, error: unknown) => GraphQLFormattedError {
  return (formatted, error) => {
    const thrown = unwrapResolverError(error);
    const cause = appErrorOf(thrown) ?? thrown;
    const { locations, path } = formatted;
    const at = { ...(locations ? { locations } : {}), ...(path ? { path } : {}) };
    if (cause instanceof AppError) return { message: cause.message, ...at, extensions: { ...cause.extensions } };
    const refusal = cause instanceof GraphQLError ? sizeRefusal(cause) : null;
    if (refusal !== null) return { message: refusal, ...at, extensions: { code: 'QUERY_TOO_LARGE' } };
    const code = cause instanceof GraphQLError ? clientCode(cause) : undefined;
    if (cause instanceof GraphQLError && code !== undefined) {
      const message = hidesSuggestions ? formatted.message.replace(/ ?Did you mean .+\?$/s, '') : formatted.message;
      return { message, ...at, extensions: { ...formatted.extensions, code } };
    }
    const errorId = randomUUID();
    log.error({ errorId, err: cause, path }, 'unexpected error');
    return { message: `Internal error. Quote the id ${errorId} when you report it.`, ...at, extensions: { code: 'INTERNAL_SERVER_ERROR', errorId } };
  };
}

/** The code of an error that is the caller's own; undefined for any other. */
function clientCode(error: GraphQLError): string | undefined {
  const { code } = error.extensions;
  if (typeof code === 'string' && clientErrors.has(code)) return code;
  // graphql-js finds out during execution that a variable gave null where none is taken, and has no code for it.
  const [node] = error.nodes ?? [];
  return code === undefined && node && isValueNode(node) ? 'BAD_USER_INPUT' : undefined;
}

import { randomUUID } from 'node:crypto';
import { unwrapResolverError } from '@apollo/server/errors';
import { GraphQLError, isValueNode, Kind, type GraphQLFormattedError } from 'graphql';
import { AppError } from '../../errors/app-error.js';
import { isCallerError, isErrorCode, type ErrorCode } from '../../errors/codes.js';
import { maxMessageLength, shortened } from '../../errors/input-validation.js';
import type { Logger } from '../../telemetry/logger.js';
import { toAppError } from './to-app-error.js';

/** Maximum locations of an error. Fields that conflict have one for each of their repetitions. */
const maxLocations = 10;

/**
 * Passes errors for callers through, in bounded size; logs any other error under an id and returns only the id. The errors of
 * graphql-js repeat names and numbers of the caller; the text of strings is removed, which may be a password in the wrong place.
 */
export function createErrorFormatter(
  log: Logger,
): (formatted: GraphQLFormattedError, error: unknown) => GraphQLFormattedError {
  return (formatted, error) => {
    const thrown = unwrapResolverError(error);
    const cause = toAppError(thrown) ?? thrown;
    const { locations, path } = formatted;
    const position = {
      ...(locations ? { locations: locations.slice(0, maxLocations) } : {}),
      ...(path ? { path } : {}),
    };
    if (cause instanceof AppError)
      return { message: shortened(cause.message, maxMessageLength), ...position, extensions: { ...cause.extensions } };
    const code = cause instanceof GraphQLError ? callerErrorCode(cause) : undefined;
    if (cause instanceof GraphQLError && code !== undefined) {
      const message = shortened(messageFor(cause, code), maxMessageLength);
      return { message, ...position, extensions: { ...formatted.extensions, code } };
    }
    const errorId = randomUUID();
    log.error({ errorId, err: cause, path }, 'unexpected error');
    const message = `Internal error. Quote the id ${errorId} when you report it.`;
    return {
      message,
      ...position,
      extensions: { errorId, code: 'INTERNAL_SERVER_ERROR' satisfies ErrorCode },
    };
  };
}

/** Formats errors as Apollo Server does with `createErrorFormatter`, for what is executed without it. */
export function createStandaloneFormatter(log: Logger): (error: unknown) => GraphQLFormattedError {
  const format = createErrorFormatter(log);
  return (error) => {
    const known =
      error instanceof GraphQLError ? error : new GraphQLError(error instanceof Error ? error.message : String(error));
    const { extensions, ...formatted } = known.toJSON();
    // `http` is Apollo Server's, for the status of its response.
    const visible = Object.entries(extensions ?? {}).filter(([name]) => name !== 'http');
    return format({ ...formatted, extensions: Object.fromEntries(visible) }, error);
  };
}

/** The code if graphql-js, Apollo Server or a limit of documents reports an error of the caller; otherwise undefined. */
export function callerErrorCode(error: GraphQLError): ErrorCode | undefined {
  if (isTooLarge(error)) return 'QUERY_TOO_LARGE';
  const { code } = error.extensions;
  if (isErrorCode(code) && isCallerError(code)) return code;
  // graphql-js reports an invalid variable, and during execution a null one in a non-null position, without a code.
  const [node] = error.nodes ?? [];
  const isInput = node !== undefined && (isValueNode(node) || node.kind === Kind.VARIABLE_DEFINITION);
  return code === undefined && isInput ? 'BAD_USER_INPUT' : undefined;
}

/** Apollo Server replaces the code of each validation error, and graphql-js marks its own limits only by their messages. */
const isTooLarge = ({ message, extensions, originalError }: GraphQLError): boolean =>
  (originalError instanceof GraphQLError && originalError.extensions.code === 'QUERY_TOO_LARGE') ||
  extensions.code === 'QUERY_TOO_LARGE' ||
  message === abortedMessage ||
  message.startsWith(tooManyTokens);

const abortedMessage = 'Validation aborted.';
const tooManyTokens = 'Syntax Error: Document contains more tha';

/** The message for the caller, without the text of string literals. */
function messageFor({ message, nodes }: GraphQLError, code: ErrorCode): string {
  if (message === abortedMessage) return 'The document repeats its fields or fragments too often; select each once.';
  if (message.startsWith(tooManyTokens)) return tokensMessage(message);
  const [node] = nodes ?? [];
  // `Syntax Error: Unexpected String "..."`, or `found BlockString "..."`.
  if (code === 'GRAPHQL_PARSE_FAILED') return upTo(message, 'String "', 'String');
  if (node && isValueNode(node)) return upTo(message, ' has invalid value ', ' has an invalid value');
  return message;
}

/** The message up to a mark, which `end` replaces; unchanged if the mark is absent. */
function upTo(message: string, mark: string, end: string): string {
  const at = message.indexOf(mark);
  return at === -1 ? message : `${message.slice(0, at)}${end}.`;
}

/** `Document contains more that 2000 tokens. Parsing aborted.` */
function tokensMessage(message: string): string {
  const limit = Number.parseInt(message.slice(`${tooManyTokens}t `.length), 10);
  return `The document has more than ${limit} tokens; split it. The limit is MAX_QUERY_TOKENS.`;
}

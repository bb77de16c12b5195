import { GraphQLError } from 'graphql';
import { AppError } from '../../errors/app-error.js';
import type { ErrorCode } from '../../errors/codes.js';
import { callerErrorCode } from './format-error.js';
import { toAppError } from './to-app-error.js';

/** Maximum errors of a response. */
export const maxErrors = 10;

/** Stands for the errors that a response omits. Its code is that of the first of them. */
class OmittedErrors extends AppError {
  constructor(code: ErrorCode, count: number) {
    super(code, `${count} more errors were omitted.`, { omittedErrors: count });
  }
}

/**
 * The first errors; if there are too many, the last one counts the others.
 * @param omitted the number of further errors, which were counted and not created
 */
export function limitErrors(errors: readonly GraphQLError[], omitted = 0): readonly GraphQLError[] {
  const count = errors.length + omitted;
  if (count <= maxErrors) return errors;
  const reported = errors.slice(0, maxErrors - 1);
  const [first] = errors.slice(reported.length);
  const originalError = new OmittedErrors(codeOf(first), count - reported.length);
  return [...reported, new GraphQLError(originalError.message, { originalError, path: first?.path ?? [] })];
}

const codeOf = (error: GraphQLError | undefined): ErrorCode =>
  toAppError(error?.originalError)?.code ?? (error && callerErrorCode(error)) ?? 'INTERNAL_SERVER_ERROR';

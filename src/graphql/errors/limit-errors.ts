import { GraphQLError, type ExecutionResult } from 'graphql';
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

/** The first errors; if there are too many, the last one counts the others. */
export function limitErrors(errors: readonly GraphQLError[]): readonly GraphQLError[] {
  if (errors.length <= maxErrors) return errors;
  const reported = errors.slice(0, maxErrors - 1);
  const [first] = errors.slice(reported.length);
  const originalError = new OmittedErrors(codeOf(first), errors.length - reported.length);
  return [...reported, new GraphQLError(originalError.message, { originalError, path: first?.path ?? [] })];
}

const codeOf = (error: GraphQLError | undefined): ErrorCode =>
  toAppError(error?.originalError)?.code ?? (error && callerErrorCode(error)) ?? 'INTERNAL_SERVER_ERROR';

/** The result with at most `maxErrors` errors. */
export const withLimitedErrors = (result: ExecutionResult): ExecutionResult =>
  result.errors ? { ...result, errors: limitErrors(result.errors) } : result;

import { databaseErrorKind, isOutcomeUnknown } from '../../database/database-errors.js';
import { AppError, Conflict, ServiceUnavailable, TimedOut } from '../../errors/app-error.js';
import { systemErrorCode } from '../../errors/system-error-code.js';

/** Returns an `AppError` unchanged, translates database errors that callers can act on, and returns null for any other error. */
export function toAppError(error: unknown): AppError | null {
  if (error instanceof AppError) return error;
  if (isConcurrentUpdate(error)) return new Conflict('Concurrent update detected; read again and retry.');
  const kind = databaseErrorKind(error);
  if (kind === null) return null;
  if (isOutcomeUnknown(error)) return new ServiceUnavailable(outcomeUnknown, retryAfterSeconds, { outcome: 'UNKNOWN' });
  return kind === 'timed-out'
    ? new TimedOut('The database did not respond in time; request less, or retry later.')
    : new ServiceUnavailable(`The database is ${kind}; retry in ${retryAfterSeconds} s.`, retryAfterSeconds);
}

/** PostgreSQL's serialization_failure and deadlock_detected. */
const isConcurrentUpdate = (error: unknown): boolean => ['40001', '40P01'].includes(systemErrorCode(error) ?? '');

const retryAfterSeconds = 1;

const outcomeUnknown =
  'The database connection was lost during the change, which may or may not have been made; read the data before you retry.';

import { databaseFault, isOutcomeUnknown } from '../database/faults.js';
import { codeOf } from '../shared/error-code.js';
import { AppError, Conflict, ServiceUnavailable, TimedOut } from '../shared/errors.js';

/** What a caller is told of an error: the error itself where it is meant for callers, and of the database's faults what to do; null for any other. */
export function appErrorOf(error: unknown): AppError | null {
  if (error instanceof AppError) return error;
  if (isCollision(error)) return new Conflict('Someone else was changing the same at the same time; repeat the change.');
  const fault = databaseFault(error);
  if (fault === null) return null;
  if (isOutcomeUnknown(error)) return new ServiceUnavailable(lostWhileWriting, retryAfterSeconds, { outcome: 'UNKNOWN' });
  return fault === 'late' ? new TimedOut(late) : new ServiceUnavailable(fault === 'busy' ? busy : away, retryAfterSeconds);
}

/** Whether PostgreSQL gave up one of two transactions that stood in each other's way (serialization_failure, deadlock_detected). */
const isCollision = (error: unknown): boolean => ['40001', '40P01'].includes(codeOf(error) ?? '');

const retryAfterSeconds = 1;

const away = `The database cannot be reached at the moment; try again in ${retryAfterSeconds} s.`;
const busy = `The database is busy; try again in ${retryAfterSeconds} s.`;
const late = 'The database took too long, and what it was asked for was given up; ask for less, or try again later.';
const lostWhileWriting = 'The connection to the database was lost while the change was being written, so that it may have been made or not; read what is there before you repeat it.';

/** One faulty field of a refused input. */
export interface FieldProblem {
  /** The field's name as the caller wrote it. */
  field: string;
  /** What is wrong and what would be right. */
  message: string;
  /** Position of the row in a list of inputs, counted from 0; absent where the input is a single object. */
  row?: number;
}

/**
 * An error meant for the caller: a stable code, a message that says what to do, and nothing secret.
 * Any other error is a bug or an outage; it is masked before it leaves the process.
 */
export abstract class AppError extends Error {
  /** GraphQL copies `extensions` into its answer: the code and whatever helps the caller go on. */
  readonly extensions: Readonly<Record<string, unknown>>;

  protected constructor(
    readonly code: string,
    /** The HTTP status where this error is all there is to answer. */
    readonly httpStatus: number,
    message: string,
    details: Record<string, unknown> = {},
  ) {
    super(message);
    this.name = new.target.name;
    this.extensions = { code, ...details };
  }
}

/** The caller's input is wrong; `fields` names every faulty field, not only the first. */
export class BadUserInput extends AppError {
  constructor(
    message: string,
    readonly fields: readonly FieldProblem[] = [],
  ) {
    super('BAD_USER_INPUT', 200, message, fields.length > 0 ? { fields } : {});
  }

  /** Builds the message from the fields. */
  static ofFields(fields: readonly FieldProblem[]): BadUserInput {
    const told = fields.slice(0, 3).map(({ row, field, message }) => `${row === undefined ? '' : `row ${row}: `}${field} ${message}`);
    const rest = fields.length > told.length ? `; and ${fields.length - told.length} more` : '';
    return new BadUserInput(`Invalid input: ${told.join('; ')}${rest}.`, fields);
  }
}

/** The request is not one that GraphQL over HTTP knows. */
export class BadRequest extends AppError {
  constructor(message: string) {
    super('BAD_REQUEST', 400, message);
  }
}

/** Nobody is signed in, or the credential is no longer good. */
export class Unauthenticated extends AppError {
  constructor(message = 'Sign in first: send "Authorization: Bearer <accessToken>" or "x-api-key".') {
    super('UNAUTHENTICATED', 401, message);
  }
}

/** The caller is known and may not do this. */
export class Forbidden extends AppError {
  constructor(message = 'You may not do this.') {
    super('FORBIDDEN', 200, message);
  }
}

/** The thing to be changed does not exist. */
export class NotFound extends AppError {
  constructor(kind: string, id: string) {
    super('NOT_FOUND', 200, `There is no ${kind} ${id}.`);
  }
}

/** The state of the data forbids the change; `details` says which state. */
export class Conflict extends AppError {
  constructor(message: string, details: Record<string, unknown> = {}) {
    super('CONFLICT', 200, message, details);
  }
}

/** Too many attempts; the caller may try again after `retryAfterSeconds`. */
export class TooManyAttempts extends AppError {
  constructor(
    message: string,
    readonly retryAfterSeconds: number,
  ) {
    super('TOO_MANY_REQUESTS', 429, message, { retryAfterSeconds });
  }
}

/** Something this request needs is not there right now; `details` says more of it. */
export class ServiceUnavailable extends AppError {
  constructor(
    message: string,
    readonly retryAfterSeconds = 1,
    details: Record<string, unknown> = {},
  ) {
    super('SERVICE_UNAVAILABLE', 503, message, { retryAfterSeconds, ...details });
  }
}

/** Too much is being asked for at once; the caller may try again after `retryAfterSeconds`. */
export class Overloaded extends AppError {
  constructor(
    message: string,
    readonly retryAfterSeconds = 1,
  ) {
    super('OVERLOADED', 503, `${message} Try again in ${retryAfterSeconds} s.`, { retryAfterSeconds });
  }
}

/** A subscriber has read so slowly that too many events wait; some are lost to it, and its stream has ended. */
export class SlowReader extends AppError {
  constructor(maxWaiting: number) {
    super('SLOW_READER', 503, `More than ${maxWaiting} events waited to be read, so that the stream was ended; read anew what you follow, and subscribe again.`);
  }
}

/** The answer did not come in time; `afterMs` says how long was waited, where that is known. */
export class TimedOut extends AppError {
  constructor(message: string, afterMs?: number) {
    super('TIMEOUT', 504, message, afterMs === undefined ? {} : { afterMs });
  }
}

/** The errors of a start whose message says all that the reader needs: what is wrong and what to do. */
const explainedErrors = new Set(['ConfigError', 'DatabaseUnreachable', 'MigrationBlocked', 'EmbeddedPostgresError', 'ModelStoreError', 'DocumentFilesError', 'SchemaUnreadable']);

/** What to print where a process cannot go on: the message of an error that explains itself, the stack of any other. */
export function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return explainedErrors.has(error.name) ? error.message : (error.stack ?? error.message);
}

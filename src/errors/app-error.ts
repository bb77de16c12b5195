import { errorCodes, type ErrorCode } from './codes.js';

/** An invalid field of an input. */
export interface FieldProblem {
  /** The field's name as the caller sent it. */
  field: string;
  /** What is wrong and what is allowed. */
  message: string;
  /** Index of the row in a list of inputs, from 0; absent if the input is a single object. */
  row?: number;
}

/**
 * An error for the caller: a stable code and a message that says what to do, without secrets.
 * Any other error is a bug or an outage and is masked before it leaves the process.
 */
export abstract class AppError extends Error {
  /** The HTTP status if the response holds this error and no data. */
  readonly httpStatus: number;
  /** Copied into the GraphQL error: the code and further fields for clients. */
  readonly extensions: Readonly<Record<string, unknown>>;

  protected constructor(
    readonly code: ErrorCode,
    message: string,
    details: Record<string, unknown> = {},
  ) {
    const { stackTraceLimit } = Error;
    const { httpStatus } = errorCodes[code];
    // The stack of an error of the caller is never read, and a page may have one for each row: capturing it costs more than the row.
    if (httpStatus < 500) Error.stackTraceLimit = 0;
    super(message);
    Error.stackTraceLimit = stackTraceLimit;
    this.name = new.target.name;
    this.httpStatus = httpStatus;
    this.extensions = { code, ...details };
  }
}

/** The input is invalid; `fields` lists every invalid field. */
export class BadUserInput extends AppError {
  constructor(
    message: string,
    readonly fields: readonly FieldProblem[] = [],
    /** A sentence after the fields in the message. */
    readonly note: string | null = null,
  ) {
    super('BAD_USER_INPUT', message, fields.length > 0 ? { fields } : {});
  }

  /** Creates the message from the first fields. */
  static ofFields(fields: readonly FieldProblem[], note: string | null = null): BadUserInput {
    const listed = fields
      .slice(0, 3)
      .map(({ row, field, message }) => `${row === undefined ? '' : `row ${row}: `}${field} ${message}`);
    const rest = fields.length > listed.length ? `; and ${fields.length - listed.length} more` : '';
    return new BadUserInput(
      `Invalid input: ${listed.join('; ')}${rest}.${note === null ? '' : ` ${note}`}`,
      fields,
      note,
    );
  }
}

/** The request does not follow GraphQL over HTTP. */
export class BadRequest extends AppError {
  constructor(message: string) {
    super('BAD_REQUEST', message);
  }
}

/** The caller is anonymous, or the credential is invalid. */
export class Unauthenticated extends AppError {
  constructor(message = 'Sign in first: send "Authorization: Bearer <accessToken>" or "x-api-key".') {
    super('UNAUTHENTICATED', message);
  }
}

/** The caller is authenticated but not authorized. */
export class Forbidden extends AppError {
  constructor(message = 'Not authorized.') {
    super('FORBIDDEN', message);
  }
}

/** The session must prove the password again. */
export class ReauthenticationRequired extends AppError {
  constructor() {
    super(
      'REAUTHENTICATION_REQUIRED',
      'Prove your password, or a code if you use MFA, with the mutation reauthenticate, then repeat this.',
    );
  }
}

/** The password is right, and a code must follow. */
export class MfaRequired extends AppError {
  constructor({ challenge, expiresAt }: { challenge: string; expiresAt: Date }) {
    super('MFA_REQUIRED', 'Enter the code of your authenticator app, or a recovery code.', {
      challenge,
      challengeExpiresAt: expiresAt,
    });
  }
}

/** The password is right, but the role requires MFA, which the account has not set up. */
export class MfaSetupRequired extends AppError {
  constructor({ challenge, expiresAt }: { challenge: string; expiresAt: Date }) {
    super(
      'MFA_SETUP_REQUIRED',
      'Your role requires MFA. Set it up with beginMfaSetup and confirmMfaSetup to sign in.',
      {
        challenge,
        challengeExpiresAt: expiresAt,
      },
    );
  }
}

/** The object to change does not exist. */
export class NotFound extends AppError {
  constructor(kind: string, id: string) {
    super('NOT_FOUND', `There is no ${kind} ${id}.`);
  }
}

/** The state of the data does not allow the change; `details` describe the state. */
export class Conflict extends AppError {
  constructor(message: string, details: Record<string, unknown> = {}) {
    super('CONFLICT', message, details);
  }
}

/** A limit of attempts or requests was reached; the caller may retry after `retryAfterSeconds`. */
export class TooManyAttempts extends AppError {
  constructor(
    message: string,
    readonly retryAfterSeconds: number,
  ) {
    super('TOO_MANY_REQUESTS', message, { retryAfterSeconds });
  }
}

/** A dependency of the request is unavailable. */
export class ServiceUnavailable extends AppError {
  constructor(
    message: string,
    readonly retryAfterSeconds = 1,
    details: Record<string, unknown> = {},
  ) {
    super('SERVICE_UNAVAILABLE', message, { retryAfterSeconds, ...details });
  }
}

/** The rows of a field are larger than the gateway reads. */
export class ResultTooLarge extends AppError {
  constructor(maxBytes: number) {
    super(
      'QUERY_TOO_LARGE',
      `The rows of this field are larger than ${maxBytes} bytes; request fewer rows or fields.`,
      {
        limit: 'result bytes',
        maximum: maxBytes,
      },
    );
  }
}

/** Too much concurrent work; the caller may retry after `retryAfterSeconds`. */
export class Overloaded extends AppError {
  constructor(
    message: string,
    readonly retryAfterSeconds = 1,
  ) {
    super('OVERLOADED', `${message} Try again in ${retryAfterSeconds} s.`, { retryAfterSeconds });
  }
}

/** The event backlog of a subscription overflowed; its stream has ended and events were lost. */
export class SlowConsumer extends AppError {
  constructor(maxBuffered: number) {
    super('SLOW_CONSUMER', `Event backlog overflowed (${maxBuffered} events); refetch and resubscribe.`);
  }
}

/** The caller disconnected before the response, so nobody receives this error. */
export class RequestCancelled extends AppError {
  constructor() {
    super('REQUEST_CANCELLED', 'The caller disconnected before the response.');
  }
}

/** No response in time; `afterMs` is the timeout, if known. */
export class TimedOut extends AppError {
  constructor(message: string, afterMs?: number) {
    super('TIMEOUT', message, afterMs === undefined ? {} : { afterMs });
  }
}

/** A field that a model computes has no value; the object and its other fields are unaffected. */
export class PredictionUnavailable extends AppError {
  /** @param reason why the model returned nothing for the object */
  constructor(model: string, reason: AppError) {
    super('PREDICTION_UNAVAILABLE', `The model ${model} has no prediction for this object: ${reason.message}`, {
      model,
      reason: reason.code,
    });
  }
}

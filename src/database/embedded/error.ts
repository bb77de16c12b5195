/** Why the embedded PostgreSQL cannot serve. */
export type EmbeddedPostgresErrorCode =
  | 'PLATFORM_NOT_SHIPPED'
  | 'NO_SERVER_USER'
  | 'DATA_DIR_UNUSABLE'
  | 'DATA_INCOMPLETE'
  | 'INITDB_FAILED'
  | 'SERVER_FAILED'
  | 'START_TIMED_OUT';

/** Stops the gateway's start; the message names the next step, for it is all the operator sees. */
export class EmbeddedPostgresError extends Error {
  readonly code: EmbeddedPostgresErrorCode;

  constructor(code: EmbeddedPostgresErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'EmbeddedPostgresError';
    this.code = code;
  }
}

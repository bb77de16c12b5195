/** Why the embedded PostgreSQL cannot start. */
export type EmbeddedPostgresErrorCode =
  | 'PLATFORM_NOT_SHIPPED'
  | 'NO_SERVER_USER'
  | 'DATA_DIR_UNUSABLE'
  | 'DATA_INCOMPLETE'
  | 'INITDB_FAILED'
  | 'SERVER_FAILED'
  | 'START_TIMED_OUT';

/** The embedded PostgreSQL cannot start. The message names the remedy. */
export class EmbeddedPostgresError extends Error {
  readonly code: EmbeddedPostgresErrorCode;

  constructor(code: EmbeddedPostgresErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'EmbeddedPostgresError';
    this.code = code;
  }
}

/** The system's error code, such as `ENOENT`, or PostgreSQL's SQLSTATE. */
export function systemErrorCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

import { OperatorError } from '../../errors/operator-error.js';
import { systemErrorCode } from '../../errors/system-error-code.js';
import { databaseErrorKind } from '../database-errors.js';
import type { DatabaseAddress } from '../database-address.js';

/** Migrations could not run because of what others do. What came before the one that waits has run. */
export class MigrationBlocked extends OperatorError {
  constructor(message: string, cause?: unknown) {
    super(message, { cause });
  }
}

/** The database or the role does not allow the migrations, or the tables. */
export class MigrationRejected extends OperatorError {
  constructor(message: string, cause?: unknown) {
    super(message, { cause });
  }
}

/** PostgreSQL's duplicate_table, duplicate_object, duplicate_column. */
const duplicateCodes = new Set(['42P07', '42710', '42701']);

/** Describes a failed migration if its cause is known. @returns the error itself otherwise */
export function migrationError(error: unknown, migration: string, { database, user }: DatabaseAddress): unknown {
  if (error instanceof OperatorError) return error;
  const code = systemErrorCode(error) ?? '';
  const because = `The migration ${migration} of the database ${database} failed (${firstLine(error)})`;
  if (code === '42501')
    return new MigrationRejected(
      `${because}: the role ${user} lacks a privilege; run "npm run migrate" with DATABASE_URL of the role that owns the tables.`,
      error,
    );
  if (duplicateCodes.has(code))
    return new MigrationRejected(
      `${because}: the schema has types or functions of other programs with these names; name a schema for Auspex alone in DATABASE_SCHEMA.`,
      error,
    );
  if (code === '25006')
    return new MigrationRejected(`${because}: the server is read-only; name the primary in DATABASE_URL.`, error);
  const kind = databaseErrorKind(error);
  if (kind === 'timed-out')
    return new MigrationRejected(
      `${because}: a time limit of the role or the server cancelled it; raise statement_timeout for the role ${user}, and start again.`,
      error,
    );
  if (kind !== null)
    return new MigrationRejected(`${because}: check the server, and start again; finished migrations remain.`, error);
  return error;
}

/** The message without the statement, which MikroORM puts in front of it. */
function firstLine(error: unknown): string {
  let cause: unknown = error;
  while (cause instanceof Error && cause.cause !== undefined) cause = cause.cause;
  const text = cause instanceof Error ? cause.message : String(cause);
  return (text.split(/ - (?=[^-]*$)/).at(-1) ?? text).split('\n', 1)[0]?.trim().slice(0, 300) ?? '';
}

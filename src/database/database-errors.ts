import { systemErrorCode } from '../errors/system-error-code.js';

/**
 * - `unavailable`: the database cannot be reached, or the connection was lost
 * - `overloaded`: no connection, lock, memory or disk space is free
 * - `timed-out`: the statement exceeded its time limit
 */
export type DatabaseErrorKind = 'unavailable' | 'overloaded' | 'timed-out';

/** Classifies an error by itself and its causes. @returns null if the database did not cause it */
export function databaseErrorKind(error: unknown): DatabaseErrorKind | null {
  for (const each of withCauses(error)) {
    // From fetch, which has the same system error codes.
    if (each instanceof TypeError) return null;
    const kind = kindOfCode(systemErrorCode(each) ?? '') ?? kindOfMessage(each);
    if (kind !== null) return kind;
  }
  return null;
}

/** Whether a change may or may not have been committed: the connection was lost between its statement and the response. */
export const isOutcomeUnknown = (error: unknown): boolean =>
  withCauses(error).some((each) => each[outcomeMark] === true);

/** Marks an error whose change may have been committed. By property name: MikroORM copies properties to its own errors. */
export function markOutcomeUnknown(error: unknown): void {
  if (typeof error === 'object' && error !== null)
    Object.defineProperty(error, outcomeMark, { value: true, configurable: true });
}

const outcomeMark = 'isOutcomeUnknown';

/** Wrappers are a few levels deep; causes may form a cycle. */
const maxCauses = 8;

type ErrorLike = Readonly<Record<string, unknown>>;

/** The error and its causes. Of an AggregateError, such as one per address of a host, only the first. */
function withCauses(error: unknown): ErrorLike[] {
  const chain: ErrorLike[] = [];
  let next = error;
  while (typeof next === 'object' && next !== null && chain.length < maxCauses) {
    const each = next as ErrorLike;
    chain.push(each);
    next = each.cause ?? (Array.isArray(each.errors) ? (each.errors as unknown[])[0] : undefined);
  }
  return chain;
}

/** System error codes of an unreachable server or a lost connection. */
const lostCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]);

/**
 * SQLSTATE (PostgreSQL, appendix A): class 08 connection, 53 insufficient resources, 57P operator intervention, 58 system error,
 * 25006 from a server that became a standby, 25P03 idle in transaction timeout, 55P03 lock not available, 57014 query canceled.
 */
function kindOfCode(code: string): DatabaseErrorKind | null {
  if (code === '57014') return 'timed-out';
  if (code === '55P03' || code === '25P03' || /^53...$/.test(code)) return 'overloaded';
  if (code === '25006' || /^(?:08...|57P..|58...)$/.test(code) || lostCodes.has(code)) return 'unavailable';
  return null;
}

/** Errors of the driver have no code. */
const poolTimeoutMessage = 'timeout exceeded when trying to connect';
const lostMessage =
  /^(?:Connection terminated|Client has encountered a connection error|Client was closed and is not queryable|Query read timeout$|timeout expired$|Cannot use a pool after calling end|driver has already been destroyed)/;

function kindOfMessage({ message }: ErrorLike): DatabaseErrorKind | null {
  if (typeof message !== 'string') return null;
  if (message === poolTimeoutMessage) return 'overloaded';
  return lostMessage.test(message) ? 'unavailable' : null;
}

import { codeOf } from '../shared/error-code.js';

/**
 * What keeps the database from answering:
 * - `away`: it cannot be reached, or the connection to it was lost;
 * - `busy`: it is there, and has no connection, lock, memory or disk to give;
 * - `late`: it gave a statement up that took longer than statements may.
 */
export type DatabaseFault = 'away' | 'busy' | 'late';

/** Which fault of the database an error tells of, itself or by its causes; null where it is none. */
export function databaseFault(error: unknown): DatabaseFault | null {
  for (const each of withCauses(error)) {
    // Another server's, which fetch could not reach: the system's codes are the same.
    if (each instanceof TypeError) return null;
    const fault = faultOfCode(codeOf(each) ?? '') ?? faultOfMessage(each);
    if (fault !== null) return fault;
  }
  return null;
}

/**
 * Whether the error has left open what became of a change: the connection was lost after the statement that makes it had been
 * sent, and before its answer came.
 */
export const isOutcomeUnknown = (error: unknown): boolean => withCauses(error).some((each) => each[outcomeMark] === true);

/** Notes on an error that nobody knows what became of the change. By a name, since MikroORM copies an error's named properties to its own. */
export function markOutcomeUnknown(error: unknown): void {
  if (typeof error === 'object' && error !== null) Object.defineProperty(error, outcomeMark, { value: true, configurable: true });
}

const outcomeMark = 'isOutcomeUnknown';

/** Wrappers are a few deep; a cause may be a circle. */
const maxCauses = 8;

type ErrorLike = Readonly<Record<string, unknown>>;

/** The error and what it was caused by. Of several that count as one, such as those of a host's addresses, the first speaks for all. */
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

/** Of the system's codes: no way to the server, or a way that was cut. */
const lostCodes = new Set(['ECONNREFUSED', 'ECONNRESET', 'ECONNABORTED', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND', 'EAI_AGAIN']);

/**
 * By SQLSTATE (PostgreSQL, appendix A): class 08 is of connections, 53 of resources, 57P of an operator's intervention, 58 of the
 * system's own errors; 25006 comes from a server that has become a standby, 25P03 where a transaction lay idle and was ended.
 */
function faultOfCode(code: string): DatabaseFault | null {
  if (code === '57014') return 'late';
  if (code === '55P03' || code === '25P03' || /^53...$/.test(code)) return 'busy';
  if (code === '25006' || /^(?:08...|57P..|58...)$/.test(code) || lostCodes.has(code)) return 'away';
  return null;
}

/** What the driver itself says has no code. */
const busyMessage = 'timeout exceeded when trying to connect';
const lostMessage =
  /^(?:Connection terminated|Client has encountered a connection error|Client was closed and is not queryable|Query read timeout$|timeout expired$|Cannot use a pool after calling end|driver has already been destroyed)/;

function faultOfMessage({ message }: ErrorLike): DatabaseFault | null {
  if (typeof message !== 'string') return null;
  if (message === busyMessage) return 'busy';
  return lostMessage.test(message) ? 'away' : null;
}

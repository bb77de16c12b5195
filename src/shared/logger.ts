import { pino, type DestinationStream, type Logger } from 'pino';
import { isTracing, traceIds } from './tracing.js';

export type { Logger };

/** What must never reach a log line, wherever in the logged object it lies one or two levels deep. */
const SECRETS = ['password', 'currentPassword', 'newPassword', 'accessToken', 'refreshToken', 'secret', 'authorization', 'cookie', '["x-api-key"]'];

const redactedPaths = SECRETS.flatMap((name) => {
  const path = name.startsWith('[') ? name : `.${name}`;
  return [path.replace(/^\./, ''), `*${path}`, `*.*${path}`];
});

const censor = '[redacted]';

/** Structured logs, one JSON object a line, secrets redacted; with the place in the trace where there is one. */
export function createLogger(level: string, destination?: DestinationStream): Logger {
  const options = {
    level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    redact: { paths: redactedPaths, censor },
    serializers: { err: errorWithoutRows },
    ...(isTracing() ? { mixin: traceIds } : {}),
  };
  return destination ? pino(options, destination) : pino(options);
}

/**
 * An error as pino logs it, but for the row that PostgreSQL shows when it refuses one ("Failing row contains (…)"): such a
 * `detail` holds whatever the table holds, and drivers write it into the message and the stack as well.
 */
function errorWithoutRows(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const details = causesOf(error).flatMap((cause) => {
    const detail: unknown = Reflect.get(cause, 'detail');
    return typeof detail === 'string' && detail !== '' ? [detail] : [];
  });
  return censored(pino.stdSerializers.err(error), details, 4);
}

/** The error and what caused it, ten deep at the most. */
function causesOf(error: unknown): Error[] {
  const causes: Error[] = [];
  for (let cause = error; cause instanceof Error && causes.length < 10; cause = cause.cause) causes.push(cause);
  return causes;
}

function censored(value: unknown, texts: readonly string[], depth: number): unknown {
  if (typeof value === 'string') return texts.reduce((text, secret) => text.replaceAll(secret, censor), value);
  if (typeof value !== 'object' || value === null || depth === 0) return value;
  if (Array.isArray(value)) return value.map((item) => censored(item, texts, depth - 1));
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, censored(item, texts, depth - 1)]));
}

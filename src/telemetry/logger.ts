import { pino, type DestinationStream, type Logger } from 'pino';
import { service } from './service.js';
import { isTracing, traceLogFields } from './tracing.js';

export type { Logger };

/** Fields that are redacted at the top, first and second level of a logged object. */
const secretFields = [
  'password',
  'currentPassword',
  'newPassword',
  'accessToken',
  'refreshToken',
  'secret',
  'authorization',
  'cookie',
  '["x-api-key"]',
];

const redactedPaths = secretFields.flatMap((name) => {
  const path = name.startsWith('[') ? name : `.${name}`;
  return [path.replace(/^\./, ''), `*${path}`, `*.*${path}`];
});

const censor = '[redacted]';

/** Logs one JSON object per line, with the name of its severity, secrets redacted and the ids of the active trace. */
export function createLogger(level: string, destination?: DestinationStream): Logger {
  const options = {
    level,
    base: { service: service.name, version: service.version, instance: service.instance },
    formatters: { level: (level: string) => ({ level }) },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    redact: { paths: redactedPaths, censor },
    serializers: { err: errorWithoutRows },
    ...(isTracing() ? { mixin: traceLogFields } : {}),
  };
  return destination ? pino(options, destination) : pino(options);
}

/**
 * Serializes an error without PostgreSQL's `detail`, which may contain table rows ("Failing row contains (…)") and which drivers
 * copy into the message and the stack.
 */
function errorWithoutRows(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const details = causesOf(error).flatMap((cause) => {
    const detail: unknown = Reflect.get(cause, 'detail');
    return typeof detail === 'string' && detail !== '' ? [detail] : [];
  });
  return censored(pino.stdSerializers.err(error), details, 4);
}

/** The error and its causes, at most ten. */
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

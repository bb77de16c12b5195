import { pino, type DestinationStream, type Logger } from 'pino';
import { service } from './service.js';
import { withSourcePositions } from './source-positions.js';
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
    timestamp: timestamps(),
    redact: { paths: redactedPaths, censor },
    serializers: { err: errorWithoutRows },
    ...(isTracing() ? { mixin: traceLogFields } : {}),
  };
  return destination ? pino(options, destination) : pino(options);
}

/** The time as a member of a line. Lines of the same millisecond share its text, which costs more than the rest of a short line. */
function timestamps(): () => string {
  let at = 0;
  let text = '';
  return () => {
    const now = Date.now();
    if (now !== at) {
      at = now;
      text = `,"time":"${new Date(now).toISOString()}"`;
    }
    return text;
  };
}

/** Lines are written together, once they have this many bytes or the time has passed. */
const batch = { minLength: 8 * 1024, periodicFlush: 100 };

/** Later lines are dropped while the reader of the output takes none: a stalled log collector must not stall the gateway. */
const maxWaitingBytes = 8 * 1024 * 1024;

/**
 * The logger of the process. Writes lines in batches, outside of the event loop; those that wait are written on exit, and at a fatal line.
 * @param fd standard output by default
 */
export function createProcessLogger(level: string, fd = 1): Logger {
  const output = pino.destination({ fd, sync: false, ...batch, maxLength: maxWaitingBytes });
  const log = createLogger(level, output);
  let dropped = 0;
  output.on('drop', () => {
    dropped += 1;
  });
  output.on('drain', () => {
    if (dropped === 0) return;
    log.warn({ lines: dropped }, 'log lines dropped');
    dropped = 0;
  });
  // Such as a full disk: the gateway serves on, and the next batch is tried again.
  output.on('error', () => undefined);
  return log;
}

/** A logger for lines whose fields are all known and free of secrets: redaction costs ten times the rest of a line. */
export const withoutRedaction = (log: Logger): Logger => log.child({}, { redact: [] });

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
  const serialized = pino.stdSerializers.err(error);
  return censored({ ...serialized, stack: withSourcePositions(serialized.stack) }, details, 4);
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

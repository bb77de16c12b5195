import { pino, type DestinationStream, type Logger } from 'pino';

export type { Logger };

/** What must never reach a log line, wherever in the logged object it lies one or two levels deep. */
const SECRETS = ['password', 'currentPassword', 'newPassword', 'accessToken', 'refreshToken', 'secret', 'authorization', 'cookie', '["x-api-key"]'];

const redactedPaths = SECRETS.flatMap((name) => {
  const path = name.startsWith('[') ? name : `.${name}`;
  return [path.replace(/^\./, ''), `*${path}`, `*.*${path}`];
});

/** Structured logs, one JSON object a line, secrets redacted. */
export function createLogger(level: string, destination?: DestinationStream): Logger {
  const options = {
    level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    redact: { paths: redactedPaths, censor: '[redacted]' },
  };
  return destination ? pino(options, destination) : pino(options);
}

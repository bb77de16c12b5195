import type { Logger } from '../../telemetry/logger.js';

/** A message in plain text. */
export interface Mail {
  to: string;
  subject: string;
  text: string;
}

/** Delivers messages. */
export interface MailTransport {
  /** Whether messages reach their recipients. */
  readonly isDelivering: boolean;
  /** @throws Error if the message was not accepted */
  send(mail: Mail): Promise<void>;
  close(): void;
}

/** For development: logs each message with its link instead of sending it. */
export const logTransport = (log: Logger): MailTransport => ({
  isDelivering: false,
  send(mail) {
    log.warn({ mail }, 'mail is not sent without SMTP_URL');
    return Promise.resolve();
  },
  close: () => undefined,
});

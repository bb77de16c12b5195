import { createTransport } from 'nodemailer';
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

export interface SmtpOptions {
  /** `smtps://user:password@host:465` or `smtp://host:587`; options of nodemailer may follow as a query. */
  url: string;
  /** The sender: an address, or `Name <address>`. */
  from: string;
  /** Whether `smtp:` must change to TLS before it sends; `?requireTLS=false` in the URL declines. */
  requiresTls: boolean;
  /** Bounds each step of the protocol. Tests shorten it. */
  timeoutMs?: number;
}

/** Sends over SMTP, each message over its own connection: they are few. */
export function smtpTransport({ url, from, requiresTls, timeoutMs = 10_000 }: SmtpOptions): MailTransport {
  const transport = createTransport(
    {
      url,
      requireTLS: requiresTls && new URL(url).protocol === 'smtp:',
      connectionTimeout: timeoutMs,
      greetingTimeout: timeoutMs,
      socketTimeout: timeoutMs,
      dnsTimeout: timeoutMs,
      disableFileAccess: true,
      disableUrlAccess: true,
    },
    { from },
  );
  return {
    isDelivering: true,
    async send(mail) {
      await transport.sendMail(mail);
    },
    close: () => transport.close(),
  };
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

import { createTransport } from 'nodemailer';
import type { MailTransport } from './mail-transport.js';

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

import type { Config } from '../config/config.js';
import { MailQueue } from '../integrations/mail/mail-queue.js';
import { logTransport } from '../integrations/mail/mail-transport.js';
import type { Logger } from '../telemetry/logger.js';

/** Sends mail over SMTP; without a server it is logged in development, and null in production. */
export async function openMail(
  { mail: { smtpUrl, from }, isProduction }: Pick<Config, 'mail' | 'isProduction'>,
  log: Logger,
  opened: AsyncDisposableStack,
): Promise<MailQueue | null> {
  if (smtpUrl === undefined && isProduction) return null;
  const openTransport = async () => {
    if (smtpUrl === undefined) return logTransport(log);
    const { smtpTransport } = await import('../integrations/mail/smtp-transport.js');
    return smtpTransport({ url: smtpUrl, from: from ?? '', requiresTls: isProduction });
  };
  const transport = await openTransport();
  const queue = new MailQueue({ transport, log });
  opened.defer(() => queue.close());
  return queue;
}

/** The start of links; null in production if it is not configured. */
export function publicUrlOf({
  http: { publicUrl, port },
  isProduction,
}: Pick<Config, 'http' | 'isProduction'>): string | null {
  if (publicUrl !== undefined) return publicUrl.replace(/\/$/, '');
  return isProduction ? null : `http://localhost:${port}`;
}

import { z } from 'zod';
import { url, variable } from '../variable.js';

/** An address, or a name with an address: the forms that need no quotes. */
const mailbox = {
  schema: z
    .string()
    .max(300)
    .regex(
      /^(?:[^<>"@\r\n]{1,100} <[^<>\s@]+@[^<>\s@]+>|[^<>\s@]+@[^<>\s@]+)$/,
      'must be an address, or Name <address>',
    ),
  values: 'address, or `Name <address>`',
};

export const mail = () =>
  z
    .object({
      smtpUrl: variable('SMTP_URL', url('smtps:', 'smtp:'), {
        isSecret: true,
        description:
          'Mail server, as `smtps://user:password@host:465` or `smtp://host:587`. In production `smtp:` requires STARTTLS unless `?requireTLS=false` is appended. If absent: messages are logged in development; in production an ADMIN passes links on.',
      }),
      from: variable('MAIL_FROM', mailbox, {
        description: 'Sender of messages. Required by `SMTP_URL`.',
      }),
    })
    .describe('Mail');

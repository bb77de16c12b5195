import type { Mail } from '../../integrations/mail/mail-transport.js';
import { LinkPurpose } from './account-token.entity.js';

/** A link for one address. */
export interface AccountLink {
  purpose: LinkPurpose;
  email: string;
  url: string;
  expiresAt: Date;
}

const contents: Record<LinkPurpose, { subject: string; opening: string; ignoring: string }> = {
  [LinkPurpose.INVITATION]: {
    subject: 'Your account for Auspex',
    opening: 'An administrator created an account for this address. Choose its password here:',
    ignoring: 'If you do not expect an account, ignore this message.',
  },
  [LinkPurpose.RESET]: {
    subject: 'Reset your password for Auspex',
    opening: 'A new password was requested for the account of this address. Choose it here:',
    ignoring: 'If you did not request it, ignore this message: your password is unchanged.',
  },
  [LinkPurpose.REGISTRATION]: {
    subject: 'Confirm your address for Auspex',
    opening: 'An account was requested for this address. Confirm it by choosing a password here:',
    ignoring: 'If you did not request it, ignore this message: no account is created.',
  },
};

/** The message with a link. */
export function linkMail({ purpose, email, url, expiresAt }: AccountLink): Mail {
  const { subject, opening, ignoring } = contents[purpose];
  const until = `The link works once, until ${expiresAt.toISOString().slice(0, 16).replace('T', ' ')} UTC.`;
  return { to: email, subject, text: [opening, url, until, ignoring, ''].join('\n\n') };
}

/** To an address that has an account, when a registration was requested for it: the response must not show it. */
export const existingAccountMail = (email: string): Mail => ({
  to: email,
  subject: 'You have an account for Auspex',
  text: [
    'An account was requested for this address, which has one already. Sign in, or request a new password.',
    'If you did not request it, ignore this message.',
    '',
  ].join('\n\n'),
});

/** A notice, in case it was not the owner of the account. */
export const passwordSetMail = (email: string): Mail => ({
  to: email,
  subject: 'Your password for Auspex was set',
  text: [
    'The password of the account of this address was set by a link. All sessions and API keys of the account have ended.',
    'If it was not you, contact an administrator.',
    '',
  ].join('\n\n'),
});

import { Secret, TOTP } from 'otpauth';

/** What authenticator apps support: SHA-1, six digits, 30 seconds (RFC 6238, and the `otpauth` URIs of Google Authenticator). */
const parameters = { algorithm: 'SHA1', digits: 6, period: 30 } as const;

/** Codes of the steps before and after the current one are accepted, for clocks that differ (RFC 6238, 5.2). */
const window = 1;

/** 160 bits, the length of a SHA-1 digest (RFC 4226, 4). */
const secretBytes = 20;

/** The form of a code, without spaces. */
export const totpForm = /^\d{6}$/;

/** @returns a new secret in base32 */
export const newTotpSecret = (): string => new Secret({ size: secretBytes }).base32;

/** @returns the URI that an authenticator app reads from a QR code */
export const totpUri = (secret: string, issuer: string, account: string): string =>
  new TOTP({ ...parameters, issuer, label: account, secret: Secret.fromBase32(secret) }).toString();

/**
 * Compares a code in constant time with those of the accepted steps.
 * @returns the step of the code, counted since 1970; null if the code is not valid at the time `nowMs`
 */
export function stepOfCode(secret: string, code: string, nowMs = Date.now()): number | null {
  const totp = new TOTP({ ...parameters, secret: Secret.fromBase32(secret) });
  const delta = totp.validate({ token: code, window, timestamp: nowMs });
  return delta === null ? null : totp.counter({ timestamp: nowMs }) + delta;
}

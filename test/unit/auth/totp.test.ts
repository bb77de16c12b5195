import { describe, expect, it } from '@jest/globals';
import { newRecoveryCodes, recoveryCodeForm, withoutSeparators } from '../../../src/domains/user/mfa/recovery-codes.js';
import { newTotpSecret, stepOfCode, totpUri } from '../../../src/domains/user/mfa/totp.js';

/** `12345678901234567890`, the key of RFC 6238, appendix B. */
const secret = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';

/** Times in seconds, and the last six digits of the codes of RFC 6238 for SHA-1. */
const vectors: [number, string][] = [
  [59, '287082'],
  [1_111_111_109, '081804'],
  [1_111_111_111, '050471'],
  [1_234_567_890, '005924'],
  [2_000_000_000, '279037'],
];

describe('codes of an authenticator app', () => {
  it.each(vectors)('accept the code of RFC 6238 at %d s, with its step', (seconds, code) => {
    expect(stepOfCode(secret, code, seconds * 1000)).toBe(Math.floor(seconds / 30));
  });

  it.each([
    [-2, false],
    [-1, true],
    [0, true],
    [1, true],
    [2, false],
  ])('are valid in the steps beside their own: %d steps later, %p', (steps, isValid) => {
    const [seconds, code] = [1_111_111_111, '050471'];
    const step = Math.floor(seconds / 30);
    expect(stepOfCode(secret, code, (seconds + steps * 30) * 1000)).toBe(isValid ? step : null);
  });

  it.each(['050472', '50471', '', '0504710'])('reject %p', (code) => {
    expect(stepOfCode(secret, code, 1_111_111_111_000)).toBeNull();
  });

  it('have secrets of 160 bits and a URI that names the gateway and the account', () => {
    const fresh = newTotpSecret();
    expect(fresh).toMatch(/^[A-Z2-7]{32}$/);
    expect(newTotpSecret()).not.toBe(fresh);
    const uri = new URL(totpUri(fresh, 'Auspex staging', 'a@example.org'));
    expect([uri.protocol, uri.host, decodeURIComponent(uri.pathname)]).toEqual([
      'otpauth:',
      'totp',
      '/Auspex staging:a@example.org',
    ]);
    expect(Object.fromEntries(uri.searchParams)).toMatchObject({
      secret: fresh,
      issuer: 'Auspex staging',
      digits: '6',
      period: '30',
    });
  });
});

describe('recovery codes', () => {
  it('are ten different codes of 80 bits, readable in groups', () => {
    const codes = newRecoveryCodes();
    expect(new Set(codes).size).toBe(10);
    for (const code of codes) {
      expect(code).toMatch(/^(?:[A-Z2-7]{4}-){3}[A-Z2-7]{4}$/);
      expect(withoutSeparators(` ${code.toLowerCase()} `)).toMatch(recoveryCodeForm);
    }
  });
});

import { Secret } from 'otpauth';
import { hashToken } from '../../../auth/token.js';

/** Recovery codes of an account. */
const recoveryCodeCount = 10;

/** 80 random bits: a fast hash without a salt suffices to store them. */
const codeBytes = 10;

/** Sixteen characters of base32, without separators. */
export const recoveryCodeForm = /^[A-Z2-7]{16}$/;

/** @returns new codes to show once, such as `K5QW-3ZJA-7MXO-P2HT` */
export const newRecoveryCodes = (): string[] =>
  Array.from({ length: recoveryCodeCount }, () =>
    new Secret({ size: codeBytes }).base32.replaceAll(/(.{4})(?!$)/g, '$1-'),
  );

/** @returns the hash to store, of a code with or without separators */
export const hashRecoveryCode = (code: string): string => hashToken(withoutSeparators(code));

/** The code without spaces and hyphens, in upper case. Longer than any code: cut, and so not valid. */
export const withoutSeparators = (code: string): string => code.slice(0, 50).replaceAll(/[\s-]/g, '').toUpperCase();

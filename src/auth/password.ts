import bcrypt from 'bcrypt';
import type { FieldProblem } from '../errors/app-error.js';
import { defaultHashingLimits, HashingQueue, type HashingCaller } from './hashing-queue.js';

/** 2^12 rounds: about a quarter of a second per hash. */
const cost = 12;

/** Minimum characters of a password. */
export const minPasswordLength = 12;
/** bcrypt reads 72 bytes; a longer password is rejected, not truncated. */
const maxBytes = 72;

/** Compared with if an account does not exist, so that the response takes as long as for one that does: of random bytes. */
const decoyHash = '$2b$12$PFMzQMYwuapOrMlF2OjO1u4HvSFTkSpA/MryVavIJMeUBl/HbpaKi';

/** @returns why the form of a new password is not acceptable, as a problem of `field`; null if it is. See `PasswordPolicy`. */
export function passwordProblem(password: string, field: string): FieldProblem | null {
  if (Buffer.byteLength(password) > maxBytes) return { field, message: `must have ${maxBytes} bytes or fewer` };
  // Code points, not UTF-16 units: an emoji is one character (NIST SP 800-63B).
  if (Array.from(password).length < minPasswordLength)
    return { field, message: `must have ${minPasswordLength} characters or more` };
  if (password.includes('\0') || !password.isWellFormed())
    return { field, message: 'must not contain NUL or an incomplete surrogate pair' };
  return null;
}

/** Every hash of the process, since the cores are shared, too. */
export const passwordQueue = new HashingQueue(defaultHashingLimits());

/** @throws Overloaded; the reason of the caller's signal. See `HashingQueue.run`. */
export const hashPassword = (password: string, caller?: HashingCaller): Promise<string> =>
  passwordQueue.run(() => bcrypt.hash(password, cost), caller);

/**
 * @returns whether the password matches the hash; false for a null hash, in the same time
 * @throws Overloaded; the reason of the caller's signal. See `HashingQueue.run`.
 */
export async function verifyPassword(password: string, hash: string | null, caller?: HashingCaller): Promise<boolean> {
  const matches = await passwordQueue.run(() => bcrypt.compare(password, hash ?? decoyHash), caller);
  return matches && hash !== null && Buffer.byteLength(password) <= maxBytes && !password.includes('\0');
}

/** Whether a hash that matched a password has a lower cost than new ones. */
export const isHashOutdated = (hash: string): boolean => bcrypt.getRounds(hash) < cost;

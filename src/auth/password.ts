import bcrypt from 'bcrypt';
import type { FieldProblem } from '../shared/errors.js';

/** What one hash costs: 2^12 rounds, about a quarter of a second. */
const cost = 12;

const minLength = 12;
/** bcrypt reads 72 bytes; longer is refused, not cut. */
const maxBytes = 72;

/** A hash of nobody's password, to compare with where there is no account: the answer takes as long as it would for one. */
const nobodysHash = bcrypt.hash(crypto.randomUUID(), cost);

/** What keeps a new password from being taken, or null. */
export function passwordProblem(password: string, field: string): FieldProblem | null {
  if (Buffer.byteLength(password) > maxBytes) return { field, message: `must have ${maxBytes} bytes or fewer` };
  // Code points, not UTF-16 units: an emoji is one character (NIST SP 800-63B).
  if (Array.from(password).length < minLength) return { field, message: `must have ${minLength} characters or more` };
  if (password.includes('\0') || !password.isWellFormed()) return { field, message: 'must not contain the character NUL or half a character' };
  return null;
}

export const hashPassword = (password: string): Promise<string> => bcrypt.hash(password, cost);

/** Whether the password is the hash's. Takes the same time where there is no hash, and then is false. */
export async function isPassword(password: string, hash: string | null): Promise<boolean> {
  const isSame = await bcrypt.compare(password, hash ?? (await nobodysHash));
  return isSame && hash !== null && Buffer.byteLength(password) <= maxBytes && !password.includes('\0');
}

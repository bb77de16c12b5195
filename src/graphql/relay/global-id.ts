import { TypeID } from 'typeid-js';
import type { Viewer } from '../../auth/viewer.js';
import { BadUserInput, type FieldProblem } from '../../errors/app-error.js';

/** @public The prefixes of IDs. Each domain declares its own, by merging into this interface beside its `nodes`. */
// eslint-disable-next-line @typescript-eslint/no-empty-object-type -- domains add the members
export interface IdPrefixes {}

/** The prefix that names an ID's type, such as `invoice` in `invoice_01h455vb4pex5vsknk084sn02q`. */
export type IdType = keyof IdPrefixes;

/** Encodes a stored UUID as the ID that clients see. */
export const encodeId = (type: IdType, uuid: string): string => {
  const suffix = base32Of(uuid);
  return suffix === null ? TypeID.fromUUID(type, uuid).toString() : `${type}_${suffix}`;
};

const base32Length = 26;
const base32Digits = Buffer.from('0123456789abcdefghjkmnpqrstvwxyz');
const base32Text = Buffer.alloc(base32Length);

/** The value of each hexadecimal digit by its character code; -1 for other characters. */
const hexValues = new Int8Array(128).fill(-1);
for (const [value, digit] of Buffer.from('0123456789abcdef').entries()) hexValues[digit] = value;

const hyphen = 45;

/**
 * The base32 of a UUID as in the TypeID specification; null unless it is a UUID in lower case. The library takes ten times as long, and every row of
 * a response has an ID.
 */
function base32Of(uuid: string): string | null {
  let bits = 0;
  let bitCount = 0;
  let position = base32Length;
  // From the last digit on: groups of five bits end with the last bit.
  for (let index = uuid.length - 1; index >= 0; index--) {
    const code = uuid.charCodeAt(index);
    if (code === hyphen) continue;
    const value = hexValues[code] ?? -1;
    if (value < 0) return null;
    bits |= value << bitCount;
    bitCount += 4;
    if (bitCount >= 5) {
      base32Text[--position] = base32Digits[bits & 31] ?? 0;
      bits >>= 5;
      bitCount -= 5;
    }
  }
  base32Text[0] = base32Digits[bits] ?? 0;
  // 32 digits fill all but the first character, and leave three bits for it.
  return position === 1 && bitCount === 3 ? base32Text.toString('latin1') : null;
}

/** The ID of a viewer's account, for log lines; null if the viewer is anonymous. */
export const viewerId = (viewer: Viewer): string | null =>
  viewer.kind === 'anonymous' ? null : encodeId('user', viewer.userId);

/**
 * Decodes an ID that a client sent. @returns the stored UUID
 * @throws BadUserInput, naming `field`, if it is malformed or of another type
 */
export function decodeId(type: IdType, id: string, field = 'id'): string {
  const problem = idProblem(type, id, field);
  if (problem) throw BadUserInput.ofFields([problem]);
  // Not toUUID(), which throws for UUIDs of a version that RFC 9562 does not define: those are unknown, not invalid.
  const hex = Buffer.from(TypeID.fromString(id).toUUIDBytes()).toString('hex');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

/** Checks an ID that a client sent. @returns its problem, or null */
export function idProblem(type: IdType, id: string, field: string): FieldProblem | null {
  const expected = `must be an id of type ${type} (${type}_ and 26 characters)`;
  const shown = JSON.stringify(id.slice(0, 60));
  const form = /^([a-z]{1,20})_([0-7][0-9abcdefghjkmnpqrstvwxyz]{25})$/.exec(id);
  if (!form) return { field, message: `${expected}; ${shown} is malformed` };
  return form[1] === type ? null : { field, message: `${expected}; ${shown} is an id of type ${form[1]}` };
}

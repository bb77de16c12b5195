import { TypeID } from 'typeid-js';
import { BadUserInput, type FieldProblem } from '../shared/errors.js';

/** The prefix that names an id's type: `employee_01h455vb4pex5vsknk084sn02q`. */
export type IdType = 'employee' | 'department' | 'user' | 'apikey' | 'prediction' | 'release' | 'document' | 'documentuse';

/** A stored UUID as the id that callers see. */
export const encodeId = (type: IdType, uuid: string): string => TypeID.fromUUID(type, uuid).toString();

/**
 * An id that a caller sent as the stored UUID.
 * @throws BadUserInput, with `field` named, where it is malformed or of another type.
 */
export function decodeId(type: IdType, id: string, field = 'id'): string {
  const problem = idProblem(type, id, field);
  if (problem) throw BadUserInput.ofFields([problem]);
  // Not toUUID(), which throws for UUIDs of a version that RFC 9562 does not know: those are unknown, not faulty.
  const hex = Buffer.from(TypeID.fromString(id).toUUIDBytes()).toString('hex');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

/** What is wrong with an id that a caller sent, or null. */
export function idProblem(type: IdType, id: string, field: string): FieldProblem | null {
  const expected = `must be an id of type ${type} (${type}_ and 26 characters)`;
  const shown = JSON.stringify(id.slice(0, 60));
  const form = /^([a-z]{1,20})_([0-7][0-9abcdefghjkmnpqrstvwxyz]{25})$/.exec(id);
  if (!form) return { field, message: `${expected}; ${shown} is malformed` };
  return form[1] === type ? null : { field, message: `${expected}; ${shown} is an id of type ${form[1]}` };
}

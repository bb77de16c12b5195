import { TypeID } from 'typeid-js';
import type { Viewer } from '../../auth/viewer.js';
import { BadUserInput, type FieldProblem } from '../../errors/app-error.js';

/** @public The prefixes of IDs. Each domain declares its own, by merging into this interface beside its `nodes`. */
// eslint-disable-next-line @typescript-eslint/no-empty-object-type -- domains add the members
export interface IdPrefixes {}

/** The prefix that names an ID's type, such as `invoice` in `invoice_01h455vb4pex5vsknk084sn02q`. */
export type IdType = keyof IdPrefixes;

/** Encodes a stored UUID as the ID that clients see. */
export const encodeId = (type: IdType, uuid: string): string => TypeID.fromUUID(type, uuid).toString();

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

import { sortKeys, type Keyset, type Position, type SortKey, type SortValue } from '../../database/keyset.js';
import { BadUserInput } from '../../errors/app-error.js';

/** Encodes the position of a row in an order: base64url of `[property, value, id]` as JSON, with a property and value for each column. */
export function encodeCursor(order: Keyset, node: { id: string }): string {
  const parts: unknown[] = [];
  // eslint-disable-next-line auspex/own-names -- the properties of an order, which the code names
  for (const { property } of sortKeys(order)) parts.push(property, Reflect.get(node, property));
  return Buffer.from(JSON.stringify([...parts, node.id])).toString('base64url');
}

/** The longest sort value: 100 characters, each escaped in JSON and encoded in base64. */
const maxValueLength = 1000;

/**
 * Decodes a cursor that a client sent.
 * @param field the argument, for the error
 * @throws BadUserInput if it is malformed or of another order
 */
export function decodeCursor(cursor: string, order: Keyset, field: string): Position {
  const problem = (message: string) => BadUserInput.ofFields([{ field, message }]);
  const keys = sortKeys(order);
  const isTooLong = cursor.length > maxValueLength * keys.length;
  const parts = isTooLong ? null : readJson(Buffer.from(cursor, 'base64url').toString());
  if (!Array.isArray(parts) || parts.length < 3 || parts.length % 2 === 0)
    throw problem('is not a cursor of this list; use an endCursor or startCursor of it');
  const isOfOrder = parts.length === 2 * keys.length + 1 && keys.every((key, at) => parts[2 * at] === key.property);
  if (!isOfOrder) throw problem('is a cursor of another order; start again without it');
  const id: unknown = parts.at(-1);
  const values = keys.map((_key, at): unknown => parts[2 * at + 1]);
  if (!isUuid(id) || !areSortValues(values, keys)) throw problem('is a damaged cursor; start again without it');
  const [value = null, ...then] = values;
  return then.length > 0 ? { value, then, id } : { value, id };
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

const isUuid = (id: unknown): id is string =>
  typeof id === 'string' && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id);

const areSortValues = (values: readonly unknown[], keys: readonly SortKey[]): values is SortValue[] =>
  keys.every((key, at) => (values[at] === null ? key.isNullable === true : isSortValue(values[at], key.type)));

function isSortValue(value: unknown, type: string): boolean {
  if (type === 'integer') return Number.isInteger(value) && Math.abs(Number(value)) <= 2_147_483_647;
  if (type === 'double precision') return Number.isFinite(value);
  if (type === 'boolean') return typeof value === 'boolean';
  if (typeof value !== 'string') return false;
  if (type === 'bigint') return /^-?\d{1,18}$/.test(value);
  if (type === 'numeric') return /^-?\d{1,100}(\.\d{1,100})?$/.test(value);
  if (type === 'date') return isTime(`${value}T00:00:00.000Z`);
  if (type === 'timestamptz') return isTime(value);
  if (type === 'uuid') return isUuid(value);
  return !value.includes('\0');
}

/** Whether a text is a time as JSON writes it. JavaScript accepts February 30 and year 0, which PostgreSQL rejects. */
function isTime(text: string): boolean {
  const time = new Date(text);
  return !Number.isNaN(time.getTime()) && time.toISOString() === text && text >= '0001';
}

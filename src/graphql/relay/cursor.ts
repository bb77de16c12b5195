import type { Keyset, Position } from '../../database/keyset.js';
import { BadUserInput } from '../../errors/app-error.js';

/** Encodes the position of a row in an order: base64url of `[property, value, id]` as JSON. */
export function encodeCursor(order: Keyset, node: { id: string }): string {
  // eslint-disable-next-line auspex/own-names -- the property of an order, which the code names
  const value: unknown = Reflect.get(node, order.property);
  return Buffer.from(JSON.stringify([order.property, value, node.id])).toString('base64url');
}

/** The longest sort value: 100 characters, each escaped in JSON and encoded in base64. */
const maxCursorLength = 1000;

/**
 * Decodes a cursor that a client sent.
 * @param field the argument, for the error
 * @throws BadUserInput if it is malformed or of another order
 */
export function decodeCursor(cursor: string, order: Keyset, field: string): Position {
  const parts = cursor.length > maxCursorLength ? null : readJson(Buffer.from(cursor, 'base64url').toString());
  if (!Array.isArray(parts) || parts.length !== 3) {
    throw BadUserInput.ofFields([
      { field, message: 'is not a cursor of this list; use an endCursor or startCursor of it' },
    ]);
  }
  const [property, value, id] = parts as unknown[];
  if (property !== order.property) {
    throw BadUserInput.ofFields([{ field, message: 'is a cursor of another order; start again without it' }]);
  }
  if (!isUuid(id) || !isSortValue(value, order.type)) {
    throw BadUserInput.ofFields([{ field, message: 'is a damaged cursor; start again without it' }]);
  }
  return { value, id };
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

function isSortValue(value: unknown, type: Keyset['type']): value is string | number {
  if (type === 'integer') return Number.isInteger(value) && Math.abs(Number(value)) <= 2_147_483_647;
  if (typeof value !== 'string') return false;
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

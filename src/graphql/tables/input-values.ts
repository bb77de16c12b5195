import { Buffer } from 'node:buffer';
import type { FieldProblem } from '../../errors/app-error.js';
import { ownValue } from '../../errors/own-value.js';
import { column as types, maxItems } from './column-types.js';
import type { TableColumn } from './existing-table.js';

/** The value of a column as a text of PostgreSQL, or those of an array; null for SQL null. */
export type ColumnValue = string | null | readonly (string | null)[];

/** The values that a write sets. */
export type ColumnValues = ReadonlyMap<TableColumn, ColumnValue>;

/** The most bytes of a text, of JSON, of bytes in base64, or of all items of an array. */
export const maxValueBytes = 1_048_576;

/** The deepest JSON: readers and PostgreSQL parse it recursively. */
const maxJsonDepth = 100;

/** Reads the fields of an input. @returns the values, and the problems with the other fields */
export function readValues(
  columns: readonly TableColumn[],
  input: object,
): { values: Map<TableColumn, ColumnValue>; problems: FieldProblem[] } {
  const values = new Map<TableColumn, ColumnValue>();
  const problems: FieldProblem[] = [];
  for (const column of columns) {
    const sent = ownValue(input as Record<string, unknown>, column.property);
    if (sent === undefined) continue;
    const problem = problemOf(column, sent);
    if (problem === null) values.set(column, sent === null ? null : valueOf(column, sent));
    else problems.push({ field: column.property, message: problem });
  }
  return { values, problems };
}

function problemOf(column: TableColumn, sent: unknown): string | null {
  if (sent === null) return nullProblem(column);
  if (!column.type.isList) return itemProblem(column, sent);
  const items = sent as unknown[];
  if (items.length > maxItems) return `must have ${maxItems} items or fewer`;
  let bytes = 0;
  for (const item of items) {
    if (item === null) continue;
    const problem = itemProblem(column, item);
    if (problem !== null) return `has an item that ${problem}`;
    bytes += Buffer.byteLength(textOf(column, item));
  }
  return bytes > maxValueBytes ? `must have ${maxValueBytes} bytes or fewer` : null;
}

function nullProblem({ nullable, hasDefault }: TableColumn): string | null {
  if (nullable === true) return null;
  return hasDefault === true ? 'must not be null; leave it out for the default' : 'must not be null';
}

function itemProblem(column: TableColumn, item: unknown): string | null {
  const { type, maxLength } = column;
  if (isJson(column)) {
    if (!isShallow(item)) return `must be JSON of ${maxJsonDepth} levels or fewer`;
  } else if (typeof item === 'string' && (item.includes('\0') || !item.isWellFormed())) {
    return 'must be a text without NUL and without lone surrogates';
  }
  const text = textOf(column, item);
  if (Buffer.byteLength(text) > maxValueBytes) return `must have ${maxValueBytes} bytes or fewer`;
  // PostgreSQL counts code points.
  if (maxLength !== undefined && text.length > maxLength && Array.from(text).length > maxLength)
    return `must have ${maxLength} characters or fewer`;
  return type.isValid?.(text) === false && !isTime(item) ? `must be a value of the type ${type.sqlType}` : null;
}

const isJson = ({ type }: TableColumn): boolean => type.sqlType === 'json' || type.sqlType === 'jsonb';

const isTime = (item: unknown): boolean => Object.prototype.toString.call(item) === '[object Date]';

/** Visits each value once, without recursion. */
function isShallow(value: unknown): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > maxJsonDepth) return false;
    level = level.flatMap((one) => (typeof one === 'object' && one !== null ? (Object.values(one) as unknown[]) : []));
  }
  return true;
}

const valueOf = (column: TableColumn, sent: unknown): ColumnValue =>
  column.type.isList
    ? (sent as unknown[]).map((item) => (item === null ? null : textOf(column, item)))
    : textOf(column, sent);

/** The text that PostgreSQL reads. */
function textOf(column: TableColumn, item: unknown): string {
  if (isJson(column)) return JSON.stringify(item);
  if (!isTime(item)) return String(item);
  const time = (item as Date).toISOString();
  return column.type.graphql === types.date.graphql ? time.slice(0, 'YYYY-MM-DD'.length) : time;
}

import { sql, type RawBuilder } from 'kysely';
import { parameter } from '../../database/read-templates.js';
import { BadUserInput } from '../../errors/app-error.js';
import { columnSql, type TableColumn } from './existing-table.js';

/** One column of an order. */
export interface OrderColumn {
  column: TableColumn;
  isDescending: boolean;
}

/** The texts of an order's columns in one row; null for SQL null. */
export type RowPosition = readonly (string | null)[];

/** An order of a table: columns that together identify a row. Null is greater than every value, as in PostgreSQL. */
export class TableOrder {
  constructor(readonly columns: readonly OrderColumn[]) {}

  /** Identifies the order in cursors and in the keys of templates. */
  get key(): string {
    return this.columns.map(({ column, isDescending }) => `${isDescending ? '-' : ''}${column.property}`).join();
  }

  toJSON(): string {
    return this.key;
  }

  /** The clause `order by`. */
  clause(isBackward: boolean): RawBuilder<unknown> {
    const terms = this.columns.map(
      ({ column, isDescending }) => `${columnSql(column)} ${isDescending === isBackward ? 'asc' : 'desc'}`,
    );
    return sql.raw(`order by ${terms.join(', ')}`);
  }

  /** SQL of a row's position: a JSON array of texts. */
  get position(): RawBuilder<unknown> {
    return sql.raw(
      `json_build_array(${this.columns.map(({ column }) => `${columnSql(column)}::text`).join(', ')})::text`,
    );
  }

  /** Whether a row is after a position, or before it. The values are parameters `<name>0`, `<name>1` and so on. */
  isBeyond(position: RowPosition, name: 'after' | 'before'): RawBuilder<boolean> {
    const terms = this.columns.map(({ column, isDescending }, index) => ({
      column: sql.raw(columnSql(column)),
      isNullable: column.nullable === true,
      isNull: position[index] === null,
      compare: sql.raw((name === 'after') === isDescending ? '<' : '>'),
      isUp: (name === 'after') !== isDescending,
      value: sql`${parameter(`${name}${index}`)}::text::${sql.raw(column.type.sqlType)}`,
    }));
    const [first] = terms;
    if (!first) throw new Error('An order has no column.');
    if (terms.every(({ isNullable, isUp }) => !isNullable && isUp === first.isUp))
      return sql`(${sql.join(terms.map(({ column }) => column))}) ${first.compare} (${sql.join(terms.map(({ value }) => value))})`;
    const beyond = terms.reduceRight<RawBuilder<boolean>>(
      (rest, { column, isNullable, isNull, compare, isUp, value }) => {
        if (isNull) return isUp ? sql`(${column} is null and ${rest})` : sql`(${column} is not null or ${rest})`;
        const further =
          isUp && isNullable
            ? sql`(${column} ${compare} ${value} or ${column} is null)`
            : sql`${column} ${compare} ${value}`;
        return sql`(${further} or (${column} = ${value} and ${rest}))`;
      },
      sql`false`,
    );
    // Repeats the first comparison in a form that is a range of an index.
    const isRange = !first.isNull && !(first.isUp && first.isNullable);
    return isRange ? sql`${first.column} ${first.compare}= ${first.value} and ${beyond}` : beyond;
  }

  encodeCursor(position: string): string {
    return Buffer.from(JSON.stringify([this.key, ...(JSON.parse(position) as unknown[])])).toString('base64url');
  }

  /** Decodes a cursor that a client sent. @throws BadUserInput if it is malformed or of another order */
  decodeCursor(cursor: string, field: string): RowPosition {
    const parts = cursor.length > maxCursorLength ? null : readJson(Buffer.from(cursor, 'base64url').toString());
    if (!Array.isArray(parts))
      throw BadUserInput.ofFields([
        { field, message: 'is not a cursor of this list; use an endCursor or startCursor of it' },
      ]);
    const [key, ...values] = parts as unknown[];
    if (key !== this.key)
      throw BadUserInput.ofFields([{ field, message: 'is a cursor of another order; start again without it' }]);
    if (values.length !== this.columns.length || !values.every(isTextOrNull)) throw damagedCursor(field);
    return values;
  }
}

/** The longest cursor: texts of sorted columns may be long. */
const maxCursorLength = 20_000;

/** The error for a cursor whose values the database rejects. */
export const damagedCursor = (field: string): BadUserInput =>
  BadUserInput.ofFields([{ field, message: 'is a damaged cursor; start again without it' }]);

const isTextOrNull = (value: unknown): value is string | null =>
  value === null || (typeof value === 'string' && !value.includes('\0'));

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

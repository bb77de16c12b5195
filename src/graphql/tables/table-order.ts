import { sql, type RawBuilder } from 'kysely';
import { rangesBeyond } from '../../database/keyset-ranges.js';
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

  /** The rows after a position, or before it; see `rangesBeyond`. The values are parameters `<name>0`, `<name>1` and so on. */
  rangesBeyond(position: RowPosition, name: 'after' | 'before'): RawBuilder<boolean>[] {
    return rangesBeyond(
      this.columns.map(({ column, isDescending }, index) => ({
        column: sql.raw(columnSql(column)),
        value: sql`${parameter(`${name}${index}`)}::text::${sql.raw(column.type.sqlType)}`,
        isNull: position[index] === null,
        isNullable: column.nullable === true,
        isUp: (name === 'after') !== isDescending,
      })),
    );
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

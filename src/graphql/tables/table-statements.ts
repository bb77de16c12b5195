import type { EntityClass } from '@mikro-orm/core';
import { sql, type RawBuilder } from 'kysely';
import { parameter, rawQuery, readTemplate, type ReadTemplate } from '../../database/read-templates.js';
import { rowShapes, type RowShape, type RowShapes } from '../../database/row-shapes.js';
import type { Database } from '../../database/tables.js';
import { systemErrorCode } from '../../errors/system-error-code.js';
import { preparedCondition, type Condition, type PreparedCondition } from '../filtering/condition.js';
import {
  alias,
  columnOf,
  columnSql,
  qualified,
  tableOf,
  type TableColumn,
  type TableMapping,
} from './existing-table.js';
import type { Joins } from './references.js';
import { attachJoined, joinClauses, joinedColumns, joiningColumns } from './table-joins.js';
import { damagedCursor, type TableOrder } from './table-order.js';
import { pageKey, pageValues, type TablePage } from './table-page.js';

/** What a statement reads of each row. */
export interface Selected<Row> {
  shape: RowShape<Row>;
  joins: Joins;
}

/** What a statement reads of a page. */
export interface SelectedPage<Row> extends Selected<Row> {
  /** Whether cursors need the positions of the rows. */
  hasPositions: boolean;
}

/** Rows in the order of their statement, with their positions in the order of the list. */
export interface PlacedRows<Row> {
  rows: Row[];
  /** Null if they were not selected. */
  positions: string[] | null;
}

/** The texts of the values of some columns. */
export type ColumnTexts = readonly string[];

/** The statements that read a table: each is compiled once for each of its forms, and reads many keys at once. */
export class TableStatements<Row extends object> {
  readonly mapping: TableMapping;
  readonly rows: RowShapes<Row>;
  readonly #name: string;

  constructor(entity: EntityClass<unknown>) {
    this.mapping = tableOf(entity);
    this.#name = qualified(this.mapping);
    this.rows = rowShapes<Row>(entity, [], {
      key: this.mapping.key.map(({ property }) => property),
      select: (property, _column, table) => {
        const column = columnOf(this.mapping, property);
        return sql.raw(column.type.read(columnSql(column, table)));
      },
    });
  }

  /** Loads a row by unique columns, in the order of the keys; null if unknown or not one of `rows`. */
  async byColumns(
    db: Database,
    columns: readonly TableColumn[],
    keys: readonly ColumnTexts[],
    { rows, ...selected }: Selected<Row> & { rows: Condition },
  ): Promise<(Row | null)[]> {
    const prepared = preparedCondition({ alias }, rows);
    const [only, ...others] = keys;
    if (only && others.length === 0) return [await this.#byKey(db, columns, only, selected, prepared)];
    const template = this.#template(
      ['by', namesOf(columns), keyOf(selected)],
      prepared,
      () => sql`
      select given.index, ${this.#columns(selected)} from ${keysGiven(columns)}
      join ${this.#table} on ${isGiven(columns)} and ${isMet(prepared)} ${joinClauses(this.mapping, selected.joins.joins)}`,
    );
    const found = await this.#found(template, db, { ...keyValues(columns, keys), ...prepared.values });
    const byIndex = new Map(found.map((values) => [Number(values[0]), rowOf(selected, values, 1)]));
    return keys.map((_key, index) => byIndex.get(index + 1) ?? null);
  }

  /** One key needs neither an array nor a join with it. */
  async #byKey(
    db: Database,
    columns: readonly TableColumn[],
    key: ColumnTexts,
    selected: Selected<Row>,
    prepared: PreparedCondition,
  ): Promise<Row | null> {
    const template = this.#template(['one by', namesOf(columns), keyOf(selected)], prepared, () => {
      const isKey = columns.map(
        (column, index) =>
          sql`${sql.raw(columnSql(column))} = ${parameter(`k${index}`)}::text::${sql.raw(column.type.sqlType)}`,
      );
      return sql`select ${this.#columns(selected)} from ${this.#table} ${joinClauses(this.mapping, selected.joins.joins)}
        where ${sql.join([...isKey, isMet(prepared)], sql` and `)}`;
    });
    const given = Object.fromEntries(key.map((text, index) => [`k${index}`, text]));
    const [values] = await this.#found(template, db, { ...given, ...prepared.values });
    return values ? rowOf(selected, values, 0) : null;
  }

  /** Loads a page in the order of the statement; see `TablePage`. @returns at most page.limit + 1 rows */
  async page(db: Database, page: TablePage, rows: Condition, selected: SelectedPage<Row>): Promise<PlacedRows<Row>> {
    const prepared = preparedCondition({ alias }, rows);
    const template = this.#template(['page', keyOf(selected), pageKey(page)], prepared, () =>
      this.#pageSql(page, selected, isMet(prepared)),
    );
    const found = await this.#execute(template, db, { ...pageValues(page), ...prepared.values });
    return placed(selected, found, 0);
  }

  /** Loads the same page of the rows of each key, with one statement. */
  async pagesByColumns(
    db: Database,
    columns: readonly TableColumn[],
    keys: readonly ColumnTexts[],
    { page, rows, ...selected }: SelectedPage<Row> & { page: TablePage; rows: Condition },
  ): Promise<PlacedRows<Row>[]> {
    const prepared = preparedCondition({ alias }, rows);
    const template = this.#template(
      ['pages by', namesOf(columns), keyOf(selected), pageKey(page)],
      prepared,
      () => sql`
      select given.index, found.* from ${keysGiven(columns)}
      cross join lateral (${this.#pageSql(page, selected, sql`${isGiven(columns)} and ${isMet(prepared)}`)}) as found`,
    );
    const values = { ...keyValues(columns, keys), ...pageValues(page), ...prepared.values };
    const found = Map.groupBy(await this.#execute(template, db, values), ([index]) => Number(index));
    return keys.map((_key, index) => placed(selected, found.get(index + 1) ?? [], 1));
  }

  /** Counts the rows. */
  async count(db: Database, rows: Condition): Promise<number> {
    const prepared = preparedCondition({ alias }, rows);
    const template = this.#template(
      ['count'],
      prepared,
      () => sql`select count(*) from ${this.#table} where ${isMet(prepared)}`,
    );
    const [row] = await this.#execute(template, db, prepared.values);
    return Number(row?.[0]);
  }

  /** Counts the rows of each key, with one statement. */
  async countsByColumns(
    db: Database,
    columns: readonly TableColumn[],
    keys: readonly ColumnTexts[],
    rows: Condition,
  ): Promise<number[]> {
    const prepared = preparedCondition({ alias }, rows);
    const template = this.#template(
      ['counts by', namesOf(columns)],
      prepared,
      () => sql`
      select given.index, count(*) from ${keysGiven(columns)}
      join ${this.#table} on ${isGiven(columns)} and ${isMet(prepared)} group by 1`,
    );
    const found = await this.#execute(template, db, { ...keyValues(columns, keys), ...prepared.values });
    const counts = new Map(found.map(([index, count]) => [Number(index), Number(count)]));
    return keys.map((_key, index) => counts.get(index + 1) ?? 0);
  }

  get #table(): RawBuilder<unknown> {
    return sql.raw(`${this.#name} as ${alias}`);
  }

  #pageSql(page: TablePage, selected: SelectedPage<Row>, where: RawBuilder<unknown>): RawBuilder<unknown> {
    const { order, limit, isBackward } = page;
    const { joins } = selected.joins;
    // The limit is literal: with a parameter, a plan for all values would expect to read a tenth of the table.
    const ordered = sql`${order.clause(isBackward)} limit ${sql.lit(limit + 1)}`;
    const ranges = rangesOf(page).map((range) => sql`from ${this.#table} where ${where} and ${range} ${ordered}`);
    const [first] = ranges;
    const columns = selected.hasPositions
      ? sql`${this.#columns(selected)}, ${order.position} as position`
      : this.#columns(selected);
    if (joins.length === 0 && ranges.length === 1) return sql`select ${columns} ${first}`;
    // Rows are joined to the page: PostgreSQL would sort all rows after the joins. Each range is read by an index.
    const read = new Set([
      ...selected.shape.properties.map((property) => columnOf(this.mapping, property)),
      ...joiningColumns(this.mapping, joins),
      ...order.columns.map(({ column }) => column),
    ]);
    const names = sql.raw([...read].map((one) => columnSql(one)).join(', '));
    const parts = sql.join(
      ranges.map((range) => sql`(select ${names} ${range})`),
      sql` union all `,
    );
    return sql`select ${columns} from (${parts}) as ${sql.raw(alias)} ${joinClauses(this.mapping, joins)} ${ordered}`;
  }

  #columns({ shape, joins }: Selected<Row>): RawBuilder<unknown> {
    return sql.join([...shape.columns(alias), ...joinedColumns(this.mapping, joins.joins)]);
  }

  #template(key: readonly string[], rows: PreparedCondition, build: () => RawBuilder<unknown>): ReadTemplate {
    return readTemplate([this.#name, ...key, rows.key].join(' '), () => rawQuery(build()), rows);
  }

  /** @returns no rows if the type of a key rejects a value, which an ID supplied */
  async #found(template: ReadTemplate, db: Database, values: Record<string, unknown>): Promise<unknown[][]> {
    return template.execute(db, values).catch((error: unknown) => {
      if (systemErrorCode(error)?.startsWith(dataException)) return [];
      throw this.#explained(error);
    });
  }

  /** @throws BadUserInput if the database rejects a value, which a cursor supplied */
  async #execute(template: ReadTemplate, db: Database, values: Record<string, unknown>): Promise<unknown[][]> {
    return template.execute(db, values).catch((error: unknown) => {
      throw systemErrorCode(error)?.startsWith(dataException) ? damagedCursor('after') : this.#explained(error);
    });
  }

  /** Names the table in the error of a statement that does not fit the database, for the log. */
  #explained(error: unknown): unknown {
    if (!(changes.has(systemErrorCode(error) ?? '') && typeof error === 'object' && error && 'message' in error))
      return error;
    return new Error(
      `The type of ${this.#name}, or one that it references, differs from the database, or the role may not read it: ${String(error.message)}. Change the entity in src/domains, or grant select.`,
      { cause: error },
    );
  }
}

/** undefined_table, undefined_column, invalid_schema_name and insufficient_privilege. */
const changes: ReadonlySet<string> = new Set(['42P01', '42703', '3F000', '42501']);

/** The class of SQLSTATE for values that a type rejects. */
const dataException = '22';

/** @returns what encodes the cursors of rows, whose positions must have been selected */
export function cursorsOf<Row extends object>(
  { rows, positions }: PlacedRows<Row>,
  order: TableOrder,
): (row: Row) => string {
  let known: Map<Row, string> | null = null;
  return (row) => {
    known ??= new Map(rows.map((one, index) => [one, positions?.[index] ?? '[]']));
    return order.encodeCursor(known.get(row) ?? '[]');
  };
}

const placed = <Row extends object>(
  selected: SelectedPage<Row>,
  found: readonly unknown[][],
  from: number,
): PlacedRows<Row> => ({
  rows: found.map((values) => rowOf(selected, values, from)),
  positions: selected.hasPositions ? found.map((values) => String(values.at(-1))) : null,
});

function rowOf<Row extends object>({ shape, joins }: Selected<Row>, values: readonly unknown[], from: number): Row {
  const row = shape.row(values, from);
  attachJoined(row, joins.joins, values, from + shape.properties.length);
  return row;
}

const keyOf = ({ shape, joins, hasPositions = false }: Selected<unknown> & { hasPositions?: boolean }): string =>
  `${shape.key} (${joins.key})${hasPositions ? ' placed' : ''}`;

/** The rows between the positions of a page: ranges of an index that have no row in common. */
function rangesOf({ order, after, before }: TablePage): RawBuilder<boolean>[] {
  if (!after) return before ? order.rangesBeyond(before, 'before') : [sql`true`];
  const ranges = order.rangesBeyond(after, 'after');
  if (!before) return ranges;
  const isBefore = sql.join(order.rangesBeyond(before, 'before'), sql` or `);
  return ranges.map((range) => sql`${range} and (${isBefore})`);
}

/** The condition of a statement in SQL. */
const isMet = (rows: PreparedCondition): RawBuilder<unknown> => rows.sql() ?? sql`true`;

const namesOf = (columns: readonly TableColumn[]): string => columns.map(({ property }) => property).join();

/** The given keys as a table with the columns `k0`, `k1` and so on, and `index`. */
const keysGiven = (columns: readonly TableColumn[]): RawBuilder<unknown> => {
  const arrays = columns.map(({ type }, index) => sql`${parameter(`k${index}`)}::text[]::${sql.raw(type.sqlType)}[]`);
  const names = columns.map((_column, index) => `k${index}`).join(', ');
  return sql`unnest(${sql.join(arrays)}) with ordinality as given (${sql.raw(names)}, index)`;
};

const isGiven = (columns: readonly TableColumn[]): RawBuilder<unknown> =>
  sql.raw(columns.map((column, index) => `${columnSql(column)} = given.k${index}`).join(' and '));

const keyValues = (columns: readonly TableColumn[], keys: readonly ColumnTexts[]): Record<string, unknown> =>
  Object.fromEntries(columns.map((_column, index) => [`k${index}`, keys.map((key) => key[index])]));

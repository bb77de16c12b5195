import type { SqlEntityManager } from '@mikro-orm/postgresql';
import { sql, type RawBuilder } from 'kysely';
import pg from 'pg';
import { execute } from '../../database/execute.js';
import { limitedResult } from '../../database/result-size.js';
import type { RowShape } from '../../database/row-shapes.js';
import { alias, columnSql, qualified, type TableColumn, type TableMapping } from './existing-table.js';
import type { ColumnValue, ColumnValues } from './input-values.js';

/** The user whose rows a caller may write; null for all. */
export type RowWriter = { userId: string } | null;

/** One row, as a write finds it. */
export interface WrittenRow {
  /** The texts of the key. */
  key: readonly string[];
  /** Only if the row is of this user. */
  owner: RowWriter;
  /** Only if the row has this version. */
  version: { column: TableColumn; value: string } | null;
}

/** The statements that write one row of a table, each by one execution. */
export class WriteStatements<Row> {
  readonly #table: string;

  constructor(readonly mapping: TableMapping) {
    this.#table = `${qualified(mapping)} as ${alias}`;
  }

  /** @returns the new row; null if a trigger has skipped it */
  insert(em: SqlEntityManager, values: ColumnValues, shape: RowShape<Row>): Promise<Row | null> {
    const columns = [...values.keys()];
    const rows =
      columns.length === 0
        ? sql`default values`
        : sql`(${sql.raw(columns.map(nameOf).join(', '))}) select ${written(columns)} from ${given(values)}`;
    return this.#row(em, sql`insert into ${sql.raw(this.#table)} ${rows} ${returning(shape)}`, shape);
  }

  /** @returns the changed row; null if no row is found */
  update(em: SqlEntityManager, row: WrittenRow, values: ColumnValues, shape: RowShape<Row>): Promise<Row | null> {
    const columns = [...values.keys()];
    // Without a change nothing is written, so that triggers and versions stay as they are.
    if (columns.length === 0)
      return this.#row(
        em,
        sql`select ${sql.join(shape.columns(alias))} from ${sql.raw(this.#table)} where ${this.#isRow(row)}`,
        shape,
      );
    const assigned = sql.raw(
      columns.map((column, index) => `${nameOf(column)} = ${writtenForm(column, index)}`).join(', '),
    );
    return this.#row(
      em,
      sql`update ${sql.raw(this.#table)} set ${assigned} from ${given(values)} where ${this.#isRow(row)} ${returning(shape)}`,
      shape,
    );
  }

  /** @returns whether a row was found */
  async delete(em: SqlEntityManager, row: WrittenRow): Promise<boolean> {
    const deleted = await execute(
      em,
      sql`delete from ${sql.raw(this.#table)} where ${this.#isRow(row)} returning 1 as deleted`,
    );
    return deleted.length > 0;
  }

  /** Whether there is a row with the key that the owner may write, whatever its version. */
  async exists(em: SqlEntityManager, row: WrittenRow): Promise<boolean> {
    const found = await execute(
      em,
      sql`select 1 as found from ${sql.raw(this.#table)} where ${this.#isRow({ ...row, version: null })}`,
    );
    return found.length > 0;
  }

  async #row(em: SqlEntityManager, statement: RawBuilder<unknown>, shape: RowShape<Row>): Promise<Row | null> {
    const [found] = await execute(em, sql`${statement} ${sql.raw(limitedResult)}`);
    return found === undefined ? null : shape.row(Object.values(found as object));
  }

  #isRow({ key, owner, version }: WrittenRow): RawBuilder<unknown> {
    const { key: columns, owner: ownedBy } = this.mapping;
    const conditions = columns.map((column, index) => isEqual(column, key[index] ?? null));
    if (ownedBy && owner) conditions.push(isEqual(ownedBy, owner.userId));
    if (version) conditions.push(isEqual(version.column, version.value));
    return sql.join(conditions, sql` and `);
  }
}

const nameOf = ({ name }: TableColumn): string => pg.escapeIdentifier(name);

const isEqual = (column: TableColumn, value: string | null): RawBuilder<unknown> =>
  sql`${sql.raw(columnSql(column))} = ${value}::text::${sql.raw(column.type.sqlType)}`;

const returning = (shape: RowShape<unknown>): RawBuilder<unknown> => sql`returning ${sql.join(shape.columns(alias))}`;

/** The values as the columns `v0`, `v1` and so on of the table `sent`. */
export function given(values: ColumnValues): RawBuilder<unknown> {
  const texts = [...values].map(([column, value]) => sentText(column, value));
  const names = texts.map((_text, index) => `v${index}`).join(', ');
  return sql`(values (${sql.join(texts)})) as sent (${sql.raw(names)})`;
}

const sentText = ({ type }: TableColumn, value: ColumnValue): RawBuilder<unknown> =>
  type.isList ? sql`${value}::text[]` : sql`${value}::text`;

/** SQL of a column's value in `given`. */
export const writtenForm = ({ type }: TableColumn, index: number): string =>
  `case when sent.v${index} is not null then ${type.write(`sent.v${index}`)} end`;

const written = (columns: readonly TableColumn[]): RawBuilder<unknown> => sql.raw(columns.map(writtenForm).join(', '));

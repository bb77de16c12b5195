import { sql, type AliasedRawBuilder, type RawBuilder } from 'kysely';
import { alias, columnOf, columnSql, qualified, type TableColumn, type TableMapping } from './existing-table.js';
import type { Join } from './references.js';

/** A join with the alias of its table, and the table that it is joined to. */
interface PlacedJoin {
  join: Join;
  name: string;
  parent: { name: string; table: TableMapping };
}

/** The joins in the order of a statement: each before those below it. */
function inStatement(table: TableMapping, joins: readonly Join[]): PlacedJoin[] {
  const placed: PlacedJoin[] = [];
  const place = (below: readonly Join[], parent: PlacedJoin['parent']): void => {
    for (const join of below) {
      const name = `j${placed.length}`;
      placed.push({ join, name, parent });
      place(join.joins, { name, table: join.table });
    }
  };
  place(joins, { name: alias, table });
  return placed;
}

type JoinedColumn = RawBuilder<unknown> | AliasedRawBuilder<unknown, string>;

/** The values of joined rows: for each whether there is one, and its columns. */
export const joinedColumns = (table: TableMapping, joins: readonly Join[]): JoinedColumn[] =>
  inStatement(table, joins).flatMap(({ join, name }) => {
    const referenced = join.on.map(([, property]) => `${columnSql(columnOf(join.table, property), name)} is not null`);
    return [sql.raw(referenced.join(' and ')), ...join.shape.columns(name)];
  });

/** The clauses of the joins. */
export const joinClauses = (table: TableMapping, joins: readonly Join[]): RawBuilder<unknown> =>
  sql.raw(
    inStatement(table, joins)
      .map(({ join, name, parent }) => {
        const on = join.on.map(
          ([own, referenced]) =>
            `${columnSql(columnOf(join.table, referenced), name)} = ${columnSql(columnOf(parent.table, own), parent.name)}`,
        );
        return `left join ${qualified(join.table)} as ${name} on ${on.join(' and ')}`;
      })
      .join(' '),
  );

/** The columns of the foreign keys of a table by which others are joined. */
export const joiningColumns = (table: TableMapping, joins: readonly Join[]): TableColumn[] =>
  joins.flatMap(({ on }) => on.map(([own]) => columnOf(table, own)));

const joined = Symbol('joined rows');

interface JoiningRow {
  [joined]?: { joins: readonly Join[]; rows: readonly (object | null)[] };
}

/** The row that a field returns, if it was joined to the row: null if there is none, and undefined if it was not joined. */
export function joinedRow(row: object, field: string): object | null | undefined {
  const found = (row as JoiningRow)[joined];
  return found?.rows[found.joins.findIndex((join) => join.field === field)];
}

/** Makes the joined rows of values, from a position on, and attaches them to their row. @returns the next position */
export function attachJoined(row: object, joins: readonly Join[], values: readonly unknown[], from: number): number {
  if (joins.length === 0) return from;
  let at = from;
  const rows = joins.map(({ shape, joins: below }) => {
    const exists = values[at] === true;
    const one = shape.row(values, at + 1);
    at = attachJoined(one, below, values, at + 1 + shape.properties.length);
    return exists ? one : null;
  });
  (row as JoiningRow)[joined] = { joins, rows };
  return at;
}

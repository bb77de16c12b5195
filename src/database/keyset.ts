import { sql, type SelectQueryBuilder } from 'kysely';

/** An order of a list: one column, and the id where values are equal, so that it is stable. */
export interface Keyset {
  /** The column in SQL, qualified by its table: `employee.hired_on`. */
  column: string;
  /** The row's property that holds the column's value. */
  property: string;
  type: 'text' | 'integer' | 'date' | 'timestamptz' | 'uuid';
  isDescending: boolean;
}

/** A place in a list: the value that orders it, and the id. */
export interface Position {
  value: string | number;
  id: string;
}

/** A page of a list in an order: so many rows from the start (or, backward, from the end) of what lies between two positions. */
export interface KeysetPage {
  order: Keyset;
  limit: number;
  isBackward: boolean;
  after: Position | null;
  before: Position | null;
}

/**
 * Restricts and orders a query to one page, and one row more, by which the page knows whether more follow.
 * Keyset pagination: its cost does not grow with the page's depth. A backward page comes in reverse; see `inOrder`.
 */
export function pageOf<DB, TB extends keyof DB, O>(
  query: SelectQueryBuilder<DB, TB, O>,
  { order, limit, isBackward, after, before }: KeysetPage,
): SelectQueryBuilder<DB, TB, O> {
  const isDown = order.isDescending !== isBackward;
  const column = sql.ref(order.column);
  const id = sql.ref(`${order.column.split('.')[0] ?? ''}.id`);
  const direction = sql.raw(isDown ? 'desc' : 'asc');
  const type = sql.raw(order.type);
  const lies = (compare: '<' | '>', { value, id: rowId }: Position) => sql<boolean>`(${column}, ${id}) ${sql.raw(compare)} (${value}::${type}, ${rowId}::uuid)`;
  let page = query
    .orderBy(sql`${column} ${direction}`)
    .orderBy(sql`${id} ${direction}`)
    .limit(limit + 1);
  if (after) page = page.where(lies(order.isDescending ? '<' : '>', after));
  if (before) page = page.where(lies(order.isDescending ? '>' : '<', before));
  return page;
}

/** The rows of `pageOf` in the list's own order. */
export const inOrder = <R>(rows: R[], page: KeysetPage): R[] => (page.isBackward ? rows.reverse() : rows);

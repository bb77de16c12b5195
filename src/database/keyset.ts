import { sql, type SelectQueryBuilder } from 'kysely';
import { parameter } from './read-templates.js';
import { sortCollation } from './text-comparison.js';

/** A stable order of a list: one column, then the id. */
export interface Keyset {
  /** The column in SQL, qualified by its table: `employee.hired_on`. */
  column: string;
  /** The row's property with the column's value. */
  property: string;
  type: 'text' | 'integer' | 'date' | 'timestamptz' | 'uuid';
  isDescending: boolean;
}

/** A position in a list. */
export interface Position {
  value: string | number;
  id: string;
}

/** The first `limit` rows (backward: the last) between two positions. */
export interface KeysetPage {
  order: Keyset;
  limit: number;
  isBackward: boolean;
  after: Position | null;
  before: Position | null;
}

/**
 * Restricts a query to one page and one more row, which shows whether a next page exists. Keyset pagination: the cost does not
 * grow with depth. A backward page is in reverse order; see `inOrder`.
 */
export function pageOf<DB, TB extends keyof DB, O>(
  query: SelectQueryBuilder<DB, TB, O>,
  { order, limit, isBackward, after, before }: KeysetPage,
): SelectQueryBuilder<DB, TB, O> {
  const isDown = order.isDescending !== isBackward;
  const column =
    order.type === 'text' ? sql`${sql.ref(order.column)} collate ${sql.raw(sortCollation)}` : sql.ref(order.column);
  const id = sql.ref(`${order.column.split('.')[0] ?? ''}.id`);
  const direction = sql.raw(isDown ? 'desc' : 'asc');
  const type = sql.raw(order.type);
  // A comparison of the id alone lets PostgreSQL skip partitions, which are ranges of ids.
  const isById = order.property === 'id';
  const isBeyond = (compare: '<' | '>', { value, id: rowId }: Position) =>
    isById
      ? sql<boolean>`${id} ${sql.raw(compare)} ${rowId}::uuid`
      : sql<boolean>`(${column}, ${id}) ${sql.raw(compare)} (${value}::${type}, ${rowId}::uuid)`;
  // The limit is literal: with a parameter, a plan for all values would expect to read a tenth of the table.
  let page = query.orderBy(sql`${column} ${direction}`).limit(sql.lit(limit + 1));
  if (!isById) page = page.orderBy(sql`${id} ${direction}`);
  if (after) page = page.where(isBeyond(order.isDescending ? '<' : '>', after));
  if (before) page = page.where(isBeyond(order.isDescending ? '>' : '<', before));
  return page;
}

/** The rows of `pageOf` in the list's order. */
export const inOrder = <R>(rows: R[], page: KeysetPage): R[] => (page.isBackward ? rows.reverse() : rows);

/** A page as a template has it: the positions are parameters. */
export const templatePage = (page: KeysetPage): KeysetPage => ({
  ...page,
  after: page.after && { value: parameter('afterValue'), id: parameter('afterId') },
  before: page.before && { value: parameter('beforeValue'), id: parameter('beforeId') },
});

/** Everything that the text of a page's template depends on. */
export const pageKey = ({ order, limit, isBackward, after, before }: KeysetPage): string =>
  [
    order.column,
    order.isDescending ? 'desc' : 'asc',
    limit,
    isBackward ? 'last' : 'first',
    ...(after ? ['after'] : []),
    ...(before ? ['before'] : []),
  ].join(' ');

/** The values of a page's template. */
export const pageValues = ({ after, before }: KeysetPage): Record<string, unknown> => ({
  afterValue: after?.value,
  afterId: after?.id,
  beforeValue: before?.value,
  beforeId: before?.id,
});

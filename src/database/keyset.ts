import { sql, type RawBuilder, type SelectQueryBuilder } from 'kysely';
import { rangesBeyond, type SortTerm } from './keyset-ranges.js';
import { parameter } from './read-templates.js';
import { collated, sortCollation } from './text-comparison.js';

/** A value of a sorted column, as JSON has it. */
export type SortValue = string | number | boolean | null;

/** One column of an order. */
export interface SortKey {
  /** The column in SQL, qualified by its table: `employee.hired_on`. */
  column: string;
  /** The row's property with the column's value. */
  property: string;
  /** In SQL. */
  type: string;
  isDescending: boolean;
  /** Null is the greatest value, as PostgreSQL sorts it: last in ascending order. */
  isNullable?: boolean;
  /** Of a text; by default that of code points. Null for the collation of the column. */
  collation?: string | null;
}

/** A stable order of a list: one column, then others if there are any, then the id in the direction of the last of them. */
export interface Keyset extends SortKey {
  then?: readonly SortKey[];
}

/** A position in a list. */
export interface Position {
  value: SortValue;
  /** The values of `Keyset.then`. */
  then?: readonly SortValue[];
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

/** The columns of an order without the id. */
export const sortKeys = (order: Keyset): readonly SortKey[] => (order.then ? [order, ...order.then] : [order]);

/** The values of a position, in the order of `sortKeys`. */
const valuesOf = ({ value, then = [] }: Position): readonly SortValue[] => [value, ...then];

/**
 * Restricts a query to one page and one more row, which shows whether a next page exists. Keyset pagination: the cost does not
 * grow with depth. A backward page is in reverse order; see `inOrder`.
 */
export function pageOf<DB, TB extends keyof DB, O>(
  query: SelectQueryBuilder<DB, TB, O>,
  { order, limit, isBackward, after, before }: KeysetPage,
): SelectQueryBuilder<DB, TB, O> {
  const keys = sortKeys(order);
  const directionOf = ({ isDescending }: SortKey) => sql.raw(isDescending !== isBackward ? 'desc' : 'asc');
  // The limit is literal: with a parameter, a plan for all values would expect to read a tenth of the table.
  let page = query.limit(sql.lit(limit + 1));
  for (const key of keys) page = page.orderBy(sql`${columnOf(key)} ${directionOf(key)}`);
  // An order by the id has nothing to add.
  if (order.property !== 'id') page = page.orderBy(sql`${idOf(order)} ${directionOf(keys.at(-1) ?? order)}`);
  if (after) page = page.where(isBeyond(keys, after, { isAfter: true }));
  if (before) page = page.where(isBeyond(keys, before, { isAfter: false }));
  return page;
}

const columnOf = ({ column, type, collation = sortCollation }: SortKey): RawBuilder<unknown> =>
  type === 'text' ? collated(column, collation) : sql.ref(column);

const idOf = ({ column }: SortKey): RawBuilder<unknown> => sql.ref(`${column.split('.')[0] ?? ''}.id`);

/** Whether a row is after a position, or before it. */
function isBeyond(
  keys: readonly SortKey[],
  position: Position,
  { isAfter }: { isAfter: boolean },
): RawBuilder<boolean> {
  const [first] = keys;
  if (!first) throw new Error('An order has no column.');
  const isById = first.property === 'id';
  const values = valuesOf(position);
  const terms = keys.map((key, index): SortTerm => ({
    column: columnOf(key),
    value: sql`${values[index]}::${sql.raw(key.type)}`,
    isNull: values[index] === null,
    isNullable: key.isNullable === true,
    isUp: key.isDescending !== isAfter,
  }));
  const { isDescending } = (isById ? first : keys.at(-1)) ?? first;
  const isUp = isDescending !== isAfter;
  const id = { column: idOf(first), value: sql`${position.id}::uuid`, isNull: false, isNullable: false, isUp };
  // A comparison of the id alone lets PostgreSQL skip partitions, which are ranges of ids.
  const ranges = rangesBeyond(isById ? [id] : [...terms, id]);
  return sql`(${sql.join(ranges, sql` or `)})`;
}

/** The rows of `pageOf` in the list's order. */
export const inOrder = <R>(rows: R[], page: KeysetPage): R[] => (page.isBackward ? rows.reverse() : rows);

/** A page as a template has it: the positions are parameters, except nulls. */
export const templatePage = (page: KeysetPage): KeysetPage => ({
  ...page,
  after: page.after && templatePosition(page.after, 'after'),
  before: page.before && templatePosition(page.before, 'before'),
});

const templatePosition = ({ value, then }: Position, name: string): Position => ({
  value: value === null ? null : parameter(`${name}Value`),
  ...(then && { then: then.map((one, index) => (one === null ? null : parameter(`${name}Then${index}`))) }),
  id: parameter(`${name}Id`),
});

/** Everything that the text of a page's template depends on. */
export const pageKey = ({ order, limit, isBackward, after, before }: KeysetPage): string =>
  [
    ...sortKeys(order).flatMap(({ column, isDescending }) => [column, isDescending ? 'desc' : 'asc']),
    limit,
    isBackward ? 'last' : 'first',
    ...(after ? [`after${nullsOf(after)}`] : []),
    ...(before ? [`before${nullsOf(before)}`] : []),
  ].join(' ');

/** Which values of a position are null. */
const nullsOf = (position: Position): string =>
  valuesOf(position)
    .flatMap((value, index) => (value === null ? [`-${index}`] : []))
    .join('');

/** The values of a page's template. */
export const pageValues = ({ after, before }: KeysetPage): Record<string, unknown> => ({
  ...(after && positionValues(after, 'after')),
  ...(before && positionValues(before, 'before')),
});

const positionValues = ({ value, then = [], id }: Position, name: string): Record<string, unknown> => ({
  [`${name}Value`]: value,
  [`${name}Id`]: id,
  ...Object.fromEntries(then.map((one, index) => [`${name}Then${index}`, one])),
});

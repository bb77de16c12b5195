import { sql, type RawBuilder } from 'kysely';

/** A column of an order beside its value at a position. */
export interface SortTerm {
  column: RawBuilder<unknown>;
  value: RawBuilder<unknown>;
  /** Whether the value is null, which is greater than all others. */
  isNull: boolean;
  isNullable: boolean;
  /** Whether the rows beyond the position have greater values. */
  isUp: boolean;
}

/**
 * The rows beyond a position, as one range of an index that starts with the columns, or as two that have no row in common: the nulls of
 * an index are at its end, and PostgreSQL does not start in the middle of an index for `or`.
 */
export function rangesBeyond(terms: readonly SortTerm[]): RawBuilder<boolean>[] {
  const [first, ...others] = terms;
  if (!first) throw new Error('An order has no column.');
  const { column, value, isNull, isNullable, isUp } = first;
  if (terms.every((term) => !term.isNullable && term.isUp === isUp)) {
    // One comparison of rows is one range of an index.
    const columns = terms.map((term) => term.column);
    const values = terms.map((term) => term.value);
    return [terms.length === 1 ? further(first) : sql`(${sql.join(columns)}) ${symbol(first)} (${sql.join(values)})`];
  }
  if (isNull) {
    const tied = sql<boolean>`${column} is null and ${isBeyond(others)}`;
    return isUp ? [tied] : [tied, sql`${column} is not null`];
  }
  // The first comparison is the range; the second one is within it.
  const range = sql<boolean>`${column} ${symbol(first)}= ${value} and (${further(first)} or ${column} = ${value} and ${isBeyond(others)})`;
  return isUp && isNullable ? [range, sql`${column} is null`] : [range];
}

/** Whether a row is beyond a position. */
function isBeyond(terms: readonly SortTerm[]): RawBuilder<boolean> {
  return terms.reduceRight<RawBuilder<boolean>>(
    (rest, term) => {
      const { column, value, isNull, isNullable, isUp } = term;
      if (isNull) return isUp ? sql`(${column} is null and ${rest})` : sql`(${column} is not null or ${rest})`;
      const beyond = isUp && isNullable ? sql`${further(term)} or ${column} is null` : further(term);
      return sql`(${beyond} or ${column} = ${value} and ${rest})`;
    },
    sql`false`,
  );
}

const symbol = ({ isUp }: SortTerm): RawBuilder<unknown> => sql.raw(isUp ? '>' : '<');

const further = (term: SortTerm): RawBuilder<boolean> => sql`${term.column} ${symbol(term)} ${term.value}`;

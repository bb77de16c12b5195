import { sql, type RawBuilder, type SelectQueryBuilder } from 'kysely';
import { parameter } from '../../database/read-templates.js';
import { containing, foldedExpression, foldedParameter, startingWith } from '../../database/text-comparison.js';
import {
  columnIn,
  comparedIn,
  sqlTypeOf,
  tableAs,
  type Column,
  type Filterable,
  type Relation,
  type SearchedText,
} from './columns.js';

/** The operators of conditions on a column. */
export type Operator =
  'eq' | 'ne' | 'in' | 'notIn' | 'lt' | 'lte' | 'gt' | 'gte' | 'isNull' | 'contains' | 'startsWith';

/** A value as the database has it, or a list of them for `in` and `notIn`. */
export type ConditionValue = string | number | boolean | readonly (string | number | boolean)[];

/** A validated condition on a row. Each is true or false: a comparison with null is false, and `ne`, `notIn` and `not` invert. */
export type Condition =
  | { kind: 'and'; of: readonly Condition[] }
  | { kind: 'or'; of: readonly Condition[] }
  | { kind: 'not'; of: Condition }
  | Comparison
  | Search
  | { kind: 'related'; relation: Relation; of: Condition };

/** A condition on one column. */
export interface Comparison {
  kind: 'comparison';
  column: Column;
  operator: Operator;
  value: ConditionValue;
  /** The field in the caller's filter, for errors. */
  field: string;
  /** Whether one plan suits all values; by default of equality with an ID alone. */
  hasStablePlan?: boolean;
}

/** Whether a text with a trigram index contains another, in any case. */
interface Search {
  kind: 'search';
  text: SearchedText;
  value: string;
  field: string;
  /** Accepted of lists whether or not an index helps, since it is older than the check. */
  isExempt?: boolean;
}

/** The condition that every row meets. */
export const everyRow: Condition = { kind: 'and', of: [] };

/** The condition that rows meet which meet each of some conditions. */
export function allOf(...conditions: readonly Condition[]): Condition {
  const of = conditions.filter((condition) => condition !== everyRow);
  const [only = everyRow] = of;
  return of.length > 1 ? { kind: 'and', of } : only;
}

/** Whether a condition is met by every row, or by none, whatever the rows are. */
export const isEveryRow = (condition: Condition): boolean => condition.kind === 'and' && condition.of.every(isEveryRow);
export const isNoRow = (condition: Condition): boolean =>
  condition.kind === 'or' ? condition.of.every(isNoRow) : condition.kind === 'and' && condition.of.some(isNoRow);

/** The relations that a condition depends on. */
export function relationsIn(condition: Condition): Relation[] {
  if (condition.kind === 'and' || condition.kind === 'or') return condition.of.flatMap(relationsIn);
  if (condition.kind === 'not') return relationsIn(condition.of);
  return condition.kind === 'related' ? [condition.relation] : [];
}

/** A condition for a template. */
export interface PreparedCondition {
  /** Everything that the text of its SQL depends on. */
  key: string;
  /** The values of its parameters. */
  values: Readonly<Record<string, unknown>>;
  /** Whether one plan suits all values: the number of rows of a range or a search depends on its values, and so does the best index. */
  hasStablePlan: boolean;
  /** @returns null if every row meets it */
  sql(): RawBuilder<boolean> | null;
}

/** Prepares a condition: its values are parameters, so that one template serves all filters of the same structure. */
export function preparedCondition({ alias }: Pick<Filterable, 'alias'>, condition: Condition): PreparedCondition {
  if (condition === everyRow) return preparedEveryRow;
  const values: unknown[] = [];
  let hasStablePlan = true;
  const keyOf = (one: Condition): string => {
    if (one.kind === 'not') {
      hasStablePlan = false;
      return `!${keyOf(one.of)}`;
    }
    if (one.kind === 'related') {
      hasStablePlan = false;
      return `${one.relation.name}{${keyOf(one.of)}}`;
    }
    if (one.kind === 'search') {
      hasStablePlan = false;
      values.push(containing(one.value));
      return one.text.index;
    }
    if (one.kind === 'comparison') {
      hasStablePlan &&= one.hasStablePlan ?? (one.operator === 'eq' && one.column.type === 'id');
      if (one.operator !== 'isNull') values.push(parameterOf(one));
      return `${one.column.name} ${one.operator}${one.operator === 'isNull' ? String(one.value) : ''}`;
    }
    hasStablePlan &&= one.kind === 'and';
    return `${one.kind}(${one.of.map(keyOf).join()})`;
  };
  const key = keyOf(condition);
  return {
    key,
    values: Object.fromEntries(values.map((value, index) => [`filter${index}`, value])),
    hasStablePlan,
    sql: () => (isEveryRow(condition) ? null : conditionSql(condition, alias, { next: 0 })),
  };
}

/** Restricts a query to the rows that meet a condition; for Kysely's `$call`. */
export const where =
  ({ sql: condition }: Pick<PreparedCondition, 'sql'>) =>
  <DB, TB extends keyof DB, Output>(query: SelectQueryBuilder<DB, TB, Output>): SelectQueryBuilder<DB, TB, Output> => {
    const restriction = condition();
    return restriction ? query.where(restriction) : query;
  };

/** For lists without a filter, which are the most frequent. */
const preparedEveryRow: PreparedCondition = { key: '', values: {}, hasStablePlan: true, sql: () => null };

function parameterOf({ operator, value }: Comparison): unknown {
  if (operator === 'contains') return containing(String(value));
  return operator === 'startsWith' ? startingWith(String(value)) : value;
}

/** @param counter numbers the parameters in the order of `preparedCondition` */
function conditionSql(condition: Condition, table: string, counter: { next: number }): RawBuilder<boolean> {
  if (condition.kind === 'comparison') return comparisonSql(condition, table, counter);
  if (condition.kind === 'search')
    return sql`${sql.raw(condition.text.expression(table))} like ${foldedParameter(nextParameter(counter))}`;
  if (condition.kind === 'not') return sql`(${conditionSql(condition.of, table, counter)}) is not true`;
  if (condition.kind === 'related') return relatedSql(condition, table, counter);
  if (condition.of.length === 0) return sql.lit(condition.kind === 'and');
  const parts = condition.of.map((part) => conditionSql(part, table, counter));
  return sql`(${sql.join(parts, sql.raw(` ${condition.kind} `))})`;
}

function relatedSql(
  { relation, of }: Extract<Condition, { kind: 'related' }>,
  table: string,
  counter: { next: number },
): RawBuilder<boolean> {
  // An alias keeps it apart from the list's own table, which a manager's is.
  const joined = Object.entries(relation.on).map(
    ([column, referenced]) => sql<boolean>`${sql.id('related', referenced)} = ${sql.id(table, column)}`,
  );
  const met = sql.join([...joined, conditionSql(of, 'related', counter)], sql` and `);
  return sql`exists (select from ${tableAs(relation.to(), 'related')} where ${met})`;
}

function comparisonSql(
  { column, operator, value }: Comparison,
  table: string,
  counter: { next: number },
): RawBuilder<boolean> {
  const reference = sql.raw(columnIn(table, column));
  if (operator === 'isNull') return sql`${reference} is ${sql.raw(value === true ? '' : 'not ')}null`;
  const given = nextParameter(counter);
  if (operator === 'contains' || operator === 'startsWith') {
    const pattern = foldedParameter(given);
    return sql`${foldedExpression(reference)} like ${pattern}`;
  }
  const compared = sql.raw(comparedIn(table, column));
  const type = sqlTypeOf(column);
  const compare = (symbol: string) => sql.raw(operatorOf(column, symbol));
  // PostgreSQL infers the type of an enum.
  const one = type === null ? sql`${given}` : sql`${given}::${sql.raw(type)}`;
  const list = type === null ? one : sql`${given}::${sql.raw(type)}[]`;
  if (operator === 'in') return sql`${compared} ${compare('=')} any(${list})`;
  if (operator === 'notIn') return sql`(${compared} ${compare('=')} any(${list})) is not true`;
  if (operator === 'ne') return sql`(${compared} ${compare('=')} ${one}) is not true`;
  return sql`${compared} ${compare(symbols[operator])} ${one}`;
}

/** An operator of a type of an extension is in its schema, which need not be in the search path: texts would be compared instead. */
function operatorOf({ type, sqlType = '' }: Column, symbol: string): string {
  const schema = sqlType.slice(0, Math.max(sqlType.lastIndexOf('.'), 0));
  return type === 'text' && schema !== '' ? `operator(${schema}.${symbol})` : symbol;
}

const nextParameter = (counter: { next: number }): string => parameter(`filter${counter.next++}`);

const symbols = { eq: '=', lt: '<', lte: '<=', gt: '>', gte: '>=' } as const;

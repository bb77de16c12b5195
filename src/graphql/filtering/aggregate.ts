import type { GraphQLResolveInfo } from 'graphql';
import { sql, type RawBuilder } from 'kysely';
import type { Viewer } from '../../auth/viewer.js';
import { queryBuilder, readTemplate } from '../../database/read-templates.js';
import type { Database } from '../../database/tables.js';
import { collated } from '../../database/text-comparison.js';
import { BadUserInput } from '../../errors/app-error.js';
import { lookAhead } from '../context/selection.js';
import { encodeId } from '../relay/global-id.js';
import {
  aggregatedColumns,
  aggregateFunctions,
  aggregateLimits,
  groupingsOf,
  type AggregateFunction,
  type AggregateRow,
  type Grouping,
} from './aggregate-types.js';
import { assertReadable, type Column, type Filterable } from './columns.js';
import { preparedCondition, where, type Condition, type PreparedCondition } from './condition.js';

/** A function of a column that an operation selects. */
interface Aggregation {
  name: AggregateFunction;
  column: Column;
}

/** What is aggregated of a list. */
export interface AggregateQuery {
  groupings: readonly Grouping[];
  aggregations: readonly Aggregation[];
}

/** Derives which functions of which columns an operation selects below a field that returns aggregates. */
export const selectedAggregations = (filterable: Filterable): ((info: GraphQLResolveInfo) => readonly Aggregation[]) =>
  lookAhead((fields) =>
    aggregateFunctions.flatMap((name) => {
      const selected = fields.at(name);
      const columns = aggregatedColumns(filterable, name).filter((column) => selected?.has(column.name));
      return columns.map((column) => ({ name, column }));
    }),
  );

/**
 * Validates what a caller aggregates.
 * @throws BadUserInput if it groups by too many columns or by one twice
 * @throws the error of `mayRead` if the viewer may not read a column in every row
 */
export function readAggregateQuery(
  filterable: Filterable,
  groupBy: readonly string[],
  aggregations: readonly Aggregation[],
  viewer: Viewer,
): AggregateQuery {
  const problem = (message: string) => BadUserInput.ofFields([{ field: 'groupBy', message }]);
  const known = groupingsOf(filterable);
  if (groupBy.length > aggregateLimits.groupColumns)
    throw problem(`has ${groupBy.length} columns; at most ${aggregateLimits.groupColumns} are allowed`);
  if (new Set(groupBy).size < groupBy.length) throw problem('has a column twice; send each once');
  const groupings = groupBy.map((name) => {
    const grouping = known.get(name);
    if (!grouping) throw problem(`has an unknown column ${name.slice(0, 60)}`);
    return grouping;
  });
  const read = [
    ...groupings.flatMap(({ of }) => ('type' in of ? [of] : [])),
    ...aggregations.map(({ column }) => column),
  ];
  for (const column of read) assertReadable(column, viewer);
  return { groupings, aggregations };
}

/**
 * Aggregates the rows that meet a condition, by one statement.
 * @returns the groups in the order of their keys; one group of all rows without groupings
 * @throws BadUserInput if there are too many groups
 */
export async function aggregateRows(
  db: Database,
  filterable: Filterable,
  condition: Condition,
  { groupings, aggregations }: AggregateQuery,
): Promise<AggregateRow[]> {
  const filter = preparedCondition(filterable, condition);
  const keys = groupings.map(({ name }) => name).join();
  const values = aggregations.map(({ name, column }) => `${name} ${column.name}`).join();
  const template = readTemplate(
    `aggregates of ${filterable.table} ${keys} ${values} ${filter.key}`,
    () => aggregateStatement(filterable, { groupings, aggregations }, filter),
    { hasStablePlan: false },
  );
  const rows = await template.execute(db, filter.values);
  if (rows.length > aggregateLimits.groups) {
    const message = `makes more than ${aggregateLimits.groups} groups; group by fewer columns, or filter the rows`;
    throw BadUserInput.ofFields([{ field: 'groupBy', message }]);
  }
  return rows.map((row) => aggregateRow({ groupings, aggregations }, row));
}

function aggregateStatement(
  { table }: Filterable,
  { groupings, aggregations }: AggregateQuery,
  filter: PreparedCondition,
) {
  let query = queryBuilder.selectFrom(sql.table(table).as(table)).$call(where(filter));
  const keys = groupings.map((grouping) => keySql(grouping, table));
  for (const key of keys) query = query.groupBy(key).orderBy(key);
  const selected = [
    ...keys,
    sql`count(*)::integer`,
    ...aggregations.map((aggregation) => aggregationSql(aggregation, table)),
  ];
  return query.select(selected.map((one, index) => one.as(`value${index}`))).limit(sql.lit(aggregateLimits.groups + 1));
}

function keySql({ column, part, of }: Grouping, table: string): RawBuilder<unknown> {
  const reference = `${table}.${column}`;
  if (part === 'value')
    return 'type' in of && of.type === 'text' ? collated(reference, of.collation) : sql.ref(reference);
  const day =
    'type' in of && of.type === 'datetime' ? sql`(${sql.ref(reference)} at time zone 'UTC')` : sql.ref(reference);
  return part === 'year' ? sql`extract(year from ${day})::integer` : sql`date_trunc('month', ${day})::date`;
}

function aggregationSql({ name, column }: Aggregation, table: string): RawBuilder<unknown> {
  const value = sql`${sql.raw(name)}(${sql.ref(`${table}.${column.column}`)})`;
  if (name === 'avg') return sql`${value}::double precision`;
  if (name !== 'sum') return value;
  return column.type === 'integer' ? sql`${value}::double precision` : value;
}

function aggregateRow({ groupings, aggregations }: AggregateQuery, values: readonly unknown[]): AggregateRow {
  const key = groupings.map((grouping, index): [string, unknown] => [grouping.name, keyValue(grouping, values[index])]);
  const from = groupings.length + 1;
  const part = (name: AggregateFunction): Record<string, unknown> =>
    Object.fromEntries(
      aggregations.flatMap((one, index) => (one.name === name ? [[one.column.name, values[from + index]]] : [])),
    );
  return {
    key: Object.fromEntries(key),
    count: Number(values[groupings.length]),
    sum: part('sum'),
    avg: part('avg'),
    min: part('min'),
    max: part('max'),
  };
}

function keyValue({ of }: Grouping, value: unknown): unknown {
  const column = 'type' in of ? of : of.to().columns.get('id');
  return column?.type === 'id' && typeof value === 'string' ? encodeId(column.of, value) : value;
}

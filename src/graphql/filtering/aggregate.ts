import type { GraphQLResolveInfo } from 'graphql';
import { sql, type RawBuilder } from 'kysely';
import type { Viewer } from '../../auth/viewer.js';
import { rawQuery, readTemplate } from '../../database/read-templates.js';
import type { Database } from '../../database/tables.js';
import { BadUserInput } from '../../errors/app-error.js';
import { systemErrorCode } from '../../errors/system-error-code.js';
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
import { assertReadable, columnIn, comparedIn, tableAs, type Column, type Filterable } from './columns.js';
import { preparedCondition, type Condition, type PreparedCondition } from './condition.js';

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
    () => rawQuery(aggregateStatement(filterable, { groupings, aggregations }, filter)),
    { hasStablePlan: false },
  );
  const rows = await template.execute(db, filter.values).catch((error: unknown) => {
    throw systemErrorCode(error) === outOfRange ? tooLargeSum() : error;
  });
  if (rows.length > aggregateLimits.groups) {
    const message = `makes more than ${aggregateLimits.groups} groups; group by fewer columns, or filter the rows`;
    throw BadUserInput.ofFields([{ field: 'groupBy', message }]);
  }
  return rows.map((row) => aggregateRow({ groupings, aggregations }, row));
}

/** The SQLSTATE of a sum that its type cannot hold. */
const outOfRange = '22003';
const tooLargeSum = (): BadUserInput =>
  BadUserInput.ofFields([
    { field: 'filter', message: 'matches values whose sum or average is out of range; aggregate fewer rows' },
  ]);

function aggregateStatement(
  filterable: Filterable,
  { groupings, aggregations }: AggregateQuery,
  filter: PreparedCondition,
): RawBuilder<unknown> {
  const { alias } = filterable;
  const keys = groupings.map((grouping) => keySql(grouping, alias));
  const selected = [
    ...groupings.map((grouping, index) => readSql(grouping, keys[index] ?? '')),
    'count(*)::integer',
    ...aggregations.map((aggregation) => aggregationSql(aggregation, alias)),
  ];
  // Names keep apart columns of which a row may be an object.
  const named = selected.map((value, index) => `${value} as value${index}`).join(', ');
  const groups = keys.length === 0 ? '' : `group by ${keys.join(', ')} order by ${keys.join(', ')}`;
  return sql`select ${sql.raw(named)} from ${tableAs(filterable, alias)} where ${filter.sql() ?? sql`true`}
    ${sql.raw(groups)} limit ${sql.lit(aggregateLimits.groups + 1)}`;
}

function keySql({ column, part, of }: Grouping, alias: string): string {
  if (!('type' in of)) return columnIn(alias, { column });
  const { finite = same, type } = of;
  const value = finite(part === 'value' ? comparedIn(alias, of) : columnIn(alias, of));
  if (part === 'value') return value;
  const day = type === 'datetime' ? `(${value} at time zone 'UTC')` : value;
  return part === 'year' ? `extract(year from ${day})::integer` : `date_trunc('month', ${day})::date`;
}

const readSql = ({ part, of }: Grouping, key: string): string =>
  part === 'value' && 'type' in of && of.read ? of.read(key) : key;

function aggregationSql({ name, column }: Aggregation, alias: string): string {
  const { type, finite = same, read = same } = column;
  const value = `${name}(${finite(columnIn(alias, column))})`;
  if (name === 'avg' || (name === 'sum' && type === 'integer')) return `${value}::double precision`;
  return name === 'sum' ? value : read(value);
}

const same = (value: string): string => value;

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

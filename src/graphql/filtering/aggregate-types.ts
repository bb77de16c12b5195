import { GraphQLBoolean, GraphQLFloat, GraphQLID, GraphQLInt, GraphQLString, type GraphQLScalarType } from 'graphql';
import { Field, ObjectType, registerEnumType, type ClassType } from 'type-graphql';
import { CacheHint } from '../schema/cache-control.js';
import { GraphQLDate, GraphQLDateTime } from '../schema/scalars.js';
import { BigInteger, Decimal, LocalDateTime, LocalTime, Uuid } from '../tables/table-scalars.js';
import { orderName, type Column, type Filterable, type GroupPart, type Relation } from './columns.js';

/** The functions of aggregates. */
export const aggregateFunctions = ['sum', 'avg', 'min', 'max'] as const;
export type AggregateFunction = (typeof aggregateFunctions)[number];

/** Upper bounds of groups and of the columns that make them. */
export const aggregateLimits = { groups: 200, groupColumns: 3 };

/** What a list is grouped by. */
export interface Grouping {
  /** In the key of a group: `departmentId`, `jobTitle`, `hiredOnYear`. */
  name: string;
  /** In SQL, without the table. */
  column: string;
  part: GroupPart;
  of: Column | Relation;
}

/** The groupings of a type by the value of its enum: `DEPARTMENT_ID`, `JOB_TITLE`, `HIRED_ON_YEAR`. */
export function groupingsOf({ columns, relations }: Filterable): ReadonlyMap<string, Grouping> {
  const groupings = [
    ...[...relations.values()]
      .filter(({ isGrouping }) => isGrouping)
      .map((of): Grouping => ({ name: `${of.name}Id`, column: of.column, part: 'value', of })),
    ...[...columns.values()].flatMap((of) =>
      (of.groupBy ?? []).map((part): Grouping => ({
        name: `${of.name}${suffixes[part]}`,
        column: of.column,
        part,
        of,
      })),
    ),
  ];
  return new Map(groupings.map((grouping) => [orderName(grouping.name), grouping]));
}

const suffixes = { value: '', year: 'Year', month: 'Month' } as const;

/** The columns that a function aggregates. */
export const aggregatedColumns = ({ columns }: Filterable, name: AggregateFunction): Column[] =>
  [...columns.values()].filter(({ type }) => isNumber(type) || ((name === 'min' || name === 'max') && isTime(type)));

const isNumber = (type: Column['type']): boolean => ['integer', 'bigint', 'float', 'decimal'].includes(type);
const isTime = (type: Column['type']): boolean => ['date', 'datetime', 'localDateTime', 'localTime'].includes(type);

/** One group of rows as resolvers return it. Values that the operation does not select are absent. */
export interface AggregateRow extends Partial<Record<AggregateFunction, Readonly<Record<string, unknown>>>> {
  key: Readonly<Record<string, unknown>>;
  count: number;
}

/** The types of a list's aggregates. */
export interface AggregateTypes {
  /** `<Type>Aggregate`, one group of rows. */
  Aggregate: ClassType;
  /** `<Type>GroupBy`, an enum. */
  GroupBy: Readonly<Record<string, string>>;
  /** `<Type>GroupKey`, to which a domain may add the objects of its IDs. */
  GroupKey: ClassType;
}

/** Creates the types of the aggregates of a type's lists: `<Type>Aggregate`, `<Type>GroupBy` and those inside them. */
export function aggregateTypes(filterable: Filterable): AggregateTypes {
  const { type } = filterable;
  const groupings = groupingsOf(filterable);
  const GroupBy = Object.fromEntries([...groupings.keys()].map((name) => [name, name]));
  if (groupings.size > 0)
    registerEnumType(GroupBy, {
      name: `${type}GroupBy`,
      description: `What ${type}s are grouped by.`,
      valuesConfig: Object.fromEntries(
        [...groupings].map(([name, { of, part }]) => [name, { description: `The ${part} of ${of.name}.` }]),
      ),
    });
  const GroupKey =
    groupings.size === 0
      ? newType()
      : objectType(
          `${type}GroupKey`,
          `What the ${type}s of a group have in common; null where they have no value, and for what is not in \`groupBy\`.`,
          [...groupings.values()].map(({ name, of, part }) => ({
            name,
            type: keyScalar(of, part),
            description: `The ${part} of ${of.name}${part === 'month' ? ', as its first day' : ''}.`,
          })),
        );
  const parts = aggregateFunctions.flatMap((name) => {
    const columns = aggregatedColumns(filterable, name);
    if (columns.length === 0) return [];
    const values = objectType(
      `${type}${name[0]?.toUpperCase() ?? ''}${name.slice(1)}`,
      `${titles[name]} of the values of a group.`,
      columns.map((column) => ({
        name: column.name,
        type: resultScalar(name, column),
        description:
          `${titles[name]} of ${column.name}; null without a value.` +
          (column.mayRead ? ' FORBIDDEN unless the viewer may read it in every row.' : ''),
      })),
    );
    return [{ name, type: values, description: `${titles[name]} of each column.`, isRequired: true }];
  });
  const Aggregate = objectType(`${type}Aggregate`, `A group of ${type}s, or all that match a filter.`, [
    ...(groupings.size > 0
      ? [{ name: 'key', type: GroupKey, description: 'What the group has in common.', isRequired: true }]
      : []),
    { name: 'count', type: GraphQLInt, description: 'The number of rows.', isRequired: true },
    ...parts,
  ]);
  CacheHint({ of: [type] })(Aggregate);
  return { Aggregate, GroupBy, GroupKey };
}

const titles: Record<AggregateFunction, string> = { sum: 'Sum', avg: 'Average', min: 'Minimum', max: 'Maximum' };

interface ObjectField {
  name: string;
  type: GraphQLScalarType | ClassType | Readonly<Record<string, string>>;
  description: string;
  isRequired?: boolean;
}

// eslint-disable-next-line @typescript-eslint/no-extraneous-class -- decorators add the fields
const newType = (): ClassType => class {};

function objectType(name: string, description: string, fields: readonly ObjectField[]): ClassType {
  const object = newType();
  for (const { name: field, type, description: text, isRequired = false } of fields) {
    Field(() => type as ClassType, { nullable: !isRequired, description: text })(object.prototype, field);
    if (!(type instanceof Object && 'parseLiteral' in type))
      CacheHint({ inheritMaxAge: true })(object.prototype, field);
  }
  ObjectType(name, { simpleResolvers: true, description })(object);
  return object;
}

const scalars: Record<Exclude<Column['type'], 'enum'>, GraphQLScalarType> = {
  text: GraphQLString,
  integer: GraphQLInt,
  bigint: BigInteger,
  float: GraphQLFloat,
  decimal: Decimal,
  boolean: GraphQLBoolean,
  date: GraphQLDate,
  datetime: GraphQLDateTime,
  uuid: Uuid,
  id: GraphQLID,
  localDateTime: LocalDateTime,
  localTime: LocalTime,
  address: GraphQLString,
  presence: GraphQLBoolean,
};

function keyScalar(of: Column | Relation, part: Grouping['part']): ObjectField['type'] {
  if (part === 'year') return GraphQLInt;
  if (part === 'month') return GraphQLDate;
  if (!('type' in of)) return GraphQLID;
  return of.type === 'enum' ? of.values : scalars[of.type];
}

/** Sums of integers may exceed Int. Sums of bigint and decimal are texts, like their values. */
function resultScalar(name: AggregateFunction, { type }: Column): GraphQLScalarType {
  if (name === 'avg') return GraphQLFloat;
  if (name === 'sum' && type === 'integer') return GraphQLFloat;
  return type === 'enum' ? GraphQLString : scalars[type];
}

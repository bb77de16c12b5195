import { GraphQLBoolean, GraphQLFloat, GraphQLID, GraphQLInt, GraphQLString, type GraphQLScalarType } from 'graphql';
import { Field, InputType, type ClassType } from 'type-graphql';
import { CacheHint } from '../schema/cache-control.js';
import { GraphQLDate, GraphQLDateTime } from '../schema/scalars.js';
import { BigInteger, Decimal, LocalDateTime, LocalTime, Uuid } from '../tables/table-scalars.js';
import { indexedColumns, type Column, type Filterable, type Relation } from './columns.js';
import type { Operator } from './condition.js';
import { filterLimits } from './read-filter.js';

/**
 * What a list of a type may be filtered by, beyond its own fields: a decorator of its filter's class, above `@InputType`. Cached
 * responses with such a filter depend on the types of the relations.
 */
export const Filters =
  (filterable: Filterable) =>
  (filter: ClassType): void => {
    addColumns(filter, filterable);
    for (const relation of filterable.relations.values()) addRelatedFilter(filter, relation);
    const related = [...new Set([...filterable.relations.values()].map(({ to }) => to().type))];
    if (related.length > 0) CacheHint({ of: related })(filter);
    addField(filter, 'and', () => [filter], 'Filters that must all match.');
    addField(filter, 'or', () => [filter], 'Filters of which one must match; an empty list matches nothing.');
    addField(filter, 'not', () => filter, 'A filter that must not match.');
  };

/** Adds the conditions on a related object to the filter of a type. */
export function addRelatedFilter(filter: ClassType, { name, to }: Pick<Relation, 'name' | 'to'>): void {
  const related = relatedFilter(to());
  addField(filter, name, () => related, `Conditions on its ${name}, which it must have.`);
}

/** The sentence about indexes for the description of a filter or a list. */
export const indexNote = (filterable: Filterable): string =>
  `Tables of more than MAX_UNINDEXED_ROWS rows (50,000 unless configured) are read only by an index: one condition outside of \`not\` (of \`or\`, one in each filter) must be on an indexed column (${indexedColumns(filterable).join(', ')}), ` +
  'by another operator than `ne` and `notIn`. ' +
  `At most ${filterLimits.conditions} conditions, ${filterLimits.depth} levels of \`and\`, \`or\` and \`not\`.`;

function addColumns(filter: ClassType, { columns }: Filterable): void {
  for (const column of columns.values()) {
    const operators = operatorsInput(column);
    const guard = column.mayRead ? ' FORBIDDEN unless the viewer may read it in every row.' : '';
    const note = column.sqlType?.endsWith('citext') === true ? ' Upper and lower case are equal in it.' : '';
    addField(filter, column.name, () => operators, `Conditions on ${column.name}.${note}${guard}`);
  }
}

function addField(input: ClassType, name: string, type: () => unknown, description: string): void {
  Field(type as () => ClassType, { nullable: true, description })(input.prototype, name);
}

// eslint-disable-next-line @typescript-eslint/no-extraneous-class -- decorators add the fields
const newInput = (): ClassType => class {};

const relatedFilters = new WeakMap<Filterable, ClassType>();

/** The conditions on an object to which another refers: columns alone, so that conditions go one level deep. */
function relatedFilter(filterable: Filterable): ClassType {
  let input = relatedFilters.get(filterable);
  if (!input) {
    input = newInput();
    relatedFilters.set(filterable, input);
    addColumns(input, filterable);
    addField(input, 'isNull', () => GraphQLBoolean, 'Whether there is none.');
    InputType(`Related${filterable.type}Filter`, {
      description: `Conditions on the ${filterable.type} that another object refers to, combined with AND.`,
    })(input);
  }
  return input;
}

const equality: readonly Operator[] = ['eq', 'ne', 'in', 'notIn', 'isNull'];
const ranges: readonly Operator[] = ['lt', 'lte', 'gt', 'gte'];

/** The operators of a column type. */
const operatorsOf = ({ type }: Pick<Column, 'type'>): readonly Operator[] => {
  if (type === 'boolean') return ['eq', 'ne', 'isNull'];
  if (type === 'presence') return ['isNull'];
  if (type === 'id' || type === 'uuid' || type === 'enum' || type === 'address') return equality;
  return type === 'text' ? [...equality, ...ranges, 'contains', 'startsWith'] : [...equality, ...ranges];
};

/** The name of the input and the scalar of its values, by column type. */
const scalars: Record<Exclude<Column['type'], 'enum'>, { name: string; scalar: GraphQLScalarType }> = {
  text: { name: 'StringFilter', scalar: GraphQLString },
  integer: { name: 'IntFilter', scalar: GraphQLInt },
  bigint: { name: 'BigIntFilter', scalar: BigInteger },
  float: { name: 'FloatFilter', scalar: GraphQLFloat },
  decimal: { name: 'DecimalFilter', scalar: Decimal },
  boolean: { name: 'BooleanFilter', scalar: GraphQLBoolean },
  date: { name: 'DateFilter', scalar: GraphQLDate },
  datetime: { name: 'DateTimeFilter', scalar: GraphQLDateTime },
  uuid: { name: 'UuidFilter', scalar: Uuid },
  id: { name: 'IdFilter', scalar: GraphQLID },
  localDateTime: { name: 'LocalDateTimeFilter', scalar: LocalDateTime },
  localTime: { name: 'LocalTimeFilter', scalar: LocalTime },
  address: { name: 'AddressFilter', scalar: GraphQLString },
  presence: { name: 'PresenceFilter', scalar: GraphQLBoolean },
};

const inputs = new Map<string, ClassType>();

/** The input type of the conditions on a column, which all columns of its type share. */
function operatorsInput(column: Column): ClassType {
  const { name, scalar } =
    column.type === 'enum' ? { name: `${column.enumName}Filter`, scalar: column.values } : scalars[column.type];
  const known = inputs.get(name);
  if (known) return known;
  const input = newInput();
  inputs.set(name, input);
  for (const operator of operatorsOf(column)) {
    const type = operator === 'isNull' ? GraphQLBoolean : scalar;
    const isList = operator === 'in' || operator === 'notIn';
    addField(input, operator, () => (isList ? [type] : type), descriptions[operator]);
  }
  InputType(name, { description: 'Conditions on a value, combined with AND. An absent one, or null, matches all.' })(
    input,
  );
  return input;
}

const descriptions: Record<Operator, string> = {
  eq: 'Equal. Texts are equal only in the same case.',
  ne: 'Not equal; null is not equal to any value.',
  in: `One of these, at most ${filterLimits.listLength}; an empty list matches nothing.`,
  notIn: `None of these, at most ${filterLimits.listLength}.`,
  lt: 'Less than. Texts are compared by code points, or by the collation of the column.',
  lte: 'Less than or equal.',
  gt: 'Greater than.',
  gte: 'Greater than or equal.',
  isNull: 'Whether there is no value.',
  contains: 'Contains this text, in upper or lower case.',
  startsWith: 'Starts with this text, in upper or lower case.',
};

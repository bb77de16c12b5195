import type { EntityClass } from '@mikro-orm/core';
import { ArgsType, Field, InputType, type ClassType } from 'type-graphql';
import type { Viewer } from '../../auth/viewer.js';
import { sortKeys, type Keyset } from '../../database/keyset.js';
import { aggregateLimits, aggregateTypes, groupingsOf } from '../filtering/aggregate-types.js';
import { isSortable, type Relation } from '../filtering/columns.js';
import type { Condition } from '../filtering/condition.js';
import { addRelatedFilter, Filters, indexNote } from '../filtering/filter-inputs.js';
import { maxSortKeys, orderFields, orderInput, readOrder, type OrderBy } from '../filtering/order.js';
import { readFilter } from '../filtering/read-filter.js';
import { PageArgs } from '../relay/connection.js';
import { passAsSent } from '../schema/direct-resolvers.js';
import { alias, tableOf, type TableMapping } from './existing-table.js';
import { columnsOf } from './table-columns.js';
import { TableOrder } from './table-order.js';

/** The arguments of a list of rows. `filter` and `orderBy` exist if the table has a column for them. */
export interface TableArgs extends PageArgs {
  filter?: object | null;
  orderBy?: OrderBy[] | null;
}

/** The arguments of aggregates of rows. */
export interface AggregateArgs {
  filter?: object | null;
  groupBy?: string[] | null;
}

/**
 * Creates the arguments of the lists of an entity's rows: pages, and filters and orders by its columns, as `<Type>Filter` and
 * `<Type>Order`.
 */
export function tableArgs(entity: EntityClass<unknown>): ClassType<TableArgs> {
  const columns = columnsOf(entity);
  @ArgsType()
  class Arguments extends PageArgs {}
  addFilter(Arguments, entity);
  if ([...columns.columns.values()].some(isSortable)) {
    const order = orderInput(columns, orderFields(columns));
    Field(() => [order], {
      nullable: true,
      description: `Sort order; by the key if absent. At most ${maxSortKeys} columns.`,
    })(Arguments.prototype, 'orderBy');
  }
  return passAsSent(Arguments);
}

/**
 * Creates the types of the aggregates of an entity's rows: `<Type>Aggregate` and those inside it, and the arguments of fields
 * that return it.
 */
export function tableAggregate(entity: EntityClass<unknown>): { Aggregate: ClassType; Args: ClassType<AggregateArgs> } {
  const columns = columnsOf(entity);
  const { Aggregate, GroupBy } = aggregateTypes(columns);
  @ArgsType()
  class Arguments {}
  addFilter(Arguments, entity);
  if (groupingsOf(columns).size > 0)
    Field(() => [GroupBy] as never, {
      nullable: true,
      description: `What makes a group; at most ${aggregateLimits.groupColumns}.`,
    })(Arguments.prototype, 'groupBy');
  return { Aggregate, Args: Arguments };
}

/** Adds conditions on related rows to the filter of an entity's lists. */
export function addRelation(entity: EntityClass<unknown>, relation: Relation): void {
  const { columns, relations } = columnsOf(entity);
  if (columns.size === 0 || relation.to().columns.size === 0) return;
  relations.set(relation.name, relation);
  addRelatedFilter(filterOf(entity), relation);
}

/** Adds the argument `filter`, if there are columns for it. */
function addFilter(args: ClassType, entity: EntityClass<unknown>): void {
  if (columnsOf(entity).columns.size === 0) return;
  const filter = filterOf(entity);
  Field(() => filter, { nullable: true, description: 'Conditions; all rows if absent.' })(args.prototype, 'filter');
}

const filters = new WeakMap<EntityClass<unknown>, ClassType>();

/** `<Type>Filter`, which lists and aggregates share. */
function filterOf(entity: EntityClass<unknown>): ClassType {
  const known = filters.get(entity);
  if (known) return known;
  const columns = columnsOf(entity);
  // eslint-disable-next-line @typescript-eslint/no-extraneous-class -- decorators add the fields
  const filter = class {};
  filters.set(entity, filter);
  Filters(columns)(filter);
  const rule = `Conditions on ${entity.name} rows, combined with AND; an absent condition, or null, matches all.`;
  InputType(`${entity.name}Filter`, { description: `${rule} ${indexNote(columns)}` })(filter);
  return filter;
}

/** A validated list. */
export interface TableList {
  condition: Condition;
  order: TableOrder;
  /** The order for the check of indexes. */
  checkedOrder: Keyset;
}

/** Validates the arguments of a list. @throws BadUserInput if they are invalid or too large */
export function readList(entity: EntityClass<unknown>, { filter, orderBy }: TableArgs, viewer: Viewer): TableList {
  const mapping = tableOf(entity);
  const columns = columnsOf(entity);
  const condition = readFilter(columns, filter, { viewer });
  const sorted = orderBy && orderBy.length > 0 ? readOrder(columns, orderBy, { viewer, byDefault: '' }) : null;
  const keys = sorted ? sortKeys(sorted) : [];
  const ordered = keys.flatMap(({ property, isDescending }) =>
    mapping.columns.filter((column) => column.property === property).map((column) => ({ column, isDescending })),
  );
  // The key makes the order total. Its direction is that of the last column, so that one index can serve both.
  const isDescending = ordered.at(-1)?.isDescending ?? false;
  const rest = mapping.key.filter((column) => !ordered.some((one) => one.column === column));
  return {
    condition,
    order: new TableOrder([...ordered, ...rest.map((column) => ({ column, isDescending }))]),
    checkedOrder: sorted ?? orderByKey(mapping),
  };
}

const orderByKey = ({ key: [first] }: TableMapping): Keyset => ({
  column: `${alias}.${first?.name ?? ''}`,
  property: first?.property ?? '',
  type: 'text',
  collation: null,
  isDescending: false,
});

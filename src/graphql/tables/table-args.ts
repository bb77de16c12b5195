import type { EntityClass } from '@mikro-orm/core';
import { ArgsType, Field, getMetadataStorage, InputType, type ClassType } from 'type-graphql';
import type { Viewer } from '../../auth/viewer.js';
import { sortKeys, type Keyset } from '../../database/keyset.js';
import { filterable, type ColumnDeclaration, type FilterableOf } from '../filtering/columns.js';
import type { Condition } from '../filtering/condition.js';
import { Filters, indexNote } from '../filtering/filter-inputs.js';
import { maxSortKeys, orderFields, orderInput, readOrder, type OrderBy } from '../filtering/order.js';
import { readFilter } from '../filtering/read-filter.js';
import { PageArgs } from '../relay/connection.js';
import { alias, qualified, tableOf, type TableColumn, type TableMapping } from './existing-table.js';
import { TableOrder } from './table-order.js';

/** The arguments of a list of rows. `filter` and `orderBy` exist if the table has an index that serves them. */
export interface TableArgs extends PageArgs {
  filter?: object | null;
  orderBy?: OrderBy[] | null;
}

/**
 * Creates the arguments of the lists of an entity's rows: pages, and filters and orders by the columns with an index, as
 * `<Type>Filter` and `<Type>Order`.
 */
export function tableArgs(entity: EntityClass<unknown>): ClassType<TableArgs> {
  const mapping = tableOf(entity);
  const columns = filterableOf(entity.name, mapping);
  @ArgsType()
  class Arguments extends PageArgs {}
  if (columns.columns.size === 0) return Arguments;
  // eslint-disable-next-line @typescript-eslint/no-extraneous-class -- decorators add the fields
  const filter = class {};
  Filters(columns)(filter);
  const rule = `Conditions on ${entity.name} rows, combined with AND; an absent condition, or null, matches all.`;
  InputType(`${entity.name}Filter`, { description: `${rule} ${indexNote(columns)}` })(filter);
  Field(() => filter, { nullable: true, description: 'Conditions; all rows if absent.' })(
    Arguments.prototype,
    'filter',
  );
  if (isSortable(columns)) {
    const order = orderInput(columns, orderFields(columns));
    Field(() => [order], {
      nullable: true,
      description: `Sort order; by the key if absent. At most ${maxSortKeys} columns.`,
    })(Arguments.prototype, 'orderBy');
  }
  return Arguments;
}

const isSortable = ({ columns }: FilterableOf<string>): boolean =>
  [...columns.values()].some(({ type }) => type !== 'enum');

const known = new WeakMap<TableMapping, FilterableOf<string>>();

/** The columns by which lists are filtered and sorted: those with an index. */
function filterableOf(type: string, mapping: TableMapping): FilterableOf<string> {
  let found = known.get(mapping);
  if (!found) {
    const declared = mapping.columns.flatMap((column): [string, ColumnDeclaration][] => {
      const declaration = column.isIndexed === true && !column.name.includes('.') ? declarationOf(column) : null;
      return declaration ? [[column.property, declaration]] : [];
    });
    found = filterable({ type, table: alias, columns: Object.fromEntries(declared) });
    known.set(mapping, found);
  }
  return found;
}

function declarationOf({ name, type, nullable = false }: TableColumn): ColumnDeclaration | null {
  // A text is compared in the order of its index, which is that of the column.
  const common = { column: name, isNullable: nullable, isIndexed: true, collation: null };
  if (type.filter !== null) return { ...common, type: type.filter };
  const registered = getMetadataStorage().enums.find(({ enumObj }) => enumObj === type.graphql);
  if (!registered || type.isList) return null;
  return { ...common, type: 'enum', values: type.graphql as Record<string, string>, enumName: registered.name };
}

/** A validated list. */
export interface TableList {
  condition: Condition;
  order: TableOrder;
  /** For the check of indexes: with the name of the table in the database. */
  checked: { filterable: FilterableOf<string>; order: Keyset };
}

/** Validates the arguments of a list. @throws BadUserInput if they are invalid or too large */
export function readList(entity: EntityClass<unknown>, { filter, orderBy }: TableArgs, viewer: Viewer): TableList {
  const mapping = tableOf(entity);
  const columns = filterableOf(entity.name, mapping);
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
    checked: { filterable: { ...columns, table: qualified(mapping) }, order: sorted ?? orderByKey(mapping) },
  };
}

const orderByKey = ({ key: [first] }: TableMapping): Keyset => ({
  column: `${alias}.${first?.name ?? ''}`,
  property: first?.property ?? '',
  type: 'text',
  isDescending: false,
});

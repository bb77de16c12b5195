import { Field, InputType, registerEnumType, type ClassType } from 'type-graphql';
import type { Viewer } from '../../auth/viewer.js';
import type { Keyset, SortKey } from '../../database/keyset.js';
import { BadUserInput } from '../../errors/app-error.js';
import {
  assertReadable,
  isSortable,
  orderName,
  sqlTypeOf,
  type Column,
  type Filterable,
  type FilterableOf,
  type OrderName,
} from './columns.js';

export enum OrderDirection {
  ASC = 'ASC',
  DESC = 'DESC',
}
registerEnumType(OrderDirection, {
  name: 'OrderDirection',
  description: 'The sort direction.',
  valuesConfig: { ASC: { description: 'Lowest value first.' }, DESC: { description: 'Highest value first.' } },
});

/** One column of an order that a caller sent. */
export interface OrderBy<Name extends string = string> {
  field: Name;
  direction: OrderDirection;
}

/** Upper bound of the columns of an order. */
export const maxSortKeys = 3;

/** The values of an order's enum, such as `{ NAME: 'NAME', HIRED_ON: 'HIRED_ON' }`. */
export type OrderFields<Name extends string> = { readonly [Key in OrderName<Name>]: Key };

/** Registers `<Type>OrderField`, the enum of the columns that a type's lists are sorted by. */
export function orderFields<Name extends string>(filterable: FilterableOf<Name>): OrderFields<Name> {
  const sortable = [...filterable.columns.values()].filter(isSortable);
  const fields = Object.fromEntries(sortable.map(({ name }) => [orderName(name), orderName(name)]));
  const hint = ({ name, isIndexed, mayRead }: Column): string =>
    `By ${name}.${isIndexed === true ? '' : ' No index: after another column, on small tables, or within a filter.'}` +
    (mayRead ? ' FORBIDDEN unless the viewer may read it in every row.' : '');
  registerEnumType(fields, {
    name: `${filterable.type}OrderField`,
    description: `The sort key of a list of ${filterable.type}s. Ties are ordered by id, so that pages are stable.`,
    valuesConfig: Object.fromEntries(sortable.map((column) => [orderName(column.name), { description: hint(column) }])),
  });
  return fields as OrderFields<Name>;
}

/** Creates `<Type>Order`, one column of an order. @param fields the enum that `orderFields` has registered */
export function orderInput<Name extends string>(
  { type }: FilterableOf<Name>,
  fields: OrderFields<Name>,
): ClassType<OrderBy<OrderName<Name>>> {
  @InputType(`${type}Order`, { description: `The order of a list of ${type}s. Null is last in ascending order.` })
  class Order implements OrderBy {
    @Field(() => fields, { description: 'The sort key.' })
    field!: string;

    @Field(() => OrderDirection, { defaultValue: OrderDirection.ASC, description: 'The sort direction.' })
    direction!: OrderDirection;
  }
  // A class cannot name a type parameter's values.
  return Order as unknown as ClassType<OrderBy<OrderName<Name>>>;
}

/**
 * Validates an order that a caller sent.
 * @param orders by the first column, then by the next; without any, the order is that of `byDefault`
 * @throws BadUserInput if it has too many columns or one of them twice
 * @throws the error of `mayRead` if the viewer may not read a column in every row
 */
export function readOrder<Name extends string>(
  filterable: FilterableOf<Name>,
  orders: readonly OrderBy[],
  { viewer, byDefault }: { viewer: Viewer; byDefault: Name },
): Keyset {
  if (orders.length > maxSortKeys)
    throw orderProblem(`has ${orders.length} columns; at most ${maxSortKeys} are allowed`);
  const sortable = sortableOf(filterable);
  const keys = orders.map(({ field, direction }) => {
    const found = sortable.get(field);
    if (!found) throw orderProblem(`has an unknown column ${field.slice(0, 60)}`);
    assertReadable(found.column, viewer);
    return direction === OrderDirection.DESC ? found.descending : found.ascending;
  });
  if (new Set(keys.map(({ column }) => column)).size < keys.length)
    throw orderProblem('has a column twice; send each once');
  const [first = sortable.get(orderName(byDefault))?.ascending, ...then] = keys;
  if (!first) throw new Error(`${filterable.type} cannot be sorted by ${byDefault}.`);
  return then.length > 0 ? { ...first, then } : first;
}

const orderProblem = (message: string): BadUserInput => BadUserInput.ofFields([{ field: 'orderBy', message }]);

/** A column of an order in both directions. */
interface Sortable {
  column: Column;
  ascending: SortKey;
  descending: SortKey;
}

const known = new WeakMap<Filterable, ReadonlyMap<string, Sortable>>();

/** The columns that a type's lists are sorted by, by the values of its enum. */
function sortableOf(filterable: Filterable): ReadonlyMap<string, Sortable> {
  const { alias, columns } = filterable;
  let found = known.get(filterable);
  if (!found) {
    found = new Map(
      [...columns.values()].filter(isSortable).flatMap((column) => {
        const ascending = sortKey(alias, column);
        return ascending
          ? [[orderName(column.name), { column, ascending, descending: { ...ascending, isDescending: true } }]]
          : [];
      }),
    );
    known.set(filterable, found);
  }
  return found;
}

function sortKey(alias: string, declared: Column): SortKey | null {
  const { name, column, isNullable, collation } = declared;
  const sortType = sqlTypeOf(declared);
  return sortType === null
    ? null
    : {
        column: `${alias}.${column}`,
        property: name,
        type: sortType,
        isDescending: false,
        ...(isNullable === true ? { isNullable } : {}),
        ...(collation === undefined ? {} : { collation }),
      };
}

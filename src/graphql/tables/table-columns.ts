import type { EntityClass } from '@mikro-orm/core';
import { getMetadataStorage } from 'type-graphql';
import {
  filterable,
  relationOf,
  type ColumnDeclaration,
  type FilterableOf,
  type GroupPart,
  type Relation,
} from '../filtering/columns.js';
import { alias, columnOf, qualified, tableOf, type TableColumn, type TableMapping } from './existing-table.js';
import { visibleRows } from './row-access.js';

const known = new WeakMap<EntityClass<unknown>, TableColumns>();

/** The columns of a table, and the relations that `relate` adds while modules are loaded. */
export interface TableColumns extends FilterableOf<string> {
  relations: Map<string, Relation>;
}

/** The columns of an entity by which callers filter, sort, aggregate and group. */
export function columnsOf(entity: EntityClass<unknown>): TableColumns {
  let found = known.get(entity);
  if (!found) {
    const mapping = tableOf(entity);
    const declared = mapping.columns.flatMap((column): [string, ColumnDeclaration][] => {
      const declaration = declarationOf(column, mapping);
      return declaration ? [[column.property, declaration]] : [];
    });
    const columns = Object.fromEntries(declared);
    found = { ...filterable({ type: entity.name, table: qualified(mapping), alias, columns }), relations: new Map() };
    known.set(entity, found);
  }
  return found;
}

/**
 * A condition on the row of a foreign key, which rows that the viewer may not see do not meet.
 * @param of.key the referenced properties by those of the foreign key
 */
export function relationTo(
  name: string,
  { from, to, key }: { from: TableMapping; to: EntityClass<unknown>; key: Readonly<Record<string, string>> },
): Relation {
  const target = tableOf(to);
  const columns = Object.entries(key).map(
    ([own, referenced]) => [columnOf(from, own), columnOf(target, referenced)] as const,
  );
  return relationOf(name, {
    to: () => columnsOf(to),
    on: Object.fromEntries(columns.map(([own, referenced]) => [own.name, referenced.name])),
    isIndexed: columns[0]?.[0].isIndexed === true,
    visibleRows: (viewer) => visibleRows(target, viewer),
    mayRead: (viewer) =>
      columns.map(([{ mayRead }]) => mayRead?.(viewer) ?? null).find((denial) => denial !== null) ?? null,
  });
}

/** @returns null for a type without an order or equality that callers could use */
function declarationOf(column: TableColumn, mapping: TableMapping): ColumnDeclaration | null {
  const { name, type, nullable = false, isIndexed = false, mayRead } = column;
  const common = {
    column: name,
    isNullable: nullable,
    isIndexed,
    // A cursor holds the sorted texts: those of an index have a bound. The operators of an extension's type depend on the search path.
    isSortable: type.filter !== 'text' || (isIndexed && !type.sqlType.includes('.')),
    // A text is compared in the order of its index, which is that of the column.
    collation: null,
    groupBy: groupPartsOf(column, mapping),
    ...(mayRead ? { mayRead } : {}),
  };
  if (type.filter !== null) {
    const { filter, sqlType, finite, read } = type;
    return { ...common, type: filter, ...(filter === 'text' && sqlType !== 'text' ? { sqlType } : {}), finite, read };
  }
  const registered = getMetadataStorage().enums.find(({ enumObj }) => enumObj === type.graphql);
  if (!registered || type.isList)
    return nullable ? { ...common, type: 'presence', isSortable: false, groupBy: [] } : null;
  return {
    ...common,
    type: 'enum',
    values: type.graphql as Record<string, string>,
    enumName: registered.name,
    sqlType: type.sqlType,
    read: type.read,
  };
}

/** Fractions and times are hardly ever equal, and each row has another key. */
function groupPartsOf({ property, type, isKey = false }: TableColumn, { key, columns }: TableMapping): GroupPart[] {
  if (isKey && key.length === 1) return [];
  const parts = ([['year', `${property}Year`] as const, ['month', `${property}Month`] as const] as const).flatMap(
    ([part, name]) => (columns.some((other) => other.property === name) ? [] : [part]),
  );
  if (type.filter === 'date') return ['value', ...parts];
  if (type.filter === 'datetime' || type.filter === 'localDateTime') return parts;
  return type.filter === 'localTime' || type.filter === 'float' || type.filter === 'decimal' ? [] : ['value'];
}

import type { GraphQLResolveInfo } from 'graphql';
import { Extensions } from 'type-graphql';
import type { RowShape, RowShapes } from '../../database/row-shapes.js';
import { ownValue } from '../../errors/own-value.js';
import { lookAhead, type SelectedFields } from '../context/selection.js';
import type { ReadsExtensions } from '../schema/reads.js';
import { columnOf, type TableColumn, type TableMapping } from './existing-table.js';

/** A table whose rows others reference. */
interface ReferencedTable {
  readonly mapping: TableMapping;
  readonly rows: RowShapes<object>;
}

/** A foreign key: the referenced table, and the properties of its rows by those of the rows that have the key. */
interface Reference {
  to: () => { readonly table: ReferencedTable };
  columns: readonly (readonly [own: string, referenced: string])[];
}

interface ReferenceExtensions extends ReadsExtensions {
  reference?: Reference;
}

/**
 * Declares that a field returns the row that a foreign key references. Pages read it with their rows, by a join.
 * @param columns the properties of the foreign key, and those of the row that it references
 */
export const References = <Row>(to: Reference['to'], columns: Partial<Record<keyof Row & string, string>>) =>
  Extensions({
    reads: Object.keys(columns),
    reference: { to, columns: Object.entries(columns) as [string, string][] },
  } satisfies ReferenceExtensions);

/** The foreign key of the field being resolved. @throws Error if the field is not declared with `@References` */
export function referenceOf({
  parentType,
  fieldName,
}: Pick<GraphQLResolveInfo, 'parentType' | 'fieldName'>): Reference {
  const { reference } = (ownValue(parentType.getFields(), fieldName)?.extensions ?? {}) as ReferenceExtensions;
  if (!reference) throw new Error(`${parentType.name}.${fieldName} needs @References.`);
  return reference;
}

/** A referenced row that a statement reads by a join. */
export interface Join {
  /** The field that returns the row. */
  field: string;
  table: TableMapping;
  shape: RowShape<object>;
  /** The properties of the foreign key, and those that they reference. */
  on: Reference['columns'];
  /** The rows that this one references. */
  joins: readonly Join[];
}

/** The joins of a statement, and their identity among those of its table. */
export interface Joins {
  key: string;
  joins: readonly Join[];
}

export const noJoins: Joins = { key: '', joins: [] };

/** Upper bound of a statement's joins: PostgreSQL orders up to eight tables by their cost. */
const maxJoins = 7;

/** The joins of the rows that an operation selects below a connection. */
export const joinsOfPage = lookAhead((connection) => joinsOf(connection.at('nodes', 'edges.node')));

/** The joins of a row that an operation selects. */
export const joinsOfRow = lookAhead(joinsOf);

function joinsOf(row: SelectedFields | null): Joins {
  const budget = { left: maxJoins };
  const joins = row ? joinsBelow(row, budget) : [];
  return joins.length === 0 ? noJoins : { key: joins.map(keyOf).join(), joins };
}

function joinsBelow(row: SelectedFields, budget: { left: number }): Join[] {
  return row.definitions.flatMap((definition): Join[] => {
    const { reference } = definition.extensions as ReferenceExtensions;
    const selected = reference && budget.left > 0 ? row.at(definition.name) : null;
    if (!reference || !selected) return [];
    const { mapping, rows } = reference.to().table;
    const shape = rows.of(selected.operationReads);
    if (!mayJoin(mapping, shape)) return [];
    budget.left -= 1;
    return [
      { field: definition.name, table: mapping, shape, on: reference.columns, joins: joinsBelow(selected, budget) },
    ];
  });
}

/** Rows with an owner are read by a loader, which hides them, and so are values that are too long to repeat for each row. */
const mayJoin = (mapping: TableMapping, { properties }: RowShape<object>): boolean =>
  mapping.owner === null && !properties.some((property) => isWide(columnOf(mapping, property)));

const isWide = ({ type }: TableColumn): boolean => type.isList || wideTypes.has(type.sqlType);
const wideTypes: ReadonlySet<string> = new Set(['json', 'jsonb', 'bytea', 'xml']);

const keyOf = ({ field, shape, joins }: Join): string => `${field}(${shape.key}; ${joins.map(keyOf).join()})`;

import type { EntityClass } from '@mikro-orm/core';
import { sql, type AliasedRawBuilder, type RawBuilder } from 'kysely';
import { LRUCache } from 'lru-cache';
import { rowProperties, type StoredProperty } from './rows.js';

/** Some properties of a table's rows: their columns, and the objects that are made of them. */
export interface RowShape<Row> {
  /** Identifies the shape among those of its table. */
  readonly key: string;
  readonly properties: readonly string[];
  /** The columns in the order that `row` reads them. @param prefix keeps their names apart from those of joined tables */
  columns(table: string, prefix?: string): AliasedRawBuilder<unknown, string>[];
  /**
   * Makes a row of values, from a position on. Reading a property that is not part of the shape throws, so that a rule never
   * decides by an `undefined` of a column that was not read.
   */
  row(values: readonly unknown[], from?: number): Row;
}

/** The shapes of the rows of a table. */
export interface RowShapes<Row> {
  /** All properties. */
  readonly whole: RowShape<Row>;
  /** The given properties and the key. @param properties null for all of them */
  of(properties: Iterable<string> | null): RowShape<Row>;
}

/** Upper bound of the shapes of a table that are remembered. */
const maxShapes = 500;

/** What a shape is made of. */
interface ShapeSource {
  entity: string;
  all: readonly StoredProperty[];
  select: SelectColumn;
}

/** SQL of a property's value. @param table the table, or its alias */
type SelectColumn = (property: string, column: string, table: string) => RawBuilder<unknown>;

/**
 * Shapes the rows of an entity's table.
 * @param omitted properties that no row has
 * @param options.key the properties that every shape has
 * @param options.select by default the column
 * @throws Error if a hidden property, such as a password hash, is not omitted
 */
export function rowShapes<Row>(
  entity: EntityClass<unknown>,
  omitted: readonly string[] = [],
  {
    key: keyProperties = ['id'],
    select = (_property, column, table) => sql.ref(`${table}.${column}`),
  }: { key?: readonly string[]; select?: SelectColumn } = {},
): RowShapes<Row> {
  const all = rowProperties(entity, omitted);
  const source = { entity: entity.name, all, select };
  const known = new LRUCache<string, RowShape<Row>>({ max: maxShapes });
  const whole = rowShape<Row>(source, all);
  return {
    whole,
    of(properties) {
      if (properties === null) return whole;
      const names = new Set([...properties, ...keyProperties]);
      const selected = all.filter(({ name }) => names.delete(name));
      const [unknown] = names;
      if (unknown !== undefined) throw new Error(`Rows of ${entity.name} have no property ${unknown}.`);
      const key = keyOf(selected);
      let shape = known.get(key);
      if (!shape) known.set(key, (shape = selected.length === all.length ? whole : rowShape(source, selected)));
      return shape;
    },
  };
}

const keyOf = (properties: readonly StoredProperty[]): string => properties.map(({ name }) => name).join();

function rowShape<Row>({ entity, all, select }: ShapeSource, selected: readonly StoredProperty[]): RowShape<Row> {
  const properties = selected.map(({ name }) => name);
  // A class, so that the engine lays out the rows of a shape alike.
  // eslint-disable-next-line @typescript-eslint/no-extraneous-class -- rows get their properties below
  const SelectedRow = class {} as new () => Record<string, unknown>;
  throwAt(
    SelectedRow.prototype as object,
    entity,
    all.filter((property) => !selected.includes(property)),
  );
  return {
    key: keyOf(selected),
    properties,
    columns: (table, prefix = '') =>
      selected.map(({ name, column }) => select(name, column, table).as(`${prefix}${name}`)),
    row(values, from = 0) {
      const row = new SelectedRow();
      let at = from;
      // eslint-disable-next-line auspex/own-names -- the columns, which the code names
      for (const name of properties) row[name] = values[at++];
      return row as Row;
    },
  };
}

/** Makes properties of a prototype throw. */
function throwAt(prototype: object, entity: string, properties: readonly StoredProperty[]): void {
  for (const { name } of properties)
    Object.defineProperty(prototype, name, {
      get() {
        throw new Error(`${entity}.${name} was not read; add it to @Reads of the field that needs it.`);
      },
    });
}

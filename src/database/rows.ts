import {
  MetadataStorage,
  ReferenceKind,
  type EntityClass,
  type EntityMetadata,
  type EntityProperty,
} from '@mikro-orm/core';
import type { Columns, Tables } from './tables.js';

/** A row of an entity's table with property names: what a read with `rowColumns` returns. */
export type RowOf<Entity, Omitted extends keyof Entity = never> = {
  [Name in Exclude<keyof Entity & string, Omitted>]: Exclude<Entity[Name], undefined>;
};

type SnakeCase<Name extends string> = keyof Columns<Record<Name, 0>> & string;

type RowColumn<Entity, Alias extends string, Omitted> = {
  [Name in Exclude<keyof Entity & string, Omitted>]: `${Alias}.${SnakeCase<Name>} as ${Name}`;
}[Exclude<keyof Entity & string, Omitted>];

/**
 * Derives the columns to select for a row from the entity, so that a property is named once.
 * @param alias the table in the statement
 * @param omitted properties that the row does not have
 * @returns `['employee.id as id', 'employee.job_title as jobTitle', ...]` for Kysely's `select`
 * @throws Error if a hidden property, such as a password hash, is not omitted
 */
export function rowColumns<Entity, Alias extends keyof Tables, Omitted extends keyof Entity & string = never>(
  entity: EntityClass<Entity>,
  alias: Alias,
  omitted: readonly Omitted[] = [],
): RowColumn<Entity, Alias, Omitted>[] {
  return rowProperties(entity, omitted).map(
    ({ name, column }) => `${alias}.${column} as ${name}` as RowColumn<Entity, Alias, Omitted>,
  );
}

/**
 * Lists the stored properties of a row.
 * @throws Error if a hidden property, such as a password hash, is not omitted
 */
export function rowProperties(entity: EntityClass<unknown>, omitted: readonly string[] = []): StoredProperty[] {
  const properties = storedProperties(entity).filter(({ name }) => !omitted.includes(name));
  const hidden = properties.find(({ isHidden }) => isHidden);
  if (hidden) throw new Error(`${entity.name}.${hidden.name} is hidden; omit it from the row.`);
  return properties;
}

/** A property of an entity that is stored in a column. */
export interface StoredProperty {
  name: string;
  column: string;
  /** Never part of a row. */
  isHidden: boolean;
}

/** Lists the stored properties of an entity, inherited ones first. */
export function storedProperties(entity: EntityClass<unknown>): StoredProperty[] {
  const inherited = Object.getPrototypeOf(entity) as EntityClass<unknown> | null;
  const own = Object.hasOwn(entity, MetadataStorage.META_SYMBOL)
    ? Object.values((Reflect.get(entity, MetadataStorage.META_SYMBOL) as EntityMetadata).properties)
    : [];
  return [
    ...(typeof inherited === 'function' && inherited.name !== '' ? storedProperties(inherited) : []),
    ...own
      .filter(({ kind, persist }) => persist !== false && storedKinds.includes(kind))
      .map((property) => ({ name: property.name, column: columnOf(property), isHidden: property.hidden === true })),
  ];
}

const storedKinds: readonly ReferenceKind[] = [ReferenceKind.SCALAR, ReferenceKind.MANY_TO_ONE];

/** Decorators set `fieldName`; MikroORM replaces it by `fieldNames` when it starts. */
function columnOf({ name, fieldName, fieldNames }: EntityProperty & { fieldName?: string }): string {
  return fieldName ?? (fieldNames as string[] | undefined)?.[0] ?? snakeCase(name);
}

/** The naming strategy of MikroORM for PostgreSQL. */
export const snakeCase = (name: string): string => name.replaceAll(/[A-Z]/g, (capital) => `_${capital.toLowerCase()}`);

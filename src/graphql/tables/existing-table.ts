import type { EntityClass } from '@mikro-orm/core';
import { Entity, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';
import pg from 'pg';
import { Field, ObjectType } from 'type-graphql';
import type { Role, Viewer } from '../../auth/viewer.js';
import { Forbidden, Unauthenticated, type AppError } from '../../errors/app-error.js';
import { Node } from '../relay/node.js';
import type { ColumnType } from './column-types.js';

/** A column of an existing table. */
export interface TableColumn extends ColumnOptions {
  property: string;
  name: string;
  type: ColumnType;
  /** Why a viewer may not read the column; see `readableBy`. */
  mayRead?: (viewer: Viewer) => AppError | null;
}

interface ColumnOptions {
  /** The column, if it is not the property in snake_case. */
  name?: string;
  description: string;
  nullable?: boolean;
  /** Part of the key that identifies a row. */
  isKey?: boolean;
  /** The database computes it: it cannot be set. */
  isGenerated?: boolean;
  /** A new row may leave it out. */
  hasDefault?: boolean;
  /** The most characters of a text, or of each text of an array. */
  maxLength?: number;
  /** A B-tree index starts with it: lists are filtered and sorted by it. */
  isIndexed?: boolean;
  /** The roles whose sessions read the column, also in filters, orders and aggregates; by default all viewers of the row. */
  readableBy?: readonly Role[];
}

/** An existing table or view, and the entity that maps it. */
export interface TableMapping extends TableName {
  columns: readonly TableColumn[];
  /** The columns that identify a row, in the order of the entity. */
  key: readonly TableColumn[];
  /** Holds the ID of the user who owns the row; null if rows have no owner. */
  owner: TableColumn | null;
}

interface TableOptions extends TableName {
  description: string;
  /** The property with the ID of the user who owns the row: other users, except an ADMIN, do not see it. */
  ownedBy?: string;
}

interface TableName {
  schema: string;
  table: string;
}

const columnsByClass = new WeakMap<object, TableColumn[]>();
const mappings = new WeakMap<EntityClass<unknown>, TableMapping>();
const typesByTable = new Map<string, string>();

/**
 * Maps a property to a column of an existing table, and makes it a field of the type.
 * @param type a type of `column-types.ts`
 */
export function Column(type: ColumnType, options: ColumnOptions): PropertyDecorator {
  return (prototype, key) => {
    const property = String(key);
    const { name = snakeCase(property), description, nullable = false, isKey = false, isGenerated = false } = options;
    const columns = columnsByClass.get(prototype.constructor) ?? [];
    const guard = options.readableBy ? { mayRead: isReadableBy(property, options.readableBy) } : {};
    columnsByClass.set(prototype.constructor, [...columns, { ...options, ...guard, property, name, type }]);
    const mapped = { fieldName: name, columnType: type.sqlType, type: type.orm as string };
    if (isKey) PrimaryKey({ ...mapped, autoincrement: isGenerated })(prototype, property);
    else
      Property({ ...mapped, nullable, ...(isGenerated ? { generated: 'by the database' } : {}) })(prototype, property);
    Field(() => (type.isList ? [type.graphql] : type.graphql) as never, {
      description,
      nullable: nullable && type.isList ? 'itemsAndList' : nullable,
    })(prototype, key);
  };
}

const isReadableBy =
  (property: string, roles: readonly Role[]) =>
  (viewer: Viewer): AppError | null => {
    if (viewer.kind === 'anonymous') return new Unauthenticated(viewer.reason);
    if (viewer.kind === 'session' && roles.includes(viewer.role)) return null;
    return new Forbidden(`Reading ${property} needs a session with the role ${roles.join(' or ')}.`);
  };

/** Declares a class to be the entity and the type of rows of an existing table or view. Migrations never create, change or drop it. */
export function ExistingTable({ schema, table, description, ownedBy }: TableOptions): ClassDecorator {
  return (target) => {
    const entity = target as unknown as EntityClass<unknown>;
    const columns = columnsByClass.get(target) ?? [];
    const key = columns.filter(({ isKey }) => isKey);
    if (key.length === 0) throw new Error(`${target.name} has no column with isKey, so that its rows have no IDs.`);
    const owner = columns.find(({ property }) => property === ownedBy) ?? null;
    if (ownedBy !== undefined && !owner) throw new Error(`${target.name} has no column for ownedBy: ${ownedBy}.`);
    mappings.set(entity, { schema, table, columns, key, owner });
    typesByTable.set(qualified({ schema, table }), target.name);
    Entity({ schema, tableName: table })(target);
    ObjectType({ simpleResolvers: true, implements: Node, description })(target);
  };
}

/** The table of an entity. @throws Error if the class is not declared with `@ExistingTable` */
export function tableOf(entity: EntityClass<unknown>): TableMapping {
  const mapping = mappings.get(entity);
  if (!mapping) throw new Error(`${entity.name} is not declared with @ExistingTable.`);
  return mapping;
}

/** The type that maps a table; null if there is none. */
export const typeOfTable = (table: TableName): string | null => typesByTable.get(qualified(table)) ?? null;

/** The column of a property. @throws Error if there is none */
export function columnOf({ schema, table, columns }: TableMapping, property: string): TableColumn {
  const found = columns.find((column) => column.property === property);
  if (!found) throw new Error(`${schema}.${table} has no column for ${property}.`);
  return found;
}

/** The table with its schema in SQL. */
export const qualified = ({ schema, table }: TableName): string =>
  `${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(table)}`;

/** The alias of the table in statements. */
export const alias = 't';

/** A column in SQL, qualified by the alias of its table. */
export const columnSql = ({ name }: Pick<TableColumn, 'name'>, table = alias): string =>
  `${table}.${pg.escapeIdentifier(name)}`;

/** The naming strategy of MikroORM for PostgreSQL. */
const snakeCase = (name: string): string => name.replaceAll(/[A-Z]/g, (capital) => `_${capital.toLowerCase()}`);

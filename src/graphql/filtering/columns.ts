import { sql, type RawBuilder } from 'kysely';
import pg from 'pg';
import type { Viewer } from '../../auth/viewer.js';
import { snakeCase } from '../../database/rows.js';
import { sortCollation } from '../../database/text-comparison.js';
import type { SnakeCase } from '../../database/tables.js';
import type { AppError } from '../../errors/app-error.js';
import type { Condition } from './condition.js';
import type { IdType } from '../relay/global-id.js';

/** The type of a column. `bigint` and `decimal` are texts of digits in the API, since a JavaScript number would round them. */
type ColumnType =
  | { type: 'text' | 'integer' | 'bigint' | 'float' | 'decimal' | 'boolean' | 'date' | 'datetime' | 'uuid' }
  /** Of existing tables: a time without a zone, a time of day, and an IP address or network. */
  | { type: 'localDateTime' | 'localTime' | 'address' }
  /** A type whose values are not compared: its only condition is whether there is one. */
  | { type: 'presence' }
  /** A UUID that the API shows as a global ID of the type. */
  | { type: 'id'; of: IdType }
  /** `values` is registered by `registerEnumType`. */
  | { type: 'enum'; values: Readonly<Record<string, string>>; enumName: string };

export type FilterType = ColumnType['type'];

/** A column by which callers filter, sort, group or aggregate. */
export type ColumnDeclaration = ColumnType & {
  /** In SQL; by default the name in snake_case. */
  column?: string;
  /** The type of values in SQL, if it is not the usual one of `type`. Enums with it are sorted in the order of their declaration. */
  sqlType?: string;
  isNullable?: boolean;
  /** Whether a B-tree index starts with the column. Stated in the schema; requests are checked against the database. */
  isIndexed?: boolean;
  /** Whether callers may sort by it. True by default; enums and times of more than milliseconds cannot be sorted. */
  isSortable?: boolean;
  /** By what of it callers group: its value, or the year or month of a day or time. */
  groupBy?: readonly GroupPart[];
  /** SQL of the values that aggregates and groups are made of; by default the column. */
  finite?: (column: string) => string;
  /** SQL of an aggregated value as its scalar needs it; by default the value. */
  read?: (value: string) => string;
  /** The collation of a text's index. By default that of code points; null if it is that of the column. */
  collation?: string | null;
  /** An expression with a trigram index whose text includes that of the column: `contains` and `startsWith` look there first. */
  searchedIn?: SearchedText;
  /**
   * Why the viewer may not read the column in every row; null if the viewer may. Without it, every viewer of the list may. A
   * condition, an order or an aggregate would otherwise reveal what the field hides.
   */
  mayRead?: (viewer: Viewer) => AppError | null;
};

export type GroupPart = 'value' | 'year' | 'month';

/** Texts with a trigram index. */
export interface SearchedText {
  /** In SQL, with folded case, as the index has it. */
  expression: (table: string) => string;
  index: string;
}

/** A condition on the one object that a row refers to. */
export interface RelationDeclaration {
  /** The columns of the other type. A function, for types that refer to each other. */
  to: () => Filterable;
  /** The rows of the other type that the viewer may see: no others meet a condition. By default every viewer of the list may read all of them. */
  visibleRows?: (viewer: Viewer) => Condition;
  /** Why the viewer may not read the foreign key; see `ColumnDeclaration.mayRead`. */
  mayRead?: (viewer: Viewer) => AppError | null;
  /** The columns of the foreign key with those that they refer to, in SQL; by default `<name>_id` with `id`. */
  on?: Readonly<Record<string, string>>;
  isNullable?: boolean;
  /** Whether a B-tree index starts with the column. */
  isIndexed?: boolean;
  /** Whether callers may group by it: its ID is the only column of the foreign key. */
  isGrouping?: boolean;
}

/** A column by its name in the API. */
export type Column = ColumnDeclaration & { name: string; column: string };
export type Relation = RelationDeclaration & {
  name: string;
  on: Readonly<Record<string, string>>;
  /** The first column of the foreign key. */
  column: string;
};

/** The columns of a type by which callers filter and sort. */
export interface Filterable {
  /** In the API: `Employee`. */
  type: string;
  /** A table of the gateway, or another one in SQL with its schema: `"crm"."customer"`. */
  table: string;
  /** The name of the table in statements. */
  alias: string;
  columns: ReadonlyMap<string, Column>;
  relations: ReadonlyMap<string, Relation>;
}

/** The same, with the names of the columns in its type. */
export interface FilterableOf<Name extends string> extends Filterable {
  /** @internal */
  readonly names?: Name;
}

/** The value of an order's enum for a column: `HIRED_ON`. */
export type OrderName<Name extends string> = Uppercase<SnakeCase<Name>>;
export const orderName = (name: string): string => snakeCase(name).toUpperCase();

/**
 * Declares once by which columns callers filter and sort the lists of a type:
 *
 *     export const customerColumns = filterable({
 *       type: 'Customer',
 *       table: 'customer',
 *       columns: {
 *         id: { type: 'id', of: 'customer', isIndexed: true },
 *         name: { type: 'text', isIndexed: true },
 *         credit: { type: 'decimal', isNullable: true, mayRead: seesAllCredits },
 *       },
 *       relations: { city: { to: () => cityColumns, isIndexed: true } },
 *     });
 *
 * From this come the types (`@Filters(customerColumns)`, `orderInput`), the validated condition and order (`readFilter`,
 * `readOrder`), their SQL (`preparedCondition`, `pageOf`), the check that an index serves them (`IndexGuard`), and aggregates
 * (`aggregateTypes`, `readAggregates`).
 */
export function filterable<const Columns extends Record<string, ColumnDeclaration>>({
  type,
  table,
  alias = table,
  columns,
  relations = {},
}: {
  type: string;
  table: string;
  alias?: string;
  columns: Columns;
  relations?: Record<string, RelationDeclaration>;
}): FilterableOf<keyof Columns & string> {
  return {
    type,
    table,
    alias,
    columns: new Map(
      Object.entries<ColumnDeclaration>(columns).map(([name, declared]) => [
        name,
        { column: snakeCase(name), ...declared, name },
      ]),
    ),
    relations: new Map(Object.entries(relations).map(([name, declared]) => [name, relationOf(name, declared)])),
  };
}

/** A relation by its name in the API. */
export function relationOf(name: string, declared: RelationDeclaration): Relation {
  const { on = { [`${snakeCase(name)}_id`]: 'id' } } = declared;
  const [column = ''] = Object.keys(on);
  return { ...declared, on, column, name };
}

/** The types in SQL by those of columns; null for an enum, whose type PostgreSQL infers, and by which lists are not sorted. */
const sqlTypes: Record<Column['type'], string | null> = {
  text: 'text',
  integer: 'integer',
  bigint: 'bigint',
  float: 'double precision',
  decimal: 'numeric',
  boolean: 'boolean',
  date: 'date',
  datetime: 'timestamptz',
  uuid: 'uuid',
  id: 'uuid',
  localDateTime: 'timestamp',
  localTime: 'time',
  address: 'inet',
  enum: null,
  presence: null,
};

/** The type of a column's values in SQL; null if PostgreSQL infers it. */
export const sqlTypeOf = ({ type, sqlType }: Column): string | null => sqlType ?? sqlTypes[type];

/** A table in SQL under a name. */
export const tableAs = ({ table }: Pick<Filterable, 'table'>, alias: string): RawBuilder<unknown> =>
  sql`${table.includes('.') ? sql.raw(table) : sql.table(table)} as ${sql.id(alias)}`;

/** A column in SQL. @param alias the name of its table in the statement */
export const columnIn = (alias: string, { column }: Pick<Column, 'column'>): string =>
  `${pg.escapeIdentifier(alias)}.${pg.escapeIdentifier(column)}`;

/** A column as the caller's conditions and groups compare it: a text has the collation of its index. */
export function comparedIn(alias: string, column: Column): string {
  const { type, collation = sortCollation } = column;
  const reference = columnIn(alias, column);
  return type === 'text' && collation !== null ? `${reference} collate ${collation}` : reference;
}

/** @throws the error of `mayRead` if the viewer may not read the column in every row */
export function assertReadable({ mayRead }: Pick<Column, 'mayRead'>, viewer: Viewer): void {
  const denial = mayRead?.(viewer);
  if (denial) throw denial;
}

/** The names of the columns with an index, for descriptions and errors. */
export const indexedColumns = ({ columns, relations }: Filterable): string[] =>
  [...columns.values(), ...relations.values()].filter(({ isIndexed }) => isIndexed).map(({ name }) => name);

/** Whether callers may sort by a column. */
export const isSortable = (column: Column): boolean => column.isSortable !== false && sqlTypeOf(column) !== null;

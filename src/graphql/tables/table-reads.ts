import type { EntityClass } from '@mikro-orm/core';
import type { GraphQLResolveInfo } from 'graphql';
import type { Viewer } from '../../auth/viewer.js';
import type { Keyset } from '../../database/keyset.js';
import type { RowShape } from '../../database/row-shapes.js';
import type { Database } from '../../database/tables.js';
import type { Context } from '../context/context.js';
import type { LoaderKind } from '../context/loader-kind.js';
import { operationReads } from '../context/operation-reads.js';
import type { AggregateRow } from '../filtering/aggregate-types.js';
import { aggregateRows, readAggregateQuery, selectedAggregations } from '../filtering/aggregate.js';
import type { FilterableOf } from '../filtering/columns.js';
import { allOf, everyRow, type Condition } from '../filtering/condition.js';
import { readFilter } from '../filtering/read-filter.js';
import type { Rule } from '../permissions/rules.js';
import { counting, pageSelection, pageSizes, type Connection, type PageOf } from '../relay/connection.js';
import type { IdType } from '../relay/global-id.js';
import type { NodeSources } from '../relay/node.js';
import type { TableColumn } from './existing-table.js';
import { visibleRows } from './row-access.js';
import { RowIds } from './row-id.js';
import { readList, type AggregateArgs, type TableArgs } from './table-args.js';
import { columnsOf } from './table-columns.js';
import { TableStatements, type ColumnTexts, type PlacedRow, type TablePage } from './table-statements.js';

interface TableOptions<Row extends object> {
  entity: EntityClass<unknown>;
  connection: new (of: PageOf<Row>) => Connection<Row>;
  /** The prefix of the IDs of rows. */
  idPrefix: IdType;
  /** The rule of the fields that return rows, also of those of other types. */
  canRead: Rule;
}

/** Values of some columns, by their properties: those of a foreign key, or of the key that it references. */
export type ColumnValues<Row> = Partial<Record<keyof Row & string, unknown>>;

/** Reads the rows of an existing table as the fields of its type need them: the selected columns, in batches. */
export class TableReads<Row extends object> {
  readonly canRead: Rule;
  readonly #options: TableOptions<Row>;
  readonly #statements: TableStatements<Row>;
  readonly #ids: RowIds;
  readonly #columns: FilterableOf<string>;
  readonly #selectedAggregations: ReturnType<typeof selectedAggregations>;
  /** By the columns and the shape that they read, so that fields share their batches. */
  readonly #kinds = new Map<string, WeakMap<RowShape<Row>, LoaderKind<never, never>>>();

  constructor(options: TableOptions<Row>) {
    this.#options = options;
    this.canRead = options.canRead;
    this.#statements = new TableStatements<Row>(options.entity);
    const { key } = this.#statements.mapping;
    this.#ids = new RowIds(options.idPrefix, key);
    this.#columns = columnsOf(options.entity);
    this.#selectedAggregations = selectedAggregations(this.#columns);
  }

  /** What writes share with the reads of a table. */
  get forWrites(): { ids: RowIds; statements: TableStatements<Row> } {
    return { ids: this.#ids, statements: this.#statements };
  }

  /** The global ID of a row. */
  idOf(row: Row): string {
    return this.#ids.encode(this.#ids.key.map(({ property }) => valueOf(row, property)));
  }

  /** The row of a global ID; null if unknown or hidden from the viewer. @throws BadUserInput if the ID is malformed */
  byId(id: string, context: Context, info: GraphQLResolveInfo): Promise<Row | null> {
    return this.#load(this.#ids.key, this.#ids.decode(id), context, info);
  }

  /** The row that a foreign key references; null if the key is null or the row is hidden from the viewer. */
  one(values: ColumnValues<Row>, context: Context, info: GraphQLResolveInfo): Promise<Row | null> | null {
    const { columns, texts } = this.#given(values);
    return texts === null ? null : this.#load(columns, texts, context, info);
  }

  /** A page of the rows that the viewer may see. @throws BadUserInput if the arguments are invalid, or no index serves them */
  async page(args: TableArgs, context: Context, info: GraphQLResolveInfo): Promise<Connection<Row>> {
    const { db, viewer } = context;
    const { page, rows, checkedOrder } = this.#readPage(args, viewer);
    await context.indexes.check(this.#columns, rows, checkedOrder);
    const count = counting(info, () => this.#statements.count(db, rows));
    const { hasRows } = pageSelection(info);
    const placed = hasRows ? await this.#statements.page(db, page, rows, this.#shape(info)) : [];
    return this.#connection(page, placed, count);
  }

  /** A page of the rows whose foreign key has these values; see `page`. */
  async of(
    values: ColumnValues<Row>,
    args: TableArgs,
    context: Context,
    info: GraphQLResolveInfo,
  ): Promise<Connection<Row>> {
    const { columns, texts } = this.#given(values);
    const { page, rows, checkedOrder } = this.#readPage(args, context.viewer);
    if (texts === null) return this.#connection(page, [], () => Promise.resolve(0));
    await context.indexes.check(this.#columns, allOf(...columns.map(isEqual), rows), checkedOrder);
    const count = counting(info, () => context.load(this.#countsBy(columns)).load({ texts, rows }));
    const { hasRows } = pageSelection(info);
    const placed = hasRows
      ? await context.load(this.#pagesBy(columns, this.#shape(info))).load({ texts, rows, page })
      : [];
    return this.#connection(page, placed, count);
  }

  /**
   * Aggregates the rows that the viewer may see.
   * @throws BadUserInput if the arguments are invalid, no index serves them, or they make too many groups
   */
  async aggregate(
    { filter, groupBy }: AggregateArgs,
    { db, viewer, indexes }: Context,
    info: GraphQLResolveInfo,
  ): Promise<AggregateRow[]> {
    const query = readAggregateQuery(this.#columns, groupBy ?? [], this.#selectedAggregations(info), viewer);
    const rows = this.#visible(readFilter(this.#columns, filter, { viewer }), viewer);
    await indexes.check(this.#columns, rows, null);
    return aggregateRows(db, this.#columns, rows, query);
  }

  /** How `node` and `nodes` read the rows. @param readAs the root field whose rule applies */
  nodes(readAs: string): NodeSources {
    const { entity, idPrefix } = this.#options;
    const source: NodeSources[IdType] = {
      type: entity.name,
      readAs,
      problemOf: (id, field) => this.#ids.problem(id, field),
      read: (ids, context, info) => Promise.all(ids.map((id) => this.byId(id, context, info))),
    };
    return { [idPrefix]: source };
  }

  /** The rows of a condition that the viewer may see. */
  #visible(condition: Condition, viewer: Viewer): Condition {
    return allOf(visibleRows(this.#statements.mapping, viewer), condition);
  }

  /** The columns that the operation reads of the type anywhere, so that its fields share one loader. */
  #shape(info: GraphQLResolveInfo): RowShape<Row> {
    return this.#statements.rows.of(operationReads(info, this.#options.entity.name));
  }

  #readPage(args: TableArgs, viewer: Viewer): { page: ReadPage; rows: Condition; checkedOrder: Keyset } {
    const { after, before } = args;
    const { order, condition, checkedOrder } = readList(this.#options.entity, args, viewer);
    const page = {
      ...pageSizes(args),
      order,
      after: after == null ? null : order.decodeCursor(after, 'after'),
      before: before == null ? null : order.decodeCursor(before, 'before'),
    };
    return { page, rows: this.#visible(condition, viewer), checkedOrder };
  }

  /** @returns no texts if a value is null */
  #given(values: ColumnValues<Row>): { columns: TableColumn[]; texts: ColumnTexts | null } {
    const entries = Object.entries(values);
    const texts = entries.map(([, value]) => textOf(value));
    return {
      columns: entries.map(([property]) => this.#statements.column(property)),
      texts: texts.every((text) => text !== null) ? texts : null,
    };
  }

  #load(
    columns: readonly TableColumn[],
    texts: ColumnTexts,
    context: Context,
    info: GraphQLResolveInfo,
  ): Promise<Row | null> {
    const rows = this.#visible(everyRow, context.viewer);
    return context.load(this.#rowBy(columns, this.#shape(info))).load({ texts, rows });
  }

  #rowBy(columns: readonly TableColumn[], shape: RowShape<Row>): LoaderKind<ScopedKey, Row | null> {
    return this.#kind('by', columns, shape, (db, keys, { rows }) =>
      this.#statements.byColumns(db, columns, keys, { shape, rows }),
    );
  }

  #pagesBy(columns: readonly TableColumn[], shape: RowShape<Row>): LoaderKind<PageKey, PlacedRow<Row>[]> {
    return this.#kind('pages by', columns, shape, (db, keys, { page, rows }) =>
      this.#statements.pagesByColumns(db, columns, keys, { page, rows, shape }),
    );
  }

  #countsBy(columns: readonly TableColumn[]): LoaderKind<ScopedKey, number> {
    return this.#kind('counts by', columns, this.#statements.rows.whole, (db, keys, { rows }) =>
      this.#statements.countsByColumns(db, columns, keys, rows),
    );
  }

  /**
   * The loader of a name, of columns and of a shape: one object, by which a request finds its loader.
   * @param load loads the values of keys that differ in nothing else
   */
  #kind<Key extends ScopedKey, Value>(
    name: string,
    columns: readonly TableColumn[],
    shape: RowShape<Row>,
    load: (db: Database, keys: ColumnTexts[], common: Omit<Key, 'texts'>) => Promise<Value[]>,
  ): LoaderKind<Key, Value> {
    const fullName = `${this.#options.entity.name} ${name} ${columns.map(({ property }) => property).join()}`;
    const byShape = this.#kinds.get(fullName) ?? new WeakMap<RowShape<Row>, LoaderKind<never, never>>();
    this.#kinds.set(fullName, byShape);
    // The name determines the types of the loader.
    let kind = byShape.get(shape) as LoaderKind<Key, Value> | undefined;
    if (!kind) {
      kind = {
        name: fullName,
        keyOf: (key) => JSON.stringify(key),
        batch: (db) => (keys) => inGroups(keys, (...group) => load(db, ...group)),
      };
      byShape.set(shape, kind as unknown as LoaderKind<never, never>);
    }
    return kind;
  }

  #connection(page: ReadPage, placed: PlacedRow<Row>[], count: () => Promise<number>): Connection<Row> {
    const inOrder = page.isBackward ? placed.toReversed() : placed;
    const positions = new Map(inOrder.map(({ row, position }) => [row, position]));
    const { order, ...bounds } = page;
    return new this.#options.connection({
      page: bounds,
      rows: [...positions.keys()],
      count,
      cursorOf: (row) => order.encodeCursor(positions.get(row) ?? '[]'),
    });
  }
}

/** A page with the sizes that a client requested. */
type ReadPage = TablePage & { first: number | null; last: number | null };

/** The texts of some columns, and the rows that are searched for them. */
interface ScopedKey {
  texts: ColumnTexts;
  rows: Condition;
}

interface PageKey extends ScopedKey {
  page: TablePage;
}

/** Loads keys that differ in their texts alone together: fields with other filters or pages have other statements. */
async function inGroups<Key extends ScopedKey, Value>(
  keys: readonly Key[],
  load: (texts: ColumnTexts[], common: Key) => Promise<Value[]>,
): Promise<Value[]> {
  const found = new Map<Key, Value>();
  for (const group of Map.groupBy(keys, ({ texts: _texts, ...common }) => JSON.stringify(common)).values()) {
    const [first] = group;
    if (!first) continue;
    const values = await load(
      group.map(({ texts }) => texts),
      first,
    );
    for (const [index, key] of group.entries()) found.set(key, values[index] as Value);
  }
  return keys.map((key) => found.get(key) as Value);
}

/** The condition of a foreign key, for the check of indexes. */
const isEqual = ({ name, property }: TableColumn): Condition => ({
  kind: 'comparison',
  column: { type: 'text', name: property, column: name },
  operator: 'eq',
  value: '',
  field: property,
});

// eslint-disable-next-line auspex/own-names -- the columns of a table, which the code names
const valueOf = (row: object, property: string): unknown => Reflect.get(row, property);

/** The text of a value, as PostgreSQL reads it; null for null. */
function textOf(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  return value instanceof Date ? value.toISOString() : `${value as string | number | boolean}`;
}

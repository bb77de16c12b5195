import type { EntityClass } from '@mikro-orm/core';
import type { GraphQLResolveInfo } from 'graphql';
import type { RowShape } from '../../database/row-shapes.js';
import type { Context } from '../context/context.js';
import type { LoaderKind } from '../context/loader-kind.js';
import { operationReads } from '../context/operation-reads.js';
import type { Rule } from '../permissions/rules.js';
import {
  counting,
  pageSelection,
  pageSizes,
  type Connection,
  type PageArgs,
  type PageOf,
} from '../relay/connection.js';
import type { IdType } from '../relay/global-id.js';
import type { NodeSources } from '../relay/node.js';
import type { TableColumn } from './existing-table.js';
import { ownerFor, type RowOwner } from './row-access.js';
import { RowIds } from './row-id.js';
import { TableOrder } from './table-order.js';
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
  readonly #order: TableOrder;
  /** By the columns and the shape that they read, so that fields share their batches. */
  readonly #kinds = new Map<string, WeakMap<RowShape<Row>, LoaderKind<never, never>>>();

  constructor(options: TableOptions<Row>) {
    this.#options = options;
    this.canRead = options.canRead;
    this.#statements = new TableStatements<Row>(options.entity);
    const { key } = this.#statements.mapping;
    this.#ids = new RowIds(options.idPrefix, key);
    this.#order = new TableOrder(key.map((column) => ({ column, isDescending: false })));
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

  /** A page of the rows that the viewer may see. */
  async page(args: PageArgs, { db, viewer }: Context, info: GraphQLResolveInfo): Promise<Connection<Row>> {
    const owner = this.#ownerFor(viewer);
    const page = this.#readPage(args);
    const count = counting(info, () => this.#statements.count(db, owner));
    const rows = pageSelection(info).hasRows
      ? await this.#statements.page(db, page, { shape: this.#shape(info), owner })
      : [];
    return this.#connection(page, rows, count);
  }

  /** A page of the rows whose foreign key has these values. */
  async of(
    values: ColumnValues<Row>,
    args: PageArgs,
    context: Context,
    info: GraphQLResolveInfo,
  ): Promise<Connection<Row>> {
    const { columns, texts } = this.#given(values);
    const page = this.#readPage(args);
    if (texts === null) return this.#connection(page, [], () => Promise.resolve(0));
    const owner = this.#ownerFor(context.viewer);
    const count = counting(info, () => context.load(this.#countsBy(columns)).load({ texts, owner }));
    const rows = pageSelection(info).hasRows
      ? await context.load(this.#pagesBy(columns, this.#shape(info))).load({ texts, page, owner })
      : [];
    return this.#connection(page, rows, count);
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

  #ownerFor(viewer: Context['viewer']): RowOwner {
    return this.#statements.mapping.owner === null ? null : ownerFor(viewer);
  }

  /** The columns that the operation reads of the type anywhere, so that its fields share one loader. */
  #shape(info: GraphQLResolveInfo): RowShape<Row> {
    return this.#statements.rows.of(operationReads(info, this.#options.entity.name));
  }

  #readPage(args: PageArgs): ReadPage {
    const { after, before } = args;
    return {
      ...pageSizes(args),
      order: this.#order,
      after: after == null ? null : this.#order.decodeCursor(after, 'after'),
      before: before == null ? null : this.#order.decodeCursor(before, 'before'),
    };
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
    const owner = this.#ownerFor(context.viewer);
    return context.load(this.#rowBy(columns, this.#shape(info))).load({ texts, owner });
  }

  #rowBy(columns: readonly TableColumn[], shape: RowShape<Row>): LoaderKind<OwnedKey, Row | null> {
    return this.#kind(
      `${this.#options.entity.name} by`,
      columns,
      shape,
      (db) => async (keys) =>
        this.#statements.byColumns(
          db,
          columns,
          keys.map(({ texts }) => texts),
          { shape, owner: ownerOf(keys) },
        ),
    );
  }

  #pagesBy(columns: readonly TableColumn[], shape: RowShape<Row>): LoaderKind<OwnedPage, PlacedRow<Row>[]> {
    return this.#kind(`${this.#options.entity.name} pages by`, columns, shape, (db) => async (keys) => {
      const found = new Map<OwnedPage, PlacedRow<Row>[]>();
      for (const same of Map.groupBy(keys, ({ page }) => JSON.stringify(page)).values()) {
        const [first] = same;
        if (!first) continue;
        const texts = same.map((key) => key.texts);
        const pages = await this.#statements.pagesByColumns(db, columns, texts, {
          page: first.page,
          shape,
          owner: first.owner,
        });
        for (const [index, key] of same.entries()) found.set(key, pages[index] ?? []);
      }
      return keys.map((key) => found.get(key) ?? []);
    });
  }

  #countsBy(columns: readonly TableColumn[]): LoaderKind<OwnedKey, number> {
    return this.#kind(
      `${this.#options.entity.name} counts by`,
      columns,
      this.#statements.rows.whole,
      (db) => (keys) =>
        this.#statements.countsByColumns(
          db,
          columns,
          keys.map(({ texts }) => texts),
          ownerOf(keys),
        ),
    );
  }

  /** The loader of a name, of columns and of a shape: one object, by which a request finds its loader. */
  #kind<Key extends OwnedKey, Value>(
    name: string,
    columns: readonly TableColumn[],
    shape: RowShape<Row>,
    batch: LoaderKind<Key, Value>['batch'],
  ): LoaderKind<Key, Value> {
    const key = `${name} ${columns.map(({ property }) => property).join()}`;
    const byShape = this.#kinds.get(key) ?? new WeakMap<RowShape<Row>, LoaderKind<never, never>>();
    this.#kinds.set(key, byShape);
    // The key names the types of the loader.
    let kind = byShape.get(shape) as LoaderKind<Key, Value> | undefined;
    if (!kind) {
      kind = { name: key, keyOf: (one) => JSON.stringify(one), batch };
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

/** The key of a row, and whose rows the viewer may see: the same for all keys of a request. */
interface OwnedKey {
  texts: ColumnTexts;
  owner: RowOwner;
}

interface OwnedPage extends OwnedKey {
  page: TablePage;
}

const ownerOf = ([first]: readonly OwnedKey[]): RowOwner => first?.owner ?? null;

// eslint-disable-next-line auspex/own-names -- the columns of a table, which the code names
const valueOf = (row: object, property: string): unknown => Reflect.get(row, property);

/** The text of a value, as PostgreSQL reads it; null for null. */
function textOf(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  return value instanceof Date ? value.toISOString() : `${value as string | number | boolean}`;
}

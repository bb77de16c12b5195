import type { EntityClass } from '@mikro-orm/core';
import type { FieldNode, GraphQLObjectType, GraphQLResolveInfo } from 'graphql';
import type { Viewer } from '../../auth/viewer.js';
import type { Keyset } from '../../database/keyset.js';
import type { Context } from '../context/context.js';
import type { LoaderKind } from '../context/loader-kind.js';
import { operationReads } from '../context/operation-reads.js';
import type { AggregateRow } from '../filtering/aggregate-types.js';
import { aggregateRows, readAggregateQuery, selectedAggregations } from '../filtering/aggregate.js';
import type { FilterableOf, Relation } from '../filtering/columns.js';
import { allOf, everyRow, relationsIn, type Condition } from '../filtering/condition.js';
import { readFilter } from '../filtering/read-filter.js';
import type { FeatureSource } from '../lineage/features.js';
import { assertPermitted } from '../permissions/guard-schema.js';
import type { Rule } from '../permissions/rules.js';
import { counting, pageSelection, pageSizes, type Connection, type PageOf } from '../relay/connection.js';
import type { IdType } from '../relay/global-id.js';
import type { NodeSources } from '../relay/node.js';
import { columnOf, type TableColumn } from './existing-table.js';
import { joinsOfPage, joinsOfRow, noJoins, referenceOf, type Joins } from './references.js';
import { visibleRows } from './row-access.js';
import { RowIds } from './row-id.js';
import { addRelation, readList, type AggregateArgs, type TableArgs } from './table-args.js';
import { textsOf, valueOf } from './row-values.js';
import { TableFeatures, type ReferencedRow } from './table-features.js';
import { columnsOf, relationTo } from './table-columns.js';
import { joinedRow } from './table-joins.js';
import { TableLoaders, type ListKey, type LoadedList } from './table-loaders.js';
import type { TablePage } from './table-page.js';
import {
  cursorsOf,
  TableStatements,
  type ColumnTexts,
  type PlacedRows,
  type Selected,
  type SelectedPage,
} from './table-statements.js';

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
  /** The table and its shapes, for those that reference it. */
  readonly table: TableStatements<Row>;
  readonly #options: TableOptions<Row>;
  readonly #ids: RowIds;
  readonly #columns: FilterableOf<string>;
  /** The rows that foreign keys reference, by the field that returns them. */
  readonly #references = new Map<string, ReferencedRow<Row>>();
  /** The rules of the types of relations. */
  readonly #related = new Map<Relation, Rule>();
  readonly #selectedAggregations: ReturnType<typeof selectedAggregations>;
  readonly #loaders: TableLoaders<Row>;
  /**
   * The lists that an operation reads of other rows, by their field. Of the latest operation: all rows of a list are resolved in one turn, and a
   * weak map of all operations would be work for each garbage collection.
   */
  #latest: { context: Context; lists: Map<FieldNode, RelatedList<Row>> } | null = null;

  constructor(options: TableOptions<Row>) {
    this.#options = options;
    this.canRead = options.canRead;
    this.table = new TableStatements<Row>(options.entity);
    this.#loaders = new TableLoaders(options.entity.name, this.table);
    this.#ids = new RowIds(options.idPrefix, this.table.mapping.key);
    this.#columns = columnsOf(options.entity);
    this.#selectedAggregations = selectedAggregations(this.#columns);
  }

  /** What writes share with the reads of a table. */
  get forWrites(): { ids: RowIds; statements: TableStatements<Row> } {
    return { ids: this.#ids, statements: this.table };
  }

  /** The values of the rows that models may use. */
  get features(): FeatureSource {
    return new TableFeatures<Row>(this.#options.entity, this.#references);
  }

  /** The global ID of a row. */
  idOf(row: Row): string {
    return this.#ids.encode(this.#ids.key.map(({ property }) => valueOf(row, property)));
  }

  /** The row of a global ID; null if unknown or hidden from the viewer. @throws BadUserInput if the ID is malformed */
  byId(id: string, context: Context, info: GraphQLResolveInfo): Promise<Row | null> {
    return this.#load(this.#ids.key, this.#ids.decode(id), context, this.#selected(info, joinsOfRow(info)));
  }

  /** The row that a field with `@References` returns; null if the key is null or the row is hidden from the viewer. */
  referenced(row: object, context: Context, info: GraphQLResolveInfo): Promise<Row | null> | Row | null {
    const known = joinedRow(row, info.fieldName);
    // The join is of this table.
    if (known !== undefined) return known as Row | null;
    const values = referenceOf(info).columns.map(([own, referenced]) => [referenced, valueOf(row, own)]);
    return this.one(Object.fromEntries(values) as ColumnValues<Row>, context, info);
  }

  /** The row with these values of a unique key; null if one is null or the row is hidden from the viewer. */
  one(values: ColumnValues<Row>, context: Context, info: GraphQLResolveInfo): Promise<Row | null> | null {
    const texts = textsOf(values);
    return texts && this.#load(this.#columnsOf(values), texts, context, this.#selected(info, noJoins));
  }

  /** A page of the rows that the viewer may see. @throws BadUserInput if the arguments are invalid, or no index serves them */
  async page(args: TableArgs, context: Context, info: GraphQLResolveInfo): Promise<Connection<Row>> {
    const { db, viewer } = context;
    const selected = this.#selectedPage(info);
    const { page, rows, checkedOrder } = this.#readPage(args, viewer);
    await this.#check(rows, checkedOrder, context, info);
    const count = counting(info, () => this.table.count(db, rows));
    const { hasRows } = pageSelection(info);
    return this.#connection(page, hasRows ? await this.table.page(db, page, rows, selected) : noRows, count);
  }

  /** A page of the rows whose foreign key has these values; see `page`. */
  of(values: ColumnValues<Row>, args: TableArgs, context: Context, info: GraphQLResolveInfo): Promise<Connection<Row>> {
    const list = this.#listOf(values, args, context, info);
    const texts = textsOf(values);
    if (texts === null) return Promise.resolve(this.#connection(list.page, noRows, () => Promise.resolve(0)));
    const key = { texts, list };
    // Few promises: many rows wait at once, and what waits outlives garbage collections.
    const read = (): Promise<Connection<Row>> => {
      const count = counting(info, () => context.load(list.counts).load(key));
      if (!list.hasRows) return Promise.resolve(this.#connection(list.page, noRows, count));
      return context
        .load(list.pages)
        .load(key)
        .then((placed) => this.#connection(list.page, placed, count));
    };
    return list.checked ? list.checked.then(read) : read();
  }

  /**
   * Aggregates the rows that the viewer may see.
   * @throws BadUserInput if the arguments are invalid, no index serves them, or they make too many groups
   */
  async aggregate(
    { filter, groupBy }: AggregateArgs,
    context: Context,
    info: GraphQLResolveInfo,
  ): Promise<AggregateRow[]> {
    const { db, viewer } = context;
    const query = readAggregateQuery(this.#columns, groupBy ?? [], this.#selectedAggregations(info), viewer);
    const rows = this.#visible(readFilter(this.#columns, filter, { viewer }), viewer);
    await this.#check(rows, null, context, info);
    return aggregateRows(db, this.#columns, rows, query);
  }

  /**
   * Adds conditions on the row of a foreign key to the filters of this type. Rows that the viewer may not see do not meet them.
   * @param key the referenced columns by those of the foreign key
   */
  relate<Other extends object>(
    name: string,
    target: TableReads<Other>,
    key: Partial<Record<keyof Row & string, keyof Other & string>>,
  ): void {
    const relation = relationTo(name, {
      from: this.table.mapping,
      to: target.#options.entity,
      key: key as Record<string, string>,
    });
    this.#related.set(relation, target.canRead);
    const columns = Object.entries(key) as [keyof Row & string, string][];
    this.#references.set(name, {
      entity: target.#options.entity,
      key: columns.map(([own]) => own),
      read: (row, context, info) => {
        const values = columns.map(([own, referenced]) => [referenced, valueOf(row, own)]);
        return target.one(Object.fromEntries(values) as ColumnValues<Other>, context, info);
      },
    });
    addRelation(this.#options.entity, relation);
  }

  /** How `node` and `nodes` read the rows. @param readAs the root field whose rule applies */
  nodes(readAs: string): NodeSources {
    const { entity, idPrefix } = this.#options;
    const source: NodeSources[IdType] = {
      type: entity.name,
      readAs,
      problemOf: (id, field) => this.#ids.problem(id, field),
      read: (ids, context, info) =>
        Promise.all(
          ids.map((id) => this.#load(this.#ids.key, this.#ids.decode(id), context, this.#selected(info, noJoins))),
        ),
    };
    return { [idPrefix]: source };
  }

  /** The rows of a condition that the viewer may see. */
  #visible(condition: Condition, viewer: Viewer): Condition {
    return allOf(visibleRows(this.table.mapping, viewer), condition);
  }

  /**
   * @param order null for aggregates
   * @returns undefined if all was known, and the rows may be read
   * @throws the error of `canRead` of a type on which a condition depends
   * @throws BadUserInput if no index serves the rows
   */
  #check(rows: Condition, order: Keyset | null, context: Context, info: GraphQLResolveInfo): Promise<void> | undefined {
    const rules = relationsIn(rows).flatMap((relation) => this.#related.get(relation) ?? []);
    const check = (): Promise<void> | undefined => context.indexes.check(this.#columns, rows, order);
    return rules.length === 0 ? check() : assertEach(rules, context, info).then(check);
  }

  /** The columns that the operation reads of the type anywhere, so that its fields share one loader. */
  #selected(info: GraphQLResolveInfo, joins: Joins): Selected<Row> {
    return { shape: this.table.rows.of(operationReads(info, this.#options.entity.name)), joins };
  }

  #selectedPage(info: GraphQLResolveInfo): SelectedPage<Row> {
    return { ...this.#selected(info, joinsOfPage(info)), hasPositions: pageSelection(info).hasCursors };
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

  /** The list that a field reads of each row of its type: its arguments are the same for all of them. */
  #listOf(values: ColumnValues<Row>, args: TableArgs, context: Context, info: GraphQLResolveInfo): RelatedList<Row> {
    const [node] = info.fieldNodes;
    if (!node) throw new Error('A field is resolved without a field node.');
    if (this.#latest?.context !== context) this.#latest = { context, lists: new Map() };
    const { lists } = this.#latest;
    let list = lists.get(node);
    if (list?.parentType !== info.parentType) lists.set(node, (list = this.#openList(values, args, context, info)));
    return list;
  }

  #openList(values: ColumnValues<Row>, args: TableArgs, context: Context, info: GraphQLResolveInfo): RelatedList<Row> {
    const columns = this.#columnsOf(values);
    const selected = this.#selectedPage(info);
    const { page, rows, checkedOrder } = this.#readPage(args, context.viewer);
    const checked = this.#check(allOf(...columns.map(isEqual), rows), checkedOrder, context, info);
    // Fields whose key is null do not await it.
    checked?.catch(() => undefined);
    return {
      parentType: info.parentType,
      key: JSON.stringify({ page, rows }),
      ...{ page, rows, checked },
      hasRows: pageSelection(info).hasRows,
      pages: this.#loaders.pagesBy(columns, selected),
      counts: this.#loaders.countsBy(columns),
    };
  }

  #columnsOf(values: ColumnValues<Row>): TableColumn[] {
    return Object.keys(values).map((property) => columnOf(this.table.mapping, property));
  }

  #load(
    columns: readonly TableColumn[],
    texts: ColumnTexts,
    context: Context,
    selected: Selected<Row>,
  ): Promise<Row | null> {
    const rows = this.#visible(everyRow, context.viewer);
    return context.load(this.#loaders.rowBy(columns, selected)).load({ texts, rows });
  }

  #connection(page: ReadPage, placed: PlacedRows<Row>, count: () => Promise<number>): Connection<Row> {
    const rows = page.isBackward ? placed.rows.toReversed() : placed.rows;
    const { order, ...bounds } = page;
    return new this.#options.connection({ page: bounds, rows, count, cursorOf: cursorsOf(placed, order) });
  }
}

/** A page with the sizes that a client requested. */
type ReadPage = TablePage & { first: number | null; last: number | null };

/** A list of the rows that reference another one, as a field reads it for each row of its parent's type. */
interface RelatedList<Row> extends LoadedList {
  parentType: GraphQLObjectType;
  page: ReadPage;
  /** Settles when the check of indexes does; undefined if it has succeeded. */
  checked: Promise<void> | undefined;
  hasRows: boolean;
  pages: LoaderKind<ListKey, PlacedRows<Row>>;
  counts: LoaderKind<ListKey, number>;
}

const noRows = { rows: [], positions: null };

/** @throws the error of the first rule that rejects */
async function assertEach(rules: readonly Rule[], context: Context, info: GraphQLResolveInfo): Promise<void> {
  for (const rule of rules) await assertPermitted(rule, context, info);
}

/** The condition of a foreign key, for the check of indexes. */
const isEqual = ({ name, property }: TableColumn): Condition => ({
  kind: 'comparison',
  column: { type: 'text', name: property, column: name, collation: null },
  operator: 'eq',
  value: '',
  field: property,
});

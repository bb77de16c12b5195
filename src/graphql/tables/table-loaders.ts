import type { RowShape } from '../../database/row-shapes.js';
import type { LoaderKind } from '../context/loader-kind.js';
import { everyRow, type Condition } from '../filtering/condition.js';
import type { TableColumn } from './existing-table.js';
import type { TablePage } from './table-page.js';
import type { ColumnTexts, PlacedRows, Selected, SelectedPage, TableStatements } from './table-statements.js';

/** The loaders of a table: one object for each form of their statements, by which a request finds its loader. */
export class TableLoaders<Row extends object> {
  readonly #type: string;
  readonly #table: TableStatements<Row>;
  /** By the shape that they read and their name, so that fields share their batches. */
  readonly #kinds = new WeakMap<RowShape<Row>, Map<string, LoaderKind<never, never>>>();

  constructor(type: string, table: TableStatements<Row>) {
    this.#type = type;
    this.#table = table;
  }

  /** Loads a row by columns that identify it. */
  rowBy(columns: readonly TableColumn[], selected: Selected<Row>): LoaderKind<RowKey, Row | null> {
    return this.#kind(`by ${namesOf(columns)} ${selected.joins.key}`, selected.shape, (name) => ({
      name,
      keyOf: ({ texts }) => keyOf(texts),
      // The viewer is the same in a request, and so are the visible rows.
      batch: (db) => (keys) =>
        this.#table.byColumns(
          db,
          columns,
          keys.map(({ texts }) => texts),
          { ...selected, rows: keys[0]?.rows ?? everyRow },
        ),
    }));
  }

  /** Loads the same page of the rows of each foreign key. */
  pagesBy(columns: readonly TableColumn[], selected: SelectedPage<Row>): LoaderKind<ListKey, PlacedRows<Row>> {
    const { joins, hasPositions } = selected;
    const name = `pages by ${namesOf(columns)} ${joins.key} ${hasPositions ? 'with' : 'without'} positions`;
    return this.#kind(name, selected.shape, (fullName) => ({
      name: fullName,
      keyOf: keyOfList,
      batch: (db) => (keys) =>
        inGroups(keys, (texts, { page, rows }) =>
          this.#table.pagesByColumns(db, columns, texts, { page, rows, ...selected }),
        ),
    }));
  }

  /** Counts the rows of each foreign key. */
  countsBy(columns: readonly TableColumn[]): LoaderKind<ListKey, number> {
    return this.#kind(`counts by ${namesOf(columns)}`, this.#table.rows.whole, (name) => ({
      name,
      keyOf: keyOfList,
      batch: (db) => (keys) =>
        inGroups(keys, (texts, { rows }) => this.#table.countsByColumns(db, columns, texts, rows)),
    }));
  }

  /** The loader of a name and of a shape: one object, by which a request finds its loader. */
  #kind<Key, Value>(
    name: string,
    shape: RowShape<Row>,
    create: (fullName: string) => LoaderKind<Key, Value>,
  ): LoaderKind<Key, Value> {
    let byName = this.#kinds.get(shape);
    if (!byName) this.#kinds.set(shape, (byName = new Map<string, LoaderKind<never, never>>()));
    // The name determines the types of the loader.
    let kind = byName.get(name) as LoaderKind<Key, Value> | undefined;
    if (!kind) {
      kind = create(`${this.#type} ${name}`);
      byName.set(name, kind as unknown as LoaderKind<never, never>);
    }
    return kind;
  }
}

/** What is read of each foreign key. */
export interface LoadedList {
  /** Identifies the page and the scope in an operation. */
  key: string;
  page: TablePage;
  rows: Condition;
}

/** The texts of the columns of a row, and the rows that the viewer may see. */
interface RowKey {
  texts: ColumnTexts;
  rows: Condition;
}

/** The texts of the columns of a foreign key, and what is read for each. */
export interface ListKey {
  texts: ColumnTexts;
  list: LoadedList;
}

const keyOf = (texts: ColumnTexts): string => (texts.length === 1 ? (texts[0] ?? '') : JSON.stringify(texts));
const keyOfList = ({ texts, list }: ListKey): string => `${list.key} ${keyOf(texts)}`;

/** Loads keys of the same list together: fields with other filters or pages have other statements. */
async function inGroups<Value>(
  keys: readonly ListKey[],
  load: (texts: ColumnTexts[], list: LoadedList) => Promise<Value[]>,
): Promise<Value[]> {
  const found = new Map<ListKey, Value>();
  for (const group of Map.groupBy(keys, ({ list }) => list.key).values()) {
    const [first] = group;
    if (!first) continue;
    const values = await load(
      group.map(({ texts }) => texts),
      first.list,
    );
    for (const [index, key] of group.entries()) found.set(key, values[index] as Value);
  }
  return keys.map((key) => found.get(key) as Value);
}

const namesOf = (columns: readonly TableColumn[]): string => columns.map(({ property }) => property).join();

import type { GraphQLResolveInfo } from 'graphql';
import { inOrder, type KeysetPage } from '../../database/keyset.js';
import type { RowShape, RowShapes } from '../../database/row-shapes.js';
import type { Database } from '../../database/tables.js';
import type { Context } from './context.js';
import type { LoaderKind } from './loader-kind.js';
import { operationReads } from './operation-reads.js';

/** Loads a row by its ID; null if unknown. */
export const rowById = <Row extends { id: string }>(
  read: (db: Database, ids: readonly string[]) => Promise<Row[]>,
  name = read.name,
): LoaderKind<string, Row | null> => ({
  name,
  batch: (db) => async (ids) => {
    const byId = new Map((await read(db, ids)).map((row) => [row.id, row]));
    return ids.map((id) => byId.get(id) ?? null);
  },
});

/** Loaders of the same rows that read different properties. A loader never returns a row that another one has read. */
export interface LoadersByShape<Key, Row, Value> {
  /** Reads all properties. */
  whole: LoaderKind<Key, Value>;
  /** Reads the given properties and the ID. @param properties null for all of them */
  reading(properties: Iterable<keyof Row & string> | null): LoaderKind<Key, Value>;
  /** Reads the properties that the operation selects of the type anywhere, so that its fields share one loader. */
  selectedBy(info: GraphQLResolveInfo): LoaderKind<Key, Value>;
}

/**
 * Loaders of rows of a type.
 * @param always properties that the loader itself reads
 */
export function loadersByShape<Key, Row, Value>(
  { type, rows, always = [] }: { type: string; rows: RowShapes<Row>; always?: readonly (keyof Row & string)[] },
  kindOf: (shape: RowShape<Row>) => LoaderKind<Key, Value>,
): LoadersByShape<Key, Row, Value> {
  const kinds = new WeakMap<RowShape<Row>, LoaderKind<Key, Value>>();
  const reading = (properties: Iterable<string> | null): LoaderKind<Key, Value> => {
    const shape = rows.of(properties && [...properties, ...always]);
    let kind = kinds.get(shape);
    if (!kind) kinds.set(shape, (kind = kindOf(shape)));
    return kind;
  };
  return { whole: reading(null), reading, selectedBy: (info) => reading(operationReads(info, type)) };
}

/**
 * Loads many values, in the order of the keys.
 * @throws the first error among the results
 */
export const loading =
  <Value>(kind: LoaderKind<string, Value>) =>
  (keys: readonly string[], context: Context): Promise<Value[]> => {
    const loader = context.load(kind);
    return Promise.all(keys.map((key) => loader.load(key)));
  };

/** Loads many rows with the properties that the operation selects, in the order of the keys; see `loading`. */
export const loadingSelected =
  <Value>({ selectedBy }: Pick<LoadersByShape<string, never, Value>, 'selectedBy'>) =>
  (keys: readonly string[], context: Context, info: GraphQLResolveInfo): Promise<Value[]> =>
    loading(selectedBy(info))(keys, context);

/** Loads a count by owner; `read` may omit owners with a count of 0. */
export const countByOwner = (
  read: (db: Database, ownerIds: readonly string[]) => Promise<{ ownerId: string | null; count: number }[]>,
  name = read.name,
): LoaderKind<string, number> => ({
  name,
  batch: (db) => async (ownerIds) => {
    const counts = new Map((await read(db, ownerIds)).map(({ ownerId, count }) => [ownerId, count]));
    return ownerIds.map((id) => counts.get(id) ?? 0);
  },
});

/** A page of an owner's rows. */
export interface OwnedPage {
  ownerId: string;
  page: KeysetPage;
}

/**
 * Loads a page of an owner's rows, with one statement per different page for any number of owners.
 * @param read returns the rows of all owners, each owner's as `pageOf` orders them
 */
export const pageByOwner = <Row>(
  read: (db: Database, ownerIds: readonly string[], page: KeysetPage) => Promise<Row[]>,
  ownerOf: (row: Row) => string | null,
  name = read.name,
): LoaderKind<OwnedPage, Row[]> => ({
  name,
  keyOf: ({ ownerId, page }) => `${ownerId} ${JSON.stringify(page)}`,
  batch: (db) => async (keys) => {
    const keysByPage = Map.groupBy(keys, ({ page }) => JSON.stringify(page));
    const found = new Map<OwnedPage, Row[]>();
    for (const samePage of keysByPage.values()) {
      const [first] = samePage;
      if (!first) continue;
      const rows = Map.groupBy(
        await read(
          db,
          samePage.map((key) => key.ownerId),
          first.page,
        ),
        ownerOf,
      );
      for (const key of samePage) found.set(key, inOrder(rows.get(key.ownerId) ?? [], first.page));
    }
    return keys.map((key) => found.get(key) ?? []);
  },
});

import { inOrder, type KeysetPage } from '../../database/keyset.js';
import type { Database } from '../../database/tables.js';
import type { Context } from './context.js';
import type { LoaderKind } from './loader-kind.js';

/** Loads a row by its ID; null if unknown. */
export const rowById = <Row extends { id: string }>(
  read: (db: Database, ids: readonly string[]) => Promise<Row[]>,
): LoaderKind<string, Row | null> => ({
  name: read.name,
  batch: (db) => async (ids) => {
    const byId = new Map((await read(db, ids)).map((row) => [row.id, row]));
    return ids.map((id) => byId.get(id) ?? null);
  },
});

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

import type { KeysetPage } from '../database/keyset.js';
import type { Database } from '../database/tables.js';
import type { Context, LoaderKind } from './context.js';

/** Reads a row by its id; null if unknown. */
export const rowById = <Row extends { id: string }>(read: (db: Database, ids: readonly string[]) => Promise<Row[]>): LoaderKind<string, Row | null> => ({
  name: read.name,
  batch: (db) => async (ids) => {
    const byId = new Map((await read(db, ids)).map((row) => [row.id, row]));
    return ids.map((id) => byId.get(id) ?? null);
  },
});

/**
 * Reads many by a loader, in the order of the keys.
 * @throws the first error among the answers
 */
export const loading =
  <Value>(kind: LoaderKind<string, Value>) =>
  (keys: readonly string[], context: Context): Promise<Value[]> => {
    const loader = context.load(kind);
    return Promise.all(keys.map((key) => loader.load(key)));
  };

/** Counts what an owner has; `read` may leave out owners without any. */
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

/** Which page of whose rows. */
export interface OwnedPage {
  ownerId: string;
  page: KeysetPage;
}

/**
 * Reads a page of what an owner has. Each different page costs one statement, whatever the number of owners.
 * @param read gives the rows of all the owners, each owner's in the page's order
 */
export const pageByOwner = <Row>(
  read: (db: Database, ownerIds: readonly string[], page: KeysetPage) => Promise<Row[]>,
  ownerOf: (row: Row) => string | null,
  name = read.name,
): LoaderKind<OwnedPage, Row[]> => ({
  name,
  keyOf: ({ ownerId, page }) => `${ownerId} ${JSON.stringify(page)}`,
  batch: (db) => async (keys) => {
    const wanted = Map.groupBy(keys, ({ page }) => JSON.stringify(page));
    const found = new Map<OwnedPage, Row[]>();
    for (const samePage of wanted.values()) {
      const [first] = samePage;
      if (!first) continue;
      const rows = Map.groupBy(await read(db, samePage.map((key) => key.ownerId), first.page), ownerOf);
      for (const key of samePage) found.set(key, rows.get(key.ownerId) ?? []);
    }
    return keys.map((key) => found.get(key) ?? []);
  },
});

import type { LoaderKind } from '../../graphql/context.js';
import { usersById } from './user.queries.js';
import type { UserRow } from './user.types.js';

/** A user by id; null if unknown. */
export const userById: LoaderKind<string, UserRow | null> = {
  batch: (db) => async (ids) => {
    const byId = new Map((await usersById(db, ids)).map((row) => [row.id, row]));
    return ids.map((id) => byId.get(id) ?? null);
  },
};

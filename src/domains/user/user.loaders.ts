import { loadersByShape, rowById } from '../../graphql/context/loader-factories.js';
import type { LoaderKind } from '../../graphql/context/loader-kind.js';
import type { Database } from '../../database/tables.js';
import { apiKeysById, apiKeysOfUsers, sessionsById, sessionsOfUsers, userRows, usersById } from './user.queries.js';

/** A user by id; null if unknown. */
export const userById = loadersByShape({ type: 'User', rows: userRows }, (row) =>
  rowById((db, ids) => usersById(db, ids, row), 'usersById'),
);

/** An API key of any user by ID; null if unknown. */
export const apiKeyById = rowById(apiKeysById);

/** A session of any user by ID; null if unknown. */
export const sessionById = rowById(sessionsById);

/** The rows of each user, in the order of `read`. */
const byUser = <Row extends { userId: string }>(
  read: (db: Database, userIds: readonly string[]) => Promise<Row[]>,
): LoaderKind<string, Row[]> => ({
  name: read.name,
  batch: (db) => async (userIds) => {
    const rows = Map.groupBy(await read(db, userIds), ({ userId }) => userId);
    return userIds.map((id) => rows.get(id) ?? []);
  },
});

/** The API keys of a user, newest first. */
export const apiKeysByUser = byUser(apiKeysOfUsers);

/** The sessions of a user that have not expired, newest first. */
export const sessionsByUser = byUser(sessionsOfUsers);

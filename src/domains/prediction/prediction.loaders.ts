import type { KeysetPage } from '../../database/keyset.js';
import type { LoaderKind } from '../../graphql/context.js';
import { countPredictionsByUser, predictionPagesByUser } from './prediction.queries.js';
import type { PredictionRow } from './prediction.types.js';

/** A page of a user's predictions. */
export const predictionsOfUser: LoaderKind<{ userId: string; page: KeysetPage }, PredictionRow[]> = {
  keyOf: ({ userId, page }) => `${userId} ${JSON.stringify(page)}`,
  batch: (db) => async (keys) => {
    const found = new Map<string, PredictionRow[]>();
    for (const [name, page] of new Map(keys.map((key) => [JSON.stringify(key.page), key.page]))) {
      const userIds = keys.filter((key) => JSON.stringify(key.page) === name).map((key) => key.userId);
      for (const row of await predictionPagesByUser(db, userIds, page)) {
        const key = `${row.userId ?? ''} ${name}`;
        found.set(key, [...(found.get(key) ?? []), row]);
      }
    }
    return keys.map(({ userId, page }) => found.get(`${userId} ${JSON.stringify(page)}`) ?? []);
  },
};

/** How many predictions a user has asked for. */
export const predictionCountOfUser: LoaderKind<string, number> = {
  batch: (db) => async (userIds) => {
    const counts = new Map((await countPredictionsByUser(db, userIds)).map((row) => [row.userId, row.count]));
    return userIds.map((id) => counts.get(id) ?? 0);
  },
};

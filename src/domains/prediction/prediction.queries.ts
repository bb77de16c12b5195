import { sql, type SelectQueryBuilder } from 'kysely';
import { firstIdAt, lastIdAt } from '../../database/base.entity.js';
import { inOrder, pageOf, type Keyset, type KeysetPage } from '../../database/keyset.js';
import { rowColumns } from '../../database/rows.js';
import type { Database, Tables } from '../../database/tables.js';
import { PredictionRecord } from './prediction.entity.js';
import type { PredictionFilter, PredictionRow } from './prediction.types.js';

const columns = rowColumns(PredictionRecord, 'prediction');

/** The order of predictions: the newest first. Their ids sort by time. */
export const predictionOrder: Keyset = { column: 'prediction.id', property: 'id', type: 'uuid', isDescending: true };

/** A filter with an owner; `userId` null matches all owners. */
export interface PredictionScope extends PredictionFilter {
  userId: string | null;
}

/** Loads predictions by id, of any owner and in any order; unknown ids are omitted. */
export function predictionsById(db: Database, ids: readonly string[]): Promise<PredictionRow[]> {
  return db.selectFrom('prediction').select(columns).where('id', 'in', ids).execute();
}

/** Loads a page of predictions. */
export async function predictionPage(db: Database, scope: PredictionScope, page: KeysetPage): Promise<PredictionRow[]> {
  return inOrder(await pageOf(scoped(db, scope).select(columns), page).execute(), page);
}

/** Counts the predictions in the scope. */
export async function countPredictions(db: Database, scope: PredictionScope): Promise<number> {
  const { count } = await scoped(db, scope)
    .select(sql<number>`count(*)::integer`.as('count'))
    .executeTakeFirstOrThrow();
  return count;
}

/** Loads the same page for several users in one statement. */
export async function predictionPagesByUser(
  db: Database,
  userIds: readonly string[],
  page: KeysetPage,
): Promise<PredictionRow[]> {
  const inner = pageOf(
    scoped(db, { userId: null })
      .select(columns)
      .where(sql<boolean>`prediction.user_id = owner.id`),
    page,
  );
  const { rows } = await sql<PredictionRow>`
    select found.* from unnest(${[...userIds]}::uuid[]) as owner (id) cross join lateral (${inner}) as found`.execute(
    db,
  );
  return rows;
}

/** Counts the predictions of each user; users without any are omitted. */
export function countPredictionsByUser(
  db: Database,
  userIds: readonly string[],
): Promise<{ ownerId: string | null; count: number }[]> {
  return db
    .selectFrom('prediction')
    .select(['user_id as ownerId', sql<number>`count(*)::integer`.as('count')])
    .where('user_id', 'in', userIds)
    .groupBy('user_id')
    .execute();
}

function scoped(db: Database, scope: PredictionScope): SelectQueryBuilder<Tables, 'prediction', object> {
  const { userId, model, version, source, createdAfter, createdBefore } = scope;
  let query: SelectQueryBuilder<Tables, 'prediction', object> = db.selectFrom('prediction');
  if (userId !== null) query = query.where('prediction.user_id', '=', userId);
  if (model != null) query = query.where('prediction.model', '=', model.replaceAll('\0', ''));
  if (version != null) query = query.where('prediction.version', '=', version);
  if (source != null) query = query.where('prediction.source', '=', source);
  // Ids sort by time, so a bound on the id lets every index that ends in the id skip newer rows.
  if (createdAfter != null)
    query = query
      .where('prediction.created_at', '>=', createdAfter)
      .where('prediction.id', '>=', firstIdAt(createdAfter.getTime() - idSlackMs));
  if (createdBefore != null)
    query = query
      .where('prediction.created_at', '<=', createdBefore)
      .where('prediction.id', '<=', lastIdAt(createdBefore.getTime() + idSlackMs));
  return query;
}

/** The time in an id may differ from created_at when the clock was adjusted. */
const idSlackMs = 300_000;

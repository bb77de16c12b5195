import { sql, type SelectQueryBuilder } from 'kysely';
import { firstIdAt, lastIdAt } from '../../database/base.entity.js';
import { inOrder, pageOf, type Keyset, type KeysetPage } from '../../database/keyset.js';
import type { Database, Tables } from '../../database/tables.js';
import type { PredictionFilter, PredictionRow } from './prediction.types.js';

const columns = [
  'prediction.id',
  'prediction.user_id as userId',
  'prediction.model',
  'prediction.version',
  'prediction.digest',
  'prediction.input',
  'prediction.output',
  'prediction.source',
  'prediction.age_seconds as ageSeconds',
  'prediction.duration_ms as durationMs',
  'prediction.created_at as createdAt',
] as const;

/** The order of predictions: the newest first. Their ids sort by time. */
export const predictionOrder: Keyset = { column: 'prediction.id', property: 'id', type: 'uuid', isDescending: true };

/** Whose predictions, and which; `userId` null means everyone's. */
export interface PredictionScope extends PredictionFilter {
  userId: string | null;
}

/** Predictions by id, in any order and whosever they are; unknown ids are left out. */
export function predictionsById(db: Database, ids: readonly string[]): Promise<PredictionRow[]> {
  return db.selectFrom('prediction').select(columns).where('id', 'in', ids).execute();
}

/** One page of predictions. */
export async function predictionPage(db: Database, scope: PredictionScope, page: KeysetPage): Promise<PredictionRow[]> {
  return inOrder(await pageOf(scoped(db, scope).select(columns), page).execute(), page);
}

/** How many predictions there are in the scope. */
export async function countPredictions(db: Database, scope: PredictionScope): Promise<number> {
  const { count } = await scoped(db, scope).select(sql<number>`count(*)::integer`.as('count')).executeTakeFirstOrThrow();
  return count;
}

/** The same page of the predictions of each user, in one statement. */
export async function predictionPagesByUser(db: Database, userIds: readonly string[], page: KeysetPage): Promise<PredictionRow[]> {
  const inner = pageOf(scoped(db, { userId: null }).select(columns).where(sql<boolean>`prediction.user_id = owner.id`), page);
  const { rows } = await sql<PredictionRow>`
    select found.* from unnest(${[...userIds]}::uuid[]) as owner (id) cross join lateral (${inner}) as found`.execute(db);
  return rows;
}

/** How many predictions each user has asked for; a user without any is left out. */
export function countPredictionsByUser(db: Database, userIds: readonly string[]): Promise<{ ownerId: string | null; count: number }[]> {
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
  // Ids sort by time: with them every index that ends in the id leads to the time that is asked for, instead of through all that is newer.
  if (createdAfter != null) query = query.where('prediction.created_at', '>=', createdAfter).where('prediction.id', '>=', firstIdAt(createdAfter.getTime() - idSlackMs));
  if (createdBefore != null) query = query.where('prediction.created_at', '<=', createdBefore).where('prediction.id', '<=', lastIdAt(createdBefore.getTime() + idSlackMs));
  return query;
}

/** An id may tell another time than its row does: clocks are set right now and then. */
const idSlackMs = 300_000;

import { sql, type SelectQueryBuilder } from 'kysely';
import { firstIdAt, lastIdAt } from '../../database/base.entity.js';
import {
  inOrder,
  pageKey,
  pageOf,
  pageValues,
  templatePage,
  type Keyset,
  type KeysetPage,
} from '../../database/keyset.js';
import { hasGivenId, ofEachOwner, parameters, queryBuilder, readTemplate } from '../../database/read-templates.js';
import { rowShapes, type RowShape } from '../../database/row-shapes.js';
import type { Database, Tables } from '../../database/tables.js';
import { PredictionRecord, type PredictionSource } from './prediction.entity.js';
import type { PredictionFilter, PredictionRow } from './prediction.types.js';

export const predictionRows = rowShapes<PredictionRow>(PredictionRecord);

/** The order of predictions: the newest first. Their ids sort by time. */
export const predictionOrder: Keyset = { column: 'prediction.id', property: 'id', type: 'uuid', isDescending: true };

/** A filter with an owner; `userId` null matches all owners. */
export interface PredictionScope extends PredictionFilter {
  userId: string | null;
}

const select = (row: RowShape<PredictionRow>) =>
  queryBuilder.selectFrom('prediction').select(row.columns('prediction'));

/** Loads predictions by id, of any owner and in any order; unknown ids are omitted. */
export async function predictionsById(
  db: Database,
  ids: readonly string[],
  row: RowShape<PredictionRow> = predictionRows.whole,
): Promise<PredictionRow[]> {
  const template = readTemplate(
    `predictions by id ${row.key}`,
    () => select(row).where(hasGivenId('prediction')),
    planned,
  );
  return (await template.execute(db, { ids })).map((values) => row.row(values));
}

/** Loads a page of predictions. */
export async function predictionPage(
  db: Database,
  scope: PredictionScope,
  page: KeysetPage,
  row: RowShape<PredictionRow> = predictionRows.whole,
): Promise<PredictionRow[]> {
  const conditions = conditionsOf(scope);
  const template = readTemplate(
    `predictions ${row.key} ${Object.keys(conditions).join()} ${pageKey(page)}`,
    () => pageOf(restricted(select(row), templateConditions(conditions)), templatePage(page)),
    planned,
  );
  const rows = await template.execute(db, { ...conditions, ...pageValues(page) });
  return inOrder(
    rows.map((values) => row.row(values)),
    page,
  );
}

/** Counts the predictions in the scope. */
export async function countPredictions(db: Database, scope: PredictionScope): Promise<number> {
  const conditions = conditionsOf(scope);
  const template = readTemplate(
    `count of predictions ${Object.keys(conditions).join()}`,
    () =>
      restricted(queryBuilder.selectFrom('prediction'), templateConditions(conditions)).select(
        sql<number>`count(*)::integer`.as('count'),
      ),
    planned,
  );
  const [row] = await template.execute(db, conditions);
  return Number(row?.[0]);
}

/** Loads the same page for several users in one statement. */
export async function predictionPagesByUser(
  db: Database,
  userIds: readonly string[],
  page: KeysetPage,
  row: RowShape<PredictionRow> = predictionRows.whole,
): Promise<PredictionRow[]> {
  const template = readTemplate(
    `predictions by user ${row.key} ${pageKey(page)}`,
    () => {
      const ofOwner = select(row).where(sql<boolean>`prediction.user_id = owner.id`);
      return ofEachOwner(pageOf(ofOwner, templatePage(page)));
    },
    planned,
  );
  const rows = await template.execute(db, { ownerIds: userIds, ...pageValues(page) });
  return rows.map((values) => row.row(values));
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

/** The conditions of a scope, by the name of their value in a template. */
// eslint-disable-next-line @typescript-eslint/consistent-type-definitions -- an interface is no Record of values
type Conditions = {
  userId?: string;
  model?: string;
  version?: number;
  source?: PredictionSource;
  createdAfter?: Date;
  afterTimeId?: string;
  createdBefore?: Date;
  beforeTimeId?: string;
};

function conditionsOf({ userId, model, version, source, createdAfter, createdBefore }: PredictionScope): Conditions {
  return {
    ...(userId === null ? {} : { userId }),
    ...(model == null ? {} : { model: model.replaceAll('\0', '') }),
    ...(version == null ? {} : { version }),
    ...(source == null ? {} : { source }),
    // Ids sort by time, so a bound on the id lets every index that ends in the id skip newer rows.
    ...(createdAfter == null ? {} : { createdAfter, afterTimeId: firstIdAt(createdAfter.getTime() - idSlackMs) }),
    ...(createdBefore == null ? {} : { createdBefore, beforeTimeId: lastIdAt(createdBefore.getTime() + idSlackMs) }),
  };
}

/** The conditions as a template has them: their values are parameters. */
const templateConditions = (conditions: Conditions): Conditions => parameters(Object.keys(conditions));

type PredictionQuery = SelectQueryBuilder<Tables, 'prediction', object>;

function restricted(query: PredictionQuery, conditions: Conditions): PredictionQuery {
  const { userId, model, version, source, createdAfter, afterTimeId, createdBefore, beforeTimeId } = conditions;
  if (userId !== undefined) query = query.where('prediction.user_id', '=', userId);
  if (model !== undefined) query = query.where('prediction.model', '=', model);
  if (version !== undefined) query = query.where('prediction.version', '=', version);
  if (source !== undefined) query = query.where('prediction.source', '=', source);
  if (createdAfter !== undefined) query = query.where('prediction.created_at', '>=', createdAfter);
  if (afterTimeId !== undefined) query = query.where('prediction.id', '>=', afterTimeId);
  if (createdBefore !== undefined) query = query.where('prediction.created_at', '<=', createdBefore);
  if (beforeTimeId !== undefined) query = query.where('prediction.id', '<=', beforeTimeId);
  return query;
}

/** The time in an id may differ from created_at when the clock was adjusted. */
const idSlackMs = 300_000;

/** Each execution is planned with its values: they decide which partitions are read, and in which order. */
const planned = { hasStablePlan: false };

import { sql } from 'kysely';
import { firstIdAt, timeOf } from '../../../database/base.entity.js';
import { owned } from '../../../database/schema-names.js';
import type { Database } from '../../../database/tables.js';

const dayMs = 86_400_000;

const dateText = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

/**
 * Creates the partitions of the UTC days that the times are in, where there are none. The function in the database runs as the
 * owner of the tables: the gateway's role may lack the privilege.
 */
async function createPartitions(db: Database, times: readonly number[]): Promise<void> {
  const days = [...new Set(times.map(dateText))];
  await sql`select ${owned('auspex_create_prediction_partitions')}(${days}::date[])`.execute(db);
}

/** Creates the partitions of today and some days ahead. */
export const createPartitionsAhead = (db: Database, now: number, daysAhead: number): Promise<void> =>
  createPartitions(
    db,
    Array.from({ length: daysAhead + 1 }, (_, day) => now + day * dayMs),
  );

/** Creates the partitions that rows need: a clock was wrong, or no gateway ran for a week. */
export const createPartitionsOf = (db: Database, ids: readonly string[]): Promise<void> =>
  createPartitions(db, ids.map(timeOf));

/** Drops the partitions whose UTC days are over before a time. @returns where the rows of the unpartitioned table end, if it is there */
export async function dropPartitionsBefore(db: Database, time: number): Promise<number | null> {
  const { rows } = await sql<{ end: string | null }>`
    select ${owned('auspex_drop_prediction_partitions')}(${dateText(time)}::date)::text as end`.execute(db);
  const end = rows[0]?.end ?? null;
  return end === null ? null : Date.parse(end);
}

/** Deletes up to `limit` predictions that are older than a time, of the table that was there before partitions. @returns their number */
export async function deleteUnpartitioned(
  db: Database,
  { olderThan, end, limit }: { olderThan: number; end: number; limit: number },
): Promise<number> {
  const old = db
    .selectFrom('prediction')
    .select('id')
    .where('created_at', '<', new Date(olderThan))
    .where('id', '<', firstIdAt(end))
    .orderBy('created_at')
    .limit(limit);
  const { numDeletedRows } = await db
    .deleteFrom('prediction')
    .where('id', 'in', old)
    .where('id', '<', firstIdAt(end))
    .executeTakeFirstOrThrow();
  return Number(numDeletedRows);
}

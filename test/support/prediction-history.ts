import { sql } from 'kysely';
import type { Database } from '../../src/database/tables.js';
import type { PredictionHistory } from '../../src/domains/prediction/history/history.js';
import type { PredictionRow } from '../../src/domains/prediction/prediction.types.js';

/** The number of these predictions that are in the database. */
export async function countStored(db: Database, rows: readonly PredictionRow[]): Promise<number> {
  const ids = rows.map(({ id }) => id);
  return (await db.selectFrom('prediction').select('id').where('id', 'in', ids).execute()).length;
}

/** What a call does: it reserves room, computes, and records. */
export async function recordCall(
  history: PredictionHistory,
  model: string,
  predicted: readonly PredictionRow[],
): Promise<void> {
  using room = await history.reserve({ model, rows: predicted.length });
  await room.record(predicted);
}

/** Makes every write of predictions fail until the returned function is called. */
export async function breakPredictionWrites(db: Database): Promise<() => Promise<void>> {
  await sql`alter table prediction rename to prediction_renamed`.execute(db);
  return async () => {
    await sql`alter table prediction_renamed rename to prediction`.execute(db);
  };
}

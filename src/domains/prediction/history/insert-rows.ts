import { sql } from 'kysely';
import type { Database } from '../../../database/tables.js';
import { predictionColumns, type StoredRow } from './stored-row.js';

const columns = sql.join(predictionColumns.map((column) => sql.ref(column)));

/** Inserts rows in one statement; rows that are there already are left as they are. */
export async function insertRows(db: Database, rows: readonly Pick<StoredRow, 'json'>[]): Promise<void> {
  // One parameter for all rows: a parameter per value would block the event loop for many milliseconds.
  const all = `[${rows.map(({ json }) => json).join(',')}]`;
  // A batch may have been written although its reply was lost.
  await sql`
    insert into prediction (${columns})
    select ${columns} from json_populate_recordset(null::prediction, ${all}::json)
    on conflict (id) do nothing`.execute(db);
}

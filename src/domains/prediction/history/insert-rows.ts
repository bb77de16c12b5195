import { sql } from 'kysely';
import type { Database } from '../../../database/tables.js';
import { systemErrorCode } from '../../../errors/system-error-code.js';
import type { Logger } from '../../../telemetry/logger.js';
import { createPartitionsOf } from './partitions.js';
import { predictionColumns, withoutUser, type StoredRow } from './stored-row.js';

/** SQLSTATE of a violated foreign key and of a row without a partition. */
const foreignKeyViolation = '23503';
const checkViolation = '23514';

/**
 * Inserts rows; rows that are there already are left as they are. Rows that the database rejects are logged and dropped.
 * @returns the number of dropped rows
 * @throws if the database is unavailable
 */
export async function insertRows(db: Database, rows: readonly StoredRow[], log: Logger): Promise<number> {
  try {
    await insertAll(db, rows);
    return 0;
  } catch (error) {
    if (!isRejection(error)) throw error;
    const [first] = rows;
    // A rejected row must not block the others.
    if (rows.length > 1 || !first) {
      const half = Math.ceil(rows.length / 2);
      return (await insertRows(db, rows.slice(0, half), log)) + (await insertRows(db, rows.slice(half), log));
    }
    // The account was deleted while the row waited.
    if (systemErrorCode(error) === foreignKeyViolation && first.userId !== null)
      return insertRows(db, [withoutUser(first)], log);
    log.error({ err: error, id: first.id, model: first.model }, 'prediction dropped: rejected by the database');
    return 1;
  }
}

async function insertAll(db: Database, rows: readonly StoredRow[]): Promise<void> {
  try {
    await insert(db, rows);
  } catch (error) {
    if (!lacksPartition(error)) throw error;
    await createPartitionsOf(
      db,
      rows.map(({ id }) => id),
    );
    await insert(db, rows);
  }
}

const columns = sql.join(predictionColumns.map((column) => sql.ref(column)));

async function insert(db: Database, rows: readonly StoredRow[]): Promise<void> {
  // One parameter for all rows: a parameter per value would block the event loop for many milliseconds.
  const all = `[${rows.map(({ json }) => json).join(',')}]`;
  // A batch may have been written although its reply was lost.
  await sql`
    insert into prediction (${columns})
    select ${columns} from json_populate_recordset(null::prediction, ${all}::json)
    on conflict (id) do nothing`.execute(db);
}

/** Whether PostgreSQL rejected the data itself (SQLSTATE classes 22 and 23), so that a retry cannot succeed. */
const isRejection = (error: unknown): boolean => /^2[23]/.test(systemErrorCode(error) ?? '');

/** Whether PostgreSQL has no partition for a row. */
const lacksPartition = (error: unknown): boolean =>
  systemErrorCode(error) === checkViolation && String(error).includes('no partition of relation');

import { sql } from 'kysely';
import { owned } from '../../../database/schema-names.js';
import type { Columns, Database } from '../../../database/tables.js';
import { systemErrorCode } from '../../../errors/system-error-code.js';
import type { Logger } from '../../../telemetry/logger.js';
import type { PredictionRecord } from '../prediction.entity.js';
import { createPartitionsOf } from './partitions.js';
import type { StoredCall, StoredRows } from './stored-rows.js';

/** SQLSTATE of a violated foreign key and of a row without a partition. */
const foreignKeyViolation = '23503';
const checkViolation = '23514';

/**
 * Inserts rows; rows that are there already are left as they are. Rows that the database rejects are logged and dropped.
 * @returns the number of dropped rows
 * @throws if the database is unavailable
 */
export async function insertRows(db: Database, rows: StoredRows, log: Logger): Promise<number> {
  try {
    await insertAll(db, rows);
    return 0;
  } catch (error) {
    if (!isRejection(error)) throw error;
    // A rejected row must not block the others.
    if (rows.length > 1) {
      const [first, second] = rows.splitAt(Math.ceil(rows.length / 2));
      return (await insertRows(db, first, log)) + (await insertRows(db, second, log));
    }
    // The account was deleted while the row waited.
    if (systemErrorCode(error) === foreignKeyViolation && rows.owner !== null)
      return insertRows(db, rows.withoutOwner(), log);
    const [id, model] = [rows.ids[0], rows.runs[0]?.call.version.model];
    log.error({ err: error, id, model }, 'prediction dropped: rejected by the database');
    return 1;
  }
}

async function insertAll(db: Database, rows: StoredRows): Promise<void> {
  try {
    await insert(db, rows);
  } catch (error) {
    if (!lacksPartition(error)) throw error;
    await createPartitionsOf(db, rows.ids);
    await insert(db, rows);
  }
}

/** Where each column of a row comes from: `row` has a value for each row, `call` for each call, and `of` for each version. */
const sources = {
  id: 'row.id',
  user_id: 'call.user_id',
  model: 'of.model',
  version: 'of.version',
  digest: 'of.digest',
  input: 'row.input',
  output: 'row.output',
  units: 'of.units',
  signature_digest: 'of.signature_digest',
  source: 'call.source',
  age_seconds: 'call.age_seconds',
  duration_ms: 'call.duration_ms',
  created_at: 'call.created_at',
} satisfies Record<keyof Columns<PredictionRecord>, string>;

const columns = sql.raw(Object.keys(sources).join(', '));
const values = sql.raw(Object.values(sources).join(', '));

/**
 * Inserts rows by column: the database splits one text for each column, which takes a third less of its time than a JSON object for
 * each row. What the rows of a call have in common is sent once. A batch may
 * have been written although its reply was lost.
 */
async function insert(db: Database, { ids, runs, inputs, outputs }: StoredRows): Promise<void> {
  const calls = new Numbers<StoredCall>();
  const versions = new Numbers<string>();
  const ofCall = runs.map(({ call, rows }) => `,${calls.of(call)}`.repeat(rows)).join('');
  const ofVersion = calls.items.map(({ version }) => versions.of(version.json));
  const described = versions.items.map((json, index) => `{"number":${index + 1},${json}}`);
  await sql`
    insert into ${owned('prediction')} (${columns})
    select ${values}
    from unnest(
      string_to_array(${ids.join()}, ',')::uuid[],
      string_to_array(${ofCall.slice(1)}, ',')::integer[],
      string_to_array(${inputs}, ${'\n'})::jsonb[],
      string_to_array(${outputs}, ${'\n'})::jsonb[]
    ) as row (id, call, input, output)
    join unnest(
      string_to_array(${ofVersion.join()}, ',')::integer[],
      string_to_array(${calls.items.map(({ userId }) => userId ?? '').join()}, ',', '')::uuid[],
      string_to_array(${calls.items.map(({ source }) => source).join()}, ',')::${owned('prediction_source')}[],
      string_to_array(${calls.items.map(({ ageSeconds }) => ageSeconds).join()}, ',')::double precision[],
      string_to_array(${calls.items.map(({ durationMs }) => durationMs).join()}, ',')::double precision[],
      string_to_array(${calls.items.map(({ createdAt }) => createdAt).join()}, ',')::timestamptz[]
    ) with ordinality as call (version, user_id, source, age_seconds, duration_ms, created_at, number)
      on call.number = row.call
    join json_to_recordset(${`[${described.join()}]`}::json)
      as of (number integer, model text, version integer, digest text, units jsonb, signature_digest text)
      on of.number = call.version
    on conflict (id) do nothing`.execute(db);
}

/** Numbers different items in the order of their arrival, from 1. */
class Numbers<Item> {
  readonly items: Item[] = [];
  readonly #numbers = new Map<Item, number>();

  of(item: Item): number {
    const number = this.#numbers.get(item) ?? this.items.push(item);
    this.#numbers.set(item, number);
    return number;
  }
}

/** Whether PostgreSQL rejected the data itself (SQLSTATE classes 22 and 23), so that a retry cannot succeed. */
const isRejection = (error: unknown): boolean => /^2[23]/.test(systemErrorCode(error) ?? '');

/** Whether PostgreSQL has no partition for a row. */
const lacksPartition = (error: unknown): boolean =>
  systemErrorCode(error) === checkViolation && String(error).includes('no partition of relation');

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { MikroORM } from '@mikro-orm/postgresql';
import { sql } from 'kysely';
import pg from 'pg';
import { firstIdAt, newId, timeOf } from '../../src/database/base.entity.js';
import { migrate } from '../../src/database/migrate/migrate.js';
import { databaseOf, openOrm } from '../../src/database/orm.js';
import type { Database } from '../../src/database/tables.js';
import { domains } from '../../src/domains/index.js';
import { PredictionHistory } from '../../src/domains/prediction/history/history.js';
import { HistoryRetention } from '../../src/domains/prediction/history/retention.js';
import { PredictionSource } from '../../src/domains/prediction/prediction.entity.js';
import type { PredictionRow } from '../../src/domains/prediction/prediction.types.js';
import { createLogger } from '../../src/telemetry/logger.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

const dayMs = 86_400_000;
const silent = createLogger('silent');
const role = `writer_${process.pid}_${Date.now()}`;
let database: TestDatabase;
let orm: MikroORM;
let db: Database;
/** As a role that may read and write the tables, and owns none. */
let limitedOrm: MikroORM;
let limitedDb: Database;

const open = (url: string): MikroORM =>
  openOrm({ url, entities: domains.flatMap((domain) => domain.entities), poolSize: 4 });

const idAt = (ms: number): string => firstIdAt(ms).slice(0, 14) + newId().slice(14);

const insertAt = async (times: readonly number[]): Promise<string[]> => {
  const ids = times.map(idAt);
  for (const id of ids)
    await sql`insert into prediction (id, model, version, digest, input, output, source, duration_ms, created_at)
      values (${id}, 'iris', 1, 'd', '{}', '{}', 'MODEL', 1, ${new Date(timeOf(id))})`.execute(db);
  return ids;
};

const storedIds = async (ids: readonly string[]): Promise<string[]> => {
  const rows = await db.selectFrom('prediction').select('id').where('id', 'in', ids).execute();
  return ids.filter((id) => rows.some((row) => row.id === id));
};

const partitions = async (): Promise<string[]> => {
  const { rows } = await sql<{ name: string }>`
    select relname as name from pg_inherits join pg_class on pg_class.oid = inhrelid
    where inhparent = 'prediction'::regclass order by name`.execute(db);
  return rows.map(({ name }) => name);
};

const nameOf = (ms: number): string => `prediction_${new Date(ms).toISOString().slice(0, 10).replaceAll('-', '')}`;

let old: string[] = [];
beforeAll(async () => {
  database = await createTestDatabase();
  orm = open(database.url);
  db = databaseOf(orm);
  await orm.migrator.up({ to: 'Migration20261127204500' });
  const now = Date.now();
  old = await insertAt([now - 100 * dayMs, now - 50 * dayMs, now - 1_000]);
  await sql`create role ${sql.id(role)} login password 'a-password'`.execute(db);
  await sql`grant usage on schema auspex to ${sql.id(role)}`.execute(db);
  await sql`grant select, insert, update, delete on all tables in schema auspex to ${sql.id(role)}`.execute(db);
  await migrate(orm, database.url);
  const url = new URL(database.url);
  [url.username, url.password] = [role, 'a-password'];
  limitedOrm = open(url.href);
  limitedDb = databaseOf(limitedOrm);
});
afterAll(async () => {
  await limitedOrm.close();
  await sql`drop owned by ${sql.id(role)}`.execute(db);
  await sql`drop role ${sql.id(role)}`.execute(db);
  await orm.close();
  await database.drop();
});

const record = async (ids: readonly string[]): Promise<PredictionHistory> => {
  const history = new PredictionHistory(limitedDb, silent);
  using room = await history.reserve({ model: 'iris', rows: ids.length });
  await room.record(
    ids.map((id): PredictionRow => ({
      ...{ id, userId: null, model: 'iris', version: 1, digest: 'd', input: {}, output: {}, units: null },
      ...{ signatureDigest: null, source: PredictionSource.MODEL, ageSeconds: 0, durationMs: 1 },
      createdAt: new Date(),
    })),
  );
  await history.close();
  return history;
};

describe('the migration to partitions', () => {
  it('keeps the rows in the first partition, and creates those of the following days', async () => {
    expect(await storedIds(old)).toEqual(old);
    const names = await partitions();
    const days = names.slice(0, -1);
    expect(days).toHaveLength(7);
    expect(names.at(-1)).toBe(days[0]?.replace('prediction_', 'prediction_before_'));
    const today = Math.floor(Date.now() / dayMs) * dayMs;
    // The migration may have run before midnight.
    expect([nameOf(today + 7 * dayMs), nameOf(today + 6 * dayMs)]).toContain(days[0]);
  });

  it('lets a role that owns nothing write, create partitions and drop them', async () => {
    const now = Date.now();
    const ids = [idAt(now), idAt(now + 7 * dayMs)];
    expect((await record(ids)).lost).toBe(0);
    expect(await storedIds(ids)).toEqual(ids);
    expect(await orm.schema.getUpdateSchemaSQL({ wrap: false })).toBe('');
  });

  it('does not let a role without privileges create or drop partitions', async () => {
    const before = await partitions();
    const reader = `${role}_reader`;
    await sql`create role ${sql.id(reader)} login password 'a-password'`.execute(db);
    await sql`grant usage on schema auspex to ${sql.id(reader)}`.execute(db);
    const url = new URL(database.url);
    [url.username, url.password] = [reader, 'a-password'];
    const client = new pg.Client({ connectionString: url.href });
    await client.connect();
    try {
      for (const call of [
        'auspex_create_prediction_partitions(array[current_date + 20])',
        'auspex_drop_prediction_partitions(current_date + 100)',
      ])
        await expect(client.query(`select ${call}`)).rejects.toMatchObject({ code: '42501' });
    } finally {
      await client.end();
      await sql`drop owned by ${sql.id(reader)}`.execute(db);
      await sql`drop role ${sql.id(reader)}`.execute(db);
    }
    expect(await partitions()).toEqual(before);
  });
});

describe('partitions of predictions', () => {
  it('are created for rows that have none, within a month; others are dropped with an error', async () => {
    const now = Date.now();
    const late = [idAt(now + 20 * dayMs), idAt(now), idAt(now + 21 * dayMs)];
    expect((await record(late)).lost).toBe(0);
    expect(await storedIds(late)).toEqual(late);
    expect(await partitions()).toEqual(expect.arrayContaining([nameOf(now + 20 * dayMs), nameOf(now + 21 * dayMs)]));
    const strange = [idAt(now), idAt(now + 400 * dayMs)];
    expect((await record(strange)).lost).toBe(1);
    expect(await storedIds(strange)).toEqual(strange.slice(0, 1));
  });

  it('are dropped when all their predictions are old, also by several replicas at once', async () => {
    const now = Date.now();
    const retention = new HistoryRetention(limitedDb, silent, { days: 90, batchSize: 1 });
    await retention.run(now);
    expect(await storedIds(old)).toEqual(old.slice(1));
    // In 30 days, the rows of the unpartitioned table are still deleted one by one.
    const later = now + 45 * dayMs;
    await retention.run(later);
    expect(await storedIds(old)).toEqual(old.slice(2));
    const [kept] = await insertAt([now + 21 * dayMs]);
    const replicas = [1, 2, 3].map(() => new HistoryRetention(databaseOf(limitedOrm), silent, { days: 90 }));
    await Promise.all(replicas.map((replica) => replica.run(now + (20 + 91) * dayMs)));
    const remaining = await partitions();
    expect(remaining.filter((name) => name.includes('before'))).toEqual([]);
    expect(remaining.filter((name) => name <= nameOf(now + 20 * dayMs))).toEqual([]);
    expect(await storedIds([...old, kept ?? ''])).toEqual([kept]);
    await Promise.all([retention, ...replicas].map((one) => one.close()));
  });

  it('are merged with their rows when the migration is reverted', async () => {
    const now = Date.now();
    const fresh = [idAt(now), idAt(now + dayMs)];
    await record(fresh);
    await orm.migrator.down({ to: 'Migration20261127204500' });
    const { rows } = await sql<{
      kind: string;
    }>`select relkind as kind from pg_class where relname = 'prediction'`.execute(db);
    expect(rows).toEqual([{ kind: 'r' }]);
    expect(await storedIds(fresh)).toEqual(fresh);
    await migrate(orm, database.url);
    expect(await storedIds(fresh)).toEqual(fresh);
  });
});

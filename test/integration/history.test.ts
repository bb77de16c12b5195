import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import { newId } from '../../src/database/base.entity.js';
import { migrate } from '../../src/database/migrate/migrate.js';
import { databaseOf, openOrm } from '../../src/database/orm.js';
import type { Database } from '../../src/database/tables.js';
import { domains } from '../../src/domains/index.js';
import { PredictionSource } from '../../src/domains/prediction/prediction.entity.js';
import { PredictionHistory } from '../../src/domains/prediction/prediction.writer.js';
import type { PredictionRow } from '../../src/domains/prediction/prediction.types.js';
import { createLogger } from '../../src/telemetry/logger.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { statementsOf } from '../support/statements.js';

const silent = createLogger('silent');
let database: TestDatabase;
let db: Database;
let close: () => Promise<void>;

beforeAll(async () => {
  database = await createTestDatabase();
  const orm = openOrm({ url: database.url, entities: domains.flatMap((domain) => domain.entities), poolSize: 3 });
  await migrate(orm, database.url);
  db = databaseOf(orm);
  close = () => orm.close();
});
afterAll(async () => {
  await close();
  await database.drop();
});

const rows = (count: number, more: Partial<PredictionRow> = {}): PredictionRow[] =>
  Array.from({ length: count }, () => ({
    id: newId(),
    userId: null,
    model: 'car-price',
    version: 1,
    digest: 'd'.repeat(64),
    input: { year: 2014 },
    output: { selling_price: 1 },
    source: PredictionSource.MODEL,
    ageSeconds: 0,
    durationMs: 1,
    createdAt: new Date(),
    ...more,
  }));

const stored = async (ids: PredictionRow[]): Promise<number> => {
  const found = await db
    .selectFrom('prediction')
    .select('id')
    .where(
      'id',
      'in',
      ids.map((row) => row.id),
    )
    .execute();
  return found.length;
};

const openHistory = (maxPending = 20_000): PredictionHistory =>
  new PredictionHistory(db, silent, { retentionDays: 90, maxPending });

describe('the history of predictions', () => {
  it('writes many calls in few statements', async () => {
    const history = openHistory();
    const all = rows(400);
    const statements = await statementsOf(async () => {
      for (const row of all) await history.record([row]);
      await history.settled();
    });
    expect(statements.length).toBeLessThanOrEqual(2);
    expect(await stored(all)).toBe(400);
    await history.close();
  });

  it('flushes when it is closed', async () => {
    const history = openHistory();
    const all = rows(1700);
    await history.record(all);
    await history.close();
    expect(await stored(all)).toBe(1700);
  });

  it('loses no rows during a database outage', async () => {
    const history = openHistory();
    const all = rows(30);
    await sql`alter table prediction rename to prediction_renamed`.execute(db);
    await history.record(all);
    await sleep(300);
    await sql`alter table prediction_renamed rename to prediction`.execute(db);
    await history.close();
    expect(await stored(all)).toBe(30);
  });

  it('writes the other rows if the database rejects one', async () => {
    const history = openHistory();
    const good = rows(20);
    const bad = rows(1, { userId: newId() }); // there is no such user
    await history.record([...good.slice(0, 10), ...bad, ...good.slice(10)]);
    await history.close();
    expect(await stored(good)).toBe(20);
    expect(await stored(bad)).toBe(0);
  });

  it('rejects calls while its buffer is full during an outage, and recovers', async () => {
    const history = openHistory(50);
    await sql`alter table prediction rename to prediction_renamed`.execute(db);
    const kept = rows(50);
    await history.record(kept);
    const rejected = rows(1);
    await expect(history.record(rejected)).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
    await sql`alter table prediction_renamed rename to prediction`.execute(db);
    await history.settled();
    const later = rows(5);
    await history.record(later);
    await history.close();
    expect([await stored(kept), await stored(rejected), await stored(later)]).toEqual([50, 0, 5]);
  });

  it('writes a row once if the write is repeated', async () => {
    const history = openHistory();
    const all = rows(3);
    await history.record(all);
    await history.record(all);
    await history.close();
    expect(await stored(all)).toBe(3);
  });
});

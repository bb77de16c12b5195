import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import { newId } from '../../src/database/base.entity.js';
import { migrate } from '../../src/database/migrate/migrate.js';
import { databaseOf, openOrm } from '../../src/database/orm.js';
import type { Database } from '../../src/database/tables.js';
import { domains } from '../../src/domains/index.js';
import { PredictionHistory, type HistoryOptions } from '../../src/domains/prediction/history/history.js';
import { predictionsById } from '../../src/domains/prediction/prediction.queries.js';
import { PredictionSource } from '../../src/domains/prediction/prediction.entity.js';
import type { PredictionRow } from '../../src/domains/prediction/prediction.types.js';
import { createLogger } from '../../src/telemetry/logger.js';
import { breakPredictionWrites, countStored, recordCall } from '../support/prediction-history.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { statementsOf } from '../support/statements.js';
import { waitUntil } from '../support/wait-until.js';

const silent = createLogger('silent');
let database: TestDatabase;
let db: Database;
let close: () => Promise<void>;
const alice = newId();
const bob = newId();

beforeAll(async () => {
  database = await createTestDatabase();
  const orm = openOrm({ url: database.url, entities: domains.flatMap((domain) => domain.entities), poolSize: 8 });
  await migrate(orm, database.url);
  db = databaseOf(orm);
  for (const id of [alice, bob])
    await sql`insert into user_account (id, email, password_hash, role, is_active)
      values (${id}, ${`${id}@example.com`}, 'none', 'USER', true)`.execute(db);
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
    units: { selling_price: 'INR' },
    signatureDigest: 'a'.repeat(32),
    source: PredictionSource.MODEL,
    ageSeconds: 0,
    durationMs: 1,
    createdAt: new Date(),
    ...more,
  }));

const stored = (rows: readonly PredictionRow[]): Promise<number> => countStored(db, rows);

const openHistory = (options: HistoryOptions = {}): PredictionHistory => new PredictionHistory(db, silent, options);

const record = (history: PredictionHistory, predicted: readonly PredictionRow[]): Promise<void> =>
  recordCall(history, 'car-price', predicted);

const breakWrites = (): Promise<() => Promise<void>> => breakPredictionWrites(db);

describe('the history of predictions', () => {
  it('writes many calls in few statements', async () => {
    const history = openHistory();
    const all = rows(400, { userId: alice });
    const statements = await statementsOf(async () => {
      for (const row of all) await record(history, [row]);
      await history.settled(alice);
    });
    expect(statements.length).toBeLessThanOrEqual(2);
    expect(await stored(all)).toBe(400);
    await history.close();
  });

  it('stores every column, also of several versions and users in one statement', async () => {
    const history = openHistory();
    const all = [
      ...rows(1, { userId: alice, input: { text: 'a\nb, "c" \\n é \u2028', list: [1, null] }, durationMs: 1.5e-7 }),
      ...rows(1, { userId: bob, version: 2, units: null, signatureDigest: null, source: PredictionSource.STALE }),
      ...rows(1, { userId: null, ageSeconds: 0.25, output: { label: '', id: '9007199254740993' } }),
      ...rows(1, { userId: alice, model: 'a "model", with commas', createdAt: new Date('2026-01-02T03:04:05.678Z') }),
    ];
    for (const row of all) await record(history, [row]);
    await history.close();
    const ids = all.map(({ id }) => id);
    expect((await predictionsById(db, ids)).toSorted((one, other) => (one.id < other.id ? -1 : 1))).toEqual(all);
  });

  it('flushes when it is closed', async () => {
    const history = openHistory();
    const all = rows(1700);
    await record(history, all);
    await history.close();
    expect(await stored(all)).toBe(1700);
    expect([history.length, history.room.reservedBytes]).toEqual([0, 0]);
  });

  it('loses no rows during a database outage', async () => {
    const history = openHistory();
    const all = rows(30);
    const repair = await breakWrites();
    await record(history, all);
    await sleep(300);
    await repair();
    await history.close();
    expect(await stored(all)).toBe(30);
  });

  it('writes the other rows if the database rejects one', async () => {
    const history = openHistory();
    const good = rows(20);
    const bad = rows(1, { version: 2 ** 40 });
    await record(history, [...good.slice(0, 10), ...bad, ...good.slice(10)]);
    await history.close();
    expect(await stored(good)).toBe(20);
    expect(await stored(bad)).toBe(0);
    expect([history.lost, history.room.reservedBytes]).toEqual([1, 0]);
  });

  it('writes rows of an account that was deleted meanwhile without their user', async () => {
    const history = openHistory();
    const [row] = rows(1, { userId: newId() });
    await record(history, [...rows(3), ...(row ? [row] : [])]);
    await history.close();
    const found = await db
      .selectFrom('prediction')
      .select('user_id')
      .where('id', '=', row?.id ?? '')
      .execute();
    expect([found, history.lost]).toEqual([[{ user_id: null }], 0]);
  });

  it('writes a row once if the write is repeated', async () => {
    const history = openHistory();
    const all = rows(3);
    await record(history, all);
    await record(history, all);
    await history.close();
    expect(await stored(all)).toBe(3);
  });
});

describe('room in the history', () => {
  it('is reserved before a call computes: a call without room is rejected, what was computed is recorded', async () => {
    const history = openHistory({ maxBytes: 64 * 1024 });
    const repair = await breakWrites();
    using room = await history.reserve({ model: 'car-price', rows: 50 });
    await expect(history.reserve({ model: 'car-price', rows: 20 })).rejects.toMatchObject({
      code: 'OVERLOADED',
      message: expect.stringMatching(/^Too many predictions wait to be recorded/),
      retryAfterSeconds: 1,
    });
    // Far larger than reserved, and still recorded.
    const predicted = rows(50, { input: { text: 'x'.repeat(5_000) } });
    await room.record(predicted);
    expect(history.room.reservedBytes).toBeGreaterThan(history.room.capacityBytes);
    await waitUntil(async () => {
      const failure: unknown = await history.reserve({ model: 'car-price', rows: 1 }).catch((error: unknown) => error);
      return failure instanceof Error && failure.message.includes('the database is unavailable');
    });
    await repair();
    await waitUntil(() => history.length === 0);
    const later = rows(5);
    await record(history, later);
    await history.close();
    expect([await stored(predicted), await stored(later), history.lost]).toEqual([50, 5, 0]);
    expect(history.room.rejectedCalls).toBeGreaterThan(1);
  });

  it('is given back by a call that fails, and taken by a call that waited', async () => {
    const history = openHistory({ maxBytes: 64 * 1024 });
    const room = await history.reserve({ model: 'car-price', rows: 50 });
    const waiting = history.reserve({ model: 'car-price', rows: 40 });
    room[Symbol.dispose]();
    room[Symbol.dispose]();
    using next = await waiting;
    const predicted = rows(40);
    await next.record(predicted);
    await history.close();
    expect([await stored(predicted), history.room.reservedBytes]).toEqual([40, 0]);
  });

  it('is left for small calls while large ones wait', async () => {
    const history = openHistory({ maxBytes: 16 * 1024 * 1024 });
    const large = { model: 'car-price', rows: 7_000 };
    const rooms = [await history.reserve(large), await history.reserve(large)];
    const waiting = history.reserve(large);
    const small = await history.reserve({ model: 'car-price', rows: 10 });
    for (const room of [...rooms, small]) room[Symbol.dispose]();
    (await waiting)[Symbol.dispose]();
    expect(history.room.reservedBytes).toBe(0);
    await history.close();
  });

  it('is not kept by a caller who leaves while it waits', async () => {
    const history = openHistory({ maxBytes: 64 * 1024 });
    const room = await history.reserve({ model: 'car-price', rows: 60 });
    const caller = new AbortController();
    const waiting = history.reserve({ model: 'car-price', rows: 60, signal: caller.signal });
    caller.abort(new Error('left'));
    await expect(waiting).rejects.toThrow('left');
    room[Symbol.dispose]();
    expect(history.room.reservedBytes).toBe(0);
    await history.close();
  });

  it('is reserved by the size of the rows that the model had before', async () => {
    const history = openHistory();
    await record(history, rows(10, { output: { embedding: 'x'.repeat(10_000) } }));
    await waitUntil(() => history.room.reservedBytes === 0);
    using room = await history.reserve({ model: 'car-price', rows: 10 });
    expect(history.room.reservedBytes).toBeGreaterThan(100_000);
    room[Symbol.dispose]();
    // Rows of different sizes leave nothing behind.
    await record(history, [...rows(1), ...rows(2, { input: { text: 'abc' } })]);
    (await history.reserve({ model: 'car-price', rows: 7 }))[Symbol.dispose]();
    await waitUntil(() => history.length === 0);
    expect(history.room.reservedBytes).toBe(0);
    await history.close();
  });
});

describe('a read of the history', () => {
  it("waits for the rows of its caller, which go first, and not for others'", async () => {
    const history = openHistory({ maxWriters: 1 });
    const many = rows(20_000, { userId: bob });
    await record(history, many);
    const own = rows(3, { userId: alice });
    await record(history, own);
    await history.settled(alice);
    expect(await stored(own)).toBe(3);
    expect(history.length).toBeGreaterThan(0);
    await history.close();
    expect(history.lost).toBe(0);
  });

  it('does not wait longer than a second for rows that cannot be written', async () => {
    const history = openHistory();
    const repair = await breakWrites();
    const own = rows(1, { userId: alice });
    await record(history, own);
    await history.settled(alice);
    expect(history.length).toBe(1);
    await repair();
    await history.close();
    expect(await stored(own)).toBe(1);
  });
});

import { afterEach, describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { QueryCache, type KeptQuery } from '../../src/graphql/query-cache.js';
import { openCache, type Cache } from '../../src/shared/cache.js';
import { createLogger } from '../../src/shared/logger.js';
import { VersionedCache } from '../../src/shared/versioned-cache.js';

const logger = createLogger('silent');
const caches: Cache[] = [];
afterEach(async () => {
  for (const cache of caches.splice(0)) await cache.close();
});

function open(): { cache: Cache; kept: VersionedCache; queries: QueryCache } {
  const cache = openCache({ namespace: 'test', maxEntries: 100, maxBytes: 1_000_000, logger });
  caches.push(cache);
  const kept = new VersionedCache(cache);
  return { cache, kept, queries: new QueryCache({ kept, ttlSeconds: 60 }) };
}

interface Row {
  id: string;
  seen: number;
  at: Date | null;
}

const at = new Date('2026-11-20T10:00:00.000Z');
const query: KeptQuery<Row | null> = {
  name: 'rows',
  entities: ['Row'],
  value: z.object({ id: z.string(), seen: z.number(), at: z.iso.datetime().transform((text) => new Date(text)).nullable() }).nullable(),
};

/** A table that counts its readings, and whose readings can be held up and made to fail. */
class Table {
  readonly readings: string[][] = [];
  state = 1;
  held: Promise<undefined> | null = null;
  error: Error | null = null;

  readonly read = async (keys: readonly string[]): Promise<(Row | null | Error)[]> => {
    this.readings.push([...keys]);
    const { state, error } = this;
    await this.held;
    if (error) throw error;
    return keys.map((id) => (id === 'faulty' ? new Error('this row is faulty') : id === 'unknown' ? null : { id, seen: state, at: id === 'timeless' ? null : at }));
  };
}

const seen = (rows: readonly (Row | null | Error)[]): (number | null)[] => rows.map((row) => (row && 'seen' in row ? row.seen : null));

describe('kept rows', () => {
  it('are read once, and given again as they were, dates and nulls among them', async () => {
    const { queries } = open();
    const table = new Table();
    const expected = [{ id: 'a', seen: 1, at }, { id: 'timeless', seen: 1, at: null }, null];
    for (let turn = 0; turn < 3; turn += 1) expect(await queries.read(query, ['a', 'timeless', 'unknown'], table.read)).toEqual(expected);
    expect(table.readings).toEqual([['a', 'timeless', 'unknown']]);
    expect(queries.statistics).toEqual({ queries: { rows: { hits: 6, misses: 3 } }, invalidations: 0 });
  });

  it('are joined by a single reading of what is missing, in the order of the keys', async () => {
    const { queries } = open();
    const table = new Table();
    await queries.read(query, ['b'], table.read);
    const rows = await queries.read(query, ['c', 'b', 'a'], table.read);
    expect(rows).toMatchObject([{ id: 'c' }, { id: 'b' }, { id: 'a' }]);
    expect(table.readings).toEqual([['b'], ['c', 'a']]);
  });

  it('are nobody’s to change for others', async () => {
    const { queries } = open();
    const table = new Table();
    const [one, other] = await Promise.all([queries.read(query, ['a'], table.read), queries.read(query, ['a'], table.read)]);
    if (one[0] && 'seen' in one[0]) one[0].seen = 99;
    expect(seen(other)).toEqual([1]);
    expect(seen(await queries.read(query, ['a'], table.read))).toEqual([1]);
  });

  it('are read anew once their entity has changed, and not when another has', async () => {
    const { queries, kept } = open();
    const table = new Table();
    await queries.read(query, ['a'], table.read);
    table.state = 2;
    await kept.forget(['Other']);
    expect(seen(await queries.read(query, ['a'], table.read))).toEqual([1]);
    await kept.forget(['Row']);
    expect(seen(await queries.read(query, ['a'], table.read))).toEqual([2]);
    expect(queries.statistics.invalidations).toBe(1);
  });

  it('are read once for all who ask at the same time', async () => {
    const { queries } = open();
    const table = new Table();
    const answers = await Promise.all(Array.from({ length: 50 }, () => queries.read(query, ['a', 'b'], table.read)));
    expect(table.readings).toEqual([['a', 'b']]);
    expect(answers.every((rows) => rows.length === 2)).toBe(true);
    expect(queries.statistics.queries.rows).toEqual({ hits: 98, misses: 2 });
  });

  it('that are on their way when their entity changes are neither kept nor given to those who ask after the change', async () => {
    const { queries, kept } = open();
    const table = new Table();
    const gate = Promise.withResolvers<undefined>();
    table.held = gate.promise;
    const before = queries.read(query, ['a'], table.read);
    while (table.readings.length === 0) await new Promise((resolve) => setImmediate(resolve));
    table.state = 2;
    await kept.forget(['Row']);
    table.held = null;
    expect(seen(await queries.read(query, ['a'], table.read))).toEqual([2]);
    gate.resolve(undefined);
    expect(seen(await before)).toEqual([1]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(seen(await queries.read(query, ['a'], table.read))).toEqual([2]);
  });

  it('that could not be read fail for all who waited, and are tried again by the next', async () => {
    const { queries } = open();
    const table = new Table();
    table.error = new Error('the database is away');
    const failed = await Promise.all([queries.read(query, ['a'], table.read), queries.read(query, ['a'], table.read)]);
    expect(failed).toEqual([[table.error], [table.error]]);
    expect(table.readings).toHaveLength(1);
    table.error = null;
    expect(seen(await queries.read(query, ['a'], table.read))).toEqual([1]);
  });

  it('of which one fails leave the others whole, and the failure is not kept', async () => {
    const { queries } = open();
    const table = new Table();
    for (let turn = 0; turn < 2; turn += 1) {
      const [one, faulty] = await queries.read(query, ['a', 'faulty'], table.read);
      expect([one, faulty]).toEqual([{ id: 'a', seen: 1, at }, expect.objectContaining({ message: 'this row is faulty' })]);
    }
    expect(table.readings).toEqual([['a', 'faulty'], ['faulty']]);
  });

  it.each(['no json', '{}', '{"id":1,"seen":1,"at":null}', '{"id":"a","seen":1,"at":"yesterday"}', '[]'])('that are damaged are read anew: %s', async (damaged) => {
    const { queries, kept } = open();
    const table = new Table();
    await queries.read(query, ['a'], table.read);
    const sought = await kept.find([], ['Row'], 60);
    if (sought.state !== 'known') throw new Error('the version is known');
    await kept.keep([{ key: 'rows:a', text: damaged }], { entities: ['Row'], versions: sought.versions, maxAgeSeconds: 60 });
    expect(seen(await queries.read(query, ['a'], table.read))).toEqual([1]);
    expect(table.readings).toHaveLength(2);
  });

  it('come from the database where the cache is away', async () => {
    const away = { getMany: (keys: readonly string[]) => Promise.resolve(keys.map(() => undefined)), setMany: () => Promise.resolve(false) } as unknown as Cache;
    const queries = new QueryCache({ kept: new VersionedCache(away), ttlSeconds: 60 });
    const table = new Table();
    for (const state of [1, 2, 3]) {
      table.state = state;
      expect(seen(await queries.read(query, ['a'], table.read))).toEqual([state]);
    }
    expect(queries.statistics.queries.rows).toEqual({ hits: 0, misses: 3 });
  });

  it('of two queries with the same key do not meet', async () => {
    const { queries } = open();
    const other = { ...query, name: 'other rows' };
    const [table, otherTable] = [new Table(), new Table()];
    otherTable.state = 7;
    expect(seen(await queries.read(query, ['a'], table.read))).toEqual([1]);
    expect(seen(await queries.read(other, ['a'], otherTable.read))).toEqual([7]);
  });
});

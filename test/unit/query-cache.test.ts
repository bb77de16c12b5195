import { afterEach, describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { QueryCache, type CachedQuery } from '../../src/graphql/caching/query-cache.js';
import { openCache, type Cache } from '../../src/cache/cache.js';
import { VersionedCache } from '../../src/cache/versioned-cache.js';

const caches: Cache[] = [];
afterEach(async () => {
  for (const cache of caches.splice(0)) await cache.close();
});

function open(): { cache: Cache; versionedCache: VersionedCache; queries: QueryCache } {
  const cache = openCache({ namespace: 'test', maxEntries: 100, maxBytes: 1_000_000 });
  caches.push(cache);
  const versionedCache = new VersionedCache(cache);
  return { cache, versionedCache, queries: new QueryCache({ cache: versionedCache, ttlSeconds: 60 }) };
}

interface Row {
  id: string;
  seen: number;
  at: Date | null;
}

const at = new Date('2026-11-20T10:00:00.000Z');
const query: CachedQuery<Row | null> = {
  name: 'rows',
  entities: ['Row'],
  value: z
    .object({
      id: z.string(),
      seen: z.number(),
      at: z.iso
        .datetime()
        .transform((text) => new Date(text))
        .nullable(),
    })
    .nullable(),
};

/** A table that records its reads. Tests can delay reads and make them fail. */
class Table {
  readonly reads: string[][] = [];
  state = 1;
  held: Promise<undefined> | null = null;
  error: Error | null = null;

  readonly read = async (keys: readonly string[]): Promise<(Row | null | Error)[]> => {
    this.reads.push([...keys]);
    const { state, error } = this;
    await this.held;
    if (error) throw error;
    return keys.map((id) =>
      id === 'invalid'
        ? new Error('this row is invalid')
        : id === 'unknown'
          ? null
          : { id, seen: state, at: id === 'timeless' ? null : at },
    );
  };
}

const seen = (rows: readonly (Row | null | Error)[]): (number | null)[] =>
  rows.map((row) => (row && 'seen' in row ? row.seen : null));

describe('cached rows', () => {
  it('are read once and returned unchanged, including dates and nulls', async () => {
    const { queries } = open();
    const table = new Table();
    const expected = [{ id: 'a', seen: 1, at }, { id: 'timeless', seen: 1, at: null }, null];
    for (let turn = 0; turn < 3; turn += 1)
      expect(await queries.read(query, ['a', 'timeless', 'unknown'], table.read)).toEqual(expected);
    expect(table.reads).toEqual([['a', 'timeless', 'unknown']]);
    expect(queries.statistics).toEqual({ queries: { rows: { hits: 6, misses: 3 } }, invalidations: 0 });
  });

  it('are completed by a single read of the missing keys, in key order', async () => {
    const { queries } = open();
    const table = new Table();
    await queries.read(query, ['b'], table.read);
    const rows = await queries.read(query, ['c', 'b', 'a'], table.read);
    expect(rows).toMatchObject([{ id: 'c' }, { id: 'b' }, { id: 'a' }]);
    expect(table.reads).toEqual([['b'], ['c', 'a']]);
  });

  it('cannot be changed by a caller for others', async () => {
    const { queries } = open();
    const table = new Table();
    const [one, other] = await Promise.all([
      queries.read(query, ['a'], table.read),
      queries.read(query, ['a'], table.read),
    ]);
    if (one[0] && 'seen' in one[0]) one[0].seen = 99;
    expect(seen(other)).toEqual([1]);
    expect(seen(await queries.read(query, ['a'], table.read))).toEqual([1]);
  });

  it('are read again after their entity changes, but not after another one changes', async () => {
    const { queries, versionedCache } = open();
    const table = new Table();
    await queries.read(query, ['a'], table.read);
    table.state = 2;
    await versionedCache.invalidate(['Other']);
    expect(seen(await queries.read(query, ['a'], table.read))).toEqual([1]);
    await versionedCache.invalidate(['Row']);
    expect(seen(await queries.read(query, ['a'], table.read))).toEqual([2]);
    expect(queries.statistics.invalidations).toBe(1);
  });

  it('are read once for concurrent callers', async () => {
    const { queries } = open();
    const table = new Table();
    const responses = await Promise.all(Array.from({ length: 50 }, () => queries.read(query, ['a', 'b'], table.read)));
    expect(table.reads).toEqual([['a', 'b']]);
    expect(responses.every((rows) => rows.length === 2)).toBe(true);
    expect(queries.statistics.queries.rows).toEqual({ hits: 98, misses: 2 });
  });

  it('are neither cached nor returned to later callers if their entity changes during the read', async () => {
    const { queries, versionedCache } = open();
    const table = new Table();
    const gate = Promise.withResolvers<undefined>();
    table.held = gate.promise;
    const before = queries.read(query, ['a'], table.read);
    while (table.reads.length === 0) await new Promise((resolve) => setImmediate(resolve));
    table.state = 2;
    await versionedCache.invalidate(['Row']);
    table.held = null;
    expect(seen(await queries.read(query, ['a'], table.read))).toEqual([2]);
    gate.resolve(undefined);
    expect(seen(await before)).toEqual([1]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(seen(await queries.read(query, ['a'], table.read))).toEqual([2]);
  });

  it('fail for all waiting callers if the read fails, and are read again for the next', async () => {
    const { queries } = open();
    const table = new Table();
    table.error = new Error('the database is unavailable');
    const failed = await Promise.all([queries.read(query, ['a'], table.read), queries.read(query, ['a'], table.read)]);
    expect(failed).toEqual([[table.error], [table.error]]);
    expect(table.reads).toHaveLength(1);
    table.error = null;
    expect(seen(await queries.read(query, ['a'], table.read))).toEqual([1]);
  });

  it('are returned if another row fails, and the failure is not cached', async () => {
    const { queries } = open();
    const table = new Table();
    for (let turn = 0; turn < 2; turn += 1) {
      const [valid, invalid] = await queries.read(query, ['a', 'invalid'], table.read);
      expect([valid, invalid]).toEqual([
        { id: 'a', seen: 1, at },
        expect.objectContaining({ message: 'this row is invalid' }),
      ]);
    }
    expect(table.reads).toEqual([['a', 'invalid'], ['invalid']]);
  });

  it.each(['not JSON', '{}', '{"id":1,"seen":1,"at":null}', '{"id":"a","seen":1,"at":"yesterday"}', '[]'])(
    'are read again if the cached text is invalid: %s',
    async (damaged) => {
      const { queries, versionedCache } = open();
      const table = new Table();
      await queries.read(query, ['a'], table.read);
      const sought = await versionedCache.find([], ['Row'], 60);
      if (sought.state !== 'known') throw new Error('the version is known');
      await versionedCache.store([{ key: 'rows:a', text: damaged }], {
        entities: ['Row'],
        versions: sought.versions,
        maxAgeSeconds: 60,
      });
      expect(seen(await queries.read(query, ['a'], table.read))).toEqual([1]);
      expect(table.reads).toHaveLength(2);
    },
  );

  it('are read from the database if the cache is unavailable', async () => {
    const unavailable = {
      getMany: (keys: readonly string[]) => Promise.resolve(keys.map(() => undefined)),
      setMany: () => Promise.resolve(false),
    } as unknown as Cache;
    const queries = new QueryCache({ cache: new VersionedCache(unavailable), ttlSeconds: 60 });
    const table = new Table();
    for (const state of [1, 2, 3]) {
      table.state = state;
      expect(seen(await queries.read(query, ['a'], table.read))).toEqual([state]);
    }
    expect(queries.statistics.queries.rows).toEqual({ hits: 0, misses: 3 });
  });

  it('are separate for two queries with the same key', async () => {
    const { queries } = open();
    const other = { ...query, name: 'other rows' };
    const [table, otherTable] = [new Table(), new Table()];
    otherTable.state = 7;
    expect(seen(await queries.read(query, ['a'], table.read))).toEqual([1]);
    expect(seen(await queries.read(other, ['a'], otherTable.read))).toEqual([7]);
  });
});

import { setTimeout as sleep } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import { openCache } from '../../src/cache/cache.js';
import { entryLimit } from '../../src/cache/entry-limit.js';

const open = (bounds: { maxEntries?: number; maxBytes?: number } = {}) =>
  openCache({ namespace: 'test', maxEntries: 1000, maxBytes: 1_000_000, ...bounds });

const keys = (count: number) => Array.from({ length: count }, (_, index) => `key ${index}`);

const hits = (values: unknown[]) => values.filter((value) => value !== undefined).length;

describe('MemoryCache', () => {
  it('reads values in the order of the keys, and undefined for a miss', async () => {
    const cache = open();
    await cache.setMany(
      [
        { key: 'a', value: { one: [1, null, ':text'] } },
        { key: 'b', value: 'b' },
      ],
      60_000,
    );

    expect(await cache.getMany(['b', 'no', 'a'])).toEqual(['b', undefined, { one: [1, null, ':text'] }]);
    expect(await cache.getMany([])).toEqual([]);
    expect(cache.health()).toEqual({ kind: 'memory' });
  });

  it('returns copies, so that callers cannot change cached values', async () => {
    const cache = open();
    const value = { list: [1] };
    await cache.setMany([{ key: 'a', value }], 60_000);
    value.list.push(2);
    const [read] = (await cache.getMany(['a'])) as { list: number[] }[];
    read?.list.push(3);

    expect(await cache.getMany(['a'])).toEqual([{ list: [1] }]);
  });

  it('expires an entry after its TTL', async () => {
    const cache = open();
    await cache.setMany([{ key: 'soon', value: 1 }], 20);
    await cache.setMany([{ key: 'later', value: 2 }], 60_000);
    await sleep(60);

    expect(await cache.getMany(['soon', 'later'])).toEqual([undefined, 2]);
  });

  it('evicts the oldest entries past its number of entries', async () => {
    const cache = open({ maxEntries: 10 });
    for (const key of keys(100)) await cache.setMany([{ key, value: key }], 60_000);

    const values = await cache.getMany(keys(100));

    expect(hits(values)).toBe(10);
    expect(values.at(-1)).toBe('key 99');
  });

  it('evicts entries past its size in bytes', async () => {
    const cache = open({ maxBytes: 100_000 });
    await cache.setMany(
      keys(1000).map((key) => ({ key, value: 'x'.repeat(1000) })),
      60_000,
    );

    const count = hits(await cache.getMany(keys(1000)));

    expect(count).toBeGreaterThan(10);
    expect(count).toBeLessThanOrEqual(50);
  });

  it('does not store an entry that would evict most others', async () => {
    const cache = open({ maxBytes: 100_000 });
    await cache.setMany([{ key: 'small', value: 1 }], 60_000);
    await cache.setMany([{ key: 'large', value: 'x'.repeat(90_000) }], 60_000);

    expect(await cache.getMany(['small', 'large'])).toEqual([1, undefined]);
  });

  it('writes at most 2000 entries per call', async () => {
    const cache = open({ maxEntries: 5000 });
    await cache.setMany(
      keys(3000).map((key) => ({ key, value: 1 })),
      60_000,
    );

    expect(hits(await cache.getMany(keys(3000)))).toBe(2000);
  });
});

describe('entryLimit', () => {
  it('evicts the least recently used entry past the limit, and reports it', () => {
    const evicted: string[] = [];
    const dispose = (_value: number, key: string, reason: string): void => void evicted.push(`${key} ${reason}`);
    const entries = new LRUCache<string, number>({ ...entryLimit(2), ttl: 60_000, dispose });
    entries.set('a', 1).set('b', 2);
    entries.get('a');
    entries.set('c', 3);

    expect([...entries.keys()].sort()).toEqual(['a', 'c']);
    expect(evicted).toEqual(['b evict']);
  });
});

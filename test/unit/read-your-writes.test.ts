import { describe, expect, it } from '@jest/globals';
import { ReadYourWrites } from '../../src/graphql/context/read-your-writes.js';
import { openCache, type Cache } from '../../src/cache/cache.js';
import { waitUntil } from '../support/wait-until.js';

const shared = (): Cache => openCache({ namespace: 'test', maxEntries: 100, maxBytes: 100_000 });

describe('a pinned reader', () => {
  it('is pinned for the window, in every process that shares the cache', async () => {
    const cache = shared();
    const [one, other] = [new ReadYourWrites({ windowMs: 100, cache }), new ReadYourWrites({ windowMs: 100, cache })];
    const startMs = performance.now();
    await one.pin('ann');
    expect([await one.isPinned('ann'), await other.isPinned('ann'), await one.isPinned('ben')]).toEqual([
      true,
      true,
      false,
    ]);
    await waitUntil(async () => !(await one.isPinned('ann')) && !(await other.isPinned('ann')));
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(100);
  });

  it('is pinned with few writes for many changes, until the window after the last one ends', async () => {
    const cache = shared();
    let written = 0;
    const setMany: Cache['setMany'] = (entries, ttlMs) => {
      written += 1;
      return cache.setMany(entries, ttlMs);
    };
    const readers = new ReadYourWrites({
      windowMs: 200,
      cache: { ...cache, setMany, getMany: (keys) => cache.getMany(keys) },
    });
    let lastMs = 0;
    for (let time = 0; time < 50; time++) {
      await readers.pin('ann');
      lastMs = performance.now();
    }
    expect(written).toBeLessThan(10);
    await waitUntil(async () => !(await readers.isPinned('ann')));
    expect(performance.now() - lastMs).toBeGreaterThanOrEqual(199);
  });

  it('is pinned in this process even if the cache is unavailable', async () => {
    const unavailable = {
      ...shared(),
      getMany: (keys: readonly string[]) => Promise.resolve(keys.map(() => undefined)),
      setMany: () => Promise.resolve(false),
    };
    const readers = new ReadYourWrites({ windowMs: 60_000, cache: unavailable });
    await readers.pin('ann');
    expect([await readers.isPinned('ann'), await readers.isPinned('ben')]).toEqual([true, false]);
  });

  it('does not exist without a window', async () => {
    const readers = new ReadYourWrites({ windowMs: 0, cache: shared() });
    await readers.pin('ann');
    expect(await readers.isPinned('ann')).toBe(false);
  });
});

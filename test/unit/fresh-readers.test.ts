import { describe, expect, it } from '@jest/globals';
import { FreshReaders } from '../../src/graphql/fresh-readers.js';
import { openCache, type Cache } from '../../src/shared/cache.js';
import { createLogger } from '../../src/shared/logger.js';
import { until } from '../kit/until.js';

const shared = (): Cache => openCache({ namespace: 'test', maxEntries: 100, maxBytes: 100_000, logger: createLogger('silent') });

describe('a fresh reader', () => {
  it('is one for the window, in this process and in those that share the cache, and then no more', async () => {
    const cache = shared();
    const [one, other] = [new FreshReaders({ windowMs: 100, cache }), new FreshReaders({ windowMs: 100, cache })];
    const startMs = performance.now();
    await one.add('ann');
    expect([await one.has('ann'), await other.has('ann'), await one.has('ben')]).toEqual([true, true, false]);
    await until(async () => !(await one.has('ann')) && !(await other.has('ann')));
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(100);
  });

  it('is told of once for many changes at once, and stays one for the window after the last', async () => {
    const cache = shared();
    let written = 0;
    const setMany: Cache['setMany'] = (entries, ttlMs) => {
      written += 1;
      return cache.setMany(entries, ttlMs);
    };
    const readers = new FreshReaders({ windowMs: 200, cache: { ...cache, setMany, getMany: (keys) => cache.getMany(keys) } });
    let lastMs = 0;
    for (let time = 0; time < 50; time++) {
      await readers.add('ann');
      lastMs = performance.now();
    }
    expect(written).toBeLessThan(10);
    await until(async () => !(await readers.has('ann')));
    expect(performance.now() - lastMs).toBeGreaterThanOrEqual(199);
  });

  it('is known in this process also where the cache is away', async () => {
    const away = { ...shared(), getMany: (keys: readonly string[]) => Promise.resolve(keys.map(() => undefined)), setMany: () => Promise.resolve(false) };
    const readers = new FreshReaders({ windowMs: 60_000, cache: away });
    await readers.add('ann');
    expect([await readers.has('ann'), await readers.has('ben')]).toEqual([true, false]);
  });

  it('is nobody where no window is given', async () => {
    const readers = new FreshReaders({ windowMs: 0, cache: shared() });
    await readers.add('ann');
    expect(await readers.has('ann')).toBe(false);
  });
});

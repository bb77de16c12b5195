import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import { MemoryRateCounters } from '../../src/redis/memory-rate-counters.js';
import { SharedRateCounters, type CountStore } from '../../src/redis/shared-rate-counters.js';

const windowMs = 60_000;

beforeEach(() => void jest.useFakeTimers({ now: Date.UTC(2026, 0, 5, 12) }));
afterEach(() => void jest.useRealTimers());

describe('a window', () => {
  it.each([
    ['set back by an hour', -3_600_000],
    ['set forward by an hour', 3_600_000],
  ])('keeps its length if the clock is %s', async (_change, offsetMs) => {
    const counters = new MemoryRateCounters();
    await counters.add('a', windowMs, 5);
    jest.advanceTimersByTime(10_000);
    jest.setSystemTime(Date.now() + offsetMs);
    expect(counters.peek('a')).toEqual({ count: 5, resetInMs: 50_000, ageMs: 10_000 });
    expect(await counters.add('a', windowMs)).toEqual({ count: 6, resetInMs: 50_000 });
    jest.advanceTimersByTime(50_000);
    expect(counters.peek('a')).toBeNull();
    expect(await counters.add('a', windowMs)).toEqual({ count: 1, resetInMs: windowMs });
  });
});

/** A store in memory, with replies after a delay. */
function openStore(delayMs = 1) {
  const counts = new MemoryRateCounters();
  const state = { writes: 0, isUp: true };
  const store: CountStore = {
    isShared: true,
    async add(events) {
      state.writes += 1;
      const replies = state.isUp ? events.map(({ key, ...rest }) => counts.addUpTo(key, rest)) : null;
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      return replies;
    },
    clear: (key) => counts.clear(key),
  };
  return { store, state, countOf: (key: string) => counts.peek(key)?.count ?? 0 };
}

describe('counts that processes share', () => {
  it('need few writes for many requests of a caller, and are complete a moment later', async () => {
    const { store, state, countOf } = openStore();
    const counters = new SharedRateCounters(store);
    const seen: number[] = [];
    for (let turn = 0; turn < 1000; turn += 1) {
      const count = counters.addUpTo('a', { limit: 6000, windowMs });
      await jest.advanceTimersByTimeAsync(10);
      seen.push((await count).count);
    }
    expect(seen).toEqual(Array.from({ length: 1000 }, (_, index) => index + 1));
    // One for the first request, and four per second.
    expect(state.writes).toBeLessThan(45);
    await jest.advanceTimersByTimeAsync(300);
    expect(countOf('a')).toBe(1000);
  });

  it('are written together for many callers', async () => {
    const { store, state, countOf } = openStore();
    const counters = new SharedRateCounters(store);
    const keys = Array.from({ length: 100 }, (_, index) => `key ${index}`);
    const first = keys.map(async (key) => counters.addUpTo(key, { limit: 1000, windowMs }));
    await jest.advanceTimersByTimeAsync(10);
    await Promise.all(first);
    expect(state.writes).toBe(100);
    for (const key of keys) expect(counters.addUpTo(key, { limit: 1000, windowMs })).toMatchObject({ count: 2 });
    await jest.advanceTimersByTimeAsync(300);
    expect(state.writes).toBe(101);
    expect(keys.map(countOf)).toEqual(keys.map(() => 2));
  });

  it('are read again before the second request of a caller who was quiet', async () => {
    const { store } = openStore();
    const [one, other] = [new SharedRateCounters(store), new SharedRateCounters(store)];
    const known = one.addUpTo('a', { limit: 1000, windowMs });
    await jest.advanceTimersByTimeAsync(10);
    expect(await known).toMatchObject({ count: 1 });
    await Promise.all([other.add('a', windowMs, 998), jest.advanceTimersByTimeAsync(10_000)]);
    expect(one.addUpTo('a', { limit: 1000, windowMs })).toMatchObject({ count: 2 });
    const second = one.addUpTo('a', { limit: 1000, windowMs });
    await jest.advanceTimersByTimeAsync(10);
    expect(await second).toMatchObject({ count: 1001 });
  });

  it('are written on close', async () => {
    const { store, countOf } = openStore();
    const counters = new SharedRateCounters(store);
    const first = counters.addUpTo('a', { limit: 1000, windowMs, weight: 2 });
    await jest.advanceTimersByTimeAsync(10);
    await first;
    await counters.addUpTo('a', { limit: 1000, windowMs, weight: 3 });
    expect(countOf('a')).toBe(2);
    await Promise.all([counters.close(), jest.advanceTimersByTimeAsync(10)]);
    expect(countOf('a')).toBe(5);
  });

  it('continue locally while the store is unavailable, and reject beyond the limit', async () => {
    const { store, state } = openStore();
    const counters = new SharedRateCounters(store);
    const count = async () => {
      const result = counters.addUpTo('a', { limit: 100, windowMs });
      await jest.advanceTimersByTimeAsync(20);
      return (await result).count;
    };
    for (let turn = 1; turn <= 40; turn += 1) expect(await count()).toBe(turn);
    state.isUp = false;
    for (let turn = 41; turn <= 110; turn += 1) expect(await count()).toBe(turn);
  });

  const step = fc.record({
    replica: fc.nat({ max: 3 }),
    weight: fc.integer({ min: 1, max: 12 }),
    waitMs: fc.constantFrom(0, 0, 0, 3, 40, 300, 1500),
  });

  it('exceed no limit by more than a sixteenth per process, for any distribution of requests, and lose no event', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 150, maxLength: 300 }),
        fc.integer({ min: 1, max: 1200 }),
        async (steps, limit) => {
          const { store, countOf } = openStore();
          const replicas = Array.from({ length: 4 }, () => new SharedRateCounters(store));
          let sent = 0;
          let admitted = 0;
          const calls: Promise<void>[] = [];
          for (const { replica, weight, waitMs } of steps) {
            sent += weight;
            const result = replicas[replica]?.addUpTo('a', { limit, windowMs: 10 * windowMs, weight });
            calls.push(
              Promise.resolve(result).then((shared) => {
                if (shared && shared.count <= limit) admitted += weight;
              }),
            );
            await jest.advanceTimersByTimeAsync(waitMs);
          }
          await jest.advanceTimersByTimeAsync(500);
          await Promise.all(calls);
          expect(countOf('a')).toBe(sent);
          expect(admitted).toBeLessThanOrEqual(limit + 4 * Math.floor(limit / 16));
          // A call that is rejected counts: its weight may be what an exact count would have left unused.
          expect(admitted).toBeGreaterThanOrEqual(Math.min(sent, limit - 11));
        },
      ),
      { numRuns: 25 },
    );
  });

  it('are exact if less than sixteen events are left', async () => {
    const { store } = openStore();
    const replicas = Array.from({ length: 4 }, () => new SharedRateCounters(store));
    const all = Array.from({ length: 40 }, async (_, turn) =>
      replicas[turn % 4]?.addUpTo('a', { limit: 16, windowMs }),
    );
    await jest.advanceTimersByTimeAsync(10);
    const counts = (await Promise.all(all)).map((count) => count?.count);
    expect(counts).toEqual(Array.from({ length: 40 }, (_, index) => index + 1));
  });
});

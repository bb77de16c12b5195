import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { MemoryRateCounters } from '../../src/redis/rate-counters.js';

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

import { LRUCache } from 'lru-cache';
import type { CountLimit, LocalCount, RateCounters, WindowCount } from './rate-counters.js';

/** Keys in memory; the least recently used are evicted. Random addresses must not fill the process. */
const maxKeys = 100_000;

/** Counts of this process alone. */
export class MemoryRateCounters implements RateCounters {
  readonly isShared = null;
  readonly #windows = new LRUCache<string, { count: number; endsAtMs: number; seenAtMs: number }>({
    // As cache/entry-limit.ts does: `max` would allocate the memory of all keys now.
    maxSize: maxKeys,
    sizeCalculation: () => 1,
  });

  add(key: string, windowMs: number, weight = 1): Promise<WindowCount> {
    return Promise.resolve(this.addUpTo(key, { windowMs, weight }));
  }

  addUpTo(key: string, { windowMs, weight = 1 }: Omit<CountLimit, 'limit'>): WindowCount {
    const { count, resetInMs } = this.peek(key) ?? { count: 0, resetInMs: windowMs };
    const next = { count: count + weight, resetInMs };
    this.record(key, next);
    return next;
  }

  peek(key: string): LocalCount | null {
    const window = this.#windows.get(key);
    const nowMs = performance.now();
    if (!window || window.endsAtMs <= nowMs) return null;
    return { count: window.count, resetInMs: window.endsAtMs - nowMs, ageMs: nowMs - window.seenAtMs };
  }

  /** Stores a count that was read `ageMs` milliseconds ago. */
  record(key: string, { count, resetInMs }: WindowCount, ageMs = 0): void {
    const nowMs = performance.now();
    this.#windows.set(key, { count, endsAtMs: nowMs + resetInMs, seenAtMs: nowMs - ageMs });
  }

  clear(key: string): Promise<void> {
    this.#windows.delete(key);
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.#windows.clear();
    return Promise.resolve();
  }
}

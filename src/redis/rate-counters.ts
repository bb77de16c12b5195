import type { RedisConnection } from './connection.js';
import { MemoryRateCounters } from './memory-rate-counters.js';
import { RedisCountStore } from './redis-count-store.js';
import { SharedRateCounters } from './shared-rate-counters.js';

/** Events counted in the current window of a key. */
export interface WindowCount {
  /** Includes the event just counted. */
  count: number;
  /** Milliseconds until the window ends and the count restarts at zero. */
  resetInMs: number;
}

/** A count as this process knows it. */
export interface LocalCount extends WindowCount {
  /** Since the count was last read from where it is shared. */
  ageMs: number;
}

/** The limit that events of a key are counted against. */
export interface CountLimit {
  limit: number;
  windowMs: number;
  /** Events; 1 by default. */
  weight?: number;
}

/**
 * Counts events by key in fixed windows. A window starts with the first event of its key. Processes that share a Redis
 * count together; without Redis each process continues alone from the last shared count. Never throws, and waits no
 * longer than the deadline of the connection. Windows do not depend on the time of day, which may be set back.
 */
export interface RateCounters {
  /** Counts `weight` events exactly: the result includes all events of all processes. */
  add(key: string, windowMs: number, weight?: number): Promise<WindowCount>;
  /**
   * Counts events like `add`, but does not wait for Redis far from the limit. Each process may then be behind the shared
   * count by a sixteenth of what was left of the limit.
   */
  addUpTo(key: string, limit: CountLimit): WindowCount | Promise<WindowCount>;
  /** The last count this process knows, without a request to Redis; null if there is none in the current window. */
  peek(key: string): LocalCount | null;
  /** Restarts a key at zero. */
  clear(key: string): Promise<void>;
  /** Whether processes count together; null if Redis is not configured. */
  readonly isShared: boolean | null;
  /** Writes what is counted here only. */
  close(): Promise<void>;
}

/** Counts in Redis, or in memory without one. */
export const openRateCounters = (redis: RedisConnection | null): RateCounters =>
  redis === null ? new MemoryRateCounters() : new SharedRateCounters(new RedisCountStore(redis));

import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { RedisCommandLimit } from './command-limit.js';
import type { RedisConnection } from './connection.js';

/** Events counted in the current window of a key. */
export interface WindowCount {
  /** Includes the event just counted. */
  count: number;
  /** Milliseconds until the window ends and the count restarts at zero. */
  resetInMs: number;
}

/** A count as this process last saw it. */
export interface LocalCount extends WindowCount {
  ageMs: number;
}

/**
 * Counts events by key in fixed windows. A window starts with the first event of its key. Processes that share a Redis
 * count together; without Redis each process continues alone from the last shared count. Never throws, and waits no
 * longer than the deadline of the connection. Windows do not depend on the time of day, which may be set back.
 */
export interface RateCounters {
  /** Counts `weight` events. */
  add(key: string, windowMs: number, weight?: number): Promise<WindowCount>;
  /** The last count this process saw, without a request to Redis; null if there is none in the current window. */
  peek(key: string): LocalCount | null;
  /** Restarts a key at zero. */
  clear(key: string): Promise<void>;
  /** Whether processes count together; null if Redis is not configured. */
  readonly isShared: boolean | null;
  close(): void;
}

/** Counts in Redis, or in memory without one. */
export const openRateCounters = (redis: RedisConnection | null): RateCounters =>
  redis === null ? new MemoryRateCounters() : new RedisRateCounters(redis);

/** Keys in memory; the least recently used are evicted. Random addresses must not fill the process. */
const maxKeys = 100_000;

export class MemoryRateCounters implements RateCounters {
  readonly isShared = null;
  readonly #windows = new LRUCache<string, { count: number; endsAtMs: number; seenAtMs: number }>({
    // As cache/entry-limit.ts does: `max` would allocate the memory of all keys now.
    maxSize: maxKeys,
    sizeCalculation: () => 1,
  });

  add(key: string, windowMs: number, weight = 1): Promise<WindowCount> {
    const { count, resetInMs } = this.peek(key) ?? { count: 0, resetInMs: windowMs };
    const next = { count: count + weight, resetInMs };
    this.record(key, next);
    return Promise.resolve(next);
  }

  peek(key: string): LocalCount | null {
    const window = this.#windows.get(key);
    const nowMs = performance.now();
    if (!window || window.endsAtMs <= nowMs) return null;
    return { count: window.count, resetInMs: window.endsAtMs - nowMs, ageMs: nowMs - window.seenAtMs };
  }

  /** Stores a count that Redis returned. */
  record(key: string, { count, resetInMs }: WindowCount): void {
    const nowMs = performance.now();
    this.#windows.set(key, { count, endsAtMs: nowMs + resetInMs, seenAtMs: nowMs });
  }

  clear(key: string): Promise<void> {
    this.#windows.delete(key);
    return Promise.resolve();
  }

  close(): void {
    this.#windows.clear();
  }
}

const maxCommandsInFlight = 50_000;

/**
 * Adds to the count and sets the end of a new window in one atomic round trip. A key without an expiry gets one, and so does a key
 * that would outlive a window: Redis stores expiries as times of day, and the clock may have been set back.
 */
const addScript = `
local count = redis.call('INCRBY', KEYS[1], ARGV[2])
local resetIn = redis.call('PTTL', KEYS[1])
if resetIn < 0 or resetIn > tonumber(ARGV[1]) then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
  resetIn = tonumber(ARGV[1])
end
return {count, resetIn}`;

class RedisRateCounters implements RateCounters {
  /** The last shared counts, to continue from while Redis is unavailable. */
  readonly #local = new MemoryRateCounters();
  readonly #redis: RedisConnection;
  readonly #commands: RedisCommandLimit;

  constructor(redis: RedisConnection) {
    this.#redis = redis;
    this.#commands = new RedisCommandLimit(redis, maxCommandsInFlight);
  }

  async add(key: string, windowMs: number, weight = 1): Promise<WindowCount> {
    const options = { keys: [redisKey(key)], arguments: [String(windowMs), String(weight)] };
    const reply = await this.#commands.execute({
      name: 'EVAL count',
      run: (client) => client.eval(addScript, options),
    });
    if (!Array.isArray(reply)) return this.#local.add(key, windowMs, weight);
    const shared = { count: Number(reply[0]), resetInMs: Number(reply[1]) };
    this.#local.record(key, shared);
    return shared;
  }

  peek(key: string): LocalCount | null {
    return this.#local.peek(key);
  }

  async clear(key: string): Promise<void> {
    await this.#local.clear(key);
    await this.#commands.execute({ name: 'DEL', run: (client) => client.del(redisKey(key)) });
  }

  get isShared(): boolean {
    return this.#redis.isHealthy;
  }

  close(): void {
    this.#local.close();
  }
}

/** Hashed: keys contain addresses and accounts, which must not be readable in Redis. */
const redisKey = (key: string): string => `auspex:count:${createHash('sha256').update(key).digest('base64url')}`;

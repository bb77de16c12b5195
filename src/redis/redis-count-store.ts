import { hash } from 'node:crypto';
import { RedisCommandLimit } from './command-limit.js';
import type { RedisConnection } from './connection.js';
import type { WindowCount } from './rate-counters.js';
import { RedisScript } from './script.js';
import type { CountStore, KeyEvents } from './shared-rate-counters.js';

const maxCommandsInFlight = 50_000;

/**
 * Adds to counts and sets the ends of new windows in one atomic round trip. A key without an expiry gets one, and so does a key
 * that would outlive a window: Redis stores expiries as times of day, and the clock may have been set back.
 */
const addScript = new RedisScript(`
local counts = {}
for index, key in ipairs(KEYS) do
  local windowMs = tonumber(ARGV[2 * index - 1])
  local count = redis.call('INCRBY', key, ARGV[2 * index])
  local resetIn = redis.call('PTTL', key)
  if resetIn < 0 or resetIn > windowMs then
    redis.call('PEXPIRE', key, windowMs)
    resetIn = windowMs
  end
  counts[2 * index - 1] = count
  counts[2 * index] = resetIn
end
return counts`);

/** Counts in Redis, which several processes share. */
export class RedisCountStore implements CountStore {
  readonly #redis: RedisConnection;
  readonly #commands: RedisCommandLimit;

  constructor(redis: RedisConnection) {
    this.#redis = redis;
    this.#commands = new RedisCommandLimit(redis, maxCommandsInFlight);
  }

  get isShared(): boolean {
    return this.#redis.isHealthy;
  }

  async add(events: readonly KeyEvents[]): Promise<WindowCount[] | null> {
    const options = {
      keys: events.map(({ key }) => this.#keyOf(key)),
      arguments: events.flatMap(({ windowMs, weight }) => [String(windowMs), String(weight)]),
    };
    const reply = await this.#commands.execute({
      name: 'EVALSHA count',
      size: events.length,
      run: (client) => addScript.run(client, options),
    });
    if (!Array.isArray(reply)) return null;
    return events.map((_, index) => ({ count: Number(reply[2 * index]), resetInMs: Number(reply[2 * index + 1]) }));
  }

  async clear(key: string): Promise<void> {
    await this.#commands.execute({ name: 'DEL', run: (client) => client.del(this.#keyOf(key)) });
  }

  /** Hashed: keys contain addresses and accounts, which must not be readable in Redis. */
  #keyOf(key: string): string {
    return `${this.#redis.prefix}:count:${hash('sha256', key, 'base64url')}`;
  }
}

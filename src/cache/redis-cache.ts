import { randomUUID } from 'node:crypto';
import KeyvRedis from '@keyv/redis';
import Keyv from 'keyv';
import type { RedisClient } from '../redis/client.js';
import { RedisCommandLimit } from '../redis/command-limit.js';
import type { RedisConnection } from '../redis/connection.js';
import { RedisScript } from '../redis/script.js';
import { recordCost } from '../telemetry/operation-cost.js';
import type { Attributes } from '../telemetry/tracing.js';
import type { Cache, CacheEntry, CacheHealth, ValueOrClaim } from './cache.js';
import { entryText, parseEntryText } from './entry-text.js';

/** Entries that one call may write; bounds the size of a transaction. */
export const maxEntriesPerWrite = 2_000;

/** Past this bound of reads and written entries, reads are misses and writes are dropped. */
const maxCommandsInFlight = 50_000;

/** Bounds what a span records of the keys. */
const maxTracedKeys = 5;
const maxTracedKeyLength = 200;

/** Claims each key that is free or already held by the owner, in one command. */
const claimScript = new RedisScript(`
local claimed = {}
for index, key in ipairs(KEYS) do
  claimed[index] = (redis.call('SET', key, ARGV[1], 'NX', 'PX', ARGV[2]) or redis.call('GET', key) == ARGV[1]) and 1 or 0
end
return claimed`);

/**
 * Reads each key, and claims those that are missing, up to a few thousand. @returns texts, and for a missing key 1 if the owner holds
 * its claim, otherwise 0
 */
const readOrClaimScript = new RedisScript(`
local found = redis.call('MGET', unpack(KEYS))
for index, key in ipairs(KEYS) do
  if not found[index] then
    local claim = ARGV[1] .. ':claim' .. string.sub(key, #ARGV[1] + 1)
    found[index] = (redis.call('SET', claim, ARGV[2], 'NX', 'PX', ARGV[3]) or redis.call('GET', claim) == ARGV[2]) and 1 or 0
  end
end
return found`);

/**
 * Stores a text under each key. In one command: the transaction of Keyv has a command, a promise and a reply for each entry, which
 * took a third of the memory of a call of 1,000 predictions.
 */
const writeScript = new RedisScript(`
for index, key in ipairs(KEYS) do redis.call('SET', key, ARGV[index + 1], 'PX', ARGV[1]) end`);

/** Deletes each claim that the owner still holds. */
const releaseScript = new RedisScript(`
for _, key in ipairs(KEYS) do
  if redis.call('GET', key) == ARGV[1] then redis.call('DEL', key) end
end`);

/** Stores an entry (see `entryText`) under `<namespace>:<key>`, and a claim under `<namespace>:claim:<key>`. */
export class RedisCache implements Cache {
  readonly isShared = true;
  /** Identifies the claims of this process. */
  readonly #owner = randomUUID();
  readonly #redis: RedisConnection;
  readonly #commands: RedisCommandLimit;
  readonly #namespace: string;
  #keyv: Keyv | undefined;

  constructor(redis: RedisConnection, namespace: string) {
    this.#redis = redis;
    this.#commands = new RedisCommandLimit(redis, maxCommandsInFlight);
    this.#namespace = namespace;
  }

  async getMany(keys: readonly string[]): Promise<unknown[]> {
    if (keys.length === 0) return [];
    const values = await this.#execute('MGET', keys, (client) => this.#keyvOf(client).getMany<unknown>([...keys]));
    return values ?? keys.map(() => undefined);
  }

  async setMany(entries: readonly CacheEntry[], ttlMs: number): Promise<boolean> {
    const written = entries.slice(0, maxEntriesPerWrite);
    if (written.length === 0) return true;
    const keys = written.map(({ key }) => key);
    const texts = written.map(({ value }) => entryText(value));
    const options = { keys: this.#entryKeys(keys), arguments: [String(Math.ceil(ttlMs)), ...texts] };
    const write = async (client: RedisClient): Promise<true> => {
      await writeScript.run(client, options);
      return true;
    };
    const isStored = await this.#execute('EVALSHA write', keys, write, written.length);
    return isStored === true;
  }

  async claimMany(keys: readonly string[], ttlMs: number): Promise<boolean[]> {
    const options = { keys: this.#claimKeys(keys), arguments: [this.#owner, String(ttlMs)] };
    const claimed = await this.#execute('EVALSHA claim', keys, (client) => claimScript.run(client, options));
    return keys.map((_, index) => !Array.isArray(claimed) || claimed[index] !== 0);
  }

  async readOrClaimMany(keys: readonly string[], ttlMs: number): Promise<ValueOrClaim[]> {
    if (keys.length === 0) return [];
    const options = { keys: this.#entryKeys(keys), arguments: [this.#namespace, this.#owner, String(ttlMs)] };
    const found = await this.#execute('EVALSHA read', keys, (client) => readOrClaimScript.run(client, options));
    return keys.map((_, index) => {
      const one: unknown = Array.isArray(found) ? found[index] : undefined;
      const value = typeof one === 'string' ? parseEntryText(one)?.value : undefined;
      // A damaged entry is computed here and overwritten.
      return value === undefined ? { kind: 'missing', isClaimed: one !== 0 } : { kind: 'value', value };
    });
  }

  async releaseMany(keys: readonly string[]): Promise<void> {
    const options = { keys: this.#claimKeys(keys), arguments: [this.#owner] };
    await this.#execute('EVALSHA release', keys, (client) => releaseScript.run(client, options));
  }

  health(): CacheHealth {
    return { kind: 'redis', isUp: this.#redis.isHealthy };
  }

  /** Leaves the shared connection open. */
  close(): Promise<void> {
    return Promise.resolve();
  }

  #keyvOf(client: RedisClient): Keyv {
    return (this.#keyv ??= createKeyv(client, this.#namespace));
  }

  #entryKey(key: string): string {
    return `${this.#namespace}:${key}`;
  }

  #entryKeys(keys: readonly string[]): string[] {
    return keys.map((key) => this.#entryKey(key));
  }

  #claimKeys(keys: readonly string[]): string[] {
    return keys.map((key) => this.#entryKey(`claim:${key}`));
  }

  #execute<Result>(
    name: string,
    keys: readonly string[],
    run: (client: RedisClient) => Promise<Result>,
    size = 1,
  ): Promise<Result | undefined> {
    return this.#commands.execute({
      name,
      size,
      attributes: () => this.#attributes(keys),
      run: async (client) => {
        const startMs = performance.now();
        try {
          return await run(client);
        } finally {
          recordCost('cache', startMs);
        }
      },
    });
  }

  /** Keys are hashes and names; values are never traced. */
  #attributes(keys: readonly string[]): Attributes {
    return {
      'db.operation.batch.size': keys.length,
      'auspex.redis.keys': keys.slice(0, maxTracedKeys).map((key) => this.#entryKey(key).slice(0, maxTracedKeyLength)),
    };
  }
}

/**
 * Keyv with its defaults corrected. Only the store prefixes keys, since Keyv 5 and its Redis store would both do it. Errors
 * are thrown, since a failed `set` would otherwise return true. A damaged entry is a miss, since Keyv's own parser would
 * fail the whole `getMany`.
 */
function createKeyv(client: RedisClient, namespace: string): Keyv {
  return new Keyv({
    store: new KeyvRedis(client, { throwOnErrors: true, keyPrefixSeparator: ':' }),
    namespace,
    useKeyPrefix: false,
    throwOnErrors: true,
    serialize: JSON.stringify,
    deserialize: (stored: string): object | undefined => parseEntryText(stored),
  });
}

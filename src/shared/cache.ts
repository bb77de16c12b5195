import { randomUUID } from 'node:crypto';
import KeyvRedis from '@keyv/redis';
import { CircuitState } from 'cockatiel';
import Keyv from 'keyv';
import { LRUCache } from 'lru-cache';
import type { Logger } from './logger.js';
import { addressOf, letGo, redisClient, redisGuard } from './redis.js';
import { SpanKind, traced, type Attributes } from './tracing.js';
import { noteDone } from './work.js';

/** A cache of JSON values. It forgets, and it may be away; it never fails and never stalls the one who asks. */
export interface Cache {
  /**
   * What is remembered under each key, in the order of the keys; `undefined` where nothing is. A value is `unknown`,
   * since anyone may have written to a shared Redis: check it before use.
   */
  getMany(keys: readonly string[]): Promise<unknown[]>;
  /**
   * Remembers JSON values for `ttlMs` milliseconds, at most 2000 a call; what does not fit or does not arrive is dropped.
   * Answers whether it surely arrived: what has not yet may still do so later.
   */
  setMany(entries: readonly CacheEntry[], ttlMs: number): Promise<boolean>;
  /** Whether other processes may read and write here as well. */
  readonly isShared: boolean;
  /**
   * Claims work for this process, so that others who share the cache leave it alone for `ttlMs` milliseconds: for each
   * key whether it is ours now. All are ours where there is nobody to ask.
   */
  claimMany(keys: readonly string[], ttlMs: number): Promise<boolean[]>;
  /** Gives up claims of this process before their time. */
  releaseMany(keys: readonly string[]): Promise<void>;
  health(): CacheHealth;
  close(): Promise<void>;
}

export interface CacheEntry {
  key: string;
  value: unknown;
}

export type CacheHealth = { kind: 'memory' } | { kind: 'redis'; isUp: boolean };

export interface CacheOptions {
  /** Absent: this process's memory. */
  redisUrl?: string | undefined;
  /** Comes before every key in Redis, so that several programs can share one. */
  namespace: string;
  /** Entries held in memory; Redis has its own `maxmemory`. */
  maxEntries: number;
  /** Bytes held in memory. */
  maxBytes: number;
  /** How long one call waits for Redis, in milliseconds; after that it is a miss. */
  deadlineMs?: number;
  logger: Logger;
}

/** Opens a cache in Redis, or one in memory when no Redis is named. It does not wait for Redis: until it is there, all is a miss. */
export function openCache({ redisUrl, namespace, maxEntries, maxBytes, deadlineMs = 100, logger }: CacheOptions): Cache {
  return redisUrl === undefined
    ? new MemoryCache(maxEntries, maxBytes)
    : new RedisCache(redisUrl, namespace, deadlineMs, logger);
}

/** Entries that one call may write: a bound for what waits on the way to Redis. */
const maxEntriesPerWrite = 2000;

/** Values as texts, so that their size is known and nobody changes what another is given. */
class MemoryCache implements Cache {
  readonly isShared = false;
  readonly #texts: LRUCache<string, string>;

  constructor(maxEntries: number, maxBytes: number) {
    this.#texts = new LRUCache({
      max: maxEntries,
      maxSize: maxBytes,
      maxEntrySize: Math.max(1, Math.floor(maxBytes / 8)),
      // V8 keeps a character in one byte or two.
      sizeCalculation: (text, key) => 2 * (key.length + text.length) + 1,
    });
  }

  getMany(keys: readonly string[]): Promise<unknown[]> {
    return Promise.resolve(
      keys.map((key) => {
        const text = this.#texts.get(key);
        return text === undefined ? undefined : (JSON.parse(text) as unknown);
      }),
    );
  }

  setMany(entries: readonly CacheEntry[], ttlMs: number): Promise<boolean> {
    for (const { key, value } of entries.slice(0, maxEntriesPerWrite)) this.#texts.set(key, JSON.stringify(value), { ttl: ttlMs });
    return Promise.resolve(true);
  }

  claimMany(keys: readonly string[]): Promise<boolean[]> {
    return Promise.resolve(keys.map(() => true));
  }

  releaseMany(): Promise<void> {
    return Promise.resolve();
  }

  health(): CacheHealth {
    return { kind: 'memory' };
  }

  close(): Promise<void> {
    this.#texts.clear();
    return Promise.resolve();
  }
}

/** Commands on their way to Redis. More are misses: the client cuts a transaction in half when its queue is full. */
const maxCommandsInFlight = 50_000;

/** How much of a call's keys its span tells. */
const maxKeysTold = 5;
const maxKeyLength = 200;

/** Takes each key that nobody else holds; one command however many keys. */
const claimScript = `
local taken = {}
for index, key in ipairs(KEYS) do
  taken[index] = (redis.call('SET', key, ARGV[1], 'NX', 'PX', ARGV[2]) or redis.call('GET', key) == ARGV[1]) and 1 or 0
end
return taken`;

/** Frees each key that this process still holds. */
const releaseScript = `
for _, key in ipairs(KEYS) do
  if redis.call('GET', key) == ARGV[1] then redis.call('DEL', key) end
end`;

class RedisCache implements Cache {
  readonly isShared = true;
  /** Who holds a claim. */
  readonly #owner = randomUUID();
  readonly #namespace: string;
  readonly #client;
  readonly #keyv: Keyv;
  readonly #breaker;
  readonly #guard;
  readonly #address: string;
  readonly #logger: Logger;
  #commandsInFlight = 0;
  #wasUp: boolean | undefined;
  #isClosed = false;

  constructor(url: string, namespace: string, deadlineMs: number, logger: Logger) {
    this.#address = addressOf(url);
    this.#namespace = namespace;
    this.#logger = logger;
    ({ breaker: this.#breaker, guard: this.#guard } = redisGuard(deadlineMs));
    this.#client = redisClient(url, maxCommandsInFlight + 1000);
    this.#keyv = keyvOver(new KeyvRedis(this.#client, { throwOnErrors: true, keyPrefixSeparator: ':' }), namespace);
    this.#breaker.onBreak((reason) => this.#noteHealth('error' in reason ? reason.error : undefined));
    this.#breaker.onReset(() => this.#noteHealth());
    this.#client.on('error', (error: Error) => this.#noteHealth(error));
    this.#client.on('ready', () => this.#noteHealth());
    // Redis answers its pings: let the breaker see it, even while nobody asks for anything.
    this.#client.on('ping-interval', () => void this.#probe());
    // Not awaited: the client goes on trying by itself until it is closed.
    this.#client.connect().catch(() => undefined);
  }

  async getMany(keys: readonly string[]): Promise<unknown[]> {
    const values = await this.#attempt('MGET', 1, keys, () => this.#keyv.getMany<unknown>([...keys]));
    return values ?? keys.map(() => undefined);
  }

  async setMany(entries: readonly CacheEntry[], ttlMs: number): Promise<boolean> {
    const written = withTtl(entries, ttlMs);
    if (written.length === 0) return true;
    // MULTI and EXEC stand around the entries.
    const arrived = await this.#attempt('MULTI SET', written.length + 2, written.map(({ key }) => key), async () => {
      await this.#keyv.setMany(written);
      return true;
    });
    return arrived === true;
  }

  async claimMany(keys: readonly string[], ttlMs: number): Promise<boolean[]> {
    const claims = { keys: this.#claims(keys), arguments: [this.#owner, String(ttlMs)] };
    const taken = await this.#attempt('EVAL claim', 1, keys, () => this.#client.eval(claimScript, claims));
    return keys.map((_, index) => !Array.isArray(taken) || taken[index] !== 0);
  }

  async releaseMany(keys: readonly string[]): Promise<void> {
    const claims = { keys: this.#claims(keys), arguments: [this.#owner] };
    await this.#attempt('EVAL release', 1, keys, () => this.#client.eval(releaseScript, claims));
  }

  #claims(keys: readonly string[]): string[] {
    return keys.map((key) => `${this.#namespace}:claim:${key}`);
  }

  health(): CacheHealth {
    return { kind: 'redis', isUp: this.#isUp };
  }

  close(): Promise<void> {
    this.#isClosed = true;
    letGo(this.#client);
    return Promise.resolve();
  }

  get #isUp(): boolean {
    return this.#client.isReady && this.#breaker.state === CircuitState.Closed;
  }

  /** What `ask` gives within the deadline; `undefined` where Redis is away, slow, or has too much to do. */
  async #attempt<T>(name: string, commands: number, keys: readonly string[], ask: () => Promise<T>): Promise<T | undefined> {
    if (!this.#client.isReady || this.#commandsInFlight + commands > maxCommandsInFlight) return undefined;
    try {
      return await traced(
        `redis ${name}`,
        () => this.#described(name, keys),
        () => this.#guard.execute(() => this.#counted(commands, ask)),
        SpanKind.CLIENT,
      );
    } catch {
      // The breaker has counted it; its change of state is what is logged.
      return undefined;
    }
  }

  /** Commands count until they are answered or lost with their connection, also past the deadline. */
  async #counted<T>(commands: number, ask: () => Promise<T>): Promise<T> {
    this.#commandsInFlight += commands;
    const startMs = performance.now();
    try {
      return await ask();
    } finally {
      this.#commandsInFlight -= commands;
      noteDone('cache', startMs);
    }
  }

  /** Keys are hashes and names; values are told nobody. */
  #described(name: string, keys: readonly string[]): Attributes {
    const told = keys.slice(0, maxKeysTold).map((key) => `${this.#namespace}:${key}`.slice(0, maxKeyLength));
    return { 'db.system.name': 'redis', 'db.operation.name': name, 'db.operation.batch.size': keys.length, 'auspex.redis.keys': told, 'server.address': this.#address };
  }

  async #probe(): Promise<void> {
    if (this.#breaker.state !== CircuitState.Closed) await this.#attempt('PING', 1, [], () => this.#client.ping());
  }

  #noteHealth(error?: unknown): void {
    const isUp = this.#isUp;
    if (isUp === this.#wasUp || this.#isClosed) return;
    this.#wasUp = isUp;
    if (isUp) this.#logger.info({ redis: this.#address }, 'the cache in Redis is up');
    else
      this.#logger.warn(
        { redis: this.#address, reason: error instanceof Error ? error.message : undefined },
        'the cache in Redis is down; all is computed until it is back',
      );
  }
}

/**
 * Keyv with its quirks set right: the store alone prefixes keys, since Keyv 5 and its Redis store would do it twice;
 * errors are thrown, since a failed `set` would otherwise return true; plain JSON, whose damage is a miss, since
 * Keyv's own reader would fail the whole `getMany` for one damaged entry.
 */
function keyvOver(store: KeyvRedis<string>, namespace: string): Keyv {
  return new Keyv({ store, namespace, useKeyPrefix: false, throwOnErrors: true, serialize: JSON.stringify, deserialize: parsedOrNothing });
}

function parsedOrNothing(text: string): object | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null ? parsed : undefined;
  } catch {
    return undefined;
  }
}

function withTtl(entries: readonly CacheEntry[], ttlMs: number): { key: string; value: unknown; ttl: number }[] {
  return entries.slice(0, maxEntriesPerWrite).map(({ key, value }) => ({ key, value, ttl: ttlMs }));
}

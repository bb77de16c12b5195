import { createHash } from 'node:crypto';
import { CircuitState } from 'cockatiel';
import { LRUCache } from 'lru-cache';
import type { Logger } from './logger.js';
import { addressOf, letGo, redisClient, redisGuard } from './redis.js';
import { SpanKind, traced } from './tracing.js';

/** How often something was counted within its window. */
export interface Count {
  /** The one just counted among them. */
  times: number;
  /** Milliseconds until the window ends and counting starts anew. */
  endsInMs: number;
}

export interface KnownCount extends Count {
  ageMs: number;
}

/**
 * Counts events by key, each in a window of its own that begins with its first. With Redis all who share it count together;
 * while it is away each process goes on from what it last knew. Never fails, and never waits for long.
 */
export interface Counters {
  /** Counts `weight` events more. */
  add(key: string, windowMs: number, weight?: number): Promise<Count>;
  /** What this process knows of a key without asking anyone, and for how long it has; null where it is nothing. */
  known(key: string): KnownCount | null;
  /** Starts a key anew. */
  clear(key: string): Promise<void>;
  health(): { kind: 'memory' } | { kind: 'redis'; isUp: boolean };
  close(): void;
}

export interface CounterOptions {
  /** Absent: this process counts alone. */
  redisUrl?: string | undefined;
  /** How long one count waits for Redis, in milliseconds. */
  deadlineMs: number;
  logger: Logger;
}

export const openCounters = ({ redisUrl, deadlineMs, logger }: CounterOptions): Counters =>
  redisUrl === undefined ? new MemoryCounters() : new RedisCounters(redisUrl, deadlineMs, logger);

/** Keys that are counted at a time; the least recently counted is forgotten first. */
const maxKeys = 100_000;

export class MemoryCounters implements Counters {
  readonly #counters = new LRUCache<string, { times: number; endsAtMs: number; knownAtMs: number }>({ max: maxKeys });

  add(key: string, windowMs: number, weight = 1): Promise<Count> {
    const { times, endsInMs } = this.known(key) ?? { times: 0, endsInMs: windowMs };
    const count = { times: times + weight, endsInMs };
    this.note(key, count);
    return Promise.resolve(count);
  }

  known(key: string): KnownCount | null {
    const counter = this.#counters.get(key);
    const nowMs = Date.now();
    if (!counter || counter.endsAtMs <= nowMs) return null;
    return { times: counter.times, endsInMs: counter.endsAtMs - nowMs, ageMs: nowMs - counter.knownAtMs };
  }

  /** Takes over what another has counted. */
  note(key: string, { times, endsInMs }: Count): void {
    const nowMs = Date.now();
    this.#counters.set(key, { times, endsAtMs: nowMs + endsInMs, knownAtMs: nowMs });
  }

  clear(key: string): Promise<void> {
    this.#counters.delete(key);
    return Promise.resolve();
  }

  health(): { kind: 'memory' } {
    return { kind: 'memory' };
  }

  close(): void {
    this.#counters.clear();
  }
}

const maxCommandsInFlight = 50_000;

/** Counts, and sets the window's end with the first; one that has none, for whatever reason, is given one. */
const addScript = `
local times = redis.call('INCRBY', KEYS[1], ARGV[2])
local endsIn = redis.call('PTTL', KEYS[1])
if endsIn < 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
  endsIn = tonumber(ARGV[1])
end
return {times, endsIn}`;

class RedisCounters implements Counters {
  /** What Redis last said, for the time when it is away. */
  readonly #memory = new MemoryCounters();
  readonly #client;
  readonly #breaker;
  readonly #guard;
  readonly #address: string;
  readonly #logger: Logger;
  #wasUp: boolean | undefined;
  #isClosed = false;

  constructor(url: string, deadlineMs: number, logger: Logger) {
    this.#address = addressOf(url);
    this.#logger = logger;
    ({ breaker: this.#breaker, guard: this.#guard } = redisGuard(deadlineMs));
    this.#client = redisClient(url, maxCommandsInFlight);
    this.#breaker.onBreak(() => this.#noteHealth());
    this.#breaker.onReset(() => this.#noteHealth());
    this.#client.on('error', () => this.#noteHealth());
    this.#client.on('ready', () => this.#noteHealth());
    // Not awaited: the client goes on trying by itself until it is closed.
    this.#client.connect().catch(() => undefined);
  }

  async add(key: string, windowMs: number, weight = 1): Promise<Count> {
    const answer = await this.#attempt('EVAL count', () =>
      this.#client.eval(addScript, { keys: [nameOf(key)], arguments: [String(windowMs), String(weight)] }),
    );
    if (!Array.isArray(answer)) return this.#memory.add(key, windowMs, weight);
    const count = { times: Number(answer[0]), endsInMs: Number(answer[1]) };
    this.#memory.note(key, count);
    return count;
  }

  known(key: string): KnownCount | null {
    return this.#memory.known(key);
  }

  async clear(key: string): Promise<void> {
    await this.#memory.clear(key);
    await this.#attempt('DEL', () => this.#client.del(nameOf(key)));
  }

  health(): { kind: 'redis'; isUp: boolean } {
    return { kind: 'redis', isUp: this.#isUp };
  }

  close(): void {
    this.#isClosed = true;
    letGo(this.#client);
  }

  get #isUp(): boolean {
    return this.#client.isReady && this.#breaker.state === CircuitState.Closed;
  }

  /** What Redis answers within the deadline; undefined where it does not. */
  async #attempt<Answer>(name: string, ask: () => Promise<Answer>): Promise<Answer | undefined> {
    if (!this.#client.isReady) return undefined;
    // The breaker has counted a failure; its change of state is what is logged.
    return traced(`redis ${name}`, () => ({ 'db.system.name': 'redis' }), () => this.#guard.execute(ask), SpanKind.CLIENT).catch(() => undefined);
  }

  #noteHealth(): void {
    const isUp = this.#isUp;
    if (isUp === this.#wasUp || this.#isClosed) return;
    this.#wasUp = isUp;
    if (isUp) this.#logger.info({ redis: this.#address }, 'the counters in Redis are up');
    else this.#logger.warn({ redis: this.#address }, 'the counters in Redis are down; each process counts for itself until they are back');
  }
}

/** Keys hold addresses and accounts: Redis is not told of them. */
const nameOf = (key: string): string => `auspex:count:${createHash('sha256').update(key).digest('base64url')}`;

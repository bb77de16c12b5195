import { circuitBreaker, CircuitState, ConsecutiveBreaker, handleWhen } from 'cockatiel';
import type { Logger } from '../telemetry/logger.js';
import { SpanKind, withSpan, type Attributes } from '../telemetry/tracing.js';
import { createRedisClient, redisAddress, socketTimeoutMs, type RedisClient } from './client.js';
import { Deadline } from './deadline.js';
import { checkWrites, isErrorReply, rejectionOf, type RedisProblem } from './write-check.js';

export interface RedisOptions {
  /** As `parseRedisUrl` accepts it. */
  url: string;
  /** What all keys and channels begin with. */
  prefix?: string;
  /** Time that a command may take, in milliseconds. */
  deadlineMs?: number;
  logger: Logger;
}

/** One command, or one transaction, and how its span describes it. */
export interface RedisCommand<Result> {
  /** Span name and `db.operation.name`: `MGET`. */
  name: string;
  /** Commands that it puts in flight. MULTI and EXEC of a transaction count too. */
  size?: number;
  attributes?: () => Attributes;
  run: (client: RedisClient) => Promise<Result>;
}

/** Interval of the write check. */
const checkIntervalMs = 1_000;

/**
 * How long the circuit stays open after three missed deadlines. It is longer than the socket timeout, because a write
 * restarts that timeout and would keep a dead connection open.
 */
const coolDownMs = 2_500;

/** Messages stop after this time without a write check that succeeds, so that a dead connection becomes idle and is closed. */
const maxSilenceMs = 3_000;

/**
 * The process's connections to Redis: one for commands and one for subscriptions, which Redis requires to be separate.
 * Callers share it, never wait for a reconnection, and get `undefined` if Redis cannot be used. It is the only place
 * that knows and logs whether Redis is healthy: it writes a key every second. A server that rejects writes is not used, and
 * both connections are reopened every second, because after a failover the address may lead to another server.
 */
export class RedisConnection {
  readonly address: string;
  readonly prefix: string;
  readonly #client: RedisClient;
  readonly #subscriber: RedisClient;
  readonly #breaker = circuitBreaker(isNoReply, { halfOpenAfter: coolDownMs, breaker: new ConsecutiveBreaker(3) });
  readonly #deadline: Deadline;
  readonly #logger: Logger;
  #pendingSubscriptions = 0;
  readonly #checks: NodeJS.Timeout;
  /** Whether a write check has succeeded since the connection was opened, and none has failed since. */
  #isWritable = false;
  #isChecking = false;
  #lastWriteMs = 0;
  #wasHealthy: boolean | undefined;
  #isClosed = false;
  readonly #usableListeners: (() => void)[] = [];

  /** Connects in the background and reconnects until `close`. */
  constructor({ url, prefix = keyPrefix('public'), deadlineMs = 100, logger }: RedisOptions) {
    this.prefix = prefix;
    this.address = redisAddress(url);
    this.#logger = logger;
    this.#deadline = new Deadline(deadlineMs);
    this.#breaker.onBreak((reason) => this.#reportHealth(lostBy('error' in reason ? reason.error : undefined)));
    this.#breaker.onReset(() => this.#reportHealth());
    this.#client = createRedisClient(url);
    this.#subscriber = createRedisClient(url, socketTimeoutMs / 2);
    this.#client.on('ready', () => {
      this.#isWritable = false;
      void this.#check();
    });
    this.#checks = setInterval(() => void this.#checkOrReconnect(), checkIntervalMs).unref();
    for (const client of [this.#client, this.#subscriber]) {
      client.on('error', (error: Error) => this.#reportHealth(lostBy(error)));
      client.on('ready', () => this.#reportHealth());
      // Not awaited: the client retries on its own until it is closed.
      client.connect().catch(() => undefined);
    }
  }

  /** Whether commands, messages and subscriptions work now. */
  get isHealthy(): boolean {
    return (
      this.#isUsable &&
      this.#breaker.state === CircuitState.Closed &&
      this.#subscriber.isReady &&
      this.#pendingSubscriptions === 0
    );
  }

  get #isUsable(): boolean {
    return this.#client.isReady && this.#isWritable;
  }

  /** Runs a command under the deadline and the circuit breaker. @returns `undefined` if it failed or Redis is unavailable. */
  async execute<Result>(command: RedisCommand<Result>): Promise<Result | undefined> {
    if (!this.#isUsable) return undefined;
    return this.#trace(command, () => this.#breaker.execute(() => this.#deadline.within(command.run(this.#client))));
  }

  /**
   * Runs a command with neither deadline nor circuit breaker: Redis still delivers a message after a short stall.
   * @returns `undefined` if it failed or Redis is unavailable.
   */
  async send<Result>(command: RedisCommand<Result>): Promise<Result | undefined> {
    if (!this.#isUsable || performance.now() - this.#lastWriteMs > maxSilenceMs) return undefined;
    return this.#trace(command, () => command.run(this.#client));
  }

  /** Calls the listener each time commands become possible: a reconnection may lead to another server. */
  onUsable(listener: () => void): void {
    this.#usableListeners.push(listener);
    if (this.#isUsable) listener();
  }

  /** Receives the messages of a channel pattern once connected, and again after each reconnection. */
  subscribe(pattern: string, listener: (message: string, channel: string) => void): void {
    let isSubscribed = false;
    this.#pendingSubscriptions += 1;
    const start = async (): Promise<void> => {
      if (isSubscribed) return; // The client restores its subscriptions itself.
      try {
        await this.#subscriber.pSubscribe(pattern, listener);
        isSubscribed = true;
        this.#pendingSubscriptions -= 1;
        this.#reportHealth();
      } catch {
        // The connection was lost again; the next one retries.
      }
    };
    this.#subscriber.on('ready', () => void start());
    if (this.#subscriber.isReady) void start();
  }

  /** Closes both connections at once, with commands in flight. */
  close(): void {
    this.#isClosed = true;
    clearInterval(this.#checks);
    for (const client of [this.#client, this.#subscriber]) {
      // `destroy` does not reach a socket that is still connecting; it must not keep the process alive.
      client.unref();
      if (client.isOpen) client.destroy();
    }
  }

  /** Failures are not logged here: the breaker counts them, and the change of state is logged. */
  #trace<Result>({ name, attributes }: RedisCommand<Result>, run: () => Promise<Result>): Promise<Result | undefined> {
    return withSpan(
      `redis ${name}`,
      () => ({
        'db.system.name': 'redis',
        'db.operation.name': name,
        'server.address': this.address,
        ...attributes?.(),
      }),
      run,
      SpanKind.CLIENT,
    ).catch((error: unknown) => {
      if (isErrorReply(error)) void this.#check();
      return undefined;
    });
  }

  async #checkOrReconnect(): Promise<void> {
    if ((await this.#check()) === null || this.#isClosed) return;
    for (const client of [this.#client, this.#subscriber]) {
      // A client that is not ready reconnects by itself.
      if (!client.isReady) continue;
      client.destroy();
      client.connect().catch(() => undefined);
    }
  }

  /** @returns why the server must not be used; null if it can be, or if the result is not known yet */
  async #check(): Promise<RedisProblem | null> {
    // One at a time: a write restarts the socket timeout, which has to close a dead connection.
    if (this.#isChecking || !this.#client.isReady) return null;
    this.#isChecking = true;
    try {
      const problem = await checkWrites(this.#client, `${this.prefix}:write-check`);
      const wasWritable = this.#isWritable;
      this.#isWritable = problem === null;
      if (problem === null) await this.#afterWrite();
      this.#reportHealth(problem ?? undefined);
      if (problem === null && !wasWritable) for (const listener of this.#usableListeners) listener();
      return problem;
    } catch {
      return null; // The connection was lost; the client reconnects.
    } finally {
      this.#isChecking = false;
    }
  }

  /** Redis replied in time: an open circuit can close even without traffic. */
  async #afterWrite(): Promise<void> {
    this.#lastWriteMs = performance.now();
    if (this.#breaker.state !== CircuitState.Closed)
      await this.execute({ name: 'PING', run: (client) => client.ping() });
  }

  #reportHealth(problem?: RedisProblem): void {
    const isHealthy = this.isHealthy;
    if (isHealthy === this.#wasHealthy || this.#isClosed) return;
    const isStillConnecting = this.#wasHealthy === undefined && problem === undefined;
    if (!isHealthy && isStillConnecting) return;
    this.#wasHealthy = isHealthy;
    if (isHealthy) this.#logger.info({ redis: this.address }, 'Redis connection established');
    else {
      const { message, reason } = problem ?? lostBy(undefined);
      this.#logger.warn({ redis: this.address, reason }, message);
    }
  }
}

/**
 * What keys and channels of gateways with this schema begin with: those with other schemas may share the Redis. Releases that know
 * no other schema than `public` use the same keys as this one does for it.
 */
export const keyPrefix = (schema: string): string => (schema === 'public' ? 'auspex' : `auspex:@${schema}`);

/** A command failed without a reply. A reply, also of an error, shows that the connection works. */
const isNoReply = handleWhen((error) => !isErrorReply(error));

const lostBy = (error: unknown): RedisProblem =>
  isErrorReply(error)
    ? rejectionOf(error)
    : {
        message: 'Redis connection lost; using in-process fallbacks',
        reason: error instanceof Error ? error.message : undefined,
      };

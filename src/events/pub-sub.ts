import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { RedisCommandLimit } from '../redis/command-limit.js';
import type { RedisConnection } from '../redis/connection.js';
import type { Logger } from '../telemetry/logger.js';

/** A kind of message: its name and the schema of its messages. Messages are JSON and contain no secrets. */
export interface Topic<Message> {
  readonly name: string;
  readonly schema: z.ZodType<Message>;
}

/** Declares a topic, as a constant of the module that owns it. */
export const topic = <Message>(name: string, schema: z.ZodType<Message>): Topic<Message> => ({ name, schema });

/**
 * Delivers messages to the listeners of this process and, with Redis, of every other process. Delivery is at most once:
 * messages are not stored for processes that are disconnected.
 */
export interface PubSub {
  /** Delivers in this process at once, with or without Redis. Never throws and never waits. */
  publish<Message>(to: Topic<Message>, message: Message): void;
  /** Calls the listener for each message from now on. @returns a function that unsubscribes. */
  subscribe<Message>(to: Topic<Message>, listener: (message: Message) => void): () => void;
  /** Whether messages reach other processes now; null if Redis is not configured. */
  isConnected(): boolean | null;
  close(): Promise<void>;
}

export interface PubSubOptions {
  /** Without it messages stay in this process. */
  redis?: RedisConnection | null;
  logger: Logger;
}

/** Opens pub/sub. It does not wait for Redis: until then messages stay in this process. */
export function openPubSub({ redis = null, logger }: PubSubOptions): PubSub {
  const local = new LocalPubSub(logger);
  return redis === null ? local : new RedisPubSub(redis, local, logger);
}

type Listener = (message: unknown) => void;

class LocalPubSub implements PubSub {
  readonly #topics = new Map<string, { schema: z.ZodType; listeners: Set<Listener> }>();
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  publish<Message>({ name }: Topic<Message>, message: Message): void {
    for (const listener of this.#topics.get(name)?.listeners ?? []) {
      try {
        listener(message);
      } catch (error) {
        this.#logger.error({ err: error, topic: name }, 'pub/sub listener failed');
      }
    }
  }

  subscribe<Message>({ name, schema }: Topic<Message>, listener: (message: Message) => void): () => void {
    const subscribed = this.#topics.get(name) ?? { schema, listeners: new Set() };
    this.#topics.set(name, subscribed);
    // A wrapper per subscription: a function that subscribes twice is called twice, and unsubscribes once.
    const wrapper: Listener = (message) => listener(message as Message);
    subscribed.listeners.add(wrapper);
    return () => {
      subscribed.listeners.delete(wrapper);
      if (subscribed.listeners.size === 0 && this.#topics.get(name) === subscribed) this.#topics.delete(name);
    };
  }

  /** The schema of a topic; undefined if it has no listeners. */
  schemaOf(name: string): z.ZodType | undefined {
    return this.#topics.get(name)?.schema;
  }

  isConnected(): null {
    return null;
  }

  close(): Promise<void> {
    this.#topics.clear();
    return Promise.resolve();
  }
}

/** Past this bound messages stay in this process. */
const maxMessagesInFlight = 10_000;

/** Longer messages, in characters, are ignored. */
const maxMessageLength = 256 * 1024;

const envelopeSchema = z.object({ from: z.string().max(100), message: z.unknown() });

class RedisPubSub implements PubSub {
  /** Identifies messages of this process: Redis sends them back, but they were delivered already. */
  readonly #sender = randomUUID();
  readonly #redis: RedisConnection;
  readonly #channelPrefix: string;
  readonly #commands: RedisCommandLimit;
  readonly #local: LocalPubSub;
  readonly #logger: Logger;
  #hasWarned = false;

  constructor(redis: RedisConnection, local: LocalPubSub, logger: Logger) {
    this.#redis = redis;
    this.#commands = new RedisCommandLimit(redis, maxMessagesInFlight);
    this.#local = local;
    this.#logger = logger;
    // One pattern for all topics, so that Redis holds one subscription per process.
    const prefix = (this.#channelPrefix = `${redis.prefix}:events:`);
    redis.subscribe(`${prefix}*`, (text, channel) => this.#receive(text, channel.slice(prefix.length)));
  }

  publish<Message>(to: Topic<Message>, message: Message): void {
    this.#local.publish(to, message);
    const channel = `${this.#channelPrefix}${to.name}`;
    void this.#commands.send({
      name: 'PUBLISH',
      attributes: () => ({ 'db.collection.name': channel }),
      run: (client) => client.publish(channel, JSON.stringify({ from: this.#sender, message })),
    });
  }

  subscribe<Message>(to: Topic<Message>, listener: (message: Message) => void): () => void {
    return this.#local.subscribe(to, listener);
  }

  isConnected(): boolean {
    return this.#redis.isHealthy;
  }

  /** Leaves the shared connections open. */
  async close(): Promise<void> {
    await this.#local.close();
  }

  #receive(text: string, name: string): void {
    const schema = this.#local.schemaOf(name);
    if (!schema) return;
    const envelope = text.length <= maxMessageLength ? envelopeSchema.safeParse(parseJson(text)).data : undefined;
    if (envelope?.from === this.#sender) return;
    const message = envelope && schema.safeParse(envelope.message);
    if (message?.success) this.#local.publish({ name, schema }, message.data);
    else this.#warnOnce(name);
  }

  /** Other programs may write to a shared Redis; one warning is enough to find them. */
  #warnOnce(name: string): void {
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    this.#logger.warn(
      { topic: name, redis: this.#redis.address },
      'malformed pub/sub message ignored; further ones are not logged',
    );
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { Logger } from './logger.js';
import { addressOf, letGo, redisClient } from './redis.js';

/** A kind of message by its name, and the form that each must have. Messages are JSON, and hold nothing secret. */
export interface Topic<Message> {
  readonly name: string;
  readonly form: z.ZodType<Message>;
}

/** Declares a topic; once a module. */
export const topic = <Message>(name: string, form: z.ZodType<Message>): Topic<Message> => ({ name, form });

/**
 * Tells messages to all who listen, in this process and, where there is a Redis, in every other. A message is heard once by
 * each listener, or not at all by those of other processes: nothing is kept for who is away.
 */
export interface PubSub {
  /** Never fails and never waits. Listeners of this process hear it also while Redis is away. */
  publish<Message>(to: Topic<Message>, message: Message): void;
  /** Calls the listener for each message from now on; answers how to stop that. */
  subscribe<Message>(to: Topic<Message>, listener: (message: Message) => void): () => void;
  /** Whether messages reach other processes now; null where there is no way to them. */
  reachesOthers(): boolean | null;
  close(): Promise<void>;
}

export interface PubSubOptions {
  /** Absent: messages stay in this process. */
  redisUrl?: string | undefined;
  logger: Logger;
}

/** Opens it. It does not wait for Redis: until it is there, messages stay in this process. */
export function openPubSub({ redisUrl, logger }: PubSubOptions): PubSub {
  const local = new LocalPubSub(logger);
  return redisUrl === undefined ? local : new RedisPubSub(redisUrl, local, logger);
}

type Listener = (message: unknown) => void;

class LocalPubSub implements PubSub {
  readonly #listeners = new Map<string, { form: z.ZodType; listeners: Set<Listener> }>();
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  publish<Message>({ name }: Topic<Message>, message: Message): void {
    for (const listener of this.#listeners.get(name)?.listeners ?? []) {
      try {
        listener(message);
      } catch (error) {
        this.#logger.error({ err: error, topic: name }, 'a message was not taken in');
      }
    }
  }

  subscribe<Message>({ name, form }: Topic<Message>, listener: (message: Message) => void): () => void {
    const known = this.#listeners.get(name) ?? { form, listeners: new Set() };
    this.#listeners.set(name, known);
    // A copy of its own: one function that listens twice hears twice, and stops once.
    const own: Listener = (message) => listener(message as Message);
    known.listeners.add(own);
    return () => {
      known.listeners.delete(own);
      if (known.listeners.size === 0 && this.#listeners.get(name) === known) this.#listeners.delete(name);
    };
  }

  /** What messages of the topic must look like; undefined where nobody listens. */
  formOf(name: string): z.ZodType | undefined {
    return this.#listeners.get(name)?.form;
  }

  reachesOthers(): null {
    return null;
  }

  close(): Promise<void> {
    this.#listeners.clear();
    return Promise.resolve();
  }
}

const channelPrefix = 'auspex:events:';

/** Messages on their way to Redis; more stay in this process. */
const maxMessagesInFlight = 10_000;

/** The longest message that is looked at, in characters. */
const maxMessageLength = 256 * 1024;

const envelope = z.object({ from: z.string().max(100), message: z.unknown() });

/** Over two connections, since one that listens cannot tell. */
class RedisPubSub implements PubSub {
  /** Who tells: what comes back from Redis has been heard here before. */
  readonly #self = randomUUID();
  readonly #local: LocalPubSub;
  readonly #logger: Logger;
  readonly #address: string;
  readonly #publisher;
  readonly #subscriber;
  #wasUp: boolean | undefined;
  #isListening = false;
  #isClosed = false;
  #hasWarned = false;

  constructor(url: string, local: LocalPubSub, logger: Logger) {
    this.#local = local;
    this.#logger = logger;
    this.#address = addressOf(url);
    this.#publisher = redisClient(url, maxMessagesInFlight);
    this.#subscriber = redisClient(url, maxMessagesInFlight);
    const noteHealth = (error?: Error): void => this.#noteHealth(error);
    for (const client of [this.#publisher, this.#subscriber]) {
      client.on('error', noteHealth);
      client.on('ready', () => noteHealth());
      // Not awaited: the client goes on trying by itself until it is closed.
      client.connect().catch(() => undefined);
    }
    this.#subscriber.on('ready', () => void this.#listen());
  }

  publish<Message>(to: Topic<Message>, message: Message): void {
    this.#local.publish(to, message);
    if (!this.#publisher.isReady) return;
    this.#publisher.publish(`${channelPrefix}${to.name}`, JSON.stringify({ from: this.#self, message })).catch((error: unknown) => this.#noteHealth(error));
  }

  subscribe<Message>(to: Topic<Message>, listener: (message: Message) => void): () => void {
    return this.#local.subscribe(to, listener);
  }

  reachesOthers(): boolean {
    return this.#publisher.isReady && this.#subscriber.isReady && this.#isListening;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const client of [this.#publisher, this.#subscriber]) letGo(client);
    await this.#local.close();
  }

  /** One pattern for all topics, so that a topic costs Redis nothing. The client repeats it by itself after a lost connection. */
  async #listen(): Promise<void> {
    if (!this.#isListening) {
      try {
        await this.#subscriber.pSubscribe(`${channelPrefix}*`, this.#hear);
        this.#isListening = true;
      } catch {
        return; // the connection is lost again; the next one tries anew
      }
    }
    this.#noteHealth();
  }

  readonly #hear = (text: string, channel: string): void => {
    const name = channel.slice(channelPrefix.length);
    const form = this.#local.formOf(name);
    if (!form) return;
    const told = text.length <= maxMessageLength ? envelope.safeParse(parsedOrNothing(text)) : undefined;
    if (told?.success === true && told.data.from === this.#self) return;
    const message = told?.success === true ? form.safeParse(told.data.message) : undefined;
    if (message?.success === true) this.#local.publish({ name, form }, message.data);
    else this.#warnOnce(name);
  };

  /** Anyone may write to a shared Redis: once is enough to look for who does. */
  #warnOnce(name: string): void {
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    this.#logger.warn({ topic: name, redis: this.#address }, 'a message from Redis has not the form of its topic and is left out, as others like it will be');
  }

  #noteHealth(error?: unknown): void {
    const isUp = this.reachesOthers();
    if (isUp === this.#wasUp || this.#isClosed) return;
    if (!isUp && this.#wasUp === undefined && error === undefined) return; // still connecting
    this.#wasUp = isUp;
    if (isUp) this.#logger.info({ redis: this.#address }, 'events go through Redis');
    else
      this.#logger.warn(
        { redis: this.#address, reason: error instanceof Error ? error.message : undefined },
        'events do not go through Redis; until they do, subscribers hear only of this process',
      );
  }
}

function parsedOrNothing(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

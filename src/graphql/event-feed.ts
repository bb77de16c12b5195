import { setImmediate as nextTurn } from 'node:timers/promises';
import { ServiceUnavailable } from '../shared/errors.js';
import { EventQueue, type EventReader } from '../shared/event-queue.js';
import type { Logger } from '../shared/logger.js';
import type { PubSub, Topic } from '../shared/pub-sub.js';

export interface EventFeedOptions<Message, Interest, Event> {
  pubSub: PubSub;
  topic: Topic<Message>;
  /**
   * Makes events of messages, for all streams of this process at once, so that rows are read once however many listen.
   * What comes back gives the events of one message for one interest.
   */
  prepare: (messages: readonly Message[], interests: readonly Interest[]) => Promise<(message: Message, interest: Interest) => readonly Event[]>;
  /** Events that wait for one slow reader. */
  maxWaiting: number;
  log: Logger;
}

/** One stream. */
interface Subscriber<Interest, Event> {
  interest: Interest;
  queue: EventQueue<Event>;
  /** Messages that came before it opened are not for it. */
  since: number;
}

/** Messages that wait to be prepared. With more, the streams end: what they would hear is no longer as of now. */
const maxMessages = 2_000;

const messagesPerTurn = 100;

/**
 * Hands the messages of a topic, as events, to the streams of this process that are interested in them, in their order. While
 * nobody listens here it does no work at all.
 */
export class EventFeed<Message, Interest, Event> {
  readonly #options: EventFeedOptions<Message, Interest, Event>;
  readonly #subscribers = new Set<Subscriber<Interest, Event>>();
  #messages: { message: Message; number: number }[] = [];
  #count = 0;
  #stopListening: (() => void) | null = null;
  #isWorking = false;

  constructor(options: EventFeedOptions<Message, Interest, Event>) {
    this.#options = options;
  }

  /** Streams that are open. */
  get size(): number {
    return this.#subscribers.size;
  }

  /** The events from now on that the interest is in. */
  open(interest: Interest): EventReader<Event> {
    const { pubSub, topic, maxWaiting } = this.#options;
    const queue = new EventQueue<Event>({ maxWaiting, onEnd: () => this.#remove(subscriber) });
    const subscriber = { interest, queue, since: this.#count };
    this.#subscribers.add(subscriber);
    this.#stopListening ??= pubSub.subscribe(topic, (message) => this.#take(message));
    return queue;
  }

  /** Tells a message to every process, this one among them. */
  tell(message: Message): void {
    this.#options.pubSub.publish(this.#options.topic, message);
  }

  #remove(subscriber: Subscriber<Interest, Event>): void {
    this.#subscribers.delete(subscriber);
    if (this.#subscribers.size > 0) return;
    this.#stopListening?.();
    this.#stopListening = null;
    this.#messages = [];
  }

  #take(message: Message): void {
    if (this.#messages.length >= maxMessages) {
      this.#endAll(new ServiceUnavailable('More happened than could be told; read anew what you follow, and subscribe again.'));
      return;
    }
    this.#messages.push({ message, number: (this.#count += 1) });
    if (!this.#isWorking) void this.#work();
  }

  async #work(): Promise<void> {
    this.#isWorking = true;
    while (this.#messages.length > 0) {
      const turn = this.#messages.splice(0, messagesPerTurn);
      try {
        await this.#hand(turn);
      } catch (error) {
        this.#options.log.error({ err: error, topic: this.#options.topic.name }, 'events could not be told; their streams are ended');
        // To go on would leave a gap that nobody knows of.
        this.#endAll(new ServiceUnavailable('Something happened that could not be told; read anew what you follow, and subscribe again.'));
      }
    }
    this.#isWorking = false;
  }

  async #hand(turn: readonly { message: Message; number: number }[]): Promise<void> {
    const interests = [...this.#subscribers].map(({ interest }) => interest);
    const eventsOf = await this.#options.prepare(turn.map(({ message }) => message), interests);
    const known = new Set(interests);
    for (const { message, number } of turn) {
      for (const { interest, queue, since } of this.#subscribers) {
        // Who has come while the rows were read is not among those that they were read for, and came after the messages.
        if (since < number && known.has(interest)) for (const event of eventsOf(message, interest)) queue.push(event);
      }
      await nextTurn();
    }
  }

  #endAll(error: ServiceUnavailable): void {
    for (const { queue } of [...this.#subscribers]) queue.end(error);
  }
}

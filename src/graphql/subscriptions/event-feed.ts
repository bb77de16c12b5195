import { setImmediate as nextTurn } from 'node:timers/promises';
import { ServiceUnavailable } from '../../errors/app-error.js';
import { EventQueue, type EventReader } from '../../events/event-queue.js';
import type { Logger } from '../../telemetry/logger.js';
import type { PubSub, Topic } from '../../events/pub-sub.js';

export interface EventFeedOptions<Message, Interest, Event> {
  pubSub: PubSub;
  topic: Topic<Message>;
  /**
   * Prepares the events of messages for all streams of this process at once, so that rows are read once for any number of streams.
   * @returns a function that returns the events of one message for one interest
   */
  prepare: (
    messages: readonly Message[],
    interests: readonly Interest[],
  ) => Promise<(message: Message, interest: Interest) => readonly Event[]>;
  /** Events that wait for one slow reader. */
  maxBuffered: number;
  log: Logger;
}

/** One stream. */
interface Subscriber<Interest, Event> {
  interest: Interest;
  queue: EventQueue<Event>;
  /** The number of the last message before it opened. */
  since: number;
}

/** Messages that wait to be prepared. With more, the streams end instead of falling further behind. */
const maxMessages = 2_000;

const messagesPerTurn = 100;

/**
 * Delivers the messages of a topic as events to the interested streams of this process, in order. Without streams it does not
 * subscribe to the topic.
 */
export class EventFeed<Message, Interest, Event> {
  readonly #options: EventFeedOptions<Message, Interest, Event>;
  readonly #subscribers = new Set<Subscriber<Interest, Event>>();
  #messages: { message: Message; number: number }[] = [];
  #count = 0;
  #stopListening: (() => void) | null = null;
  #isDelivering = false;

  constructor(options: EventFeedOptions<Message, Interest, Event>) {
    this.#options = options;
  }

  /** The number of open streams. */
  get size(): number {
    return this.#subscribers.size;
  }

  /** Whether a message may have listeners: streams of this process, or other processes. */
  get hasListeners(): boolean {
    return this.size > 0 || this.#options.pubSub.isConnected() !== null;
  }

  /** Opens a stream of later events for an interest. */
  open(interest: Interest): EventReader<Event> {
    const { pubSub, topic, maxBuffered } = this.#options;
    const queue = new EventQueue<Event>({ maxBuffered, onEnd: () => this.#remove(subscriber) });
    const subscriber = { interest, queue, since: this.#count };
    this.#subscribers.add(subscriber);
    this.#stopListening ??= pubSub.subscribe(topic, (message) => this.#enqueue(message));
    return queue;
  }

  /** Publishes a message to every process, including this one. */
  publish(message: Message): void {
    this.#options.pubSub.publish(this.#options.topic, message);
  }

  #remove(subscriber: Subscriber<Interest, Event>): void {
    this.#subscribers.delete(subscriber);
    if (this.#subscribers.size > 0) return;
    this.#stopListening?.();
    this.#stopListening = null;
    this.#messages = [];
  }

  #enqueue(message: Message): void {
    if (this.#messages.length >= maxMessages) {
      this.#endAll(new ServiceUnavailable('Event backlog overflowed; refetch and resubscribe.'));
      return;
    }
    this.#messages.push({ message, number: (this.#count += 1) });
    if (!this.#isDelivering) void this.#deliverAll();
  }

  async #deliverAll(): Promise<void> {
    this.#isDelivering = true;
    while (this.#messages.length > 0) {
      const turn = this.#messages.splice(0, messagesPerTurn);
      try {
        await this.#deliver(turn);
      } catch (error) {
        this.#options.log.error(
          { err: error, topic: this.#options.topic.name },
          'event preparation failed; ending streams',
        );
        // Continuing would leave an unnoticed gap.
        this.#endAll(new ServiceUnavailable('Events were lost; refetch and resubscribe.'));
      }
    }
    this.#isDelivering = false;
  }

  async #deliver(turn: readonly { message: Message; number: number }[]): Promise<void> {
    const interests = [...this.#subscribers].map(({ interest }) => interest);
    const eventsOf = await this.#options.prepare(
      turn.map(({ message }) => message),
      interests,
    );
    const known = new Set(interests);
    for (const { message, number } of turn) {
      for (const { interest, queue, since } of this.#subscribers) {
        // A stream that opened meanwhile is later than the messages, and its interest was not prepared.
        if (since < number && known.has(interest)) for (const event of eventsOf(message, interest)) queue.push(event);
      }
      await nextTurn();
    }
  }

  #endAll(error: ServiceUnavailable): void {
    for (const { queue } of [...this.#subscribers]) queue.end(error);
  }
}

import { SlowConsumer, type AppError } from '../errors/app-error.js';

export interface EventQueueOptions {
  /** Events that may be buffered; one more ends the queue with SLOW_CONSUMER. */
  maxBuffered: number;
  /** Called once when the queue ends, for any reason. Later pushes are ignored. */
  onEnd?: () => void;
}

/** The reading side of a queue of events. */
export interface EventReader<Event> extends AsyncIterableIterator<Event, undefined> {
  /** Whether the queue has ended. */
  readonly hasEnded: boolean;
  /** Whether the queue ended with an error that the reader has not received yet. */
  readonly hasPendingError: boolean;
  /** Calls the listener when the queue ends, with its error or null; at once if it has ended already. */
  onEnd(listener: (error: AppError | null) => void): void;
  /** Ends the queue at once: buffered events are dropped, and the reader receives the error, if any. */
  end(error?: AppError | null): void;
  /** @throws AppError that the queue ended with, once. */
  next(): Promise<IteratorResult<Event, undefined>>;
  return(): Promise<IteratorResult<Event, undefined>>;
}

/** A bounded, ordered queue between a publisher and one slower reader. The reader has at most one `next` in flight. */
export class EventQueue<Event> implements EventReader<Event> {
  readonly #maxBuffered: number;
  readonly #listeners = new Set<(error: AppError | null) => void>();
  #buffer: Event[] = [];
  #pendingRead: PromiseWithResolvers<IteratorResult<Event, undefined>> | null = null;
  #hasEnded = false;
  #pendingError: AppError | null = null;

  constructor({ maxBuffered, onEnd }: EventQueueOptions) {
    this.#maxBuffered = maxBuffered;
    if (onEnd) this.onEnd(onEnd);
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  get hasPendingError(): boolean {
    return this.#pendingError !== null;
  }

  onEnd(listener: (error: AppError | null) => void): void {
    if (this.#hasEnded) listener(this.#pendingError);
    else this.#listeners.add(listener);
  }

  /** Delivers an event to a pending read, or buffers it. Ignored once the queue has ended. */
  push(event: Event): void {
    if (this.#hasEnded) return;
    if (this.#pendingRead) {
      const { resolve } = this.#pendingRead;
      this.#pendingRead = null;
      resolve({ done: false, value: event });
    } else if (this.#buffer.length < this.#maxBuffered) this.#buffer.push(event);
    else this.end(new SlowConsumer(this.#maxBuffered));
  }

  end(error: AppError | null = null): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#buffer = [];
    this.#pendingError = error;
    if (this.#pendingRead) {
      const { resolve, reject } = this.#pendingRead;
      this.#pendingRead = null;
      this.#pendingError = null;
      if (error) reject(error);
      else resolve(done);
    }
    for (const listener of this.#listeners) listener(error);
    this.#listeners.clear();
  }

  next(): Promise<IteratorResult<Event, undefined>> {
    const error = this.#pendingError;
    this.#pendingError = null;
    if (error) return Promise.reject(error);
    if (this.#buffer.length > 0) return Promise.resolve({ done: false, value: this.#buffer.shift() as Event });
    if (this.#hasEnded) return Promise.resolve(done);
    this.#pendingRead ??= Promise.withResolvers();
    return this.#pendingRead.promise;
  }

  return(): Promise<IteratorResult<Event, undefined>> {
    this.end();
    this.#pendingError = null;
    return Promise.resolve(done);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

const done = { done: true, value: undefined } as const;

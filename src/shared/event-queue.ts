import { SlowReader, type AppError } from './errors.js';

export interface EventQueueOptions {
  /** Events that may wait to be read; with one more the queue ends with SLOW_READER. */
  maxWaiting: number;
  /** Called once, when the queue has ended for whatever reason: nothing is to be pushed any more. */
  onEnd?: () => void;
}

/** The reader's side of events: they come in order, and end. */
export interface EventReader<Event> extends AsyncIterableIterator<Event, undefined> {
  /** Whether nothing more will come. */
  readonly hasEnded: boolean;
  /** Whether the reader has still to be told that, and why, the events ended. */
  readonly hasUntoldError: boolean;
  /** Calls the listener when the events end, with the error that they end with, if any; at once where they have ended. */
  onEnd(listener: (error: AppError | null) => void): void;
  /** Ends at once: what waits is dropped, and the reader is told the error, if there is one. */
  end(error?: AppError | null): void;
  /** @throws AppError that the events ended with, once */
  next(): Promise<IteratorResult<Event, undefined>>;
  return(): Promise<IteratorResult<Event, undefined>>;
}

/** The events between who tells them and one reader, who may be slower: bounded, in order, for one reader at a time. */
export class EventQueue<Event> implements EventReader<Event> {
  readonly #maxWaiting: number;
  readonly #listeners = new Set<(error: AppError | null) => void>();
  #waiting: Event[] = [];
  #reader: PromiseWithResolvers<IteratorResult<Event, undefined>> | null = null;
  #hasEnded = false;
  /** Why it ended, until the reader has been told. */
  #untold: AppError | null = null;

  constructor({ maxWaiting, onEnd }: EventQueueOptions) {
    this.#maxWaiting = maxWaiting;
    if (onEnd) this.onEnd(onEnd);
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  get hasUntoldError(): boolean {
    return this.#untold !== null;
  }

  onEnd(listener: (error: AppError | null) => void): void {
    if (this.#hasEnded) listener(this.#untold);
    else this.#listeners.add(listener);
  }

  /** Hands an event to the reader, or keeps it for later. After the end it is dropped. */
  push(event: Event): void {
    if (this.#hasEnded) return;
    if (this.#reader) {
      const { resolve } = this.#reader;
      this.#reader = null;
      resolve({ done: false, value: event });
    } else if (this.#waiting.length < this.#maxWaiting) this.#waiting.push(event);
    else this.end(new SlowReader(this.#maxWaiting));
  }

  end(error: AppError | null = null): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#waiting = [];
    this.#untold = error;
    if (this.#reader) {
      const { resolve, reject } = this.#reader;
      this.#reader = null;
      this.#untold = null;
      if (error) reject(error);
      else resolve(over);
    }
    for (const listener of this.#listeners) listener(error);
    this.#listeners.clear();
  }

  next(): Promise<IteratorResult<Event, undefined>> {
    const error = this.#untold;
    this.#untold = null;
    if (error) return Promise.reject(error);
    if (this.#waiting.length > 0) return Promise.resolve({ done: false, value: this.#waiting.shift() as Event });
    if (this.#hasEnded) return Promise.resolve(over);
    this.#reader ??= Promise.withResolvers();
    return this.#reader.promise;
  }

  return(): Promise<IteratorResult<Event, undefined>> {
    this.end();
    this.#untold = null;
    return Promise.resolve(over);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

const over = { done: true, value: undefined } as const;

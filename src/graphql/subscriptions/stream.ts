import type { FormattedExecutionResult, GraphQLFormattedError } from 'graphql';
import type { AppError } from '../../errors/app-error.js';
import type { EventReader } from '../../events/event-queue.js';
import type { Transport } from '../context/context.js';

/** The transport of a stream. */
export type StreamTransport = Exclude<Transport, 'http'>;

/** Why a stream ended. */
export type StreamEnd = 'client_disconnected' | 'source_ended' | 'slow_consumer' | 'credential' | 'shutdown' | 'failed';

/** A rejected operation or a failed stream; `errors` are formatted for the client. */
export class StreamError extends Error {
  constructor(
    readonly errors: readonly GraphQLFormattedError[],
    /** The status of an HTTP response with these errors alone; 200 for errors of the operation. */
    readonly httpStatus: number,
  ) {
    super(errors[0]?.message ?? 'The stream failed.');
    this.name = 'StreamError';
  }
}

export interface StreamOptions {
  transport: StreamTransport;
  source: EventReader<unknown>;
  execute: (event: unknown) => Promise<FormattedExecutionResult>;
  formatError: (error: unknown) => StreamError;
  onEnd: (reason: StreamEnd, events: number) => void;
}

/** An open subscription: one result per event. The events of a slow reader wait in the source, which is bounded. */
export class Stream implements AsyncGenerator<FormattedExecutionResult, undefined, undefined> {
  readonly #options: StreamOptions;
  #reason: StreamEnd | null = null;
  #events = 0;

  constructor(options: StreamOptions) {
    this.#options = options;
  }

  get transport(): StreamTransport {
    return this.#options.transport;
  }

  /** Null while the stream is open. */
  get reason(): StreamEnd | null {
    return this.#reason;
  }

  /** Whether the stream ended with an error that was not read yet. */
  get hasPendingError(): boolean {
    return this.#options.source.hasPendingError;
  }

  /** Starts to follow the end of the source. Call it once, when `onEnd` may be called. */
  watch(): void {
    const { source, onEnd } = this.#options;
    source.onEnd((error) => {
      const reason = this.#reason ?? (error ? endOf(error) : 'source_ended');
      this.#reason = reason;
      onEnd(reason, this.#events);
    });
  }

  /** Calls the listener when the stream ends. */
  onEnd(listener: (reason: StreamEnd) => void): void {
    this.#options.source.onEnd(() => listener(this.#reason ?? 'source_ended'));
  }

  /** Ends the stream; its reader receives the error, if any. */
  end(reason: StreamEnd, error: AppError | null = null): void {
    this.#reason ??= reason;
    this.#options.source.end(error);
  }

  /** @throws StreamError once, if the stream ended with an error */
  async next(): Promise<IteratorResult<FormattedExecutionResult, undefined>> {
    const { source } = this.#options;
    try {
      const event = await source.next();
      if (event.done) return event;
      const result = await this.#options.execute(event.value);
      // The stream may have ended during execution, for example since the viewer lost access.
      if (source.hasEnded) return await this.next();
      this.#events += 1;
      return { done: false, value: result };
    } catch (error) {
      if (error instanceof StreamError) throw error;
      this.end('failed');
      throw this.#options.formatError(error);
    }
  }

  async return(): Promise<IteratorResult<FormattedExecutionResult, undefined>> {
    this.#reason ??= 'client_disconnected';
    await this.#options.source.return();
    return { done: true, value: undefined };
  }

  async throw(): Promise<IteratorResult<FormattedExecutionResult, undefined>> {
    return this.return();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }
}

const endOf = ({ code }: AppError): StreamEnd =>
  code === 'SLOW_CONSUMER' ? 'slow_consumer' : code === 'UNAUTHENTICATED' ? 'credential' : 'failed';

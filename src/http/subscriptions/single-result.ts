import type { FormattedExecutionResult } from 'graphql';
import { RequestCancelled } from '../../errors/app-error.js';
import { StreamError } from '../../graphql/subscriptions/stream.js';

export interface SingleResultOptions {
  execute: () => Promise<FormattedExecutionResult>;
  /** Aborted with `RequestCancelled` if the client cancels the operation or disconnects. */
  abort: AbortController;
  /** Called once, after the execution or if it is cancelled before. */
  onEnd: () => void;
}

/** The result of a query or mutation as a stream of one, so that graphql-ws sends, completes and cancels it like a subscription. */
export class SingleResult implements AsyncGenerator<FormattedExecutionResult, undefined, undefined> {
  readonly #options: SingleResultOptions;
  #phase: 'waiting' | 'executing' | 'ended' = 'waiting';

  constructor(options: SingleResultOptions) {
    this.#options = options;
  }

  /** @throws StreamError for a request error: an operation that was not executed has no data */
  async next(): Promise<IteratorResult<FormattedExecutionResult, undefined>> {
    if (this.#phase !== 'waiting') return { done: true, value: undefined };
    this.#phase = 'executing';
    const { execute, abort, onEnd } = this.#options;
    try {
      const result = await execute();
      if (abort.signal.aborted) return { done: true, value: undefined };
      if (result.data === undefined) throw new StreamError(result.errors ?? [], 200);
      return { done: false, value: result };
    } finally {
      this.#phase = 'ended';
      onEnd();
    }
  }

  return(): Promise<IteratorResult<FormattedExecutionResult, undefined>> {
    const { abort, onEnd } = this.#options;
    if (this.#phase !== 'ended') abort.abort(new RequestCancelled());
    if (this.#phase === 'waiting') {
      this.#phase = 'ended';
      onEnd();
    }
    return Promise.resolve({ done: true, value: undefined });
  }

  throw(): Promise<IteratorResult<FormattedExecutionResult, undefined>> {
    return this.return();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }
}

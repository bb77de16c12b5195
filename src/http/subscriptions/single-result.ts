import type { FormattedExecutionResult } from 'graphql';
import { RequestCancelled } from '../../errors/app-error.js';
import { StreamError } from '../../graphql/subscriptions/stream.js';

export interface SingleResultOptions {
  execute: () => Promise<FormattedExecutionResult>;
  /** Aborted with `RequestCancelled` if the client cancels the operation or disconnects. */
  abort: AbortController;
  /** Called once: when the client has taken the result, or if there is none. */
  onEnd: () => void;
}

/** The result of a query or mutation as a stream of one, so that graphql-ws sends, completes and cancels it like a subscription. */
export class SingleResult implements AsyncGenerator<FormattedExecutionResult, undefined, undefined> {
  readonly #options: SingleResultOptions;
  #phase: 'waiting' | 'executing' | 'executed' | 'ended' = 'waiting';

  constructor(options: SingleResultOptions) {
    this.#options = options;
  }

  /** @throws StreamError for a request error: an operation that was not executed has no data */
  async next(): Promise<IteratorResult<FormattedExecutionResult, undefined>> {
    // graphql-ws requests the next result once it has sent this one.
    if (this.#phase === 'executed') this.#end();
    if (this.#phase !== 'waiting') return { done: true, value: undefined };
    this.#phase = 'executing';
    const { execute, abort } = this.#options;
    try {
      const result = await execute();
      if (abort.signal.aborted) return { done: true, value: undefined };
      if (result.data === undefined) throw new StreamError(result.errors ?? [], 200);
      this.#phase = 'executed';
      return { done: false, value: result };
    } finally {
      if (this.#phase === 'executing') this.#end();
    }
  }

  return(): Promise<IteratorResult<FormattedExecutionResult, undefined>> {
    if (this.#phase === 'waiting' || this.#phase === 'executing') this.#options.abort.abort(new RequestCancelled());
    // An execution that is cancelled ends by itself.
    if (this.#phase !== 'executing') this.#end();
    return Promise.resolve({ done: true, value: undefined });
  }

  #end(): void {
    if (this.#phase === 'ended') return;
    this.#phase = 'ended';
    this.#options.onEnd();
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

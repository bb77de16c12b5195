import type { IncomingHttpHeaders } from 'node:http';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { FormattedExecutionResult } from 'graphql';
import { ServiceUnavailable, TooManyAttempts, type AppError } from '../../errors/app-error.js';
import type { Context, ContextFactory } from '../../graphql/context/context.js';
import type { OperationServer } from '../../graphql/server/operation-server.js';
import { tracedOperation } from '../../graphql/server/stages/operation-trace.js';
import type { Stream } from '../../graphql/subscriptions/stream.js';
import type { StreamCaller, SubscriptionServer } from '../../graphql/subscriptions/subscription-server.js';
import type { SentOperation } from '../../persisted-documents/sent-operation.js';
import { withRemoteContext } from '../../telemetry/tracing.js';
import { SingleResult } from './single-result.js';

export interface SocketOperationsOptions {
  operations: OperationServer;
  subscriptions: SubscriptionServer;
  contexts: ContextFactory;
}

/** Maximum queries and mutations of a socket in flight. */
const maxInFlight = 100;

/** How long the end of a socket waits for queries and mutations in flight, which a client repeats after it reconnects. */
const drainMs = 5_000;

/** Runs the operations of one socket, in the trace of its upgrade request. */
export class SocketOperations {
  readonly #options: SocketOperationsOptions;
  readonly #headers: IncomingHttpHeaders;
  /** The number of queries and mutations from their message to the end of their result. */
  #inFlight = 0;
  /** Called once none is in flight. */
  readonly #onIdle = new Set<() => void>();
  /** Why further operations are rejected; null if they are not. */
  #rejection: AppError | null = null;

  constructor(options: SocketOperationsOptions, headers: IncomingHttpHeaders) {
    this.#options = options;
    this.#headers = headers;
  }

  /**
   * Opens the stream of a subscription, or prepares the execution of a query or mutation.
   * @throws StreamError, AppError
   */
  async open(sent: SentOperation, caller: StreamCaller): Promise<Stream | SingleResult> {
    if (this.#rejection) throw this.#rejection;
    if (this.#inFlight >= maxInFlight)
      throw new TooManyAttempts(`${maxInFlight} operations of this socket are in flight; wait for a result.`, 1);
    this.#inFlight += 1;
    const release = (): void => this.#release();
    let result: SingleResult | null = null;
    try {
      const opened = await withRemoteContext(this.#headers, () => this.#open(sent, caller, release));
      if (opened instanceof SingleResult) result = opened;
      return opened;
    } finally {
      // A result releases it when it has ended.
      if (!result) release();
    }
  }

  /** Whether a query or mutation has not sent its result. */
  get isBusy(): boolean {
    return this.#inFlight > 0;
  }

  /** Rejects further operations, and waits until the results of those in flight were sent, at most `drainMs`. */
  async drain(
    rejection: AppError = new ServiceUnavailable('This replica is shutting down; reconnect.'),
  ): Promise<void> {
    this.#rejection = rejection;
    if (!this.isBusy) return;
    const { promise: idle, resolve } = Promise.withResolvers<undefined>();
    const onIdle = (): void => resolve(undefined);
    this.#onIdle.add(onIdle);
    await Promise.race([idle, sleep(drainMs, undefined, { ref: false })]);
    this.#onIdle.delete(onIdle);
    // The completion of the last result is sent in this turn of the event loop.
    await nextTurn();
  }

  #release(): void {
    this.#inFlight -= 1;
    if (!this.isBusy) for (const onIdle of this.#onIdle) onIdle();
  }

  async #open(sent: SentOperation, caller: StreamCaller, release: () => void): Promise<Stream | SingleResult> {
    const { contexts, operations, subscriptions } = this.#options;
    const abort = new AbortController();
    const context = contexts.forRequest(caller.viewer, { ...caller, signal: abort.signal });
    const { operation, isSubscription } = await operations.resolve(sent, context, { canStream: true });
    if (isSubscription) {
      const stream = await subscriptions.open(operation, caller);
      context.runResponseTasks({ isExecuted: true });
      return stream;
    }
    return new SingleResult({ execute: () => this.#execute(operation, context), abort, onEnd: release });
  }

  #execute(operation: SentOperation, context: Context): Promise<FormattedExecutionResult> {
    return withRemoteContext(this.#headers, () =>
      tracedOperation(() => this.#options.operations.execute(operation, context)),
    );
  }
}

import {
  createSourceEventStream,
  OperationTypeNode,
  type ExecutionResult,
  type FormattedExecutionResult,
} from 'graphql';
import type { Viewer } from '../../auth/viewer.js';
import { Overloaded, RequestCancelled, ServiceUnavailable, TooManyAttempts } from '../../errors/app-error.js';
import { EventQueue } from '../../events/event-queue.js';
import type { Client, SentOperation } from '../../persisted-documents/sent-operation.js';
import type { Logger } from '../../telemetry/logger.js';
import type { RejectionCounts } from '../../telemetry/rejection-counts.js';
import {
  activeSpan,
  activeSpanContext,
  withEntrySpan,
  withNewTrace,
  type Attributes,
} from '../../telemetry/tracing.js';
import type { ContextFactory } from '../context/context.js';
import { createStandaloneFormatter } from '../errors/format-error.js';
import { commonStatus } from '../errors/http-status.js';
import { limitErrors } from '../errors/limit-errors.js';
import type { OperationArgs, OperationExecutor } from '../execution/operation-executor.js';
import type { SchemaSource } from '../schema/build-schema.js';
import { callerFields } from '../server/stages/operation-log.js';
import { describeErrors, describeOperation } from '../server/stages/operation-trace.js';
import type { QueryLimits } from '../server/query-limits.js';
import { Stream, StreamError, type StreamEnd, type StreamTransport } from './stream.js';
import { OperationErrors, SubscriptionPreparation } from './subscription-preparation.js';

/** The caller that opens a stream. */
export interface StreamCaller {
  viewer: Viewer;
  client: Client;
  requestId: string;
  address: string;
  transport: StreamTransport;
}

/** The streams of this process, open now and counted since the start. */
export interface StreamStatistics {
  open: Record<StreamTransport, number>;
  /** The maximum number of open streams. */
  limit: number;
  events: number;
  ended: Partial<Record<StreamEnd, number>>;
  rejected: number;
}

/** Limits of the subscriptions of this process. */
interface StreamLimits {
  total: number;
  perViewer: number;
}

export interface SubscriptionServerOptions {
  schema: SchemaSource;
  contexts: ContextFactory;
  executor: OperationExecutor;
  limits: QueryLimits;
  streams: StreamLimits;
  isIntrospectionOpen: boolean;
  rejections: RejectionCounts;
  log: Logger;
}

/**
 * Opens subscriptions for any transport, with the same validation, rules, limits and errors as queries over HTTP. The rule is checked
 * before the source opens. Each event is executed with a separate context, so that its loaders read current rows, on the schema that
 * the stream was validated with.
 */
export class SubscriptionServer {
  readonly #options: SubscriptionServerOptions;
  readonly #formatError: ReturnType<typeof createStandaloneFormatter>;
  readonly #preparation: SubscriptionPreparation;
  readonly #streams = new Set<Stream>();
  readonly #slots = new Map<string, number>();
  readonly #counted: Omit<StreamStatistics, 'open' | 'limit'> = { events: 0, ended: {}, rejected: 0 };
  #reserved = 0;
  #isClosing = false;

  constructor(options: SubscriptionServerOptions) {
    this.#options = options;
    this.#preparation = new SubscriptionPreparation(options);
    this.#formatError = createStandaloneFormatter(options.log);
  }

  /**
   * Opens a stream for an operation whose document `OperationServer` has resolved.
   * @throws StreamError if the operation is rejected; nothing is open then
   */
  async open(operation: SentOperation, caller: StreamCaller): Promise<Stream> {
    let release: (() => void) | null = null;
    try {
      release = this.#reserveSlot(caller.viewer);
      const slot = release;
      const described = { 'auspex.stream.transport': caller.transport, 'auspex.request.id': caller.requestId };
      const stream = await withEntrySpan(
        'subscription',
        () => described,
        () => this.#open(operation, caller, slot),
      );
      if (this.#isClosing) stream.end('shutdown');
      return stream;
    } catch (error) {
      release?.();
      this.#counted.rejected += 1;
      const rejection = this.#streamError(error instanceof OperationErrors ? error.errors : [error]);
      const codes = rejection.errors.map(({ extensions }) => extensions?.code);
      this.#options.rejections.count(codes);
      this.#options.log.info({ ...streamFields(caller), errors: codes.slice(0, 10) }, 'stream rejected');
      throw rejection;
    }
  }

  statistics(): StreamStatistics {
    const open = { websocket: 0, sse: 0, multipart: 0 };
    for (const { transport } of this.#streams) open[transport] += 1;
    return { open, limit: this.#options.streams.total, ...this.#counted };
  }

  /** Ends every stream and rejects new ones. */
  close(): void {
    this.#isClosing = true;
    for (const stream of [...this.#streams]) stream.end('shutdown');
  }

  async #open(resolved: SentOperation, caller: StreamCaller, release: () => void): Promise<Stream> {
    const { contexts, schema, log } = this.#options;
    const { viewer, client, requestId, address, transport } = caller;
    const { args, operation } = this.#preparation.prepare(resolved, schema.current, viewer);
    const name = operation.name?.value ?? null;
    const opening = activeSpan();
    if (opening) describeOperation(opening, operation);
    const origin = activeSpanContext();
    const ended = new AbortController();
    const eventContext = () =>
      contexts.forEvent(viewer, { requestId, address, client, transport, signal: ended.signal });
    const source = await createSourceEventStream({ ...args, contextValue: eventContext() });
    if (!(source instanceof EventQueue)) {
      if ('errors' in source) throw new OperationErrors(limitErrors(source.errors ?? []));
      throw new Error('A subscription must open an EventQueue.');
    }
    const fields = { operation: name, ...streamFields(caller) };
    const startedAt = performance.now();
    log.info(fields, 'stream opened');
    const stream = new Stream({
      transport,
      source,
      execute: async (event) => {
        this.#counted.events += 1;
        return withNewTrace(
          `event ${name ?? 'subscription'}`,
          origin,
          () => eventAttributes(name),
          () => this.#execute({ ...args, rootValue: event, contextValue: eventContext() }),
        );
      },
      formatError: (error) => this.#streamError([error]),
      onEnd: (reason, events) => {
        this.#streams.delete(stream);
        ended.abort(new RequestCancelled());
        release();
        this.#counted.ended[reason] = (this.#counted.ended[reason] ?? 0) + 1;
        log.info({ ...fields, durationMs: Math.round(performance.now() - startedAt), events, reason }, 'stream ended');
      },
    });
    this.#streams.add(stream);
    stream.watch();
    return stream;
  }

  async #execute(args: OperationArgs): Promise<FormattedExecutionResult> {
    const result = await this.#options.executor.execute(args);
    const span = activeSpan();
    if (span && result.errors) describeErrors(span, result.errors);
    return this.#formatResult(result);
  }

  /**
   * Reserves a slot for one stream. @returns a function that releases it, at most once
   * @throws Overloaded, TooManyAttempts, ServiceUnavailable
   */
  #reserveSlot(viewer: Viewer): () => void {
    const { total, perViewer } = this.#options.streams;
    if (this.#isClosing) throw new ServiceUnavailable('This replica is shutting down; subscribe again at another.');
    if (this.#reserved >= total) throw new Overloaded(`Subscription limit (${total}) reached.`, retryAfterSeconds);
    const key = viewer.kind === 'anonymous' ? '' : viewer.userId;
    const open = this.#slots.get(key) ?? 0;
    if (open >= perViewer)
      throw new TooManyAttempts(
        `Subscription limit per viewer (${perViewer}) reached; close one and retry.`,
        retryAfterSeconds,
      );
    this.#slots.set(key, open + 1);
    this.#reserved += 1;
    let isReserved = true;
    return () => {
      if (!isReserved) return;
      isReserved = false;
      this.#reserved -= 1;
      const remaining = (this.#slots.get(key) ?? 1) - 1;
      if (remaining > 0) this.#slots.set(key, remaining);
      else this.#slots.delete(key);
    };
  }

  #formatResult({ data, errors, extensions }: ExecutionResult): FormattedExecutionResult {
    return {
      ...(data === undefined ? {} : { data }),
      ...(errors ? { errors: errors.map(this.#formatError) } : {}),
      ...(extensions ? { extensions } : {}),
    };
  }

  #streamError(errors: readonly unknown[]): StreamError {
    return new StreamError(errors.map(this.#formatError), commonStatus(errors) ?? 200);
  }
}

const retryAfterSeconds = 10;

const streamFields = (caller: StreamCaller) => ({ ...callerFields(caller), requestId: caller.requestId });

const eventAttributes = (name: string | null): Attributes => ({
  'graphql.operation.type': OperationTypeNode.SUBSCRIPTION,
  ...(name === null ? {} : { 'graphql.operation.name': name }),
});

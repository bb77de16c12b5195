import {
  createSourceEventStream,
  execute,
  getOperationAST,
  getVariableValues,
  GraphQLError,
  NoSchemaIntrospectionCustomRule,
  OperationTypeNode,
  parse,
  specifiedRules,
  validate,
  type DocumentNode,
  type ExecutionArgs,
  type FormattedExecutionResult,
  type GraphQLFormattedError,
  type GraphQLSchema,
  type OperationDefinitionNode,
} from 'graphql';
import { LRUCache } from 'lru-cache';
import type { Viewer } from '../auth/viewer.js';
import type { QueryLimits, StreamLimits } from '../config.js';
import type { Client, DocumentGate, SentOperation } from '../documents/document-gate.js';
import { AppError, BadUserInput, Overloaded, ServiceUnavailable, TooManyAttempts } from '../shared/errors.js';
import { EventQueue, type EventReader } from '../shared/event-queue.js';
import type { Logger } from '../shared/logger.js';
import { originHere, spanHere, tracedApart, tracedEntry, type Attributes } from '../shared/tracing.js';
import type { Contexts } from './context.js';
import { createErrorFormatter } from './format-error.js';
import { commonStatus } from './http-status.js';
import { describeErrors, describeOperation } from './operation-trace.js';
import { measure, refuseTooLarge } from './query-limits.js';
import type { Refusals } from './refusals.js';
import type { SchemaSource } from './schema.js';

/** What carries a stream to its reader. */
export type Transport = 'websocket' | 'sse';

/** Who opens a stream. */
export interface StreamCaller {
  viewer: Viewer;
  client: Client;
  requestId: string;
  address: string;
  transport: Transport;
}

/** Why a stream has ended. */
export type StreamEnd = 'reader left' | 'source ended' | 'slow reader' | 'credential' | 'shutdown' | 'failed';

/** What the streams of this process do now, and have done. */
export interface StreamStatistics {
  open: Record<Transport, number>;
  /** How many may be open. */
  limit: number;
  events: number;
  ended: Partial<Record<StreamEnd, number>>;
  refused: number;
}

export interface SubscriptionsOptions {
  schema: SchemaSource;
  contexts: Contexts;
  documents: DocumentGate;
  limits: QueryLimits;
  streams: StreamLimits;
  isIntrospectionOpen: boolean;
  refusals: Refusals;
  log: Logger;
}

/** An operation or its stream came to nothing; `errors` are as the caller may see them. */
export class StreamError extends Error {
  constructor(
    readonly errors: readonly GraphQLFormattedError[],
    /** Of an answer over HTTP that holds nothing else; 200 where the errors are an answer of GraphQL's. */
    readonly httpStatus: number,
  ) {
    super(errors[0]?.message ?? 'The stream failed.');
    this.name = 'StreamError';
  }
}

/** Documents that were parsed and validated, for clients that all come back at once; the least recently used goes. */
const knownDocuments = { max: 500, maxSize: 4_000_000, sizeCalculation: (_document: DocumentNode, query: string) => query.length };

/**
 * Opens subscriptions, whatever carries them: the same gate, grammar, rules, limits and errors that queries meet over HTTP. A
 * rule is asked before the source opens; each event is then executed with a context of its own, so that its loaders read what is
 * true now, and on the schema that the stream was validated with.
 */
export class Subscriptions {
  readonly #options: SubscriptionsOptions;
  readonly #formatError: ReturnType<typeof createErrorFormatter>;
  readonly #known = new WeakMap<GraphQLSchema, LRUCache<string, DocumentNode>>();
  readonly #streams = new Set<Stream>();
  readonly #slots = new Map<string, number>();
  readonly #counted: Omit<StreamStatistics, 'open' | 'limit'> = { events: 0, ended: {}, refused: 0 };
  #taken = 0;
  #isClosing = false;

  constructor(options: SubscriptionsOptions) {
    this.#options = options;
    this.#formatError = createErrorFormatter({ log: options.log, hidesSuggestions: !options.isIntrospectionOpen });
  }

  /**
   * Opens a stream.
   * @throws StreamError where the operation is refused; nothing is open then
   */
  async open(sent: SentOperation, caller: StreamCaller): Promise<Stream> {
    let release: (() => void) | null = null;
    try {
      release = this.#takeSlot(caller.viewer);
      const slot = release;
      const described = { 'auspex.stream.transport': caller.transport, 'auspex.request.id': caller.requestId };
      const stream = await tracedEntry('subscription', () => described, () => this.#open(sent, caller, slot));
      if (this.#isClosing) stream.end('shutdown');
      return stream;
    } catch (error) {
      release?.();
      this.#counted.refused += 1;
      const told = this.#told(error instanceof OperationErrors ? error.errors : [error]);
      this.#options.refusals.count(told.errors.map(({ extensions }) => extensions?.code));
      throw told;
    }
  }

  statistics(): StreamStatistics {
    const open = { websocket: 0, sse: 0 };
    for (const { transport } of this.#streams) open[transport] += 1;
    return { open, limit: this.#options.streams.total, ...this.#counted };
  }

  /** Ends every stream, and opens no more. */
  close(): void {
    this.#isClosing = true;
    for (const stream of [...this.#streams]) stream.end('shutdown');
  }

  async #open(sent: SentOperation, caller: StreamCaller, release: () => void): Promise<Stream> {
    const { documents, contexts, log } = this.#options;
    const { viewer, client, requestId, address, transport } = caller;
    const admitted = await documents.admit(sent, { viewer, client, log: log.child({ requestId }) });
    const { args, operation } = this.#operation(admitted);
    const name = operation.name?.value ?? null;
    const opening = spanHere();
    if (opening) describeOperation(opening, operation);
    const origin = originHere();
    const left = new AbortController();
    const freshContext = () => contexts.ofEvent(viewer, { requestId, address, signal: left.signal });
    const source = await createSourceEventStream({ ...args, contextValue: freshContext() });
    if (!(source instanceof EventQueue)) {
      if ('errors' in source) throw new OperationErrors(source.errors);
      throw new Error('A subscription must open an EventQueue.');
    }
    const about = { operation: name, viewer: viewer.kind === 'stranger' ? null : viewer.userId, transport, requestId };
    const startedAt = performance.now();
    log.info(about, 'stream opened');
    const stream = new Stream({
      transport,
      source,
      execute: async (event) => {
        this.#counted.events += 1;
        return tracedApart(`event ${name ?? 'subscription'}`, origin, () => eventOf(name), () => this.#executed({ ...args, rootValue: event, contextValue: freshContext() }));
      },
      told: (error) => this.#told([error]),
      onEnd: (reason, events) => {
        this.#streams.delete(stream);
        left.abort();
        release();
        this.#counted.ended[reason] = (this.#counted.ended[reason] ?? 0) + 1;
        log.info({ ...about, durationMs: Math.round(performance.now() - startedAt), events, reason }, 'stream ended');
      },
    });
    this.#streams.add(stream);
    stream.watch();
    return stream;
  }

  /** What an event gives its reader. */
  async #executed(args: ExecutionArgs): Promise<FormattedExecutionResult> {
    const result = await execute(args);
    const span = spanHere();
    if (span && result.errors) describeErrors(span, result.errors);
    return this.#answer(result);
  }

  /** The operation as graphql-js takes it. @throws GraphQLError, OperationErrors, BadUserInput */
  #operation({ query, operationName, variables }: SentOperation): { args: ExecutionArgs; operation: OperationDefinitionNode } {
    const { limits, schema: { current: schema } } = this.#options;
    if (typeof query !== 'string' || query === '') throw new BadUserInput('Send the subscription as `query`, a text.');
    if (operationName != null && typeof operationName !== 'string') throw new BadUserInput('operationName must be a text.');
    if (variables != null && (typeof variables !== 'object' || Array.isArray(variables))) throw new BadUserInput('variables must be an object.');
    const variableValues = (variables ?? {}) as Record<string, unknown>;
    const document = this.#validated(schema, query);
    const operation = getOperationAST(document, operationName);
    if (!operation) {
      throw withCode(new GraphQLError(operationName == null ? 'The document has several operations; name one of them by operationName.' : 'The document has no operation of this name.'), 'OPERATION_RESOLUTION_FAILURE');
    }
    refuseUnlessSubscription(operation);
    refuseTooLarge(measure(schema, document, operation, variableValues), limits);
    const coerced = getVariableValues(schema, operation.variableDefinitions ?? [], variableValues, { maxErrors: 50 });
    if (coerced.errors) throw new OperationErrors(coerced.errors.map((error) => withCode(error, 'BAD_USER_INPUT')));
    return { args: { schema, document, operationName: operationName ?? null, variableValues }, operation };
  }

  #validated(schema: GraphQLSchema, query: string): DocumentNode {
    const known: LRUCache<string, DocumentNode> = this.#known.get(schema) ?? new LRUCache(knownDocuments);
    this.#known.set(schema, known);
    const before = known.get(query);
    if (before) return before;
    const { limits, isIntrospectionOpen } = this.#options;
    const document = parsed(query, limits.tokens);
    const errors = validate(schema, document, isIntrospectionOpen ? specifiedRules : [...specifiedRules, NoSchemaIntrospectionCustomRule]);
    if (errors.length > 0) throw new OperationErrors(errors.map((error) => withCode(error, 'GRAPHQL_VALIDATION_FAILED')));
    known.set(query, document);
    return document;
  }

  /**
   * Room for one more stream; answers how to give it back, which counts once.
   * @throws Overloaded, TooManyAttempts, ServiceUnavailable
   */
  #takeSlot(viewer: Viewer): () => void {
    const { total, perViewer } = this.#options.streams;
    if (this.#isClosing) throw new ServiceUnavailable('This replica is shutting down; subscribe again, at another.');
    if (this.#taken >= total) throw new Overloaded(`As many as ${total} streams are open here.`, retryAfterSeconds);
    const key = viewer.kind === 'stranger' ? '' : viewer.userId;
    const own = this.#slots.get(key) ?? 0;
    if (own >= perViewer) throw new TooManyAttempts(`You have ${perViewer} streams open, which is as many as one may have; end one first.`, retryAfterSeconds);
    this.#slots.set(key, own + 1);
    this.#taken += 1;
    let isTaken = true;
    return () => {
      if (!isTaken) return;
      isTaken = false;
      this.#taken -= 1;
      const left = (this.#slots.get(key) ?? 1) - 1;
      if (left > 0) this.#slots.set(key, left);
      else this.#slots.delete(key);
    };
  }

  #answer({ data, errors, extensions }: Awaited<ReturnType<typeof execute>>): FormattedExecutionResult {
    return {
      ...(data === undefined ? {} : { data }),
      ...(errors ? { errors: errors.map((error) => this.#format(error)) } : {}),
      ...(extensions ? { extensions } : {}),
    };
  }

  #told(errors: readonly unknown[]): StreamError {
    return new StreamError(errors.map((error) => this.#format(error)), commonStatus(errors) ?? 200);
  }

  #format(error: unknown): GraphQLFormattedError {
    const known = error instanceof GraphQLError ? error : new GraphQLError(error instanceof Error ? error.message : String(error));
    const { extensions, ...formatted } = known.toJSON();
    // `http` is for Apollo Server, which takes the status of its answer from it.
    const told = Object.entries(extensions ?? {}).filter(([name]) => name !== 'http');
    return this.#formatError({ ...formatted, extensions: Object.fromEntries(told) }, error);
  }
}

const retryAfterSeconds = 10;

const eventOf = (name: string | null): Attributes => ({ 'graphql.operation.type': OperationTypeNode.SUBSCRIPTION, ...(name === null ? {} : { 'graphql.operation.name': name }) });

interface StreamParts {
  transport: Transport;
  source: EventReader<unknown>;
  execute: (event: unknown) => Promise<FormattedExecutionResult>;
  told: (error: unknown) => StreamError;
  onEnd: (reason: StreamEnd, events: number) => void;
}

/** An open subscription: its answers, one for each event. Who reads slowly has events wait in the source, which is bounded. */
export class Stream implements AsyncGenerator<FormattedExecutionResult, undefined, undefined> {
  readonly #parts: StreamParts;
  #reason: StreamEnd | null = null;
  #events = 0;

  constructor(parts: StreamParts) {
    this.#parts = parts;
  }

  get transport(): Transport {
    return this.#parts.transport;
  }

  /** Why it has ended; null while it is open. */
  get reason(): StreamEnd | null {
    return this.#reason;
  }

  /** Whether the reader has still to be told why the stream ended. */
  get hasUntoldError(): boolean {
    return this.#parts.source.hasUntoldError;
  }

  /** Follows the source's end; once, after whoever made the stream can take `onEnd`. */
  watch(): void {
    const { source, onEnd } = this.#parts;
    source.onEnd((error) => {
      const reason = this.#reason ?? (error ? endOf(error) : 'source ended');
      this.#reason = reason;
      onEnd(reason, this.#events);
    });
  }

  /** Calls the listener once the stream has ended. */
  onEnd(listener: (reason: StreamEnd) => void): void {
    this.#parts.source.onEnd(() => listener(this.#reason ?? 'source ended'));
  }

  /** Ends it from outside; the reader is told the error, if there is one. */
  end(reason: StreamEnd, error: AppError | null = null): void {
    this.#reason ??= reason;
    this.#parts.source.end(error);
  }

  /** @throws StreamError where it ended with an error, once */
  async next(): Promise<IteratorResult<FormattedExecutionResult, undefined>> {
    const { source } = this.#parts;
    try {
      const event = await source.next();
      if (event.done) return event;
      const answer = await this.#parts.execute(event.value);
      // What came while it was executed may be that this reader must not have it.
      if (source.hasEnded) return await this.next();
      this.#events += 1;
      return { done: false, value: answer };
    } catch (error) {
      if (error instanceof StreamError) throw error;
      this.end('failed');
      throw this.#parts.told(error);
    }
  }

  async return(): Promise<IteratorResult<FormattedExecutionResult, undefined>> {
    this.#reason ??= 'reader left';
    await this.#parts.source.return();
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

const endOf = ({ code }: AppError): StreamEnd => (code === 'SLOW_READER' ? 'slow reader' : code === 'UNAUTHENTICATED' ? 'credential' : 'failed');

/** Several errors of one operation. */
class OperationErrors extends Error {
  constructor(readonly errors: readonly GraphQLError[]) {
    super('The operation has errors.');
  }
}

function parsed(query: string, maxTokens: number): DocumentNode {
  try {
    return parse(query, { maxTokens });
  } catch (error) {
    throw error instanceof GraphQLError ? withCode(error, 'GRAPHQL_PARSE_FAILED') : error;
  }
}

function refuseUnlessSubscription({ operation }: OperationDefinitionNode): void {
  if (operation === OperationTypeNode.SUBSCRIPTION) return;
  throw new BadUserInput(`Only subscriptions come as a stream; send this ${operation} by HTTP POST, as application/json.`);
}

/** graphql-js has no codes. */
function withCode({ message, nodes, source, positions, path, originalError, extensions }: GraphQLError, code: string): GraphQLError {
  const at = { nodes: nodes ?? null, source: source ?? null, positions: positions ?? null, path: path ?? null };
  return new GraphQLError(message, { ...at, originalError: originalError ?? null, extensions: { ...extensions, code } });
}

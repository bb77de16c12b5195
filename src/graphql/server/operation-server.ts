import {
  HeaderMap,
  type ApolloServer,
  type GraphQLRequest,
  type GraphQLResponse,
  type HTTPGraphQLRequest,
  type HTTPGraphQLResponse,
} from '@apollo/server';
import { getOperationAST, OperationTypeNode, parse, type DocumentNode, type FormattedExecutionResult } from 'graphql';
import { AppError } from '../../errors/app-error.js';
import type { DocumentCaller, DocumentResolver, SentOperation } from '../../persisted-documents/sent-operation.js';
import { trackCost } from '../../telemetry/operation-cost.js';
import type { Context } from '../context/context.js';
import { toAppError } from '../errors/to-app-error.js';
import type { PreparedExecution } from '../prepared-operations/prepared-execution.js';
import type { PreparedOperations } from '../prepared-operations/prepared-operations.js';
import type { ResponseType } from './media-type.js';
import type { OperationLog } from './stages/operation-log.js';
import type { OperationStatistics } from './stages/operation-statistics.js';
import type { QueryLimits } from './query-limits.js';

export interface OperationServerOptions {
  apollo: ApolloServer<Context>;
  prepared: PreparedOperations;
  execution: PreparedExecution;
  /** Serializes a result for HTTP. */
  stringify: (result: FormattedExecutionResult) => string | Promise<string>;
  documents: DocumentResolver;
  operations: OperationStatistics;
  operationLog: OperationLog;
  limits: Pick<QueryLimits, 'tokens'>;
}

/** A subscription came from a client that accepts no stream. */
class StreamRequired extends AppError {
  constructor() {
    super(
      'NOT_ACCEPTABLE',
      'A subscription is streamed: send the header "accept: text/event-stream", or send it over a WebSocket with the protocol graphql-transport-ws.',
    );
  }
}

/** An operation with its text, ready to be executed. */
export interface ResolvedOperation {
  operation: SentOperation;
  /** Whether it is streamed; false also for a document with errors, which are reported when it is executed. */
  isSubscription: boolean;
}

/**
 * Executes queries and mutations of every transport, with the same documents, validation, limits, rules, cache, log and metrics.
 * `SubscriptionServer` executes subscriptions.
 */
export class OperationServer {
  constructor(private readonly options: OperationServerOptions) {}

  /**
   * Replaces the ID of a document with its text. Logs and counts a rejection as an operation.
   * @throws AppError if the document is unknown or may not be executed, or is a subscription that the client cannot receive
   */
  async resolve(
    sent: SentOperation,
    context: Context,
    { canStream }: { canStream: boolean },
  ): Promise<ResolvedOperation> {
    const { documents, operations, operationLog, limits } = this.options;
    const startMs = performance.now();
    try {
      const operation = await documents.resolve(sent, callerOf(context));
      const isStreamed = isSubscription(operation, limits.tokens);
      if (isStreamed && !canStream) throw new StreamRequired();
      return { operation, isSubscription: isStreamed };
    } catch (error) {
      const code = toAppError(error)?.code ?? 'INTERNAL_SERVER_ERROR';
      operations.countRejected(code, startMs, context.cost);
      operationLog.write(context, { operation: null, codes: [code], startMs });
      throw error;
    }
  }

  /** Executes a request of HTTP, whose document was resolved before. */
  async executeHttp(request: HttpOperation, context: Context): Promise<HTTPGraphQLResponse> {
    return trackCost(
      context.cost,
      () =>
        this.#executePrepared(request, context) ??
        this.options.apollo.executeHTTPGraphQLRequest({
          httpGraphQLRequest: request.forApollo(),
          context: () => Promise.resolve(context),
        }),
    );
  }

  /** Executes an operation of a WebSocket, whose protocol has checked the types of its fields. @returns the result, with formatted errors */
  async execute(operation: SentOperation, context: Context): Promise<FormattedExecutionResult> {
    const request = requestOf(operation);
    const { body } = await trackCost(
      context.cost,
      () =>
        this.#respondPrepared(request, context) ??
        this.options.apollo.executeOperation(request, { contextValue: context }),
    );
    return singleResult(body);
  }

  /** Executes a request of HTTP if its operation is prepared; null, before any effect, if Apollo Server must execute or reject it. */
  #executePrepared(request: HttpOperation, context: Context): Promise<HTTPGraphQLResponse> | null {
    const { operation, method, type } = request;
    if (!operation || type === null || !isWellFormed(operation)) return null;
    const http = { method, headers: new HeaderMap([['accept', type]]), search: '', body: undefined };
    const responding = this.#respondPrepared({ ...requestOf(operation), http }, context);
    return responding && this.#completed(responding, type);
  }

  async #completed(responding: Promise<GraphQLResponse>, type: ResponseType): Promise<HTTPGraphQLResponse> {
    const { http, body } = await responding;
    if (!http.headers.has('content-type')) http.headers.set('content-type', `${type}; charset=utf-8`);
    return { ...http, body: { kind: 'complete', string: await this.options.stringify(singleResult(body)) } };
  }

  #respondPrepared(request: GraphQLRequest, context: Context): Promise<GraphQLResponse> | null {
    const { prepared, execution } = this.options;
    const { query = '', operationName = null, http } = request;
    const known = prepared.find(query, operationName);
    if (!known || (http?.method === 'GET' && known.operation.operation !== OperationTypeNode.QUERY)) return null;
    return execution.execute(known, request, context);
  }
}

const callerOf = (context: Context): DocumentCaller => ({
  viewer: context.viewer,
  client: context.client,
  address: context.address,
  // Created at first use: few operations log more than their line.
  get log() {
    return context.log;
  },
  onExecuted: (task) =>
    context.onResponse(({ isExecuted }) => {
      if (isExecuted) task();
    }),
});

/** A request of HTTP for `executeHttp`. */
export interface HttpOperation {
  /** Null if the body is no operation, or if only Apollo Server may decide about the request. */
  operation: SentOperation | null;
  method: string;
  /** The media type of the response; null if none is acceptable. */
  type: ResponseType | null;
  /** The request as Apollo Server takes it. */
  forApollo: () => HTTPGraphQLRequest;
}

/** Whether the fields of an operation have their types; Apollo Server rejects others. */
const isWellFormed = ({ query, operationName, variables, extensions }: SentOperation): boolean =>
  typeof query === 'string' &&
  (operationName == null || typeof operationName === 'string') &&
  (variables == null || isRecord(variables)) &&
  (extensions == null || isRecord(extensions));

function singleResult(body: GraphQLResponse['body']): FormattedExecutionResult {
  if (body.kind === 'single') return body.singleResult;
  throw new Error('An incremental result needs a transport that supports it.');
}

/** The request for Apollo Server, without any other field of the caller, such as `http`. */
function requestOf({ query, operationName, variables, extensions }: SentOperation): GraphQLRequest {
  return {
    query: typeof query === 'string' ? query : '',
    ...(typeof operationName === 'string' ? { operationName } : {}),
    ...(isRecord(variables) ? { variables } : {}),
    ...(isRecord(extensions) ? { extensions } : {}),
  };
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Whether the operation to be executed is a subscription. Documents without the keyword are not parsed. */
function isSubscription({ query, operationName }: SentOperation, maxTokens: number): boolean {
  if (typeof query !== 'string' || !query.includes(OperationTypeNode.SUBSCRIPTION)) return false;
  const document = parsed(query, maxTokens);
  if (!document) return false;
  const name = typeof operationName === 'string' ? operationName : null;
  return getOperationAST(document, name)?.operation === OperationTypeNode.SUBSCRIPTION;
}

function parsed(query: string, maxTokens: number): DocumentNode | null {
  try {
    return parse(query, { maxTokens, noLocation: true });
  } catch {
    return null;
  }
}

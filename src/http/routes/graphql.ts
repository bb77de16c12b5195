import type { HTTPGraphQLResponse } from '@apollo/server';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Readable } from 'node:stream';
import type { Viewer } from '../../auth/viewer.js';
import type { SentOperation } from '../../persisted-documents/sent-operation.js';
import { toAppError } from '../../graphql/errors/to-app-error.js';
import type { ContextFactory } from '../../graphql/context/context.js';
import { chained } from '../../graphql/execution/promises.js';
import { chooseMediaType, responseTypes } from '../../graphql/server/media-type.js';
import type { OperationServer } from '../../graphql/server/operation-server.js';
import { tracedOperation } from '../../graphql/server/stages/operation-trace.js';
import type { RejectionCounts } from '../../telemetry/rejection-counts.js';
import { BadRequest } from '../../errors/app-error.js';
import { maxMessageLength, shortened } from '../../errors/input-validation.js';
import { clientOf } from '../client-name.js';
import { etagOf, isNamed } from './etag.js';
import { graphqlPath } from './graphql-path.js';
import { httpOperation, sentOperation, withParsedParameters } from './graphql-request.js';
import { isBrowserVisit, type LandingHandler } from './landing.js';
import type { RateLimiter } from '../rate-limiter.js';
import { distinctConnections, MethodNotAllowed, NotAcceptable } from '../http-errors.js';
import { abortedWith } from '../server.js';
import { ServerTiming } from '../server-timing.js';
import { acceptedStream, noStream, type AcceptedStream, type StreamFormat } from '../subscriptions/stream-format.js';
import { sendAsEvents, type StreamHandler } from '../subscriptions/stream-response.js';

export interface GraphqlRouteOptions {
  operations: OperationServer;
  contexts: ContextFactory;
  limiter: RateLimiter;
  rejections: RejectionCounts;
  /** Maximum operations per batched request; 0 disables batching. */
  maxBatchedOperations: number;
  /** Whether responses have a Server-Timing header. */
  hasServerTiming: boolean;
  /** Responds with the stream of a subscription. */
  stream: StreamHandler;
  /** Sends browsers a page; null if there is none. */
  landing: LandingHandler | null;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** The caller; known before the body is read. */
    viewer: Viewer;
  }
}

const allowed = 'GET, HEAD, POST';

/** Operations over HTTP at `/graphql`: authenticate, resolve the document, then execute it or open its stream. */
export function addGraphqlRoute(server: FastifyInstance, options: GraphqlRouteOptions): void {
  server.addHook('onRequest', (request, reply, done) => {
    const isAllowed = request.url.split('?', 1)[0] !== graphqlPath || allowed.split(', ').includes(request.method);
    if (!isAllowed) void reply.header('allow', allowed);
    done(isAllowed ? undefined : new MethodNotAllowed(request.method, allowed));
  });
  server.decorateRequest('viewer');
  const { contexts, limiter } = options;
  const timing = options.hasServerTiming ? new ServerTiming() : null;
  server.route({
    method: ['GET', 'HEAD', 'POST'],
    url: graphqlPath,
    onRequest: [
      ...(timing ? [timing.begin] : []),
      async (request, reply) => {
        limiter.rejectKeyGuessing(request.headers, request.client.address);
        request.viewer = await contexts.viewerOf(request.headers);
        await limiter.admit(request.viewer, request.client.address, { reply });
      },
    ],
    ...(timing ? { onSend: timing.setHeader } : {}),
    handler: async (request, reply) => {
      if (options.landing && isBrowserVisit(request)) return options.landing(request, reply);
      const streams = acceptedStream(request.headers.accept);
      rejectSingleConnection(request, streams);
      const call: Call = { request, viewer: request.viewer, signal: abortedWith(reply.raw), streams, timing, options };
      const { body } = request;
      if (request.method === 'POST' && Array.isArray(body)) {
        if (streams.isPreferred) throw new BadRequest('Send one operation, as a JSON object with `query`.');
        if (body.length > 1)
          await limiter.admit(request.viewer, request.client.address, { reply, weight: body.length - 1 });
        return sendBatch(reply, await executeBatch(body, { ...call, streams: noStream }));
      }
      const outcome = await execute(body, call);
      if (outcome.kind === 'subscription') return options.stream(request, reply, outcome);
      const { response } = outcome;
      return streams.isPreferred && (response.status ?? 200) === 200
        ? sendAsEvents(reply, completeText(response))
        : send(request, reply, response);
    },
  });
}

/** A request in flight. */
interface Call {
  request: FastifyRequest;
  viewer: Viewer;
  /** Aborted when the caller disconnects. */
  signal: AbortSignal;
  streams: AcceptedStream;
  timing: ServerTiming | null;
  options: GraphqlRouteOptions;
}

/** What an operation leads to. */
type Outcome =
  | { kind: 'subscription'; operation: SentOperation; format: StreamFormat; onOpened: () => void }
  | { kind: 'response'; response: HTTPGraphQLResponse };

/** @throws AppError if the operation is rejected before execution */
async function execute(body: unknown, call: Call): Promise<Outcome> {
  const { request, viewer, signal, streams, timing, options } = call;
  const { format, isPreferred } = streams;
  const context = options.contexts.forRequest(viewer, {
    requestId: request.id,
    address: request.client.address,
    client: clientOf(request.headers),
    headers: request.headers,
    transport: isPreferred ? 'sse' : 'http',
    signal,
  });
  return tracedOperation(async () => {
    const sent = sentOperation(request, body);
    const resolved = sent ? await options.operations.resolve(sent, context, { canStream: format !== null }) : null;
    if (resolved?.isSubscription && format)
      return {
        kind: 'subscription',
        operation: withParsedParameters(request, resolved.operation),
        format,
        onOpened: () => context.runResponseTasks({ isExecuted: true }),
      };
    // The event of a stream is JSON.
    const type = isPreferred ? 'application/json' : chooseMediaType(request.headers.accept, responseTypes);
    // A mutation whose response cannot be sent must not be executed.
    if (request.method === 'POST' && type === null) throw new NotAcceptable();
    timing?.add(request, context.cost);
    const content = resolved ? { operation: resolved.operation } : { operation: null, body };
    const response = await options.operations.executeHttp(httpOperation(request, content, type), context);
    return { kind: 'response', response };
  });
}

/**
 * Executes batched operations concurrently, each with its context. @returns the responses in order; a rejected operation does not
 * affect the others
 */
async function executeBatch(operations: readonly unknown[], call: Call): Promise<string> {
  const { maxBatchedOperations } = call.options;
  if (maxBatchedOperations === 0)
    throw new BadRequest('Operation batching is disabled; send one operation per request.');
  if (operations.length === 0) throw new BadRequest('The list of operations is empty; send one operation or more.');
  if (operations.length > maxBatchedOperations) {
    throw new BadRequest(
      `The list has ${operations.length} operations, the maximum is ${maxBatchedOperations}; send fewer per request.`,
    );
  }
  const responses = await Promise.all(
    operations.map((operation) =>
      execute(operation, call).then(batchedText, (error: unknown) => rejectionText(error, call.options.rejections)),
    ),
  );
  return `[${responses.map((text) => text.trim()).join(',')}]`;
}

function batchedText(outcome: Outcome): string {
  if (outcome.kind === 'response') return completeText(outcome.response);
  throw new Error('A subscription cannot be part of a batch.');
}

function completeText({ body }: HTTPGraphQLResponse): string {
  if (body.kind === 'complete') return body.string;
  throw new Error('An incremental response cannot be sent as a whole.');
}

/** @throws the error if it is not meant for callers */
function rejectionText(error: unknown, rejections: RejectionCounts): string {
  const known = toAppError(error);
  if (!known) throw error;
  rejections.count([known.code]);
  return JSON.stringify({
    errors: [{ message: shortened(known.message, maxMessageLength), extensions: known.extensions }],
  });
}

const sendBatch = (reply: FastifyReply, text: string): FastifyReply =>
  reply.header('cache-control', 'no-store').type('application/json; charset=utf-8').send(text);

/**
 * Rejects requests of a client in the single connection mode of GraphQL over SSE, which send the token of a reserved stream.
 * @throws BadRequest
 */
function rejectSingleConnection({ headers, url }: FastifyRequest, { isPreferred }: AcceptedStream): void {
  const hasToken = headers['x-graphql-event-stream-token'] !== undefined;
  if (hasToken || (isPreferred && /[?&]token=/.test(url))) throw new BadRequest(distinctConnections);
}

/** Sends the response, or 304 if the caller's copy is current. */
function send(
  { method, headers }: FastifyRequest,
  reply: FastifyReply,
  { status = 200, headers: responseHeaders, body }: HTTPGraphQLResponse,
): FastifyReply | Promise<FastifyReply> {
  void reply.header('cache-control', 'no-store');
  for (const [name, value] of responseHeaders)
    void reply.header(name, name === 'vary' ? joined(reply.getHeader(name), value) : value);
  void reply.code(status);
  if (body.kind !== 'complete') return reply.send(Readable.from(body.asyncIterator));
  if (method === 'POST' || status !== 200 || reply.getHeader('cache-control') === 'no-store')
    return reply.send(body.string);
  return chained(etagOf(body.string), (etag) => {
    void reply.header('etag', etag);
    return isNamed(etag, headers['if-none-match'])
      ? reply.code(304).removeHeader('content-type').send()
      : reply.send(body.string);
  });
}

const joined = (before: number | string | string[] | undefined, more: string): string =>
  before === undefined ? more : `${String(before)}, ${more}`;

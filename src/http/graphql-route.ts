import type { ApolloServer, HTTPGraphQLResponse } from '@apollo/server';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Readable } from 'node:stream';
import type { Viewer } from '../auth/viewer.js';
import type { DocumentGate } from '../documents/document-gate.js';
import type { Context, Contexts } from '../graphql/context.js';
import type { OperationStatistics } from '../graphql/operation-statistics.js';
import type { Refusals } from '../graphql/refusals.js';
import { AppError, BadRequest } from '../shared/errors.js';
import { workingFor } from '../shared/work.js';
import { clientOf } from './client.js';
import { etagOf, isNamed } from './etag.js';
import { admittedRequest } from './graphql-request.js';
import { MethodNotAllowed } from './refusals.js';
import { abortedWith } from './server.js';
import { wantsEventStream, type EventStreamHandler } from './streams/sse.js';

export interface GraphqlRouteOptions {
  apollo: ApolloServer<Context>;
  contexts: Contexts;
  documents: DocumentGate;
  operations: OperationStatistics;
  refusals: Refusals;
  /** Operations that one request may bring as a list; 0: a list is refused. */
  maxBatchedOperations: number;
  /** Answers who wants the answers as they come. */
  eventStream: EventStreamHandler;
}

const path = '/graphql';
const allowed = 'GET, HEAD, POST';

/** Queries and mutations over HTTP at `/graphql`: who is calling, which document it is, and then Apollo Server. */
export function addGraphqlRoute(server: FastifyInstance, options: GraphqlRouteOptions): void {
  server.addHook('onRequest', (request, reply, done) => {
    const isAllowed = request.url.split('?', 1)[0] !== path || allowed.split(', ').includes(request.method);
    if (!isAllowed) void reply.header('allow', allowed);
    done(isAllowed ? undefined : new MethodNotAllowed(request.method, allowed));
  });
  server.route({
    method: ['GET', 'HEAD', 'POST'],
    url: path,
    handler: async (request, reply) => {
      if (wantsEventStream(request)) return options.eventStream(request, reply);
      const viewer = await options.contexts.viewerOf(request.headers);
      const call: Call = { request, viewer, signal: abortedWith(reply.raw), options };
      const { body } = request;
      if (request.method === 'POST' && Array.isArray(body)) return sendBatch(reply, await answerBatch(body, call));
      return send(request, reply, await answer(body, call));
    },
  });
}

/** One request on its way. */
interface Call {
  request: FastifyRequest;
  viewer: Viewer;
  /** Aborted when the caller has gone. */
  signal: AbortSignal;
  options: GraphqlRouteOptions;
}

async function answer(body: unknown, { request, viewer, signal, options }: Call): Promise<HTTPGraphQLResponse> {
  const context = options.contexts.of(viewer, { requestId: request.id, address: request.ip, signal });
  const startMs = performance.now();
  const admitted = admittedRequest(request, body, options.documents, { viewer, client: clientOf(request.headers), log: context.log });
  const httpGraphQLRequest = await admitted.catch((error: unknown) => {
    options.operations.refusedBefore(error instanceof AppError ? error.code : 'INTERNAL_SERVER_ERROR', startMs, context.work);
    throw error;
  });
  return workingFor(context.work, () => options.apollo.executeHTTPGraphQLRequest({ httpGraphQLRequest, context: () => Promise.resolve(context) }));
}

/**
 * The operations of a list, each as if it had come by itself, with a context of its own, all at the same time; their answers
 * in their order. One that is refused does not keep the others from being answered.
 */
async function answerBatch(operations: readonly unknown[], call: Call): Promise<string> {
  const { maxBatchedOperations } = call.options;
  if (maxBatchedOperations === 0) throw new BadRequest('Lists of operations are not taken here (operation batching disabled); send each by itself.');
  if (operations.length === 0) throw new BadRequest('The list of operations is empty; send one operation or more.');
  if (operations.length > maxBatchedOperations) {
    throw new BadRequest(`The list has ${operations.length} operations, and ${maxBatchedOperations} at the most are taken; send it in parts.`);
  }
  const answers = await Promise.all(operations.map((operation) => answer(operation, call).then(completeText, (error: unknown) => refusalText(error, call.options.refusals))));
  return `[${answers.map((text) => text.trim()).join(',')}]`;
}

function completeText({ body }: HTTPGraphQLResponse): string {
  if (body.kind === 'complete') return body.string;
  throw new Error('An answer in parts has no place in a list.');
}

/** @throws the error where it is none that is meant for the caller */
function refusalText(error: unknown, refusals: Refusals): string {
  if (!(error instanceof AppError)) throw error;
  refusals.count([error.code]);
  return JSON.stringify({ errors: [{ message: error.message, extensions: error.extensions }] });
}

const sendBatch = (reply: FastifyReply, text: string): FastifyReply => reply.header('cache-control', 'no-store').type('application/json; charset=utf-8').send(text);

/** The answer; or, where the caller has it already, only that it has not changed. One that may be kept says so itself. */
function send({ method, headers }: FastifyRequest, reply: FastifyReply, { status = 200, headers: answered, body }: HTTPGraphQLResponse): FastifyReply {
  void reply.header('cache-control', 'no-store');
  for (const [name, value] of answered) void reply.header(name, name === 'vary' ? joined(reply.getHeader(name), value) : value);
  void reply.code(status);
  if (body.kind !== 'complete') return reply.send(Readable.from(body.asyncIterator));
  if (method === 'POST' || status !== 200 || reply.getHeader('cache-control') === 'no-store') return reply.send(body.string);
  const etag = etagOf(body.string);
  void reply.header('etag', etag);
  return isNamed(etag, headers['if-none-match']) ? reply.code(304).removeHeader('content-type').send() : reply.send(body.string);
}

const joined = (before: number | string | string[] | undefined, more: string): string => (before === undefined ? more : `${String(before)}, ${more}`);

import { HeaderMap, type ApolloServer, type HTTPGraphQLResponse } from '@apollo/server';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Readable } from 'node:stream';
import type { Viewer } from '../auth/viewer.js';
import type { DocumentCaller, DocumentGate, SentOperation } from '../documents/document-gate.js';
import type { Context, Contexts } from '../graphql/context.js';
import { AppError, BadRequest } from '../shared/errors.js';
import { clientOf } from './client.js';
import { etagOf, isNamed } from './etag.js';
import { assertShallow } from './json-body.js';
import { MethodNotAllowed } from './refusals.js';
import { abortedWith } from './server.js';
import { wantsEventStream, type EventStreamHandler } from './streams/sse.js';

export interface GraphqlRouteOptions {
  apollo: ApolloServer<Context>;
  contexts: Contexts;
  documents: DocumentGate;
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
  const admitted = await admit(request, body, options.documents, { viewer, client: clientOf(request.headers), log: context.log });
  return options.apollo.executeHTTPGraphQLRequest({
    httpGraphQLRequest: { method: methodOf(request), headers: headersOf(request), ...admitted },
    context: () => Promise.resolve(context),
  });
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
  const answers = await Promise.all(operations.map((operation) => answer(operation, call).then(completeText, refusalText)));
  return `[${answers.map((text) => text.trim()).join(',')}]`;
}

function completeText({ body }: HTTPGraphQLResponse): string {
  if (body.kind === 'complete') return body.string;
  throw new Error('An answer in parts has no place in a list.');
}

/** @throws the error where it is none that is meant for the caller */
function refusalText(error: unknown): string {
  if (!(error instanceof AppError)) throw error;
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

/** Node answers HEAD with the headers of GET. */
const methodOf = ({ method }: FastifyRequest): string => (method === 'HEAD' ? 'GET' : method);

/** The body and search with the document's text in place of its id. */
async function admit(request: FastifyRequest, body: unknown, documents: DocumentGate, caller: DocumentCaller): Promise<{ body: unknown; search: string }> {
  const search = request.url.includes('?') ? request.url.slice(request.url.indexOf('?')) : '';
  if (methodOf(request) !== 'GET') return { body: isOperation(body) ? await documents.admit(body, caller) : body, search };
  const sent = operationIn(search);
  const admitted = await documents.admit(sent, caller);
  return { body, search: admitted === sent ? search : searchOf(admitted) };
}

/** What a search says, with `extensions` as the object that its JSON stands for. JSON that is faulty is left for Apollo Server to refuse. */
function operationIn(search: string): SentOperation {
  const parameters = new URLSearchParams(search);
  const names = [...parameters.keys()];
  for (const name of ['query', ...idParameters]) {
    if (names.indexOf(name) !== names.lastIndexOf(name)) throw new BadRequest(`The search parameter ${name} may be given once.`);
  }
  const sent: Record<string, unknown> = Object.fromEntries(parameters);
  for (const name of ['variables', 'extensions']) assertShallow(parameters.get(name) ?? '', `The parameter ${name}`);
  if (typeof sent.extensions === 'string') sent.extensions = jsonIn(sent.extensions);
  return sent;
}

const idParameters = ['documentId', 'id', 'extensions'];

function searchOf(operation: SentOperation): string {
  const texts = Object.entries(operation).map(([name, value]): [string, string] => [name, typeof value === 'string' ? value : JSON.stringify(value)]);
  return `?${new URLSearchParams(texts).toString()}`;
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

const isOperation = (body: unknown): body is SentOperation => typeof body === 'object' && body !== null && !Array.isArray(body);

function headersOf({ headers }: FastifyRequest): HeaderMap {
  const map = new HeaderMap();
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) map.set(name, Array.isArray(value) ? value.join(', ') : value);
  }
  return map;
}

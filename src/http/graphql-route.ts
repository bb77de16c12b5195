import { HeaderMap, type ApolloServer } from '@apollo/server';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Readable } from 'node:stream';
import type { DocumentCaller, DocumentGate, SentOperation } from '../documents/document-gate.js';
import { MalformedDocumentRequest } from '../documents/refusals.js';
import type { Context, Contexts } from '../graphql/context.js';
import { clientOf } from './client.js';
import { abortedWith } from './server.js';
import { wantsEventStream, type EventStreamHandler } from './streams/sse.js';

export interface GraphqlRouteOptions {
  apollo: ApolloServer<Context>;
  contexts: Contexts;
  documents: DocumentGate;
  /** Answers who wants the answers as they come. */
  eventStream: EventStreamHandler;
}

/** Queries and mutations over HTTP at `/graphql`: who is calling, which document it is, and then Apollo Server. */
export function addGraphqlRoute(server: FastifyInstance, { apollo, contexts, documents, eventStream }: GraphqlRouteOptions): void {
  server.route({
    method: ['GET', 'POST'],
    url: '/graphql',
    handler: async (request, reply) => {
      if (wantsEventStream(request)) return eventStream(request, reply);
      const viewer = await contexts.viewerOf(request.headers);
      const context = contexts.of(viewer, { requestId: request.id, address: request.ip, signal: abortedWith(reply.raw) });
      const admitted = await admit(request, documents, { viewer, client: clientOf(request.headers), log: context.log });
      const answer = await apollo.executeHTTPGraphQLRequest({
        httpGraphQLRequest: { method: request.method, headers: headersOf(request), ...admitted },
        context: () => Promise.resolve(context),
      });
      for (const [name, value] of answer.headers) void reply.header(name, value);
      void reply.code(answer.status ?? 200);
      return reply.send(answer.body.kind === 'complete' ? answer.body.string : Readable.from(answer.body.asyncIterator));
    },
  });
}

/** The request's body and search with the document's text in place of its id. */
async function admit(request: FastifyRequest, documents: DocumentGate, caller: DocumentCaller): Promise<{ body: unknown; search: string }> {
  const { body } = request;
  const search = request.url.includes('?') ? request.url.slice(request.url.indexOf('?')) : '';
  if (request.method !== 'GET') return { body: isOperation(body) ? await documents.admit(body, caller) : body, search };
  const sent = operationIn(search);
  const admitted = await documents.admit(sent, caller);
  return { body, search: admitted === sent ? search : searchOf(admitted) };
}

/** What a search says, with `extensions` as the object that its JSON stands for. JSON that is faulty is left for Apollo Server to refuse. */
function operationIn(search: string): SentOperation {
  const parameters = new URLSearchParams(search);
  const names = [...parameters.keys()];
  for (const name of ['query', ...idParameters]) {
    if (names.indexOf(name) !== names.lastIndexOf(name)) throw new MalformedDocumentRequest(`The search parameter ${name} may be given once.`);
  }
  const sent: Record<string, unknown> = Object.fromEntries(parameters);
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

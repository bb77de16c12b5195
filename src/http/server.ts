import { randomUUID } from 'node:crypto';
import cors from '@fastify/cors';
import fastify, { type FastifyError, type FastifyInstance } from 'fastify';
import type { Logger } from '../shared/logger.js';

export interface HttpOptions {
  maxBodyBytes: number;
  trustProxy: boolean;
  corsOrigins: string[];
  log: Logger;
}

/** A request waits so long for its headers and body before the connection is closed. */
const requestTimeoutMs = 30_000;

/** Headers that harm nothing and cost nothing; the landing page brings its own content policy. */
const securityHeaders = { 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer', 'x-frame-options': 'DENY' };

/** Fastify as the gateway uses it: request ids, bounded bodies, errors in GraphQL's form. Routes are added by the caller. */
export function createHttpServer({ maxBodyBytes, trustProxy, corsOrigins, log }: HttpOptions): FastifyInstance {
  const server = fastify({
    bodyLimit: maxBodyBytes,
    trustProxy,
    requestTimeout: requestTimeoutMs,
    forceCloseConnections: 'idle',
    genReqId: ({ headers }) => sentRequestId(headers['x-request-id']) ?? randomUUID(),
  });
  server.addHook('onRequest', (request, reply, done) => {
    reply.headers(securityHeaders).header('x-request-id', request.id);
    done();
  });
  if (corsOrigins.length > 0) {
    void server.register(cors, { origin: corsOrigins, methods: ['GET', 'POST'], exposedHeaders: ['x-request-id', 'retry-after'], maxAge: 86_400 });
  }
  server.setErrorHandler<FastifyError>((error, request, reply) => {
    const status = error.statusCode ?? 500;
    if (status >= 500) log.error({ err: error, requestId: request.id }, 'a request failed');
    const { code, message } = told(error, status, maxBodyBytes);
    return reply.code(status).send({ errors: [{ message, extensions: { code, requestId: request.id } }] });
  });
  server.setNotFoundHandler((request, reply) =>
    reply.code(404).send({ errors: [{ message: `There is nothing at ${request.method} ${request.url.slice(0, 200)}; GraphQL is at /graphql.`, extensions: { code: 'NOT_FOUND' } }] }),
  );
  return server;
}

/** A caller's own request id, if it is one that can be put into a log and a header. */
const sentRequestId = (header: string | string[] | undefined): string | undefined =>
  typeof header === 'string' && /^[\w.:-]{1,100}$/.test(header) ? header : undefined;

/** The code and message for a request that did not get as far as GraphQL. */
function told(error: FastifyError, status: number, maxBodyBytes: number): { code: string; message: string } {
  if (status === 413) return { code: 'PAYLOAD_TOO_LARGE', message: `The request body is larger than ${maxBodyBytes} bytes; send less at a time.` };
  if (status === 415) return { code: 'UNSUPPORTED_MEDIA_TYPE', message: 'Send the operation as application/json.' };
  if (status < 500) return { code: 'BAD_REQUEST', message: `The request is malformed: ${error.message}` };
  return { code: 'INTERNAL_SERVER_ERROR', message: 'Internal error.' };
}

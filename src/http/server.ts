import { randomUUID } from 'node:crypto';
import { STATUS_CODES, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import cors from '@fastify/cors';
import fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest, type ConnectionError } from 'fastify';
import type { Refusals } from '../graphql/refusals.js';
import { AppError, BadRequest } from '../shared/errors.js';
import type { Logger } from '../shared/logger.js';
import { addJsonBody } from './json-body.js';
import { HeadersTooLarge, UriTooLong } from './refusals.js';
import type { RequestStatistics } from './request-statistics.js';

export interface HttpOptions {
  maxBodyBytes: number;
  /** Proxies in front that each add an address to `X-Forwarded-For`. What a caller wrote there itself comes before theirs and is not believed. */
  trustedProxies: number;
  corsOrigins: string[];
  /** Whether a caller who is lost is told of GraphiQL. */
  hasGraphiql: boolean;
  requests: RequestStatistics;
  refusals: Refusals;
  log: Logger;
}

/** A request waits so long for its headers and body before the connection is closed. */
const requestTimeoutMs = 30_000;

/** Servers should read addresses of 8000 characters at the least (RFC 9110, 4.1); more is what bodies are for. */
const maxUrlLength = 8192;

/** Headers that harm nothing and cost nothing; the landing page brings its own content policy. */
const securityHeaders = { 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer', 'x-frame-options': 'DENY' };

/** Fastify as the gateway uses it: request ids, bounded bodies, errors in GraphQL's form. Routes are added by the caller. */
export function createHttpServer({ maxBodyBytes, trustedProxies, corsOrigins, hasGraphiql, requests, refusals, log }: HttpOptions): FastifyInstance {
  const refuse = (error: FastifyError, request: FastifyRequest, reply: FastifyReply): void => {
    // Some statuses, such as 404 and 414, may be kept unless this is said; and an unknown document may be known the next moment.
    void reply.header('cache-control', 'no-store');
    if (error instanceof AppError) {
      refusals.count([error.code]);
      void reply.code(error.httpStatus).send({ errors: [{ message: error.message, extensions: { ...error.extensions, requestId: request.id } }] });
      return;
    }
    const status = error.statusCode ?? 500;
    if (status >= 500) log.error({ err: error, requestId: request.id }, 'a request failed');
    const { code, message } = told(error, status, maxBodyBytes);
    refusals.count([code]);
    void reply.code(status).send({ errors: [{ message, extensions: { code, requestId: request.id } }] });
  };
  const server: FastifyInstance = fastify({
    // Who may take HTTP/2 instead (`upgrade: h2c`) is answered over HTTP/1.1; a socket goes to whoever takes sockets.
    http: { shouldUpgradeCallback: ({ headers }) => headers.upgrade?.toLowerCase() === 'websocket' && server.server.listenerCount('upgrade') > 0 },
    bodyLimit: maxBodyBytes,
    trustProxy: trustedProxies > 0 && ((_address, hop) => hop < trustedProxies),
    requestTimeout: requestTimeoutMs,
    forceCloseConnections: 'idle',
    // What comes over an open connection while the server drains is answered, and the connection closed.
    return503OnClosing: false,
    genReqId: ({ headers }) => sentRequestId(headers['x-request-id']) ?? randomUUID(),
    clientErrorHandler: (error, socket) => refuseConnection(error, socket, requests, refusals),
    // A path that cannot be decoded fails before hooks and the error handler.
    frameworkErrors: (error, request, reply) => {
      requests.watch(request, reply);
      refuse(error, request, reply.headers({ ...securityHeaders, 'x-request-id': request.id }));
    },
  });
  requests.follow(server);
  server.addHook('onRequest', (request, reply, done) => {
    reply.headers(securityHeaders).header('x-request-id', request.id);
    done(request.url.length > maxUrlLength ? new UriTooLong(maxUrlLength) : undefined);
  });
  // A shutdown waits for open connections: what is under way closes its own, and those that browsers open in advance go.
  let isClosing = false;
  const sockets = new Set<Socket>();
  server.server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.addHook('preClose', (done) => {
    isClosing = true;
    for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy();
    done();
  });
  server.addHook('onSend', (_request, reply, _payload, done) => {
    if (isClosing) void reply.header('connection', 'close');
    done();
  });
  if (corsOrigins.length > 0) {
    void server.register(cors, { origin: corsOrigins, methods: ['GET', 'POST'], strictPreflight: false, exposedHeaders: ['x-request-id', 'retry-after'], maxAge: 86_400 });
  }
  addJsonBody(server);
  server.setErrorHandler<FastifyError>(refuse);
  const signpost = hasGraphiql ? 'GraphQL is at /graphql, GraphiQL at /graphiql.' : 'GraphQL is at /graphql.';
  server.setNotFoundHandler((request, reply) =>
    reply.code(404).send({ errors: [{ message: `There is nothing at ${request.method} ${request.url.slice(0, 200)}; ${signpost}`, extensions: { code: 'NOT_FOUND' } }] }),
  );
  return server;
}

/** A signal that is aborted when the connection closes before the answer was sent. */
export function abortedWith(response: ServerResponse): AbortSignal {
  const abort = new AbortController();
  response.once('close', () => {
    if (!response.writableEnded) abort.abort();
  });
  return abort.signal;
}

/** Answers what Node could not read as HTTP, and closes the connection: where the next request begins is not known. */
function refuseConnection(error: ConnectionError, socket: Socket, requests: RequestStatistics, refusals: Refusals): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  const { httpStatus, message, code } = refusalOf(error);
  // Of a request whose body breaks off the caller has gone.
  if (!requests.isFollowing(socket)) {
    requests.countUnread(httpStatus);
    refusals.count([code]);
  }
  const body = JSON.stringify({ errors: [{ message, extensions: { code } }] });
  const headers = { ...securityHeaders, 'content-type': 'application/json; charset=utf-8', 'content-length': Buffer.byteLength(body), connection: 'close' };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  if (socket.writable) socket.write(`HTTP/1.1 ${httpStatus} ${STATUS_CODES[httpStatus] ?? ''}\r\n${lines.join('\r\n')}\r\n\r\n${body}`);
  socket.destroy(error);
}

function refusalOf({ code, rawPacket }: ConnectionError): { httpStatus: number; message: string; code: string } {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return { httpStatus: 408, code: 'REQUEST_TIMEOUT', message: 'The request did not come to its end in time; send it again.' };
  if (code !== 'HPE_HEADER_OVERFLOW') return new BadRequest('The request is no HTTP that can be read.');
  const packet: unknown = rawPacket;
  const firstLine = Buffer.isBuffer(packet) ? packet.indexOf('\r\n') : 0;
  return firstLine === -1 || firstLine > maxUrlLength ? new UriTooLong(maxUrlLength) : new HeadersTooLarge();
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

import { randomUUID } from 'node:crypto';
import { STATUS_CODES, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import cors from '@fastify/cors';
import fastify, {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type ConnectionError,
} from 'fastify';
import { toAppError } from '../graphql/errors/to-app-error.js';
import { retryAfterOf } from '../graphql/errors/http-status.js';
import type { RejectionCounts } from '../telemetry/rejection-counts.js';
import { BadRequest, RequestCancelled, type AppError } from '../errors/app-error.js';
import type { ErrorCode } from '../errors/codes.js';
import { maxMessageLength, shortened } from '../errors/input-validation.js';
import type { Logger } from '../telemetry/logger.js';
import type { ConnectionGate, ConnectionLimits } from './connection-limits.js';
import { hostDenial, type AllowedHosts } from './allowed-hosts.js';
import { clientConnection, hasValidHost, type ClientConnection } from './forwarded.js';
import { addCompression } from './hooks/compression.js';
import { addLingering } from './hooks/drain-connections.js';
import { addHttpsOnly } from './hooks/https-redirect.js';
import { addJsonBody } from './hooks/json-body.js';
import { addLargeBodies } from './hooks/large-bodies.js';
import { withoutTrailingSlash } from './routes/graphql-path.js';
import { rateLimitHeaders } from './rate-limiter.js';
import { HeadersTooLarge, RequestTimeout, UnsupportedMediaType, UriTooLong } from './http-errors.js';
import { originPatterns } from './origins.js';
import type { RequestStatistics } from './hooks/request-statistics.js';
import type { ResponseBuffers } from './hooks/response-buffers.js';
import { addTracing } from './hooks/tracing.js';

export interface HttpOptions {
  maxBodyBytes: number;
  /** Number of trusted proxies; see `clientConnection`. */
  trustedProxies: number;
  corsOrigins: string[];
  isCompressing: boolean;
  /** Null if requests may name any host. */
  hosts: AllowedHosts | null;
  /** Whether plain HTTP is redirected to HTTPS. */
  redirectsToHttps: boolean;
  /** Whether the 404 message mentions GraphiQL. */
  hasGraphiql: boolean;
  /** Bounds the connections; null on a port for operators. */
  connections: { limits: ConnectionLimits; gate: ConnectionGate } | null;
  /** How long a shutdown serves requests on open connections. */
  lingerSeconds: number;
  requests: RequestStatistics;
  buffers: ResponseBuffers;
  rejections: RejectionCounts;
  log: Logger;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** The client's connection; `ip`, `host` and `protocol` of Fastify are those of the nearest proxy. */
    client: ClientConnection;
  }
}

/** Time limits for the headers of a request, for the whole request, and how often they are checked. */
const timeouts = { headersTimeout: 10_000, requestTimeout: 30_000, connectionsCheckingInterval: 2_000 };

/** RFC 9110, 4.1 requires at least 8000; longer documents belong in a body. */
const maxUrlLength = 8192;

/** Longer ones are rejected: Apollo Server's parser of media types takes quadratic time in spaces. */
const maxContentTypeLength = 256;

/** Security headers of every response. Pages set their own content security policy. */
const securityHeaders = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'x-frame-options': 'DENY',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
};

/** Headers that CORS exposes to permitted pages. */
const exposedHeaders = ['x-request-id', 'retry-after', 'server-timing', ...rateLimitHeaders];

/** Creates Fastify with request ids, bounded bodies and errors in GraphQL form. The caller adds routes. */
export function createHttpServer(options: HttpOptions): FastifyInstance {
  const {
    maxBodyBytes,
    trustedProxies,
    corsOrigins,
    isCompressing,
    hosts,
    redirectsToHttps,
    hasGraphiql,
    connections,
    lingerSeconds,
    requests,
    buffers,
    rejections,
    log,
  } = options;
  const sendError = (error: FastifyError, request: FastifyRequest, reply: FastifyReply): void => {
    // Some statuses, such as 404 and 414, are cacheable by default, and an unknown document may be registered next.
    void reply.header('cache-control', 'no-store');
    const known = toAppError(error);
    if (known) {
      rejections.count([known.code]);
      const retryAfter = retryAfterOf([known]);
      if (retryAfter > 0) void reply.header('retry-after', String(retryAfter));
      void reply.code(known.httpStatus).send({
        errors: [
          {
            message: shortened(known.message, maxMessageLength),
            extensions: { ...known.extensions, requestId: request.id },
          },
        ],
      });
      return;
    }
    const status = error.statusCode ?? 500;
    if (status >= 500) log.error({ err: error, requestId: request.id }, 'a request failed');
    const { code, message } = describeError(error, status, maxBodyBytes);
    rejections.count([code]);
    void reply.code(status).send({ errors: [{ message, extensions: { code, requestId: request.id } }] });
  };
  const server: FastifyInstance = fastify({
    // Offers to upgrade to HTTP/2 (`h2c`) get HTTP/1.1; WebSocket upgrades go to their handler.
    http: {
      ...timeouts,
      shouldUpgradeCallback: ({ headers }) =>
        headers.upgrade?.toLowerCase() === 'websocket' && server.server.listenerCount('upgrade') > 0,
    },
    rewriteUrl: (request) => {
      const { url = '' } = request;
      // Fastify reads the URL as it was sent from this property.
      Object.assign(request, { originalUrl: url });
      return withoutTrailingSlash(url);
    },
    bodyLimit: maxBodyBytes,
    requestTimeout: timeouts.requestTimeout,
    forceCloseConnections: 'idle',
    // While draining, requests on open connections are served and the connection is closed.
    return503OnClosing: false,
    genReqId: ({ headers }) => sentRequestId(headers['x-request-id']) ?? randomUUID(),
    schemaController: { compilersFactory: { buildValidator: noSchemas, buildSerializer: noSchemas } },
    clientErrorHandler: (error, socket) => closeWithError(error, socket, requests, rejections),
    // An undecodable path fails before hooks and the error handler.
    frameworkErrors: (error, request, reply) => {
      requests.watch(request, reply);
      sendError(error, request, reply.headers({ ...securityHeaders, 'x-request-id': request.id }));
    },
  });
  requests.follow(server);
  server.decorateRequest('client');
  server.addHook('onRequest', (request, _reply, done) => {
    request.client = clientConnection(request.raw, trustedProxies);
    done();
  });
  connections?.gate.guard(server, connections.limits);
  addTracing(server);
  server.addHook('onRequest', (request, reply, done) => {
    reply.headers(securityHeaders).header('x-request-id', request.id);
    if (request.url.length > maxUrlLength) done(new UriTooLong(maxUrlLength));
    else if ((request.headers['content-type'] ?? '').length > maxContentTypeLength)
      done(new UnsupportedMediaType('The Content-Type is too long; send application/json.'));
    else if (!hasValidHost(request.raw)) done(new BadRequest('Send one valid Host header.'));
    else done(hostDenial(request.raw, request.client, hosts) ?? undefined);
  });
  if (redirectsToHttps) addHttpsOnly(server, hosts);
  addLingering(server, lingerSeconds);
  if (corsOrigins.length > 0) {
    void server.register(cors, {
      origin: originPatterns(corsOrigins),
      methods: ['GET', 'POST'],
      strictPreflight: false,
      exposedHeaders,
      maxAge: 86_400,
    });
  }
  buffers.follow(server);
  if (isCompressing) addCompression(server);
  addLargeBodies(server);
  addJsonBody(server);
  server.setErrorHandler<FastifyError>(sendError);
  const signpost = hasGraphiql ? 'GraphQL is at /graphql, GraphiQL at /graphiql.' : 'GraphQL is at /graphql.';
  server.setNotFoundHandler((request, reply) =>
    reply.code(404).send({
      errors: [
        {
          message: `There is nothing at ${request.method} ${request.url.slice(0, 200)}; ${signpost}`,
          extensions: { code: 'NOT_FOUND' },
        },
      ],
    }),
  );
  return server;
}

/** Routes declare no JSON schemas. Without this, each start would load Fastify's compilers for them, in 40 ms. */
function noSchemas(): never {
  throw new Error('Routes cannot declare JSON schemas; validate by zod.');
}

/** A signal that aborts when the connection closes before the response is sent. */
export function abortedWith(response: ServerResponse): AbortSignal {
  const abort = new AbortController();
  response.once('close', () => {
    if (!response.writableEnded) abort.abort(new RequestCancelled());
  });
  return abort.signal;
}

/** Responds to malformed HTTP and closes the connection, since the next request cannot be located. */
function closeWithError(
  error: ConnectionError,
  socket: Socket,
  requests: RequestStatistics,
  rejections: RejectionCounts,
): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  const { httpStatus, message, code } = connectionErrorOf(error);
  // If the body ends early, the caller has disconnected.
  if (!requests.isFollowing(socket)) {
    requests.countUnread(httpStatus);
    rejections.count([code]);
  }
  const body = JSON.stringify({ errors: [{ message, extensions: { code } }] });
  const headers = {
    ...securityHeaders,
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    connection: 'close',
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  if (socket.writable)
    socket.write(`HTTP/1.1 ${httpStatus} ${STATUS_CODES[httpStatus] ?? ''}\r\n${lines.join('\r\n')}\r\n\r\n${body}`);
  socket.destroy(error);
}

function connectionErrorOf({ code, rawPacket }: ConnectionError): AppError {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return new RequestTimeout();
  if (code !== 'HPE_HEADER_OVERFLOW') return new BadRequest('Malformed HTTP request.');
  const packet: unknown = rawPacket;
  const firstLine = Buffer.isBuffer(packet) ? packet.indexOf('\r\n') : 0;
  return firstLine === -1 || firstLine > maxUrlLength ? new UriTooLong(maxUrlLength) : new HeadersTooLarge();
}

/** The caller's request id, if it is safe for logs and headers. */
const sentRequestId = (header: string | string[] | undefined): string | undefined =>
  typeof header === 'string' && /^[\w.:-]{1,100}$/.test(header) ? header : undefined;

/** The code and message for a request that failed before GraphQL. */
function describeError(
  error: FastifyError,
  status: number,
  maxBodyBytes: number,
): { code: ErrorCode; message: string } {
  if (status === 413)
    return {
      code: 'PAYLOAD_TOO_LARGE',
      message: `The request body exceeds ${maxBodyBytes} bytes; send less at a time.`,
    };
  if (status === 415) return { code: 'UNSUPPORTED_MEDIA_TYPE', message: 'Send the operation as application/json.' };
  if (status < 500)
    return { code: 'BAD_REQUEST', message: shortened(`The request is malformed: ${error.message}`, maxMessageLength) };
  return { code: 'INTERNAL_SERVER_ERROR', message: 'Internal error.' };
}

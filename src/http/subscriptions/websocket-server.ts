import { STATUS_CODES, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import type { ExecutionResult, FormattedExecutionResult, GraphQLError, GraphQLFormattedError } from 'graphql';
import { handleProtocols, makeServer } from 'graphql-ws';
import { WebSocketServer } from 'ws';
import type { SentOperation } from '../../persisted-documents/sent-operation.js';
import { StreamError } from '../../graphql/subscriptions/stream.js';
import { toAppError } from '../../graphql/errors/to-app-error.js';
import { TooManyAttempts, type AppError } from '../../errors/app-error.js';
import { AddressSlots, type Release } from '../connection-limits.js';
import { hostDenial } from '../allowed-hosts.js';
import { clientConnection, hasValidHost, isSameOrigin, type ClientConnection } from '../forwarded.js';
import { isOriginAllowed } from '../origins.js';
import { graphqlPath, withoutTrailingSlash } from '../routes/graphql-path.js';
import { WebsocketConnection, type WebsocketOptions } from './websocket-connection.js';

/** Maximum bytes of a client message. */
const maxMessageBytes = 64 * 1024;

/** Of the sockets that wait for `connection_init`, one address may have this part. */
const pendingShare = 10;

/** Time limit for `connection_init`. */
const initTimeoutMs = 3_000;

/** Ping interval. A client that does not reply before the next ping is disconnected. */
const pingMs = 12_000;

/** Operations over WebSocket at `/graphql` with the `graphql-transport-ws` protocol. A shutdown ends all subscriptions. */
export function addWebsockets(server: FastifyInstance, options: WebsocketOptions): void {
  const connections = new Set<WebsocketConnection>();
  const connected = new Set<WebsocketConnection>();
  const pending = new AddressSlots(Math.ceil(options.limits.pending / pendingShare), options.limits.pending);
  /** Free the slots of sockets that wait for `connection_init`. */
  const waiting = new WeakMap<WebsocketConnection, Release>();
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: maxMessageBytes,
    perMessageDeflate: false,
    clientTracking: false,
    handleProtocols,
  });
  const protocol = makeServer<Record<string, unknown>, WebsocketConnection>({
    connectionInitWaitTimeout: initTimeoutMs,
    onConnect: async ({ connectionParams, extra }) => {
      const isAccepted = await extra.connect(connectionParams ?? {}, connected);
      if (connected.has(extra)) waiting.get(extra)?.();
      return isAccepted;
    },
    onSubscribe: ({ extra }, id, payload) => extra.subscribe(id, payload as unknown as SentOperation),
    // Results are already formatted.
    subscribe: ({ contextValue }) => contextValue as AsyncGenerator<ExecutionResult>,
    onNext: ({ extra }, _id, _payload, _args, result) => extra.payloadOf(result as FormattedExecutionResult),
    onError: (_context, _id, _payload, errors) => errors.flatMap(formattedErrors),
  });

  let isClosing = false;
  server.server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const client = clientConnection(request, options.trustedProxies);
    const rejection =
      rejectionOf(request, client, options) ??
      (isClosing || connected.size >= options.limits.total ? { status: 503 } : null);
    if (rejection !== null) {
      rejectUpgrade(socket, rejection);
      return;
    }
    const { address } = client;
    const [stopWaiting, release] = [pending.take(address), options.gate.take(address)];
    if (!stopWaiting || !release) {
      stopWaiting?.();
      release?.();
      rejectUpgrade(socket, { status: 429, retryAfterSeconds: 1 });
      return;
    }
    socket.once('close', stopWaiting).once('close', release);
    // The socket may fail while the address is counted.
    socket.on('error', () => socket.destroy());
    options.limiter.admitUpgrade(address).then(
      () => (isClosing ? rejectUpgrade(socket, { status: 503 }) : accept(request, socket, head, stopWaiting)),
      (error: unknown) => rejectUpgrade(socket, upgradeRejectionOf(error)),
    );
  });
  const accept = (request: IncomingMessage, socket: Duplex, head: Buffer, stopWaiting: Release): void =>
    sockets.handleUpgrade(request, socket, head, (websocket) => {
      const connection = new WebsocketConnection(websocket, request, options);
      connections.add(connection);
      waiting.set(connection, stopWaiting);
      websocket.once('close', () => {
        connections.delete(connection);
        connected.delete(connection);
      });
      connection.open(protocol);
    });
  const ping = setInterval(() => {
    for (const connection of connections) connection.ping();
  }, pingMs).unref();

  server.addHook('preClose', async () => {
    isClosing = true;
    clearInterval(ping);
    await Promise.all([...connections].map((connection) => connection.drain()));
    // Closed before their streams complete: a client that receives `complete` does not reconnect.
    const closed = [...connections].map((connection) => connection.shutDown());
    options.subscriptions.close();
    await Promise.all(closed);
  });
}

/** Errors of a stream are already formatted; graphql-ws wraps what is thrown. */
function formattedErrors(error: GraphQLError): readonly GraphQLFormattedError[] {
  if (error.originalError instanceof StreamError) return error.originalError.errors;
  return [{ message: 'Internal error.', extensions: { code: 'INTERNAL_SERVER_ERROR' } }];
}

/** Why an upgrade is rejected; null if it is accepted. */
function rejectionOf(
  request: IncomingMessage,
  client: ClientConnection,
  { corsOrigins, hosts, redirectsToHttps }: WebsocketOptions,
): UpgradeRejection | null {
  if (!hasValidHost(request)) return { status: 400 };
  const denial = hostDenial(request, client, hosts);
  if (denial) return { status: denial.httpStatus, error: denial };
  if (withoutTrailingSlash(request.url ?? '').split('?')[0] !== graphqlPath) return { status: 404 };
  if (redirectsToHttps && client.protocol !== 'https') return { status: 403 };
  const { origin } = request.headers;
  // Only browsers send an origin, and pages cannot change it.
  if (origin === undefined || isSameOrigin(origin, client.host)) return null;
  return isOriginAllowed(origin, corsOrigins) ? null : { status: 403 };
}

interface UpgradeRejection {
  status: number;
  retryAfterSeconds?: number;
  /** Sent as the body. */
  error?: AppError;
}

const upgradeRejectionOf = (error: unknown): UpgradeRejection =>
  error instanceof TooManyAttempts
    ? { status: error.httpStatus, retryAfterSeconds: error.retryAfterSeconds }
    : { status: toAppError(error)?.httpStatus ?? 500 };

function rejectUpgrade(socket: Duplex, { status, retryAfterSeconds, error }: UpgradeRejection): void {
  const retryAfter = retryAfterSeconds === undefined ? '' : `retry-after: ${retryAfterSeconds}\r\n`;
  const body = error ? JSON.stringify({ errors: [{ message: error.message, extensions: error.extensions }] }) : '';
  const type = error ? 'content-type: application/json; charset=utf-8\r\n' : '';
  socket.on('error', () => socket.destroy());
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Rejected'}\r\nconnection: close\r\n${retryAfter}${type}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    () => socket.destroy(),
  );
}

import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { GraphQLError, type ExecutionArgs, type ExecutionResult, type FormattedExecutionResult, type GraphQLFormattedError } from 'graphql';
import { CloseCode, handleProtocols, makeServer } from 'graphql-ws';
import { WebSocketServer, type WebSocket } from 'ws';
import type { LiveViewers } from '../../auth/live-viewers.js';
import type { Viewer } from '../../auth/viewer.js';
import type { SentOperation } from '../../documents/document-gate.js';
import type { Contexts } from '../../graphql/context.js';
import type { Refusals } from '../../graphql/refusals.js';
import { StreamError, type Stream, type Subscriptions } from '../../graphql/subscriptions.js';
import { AppError } from '../../shared/errors.js';
import type { Logger } from '../../shared/logger.js';
import { clientOf } from '../client.js';

export interface WebsocketOptions {
  subscriptions: Subscriptions;
  contexts: Contexts;
  liveViewers: LiveViewers;
  /** Origins that pages may connect from, beside the gateway's own: browsers ask no leave before they open a socket. */
  corsOrigins: readonly string[];
  /** Sockets that may be open, in all and for one viewer. */
  limits: { total: number; perViewer: number };
  refusals: Refusals;
  log: Logger;
}

const path = '/graphql';

/** The longest message from a client: an operation with its variables. */
const maxMessageBytes = 64 * 1024;

/** Bytes that may wait on one socket; then it is cut. */
const maxBufferedBytes = 1024 * 1024;

/** A client must say who it is within this. */
const initTimeoutMs = 5_000;

/** So often a client is asked whether it is there. One that does not answer until the next time is not. */
const pingMs = 12_000;

/** What has ended must be read within this; then the socket is cut. */
const graceMs = 5_000;

/** A shutdown waits so long for clients to close their side. */
const goodbyeMs = 1_000;

/** A close code of RFC 6455 that says: not now, try again later. */
const tryAgainLater = 1013;
const goingAway = 1001;

/** A close frame's reason has room for this. */
const maxReasonBytes = 123;

/** Subscriptions over WebSockets at `/graphql`, by the protocol `graphql-transport-ws` of the library graphql-ws. A shutdown of the server ends them, and all others. */
export function addWebsockets(server: FastifyInstance, options: WebsocketOptions): void {
  const connections = new Set<Connection>();
  const sockets = new WebSocketServer({ noServer: true, maxPayload: maxMessageBytes, perMessageDeflate: false, clientTracking: false, handleProtocols });
  const protocol = makeServer<Record<string, unknown>, Connection>({
    connectionInitWaitTimeout: initTimeoutMs,
    onConnect: ({ connectionParams, extra }) => extra.connect(connectionParams ?? {}, connections),
    onSubscribe: ({ extra }, id, payload) => extra.subscribe(id, payload as unknown as SentOperation),
    // Its answers are formatted already; `onNext` and `onError` hand them on as they are.
    subscribe: ({ contextValue }) => contextValue as AsyncGenerator<ExecutionResult>,
    onNext: (_context, _id, _payload, _args, result) => result as FormattedExecutionResult,
    onError: (_context, _id, _payload, errors) => errors.flatMap(told),
  });

  let isClosing = false;
  server.server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const refusal = refusalOf(request, options.corsOrigins) ?? (isClosing || connections.size >= options.limits.total ? 503 : null);
    if (refusal !== null) {
      refuse(socket, refusal);
      return;
    }
    sockets.handleUpgrade(request, socket, head, (websocket) => {
      const connection = new Connection(websocket, request, options);
      connections.add(connection);
      websocket.once('close', () => connections.delete(connection));
      connection.speak(protocol);
    });
  });
  const ping = setInterval(() => {
    for (const connection of connections) connection.ping();
  }, pingMs).unref();

  server.addHook('preClose', async () => {
    isClosing = true;
    clearInterval(ping);
    // Closed before their streams end: who is told that a stream is complete does not come back.
    const gone = [...connections].map((connection) => connection.goAway());
    options.subscriptions.close();
    await Promise.all(gone);
  });
}

type Protocol = ReturnType<typeof makeServer<Record<string, unknown>, Connection>>;

/** One socket: who is at its other end, and its streams. */
class Connection {
  readonly #socket: WebSocket;
  readonly #request: IncomingMessage;
  readonly #options: WebsocketOptions;
  readonly #id = randomUUID();
  readonly #streams = new Set<Stream>();
  #viewer: Viewer = { kind: 'stranger' };
  #client = clientOf({});
  #unwatch: (() => void) | null = null;
  #isThere = true;
  /** Messages that were sent, and those of them that are with the system. */
  #sent = 0;
  #flushed = 0;

  constructor(socket: WebSocket, request: IncomingMessage, options: WebsocketOptions) {
    this.#socket = socket;
    this.#request = request;
    this.#options = options;
  }

  /** Who is known at the other end; null before it has said so. */
  get userId(): string | null {
    return this.#viewer.kind === 'stranger' ? null : this.#viewer.userId;
  }

  speak(protocol: Protocol): void {
    const socket = this.#socket;
    const closed = protocol.opened(
      {
        protocol: socket.protocol,
        send: (text) => this.#send(text),
        close: (code = CloseCode.InternalServerError, reason = '') => this.#close(code, reason),
        onMessage: (take) => {
          socket.on('message', (data: Buffer, isBinary: boolean) => {
            if (isBinary) this.#close(CloseCode.BadRequest, 'Send messages as text.');
            else take(data.toString()).catch((error: unknown) => this.#fail(error));
          });
        },
      },
      this,
    );
    socket.on('pong', () => (this.#isThere = true));
    // A frame that is too long or malformed; ws closes the socket by itself.
    socket.on('error', (error) => this.#options.log.debug({ err: error, requestId: this.#id }, 'a websocket failed'));
    socket.once('close', (code: number, reason: Buffer) => {
      this.#unwatch?.();
      closed(code, reason.toString()).catch((error: unknown) => this.#options.log.error({ err: error }, 'a websocket was not put away'));
    });
  }

  /** Who is calling: by the connection's parameters, or by the headers of its upgrade. */
  async connect(params: Readonly<Record<string, unknown>>, connections: ReadonlySet<Connection>): Promise<boolean> {
    const { contexts, liveViewers, limits } = this.#options;
    const { headers } = this.#request;
    const said = Object.fromEntries(Object.entries(params).map(([name, value]) => [name.toLowerCase(), value]));
    const text = (...names: string[]): string | undefined => names.map((name) => said[name]).find((value) => typeof value === 'string');
    const sent = { authorization: text('authorization'), 'x-api-key': text('x-api-key', 'apikey') };
    const hasSaid = sent.authorization !== undefined || sent['x-api-key'] !== undefined;
    this.#client = clientOf({ ...headers, ...said });
    try {
      const viewer = await contexts.viewerOf(hasSaid ? sent : headers);
      const unwatch = await liveViewers.watch(viewer, (error) => this.#endWith(error));
      if (this.#socket.readyState !== this.#socket.OPEN) {
        unwatch();
        return true;
      }
      this.#unwatch = unwatch;
      this.#viewer = viewer;
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      this.#options.refusals.count([error.code]);
      this.#close(CloseCode.Forbidden, error.message);
      return true; // what would be sent is not, over a socket that is closing
    }
    const own = [...connections].filter(({ userId }) => userId !== null && userId === this.userId);
    if (own.length > limits.perViewer) this.#close(tryAgainLater, `You have ${limits.perViewer} sockets open; close one first.`);
    return true;
  }

  async subscribe(id: string, sent: SentOperation): Promise<ExecutionArgs | GraphQLError[]> {
    try {
      const stream = await this.#options.subscriptions.open(sent, {
        viewer: this.#viewer,
        client: this.#client,
        requestId: `${this.#id}:${id.slice(0, 40)}`,
        address: this.#request.socket.remoteAddress ?? '',
        transport: 'websocket',
      });
      this.#follow(stream);
      return handedOver(stream);
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
      return [new GraphQLError(error.message, { originalError: error })];
    }
  }

  ping(): void {
    if (!this.#isThere) {
      this.#cut('it does not answer');
      return;
    }
    this.#isThere = false;
    this.#socket.ping();
  }

  /** The replica shuts down: the client is to connect again, elsewhere. */
  async goAway(): Promise<void> {
    if (this.#socket.readyState === this.#socket.CLOSED) return;
    const closed = once(this.#socket, 'close');
    this.#close(goingAway, 'The replica is shutting down; connect again.', goodbyeMs);
    for (const stream of this.#streams) stream.end('shutdown');
    await closed;
  }

  #follow(stream: Stream): void {
    this.#streams.add(stream);
    stream.onEnd(() => {
      this.#streams.delete(stream);
      if (!stream.hasUntoldError) return;
      // The reader is so far behind that it has to read before it can be told.
      const unread = this.#sent;
      const cut = setTimeout(() => {
        if (stream.hasUntoldError || this.#flushed < unread) this.#cut('it does not read');
      }, graceMs).unref();
      this.#socket.once('close', () => clearTimeout(cut));
    });
    if (this.#socket.readyState !== this.#socket.OPEN) void stream.return();
  }

  /** The credential is good no more: 4403, upon which clients fetch another and connect again. */
  #endWith(error: AppError): void {
    this.#close(CloseCode.Forbidden, error.message);
    for (const stream of this.#streams) stream.end('credential');
  }

  #close(code: number, reason: string, waitMs = graceMs): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    this.#socket.close(code, fitting(reason));
    const cut = setTimeout(() => this.#cut('it does not close'), waitMs).unref();
    this.#socket.once('close', () => clearTimeout(cut));
  }

  /** Resolves once the message is with the system, so that a slow reader is felt by who tells. */
  #send(text: string): Promise<void> {
    const socket = this.#socket;
    if (socket.readyState !== socket.OPEN) return Promise.resolve();
    if (socket.bufferedAmount > maxBufferedBytes) {
      this.#cut('it does not read');
      return Promise.resolve();
    }
    this.#sent += 1;
    return new Promise((resolve) => {
      // A socket that fails is put away by its `close`; who tells has nothing to do about it.
      socket.send(text, () => {
        this.#flushed += 1;
        resolve();
      });
    });
  }

  #cut(reason: string): void {
    if (this.#socket.readyState === this.#socket.CLOSED) return;
    this.#options.log.info({ requestId: this.#id, viewer: this.userId, reason }, 'a websocket was cut');
    this.#socket.terminate();
  }

  #fail(error: unknown): void {
    // The protocol's own words for a message that only servers send.
    if (error instanceof Error && error.message.startsWith('Unexpected message of type ')) {
      this.#close(CloseCode.BadRequest, 'Clients do not send messages of this type.');
      return;
    }
    this.#options.log.error({ err: error, requestId: this.#id }, 'a websocket failed');
    this.#close(CloseCode.InternalServerError, 'Internal error.');
  }
}

/** What graphql-ws would execute. It is a stream already; the document only says that it is one. */
const handedOver = (stream: Stream): ExecutionArgs =>
  ({ document: anySubscription, contextValue: stream, rootValue: undefined }) as unknown as ExecutionArgs;

const anySubscription = {
  kind: 'Document',
  definitions: [{ kind: 'OperationDefinition', operation: 'subscription', selectionSet: { kind: 'SelectionSet', selections: [] } }],
} as const;

/** A stream's errors are as they may be seen; graphql-ws wraps what is thrown. */
function told(error: GraphQLError): readonly GraphQLFormattedError[] {
  if (error.originalError instanceof StreamError) return error.originalError.errors;
  return [{ message: 'Internal error.', extensions: { code: 'INTERNAL_SERVER_ERROR' } }];
}

/** The status to refuse an upgrade with; null where it is fine. */
function refusalOf({ url = '', headers }: IncomingMessage, corsOrigins: readonly string[]): number | null {
  if (url.split('?')[0] !== path) return 404;
  const { origin, host } = headers;
  // Programs send no origin; a page sends its own, and cannot change it.
  const isOwn = origin === undefined || URL.parse(origin)?.host === host;
  return isOwn || corsOrigins.includes(origin) ? null : 403;
}

function refuse(socket: Duplex, status: number): void {
  const reason = { 403: 'Forbidden', 404: 'Not Found', 503: 'Service Unavailable' }[status] ?? 'Refused';
  socket.on('error', () => socket.destroy());
  socket.end(`HTTP/1.1 ${status} ${reason}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`, () => socket.destroy());
}

/** A reason cut to what a close frame takes. */
function fitting(reason: string): string {
  let text = reason;
  while (Buffer.byteLength(text) > maxReasonBytes) text = text.slice(0, -1);
  return text;
}


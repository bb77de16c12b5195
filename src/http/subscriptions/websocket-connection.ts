import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { GraphQLError, type ExecutionArgs, type FormattedExecutionResult } from 'graphql';
import { CloseCode, type makeServer } from 'graphql-ws';
import type { WebSocket } from 'ws';
import type { CredentialWatcher } from '../../auth/credential-watcher.js';
import type { Viewer } from '../../auth/viewer.js';
import type { Client, SentOperation } from '../../persisted-documents/sent-operation.js';
import { toAppError } from '../../graphql/errors/to-app-error.js';
import type { RejectionCounts } from '../../telemetry/rejection-counts.js';
import { Stream, StreamError } from '../../graphql/subscriptions/stream.js';
import { type AppError, BadRequest } from '../../errors/app-error.js';
import type { Logger } from '../../telemetry/logger.js';
import { viewerId } from '../../graphql/relay/global-id.js';
import type { AllowedHosts } from '../allowed-hosts.js';
import { clientConnection } from '../forwarded.js';
import type { ConnectionGate } from '../connection-limits.js';
import type { ResponseBuffers } from '../hooks/response-buffers.js';
import type { RateLimiter } from '../rate-limiter.js';
import { clientIn, credentialsIn } from './connection-params.js';
import { SocketOperations, type SocketOperationsOptions } from './socket-operations.js';
import { executionArgs, ResultMessages, withQuery } from './websocket-message.js';
import { WebsocketSender } from './websocket-sender.js';

export interface WebsocketOptions extends SocketOperationsOptions {
  credentialWatcher: CredentialWatcher;
  limiter: RateLimiter;
  trustedProxies: number;
  /** Null if requests may name any host. */
  hosts: AllowedHosts | null;
  /** Whether connections that reached the proxy over plain HTTP are rejected. */
  redirectsToHttps: boolean;
  /** Permitted origins besides the gateway's own. Browsers send no preflight for WebSockets. */
  corsOrigins: readonly string[];
  /** Maximum open sockets, in total, per viewer, and without a viewer yet. */
  limits: { total: number; perViewer: number; pending: number };
  gate: ConnectionGate;
  buffers: ResponseBuffers;
  rejections: RejectionCounts;
  log: Logger;
}

/** A socket that has another message while more bytes wait is cut. The limit of HTTP connections, too: a few large results. */
const maxWaitingBytes = 16 * 1024 * 1024;

/** Time for a client to read the end of its streams before the socket is cut. */
const graceMs = 5_000;

/** The same for a client that has not signed in. */
const pendingGraceMs = 500;

/** How long a shutdown waits for clients to close. */
const shutdownGraceMs = 1_000;

/** Close code of RFC 6455: try again later. */
const tryAgainLater = 1013;
const shuttingDown = 1001;

/** Maximum bytes of a close reason. */
const maxReasonBytes = 123;

export type WebsocketProtocol = ReturnType<typeof makeServer<Record<string, unknown>, WebsocketConnection>>;

/** A socket with its viewer, its streams, and its queries and mutations in flight. */
export class WebsocketConnection {
  readonly #socket: WebSocket;
  readonly #request: IncomingMessage;
  readonly #options: WebsocketOptions;
  readonly #id = randomUUID();
  readonly #address: string;
  readonly #streams = new Set<Stream>();
  readonly #operations: SocketOperations;
  readonly #results = new ResultMessages();
  readonly #sender: WebsocketSender;
  #viewer: Viewer = { kind: 'anonymous' };
  #client: Client = { name: null, version: null };
  #unwatch: (() => void) | null = null;
  #isThere = true;
  /** Messages sent, and those handed to the operating system. */
  #sent = 0;
  #flushed = 0;

  constructor(socket: WebSocket, request: IncomingMessage, options: WebsocketOptions) {
    this.#socket = socket;
    this.#sender = new WebsocketSender(socket);
    this.#request = request;
    this.#options = options;
    this.#operations = new SocketOperations(options, request.headers);
    this.#address = clientConnection(request, options.trustedProxies).address;
  }

  /** The authenticated viewer; null before `connection_init`. */
  get userId(): string | null {
    return this.#viewer.kind === 'anonymous' ? null : this.#viewer.userId;
  }

  open(protocol: WebsocketProtocol): void {
    const socket = this.#socket;
    this.#options.buffers.followQueue(this.#request.socket, () => this.#sender.queued);
    const closed = protocol.opened(
      {
        protocol: socket.protocol,
        send: (text) => this.#send(this.#results.messageOf(text)),
        close: (code = CloseCode.InternalServerError, reason = '') => this.#close(code, reason),
        onMessage: (take) => {
          socket.on('message', (data: Buffer, isBinary: boolean) => {
            if (isBinary) this.#close(CloseCode.BadRequest, 'Send messages as text.');
            else this.#take(data.toString(), take).catch((error: unknown) => this.#fail(error));
          });
        },
      },
      this,
    );
    socket.on('pong', () => (this.#isThere = true));
    // An oversized or malformed frame; ws closes the socket.
    socket.on('error', (error) => this.#options.log.debug({ err: error, requestId: this.#id }, 'WebSocket error'));
    socket.once('close', (code: number, reason: Buffer) => {
      this.#unwatch?.();
      closed(code, reason.toString()).catch((error: unknown) =>
        this.#options.log.error({ err: error }, 'WebSocket cleanup failed'),
      );
    });
  }

  /**
   * Authenticates by the connection parameters, or by the headers of the upgrade.
   * @param connected the connections with a viewer, to which this one is added
   */
  async connect(params: Readonly<Record<string, unknown>>, connected: Set<WebsocketConnection>): Promise<boolean> {
    const { contexts, credentialWatcher, limiter, limits } = this.#options;
    const { headers } = this.#request;
    this.#client = clientIn(params, headers);
    try {
      const credentials = credentialsIn(params) ?? headers;
      limiter.rejectKeyGuessing(credentials, this.#address);
      const viewer = await contexts.viewerOf(credentials);
      await limiter.admit(viewer, this.#address);
      const unwatch = await credentialWatcher.watch(viewer, (error) => this.#endWith(error));
      if (this.#socket.readyState !== this.#socket.OPEN) {
        unwatch();
        return true;
      }
      this.#unwatch = unwatch;
      this.#viewer = viewer;
      connected.add(this);
    } catch (error) {
      const known = toAppError(error);
      if (!known) throw error;
      this.#options.rejections.count([known.code]);
      this.#close([429, 503].includes(known.httpStatus) ? tryAgainLater : CloseCode.Forbidden, known.message);
      return true; // what would be sent is not, over a socket that is closing
    }
    const own = [...connected].filter(({ userId }) => userId === this.userId);
    if (connected.size > limits.total)
      this.#close(tryAgainLater, `Socket limit (${limits.total}) of this replica reached; retry.`);
    else if (own.length > limits.perViewer)
      this.#close(tryAgainLater, `Socket limit (${limits.perViewer}) reached; close one and retry.`);
    return true;
  }

  /** Opens the stream of a subscription, or prepares the execution of a query or mutation. */
  async subscribe(id: string, sent: SentOperation): Promise<ExecutionArgs | GraphQLError[]> {
    try {
      await this.#options.limiter.admit(this.#viewer, this.#address);
      const opened = await this.#operations.open(sent, {
        viewer: this.#viewer,
        client: this.#client,
        requestId: `${this.#id}:${id.slice(0, 40)}`,
        address: this.#address,
        transport: 'websocket',
      });
      if (opened instanceof Stream) this.#follow(opened);
      return executionArgs(opened);
    } catch (error) {
      if (error instanceof StreamError) return [new GraphQLError(error.message, { originalError: error })];
      const known = toAppError(error);
      if (!known) throw error;
      this.#options.rejections.count([known.code]);
      const rejection = new StreamError([{ message: known.message, extensions: { ...known.extensions } }], 200);
      return [new GraphQLError(known.message, { originalError: rejection })];
    }
  }

  /** What graphql-ws serializes as the payload of a result. */
  payloadOf(result: FormattedExecutionResult): Promise<FormattedExecutionResult> {
    return this.#results.payloadOf(result);
  }

  ping(): void {
    if (!this.#isThere) {
      this.#cut('ping timed out');
      return;
    }
    this.#isThere = false;
    this.#socket.ping();
  }

  /** Rejects further operations, and waits a bounded time for queries and mutations in flight. */
  drain(): Promise<void> {
    return this.#operations.drain();
  }

  /** Closes the socket with a code that makes the client reconnect to another replica. */
  async shutDown(): Promise<void> {
    if (this.#socket.readyState === this.#socket.CLOSED) return;
    const closed = once(this.#socket, 'close');
    this.#close(shuttingDown, 'The replica is shutting down; reconnect.', shutdownGraceMs);
    for (const stream of this.#streams) stream.end('shutdown');
    await closed;
  }

  async #take(text: string, take: (text: string) => Promise<void>): Promise<void> {
    try {
      await take(withQuery(text));
    } catch (error) {
      if (!(error instanceof BadRequest)) throw error;
      this.#close(CloseCode.BadRequest, error.message);
    }
  }

  #follow(stream: Stream): void {
    this.#streams.add(stream);
    stream.onEnd(() => {
      this.#streams.delete(stream);
      if (!stream.hasPendingError) return;
      // The client is too far behind to receive the reason.
      const unread = this.#sent;
      const cut = setTimeout(() => {
        if (stream.hasPendingError || this.#flushed < unread) this.#cut('slow reader');
      }, graceMs).unref();
      this.#socket.once('close', () => clearTimeout(cut));
    });
    if (this.#socket.readyState !== this.#socket.OPEN) void stream.return();
  }

  /** The credential is no longer valid: 4403, after which clients refresh it and reconnect. */
  #endWith(error: AppError): void {
    // A sign-out on the socket itself sends its result first.
    if (this.#operations.isBusy)
      void this.#operations.drain(error).then(() => this.#close(CloseCode.Forbidden, error.message));
    else this.#close(CloseCode.Forbidden, error.message);
    for (const stream of this.#streams) stream.end('credential');
  }

  #close(code: number, reason: string, waitMs = this.userId === null ? pendingGraceMs : graceMs): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    this.#socket.close(code, truncateReason(reason));
    const cut = setTimeout(() => this.#cut('close timeout'), waitMs).unref();
    this.#socket.once('close', () => clearTimeout(cut));
  }

  /** Resolves once the message is handed to the operating system, for backpressure. */
  async #send(text: string): Promise<void> {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    if (this.#sender.queued + this.#socket.bufferedAmount > maxWaitingBytes) {
      this.#cut('slow reader');
      return;
    }
    this.#sent += 1;
    await this.#sender.send(text);
    this.#flushed += 1;
  }

  #cut(reason: string): void {
    if (this.#socket.readyState === this.#socket.CLOSED) return;
    this.#options.log.info(
      { requestId: this.#id, viewer: viewerId(this.#viewer), address: this.#address, reason },
      'WebSocket cut',
    );
    this.#socket.terminate();
  }

  #fail(error: unknown): void {
    // The protocol's reason for a message that only servers may send.
    if (error instanceof Error && error.message.startsWith('Unexpected message of type ')) {
      this.#close(CloseCode.BadRequest, 'Clients do not send messages of this type.');
      return;
    }
    this.#options.log.error({ err: error, requestId: this.#id }, 'WebSocket error');
    this.#close(CloseCode.InternalServerError, 'Internal error.');
  }
}

/** A reason truncated to fit a close frame. */
function truncateReason(reason: string): string {
  let text = reason.slice(0, maxReasonBytes);
  while (Buffer.byteLength(text) > maxReasonBytes) text = text.slice(0, -1);
  return text;
}

import type { Socket } from 'node:net';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from '../../telemetry/logger.js';

/** Why a connection was cut. */
export type CutReason = 'slow_reader' | 'connection_limit' | 'process_limit';

export interface ResponseBufferOptions {
  /** Maximum bytes of responses that wait for their readers, in this process. */
  maxBytes: number;
  /** Maximum bytes on one connection, except for a single larger response. */
  maxBytesPerConnection?: number;
  /** A connection that takes no byte for so long is cut. */
  stallMs?: number;
  /** A response is cut if its reader is slower for longer than `stallMs`. */
  minBytesPerSecond?: number;
  sweepMs?: number;
}

const defaults = {
  maxBytesPerConnection: 16 * 1024 * 1024,
  stallMs: 20_000,
  minBytesPerSecond: 16 * 1024,
  sweepMs: 1_000,
};

/** A response that its reader has not taken completely. */
interface PendingResponse {
  request: FastifyRequest;
  reply: FastifyReply;
  socket: Socket;
  bytes: number;
  startedMs: number;
  isTimed: boolean;
}

/** The progress of an event stream or a WebSocket. */
interface StreamProgress {
  taken: number;
  sinceMs: number;
}

/**
 * Bounds the memory of responses that wait for slow readers, per connection and process, and cuts readers that stop. Beyond the
 * limit of the process the response that waits longest is cut, since others are usually read within milliseconds.
 */
export class ResponseBuffers {
  readonly cut: Record<CutReason, number> = { slow_reader: 0, connection_limit: 0, process_limit: 0 };
  readonly #options: Required<ResponseBufferOptions>;
  readonly #log: Logger;
  /** In the order in which they were sent. */
  readonly #pending = new Set<PendingResponse>();
  readonly #streams = new Map<Socket, StreamProgress>();
  readonly #queues = new WeakMap<Socket, () => number>();
  #pendingBytes = 0;
  #streamBytes = 0;

  constructor(options: ResponseBufferOptions, log: Logger) {
    this.#options = { ...defaults, ...options };
    this.#log = log;
  }

  /** Bytes that wait for their readers; those of streams as of the last sweep. */
  get bytes(): number {
    return this.#pendingBytes + this.#streamBytes;
  }

  /** Follows the responses of a server, also its streams and WebSockets. Call it before compression is added. */
  follow(server: FastifyInstance): void {
    server.addHook('onSend', (request, reply, payload, done) => {
      const bytes = typeof payload === 'string' ? payload.length : Buffer.isBuffer(payload) ? payload.byteLength : 0;
      if (bytes > 0) this.#add(request, reply, bytes);
      else if (payload != null) this.#followStream(request.raw.socket);
      done();
    });
    server.server.on('upgrade', (_request, socket: Socket) => this.#followStream(socket));
    const sweep = setInterval(() => this.#sweep(), this.#options.sweepMs).unref();
    server.addHook('onClose', (_server, done) => {
      clearInterval(sweep);
      done();
    });
  }

  /** Counts what waits to be handed to a socket, besides what the socket buffers. */
  followQueue(socket: Socket, queuedBytes: () => number): void {
    this.#queues.set(socket, queuedBytes);
  }

  /** Bytes that wait for the reader of a stream. */
  #waitingOn(socket: Socket): number {
    return socket.destroyed ? 0 : socket.writableLength + (this.#queues.get(socket)?.() ?? 0);
  }

  #add(request: FastifyRequest, reply: FastifyReply, bytes: number): void {
    const { socket } = request.raw;
    const response = { request, reply, socket, bytes, startedMs: performance.now(), isTimed: false };
    this.#pending.add(response);
    this.#pendingBytes += bytes;
    reply.raw.once('close', () => this.#remove(response));
    if (bytes > this.#options.maxBytesPerConnection || this.#pending.size > 1) this.#enforceLimits(response);
  }

  #remove(response: PendingResponse): void {
    if (this.#pending.delete(response)) this.#pendingBytes -= response.bytes;
  }

  #enforceLimits(latest: PendingResponse): void {
    if (this.#pendingBytes > this.#options.maxBytesPerConnection) {
      const own = [...this.#pending].filter(({ socket }) => socket === latest.socket);
      const ownBytes = own.reduce((sum, { bytes }) => sum + bytes, 0);
      if (own.length > 1 && ownBytes > this.#options.maxBytesPerConnection) this.#cut(latest, 'connection_limit');
    }
    for (const response of this.#pending) {
      if (this.bytes <= this.#options.maxBytes) return;
      if (response !== latest) this.#cut(response, 'process_limit');
    }
  }

  #followStream(socket: Socket): void {
    if (this.#streams.has(socket)) return;
    this.#streams.set(socket, { taken: takenBy(socket), sinceMs: performance.now() });
    socket.once('close', () => this.#streams.delete(socket));
  }

  #sweep(): void {
    const { stallMs, minBytesPerSecond } = this.#options;
    const now = performance.now();
    for (const response of this.#pending) {
      if (now - response.startedMs > stallMs + (response.bytes / minBytesPerSecond) * 1000) {
        this.#cut(response, 'slow_reader');
      } else if (!response.isTimed) {
        response.isTimed = true;
        // Node's timeout knows what the operating system has taken of a chunk.
        response.reply.raw.setTimeout(stallMs, () => this.#cut(response, 'slow_reader'));
      }
    }
    this.#sweepStreams(now);
  }

  #sweepStreams(now: number): void {
    this.#streamBytes = 0;
    for (const [socket, progress] of this.#streams) {
      const taken = takenBy(socket);
      const isWaiting = socket.writableLength > 0;
      if (!isWaiting || taken !== progress.taken) this.#streams.set(socket, { taken, sinceMs: now });
      else if (now - progress.sinceMs > this.#options.stallMs) this.#cutStream(socket, 'slow_reader');
      this.#streamBytes += this.#waitingOn(socket);
    }
    if (this.bytes <= this.#options.maxBytes) return;
    const byLength = [...this.#streams.keys()].sort((one, other) => this.#waitingOn(other) - this.#waitingOn(one));
    for (const socket of byLength) {
      if (this.bytes <= this.#options.maxBytes) return;
      this.#streamBytes -= this.#waitingOn(socket);
      this.#cutStream(socket, 'process_limit');
    }
  }

  #cut(response: PendingResponse, reason: CutReason): void {
    const { request, socket, bytes, startedMs } = response;
    for (const other of this.#pending) if (other.socket === socket) this.#remove(other);
    if (socket.destroyed) return;
    const { address } = request.client;
    this.#count(socket, reason, { requestId: request.id, address, bytes, waitedMs: waited(startedMs) });
  }

  #cutStream(socket: Socket, reason: CutReason): void {
    if (socket.destroyed) return;
    this.#count(socket, reason, { address: socket.remoteAddress, bytes: this.#waitingOn(socket) });
  }

  #count(socket: Socket, reason: CutReason, fields: object): void {
    this.cut[reason] += 1;
    this.#log.info({ ...fields, reason }, 'slow reader disconnected');
    socket.destroy();
  }
}

const waited = (startedMs: number): number => Math.round(performance.now() - startedMs);

/** Bytes that were handed to the operating system. */
const takenBy = (socket: Socket): number => socket.bytesWritten - socket.writableLength;

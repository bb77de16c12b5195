import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { networkOf } from '../auth/network.js';
import { TooManyAttempts } from '../errors/app-error.js';
import type { Logger } from '../telemetry/logger.js';

export interface ConnectionLimits {
  /** Open connections of the process; further ones are closed when they are accepted. */
  total: number;
  /** Open connections of one network; behind proxies, its requests in flight and WebSockets. 0 disables the limit. */
  perAddress: number;
}

/** Frees a slot; repeating it has no effect. */
export type Release = () => void;

const logIntervalMs = 60_000;

/** Bounds what is open per network: an IPv4 address, or the /64 of an IPv6 address. */
export class AddressSlots {
  readonly #open = new Map<string, number>();
  #total = 0;

  /**
   * @param max slots per network; 0 is unlimited
   * @param maxTotal slots of all networks
   */
  constructor(
    private readonly max: number,
    private readonly maxTotal = Infinity,
  ) {}

  /** @returns a function that frees the slot, at most once; null if no slot is left */
  take(address: string): Release | null {
    if (this.max === 0) return () => undefined;
    const network = networkOf(address);
    const open = this.#open.get(network) ?? 0;
    if (open >= this.max || this.#total >= this.maxTotal) return null;
    this.#open.set(network, open + 1);
    this.#total += 1;
    let isTaken = true;
    return () => {
      if (!isTaken) return;
      isTaken = false;
      this.#total -= 1;
      const left = (this.#open.get(network) ?? 1) - 1;
      if (left > 0) this.#open.set(network, left);
      else this.#open.delete(network);
    };
  }
}

/**
 * Bounds the open connections in total and per address, so that one caller cannot use up the file descriptors of the process.
 * Connections of proxies have the address of the proxy: behind trusted proxies, requests in flight are counted by the address
 * that the proxies report, and WebSockets by `ConnectionGate.take`.
 */
export class ConnectionGate {
  readonly #slots: AddressSlots;
  readonly #hasProxies: boolean;
  readonly #log: Logger;
  readonly #rejected = { total: 0, perAddress: 0 };
  #loggedAt = -Infinity;

  constructor({ perAddress }: ConnectionLimits, { trustedProxies, log }: { trustedProxies: number; log: Logger }) {
    this.#slots = new AddressSlots(perAddress);
    this.#hasProxies = trustedProxies > 0;
    this.#log = log;
  }

  /** Enforces the limits on a server. Call it before routes are added and after `request.client` is set. */
  guard(server: FastifyInstance, { total, perAddress }: ConnectionLimits): void {
    server.server.maxConnections = total;
    server.server.on('drop', () => this.#reject('total'));
    if (!this.#hasProxies) {
      server.server.on('connection', (socket: Socket) => {
        const release = this.#slots.take(socket.remoteAddress ?? '');
        if (release) socket.once('close', release);
        else {
          this.#reject('perAddress');
          socket.destroy();
        }
      });
      return;
    }
    server.addHook('onRequest', (request, reply, done) => {
      const release = this.take(request.client.address);
      if (release) reply.raw.once('close', release);
      done(
        release
          ? undefined
          : new TooManyAttempts(`More than ${perAddress} requests from your address are open; wait for them.`, 1),
      );
    });
  }

  /**
   * Takes a slot for a request or WebSocket of a client behind proxies; without proxies its connection has one.
   * @returns a function that frees the slot; null if there is none
   */
  take(address: string): Release | null {
    if (!this.#hasProxies) return () => undefined;
    const release = this.#slots.take(address);
    if (!release) this.#reject('perAddress');
    return release;
  }

  #reject(limit: 'total' | 'perAddress'): void {
    this.#rejected[limit] += 1;
    const nowMs = performance.now();
    if (nowMs - this.#loggedAt < logIntervalMs) return;
    this.#loggedAt = nowMs;
    this.#log.warn({ rejected: { ...this.#rejected } }, 'connections rejected; see MAX_CONNECTIONS');
  }
}

/** Descriptors for models, files, PostgreSQL and Redis; half of a limit that is lower than twice this. */
const reservedDescriptors = 512;

/**
 * Limits connections so that descriptors stay free for files and other servers, and warns if the limit of open files is the reason.
 * @param openFiles the limit of open files of the process; null if there is none
 */
export function withDescriptorReserve(
  limits: ConnectionLimits,
  openFiles: number | null,
  log: Logger,
): ConnectionLimits {
  if (openFiles === null) return limits;
  const reachable = openFiles - Math.min(reservedDescriptors, Math.ceil(openFiles / 2));
  if (reachable >= limits.total) return limits;
  log.warn(
    { openFiles, connections: reachable, maxConnections: limits.total },
    'the limit of open files is lower than MAX_CONNECTIONS needs; raise it with `ulimit -n`, or lower MAX_CONNECTIONS',
  );
  return { ...limits, total: reachable };
}

/** The limit of open files of this process; null if it has none, or on systems that have no such limit. */
export function openFilesLimit(): number | null {
  // A report takes 12 ms.
  if (process.platform === 'linux')
    return finiteOrNull(/^Max open files +(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]);
  // Interface addresses take long to look up. The option is missing in the types.
  Object.assign(process.report, { excludeNetwork: true });
  const { userLimits } = process.report.getReport() as { userLimits?: { open_files?: { soft?: unknown } } };
  return finiteOrNull(userLimits?.open_files?.soft);
}

/** Null for `unlimited`. */
function finiteOrNull(limit: unknown): number | null {
  const number = Number(limit);
  return Number.isFinite(number) ? number : null;
}

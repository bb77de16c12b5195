import { createClient } from '@redis/client';
import { parseRedisUrl } from './url.js';

/** A connected client as a command sees it. */
export type RedisClient = ReturnType<typeof createRedisClient>;

/** The idle time after which a connection counts as dead. */
export const socketTimeoutMs = 2_000;

/**
 * A client that fails at once while it is disconnected, and reconnects by itself. Its queue is unbounded, because
 * a full queue would cut a transaction in half. Consumers bound what they send (`RedisCommandLimit`).
 * @param pingIntervalMs pings an idle connection, if given
 */
export function createRedisClient(url: string, pingIntervalMs?: number) {
  const socket = {
    connectTimeout: 1_000,
    socketTimeout: socketTimeoutMs,
    reconnectStrategy: (attempts: number) => Math.min(50 * 2 ** Math.min(attempts, 5), 1_000) + Math.random() * 100,
  };
  const options = {
    disableOfflineQueue: true,
    ...(pingIntervalMs === undefined ? {} : { pingInterval: pingIntervalMs }),
  };
  const { socket: address, ...target } = parseRedisUrl(url);
  const shared = { ...options, ...target };
  if ('path' in address) return createClient({ ...shared, socket: { ...socket, ...address } });
  const { host, port, tls } = address;
  return tls
    ? createClient({ ...shared, socket: { ...socket, host, port, tls } })
    : createClient({ ...shared, socket: { ...socket, host, port } });
}

/** Host and port, or the path of a Unix socket, without the user and password of the URL. */
export function redisAddress(url: string): string {
  const { socket } = parseRedisUrl(url);
  if ('path' in socket) return socket.path;
  return `${socket.host.includes(':') ? `[${socket.host}]` : socket.host}:${socket.port}`;
}

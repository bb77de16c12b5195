import { createClient } from '@redis/client';
import { circuitBreaker, ConsecutiveBreaker, handleAll, timeout, TimeoutStrategy, wrap } from 'cockatiel';

export type RedisClient = ReturnType<typeof redisClient>;

/** The idle time after which a connection counts as dead. */
const socketTimeoutMs = 2000;

/**
 * A client that never makes anyone wait for a Redis that is away: it fails at once, and goes on trying to connect by itself.
 * To be connected by the caller, who first listens to what happens to it.
 * @param maxCommands commands that may be on their way; more fail
 */
export const redisClient = (url: string, maxCommands: number) =>
  createClient({
    url,
    disableOfflineQueue: true,
    commandsQueueMaxLength: maxCommands,
    pingInterval: socketTimeoutMs / 2,
    socket: {
      connectTimeout: 1000,
      socketTimeout: socketTimeoutMs,
      reconnectStrategy: (attempts) => Math.min(50 * 2 ** Math.min(attempts, 5), 1000) + Math.random() * 100,
    },
  });

/**
 * How long Redis is left alone after it missed its deadline three times. Longer than the socket's timeout: what is
 * written meanwhile would keep a dead connection from ever looking idle.
 */
const coolDownMs = 2500;

/** What calls go through: one that misses the deadline fails, and after three of them all fail at once for a while. */
export function redisGuard(deadlineMs: number) {
  const breaker = circuitBreaker(handleAll, { halfOpenAfter: coolDownMs, breaker: new ConsecutiveBreaker(3) });
  // An abort signal at each return would cost more than the rest of the guard; nobody here listens to one.
  return { breaker, guard: wrap(breaker, timeout(deadlineMs, { strategy: TimeoutStrategy.Aggressive, abortOnReturn: false })) };
}

/** Closes a client at once, whatever it is doing. */
export function letGo(client: RedisClient): void {
  // A socket that is only just connecting is out of the client's reach; it must not keep the process alive.
  client.unref();
  if (client.isOpen) client.destroy();
}

/** Where Redis is, without the name and password that a URL may hold. */
export const addressOf = (url: string): string => URL.parse(url)?.host ?? 'unknown';

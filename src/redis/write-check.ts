import { ErrorReply } from '@redis/client';
import type { RedisClient } from './client.js';

/** Why a server must not be used: the log message, and why. */
export interface RedisProblem {
  message: string;
  reason: string | undefined;
}

const ttlMs = 10_000;
const maxReasonLength = 200;

/**
 * Writes a key: reads and pings also succeed on a replica and on a server without free memory.
 * @returns why this server must not be used; null if it can be written
 * @throws Error if the connection is lost
 */
export async function checkWrites(client: RedisClient, key: string): Promise<RedisProblem | null> {
  const [info, write] = await Promise.allSettled([client.info('cluster'), client.pSetEx(key, ttlMs, '1')]);
  const isCluster = info.status === 'fulfilled' && /^cluster_enabled:1\b/m.test(info.value);
  if (isCluster)
    return {
      message: 'Redis Cluster is not supported; using in-process fallbacks',
      reason: 'REDIS_URL names a node of a cluster; name a server without cluster mode',
    };
  if (write.status === 'fulfilled') return null;
  if (!isErrorReply(write.reason)) throw write.reason;
  return {
    message: 'Redis rejects writes; using in-process fallbacks',
    reason: write.reason.message.slice(0, maxReasonLength),
  };
}

/** The problem with a server that rejects a new connection: the user, the password or the database. */
export function rejectionOf({ message }: ErrorReply): RedisProblem {
  const reply = message.slice(0, maxReasonLength);
  const wrong = /DB index/i.test(reply) ? 'the database' : 'the user and the password';
  return {
    message: 'Redis rejects the connection; using in-process fallbacks',
    reason: `${reply}; correct ${wrong} in REDIS_URL`,
  };
}

/** Whether the server replied with an error, such as READONLY, LOADING, MASTERDOWN or OOM. */
export const isErrorReply = (error: unknown): error is ErrorReply => error instanceof ErrorReply;

import type { Logger } from '../telemetry/logger.js';
import type { RedisConnection } from './connection.js';

/** Warns once for each policy if the server may evict counters: an evicted counter restarts a limit. */
export function warnOfEviction(redis: RedisConnection, log: Logger): void {
  let reported: string | null = null;
  const check = async (): Promise<void> => {
    // Without a deadline: nothing waits for it.
    const info = await redis.send({ name: 'INFO', run: (client) => client.info('memory') });
    const policy = info === undefined ? null : evictionPolicyIn(info);
    if (policy === null || policy === reported) return;
    reported = policy;
    log.warn(
      { redis: redis.address, policy },
      'Redis may evict rate limits and sign-in attempts; set COUNTERS_REDIS_URL to a Redis with maxmemory-policy noeviction',
    );
  };
  redis.onUsable(() => void check());
}

/**
 * The policy by which a server evicts counters; null if it evicts none. Counters expire, so that `volatile-*` evicts them as
 * `allkeys-*` does; without `maxmemory` nothing is evicted.
 * @param info the reply of INFO memory
 */
export function evictionPolicyIn(info: string): string | null {
  const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1] ?? 'noeviction';
  const isBounded = /^maxmemory:[1-9]/m.test(info);
  return isBounded && policy !== 'noeviction' ? policy : null;
}

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startGateway, type Any, type TestGateway } from '../kit/gateway.js';
import { reasonToSkipRedis, startRedis, type TestRedis } from '../kit/redis.js';

const reason = reasonToSkipRedis();
const describeWithRedis = reason === null ? describe : describe.skip;

describeWithRedis(`two gateways that share a Redis${reason === null ? '' : ` (skipped: ${reason})`}`, () => {
  let redis: TestRedis;
  let one: TestGateway;
  let other: TestGateway;

  beforeAll(async () => {
    redis = await startRedis();
    [one, other] = await Promise.all([startGateway({ REDIS_URL: redis.url }), startGateway({ REDIS_URL: redis.url })]);
  });
  afterAll(async () => {
    await Promise.all([one.close(), other.close()]);
    await redis.stop();
  });

  const price = async (gateway: TestGateway, kilometres: number): Promise<string> => {
    const answer = await gateway.ask<Any>('user', `{ predict(model: "car-price", inputs: [{ company: "Tata", year: 2013, km_driven: ${kilometres} }]) { source } }`);
    expect(answer.errors).toEqual([]);
    return answer.data.predict[0].source as string;
  };
  /** Asks until the answer comes from the cache, for ten seconds at the most. */
  const becomesCached = async (gateway: TestGateway, kilometres: number): Promise<boolean> => {
    for (let tries = 0; tries < 100; tries += 1) {
      if ((await price(gateway, kilometres)) === 'CACHE') return true;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return false;
  };
  const readiness = async (gateway: TestGateway) => {
    const response = await fetch(new URL('/readyz', gateway.url));
    const { parts } = (await response.json()) as { parts: Record<string, { isUp: boolean }> };
    return { status: response.status, isCacheUp: parts.cache?.isUp };
  };

  it('answer from each other’s cache', async () => {
    expect(await becomesCached(one, 1)).toBe(true);
    expect(await price(other, 1)).toBe('CACHE');
  });

  it('go on without it, stay ready, say so, and use it again when it is back', async () => {
    expect(await readiness(one)).toEqual({ status: 200, isCacheUp: true });
    await redis.kill();
    const slowest = Math.max(
      ...(await Promise.all(
        Array.from({ length: 20 }, async (_, turn) => {
          const start = performance.now();
          expect(await price(turn % 2 === 0 ? one : other, 1000 + turn)).toBe('MODEL');
          return performance.now() - start;
        }),
      )),
    );
    expect(slowest).toBeLessThan(5_000);
    expect(await readiness(one)).toEqual({ status: 200, isCacheUp: false });
    await redis.restart();
    expect(await becomesCached(one, 2)).toBe(true);
    expect(await becomesCached(other, 2)).toBe(true);
    expect(await readiness(one)).toEqual({ status: 200, isCacheUp: true });
  });
});

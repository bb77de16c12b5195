import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { createClient } from '@redis/client';
import { startGateway, type AnyData, type TestGateway } from '../support/gateway.js';
import { describeWithRedis } from '../support/describe-with-redis.js';
import { startRedis, type TestRedis } from '../support/redis.js';
import { waitUntil } from '../support/wait-until.js';

describeWithRedis('two gateways that share a Redis', () => {
  let redis: TestRedis;
  let one: TestGateway;
  let other: TestGateway;

  beforeAll(async () => {
    redis = await startRedis();
    // Every consumer of Redis is on: caches, counters, pub/sub.
    const env = {
      REDIS_URL: redis.url,
      RESPONSE_CACHE: 'true',
      QUERY_CACHE: 'true',
      RATE_LIMIT_PER_VIEWER: '100000',
      EXCHANGE_RATES_URL: 'http://127.0.0.1:9/latest',
    };
    [one, other] = await Promise.all([startGateway(env), startGateway(env)]);
  });
  afterAll(async () => {
    await Promise.all([one.close(), other.close()]);
    await redis.stop();
  });

  const price = async (gateway: TestGateway, kilometres: number): Promise<string> => {
    const response = await gateway.execute<AnyData>(
      'user',
      `{ predict(model: "car-price", inputs: [{ company: "Tata", year: 2013, km_driven: ${kilometres} }]) { source } }`,
    );
    expect(response.errors).toEqual([]);
    return response.data.predict[0].source as string;
  };
  const waitUntilCached = (gateway: TestGateway, kilometres: number): Promise<void> =>
    waitUntil(async () => (await price(gateway, kilometres)) === 'CACHE', 'A cached prediction');
  const readiness = async (gateway: TestGateway) => {
    const response = await fetch(new URL('/readyz', gateway.url));
    const { parts } = (await response.json()) as { parts: Record<string, { isUp: boolean }> };
    return { status: response.status, isCacheUp: parts.cache?.isUp };
  };

  it('share cached predictions', async () => {
    await waitUntilCached(one, 1);
    expect(await price(other, 1)).toBe('CACHE');
  });

  it('hold two connections each: one for commands and one for subscriptions', async () => {
    const client = await createClient({ url: redis.url }).connect();
    const ownId = await client.clientId();
    const connections = (await client.clientList()).filter(({ id }) => id !== ownId);
    await client.close();

    expect(connections.map(({ psub }) => psub).sort()).toEqual([0, 0, 1, 1]);
  });

  it('stay ready without Redis, report it, and use it again once it is back', async () => {
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
    await waitUntilCached(one, 2);
    await waitUntilCached(other, 2);
    await waitUntil(async () => (await readiness(one)).isCacheUp === true, 'Readiness of the cache');
  });
});

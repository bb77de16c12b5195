import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { codesOf, startGateway, type TestGateway } from '../support/gateway.js';
import { from, newAddress, statuses, WHO } from '../support/rate-limits.js';
import { describeWithRedis } from '../support/describe-with-redis.js';
import { startRedis, type TestRedis } from '../support/redis.js';
import { waitUntil } from '../support/wait-until.js';

/** Whether replicas count together. */
const storeOf = async (gateway: TestGateway): Promise<string | undefined> =>
  /^auspex_rate_limit_store_up (\d)$/m.exec(await (await fetch(gateway.metricsUrl ?? '')).text())?.[1];

describeWithRedis('two gateways that share a Redis', () => {
  let redis: TestRedis;
  let one: TestGateway;
  let other: TestGateway;
  beforeAll(async () => {
    redis = await startRedis();
    const env = {
      REDIS_URL: redis.url,
      TRUST_PROXY: '1',
      RATE_LIMIT_PER_ADDRESS: '10',
      RATE_LIMIT_WINDOW_SECONDS: '3600',
      RATE_LIMIT_PER_VIEWER: '320',
      MAX_LOGINS_PER_ACCOUNT: '4',
    };
    [one, other] = await Promise.all([startGateway(env), startGateway(env)]);
    await waitUntil(
      async () => (await storeOf(one)) === '1' && (await storeOf(other)) === '1',
      'the counters in Redis',
    );
  });
  afterAll(async () => {
    await Promise.all([one.close(), other.close()]);
    await redis.stop();
  });

  it('share one exact count for any distribution of requests', async () => {
    const address = newAddress();
    const responses = await Promise.all(
      Array.from({ length: 30 }, (_, turn) => (turn % 3 === 0 ? one : other).execute(null, WHO, {}, from(address))),
    );
    expect(responses.filter(({ status }) => status === 200)).toHaveLength(10);
    expect(responses.filter(({ status }) => status === 429)).toHaveLength(20);
  });

  it('wait for the shared count of a caller only near the limit, and exceed it by a sixteenth each at most', async () => {
    const { createClient } = await import('@redis/client');
    const client = await createClient({ url: redis.url }).connect();
    await client.configResetStat();
    const commands = async () =>
      Number(/cmdstat_evalsha:calls=(\d+)/.exec(await client.info('commandstats'))?.[1] ?? 0);
    let turn = 0;
    const send = async (times: number) => {
      const senders = Array.from({ length: 8 }, async () => {
        const seen: number[] = [];
        while (turn < times) seen.push((await ((turn += 1) % 2 ? one : other).execute('manager', WHO)).status);
        return seen;
      });
      return (await Promise.all(senders)).flat();
    };
    expect(new Set(await send(200))).toEqual(new Set([200]));
    expect(await commands()).toBeLessThan(100);
    const statuses = await send(500);
    client.destroy();
    const admitted = 200 + statuses.filter((status) => status === 200).length;
    expect(admitted).toBeGreaterThanOrEqual(320);
    expect(admitted).toBeLessThanOrEqual(320 + 2 * 20);
    expect((await one.execute('manager', WHO)).status).toBe(429);
    expect((await other.execute('manager', WHO)).status).toBe(429);
  });

  it('share the count of sign-ins', async () => {
    const login = 'mutation ($input: LoginInput!) { login(input: $input) { accessToken } }';
    const address = newAddress();
    const attempt = (gateway: TestGateway) =>
      gateway.execute(
        null,
        login,
        { input: { email: 'nobody@example.org', password: 'a wrong password' } },
        from(address),
      );
    const codes: string[] = [];
    for (let turn = 0; turn < 6; turn += 1) codes.push(...codesOf(await attempt(turn % 2 === 0 ? one : other)));
    expect(codes).toEqual([
      'UNAUTHENTICATED',
      'UNAUTHENTICATED',
      'UNAUTHENTICATED',
      'UNAUTHENTICATED',
      'TOO_MANY_REQUESTS',
      'TOO_MANY_REQUESTS',
    ]);
  });

  it('store neither addresses nor accounts in Redis', async () => {
    const { createClient } = await import('@redis/client');
    const client = createClient({ url: redis.url });
    await client.connect();
    const keys = await client.keys('auspex:@auspex:count:*');
    client.destroy();
    expect(keys.length).toBeGreaterThan(2);
    expect(keys.every((key) => /^auspex:@auspex:count:[\w-]{43}$/.test(key))).toBe(true);
  });

  it('count locally from the last known counts while Redis is unavailable, and share counts after it recovers', async () => {
    const address = newAddress();
    expect(await statuses(one, 8, null, from(address))).toEqual(Array.from({ length: 8 }, () => 200));
    await redis.kill();
    await waitUntil(
      async () => (await storeOf(one)) === '0' && (await storeOf(other)) === '0',
      'the counters without Redis',
    );
    expect(await statuses(one, 4, null, from(address))).toEqual([200, 200, 429, 429]);
    expect(await statuses(other, 2, null, from(address))).toEqual([200, 200]);
    await redis.restart();
    await waitUntil(
      async () => (await storeOf(one)) === '1' && (await storeOf(other)) === '1',
      'the counters in Redis',
      20_000,
    );
    const next = newAddress();
    const responses = await Promise.all(
      Array.from({ length: 12 }, (_, turn) => (turn % 2 === 0 ? one : other).execute(null, WHO, {}, from(next))),
    );
    expect(responses.filter(({ status }) => status === 200)).toHaveLength(10);
  });

  it('do not wait if Redis hangs', async () => {
    redis.pause();
    const start = performance.now();
    expect(await statuses(one, 8, null, from(newAddress()))).toEqual(Array.from({ length: 8 }, () => 200));
    expect(performance.now() - start).toBeLessThan(5_000);
    redis.resume();
  });
});

describeWithRedis('a Redis for counters', () => {
  const warnings = ({ logs }: TestGateway) =>
    logs.filter(({ msg }) => String(msg).startsWith('Redis may evict rate limits'));

  it('keeps a limit when the caches are evicted, and does not evict', async () => {
    const [caches, counters] = await Promise.all([
      startRedis({ options: ['--maxmemory', '16mb', '--maxmemory-policy', 'allkeys-lru'] }),
      startRedis({ options: ['--maxmemory', '16mb', '--maxmemory-policy', 'noeviction'] }),
    ]);
    const gateway = await startGateway({
      REDIS_URL: caches.url,
      COUNTERS_REDIS_URL: counters.url,
      MAX_LOGINS_PER_ACCOUNT: '2',
    });
    try {
      await waitUntil(async () => (await storeOf(gateway)) === '1', 'the counters in Redis');
      const login = 'mutation { login(input: { email: "user@example.com", password: "wrong" }) { accessToken } }';
      const attempt = async () => codesOf(await gateway.execute(null, login));
      expect([await attempt(), await attempt(), await attempt()].flat()).toEqual([
        'UNAUTHENTICATED',
        'UNAUTHENTICATED',
        'TOO_MANY_REQUESTS',
      ]);
      const { createClient } = await import('@redis/client');
      const client = await createClient({ url: caches.url }).connect();
      expect(await client.keys('auspex:@auspex:count:*')).toEqual([]);
      await client.flushAll();
      client.destroy();
      expect(await attempt()).toEqual(['TOO_MANY_REQUESTS']);
      expect(warnings(gateway)).toEqual([]);
    } finally {
      await gateway.close();
      await Promise.all([caches.stop(), counters.stop()]);
    }
  });

  it.each(['allkeys-lru', 'volatile-ttl'])('is recommended at start if the policy is %s', async (policy) => {
    const redis = await startRedis({ options: ['--maxmemory', '16mb', '--maxmemory-policy', policy] });
    const gateway = await startGateway({ REDIS_URL: redis.url });
    try {
      await waitUntil(() => warnings(gateway).length > 0, 'the warning');
      expect(warnings(gateway)).toEqual([expect.objectContaining({ level: 'warn', policy })]);
    } finally {
      await gateway.close();
      await redis.stop();
    }
  });
});

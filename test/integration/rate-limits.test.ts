import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  codesOf,
  startGateway,
  type GraphQLResponse,
  type AnyData,
  type Caller,
  type TestGateway,
} from '../support/gateway.js';
import { reasonToSkipRedis, startRedis, type TestRedis } from '../support/redis.js';
import { listen, openEvents, socketClient } from '../support/streams.js';
import { waitUntil } from '../support/wait-until.js';

const WHO = '{ __typename }';
const CREATE_KEY = 'mutation ($name: String!) { createApiKey(name: $name, scopes: ["employees:read"]) { secret } }';

let made = 0;
/** @returns an address that no other test uses */
const newAddress = (): string => `10.1.${Math.floor(++made / 250)}.${made % 250}`;
const from = (address: string): Record<string, string> => ({ 'x-forwarded-for': address });

interface Standing {
  status: number;
  limit: number;
  remaining: number;
  reset: number;
  retryAfter: string | null;
}

const standingOf = ({ status, headers }: Pick<GraphQLResponse<unknown>, 'status' | 'headers'>): Standing => ({
  status,
  limit: Number(headers.get('x-ratelimit-limit')),
  remaining: Number(headers.get('x-ratelimit-remaining')),
  reset: Number(headers.get('x-ratelimit-reset')),
  retryAfter: headers.get('retry-after'),
});

/** Sends requests in sequence. @returns their statuses */
async function statuses(
  gateway: TestGateway,
  times: number,
  caller: Caller,
  headers: Record<string, string>,
): Promise<number[]> {
  const seen: number[] = [];
  for (let turn = 0; turn < times; turn += 1) seen.push((await gateway.execute(caller, WHO, {}, headers)).status);
  return seen;
}

describe('the rate limit', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startGateway({
      TRUST_PROXY: '1',
      RATE_LIMIT_PER_VIEWER: '5',
      RATE_LIMIT_PER_ADDRESS: '3',
      RATE_LIMIT_WINDOW_SECONDS: '3600',
      MAX_BATCHED_OPERATIONS: '5',
    });
  });
  afterAll(() => gateway.close());

  const keyOf = async (owner: 'admin' | 'manager' | 'user'): Promise<string> => {
    const { data, errors } = await gateway.execute<AnyData>(owner, CREATE_KEY, { name: `key ${++made}` });
    expect(errors).toEqual([]);
    return data.createApiKey.secret as string;
  };

  it('counts an anonymous caller by address, reports the remainder, and rejects with 429 and Retry-After', async () => {
    const address = newAddress();
    const seen: Standing[] = [];
    for (let turn = 0; turn < 4; turn += 1) seen.push(standingOf(await gateway.execute(null, WHO, {}, from(address))));
    expect(seen.map(({ status, limit, remaining }) => ({ status, limit, remaining }))).toEqual([
      { status: 200, limit: 3, remaining: 2 },
      { status: 200, limit: 3, remaining: 1 },
      { status: 200, limit: 3, remaining: 0 },
      { status: 429, limit: 3, remaining: 0 },
    ]);
    for (const { reset } of seen) expect(reset).toBeGreaterThan(3500);
    expect(Number(seen[3]?.retryAfter)).toBe(seen[3]?.reset);
    expect(seen.slice(0, 3).map(({ retryAfter }) => retryAfter)).toEqual([null, null, null]);
    const rejected = await gateway.execute(null, WHO, {}, from(address));
    expect(codesOf(rejected)).toEqual(['TOO_MANY_REQUESTS']);
    expect(rejected.errors[0]?.message).toMatch(
      /^More than 3 requests came from you within 3600 seconds; try again in \d+\.$/,
    );
    expect(rejected.errors[0]?.extensions.retryAfterSeconds).toBeGreaterThan(3500);
  });

  it('does not affect other addresses or authenticated callers at the same address', async () => {
    const address = newAddress();
    expect(await statuses(gateway, 4, null, from(address))).toEqual([200, 200, 200, 429]);
    expect(await statuses(gateway, 1, null, from(newAddress()))).toEqual([200]);
    expect(await statuses(gateway, 1, 'user', from(address))).toEqual([200]);
  });

  it('counts the sessions and API keys of a user together, across addresses', async () => {
    const [one, other] = [{ apiKey: await keyOf('manager') }, { apiKey: await keyOf('manager') }];
    expect(await statuses(gateway, 2, one, from(newAddress()))).toEqual([200, 200]);
    expect(await statuses(gateway, 2, other, from(newAddress()))).toEqual([200, 429]);
    expect(await statuses(gateway, 1, one, from(newAddress()))).toEqual([429]);
    expect(await statuses(gateway, 1, 'manager', from(newAddress()))).toEqual([429]);
    expect((await gateway.execute('user', WHO, {}, from(newAddress()))).status).toBe(200);
  });

  it('counts IPv6 by its /64', async () => {
    expect(await statuses(gateway, 3, null, from('2001:db8:1:1::1'))).toEqual([200, 200, 200]);
    expect(await statuses(gateway, 1, null, from('2001:db8:1:1:ffff::9'))).toEqual([429]);
    expect(await statuses(gateway, 1, null, from('2001:db8:1:2::1'))).toEqual([200]);
  });

  it('rejects before it reads the body and executes nothing', async () => {
    const address = newAddress();
    await statuses(gateway, 3, null, from(address));
    const before = await gateway.db.selectFrom('user_account').select('id').execute();
    const register =
      'mutation { register(input: { email: "late@example.org", password: "correct horse battery" }) { accessToken } }';
    expect((await gateway.execute(null, register, {}, from(address))).status).toBe(429);
    expect(await gateway.db.selectFrom('user_account').select('id').execute()).toEqual(before);
    const tooMuch = await fetch(gateway.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...from(address) },
      body: 'x'.repeat(900_000),
    });
    expect(tooMuch.status).toBe(429);
  });

  it('counts each operation of a batch', async () => {
    const address = newAddress();
    const list = (operations: number) =>
      fetch(gateway.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...from(address) },
        body: JSON.stringify(Array.from({ length: operations }, () => ({ query: WHO }))),
      });
    const first = await list(3);
    expect(standingOf(first)).toMatchObject({ status: 200, remaining: 0 });
    expect((await list(1)).status).toBe(429);
  });

  it('counts GET, HEAD and malformed operations, but not health checks', async () => {
    const address = newAddress();
    const headers = { ...from(address), 'apollo-require-preflight': 'true' };
    expect((await fetch(`${gateway.url}?query={__typename}`, { headers })).status).toBe(200);
    expect((await fetch(`${gateway.url}?query={__typename}`, { headers, method: 'HEAD' })).status).toBe(200);
    expect(
      (
        await fetch(gateway.url, {
          method: 'POST',
          headers: { ...headers, 'content-type': 'application/json' },
          body: '{',
        })
      ).status,
    ).toBe(400);
    expect((await fetch(`${gateway.url}?query={__typename}`, { headers })).status).toBe(429);
    for (let turn = 0; turn < 10; turn += 1)
      expect((await fetch(new URL('/readyz', gateway.url), { headers })).status).toBe(200);
  });

  it('counts subscriptions over SSE and WebSockets', async () => {
    const address = newAddress();
    const subscription = 'subscription { predictionStream { model } }';
    for (let turn = 0; turn < 3; turn += 1) {
      const { status } = await openEvents(gateway.url, { headers: from(address), body: { query: subscription } });
      expect(status).toBe(401);
    }
    expect((await openEvents(gateway.url, { headers: from(address), body: { query: subscription } })).status).toBe(429);

    const key = await keyOf('admin');
    // The key's creation counts, the connection, and each subscription.
    const client = socketClient(gateway.url, { 'x-api-key': key });
    for (let turn = 0; turn < 3; turn += 1)
      expect(await listen(client, subscription).ended).not.toEqual([
        expect.objectContaining({ extensions: expect.objectContaining({ code: 'TOO_MANY_REQUESTS' }) }),
      ]);
    const rejected: AnyData = await listen(client, 'subscription { employeeChanged { change } }').ended;
    expect(rejected[0].extensions.code).toBe('TOO_MANY_REQUESTS');
    await client.dispose();
  });

  it('rejects an address with too many invalid API keys before the next lookup', async () => {
    const address = newAddress();
    const secret = await keyOf('user');
    expect(await statuses(gateway, 4, { apiKey: 'axk_wrong' }, from(address))).toEqual([200, 200, 200, 429]);
    expect(await statuses(gateway, 1, { apiKey: secret }, from(address))).toEqual([200]);
  });

  it('is reported in the metrics', async () => {
    const text = await (await fetch(gateway.metricsUrl ?? '')).text();
    expect(Number(/^auspex_rate_limit_rejections_total\{kind="address"\} (\d+)$/m.exec(text)?.[1])).toBeGreaterThan(5);
    expect(Number(/^auspex_rate_limit_rejections_total\{kind="viewer"\} (\d+)$/m.exec(text)?.[1])).toBeGreaterThan(1);
  });
});

describe('without a limit of requests', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startGateway({
      RATE_LIMIT_PER_VIEWER: '0',
      RATE_LIMIT_PER_ADDRESS: '0',
      RATE_LIMIT_WINDOW_SECONDS: '3600',
      RATE_LIMIT_PREDICTION_ROWS: '10',
    });
  });
  afterAll(() => gateway.close());

  it('counts nothing and sends no headers', async () => {
    const responses = await Promise.all(Array.from({ length: 50 }, () => gateway.execute(null, WHO)));
    expect(new Set(responses.map(({ status }) => status))).toEqual(new Set([200]));
    expect(responses[0]?.headers.get('x-ratelimit-limit')).toBeNull();
  });

  const predict = (caller: Caller, rows: number, field = 'predict(model: "iris", inputs: $inputs)') =>
    gateway.execute<AnyData>(caller, `query ($inputs: [${inputTypeOf(field)}!]!) { rows: ${field} { source } }`, {
      inputs: Array.from({ length: rows }, () => ({ petalLength: 1.4, petalWidth: 0.2 })),
    });
  const inputTypeOf = (field: string): string => (field.startsWith('predictIris') ? 'IrisInput' : 'JSONObject');
  const recorded = async (): Promise<number> =>
    (await gateway.db.selectFrom('prediction').select('id').execute()).length;

  it('counts prediction rows of a user over all fields, sessions and keys, before any row is predicted', async () => {
    const create = 'mutation { createApiKey(name: "rows", scopes: ["predict"]) { secret } }';
    const key = { apiKey: (await gateway.execute<AnyData>('user', create)).data.createApiKey.secret as string };
    expect((await predict('user', 4)).errors).toEqual([]);
    expect((await predict(key, 4, 'predictIris(inputs: $inputs)')).errors).toEqual([]);
    await waitUntil(async () => (await recorded()) === 8, 'the history');
    const rejected = await predict(key, 3);
    expect(rejected).toMatchObject({ status: 429, errors: [{ extensions: { code: 'TOO_MANY_REQUESTS' } }] });
    expect(rejected.errors[0]?.message).toMatch(
      /^With these 3 rows you would predict more than 10 within 3600 seconds/,
    );
    expect(Number(rejected.headers.get('retry-after'))).toBeGreaterThan(3500);
    // Rejected rows are not charged.
    expect((await predict('user', 2)).errors).toEqual([]);
    expect(codesOf(await predict('user', 1))).toEqual(['TOO_MANY_REQUESTS']);
    await waitUntil(async () => (await recorded()) === 10, 'the history');
    expect((await predict('manager', 10)).errors).toEqual([]);
  });

  it('rejects a call that can never fit, without a time to retry', async () => {
    const rejected = await predict('admin', 11);
    expect(codesOf(rejected)).toEqual(['BAD_USER_INPUT']);
    expect(rejected.errors[0]?.message).toContain('inputs must have 10 rows or fewer');
    expect(rejected.headers.get('retry-after')).toBeNull();
  });
});

describe('the window', () => {
  it('expires and resets the count', async () => {
    const gateway = await startGateway({ RATE_LIMIT_PER_VIEWER: '2', RATE_LIMIT_WINDOW_SECONDS: '1' });
    await statuses(gateway, 3, 'user', {});
    await waitUntil(async () => (await gateway.execute('user', WHO)).status === 200, 'a new window');
    await gateway.close();
  });
});

/** Whether replicas count together. */
const storeOf = async (gateway: TestGateway): Promise<string | undefined> =>
  /^auspex_rate_limit_store_up (\d)$/m.exec(await (await fetch(gateway.metricsUrl ?? '')).text())?.[1];

const reason = reasonToSkipRedis();
const describeWithRedis = reason === null ? describe : describe.skip;

describeWithRedis(`two gateways that share a Redis${reason === null ? '' : ` (skipped: ${reason})`}`, () => {
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
    const keys = await client.keys('auspex:count:*');
    client.destroy();
    expect(keys.length).toBeGreaterThan(2);
    expect(keys.every((key) => /^auspex:count:[\w-]{43}$/.test(key))).toBe(true);
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

describeWithRedis(`a Redis for counters${reason === null ? '' : ` (skipped: ${reason})`}`, () => {
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
      expect(await client.keys('auspex:count:*')).toEqual([]);
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

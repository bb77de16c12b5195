import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { codesOf, startGateway, type Answer, type Any, type Asker, type TestGateway } from '../kit/gateway.js';
import { reasonToSkipRedis, startRedis, type TestRedis } from '../kit/redis.js';
import { listen, openEvents, socketClient, until } from '../kit/streams.js';

const WHO = '{ __typename }';
const CREATE_KEY = 'mutation ($name: String!) { createApiKey(name: $name, scopes: ["employees:read"]) { secret } }';

let made = 0;
/** An address that no other test has called from. */
const newAddress = (): string => `10.1.${Math.floor(++made / 250)}.${made % 250}`;
const from = (address: string): Record<string, string> => ({ 'x-forwarded-for': address });

interface Standing {
  status: number;
  limit: number;
  remaining: number;
  reset: number;
  retryAfter: string | null;
}

const standingOf = ({ status, headers }: Pick<Answer<unknown>, 'status' | 'headers'>): Standing => ({
  status,
  limit: Number(headers.get('x-ratelimit-limit')),
  remaining: Number(headers.get('x-ratelimit-remaining')),
  reset: Number(headers.get('x-ratelimit-reset')),
  retryAfter: headers.get('retry-after'),
});

/** Statuses of so many questions, one after the other. */
async function statuses(gateway: TestGateway, times: number, asker: Asker, headers: Record<string, string>): Promise<number[]> {
  const seen: number[] = [];
  for (let turn = 0; turn < times; turn += 1) seen.push((await gateway.ask(asker, WHO, {}, headers)).status);
  return seen;
}

describe('the limit of requests', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startGateway({ TRUST_PROXY: '1', RATE_LIMIT_PER_VIEWER: '5', RATE_LIMIT_PER_ADDRESS: '3', RATE_LIMIT_WINDOW_SECONDS: '3600', MAX_BATCHED_OPERATIONS: '5' });
  });
  afterAll(() => gateway.close());

  const keyOf = async (): Promise<string> => {
    const { data, errors } = await gateway.ask<Any>('admin', CREATE_KEY, { name: `key ${++made}` });
    expect(errors).toEqual([]);
    return data.createApiKey.secret as string;
  };

  it('counts a stranger by the address, says what is left, and refuses with 429 and the time to wait', async () => {
    const address = newAddress();
    const seen: Standing[] = [];
    for (let turn = 0; turn < 4; turn += 1) seen.push(standingOf(await gateway.ask(null, WHO, {}, from(address))));
    expect(seen.map(({ status, limit, remaining }) => ({ status, limit, remaining }))).toEqual([
      { status: 200, limit: 3, remaining: 2 },
      { status: 200, limit: 3, remaining: 1 },
      { status: 200, limit: 3, remaining: 0 },
      { status: 429, limit: 3, remaining: 0 },
    ]);
    for (const { reset } of seen) expect(reset).toBeGreaterThan(3500);
    expect(Number(seen[3]?.retryAfter)).toBe(seen[3]?.reset);
    expect(seen.slice(0, 3).map(({ retryAfter }) => retryAfter)).toEqual([null, null, null]);
    const refused = await gateway.ask(null, WHO, {}, from(address));
    expect(codesOf(refused)).toEqual(['TOO_MANY_REQUESTS']);
    expect(refused.errors[0]?.message).toMatch(/^More than 3 requests came from you within 3600 seconds; try again in \d+\.$/);
    expect(refused.errors[0]?.extensions.retryAfterSeconds).toBeGreaterThan(3500);
  });

  it('leaves other addresses, and who is signed in at the same one, alone', async () => {
    const address = newAddress();
    expect(await statuses(gateway, 4, null, from(address))).toEqual([200, 200, 200, 429]);
    expect(await statuses(gateway, 1, null, from(newAddress()))).toEqual([200]);
    expect(await statuses(gateway, 1, 'user', from(address))).toEqual([200]);
  });

  it('counts a user wherever the user calls from, and an API key apart from its owner', async () => {
    const secret = await keyOf();
    const key = { apiKey: secret };
    expect(await statuses(gateway, 3, key, from(newAddress()))).toEqual([200, 200, 200]);
    expect(await statuses(gateway, 3, key, from(newAddress()))).toEqual([200, 200, 429]);
    const manager = await statuses(gateway, 6, 'manager', from(newAddress()));
    expect(manager).toEqual([200, 200, 200, 200, 200, 429]);
    expect(await statuses(gateway, 1, { token: await gateway.tokenOf('manager') }, from(newAddress()))).toEqual([429]);
    expect((await gateway.ask('admin', WHO, {}, from(newAddress()))).status).toBe(200);
  });

  it('counts IPv6 by its /64', async () => {
    expect(await statuses(gateway, 3, null, from('2001:db8:1:1::1'))).toEqual([200, 200, 200]);
    expect(await statuses(gateway, 1, null, from('2001:db8:1:1:ffff::9'))).toEqual([429]);
    expect(await statuses(gateway, 1, null, from('2001:db8:1:2::1'))).toEqual([200]);
  });

  it('does not read the body of what it refuses, and does nothing of what it asks', async () => {
    const address = newAddress();
    await statuses(gateway, 3, null, from(address));
    const before = await gateway.db.selectFrom('user_account').select('id').execute();
    const register = 'mutation { register(input: { email: "late@example.org", password: "correct horse battery" }) { accessToken } }';
    expect((await gateway.ask(null, register, {}, from(address))).status).toBe(429);
    expect(await gateway.db.selectFrom('user_account').select('id').execute()).toEqual(before);
    const tooMuch = await fetch(gateway.url, { method: 'POST', headers: { 'content-type': 'application/json', ...from(address) }, body: 'x'.repeat(900_000) });
    expect(tooMuch.status).toBe(429);
  });

  it('counts each operation of a list', async () => {
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

  it('counts GET, HEAD and what cannot be parsed as well, and not the health of the gateway', async () => {
    const address = newAddress();
    const headers = { ...from(address), 'apollo-require-preflight': 'true' };
    expect((await fetch(`${gateway.url}?query={__typename}`, { headers })).status).toBe(200);
    expect((await fetch(`${gateway.url}?query={__typename}`, { headers, method: 'HEAD' })).status).toBe(200);
    expect((await fetch(gateway.url, { method: 'POST', headers: { ...headers, 'content-type': 'application/json' }, body: '{' })).status).toBe(400);
    expect((await fetch(`${gateway.url}?query={__typename}`, { headers })).status).toBe(429);
    for (let turn = 0; turn < 10; turn += 1) expect((await fetch(new URL('/readyz', gateway.url), { headers })).status).toBe(200);
  });

  it('counts subscriptions: over server-sent events and over sockets', async () => {
    const address = newAddress();
    const subscription = 'subscription { predictionStream { model } }';
    for (let turn = 0; turn < 3; turn += 1) {
      const { status } = await openEvents(gateway.url, { headers: from(address), body: { query: subscription } });
      expect(status).toBe(401);
    }
    expect((await openEvents(gateway.url, { headers: from(address), body: { query: subscription } })).status).toBe(429);

    const key = await keyOf();
    // The connection counts, and each subscription.
    const client = socketClient(gateway.url, { 'x-api-key': key });
    for (let turn = 0; turn < 4; turn += 1) expect(await listen(client, subscription).ended).not.toEqual([expect.objectContaining({ extensions: expect.objectContaining({ code: 'TOO_MANY_REQUESTS' }) })]);
    const refused: Any = await listen(client, 'subscription { employeeChanged { change } }').ended;
    expect(refused[0].extensions.code).toBe('TOO_MANY_REQUESTS');
    await client.dispose();
  });

  it('refuses an address that has sent too many wrong API keys before it looks up another', async () => {
    const address = newAddress();
    const secret = await keyOf();
    expect(await statuses(gateway, 4, { apiKey: 'axk_wrong' }, from(address))).toEqual([200, 200, 200, 429]);
    expect(await statuses(gateway, 1, { apiKey: secret }, from(address))).toEqual([200]);
  });

  it('is told in the metrics', async () => {
    const text = await (await fetch(gateway.metricsUrl ?? '')).text();
    expect(Number(/^auspex_rate_limit_refusals_total\{kind="address"\} (\d+)$/m.exec(text)?.[1])).toBeGreaterThan(5);
    expect(Number(/^auspex_rate_limit_refusals_total\{kind="viewer"\} (\d+)$/m.exec(text)?.[1])).toBeGreaterThan(1);
  });
});

describe('without a limit', () => {
  it('counts nobody and says nothing', async () => {
    const gateway = await startGateway({ RATE_LIMIT_PER_VIEWER: '0', RATE_LIMIT_PER_ADDRESS: '0', RATE_LIMIT_WINDOW_SECONDS: '3600' });
    const answers = await Promise.all(Array.from({ length: 50 }, () => gateway.ask(null, WHO)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(answers[0]?.headers.get('x-ratelimit-limit')).toBeNull();
    await gateway.close();
  });
});

describe('the window', () => {
  it('ends by itself, and counting starts anew', async () => {
    const gateway = await startGateway({ RATE_LIMIT_PER_VIEWER: '2', RATE_LIMIT_WINDOW_SECONDS: '1' });
    await statuses(gateway, 3, 'user', {});
    await until(async () => (await gateway.ask('user', WHO)).status === 200, 'a new window');
    await gateway.close();
  });
});

const reason = reasonToSkipRedis();
const describeWithRedis = reason === null ? describe : describe.skip;

describeWithRedis(`two gateways that share a Redis${reason === null ? '' : ` (skipped: ${reason})`}`, () => {
  let redis: TestRedis;
  let one: TestGateway;
  let other: TestGateway;
  beforeAll(async () => {
    redis = await startRedis();
    const env = { REDIS_URL: redis.url, TRUST_PROXY: '1', RATE_LIMIT_PER_ADDRESS: '10', RATE_LIMIT_WINDOW_SECONDS: '3600', MAX_LOGINS_PER_ACCOUNT: '4' };
    [one, other] = await Promise.all([startGateway(env), startGateway(env)]);
    await until(async () => (await storeOf(one)) === '1' && (await storeOf(other)) === '1', 'the counters in Redis');
  });
  afterAll(async () => {
    await Promise.all([one.close(), other.close()]);
    await redis.stop();
  });

  const storeOf = async (gateway: TestGateway): Promise<string | undefined> =>
    /^auspex_rate_limit_store_up (\d)$/m.exec(await (await fetch(gateway.metricsUrl ?? '')).text())?.[1];

  it('count together, however the requests are spread, and let not one too many pass', async () => {
    const address = newAddress();
    const answers = await Promise.all(Array.from({ length: 30 }, (_, turn) => (turn % 3 === 0 ? one : other).ask(null, WHO, {}, from(address))));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(10);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(20);
  });

  it('count sign-ins together', async () => {
    const login = 'mutation ($input: LoginInput!) { login(input: $input) { accessToken } }';
    const attempt = (gateway: TestGateway) => gateway.ask(null, login, { input: { email: 'nobody@example.org', password: 'a wrong password' } }, from(newAddress()));
    const codes: string[] = [];
    for (let turn = 0; turn < 6; turn += 1) codes.push(...codesOf(await attempt(turn % 2 === 0 ? one : other)));
    expect(codes).toEqual(['UNAUTHENTICATED', 'UNAUTHENTICATED', 'UNAUTHENTICATED', 'UNAUTHENTICATED', 'TOO_MANY_REQUESTS', 'TOO_MANY_REQUESTS']);
  });

  it('tell Redis neither addresses nor accounts', async () => {
    const { createClient } = await import('@redis/client');
    const client = createClient({ url: redis.url });
    await client.connect();
    const keys = await client.keys('auspex:count:*');
    client.destroy();
    expect(keys.length).toBeGreaterThan(2);
    expect(keys.every((key) => /^auspex:count:[\w-]{43}$/.test(key))).toBe(true);
  });

  it('go on counting, each for itself and from what it knew, while Redis is away, and together again once it is back', async () => {
    const address = newAddress();
    expect(await statuses(one, 8, null, from(address))).toEqual(Array.from({ length: 8 }, () => 200));
    await redis.kill();
    await until(async () => (await storeOf(one)) === '0' && (await storeOf(other)) === '0', 'the counters without Redis');
    expect(await statuses(one, 4, null, from(address))).toEqual([200, 200, 429, 429]);
    expect(await statuses(other, 2, null, from(address))).toEqual([200, 200]);
    await redis.restart();
    await until(async () => (await storeOf(one)) === '1' && (await storeOf(other)) === '1', 'the counters in Redis', 20_000);
    const next = newAddress();
    const answers = await Promise.all(Array.from({ length: 12 }, (_, turn) => (turn % 2 === 0 ? one : other).ask(null, WHO, {}, from(next))));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(10);
  });

  it('do not wait for a Redis that hangs', async () => {
    redis.pause();
    const start = performance.now();
    expect(await statuses(one, 8, null, from(newAddress()))).toEqual(Array.from({ length: 8 }, () => 200));
    expect(performance.now() - start).toBeLessThan(5_000);
    redis.resume();
  });
});

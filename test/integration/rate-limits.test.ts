import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  codesOf,
  startGateway,
  type GraphQLResponse,
  type AnyData,
  type Caller,
  type TestGateway,
} from '../support/gateway.js';
import { from, newAddress, statuses, WHO } from '../support/rate-limits.js';
import { listen, openEvents, socketClient } from '../support/streams.js';
import { waitUntil } from '../support/wait-until.js';

const CREATE_KEY = 'mutation ($name: String!) { createApiKey(name: $name, scopes: ["employees:read"]) { secret } }';

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
    const { data, errors } = await gateway.execute<AnyData>(owner, CREATE_KEY, {
      name: `key of ${owner} from ${newAddress()}`,
    });
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

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { dropDatabaseAt } from '../kit/database.js';
import { codesOf, startGateway, type Any, type TestGateway } from '../kit/gateway.js';
import { freePort, reasonToSkipRedis, startRedis } from '../kit/redis.js';

const secret = 'vB7pXq2RtYw9ZkLm4NcHsJ8dFgT6aEuQ1o';

let gateway: TestGateway;
let production: TestGateway;
let proxied: TestGateway;
beforeAll(async () => {
  [gateway, production, proxied] = await Promise.all([
    startGateway({ CORS_ORIGINS: 'https://app.example.com, https://other.example.com', MAX_LOGINS_PER_ADDRESS: '3', MAX_LOGINS_PER_ACCOUNT: '1000' }),
    startGateway({ NODE_ENV: 'production', DEMO_DATA: 'true', JWT_SECRET: secret }),
    startGateway({ TRUST_PROXY: 'true', MAX_LOGINS_PER_ADDRESS: '2', MAX_LOGINS_PER_ACCOUNT: '1000' }),
  ]);
});
afterAll(() => Promise.all([gateway.close(), production.close(), proxied.close()]));

const at = (of: TestGateway, path: string): string => new URL(path, of.url).href;

/** The answer to a POST with this text as its body. */
async function post(body: string, headers: Record<string, string> = {}, to: TestGateway = gateway): Promise<{ status: number; headers: Headers; body: Any }> {
  const response = await fetch(to.url, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body });
  return { status: response.status, headers: response.headers, body: await response.json() };
}

const question = JSON.stringify({ query: '{ __typename }' });
const answered = { data: { __typename: 'Query' } };

describe('a request that is not well formed', () => {
  it.each([
    ['JSON that ends early', '{"query": "{ __typename'],
    ['no JSON at all', 'hello'],
    ['nothing', ''],
  ])('is refused with 400 where the body is %s', async (_what, body) => {
    const { status, body: answer } = await post(body);
    expect(status).toBe(400);
    expect(answer.errors).toMatchObject([{ extensions: { code: 'BAD_REQUEST' } }]);
    expect(answer).not.toHaveProperty('data');
  });

  it.each([
    ['a list', '[1]'],
    ['a number', '1'],
    ['null', 'null'],
    ['an object without a query', '{}'],
    ['a query that is no text', '{"query": 5}'],
    ['variables that are no object', '{"query": "{ __typename }", "variables": 5}'],
    ['extensions that are no object', '{"query": "{ __typename }", "extensions": "x"}'],
    ['an empty query', '{"query": ""}'],
  ])('is refused with 400 where the body is %s', async (_what, body) => {
    const { status, body: answer } = await post(body);
    expect(status).toBe(400);
    expect(answer.errors[0].extensions.code).toBe('BAD_REQUEST');
  });

  it('is refused where the content type is none that GraphQL has', async () => {
    for (const type of ['application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'application/xml', 'text/plain', 'application/graphql', 'application/jsonp']) {
      const { status, body } = await post(question, { 'content-type': type });
      expect(status).toBe(415);
      expect(body.errors).toMatchObject([{ message: 'Send the operation as application/json.', extensions: { code: 'UNSUPPORTED_MEDIA_TYPE' } }]);
    }
  });

  it('leaves no trace of the stack in the answer', async () => {
    const texts = await Promise.all(['{', '[]', '{"query":"{ nothing }"}'].map(async (body) => JSON.stringify((await post(body)).body)));
    for (const text of texts) expect(text).not.toMatch(/stacktrace|node_modules|at .+:\d+:\d+/);
  });
});

describe('GET', () => {
  const asked = (query: string): string => at(gateway, `/graphql?query=${encodeURIComponent(query)}`);

  it('answers a query that a page of another origin could not have sent', async () => {
    const response = await fetch(asked('{ __typename }'), { headers: { 'apollo-require-preflight': 'true' } });
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual(answered);
  });

  it('refuses a query that any page could have sent', async () => {
    const response = await fetch(asked('{ __typename }'));
    expect(response.status).toBe(400);
    const body: Any = await response.json();
    expect(body.errors[0].message).toMatch(/Cross-Site Request Forgery/);
  });

  it('answers a query with variables', async () => {
    const variables = encodeURIComponent(JSON.stringify({ name: 'iris' }));
    const authorization = `Bearer ${await gateway.tokenOf('user')}`;
    const response = await fetch(`${asked('query ($name: String!) { model(name: $name) { name } }')}&variables=${variables}`, {
      headers: { 'apollo-require-preflight': 'true', authorization },
    });
    expect(await response.json()).toEqual({ data: { model: { name: 'iris' } } });
  });

  it('refuses a mutation with 405', async () => {
    const response = await fetch(asked('mutation { logout }'), { headers: { 'apollo-require-preflight': 'true' } });
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('POST');
  });
});

describe('the status of an answer', () => {
  it('is 401 for a stranger to whom nothing was answered', async () => {
    const { status, errors } = await gateway.ask(null, '{ me { id } departments { name } }');
    expect(errors.map((error) => error.extensions.code)).toContain('UNAUTHENTICATED');
    expect(status).toBe(401);
  });

  it('is 401 for a token that is no good', async () => {
    const refused = await gateway.ask({ token: 'x.y.z' }, '{ me { id } }');
    expect(refused.status).toBe(401);
    expect(refused.errors[0]?.message).toContain('not valid');
  });

  it('is 200 where anything was answered', async () => {
    const partly = await gateway.ask<Any>(null, '{ __typename me { id } }');
    expect(partly.status).toBe(200);
    expect(partly.data).toEqual({ __typename: 'Query', me: null });
    expect(codesOf(partly)).toEqual(['UNAUTHENTICATED']);
  });

  it('is 200 for what is forbidden, and for what an operation asks wrongly', async () => {
    expect((await gateway.ask('user', '{ users { totalCount } }')).status).toBe(200);
    expect((await gateway.ask('user', '{ employee(id: "x") { id } }')).status).toBe(200);
  });

  it('is 429, with the time to wait, once sign-ins are throttled', async () => {
    const login = 'mutation { login(input: { email: "nobody@example.com", password: "wrong password" }) { accessToken } }';
    const { status } = await proxied.ask(null, login, {}, { 'x-forwarded-for': '192.0.2.77' });
    expect(status).toBe(401);
    await proxied.ask(null, login, {}, { 'x-forwarded-for': '192.0.2.77' });
    const throttled = await proxied.ask(null, login, {}, { 'x-forwarded-for': '192.0.2.77' });
    expect(codesOf(throttled)).toEqual(['TOO_MANY_REQUESTS']);
    expect(throttled.status).toBe(429);
    expect(Number(throttled.headers.get('retry-after'))).toBeGreaterThan(0);
  });
});

describe('the address of a caller', () => {
  const login = 'mutation { login(input: { email: "nobody@example.com", password: "wrong password" }) { accessToken } }';
  const codeOf = async (to: TestGateway, forwarded: string): Promise<string | undefined> => codesOf(await to.ask(null, login, {}, { 'x-forwarded-for': forwarded }))[0];

  it('is that of the connection, whatever X-Forwarded-For says', async () => {
    const codes = [];
    for (let last = 1; last <= 4; last += 1) codes.push(await codeOf(gateway, `192.0.2.${last}`));
    expect(codes).toEqual(['UNAUTHENTICATED', 'UNAUTHENTICATED', 'UNAUTHENTICATED', 'TOO_MANY_REQUESTS']);
  });

  it('is the one that the proxy added, where a proxy is trusted', async () => {
    for (let last = 1; last <= 4; last += 1) expect(await codeOf(proxied, `198.51.100.${last}`)).toBe('UNAUTHENTICATED');
  });

  it('is not one that the caller wrote before the proxy’s', async () => {
    const codes = [];
    for (let last = 1; last <= 3; last += 1) codes.push(await codeOf(proxied, `192.0.2.${last}, 203.0.113.9`));
    expect(codes).toEqual(['UNAUTHENTICATED', 'UNAUTHENTICATED', 'TOO_MANY_REQUESTS']);
  });
});

describe('every answer', () => {
  it('carries the request id that was sent', async () => {
    const { headers } = await post(question, { 'x-request-id': 'trace-42:a.b' });
    expect(headers.get('x-request-id')).toBe('trace-42:a.b');
  });

  it('carries a new request id where what was sent cannot be put into a log', async () => {
    for (const junk of ['a b', '<script>', 'x'.repeat(101), '{"a":1}', 'é']) {
      const { headers } = await post(question, { 'x-request-id': junk });
      expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    }
  });

  it('carries different ids where none was sent', async () => {
    const ids = await Promise.all([1, 2, 3].map(async () => (await post(question)).headers.get('x-request-id')));
    expect(new Set(ids).size).toBe(3);
  });

  it('is logged under its request id, without the variables', async () => {
    await gateway.ask('user', 'query Named($id: ID!) { employee(id: $id) { id } }', { id: 'a-private-value' }, { 'x-request-id': 'logged-1' });
    const line = gateway.logs.find((entry) => entry.requestId === 'logged-1' && entry.msg === 'operation');
    expect(line).toMatchObject({ operation: 'Named', type: 'query', errors: ['BAD_USER_INPUT'] });
    expect(JSON.stringify(gateway.logs)).not.toContain('a-private-value');
  });

  it('carries headers that keep browsers from harm', async () => {
    for (const path of ['/graphql', '/livez', '/nothing']) {
      const { headers } = await fetch(at(gateway, path));
      expect(Object.fromEntries(headers)).toMatchObject({ 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer', 'x-frame-options': 'DENY' });
      expect(headers.has('x-powered-by')).toBe(false);
      expect(headers.has('x-request-id')).toBe(true);
    }
  });
});

describe('CORS', () => {
  const preflight = (origin: string, to = gateway): Promise<Response> =>
    fetch(to.url, { method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization,content-type' } });

  it.each(['https://app.example.com', 'https://other.example.com'])('lets pages of %s call', async (origin) => {
    const response = await preflight(origin);
    expect(response.status).toBe(204);
    expect(response.headers.get('access-control-allow-origin')).toBe(origin);
    const { headers } = await post(question, { origin });
    expect(headers.get('access-control-allow-origin')).toBe(origin);
    expect(headers.get('access-control-expose-headers')).toContain('x-request-id');
    expect(headers.get('vary')).toContain('Origin');
  });

  it.each(['https://evil.example.com', 'http://app.example.com', 'https://app.example.com.evil.com', 'null'])('does not let pages of %s call', async (origin) => {
    expect((await preflight(origin)).headers.has('access-control-allow-origin')).toBe(false);
    expect((await post(question, { origin })).headers.has('access-control-allow-origin')).toBe(false);
  });

  it('lets no page call in production unless told so', async () => {
    for (const origin of ['https://studio.apollographql.com', 'https://app.example.com']) {
      expect((await preflight(origin, production)).headers.has('access-control-allow-origin')).toBe(false);
    }
  });

  it('never allows cookies', async () => {
    expect((await preflight('https://app.example.com')).headers.has('access-control-allow-credentials')).toBe(false);
  });
});

describe('the landing page', () => {
  const page = (of: TestGateway): Promise<Response> => fetch(of.url, { headers: { accept: 'text/html' } });

  it('is the Sandbox outside production', async () => {
    const response = await page(gateway);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toContain('text/html');
    expect(await response.text()).toContain('sandbox');
  });

  it('is not there in production', async () => {
    const response = await page(production);
    expect(response.status).toBe(400);
    expect(response.headers.get('content-type')).toContain('application/json');
    expect(await response.text()).not.toContain('<html');
  });
});

describe('an unknown path', () => {
  it('is answered with 404 in the form of GraphQL', async () => {
    const response = await fetch(at(gateway, '/admin?x=1'));
    expect(response.status).toBe(404);
    expect(await response.json()).toEqual({ errors: [{ message: 'There is nothing at GET /admin?x=1; GraphQL is at /graphql, GraphiQL at /graphiql.', extensions: { code: 'NOT_FOUND' } }] });
  });

  it('is answered with 400 where it cannot be read', async () => {
    const response = await fetch(at(gateway, '/%E0%A4%A'));
    expect(response.status).toBe(400);
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    expect(await response.json()).toMatchObject({ errors: [{ extensions: { code: 'BAD_REQUEST' } }] });
  });
});

describe('health', () => {
  const health = async (of: TestGateway): Promise<{ status: number; body: Any }> => {
    const response = await fetch(at(of, '/readyz'));
    return { status: response.status, body: await response.json() };
  };

  it('is alive and ready, with every part named', async () => {
    const live = await fetch(at(gateway, '/livez'));
    expect([live.status, await live.json()]).toEqual([200, { status: 'alive' }]);
    expect(await health(gateway)).toEqual({
      status: 200,
      body: {
        status: 'ready',
        parts: {
          database: { isRequired: true, isUp: true },
          models: { isRequired: true, isUp: true, detail: '3 loaded' },
          cache: { isRequired: false, isUp: true, detail: 'memory' },
        },
      },
    });
  });

  it('is not ready without its database, but alive, and answers what needs none', async () => {
    const doomed = await startGateway();
    await doomed.tokenOf('user');
    await doomed.ask('user', '{ __typename }');
    await dropDatabaseAt(doomed.databaseUrl);
    expect(await health(doomed)).toMatchObject({ status: 503, body: { status: 'unready', parts: { database: { isUp: false } } } });
    expect((await fetch(at(doomed, '/livez'))).status).toBe(200);
    const { data } = await doomed.ask<Any>('user', '{ models { name } }');
    expect(data.models).toHaveLength(3);
    const failed = await doomed.ask('user', '{ departments { name } }');
    expect(codesOf(failed)).toEqual(['INTERNAL_SERVER_ERROR']);
    await doomed.close();
  });

  it('is ready without its Redis, and says so', async () => {
    const lonely = await startGateway({ REDIS_URL: `redis://127.0.0.1:${await freePort()}` });
    expect(await health(lonely)).toMatchObject({ status: 200, body: { status: 'ready', parts: { cache: { isRequired: false, isUp: false, detail: 'redis' } } } });
    const { errors } = await lonely.ask('user', '{ predict(model: "iris", inputs: { petal_length: 1, petal_width: 1 }) { source } }');
    expect(errors).toEqual([]);
    await lonely.close();
  });

  const reason = reasonToSkipRedis();
  (reason === null ? it : it.skip)(`tells that its Redis is up${reason === null ? '' : ` (skipped: ${reason})`}`, async () => {
    const redis = await startRedis();
    const together = await startGateway({ REDIS_URL: redis.url });
    await together.ask('user', '{ predict(model: "iris", inputs: { petal_length: 1, petal_width: 1 }) { source } }');
    expect(await health(together)).toMatchObject({ status: 200, body: { parts: { cache: { isUp: true, detail: 'redis' } } } });
    await together.close();
    await redis.stop();
  });
});

/** Waits until nobody listens there any more. */
async function refuses(url: string): Promise<void> {
  const isOpen = () => fetch(url, { headers: { connection: 'close' } }).then(
    () => true,
    () => false,
  );
  while (await isOpen()) await sleep(10);
}

describe('a shutdown', () => {
  it('answers what is under way and takes no new connection', async () => {
    const closing = await startGateway();
    const { hostname, port } = new URL(closing.url);
    const socket = connect(Number(port), hostname);
    let received = '';
    socket.on('data', (chunk: Buffer) => (received += chunk.toString()));
    const has = async (text: string): Promise<void> => {
      while (!received.includes(text)) await once(socket, 'data');
    };
    const body = JSON.stringify({ query: '{ me { id } }' });
    socket.write(`POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\nexpect: 100-continue\r\n\r\n`);
    await has('100 Continue'); // the request has begun, and ends only once the shutdown has begun
    const closed = closing.close();
    await refuses(at(closing, '/livez'));
    socket.write(body);
    await has('UNAUTHENTICATED');
    await closed;
  });

  it('does not wait for a connection over which nothing was asked', async () => {
    const closing = await startGateway();
    const { hostname, port } = new URL(closing.url);
    const socket = connect(Number(port), hostname);
    await once(socket, 'connect');
    await sleep(50);
    const started = performance.now();
    await closing.close();
    expect(performance.now() - started).toBeLessThan(5000);
    expect(socket.destroyed || socket.readableEnded || (await once(socket, 'close'))).toBeTruthy();
  });

  it('is told as draining to who is still asking', async () => {
    const closing = await startGateway();
    const { hostname, port } = new URL(closing.url);
    const socket = connect(Number(port), hostname);
    await once(socket, 'connect');
    let received = '';
    socket.on('data', (chunk: Buffer) => (received += chunk.toString()));
    // The request has begun before the shutdown, and ends after it has begun.
    socket.write('GET /readyz HTTP/1.1\r\nhost: x\r\n');
    await sleep(300);
    const closed = closing.close();
    await sleep(20);
    socket.write('\r\n');
    await once(socket, 'close');
    await closed;
    expect(received).toContain('"status":"draining"');
    expect(received).toContain('HTTP/1.1 503');
  });
});

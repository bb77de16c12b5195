import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { bundledModels } from '../support/bundled-models.js';
import { dropDatabaseAt } from '../support/database.js';
import { codesOf, startGateway, type AnyData, type TestGateway } from '../support/gateway.js';
import { upgradeStatus } from '../support/streams.js';
import { freePort, reasonToSkipRedis, startRedis } from '../support/redis.js';

const secret = 'vB7pXq2RtYw9ZkLm4NcHsJ8dFgT6aEuQ1o';

let gateway: TestGateway;
let production: TestGateway;
let proxied: TestGateway;
beforeAll(async () => {
  [gateway, production, proxied] = await Promise.all([
    startGateway({
      CORS_ORIGINS: 'https://app.example.com, https://other.example.com',
      MAX_LOGINS_PER_ADDRESS: '3',
      MAX_LOGINS_PER_ACCOUNT: '1000',
    }),
    startGateway({ NODE_ENV: 'production', DEMO_DATA: 'true', JWT_SECRET: secret }),
    startGateway({ TRUST_PROXY: 'true', MAX_LOGINS_PER_ADDRESS: '2', MAX_LOGINS_PER_ACCOUNT: '1000' }),
  ]);
});
afterAll(() => Promise.all([gateway.close(), production.close(), proxied.close()]));

const at = (of: TestGateway, path: string): string => new URL(path, of.url).href;

/** Posts this body. */
async function post(
  body: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
  to: TestGateway = gateway,
): Promise<{ status: number; headers: Headers; body: AnyData }> {
  const response = await fetch(to.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body,
  });
  return { status: response.status, headers: response.headers, body: await response.json() };
}

const typenameQuery = JSON.stringify({ query: '{ __typename }' });
const returned = { data: { __typename: 'Query' } };

describe('a malformed request', () => {
  it.each([
    ['JSON that ends early', '{"query": "{ __typename'],
    ['invalid JSON', 'hello'],
    ['nothing', ''],
  ])('is rejected with 400 if the body is %s', async (_what, body) => {
    const { status, body: reply } = await post(body);
    expect(status).toBe(400);
    expect(reply.errors).toMatchObject([{ extensions: { code: 'BAD_REQUEST' } }]);
    expect(reply).not.toHaveProperty('data');
  });

  it.each([
    ['a list', '[1]'],
    ['a number', '1'],
    ['null', 'null'],
    ['an object without a query', '{}'],
    ['a query that is not a string', '{"query": 5}'],
    ['variables that are not an object', '{"query": "{ __typename }", "variables": 5}'],
    ['extensions that are not an object', '{"query": "{ __typename }", "extensions": "x"}'],
    ['an empty query', '{"query": ""}'],
  ])('is rejected with 400 if the body is %s', async (_what, body) => {
    const { status, body: reply } = await post(body);
    expect(status).toBe(400);
    expect(reply.errors[0].extensions.code).toBe('BAD_REQUEST');
  });

  it('is rejected with 415 for other content types', async () => {
    for (const type of [
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'application/xml',
      'text/plain',
      'application/graphql',
      'application/jsonp',
    ]) {
      const { status, body } = await post(typenameQuery, { 'content-type': type });
      expect(status).toBe(415);
      expect(body.errors).toMatchObject([
        { message: 'Send the operation as application/json.', extensions: { code: 'UNSUPPORTED_MEDIA_TYPE' } },
      ]);
    }
  });

  it.each(['gzip', 'br', 'deflate', 'GZIP', 'zstd', 'gzip, gzip', 'x'.repeat(1000)])(
    'is rejected with 415 for the content encoding %s',
    async (coding) => {
      const { status, headers, body } = await post(gzipSync(typenameQuery), { 'content-encoding': coding });
      expect([status, headers.get('accept-encoding')]).toEqual([415, 'identity']);
      expect(body.errors).toMatchObject([{ extensions: { code: 'UNSUPPORTED_MEDIA_TYPE' } }]);
      expect(body.errors[0].message).toMatch(
        /^The content encoding [\w, ]{2,40} is not supported; send the body without Content-Encoding\.$/,
      );
    },
  );

  it('may name the encoding identity', async () => {
    expect((await post(typenameQuery, { 'content-encoding': 'Identity' })).status).toBe(200);
  });

  it('gets a response without a stack trace', async () => {
    const texts = await Promise.all(
      ['{', '[]', '{"query":"{ nothing }"}'].map(async (body) => JSON.stringify((await post(body)).body)),
    );
    for (const text of texts) expect(text).not.toMatch(/stacktrace|node_modules|at .+:\d+:\d+/);
  });
});

describe('GET', () => {
  const urlOf = (query: string): string => at(gateway, `/graphql?query=${encodeURIComponent(query)}`);

  it('executes a query with a header that requires a preflight', async () => {
    const response = await fetch(urlOf('{ __typename }'), { headers: { 'apollo-require-preflight': 'true' } });
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual(returned);
  });

  it('executes a query with a credential, which no other site can make a browser send', async () => {
    const created = await gateway.execute<AnyData>('user', 'mutation { createApiKey(name: "a reader") { secret } }');
    const credentials: Record<string, string>[] = [
      { authorization: `Bearer ${await gateway.tokenOf('user')}` },
      { 'x-api-key': created.data.createApiKey.secret as string },
    ];
    for (const headers of credentials) {
      const response = await fetch(urlOf('{ me { role } }'), { headers });
      expect([response.status, await response.json()]).toEqual([200, { data: { me: { role: 'USER' } } }]);
    }
  });

  it('executes no mutation with a credential', async () => {
    const authorization = `Bearer ${await gateway.tokenOf('user')}`;
    expect((await fetch(urlOf('mutation { logout { __typename } }'), { headers: { authorization } })).status).toBe(405);
  });

  it.each([
    ['no header', {}],
    ['headers that any page can send', { accept: 'application/json', 'accept-language': 'en', cookie: 'session=1' }],
    ['an empty credential', { authorization: '', 'x-api-key': '' }],
    ['a content type that needs no preflight', { 'content-type': 'text/plain' }],
  ])('rejects a query with %s', async (_what, headers) => {
    const response = await fetch(urlOf('{ __typename }'), { headers });
    expect(response.status).toBe(400);
    const body: AnyData = await response.json();
    expect(body.errors[0].message).toMatch(/Cross-Site Request Forgery/);
  });

  it.each(['operationName', 'variables', 'extensions', 'documentId', 'id'])(
    'takes an empty parameter %s for an absent one',
    async (name) => {
      const headers = { 'apollo-require-preflight': 'true' };
      const response = await fetch(`${urlOf('query Named { __typename }')}&${name}=`, { headers });
      expect([response.status, await response.json()]).toEqual([200, returned]);
      const all = '&operationName=&variables=%20&extensions=&documentId=&id=';
      expect(await (await fetch(urlOf('{ __typename }') + all, { headers })).json()).toEqual(returned);
    },
  );

  it('takes null in JSON for an absent parameter', async () => {
    const response = await fetch(`${urlOf('{ __typename }')}&variables=null&extensions=null`, {
      headers: { 'apollo-require-preflight': 'true' },
    });
    expect([response.status, await response.json()]).toEqual([200, returned]);
  });

  it.each(['query', 'operationName', 'variables', 'extensions', 'documentId', 'id'])(
    'rejects a repeated parameter %s',
    async (name) => {
      const operation = name === 'query' ? '' : 'query={__typename}&';
      const response = await fetch(at(gateway, `/graphql?${operation}${name}=a&${name}=`), {
        headers: { 'apollo-require-preflight': 'true' },
      });
      const body: AnyData = await response.json();
      expect([response.status, body.errors[0].message]).toEqual([
        400,
        `The search parameter ${name} may be given once.`,
      ]);
    },
  );

  it('executes a query with variables', async () => {
    const variables = encodeURIComponent(JSON.stringify({ name: 'iris' }));
    const authorization = `Bearer ${await gateway.tokenOf('user')}`;
    const response = await fetch(
      `${urlOf('query ($name: String!) { model(name: $name) { name } }')}&variables=${variables}`,
      {
        headers: { 'apollo-require-preflight': 'true', authorization },
      },
    );
    expect(await response.json()).toEqual({ data: { model: { name: 'iris' } } });
  });

  it('rejects a mutation with 405', async () => {
    const response = await fetch(urlOf('mutation { logout { signedOutUserId } }'), {
      headers: { 'apollo-require-preflight': 'true' },
    });
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('POST');
  });
});

describe('the status of a response', () => {
  it('is 401 for an anonymous caller without data', async () => {
    const { status, errors } = await gateway.execute(null, '{ me { id } departments { name } }');
    expect(errors.map((error) => error.extensions.code)).toContain('UNAUTHENTICATED');
    expect(status).toBe(401);
  });

  it('is 401 for an invalid token', async () => {
    const rejected = await gateway.execute({ token: 'x.y.z' }, '{ users { totalCount } }');
    expect(rejected.status).toBe(401);
    expect(rejected.errors[0]?.message).toContain('not valid');
  });

  it('is 200 for partial data', async () => {
    const partly = await gateway.execute<AnyData>(null, '{ __typename me { id } }');
    expect(partly.status).toBe(200);
    expect(partly.data).toEqual({ __typename: 'Query', me: null });
    expect(codesOf(partly)).toEqual(['UNAUTHENTICATED']);
  });

  it('is 200 if the data is an object, even if each field is null', async () => {
    for (const caller of [null, { token: 'x.y.z' }, { apiKey: 'axk_none' }]) {
      const nulls = await gateway.execute<AnyData>(caller, '{ me { id } again: me { id } }');
      expect([nulls.status, nulls.data]).toEqual([200, { me: null, again: null }]);
      expect(codesOf(nulls)).toEqual(['UNAUTHENTICATED', 'UNAUTHENTICATED']);
    }
  });

  const graphql = 'application/graphql-response+json';
  it.each([
    [undefined, 'application/json', 200],
    ['*/*', 'application/json', 200],
    ['application/*', 'application/json', 200],
    ['application/json', 'application/json', 200],
    [graphql, graphql, 400],
    ['Application/GraphQL-Response+JSON', graphql, 400],
    [`application/json, ${graphql}`, 'application/json', 200],
    [`${graphql}, application/json`, graphql, 400],
    [`application/json, ${graphql};q=0`, 'application/json', 200],
    [`${graphql};q=0.1, application/json;q=0.9`, 'application/json', 200],
    [`application/json;q=0.1, ${graphql};q=0.2`, graphql, 400],
    [`${graphql};q=0, */*`, 'application/json', 200],
    [`application/json;q=0, */*`, graphql, 400],
    [`*/*;q=0.1, ${graphql}`, graphql, 400],
    [`text/html, ${graphql};charset=utf-8;q=0.4, application/json;q=0.3`, graphql, 400],
    [`${graphql}, application/graphql+json, application/json, text/event-stream, multipart/mixed`, graphql, 400],
  ])('of a request error is that of the content type, for Accept: %s', async (accept, type, expected) => {
    for (const query of [
      '{ nope }',
      '{',
      'query ($a: Int!) { __typename }',
      'query A { a: __typename } query B { b: __typename }',
    ]) {
      const response = await post(JSON.stringify({ query }), accept === undefined ? {} : { accept });
      expect([query, response.headers.get('content-type'), response.status]).toEqual([
        query,
        `${type}; charset=utf-8`,
        expected,
      ]);
    }
    expect((await post('{ "query": ""}', accept === undefined ? {} : { accept })).status).toBe(400);
  });

  it.each([
    'text/html',
    'application/xml;q=1',
    'application/json;q=0',
    'application/json;q=0, application/graphql-response+json;q=0.000',
    '*/*;q=0',
  ])('is 406 for Accept: %s, and a mutation is not executed', async (accept) => {
    const count = async (): Promise<number> =>
      (await gateway.db.selectFrom('user_account').select('id').execute()).length;
    const before = await count();
    const query =
      'mutation { register(input: { email: "unseen@example.org", password: "correct horse battery" }) { accessToken } }';
    const { status, body } = await post(JSON.stringify({ query }), { accept });
    expect([status, body.errors[0].extensions.code]).toEqual([406, 'NOT_ACCEPTABLE']);
    expect(await count()).toBe(before);
  });

  it('is 200 for FORBIDDEN and BAD_USER_INPUT', async () => {
    expect((await gateway.execute('user', '{ users { totalCount } }')).status).toBe(200);
    expect((await gateway.execute('user', '{ employee(id: "x") { id } }')).status).toBe(200);
  });

  it('is 200 with Retry-After for a throttled sign-in, since other mutations of the operation may have succeeded', async () => {
    const login =
      'mutation { login(input: { email: "nobody@example.com", password: "wrong password" }) { accessToken } }';
    await proxied.execute(null, login, {}, { 'x-forwarded-for': '192.0.2.77' });
    await proxied.execute(null, login, {}, { 'x-forwarded-for': '192.0.2.77' });
    const throttled = await proxied.execute(null, login, {}, { 'x-forwarded-for': '192.0.2.77' });
    expect(codesOf(throttled)).toEqual(['TOO_MANY_REQUESTS']);
    expect([throttled.status, throttled.data]).toEqual([200, { login: null }]);
    expect(Number(throttled.headers.get('retry-after'))).toBeGreaterThan(0);
  });
});

describe('the address of a caller', () => {
  const login =
    'mutation { login(input: { email: "nobody@example.com", password: "wrong password" }) { accessToken } }';
  const codeOf = async (to: TestGateway, forwarded: string): Promise<string | undefined> =>
    codesOf(await to.execute(null, login, {}, { 'x-forwarded-for': forwarded }))[0];

  it('is that of the connection, regardless of X-Forwarded-For', async () => {
    const codes = [];
    for (let last = 1; last <= 4; last += 1) codes.push(await codeOf(gateway, `192.0.2.${last}`));
    expect(codes).toEqual(['UNAUTHENTICATED', 'UNAUTHENTICATED', 'UNAUTHENTICATED', 'TOO_MANY_REQUESTS']);
  });

  it('is the one added by a trusted proxy', async () => {
    for (let last = 1; last <= 4; last += 1)
      expect(await codeOf(proxied, `198.51.100.${last}`)).toBe('UNAUTHENTICATED');
  });

  it('is not an entry that the caller sent', async () => {
    const codes = [];
    for (let last = 1; last <= 3; last += 1) codes.push(await codeOf(proxied, `192.0.2.${last}, 203.0.113.9`));
    expect(codes).toEqual(['UNAUTHENTICATED', 'UNAUTHENTICATED', 'TOO_MANY_REQUESTS']);
  });
});

describe('every response', () => {
  it('carries the request id that was sent', async () => {
    const { headers } = await post(typenameQuery, { 'x-request-id': 'trace-42:a.b' });
    expect(headers.get('x-request-id')).toBe('trace-42:a.b');
  });

  it('carries a new request id if the one sent is unsafe to log', async () => {
    for (const junk of ['a b', '<script>', 'x'.repeat(101), '{"a":1}', 'é']) {
      const { headers } = await post(typenameQuery, { 'x-request-id': junk });
      expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    }
  });

  it('carries a unique id if none was sent', async () => {
    const ids = await Promise.all([1, 2, 3].map(async () => (await post(typenameQuery)).headers.get('x-request-id')));
    expect(new Set(ids).size).toBe(3);
  });

  it('is logged under its request id, without the variables', async () => {
    await gateway.execute(
      'user',
      'query Named($id: ID!) { employee(id: $id) { id } }',
      { id: 'a-private-value' },
      { 'x-request-id': 'logged-1' },
    );
    const line = gateway.logs.find((entry) => entry.requestId === 'logged-1' && entry.msg === 'operation');
    expect(line).toMatchObject({ operation: 'Named', type: 'query', errors: ['BAD_USER_INPUT'] });
    expect(JSON.stringify(gateway.logs)).not.toContain('a-private-value');
  });

  it('carries security headers', async () => {
    for (const path of ['/graphql', '/livez', '/nothing']) {
      const { headers } = await fetch(at(gateway, path));
      expect(Object.fromEntries(headers)).toMatchObject({
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
        'x-frame-options': 'DENY',
      });
      expect(headers.has('x-powered-by')).toBe(false);
      expect(headers.has('x-request-id')).toBe(true);
    }
  });
});

describe('CORS', () => {
  const preflight = (origin: string, to = gateway): Promise<Response> =>
    fetch(to.url, {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,content-type',
      },
    });

  it.each(['https://app.example.com', 'https://other.example.com'])('allows %s', async (origin) => {
    const response = await preflight(origin);
    expect(response.status).toBe(204);
    expect(response.headers.get('access-control-allow-origin')).toBe(origin);
    const { headers } = await post(typenameQuery, { origin });
    expect(headers.get('access-control-allow-origin')).toBe(origin);
    expect(headers.get('access-control-expose-headers')).toContain('x-request-id');
    expect(headers.get('vary')).toContain('Origin');
  });

  it.each(['https://evil.example.com', 'http://app.example.com', 'https://app.example.com.evil.com', 'null'])(
    'does not allow %s',
    async (origin) => {
      expect((await preflight(origin)).headers.has('access-control-allow-origin')).toBe(false);
      expect((await post(typenameQuery, { origin })).headers.has('access-control-allow-origin')).toBe(false);
    },
  );

  it('allows pages of this machine in development, over HTTP and as WebSocket', async () => {
    const origin = 'http://localhost:5173';
    const { headers } = await post(typenameQuery, { origin }, proxied);
    expect(headers.get('access-control-allow-origin')).toBe(origin);
    expect((await preflight(origin, proxied)).headers.get('access-control-allow-origin')).toBe(origin);
    expect(await upgradeStatus(proxied.url, { origin })).toBe(101);
    for (const to of [gateway, production]) {
      expect((await preflight(origin, to)).headers.has('access-control-allow-origin')).toBe(false);
      expect(await upgradeStatus(to.url, { origin })).toBe(403);
    }
  });

  it('allows no cross-origin requests in production unless configured', async () => {
    for (const origin of ['https://studio.apollographql.com', 'https://app.example.com']) {
      expect((await preflight(origin, production)).headers.has('access-control-allow-origin')).toBe(false);
    }
  });

  it('never allows cookies', async () => {
    expect((await preflight('https://app.example.com')).headers.has('access-control-allow-credentials')).toBe(false);
  });
});

describe('an unknown path', () => {
  it('returns 404 with a GraphQL error', async () => {
    const response = await fetch(at(gateway, '/admin?x=1'));
    expect(response.status).toBe(404);
    expect(await response.json()).toEqual({
      errors: [
        {
          message: 'There is nothing at GET /admin?x=1; GraphQL is at /graphql, GraphiQL at /graphiql.',
          extensions: { code: 'NOT_FOUND' },
        },
      ],
    });
  });

  it('returns 400 if it is malformed', async () => {
    const response = await fetch(at(gateway, '/%E0%A4%A'));
    expect(response.status).toBe(400);
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    expect(await response.json()).toMatchObject({ errors: [{ extensions: { code: 'BAD_REQUEST' } }] });
  });
});

describe('health', () => {
  const health = async (of: TestGateway): Promise<{ status: number; body: AnyData }> => {
    const response = await fetch(at(of, '/readyz'));
    return { status: response.status, body: await response.json() };
  };

  it('reports every part as alive and ready', async () => {
    const live = await fetch(at(gateway, '/livez'));
    expect([live.status, await live.json()]).toEqual([200, { status: 'alive' }]);
    expect(await health(gateway)).toEqual({
      status: 200,
      body: {
        status: 'ready',
        parts: {
          database: { isRequired: true, isUp: true },
          models: { isRequired: true, isUp: true, detail: `${bundledModels.length} loaded` },
          cache: { isRequired: false, isUp: true, detail: 'memory' },
        },
      },
    });
  });

  it('is alive but not ready without its database, and serves fields that do not need it', async () => {
    const doomed = await startGateway();
    await doomed.tokenOf('user');
    await doomed.execute('user', '{ __typename }');
    await dropDatabaseAt(doomed.databaseUrl);
    expect(await health(doomed)).toMatchObject({
      status: 503,
      body: { status: 'unready', parts: { database: { isUp: false } } },
    });
    expect((await fetch(at(doomed, '/livez'))).status).toBe(200);
    const { data } = await doomed.execute<AnyData>('user', '{ models { name } }');
    expect(data.models).toHaveLength(bundledModels.length);
    const failed = await doomed.execute('user', '{ departments { name } }');
    expect(codesOf(failed)).toEqual(['INTERNAL_SERVER_ERROR']);
    await doomed.close();
  });

  it('is ready without its Redis, which it reports as down', async () => {
    const withoutRedis = await startGateway({ REDIS_URL: `redis://127.0.0.1:${await freePort()}` });
    expect(await health(withoutRedis)).toMatchObject({
      status: 200,
      body: { status: 'ready', parts: { cache: { isRequired: false, isUp: false, detail: 'redis' } } },
    });
    const { errors } = await withoutRedis.execute(
      'user',
      '{ predict(model: "iris", inputs: { petal_length: 1, petal_width: 1 }) { source } }',
    );
    expect(errors).toEqual([]);
    await withoutRedis.close();
  });

  const reason = reasonToSkipRedis();
  (reason === null ? it : it.skip)(
    `reports that its Redis is up${reason === null ? '' : ` (skipped: ${reason})`}`,
    async () => {
      const redis = await startRedis();
      const withRedis = await startGateway({ REDIS_URL: redis.url });
      await withRedis.execute(
        'user',
        '{ predict(model: "iris", inputs: { petal_length: 1, petal_width: 1 }) { source } }',
      );
      expect(await health(withRedis)).toMatchObject({
        status: 200,
        body: { parts: { cache: { isUp: true, detail: 'redis' } } },
      });
      await withRedis.close();
      await redis.stop();
    },
  );
});

/** Waits until the URL no longer accepts connections. */
async function untilClosed(url: string): Promise<void> {
  const isOpen = () =>
    fetch(url, { headers: { connection: 'close' } }).then(
      () => true,
      () => false,
    );
  while (await isOpen()) await sleep(10);
}

describe('a shutdown', () => {
  it('finishes in-flight requests and accepts no new connection', async () => {
    const closing = await startGateway();
    const { hostname, port } = new URL(closing.url);
    const socket = connect(Number(port), hostname);
    let received = '';
    socket.on('data', (chunk: Buffer) => (received += chunk.toString()));
    const has = async (text: string): Promise<void> => {
      while (!received.includes(text)) await once(socket, 'data');
    };
    const body = JSON.stringify({ query: '{ me { id } }' });
    socket.write(
      `POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\nexpect: 100-continue\r\n\r\n`,
    );
    await has('100 Continue'); // the request is in flight until the shutdown has begun
    const closed = closing.close();
    await untilClosed(at(closing, '/livez'));
    socket.write(body);
    await has('UNAUTHENTICATED');
    await closed;
  });

  it('does not wait for idle connections', async () => {
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

  it('reports draining on open connections', async () => {
    const closing = await startGateway();
    const { hostname, port } = new URL(closing.url);
    const socket = connect(Number(port), hostname);
    await once(socket, 'connect');
    let received = '';
    socket.on('data', (chunk: Buffer) => (received += chunk.toString()));
    // The request begins before the shutdown and ends after it has begun.
    socket.write('GET /readyz HTTP/1.1\r\nhost: localhost\r\n');
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

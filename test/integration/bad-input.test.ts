import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { startGateway, type AnyData, type TestGateway } from '../support/gateway.js';

let gateway: TestGateway;
let batching: TestGateway;
beforeAll(async () => {
  [gateway, batching] = await Promise.all([
    startGateway({ MAX_BODY_BYTES: '20000' }),
    startGateway({ MAX_BATCHED_OPERATIONS: '3' }),
  ]);
});
afterAll(() => Promise.all([gateway.close(), batching.close()]));

interface Reply {
  status: number;
  headers: Headers;
  errors: AnyData[];
  body: AnyData;
}

async function send(
  method: string,
  {
    to = gateway,
    search = '',
    headers = {},
    body,
  }: {
    to?: TestGateway;
    search?: string;
    headers?: Record<string, string>;
    body?: string | Uint8Array<ArrayBuffer>;
  } = {},
): Promise<Reply> {
  const response = await fetch(`${to.url}${search}`, { method, headers, ...(body === undefined ? {} : { body }) });
  const text = await response.text();
  const returned: AnyData = text === '' ? {} : JSON.parse(text);
  return { status: response.status, headers: response.headers, errors: returned.errors ?? [], body: returned };
}

const post = (body: string | Uint8Array<ArrayBuffer>, type = 'application/json'): Promise<Reply> =>
  send('POST', { headers: { 'content-type': type }, body });
const get = (parameters: Record<string, string>): Promise<Reply> =>
  send('GET', {
    search: `?${new URLSearchParams(parameters).toString()}`,
    headers: { 'apollo-require-preflight': 'true' },
  });

/** Asserts that the reply is one uncacheable error with this status, code and message. */
function expectRejected(
  { status, errors, body, headers }: Reply,
  as: { status: number; code: string; message: RegExp },
): void {
  expect(errors).toHaveLength(1);
  expect({ status, code: errors[0].extensions.code, message: errors[0].message }).toEqual({
    status: as.status,
    code: as.code,
    message: expect.stringMatching(as.message),
  });
  expect(body).not.toHaveProperty('data');
  expect(headers.get('cache-control')).toBe('no-store');
}

/** Sends bytes over a separate connection. @returns the status and body of the response */
async function raw(bytes: string): Promise<{ status: number; body: AnyData }> {
  const { hostname, port } = new URL(gateway.url);
  const socket = connect(Number(port), hostname);
  let received = '';
  socket.on('data', (chunk: Buffer) => (received += chunk.toString()));
  socket.on('error', () => undefined);
  socket.write(bytes);
  await once(socket, 'close');
  const [head = '', body = ''] = received.split('\r\n\r\n');
  return { status: Number(head.split(' ')[1]), body: JSON.parse(body) };
}

const typenameQuery = JSON.stringify({ query: '{ __typename }' });
const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);

describe('a body', () => {
  it('is rejected with 413 if it is too large', async () => {
    expectRejected(await post(JSON.stringify({ query: `{ __typename } # ${'x'.repeat(20_000)}` })), {
      status: 413,
      code: 'PAYLOAD_TOO_LARGE',
      message: /exceeds 20000 bytes/,
    });
  });

  it('is rejected with 415 if it has another content type', async () => {
    for (const type of ['text/plain', 'application/graphql', 'application/xml']) {
      expectRejected(await post(typenameQuery, type), {
        status: 415,
        code: 'UNSUPPORTED_MEDIA_TYPE',
        message: /application\/json/,
      });
    }
  });

  it.each(['latin1', 'iso-8859-1', 'utf-16', '"utf-32"', 'no-such-charset'])(
    'is rejected with 415 in charset %s',
    async (charset) => {
      expectRejected(await post(typenameQuery, `application/json; charset=${charset}`), {
        status: 415,
        code: 'UNSUPPORTED_MEDIA_TYPE',
        message: /The charset \S+ is not supported; .+UTF-8/,
      });
    },
  );

  it.each(['utf-8', 'UTF-8', 'utf8', '"utf-8"'])('is accepted in charset %s', async (charset) => {
    expect((await post(typenameQuery, `application/json; charset=${charset}`)).body).toEqual({
      data: { __typename: 'Query' },
    });
  });

  it.each([
    ['a lone byte', [0xff]],
    ['half a letter', [0xc3]],
    ['a surrogate', [0xed, 0xa0, 0x80]],
  ])('is rejected with 400 if it is not UTF-8: %s', async (_what, bytes) => {
    const body = new Uint8Array([...Buffer.from('{"query":"{ __typename } #'), ...bytes, ...Buffer.from('"}')]);
    expectRejected(await post(body), { status: 400, code: 'BAD_REQUEST', message: /not UTF-8/ });
  });

  it('is rejected with 400 if it is not JSON', async () => {
    for (const body of ['{"query": "{ __typename', 'hello', "{'query': 1}", '{"a":1}{"b":2}']) {
      expectRejected(await post(body), { status: 400, code: 'BAD_REQUEST', message: /JSON/ });
    }
    expectRejected(await post(''), { status: 400, code: 'BAD_REQUEST', message: /empty/i });
  });

  it.each(['null', '1', '"text"', 'true'])('is rejected with 400 if its JSON is not an object: %s', async (body) => {
    expectRejected(await post(body), { status: 400, code: 'BAD_REQUEST', message: /body/ });
  });

  it.each([
    ['no query', '{"operationName":"A"}', /query/],
    ['nothing', '{}', /body/],
    ['a query that is not a string', '{"query":{"kind":"x"}}', /strings/],
    ['variables that are a list', '{"query":"{ __typename }","variables":[]}', /variables/],
    ['variables as text', '{"query":"{ __typename }","variables":"{}"}', /variables/],
    ['extensions that are a number', '{"query":"{ __typename }","extensions":1}', /extensions/],
    ['an operation name that is not a string', '{"query":"{ __typename }","operationName":1}', /operationName/],
    ['a key that would reach a prototype', '{"query":"{ __typename }","variables":{"__proto__":{"a":1}}}', /JSON/],
  ])('is rejected with 400 with %s', async (_what, body, message) => {
    expectRejected(await post(body), { status: 400, code: 'BAD_REQUEST', message });
  });

  it('is rejected with 400 before parsing if it is nested too deeply', async () => {
    const deep = (depth: number): string =>
      `{"query":"query ($i: [JSONObject!]!) { predict(model: \\"iris\\", inputs: $i) { id } }","variables":{"i":[{"a":${nested(depth)}}]}}`;
    for (const depth of [97, 5000, 9000])
      expectRejected(await post(deep(depth)), { status: 400, code: 'BAD_REQUEST', message: /deeper than 100/ });
    expectRejected(await post('['.repeat(19_000)), { status: 400, code: 'BAD_REQUEST', message: /deeper than 100/ });
    const { errors } = await post(deep(96));
    expect(errors).toMatchObject([{ extensions: { code: 'UNAUTHENTICATED' } }]);
  });

  it('may contain any number of brackets in strings', async () => {
    const body = JSON.stringify({
      query: `{ __typename } # ${'[{'.repeat(500)} " \\`,
      variables: { a: '"['.repeat(500) },
    });
    expect((await post(body)).body).toEqual({ data: { __typename: 'Query' } });
  });
});

describe('GET', () => {
  it.each([
    ['no query', {}, /query/],
    ['variables that are not JSON', { query: '{ __typename }', variables: '{"a"' }, /variables/],
    ['variables that are not an object', { query: '{ __typename }', variables: '[1]' }, /variables/],
    ['extensions that are not JSON', { query: '{ __typename }', extensions: 'x' }, /extensions/],
    [
      'variables that nest too deep',
      { query: '{ __typename }', variables: `{"a":${nested(200)}}` },
      /variables nests .* deeper than 100/,
    ],
  ])('is rejected with 400 with %s', async (_what, parameters, message) => {
    expectRejected(await get(parameters), { status: 400, code: 'BAD_REQUEST', message });
  });

  it('is rejected with 400 with two queries', async () => {
    const twice = await send('GET', {
      search: '?query=%7B__typename%7D&query=%7Bme%7Bid%7D%7D',
      headers: { 'apollo-require-preflight': 'true' },
    });
    expectRejected(twice, { status: 400, code: 'BAD_REQUEST', message: /once/ });
  });

  it('is rejected with 405 for a mutation and changes nothing', async () => {
    const people = () => gateway.db.selectFrom('user_account').select('id').execute();
    const before = await people();
    const rejected = await get({
      query:
        'mutation { register(input: { email: "by-get@example.com", password: "a-long-password-of-mine" }) { accessToken } }',
    });
    expectRejected(rejected, { status: 405, code: 'BAD_REQUEST', message: /GET/ });
    expect(rejected.headers.get('allow')).toBe('POST');
    expect(await people()).toEqual(before);
  });

  it('is rejected with 414 if its URI is too long', async () => {
    for (const length of [8200, 12_000])
      expectRejected(await get({ query: `{ __typename } #${'x'.repeat(length)}` }), {
        status: 414,
        code: 'URI_TOO_LONG',
        message: /8192 .+ POST/,
      });
    expect(await raw(`GET /graphql?query=${'x'.repeat(40_000)} HTTP/1.1\r\nhost: localhost\r\n\r\n`)).toMatchObject({
      status: 414,
      body: { errors: [{ extensions: { code: 'URI_TOO_LONG' } }] },
    });
  });

  it('returns only the headers for HEAD', async () => {
    const search = '?query=%7B__schema%7BqueryType%7Bname%7D%7D%7D';
    const headers = { 'apollo-require-preflight': 'true' };
    const [got, head] = [await send('GET', { search, headers }), await send('HEAD', { search, headers })];
    expect([head.status, head.body]).toEqual([200, {}]);
    for (const name of ['content-type', 'content-length', 'etag', 'cache-control', 'vary']) {
      expect(got.headers.get(name)).toEqual(expect.any(String));
      expect([name, head.headers.get(name)]).toEqual([name, got.headers.get(name)]);
    }
  });
});

describe('a request', () => {
  it.each(['PUT', 'DELETE', 'PATCH', 'PROPFIND', 'TRACE'])(
    'is rejected with 405 and the allowed methods for %s',
    async (method) => {
      const sent = request(gateway.url, { method, headers: { 'content-type': 'text/strange' } }).end();
      const [response] = (await once(sent, 'response')) as [AnyData];
      expect(response.statusCode).toBe(405);
      expect(response.headers).toMatchObject({ allow: 'GET, HEAD, POST', 'cache-control': 'no-store' });
      let text = '';
      for await (const chunk of response) text += String(chunk);
      expect(JSON.parse(text).errors).toMatchObject([{ extensions: { code: 'METHOD_NOT_ALLOWED' } }]);
    },
  );

  it('is accepted as a preflight for OPTIONS, and rejected if CORS is off', async () => {
    expect((await fetch(gateway.url, { method: 'OPTIONS' })).status).toBe(204);
    const closed = await startGateway({ NODE_ENV: 'production', DEMO_DATA: 'true' });
    const rejected = await fetch(closed.url, { method: 'OPTIONS' });
    expect([rejected.status, rejected.headers.get('allow')]).toEqual([405, 'GET, HEAD, POST']);
    await closed.close();
  });

  it('is rejected with 431 if its headers are too large', async () => {
    expect(
      await raw(`GET /graphql HTTP/1.1\r\nhost: localhost\r\nx-large: ${'x'.repeat(40_000)}\r\n\r\n`),
    ).toMatchObject({
      status: 431,
      body: { errors: [{ extensions: { code: 'HEADERS_TOO_LARGE' } }] },
    });
  });

  it('is rejected with 400 if it is malformed HTTP', async () => {
    expect(await raw('hello there\r\n\r\n')).toMatchObject({
      status: 400,
      body: { errors: [{ extensions: { code: 'BAD_REQUEST' } }] },
    });
  });

  it.each([
    ['cannot be parsed', '{ me', 'GRAPHQL_PARSE_FAILED'],
    ['is not of the schema', '{ nothing }', 'GRAPHQL_VALIDATION_FAILED'],
    ['lacks a variable', 'query ($id: ID!) { employee(id: $id) { id } }', 'BAD_USER_INPUT'],
  ])(
    'whose operation %s returns 400 as application/graphql-response+json and 200 as application/json',
    async (_what, query, code) => {
      const sent = (accept: string) =>
        send('POST', { headers: { 'content-type': 'application/json', accept }, body: JSON.stringify({ query }) });
      for (const [accept, status] of [
        ['application/graphql-response+json', 400],
        ['application/json', 200],
        ['*/*', 200],
      ] as const) {
        const returned = await sent(accept);
        expect([accept, returned.status, returned.errors.map((error) => error.extensions.code)]).toEqual([
          accept,
          status,
          [code],
        ]);
      }
    },
  );
});

describe('an operation batch', () => {
  const list = (operations: unknown[], to: TestGateway, headers: Record<string, string> = {}): Promise<Reply> =>
    send('POST', { to, headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(operations) });
  const typename = { query: '{ __typename }' };
  const made = (email: string) => ({
    query:
      'mutation ($email: String!) { register(input: { email: $email, password: "a-long-password-of-mine" }) { user { email } } }',
    variables: { email },
  });
  const emails = async (of: TestGateway): Promise<string[]> =>
    (await of.db.selectFrom('user_account').select('email').orderBy('email').execute()).map(({ email }) => email);

  it('is rejected with 400 and not executed if batching is disabled', async () => {
    const before = await emails(gateway);
    for (const operations of [[typename, typename], [typename], [], [made('listed@example.com')]]) {
      expectRejected(await list(operations, gateway), {
        status: 400,
        code: 'BAD_REQUEST',
        message: /batching is disabled/,
      });
    }
    expect(await emails(gateway)).toEqual(before);
  });

  it('returns the results in order if batching is enabled', async () => {
    const authorization = `Bearer ${await batching.tokenOf('user')}`;
    const { status, body, headers } = await list(
      [typename, { query: '{ me { email } }' }, { query: '{ nothing }' }],
      batching,
      { authorization },
    );
    expect(status).toBe(200);
    expect(headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(body).toMatchObject([
      { data: { __typename: 'Query' } },
      { data: { me: { email: 'user@example.com' } } },
      { errors: [{ extensions: { code: 'GRAPHQL_VALIDATION_FAILED' } }] },
    ]);
  });

  it('is never cacheable', async () => {
    const authorization = `Bearer ${await batching.tokenOf('user')}`;
    const { headers } = await list([{ query: '{ departments { name } }' }], batching, { authorization });
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.has('etag')).toBe(false);
  });

  it('is rejected with 400 and not executed if it is empty or too long', async () => {
    const before = await emails(batching);
    expectRejected(await list([], batching), { status: 400, code: 'BAD_REQUEST', message: /empty/ });
    const four = [1, 2, 3, 4].map((number) => made(`long${number}@example.com`));
    expectRejected(await list(four, batching), {
      status: 400,
      code: 'BAD_REQUEST',
      message: /4 operations, the maximum is 3/,
    });
    expect(await emails(batching)).toEqual(before);
  });

  it('executes its valid operations despite invalid ones', async () => {
    const { status, body } = await list([1, made('one-of-a-list@example.com'), { variables: {} }], batching);
    expect(status).toBe(200);
    expect(body).toMatchObject([
      { errors: [{ extensions: { code: 'BAD_REQUEST' } }] },
      { data: { register: { user: { email: 'one-of-a-list@example.com' } } } },
      { errors: [{ extensions: { code: 'BAD_REQUEST' } }] },
    ]);
    expect(await emails(batching)).toContain('one-of-a-list@example.com');
  });

  it('applies the query limits to each operation', async () => {
    const authorization = `Bearer ${await batching.tokenOf('user')}`;
    const large = { query: '{ employees(first: 100) { nodes { reports(first: 100) { nodes { name } } } } }' };
    const { body } = await list([large, typename, large], batching, { authorization });
    expect(body).toMatchObject([
      { errors: [{ extensions: { code: 'QUERY_TOO_LARGE' } }] },
      { data: { __typename: 'Query' } },
      { errors: [{ extensions: { code: 'QUERY_TOO_LARGE' } }] },
    ]);
  });

  it('rejects nested batches', async () => {
    const { body } = await list([[typename]], batching);
    expect(body).toMatchObject([{ errors: [{ extensions: { code: 'BAD_REQUEST' } }] }]);
  });
});

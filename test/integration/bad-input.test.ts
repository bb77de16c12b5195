import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { startGateway, type Any, type TestGateway } from '../kit/gateway.js';

let gateway: TestGateway;
let batching: TestGateway;
beforeAll(async () => {
  [gateway, batching] = await Promise.all([startGateway({ MAX_BODY_BYTES: '20000' }), startGateway({ MAX_BATCHED_OPERATIONS: '3' })]);
});
afterAll(() => Promise.all([gateway.close(), batching.close()]));

interface Refusal {
  status: number;
  headers: Headers;
  errors: Any[];
  body: Any;
}

async function send(method: string, { to = gateway, search = '', headers = {}, body }: { to?: TestGateway; search?: string; headers?: Record<string, string>; body?: string | Uint8Array<ArrayBuffer> } = {}): Promise<Refusal> {
  const response = await fetch(`${to.url}${search}`, { method, headers, ...(body === undefined ? {} : { body }) });
  const text = await response.text();
  const answered: Any = text === '' ? {} : JSON.parse(text);
  return { status: response.status, headers: response.headers, errors: answered.errors ?? [], body: answered };
}

const post = (body: string | Uint8Array<ArrayBuffer>, type = 'application/json'): Promise<Refusal> => send('POST', { headers: { 'content-type': type }, body });
const get = (parameters: Record<string, string>): Promise<Refusal> =>
  send('GET', { search: `?${new URLSearchParams(parameters).toString()}`, headers: { 'apollo-require-preflight': 'true' } });

/** One error, with a code and words, and nothing that a cache may keep. */
function isRefused({ status, errors, body, headers }: Refusal, as: { status: number; code: string; message: RegExp }): void {
  expect(errors).toHaveLength(1);
  expect({ status, code: errors[0].extensions.code, message: errors[0].message }).toEqual({ status: as.status, code: as.code, message: expect.stringMatching(as.message) });
  expect(body).not.toHaveProperty('data');
  expect(headers.get('cache-control')).toBe('no-store');
}

/** What comes back over a connection of its own for these bytes. */
async function raw(bytes: string): Promise<{ status: number; body: Any }> {
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

const question = JSON.stringify({ query: '{ __typename }' });
const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);

describe('a body', () => {
  it('that is larger than allowed is refused with 413', async () => {
    isRefused(await post(JSON.stringify({ query: `{ __typename } # ${'x'.repeat(20_000)}` })), { status: 413, code: 'PAYLOAD_TOO_LARGE', message: /larger than 20000 bytes/ });
  });

  it('of another type is refused with 415', async () => {
    for (const type of ['text/plain', 'application/graphql', 'application/xml']) {
      isRefused(await post(question, type), { status: 415, code: 'UNSUPPORTED_MEDIA_TYPE', message: /application\/json/ });
    }
  });

  it.each(['latin1', 'iso-8859-1', 'utf-16', '"utf-32"', 'no-such-charset'])('in the charset %s is refused with 415', async (charset) => {
    isRefused(await post(question, `application/json; charset=${charset}`), { status: 415, code: 'UNSUPPORTED_MEDIA_TYPE', message: /The charset \S+ is not read; .+UTF-8/ });
  });

  it.each(['utf-8', 'UTF-8', 'utf8', '"utf-8"'])('in the charset %s is read', async (charset) => {
    expect((await post(question, `application/json; charset=${charset}`)).body).toEqual({ data: { __typename: 'Query' } });
  });

  it.each([
    ['a lone byte', [0xff]],
    ['half a letter', [0xc3]],
    ['a surrogate', [0xed, 0xa0, 0x80]],
  ])('that is not UTF-8 is refused with 400: %s', async (_what, bytes) => {
    const body = new Uint8Array([...Buffer.from('{"query":"{ __typename } #'), ...bytes, ...Buffer.from('"}')]);
    isRefused(await post(body), { status: 400, code: 'BAD_REQUEST', message: /not UTF-8/ });
  });

  it('that is no JSON is refused with 400', async () => {
    for (const body of ['{"query": "{ __typename', 'hello', "{'query': 1}", '{"a":1}{"b":2}']) {
      isRefused(await post(body), { status: 400, code: 'BAD_REQUEST', message: /JSON/ });
    }
    isRefused(await post(''), { status: 400, code: 'BAD_REQUEST', message: /empty/i });
  });

  it.each(['null', '1', '"text"', 'true'])('that is JSON but no object is refused with 400: %s', async (body) => {
    isRefused(await post(body), { status: 400, code: 'BAD_REQUEST', message: /body/ });
  });

  it.each([
    ['no query', '{"operationName":"A"}', /query/],
    ['nothing', '{}', /body/],
    ['a query that is no text', '{"query":{"kind":"x"}}', /strings/],
    ['variables that are a list', '{"query":"{ __typename }","variables":[]}', /variables/],
    ['variables as text', '{"query":"{ __typename }","variables":"{}"}', /variables/],
    ['extensions that are a number', '{"query":"{ __typename }","extensions":1}', /extensions/],
    ['an operation name that is no text', '{"query":"{ __typename }","operationName":1}', /operationName/],
    ['a key that would reach a prototype', '{"query":"{ __typename }","variables":{"__proto__":{"a":1}}}', /JSON/],
  ])('with %s is refused with 400', async (_what, body, message) => {
    isRefused(await post(body), { status: 400, code: 'BAD_REQUEST', message });
  });

  it('that nests deeper than anyone needs is refused with 400, before anything walks through it', async () => {
    const deep = (depth: number): string => `{"query":"query ($i: [JSONObject!]!) { predict(model: \\"iris\\", inputs: $i) { id } }","variables":{"i":[{"a":${nested(depth)}}]}}`;
    for (const depth of [97, 5000, 9000]) isRefused(await post(deep(depth)), { status: 400, code: 'BAD_REQUEST', message: /deeper than 100/ });
    isRefused(await post('['.repeat(19_000)), { status: 400, code: 'BAD_REQUEST', message: /deeper than 100/ });
    const { errors } = await post(deep(96));
    expect(errors).toMatchObject([{ extensions: { code: 'UNAUTHENTICATED' } }]);
  });

  it('may hold as many brackets as it likes inside of texts', async () => {
    const body = JSON.stringify({ query: `{ __typename } # ${'[{'.repeat(500)} " \\`, variables: { a: '"['.repeat(500) } });
    expect((await post(body)).body).toEqual({ data: { __typename: 'Query' } });
  });
});

describe('GET', () => {
  it.each([
    ['no query', {}, /query/],
    ['variables that are no JSON', { query: '{ __typename }', variables: '{"a"' }, /variables/],
    ['variables that are no object', { query: '{ __typename }', variables: '[1]' }, /variables/],
    ['extensions that are no JSON', { query: '{ __typename }', extensions: 'x' }, /extensions/],
    ['variables that nest too deep', { query: '{ __typename }', variables: `{"a":${nested(200)}}` }, /variables nests .* deeper than 100/],
  ])('with %s is refused with 400', async (_what, parameters, message) => {
    isRefused(await get(parameters), { status: 400, code: 'BAD_REQUEST', message });
  });

  it('with two queries is refused with 400', async () => {
    const twice = await send('GET', { search: '?query=%7B__typename%7D&query=%7Bme%7Bid%7D%7D', headers: { 'apollo-require-preflight': 'true' } });
    isRefused(twice, { status: 400, code: 'BAD_REQUEST', message: /once/ });
  });

  it('of a mutation is refused with 405, and changes nothing', async () => {
    const people = () => gateway.db.selectFrom('user_account').select('id').execute();
    const before = await people();
    const refused = await get({ query: 'mutation { register(input: { email: "by-get@example.com", password: "a-long-password-of-mine" }) { accessToken } }' });
    isRefused(refused, { status: 405, code: 'BAD_REQUEST', message: /GET/ });
    expect(refused.headers.get('allow')).toBe('POST');
    expect(await people()).toEqual(before);
  });

  it('with an address that is too long is refused with 414', async () => {
    for (const length of [8200, 12_000]) isRefused(await get({ query: `{ __typename } #${'x'.repeat(length)}` }), { status: 414, code: 'URI_TOO_LONG', message: /8192 .+ POST/ });
    expect(await raw(`GET /graphql?query=${'x'.repeat(40_000)} HTTP/1.1\r\nhost: x\r\n\r\n`)).toMatchObject({ status: 414, body: { errors: [{ extensions: { code: 'URI_TOO_LONG' } }] } });
  });

  it('is answered to HEAD with its headers alone', async () => {
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
  it.each(['PUT', 'DELETE', 'PATCH', 'PROPFIND', 'TRACE'])('by %s is refused with 405, which names the methods', async (method) => {
    const sent = request(gateway.url, { method, headers: { 'content-type': 'text/strange' } }).end();
    const [response] = (await once(sent, 'response')) as [Any];
    expect(response.statusCode).toBe(405);
    expect(response.headers).toMatchObject({ allow: 'GET, HEAD, POST', 'cache-control': 'no-store' });
    let text = '';
    for await (const chunk of response) text += String(chunk);
    expect(JSON.parse(text).errors).toMatchObject([{ extensions: { code: 'METHOD_NOT_ALLOWED' } }]);
  });

  it('by OPTIONS is for preflights, and refused where pages of no other origin may call', async () => {
    expect((await fetch(gateway.url, { method: 'OPTIONS' })).status).toBe(204);
    const closed = await startGateway({ NODE_ENV: 'production', DEMO_DATA: 'true' });
    const refused = await fetch(closed.url, { method: 'OPTIONS' });
    expect([refused.status, refused.headers.get('allow')]).toEqual([405, 'GET, HEAD, POST']);
    await closed.close();
  });

  it('with headers that are too large is refused with 431', async () => {
    expect(await raw(`GET /graphql HTTP/1.1\r\nhost: x\r\nx-large: ${'x'.repeat(40_000)}\r\n\r\n`)).toMatchObject({
      status: 431,
      body: { errors: [{ extensions: { code: 'HEADERS_TOO_LARGE' } }] },
    });
  });

  it('that is no HTTP is refused with 400', async () => {
    expect(await raw('hello there\r\n\r\n')).toMatchObject({ status: 400, body: { errors: [{ extensions: { code: 'BAD_REQUEST' } }] } });
  });

  it.each([
    ['cannot be parsed', '{ me', 'GRAPHQL_PARSE_FAILED'],
    ['is not of the schema', '{ nothing }', 'GRAPHQL_VALIDATION_FAILED'],
    ['lacks a variable', 'query ($id: ID!) { employee(id: $id) { id } }', 'BAD_USER_INPUT'],
  ])('that is well formed, but whose operation %s, is 400 for who knows application/graphql-response+json and 200 for who does not', async (_what, query, code) => {
    const sent = (accept: string) => send('POST', { headers: { 'content-type': 'application/json', accept }, body: JSON.stringify({ query }) });
    for (const [accept, status] of [['application/graphql-response+json', 400], ['application/json', 200], ['*/*', 200]] as const) {
      const answered = await sent(accept);
      expect([accept, answered.status, answered.errors.map((error) => error.extensions.code)]).toEqual([accept, status, [code]]);
    }
  });
});

describe('a list of operations', () => {
  const list = (operations: unknown[], to: TestGateway, headers: Record<string, string> = {}): Promise<Refusal> =>
    send('POST', { to, headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(operations) });
  const typename = { query: '{ __typename }' };
  const made = (email: string) => ({ query: 'mutation ($email: String!) { register(input: { email: $email, password: "a-long-password-of-mine" }) { user { email } } }', variables: { email } });
  const emails = async (of: TestGateway): Promise<string[]> => (await of.db.selectFrom('user_account').select('email').orderBy('email').execute()).map(({ email }) => email);

  it('is refused with 400 where it is not switched on, and nothing of it is executed', async () => {
    const before = await emails(gateway);
    for (const operations of [[typename, typename], [typename], [], [made('listed@example.com')]]) {
      isRefused(await list(operations, gateway), { status: 400, code: 'BAD_REQUEST', message: /batching disabled/ });
    }
    expect(await emails(gateway)).toEqual(before);
  });

  it('is answered by the list of the answers, in its order, where it is', async () => {
    const authorization = `Bearer ${await batching.tokenOf('user')}`;
    const { status, body, headers } = await list([typename, { query: '{ me { email } }' }, { query: '{ nothing }' }], batching, { authorization });
    expect(status).toBe(200);
    expect(headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(body).toMatchObject([{ data: { __typename: 'Query' } }, { data: { me: { email: 'user@example.com' } } }, { errors: [{ extensions: { code: 'GRAPHQL_VALIDATION_FAILED' } }] }]);
  });

  it('is never to be kept, whatever it holds', async () => {
    const authorization = `Bearer ${await batching.tokenOf('user')}`;
    const { headers } = await list([{ query: '{ departments { name } }' }], batching, { authorization });
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.has('etag')).toBe(false);
  });

  it('is refused with 400 where it is empty or longer than allowed, and nothing of it is executed', async () => {
    const before = await emails(batching);
    isRefused(await list([], batching), { status: 400, code: 'BAD_REQUEST', message: /empty/ });
    const four = [1, 2, 3, 4].map((number) => made(`long${number}@example.com`));
    isRefused(await list(four, batching), { status: 400, code: 'BAD_REQUEST', message: /4 operations, and 3 at the most/ });
    expect(await emails(batching)).toEqual(before);
  });

  it('answers the operations that are sound, whatever else is in it', async () => {
    const { status, body } = await list([1, made('one-of-a-list@example.com'), { variables: {} }], batching);
    expect(status).toBe(200);
    expect(body).toMatchObject([
      { errors: [{ extensions: { code: 'BAD_REQUEST' } }] },
      { data: { register: { user: { email: 'one-of-a-list@example.com' } } } },
      { errors: [{ extensions: { code: 'BAD_REQUEST' } }] },
    ]);
    expect(await emails(batching)).toContain('one-of-a-list@example.com');
  });

  it('holds each operation to the limits', async () => {
    const authorization = `Bearer ${await batching.tokenOf('user')}`;
    const large = { query: '{ employees(first: 100) { nodes { reports(first: 100) { nodes { name } } } } }' };
    const { body } = await list([large, typename, large], batching, { authorization });
    expect(body).toMatchObject([{ errors: [{ extensions: { code: 'QUERY_TOO_LARGE' } }] }, { data: { __typename: 'Query' } }, { errors: [{ extensions: { code: 'QUERY_TOO_LARGE' } }] }]);
  });

  it('does not hold lists in it', async () => {
    const { body } = await list([[typename]], batching);
    expect(body).toMatchObject([{ errors: [{ extensions: { code: 'BAD_REQUEST' } }] }]);
  });
});

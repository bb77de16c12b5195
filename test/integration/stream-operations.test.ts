import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { ApolloClient, gql, HttpLink, InMemoryCache } from '@apollo/client';
import { getIntrospectionQuery } from 'graphql';
import { createClient, type Client as SseClient } from 'graphql-sse';
import type { Client } from 'graphql-ws';
import { sql } from 'kysely';
import { Role } from '../../src/auth/viewer.js';
import { hashOf } from '../../src/persisted-documents/document-request.js';
import { makeDocumentFolder, presetManifest, type DocumentFolder } from '../support/documents.js';
import { startGateway, type AnyData, type TestGateway, type Variables } from '../support/gateway.js';
import { addPerson } from '../support/people.js';
import { rawSocket, socketClient, type RawSocket } from '../support/streams.js';
import { waitUntil } from '../support/wait-until.js';

const trusted = 'query Trusted { models { name } }';

let folder: DocumentFolder;
let gateway: TestGateway;
let tokens: Record<'admin' | 'user', string>;
beforeAll(async () => {
  folder = await makeDocumentFolder();
  await folder.write('web', '1.0.0', { ...presetManifest(trusted), 'trusted-by-name': trusted });
  gateway = await startGateway({
    MAX_LOGINS_PER_ACCOUNT: '1000',
    INTROSPECTION: 'false',
    TRUSTED_DOCUMENTS_DIR: folder.dir,
  });
  const [admin, user] = await Promise.all([gateway.signIn('admin'), gateway.signIn('user')]);
  tokens = { admin: admin.token, user: user.token };
});
let isClosed = false;
afterAll(async () => {
  if (!isClosed) await gateway.close();
  await folder.close();
});

const clients: (Client | SseClient<boolean>)[] = [];
const sockets: RawSocket[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) await client.dispose();
  for (const { socket } of sockets.splice(0)) socket.terminate();
});

type Transport = 'websocket' | 'sse';

/** Opens a client that others wrote. */
function open(transport: Transport, token: string): Client | SseClient {
  const headers = { authorization: `Bearer ${token}` };
  const client =
    transport === 'websocket'
      ? socketClient(gateway.url, headers)
      : createClient({ url: gateway.url, headers, retryAttempts: 0 });
  clients.push(client);
  return client;
}

/** Sends one operation. @returns its results; rejects with the errors of the protocol */
async function send(client: Client | SseClient<boolean>, query: string, variables: Variables = {}): Promise<AnyData[]> {
  const results: AnyData[] = [];
  await new Promise<void>((resolve, reject) => {
    // The errors of the protocols are lists, close events and `NetworkError`.
    client.subscribe(
      { query, variables },
      { next: (result) => void results.push(result), error: reject, complete: resolve },
    );
  });
  return results;
}

/** The errors of a rejected operation: those of the protocol, of the response, or of the only event. */
async function rejection(sending: Promise<AnyData[]>): Promise<AnyData[]> {
  const outcome: AnyData = await sending.catch((reason: unknown) => reason);
  if (outcome.name === 'NetworkError') return (await outcome.response.json()).errors;
  return outcome[0].errors ?? outcome;
}

/** An acknowledged socket for hand-written messages. */
async function acknowledged(token: string): Promise<RawSocket> {
  const opened = await rawSocket(gateway.url);
  sockets.push(opened);
  opened.send({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } });
  await waitUntil(() => opened.messages.length === 1, 'The acknowledgement');
  return opened;
}

/** Sends the payload of a subscribe message. @returns the messages for it, without the ID */
async function exchange({ send: write, messages }: RawSocket, payload: unknown): Promise<AnyData[]> {
  const id = `${messages.length}`;
  write({ id, type: 'subscribe', payload });
  const own = () => messages.filter((message: AnyData) => message.id === id);
  await waitUntil(() => own().some(({ type }: AnyData) => type === 'complete' || type === 'error'), 'The result');
  return own().map(({ id: _id, ...message }: AnyData) => message);
}

const post = (headers: Record<string, string>, query: string, url = gateway.url): Promise<Response> =>
  fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${tokens.user}`, ...headers },
    body: JSON.stringify({ query }),
  });

/** Blocks every read of departments and employees. @returns a function that ends it */
async function lockTables(): Promise<() => Promise<void>> {
  const held = Promise.withResolvers<undefined>();
  const locked = Promise.withResolvers<undefined>();
  const transaction = gateway.db.transaction().execute(async (lock) => {
    await sql`lock table department, employee in access exclusive mode`.execute(lock);
    locked.resolve(undefined);
    await held.promise;
  });
  await locked.promise;
  return () => {
    held.resolve(undefined);
    return transaction;
  };
}

const linesOf = (msg: string): AnyData[] => gateway.logs.filter((line) => line.msg === msg);
const isQuiet = () =>
  waitUntil(() => linesOf('stream opened').length === linesOf('stream ended').length, 'The end of every stream');
const errorLines = (): AnyData[] => gateway.logs.filter(({ level }) => level === 'error' || level === 'fatal');
const models = 'subscription { modelChanged { kind } }';

describe.each(['websocket', 'sse'] as const)('over %s', (transport) => {
  it('a query returns what it returns over HTTP, once, and completes', async () => {
    const query = 'query Pages($first: Int) { employees(first: $first) { totalCount nodes { id name } } me { email } }';
    const { data } = await gateway.execute({ token: tokens.user }, query, { first: 3 });
    expect(await send(open(transport, tokens.user), query, { first: 3 })).toEqual([{ data }]);
    expect(linesOf('operation').at(-1)).toMatchObject({
      operation: 'Pages',
      type: 'query',
      transport,
      service: 'auspex',
    });
  });

  it('a response comes from the cache, and a mutation invalidates it', async () => {
    const client = open(transport, tokens.admin);
    const query = 'query Cached { employees(first: 1) { nodes { id age version } } }';
    const [{ data }] = await send(client, query);
    const [{ id, age, version }] = data.employees.nodes;
    expect(await send(client, query)).toEqual([{ data }]);
    expect(linesOf('operation').at(-1)).toMatchObject({ operation: 'Cached', isCached: true });
    const update = 'mutation ($id: ID!, $age: Int!) { updateEmployee(id: $id, input: { age: $age }) { version } }';
    const changed = await send(client, update, { id, age: age === 40 ? 41 : 40 });
    expect(changed).toEqual([{ data: { updateEmployee: { version: Number(version) + 1 } } }]);
    const [after] = await send(client, query);
    expect(after.data.employees.nodes[0]).toMatchObject({ id, version: Number(version) + 1 });
  });

  it('a mutation of a lesser role is rejected and changes nothing', async () => {
    const { id } = await addPerson(gateway, Role.USER);
    const promote = 'mutation ($id: ID!) { setUserRole(userId: $id, role: ADMIN) { id } }';
    const [result] = await send(open(transport, tokens.user), promote, { id });
    expect(result).toMatchObject({ data: { setUserRole: null }, errors: [{ extensions: { code: 'FORBIDDEN' } }] });
    const { data } = await gateway.execute<AnyData>('admin', 'query ($id: ID!) { user(id: $id) { role } }', { id });
    expect(data).toEqual({ user: { role: 'USER' } });
  });

  it('introspection is closed to users and open to administrators', async () => {
    const closed = await rejection(send(open(transport, tokens.user), '{ __schema { queryType { name } } }'));
    expect(closed).toMatchObject([{ message: expect.stringContaining('Introspection is closed') }]);
    const [{ data }] = await send(open(transport, tokens.admin), getIntrospectionQuery());
    expect(data.__schema.subscriptionType).toMatchObject({ name: 'Subscription' });
  });

  it('an operation over the limits is rejected', async () => {
    const query = `{ ${'a'.repeat(3)}: __typename ${Array.from({ length: 200 }, (_, at) => `a${at}: __typename`).join(' ')} }`;
    const rejected = await rejection(send(open(transport, tokens.user), query));
    expect(rejected).toMatchObject([{ extensions: { code: 'QUERY_TOO_LARGE', limit: 'aliases' } }]);
  });

  it('is counted like an operation over HTTP', async () => {
    const count = async (): Promise<number> => {
      const text = await (await fetch(gateway.metricsUrl ?? '')).text();
      const line = /^auspex_operations_total\{operation="other",type="query",outcome="ok"\} (\d+)$/m.exec(text);
      return Number(line?.[1] ?? 0);
    };
    const before = await count();
    await send(open(transport, tokens.user), '{ __typename }');
    expect(await count()).toBe(before + 1);
  });
});

describe('over a WebSocket', () => {
  it.each([
    ['documentId', { documentId: `sha256:${hashOf(trusted)}` }],
    ['documentId of a name', { documentId: 'trusted-by-name' }],
    ['id', { id: hashOf(trusted) }],
    ['documentId and query null', { documentId: `sha256:${hashOf(trusted)}`, query: null }],
    ['extensions.persistedQuery', { extensions: { persistedQuery: { version: 1, sha256Hash: hashOf(trusted) } } }],
  ])('a document is identified by %s', async (_form, payload) => {
    expect(await exchange(await acknowledged(tokens.user), payload)).toMatchObject([
      { type: 'next', payload: { data: { models: expect.any(Array) } } },
      { type: 'complete' },
    ]);
  });

  it.each([
    ['an unknown hash', { documentId: `sha256:${'0'.repeat(64)}` }, 'PERSISTED_QUERY_NOT_FOUND'],
    ['an ID of another form', { documentId: 7 }, 'BAD_REQUEST'],
    ['a text and an ID', { query: trusted, documentId: 'trusted-by-name' }, 'BAD_REQUEST'],
    ['neither text nor ID', {}, 'BAD_REQUEST'],
    ['a syntax error', { query: '{' }, 'GRAPHQL_PARSE_FAILED'],
    ['an invalid variable', { query: 'query ($a: Int!) { employees(first: $a) { totalCount } }' }, 'BAD_USER_INPUT'],
  ])('%s is an error of the operation, and the socket stays open', async (_what, payload, code) => {
    const opened = await acknowledged(tokens.user);
    expect(await exchange(opened, payload)).toMatchObject([{ type: 'error', payload: [{ extensions: { code } }] }]);
    expect(await exchange(opened, { query: '{ __typename }' })).toHaveLength(2);
  });

  it('a hash is registered with its text, as automatic persisted queries do', async () => {
    const opened = await acknowledged(tokens.user);
    const text = 'subscription Registered { modelChanged { kind } }';
    const extensions = { persistedQuery: { version: 1, sha256Hash: hashOf(text) } };
    expect(await exchange(opened, { extensions })).toMatchObject([
      { type: 'error', payload: [{ message: 'PersistedQueryNotFound' }] },
    ]);
    opened.send({ id: 'text', type: 'subscribe', payload: { query: text, extensions } });
    // It is registered once it is executed.
    await waitUntil(() => linesOf('stream opened').at(-1)?.requestId.endsWith(':text'), 'The first stream');
    opened.send({ id: 'text', type: 'complete' });
    await isQuiet();
    opened.send({ id: 'hash', type: 'subscribe', payload: { extensions } });
    await waitUntil(() => linesOf('stream opened').at(-1)?.requestId.endsWith(':hash'), 'The stream');
    opened.send({ id: 'hash', type: 'complete' });
    await isQuiet();
  });

  it('a message cannot set what only HTTP sets', async () => {
    const http = { method: 'GET', headers: { get: null } };
    const payload = { query: 'mutation { logout(everywhere: 7) { signedOutUserId } }', http };
    expect(await exchange(await acknowledged(tokens.user), payload)).toMatchObject([
      { type: 'error', payload: [{ extensions: { code: 'GRAPHQL_VALIDATION_FAILED' } }] },
    ]);
  });

  it('a message that nests too deep closes the socket with the reason', async () => {
    const { closed, send: write } = await acknowledged(tokens.user);
    write(`{"id":"1","type":"subscribe","payload":{"variables":{"a":${'['.repeat(200)}${']'.repeat(200)}}}}`);
    expect(await closed).toMatchObject({ code: 4400, reason: expect.stringContaining('deeper than 100') });
  });

  it('a sign-out returns its result before the socket closes', async () => {
    const { token } = await gateway.signIn('user');
    const opened = await acknowledged(token);
    expect(await exchange(opened, { query: 'mutation { logout { signedOutUserId } }' })).toMatchObject([
      { type: 'next', payload: { data: { logout: { signedOutUserId: expect.any(String) } } } },
      { type: 'complete' },
    ]);
    expect(await opened.closed).toEqual({ code: 4403, reason: 'The session has ended; sign in again.' });
  });

  it('the operations of a socket in flight are limited', async () => {
    const unlock = await lockTables();
    const { messages, send: write } = await acknowledged(tokens.admin);
    for (let at = 0; at < 101; at += 1)
      write({ id: `${at}`, type: 'subscribe', payload: { query: `{ a${at}: departments { id } }` } });
    await waitUntil(() => messages.some(({ type }: AnyData) => type === 'error'), 'The rejection');
    expect(messages.slice(1)).toEqual([
      {
        id: '100',
        type: 'error',
        payload: [
          {
            message: expect.stringContaining('100 operations'),
            extensions: expect.objectContaining({ code: 'TOO_MANY_REQUESTS' }),
          },
        ],
      },
    ]);
    await unlock();
    await waitUntil(() => messages.filter(({ type }: AnyData) => type === 'complete').length === 100, 'The results');
    write({ id: 'next', type: 'subscribe', payload: { query: '{ __typename }' } });
    await waitUntil(() => messages.at(-1).id === 'next' && messages.at(-1).type === 'complete', 'The next result');
  });
});

describe('connectionParams', () => {
  const token = (): string => tokens.user;
  it.each<[string, () => Record<string, unknown>]>([
    ['authorization', () => ({ authorization: `Bearer ${token()}` })],
    ['Authorization', () => ({ Authorization: `Bearer ${token()}` })],
    ['authorization without Bearer', () => ({ authorization: token() })],
    ['authorization in lower case', () => ({ authorization: `bearer ${token()}` })],
    ['authToken', () => ({ authToken: token() })],
    ['authToken with Bearer', () => ({ authToken: `Bearer ${token()}` })],
    ['accessToken', () => ({ accessToken: token() })],
    ['token', () => ({ token: token() })],
    ['headers.Authorization', () => ({ headers: { Authorization: `Bearer ${token()}` } })],
    ['headers.authorization beside an empty one', () => ({ authorization: '', headers: { authorization: token() } })],
    ['the same token twice', () => ({ authToken: token(), headers: { Authorization: `Bearer ${token()}` } })],
  ])('accept a token as %s', async (_form, params) => {
    const client = socketClient(gateway.url, params());
    clients.push(client);
    expect(await send(client, '{ me { email } }')).toEqual([{ data: { me: { email: 'user@example.com' } } }]);
  });

  it.each(['x-api-key', 'X-API-Key', 'apiKey', 'headers.x-api-key'])('accept an API key as %s', async (form) => {
    const made = await gateway.execute<AnyData>(
      { token: tokens.user },
      'mutation { createApiKey(name: "socket") { secret } }',
    );
    const { secret } = made.data.createApiKey;
    const name = form.replace('headers.', '');
    const client = socketClient(gateway.url, form === name ? { [name]: secret } : { headers: { [name]: secret } });
    clients.push(client);
    expect(await send(client, '{ me { email } }')).toEqual([{ data: { me: { email: 'user@example.com' } } }]);
  });

  it.each<[string, Record<string, unknown>, unknown]>([
    [
      'an invalid token',
      { headers: { Authorization: 'Bearer nonsense' } },
      'The access token is not valid; sign in again.',
    ],
    [
      'a token that is undefined',
      { authorization: 'Bearer undefined' },
      'The access token is not valid; sign in again.',
    ],
    ['an API key as a token', { token: 'auspex_nonsense' }, 'The access token is not valid; sign in again.'],
    ['another scheme', { authorization: 'Basic dTpw' }, expect.stringContaining('must be "Bearer"')],
    ['a token that is an object', { authToken: {} }, 'connectionParams: authtoken must be a string.'],
    [
      'different tokens',
      { authToken: 'a', token: 'b' },
      'connectionParams has different credentials; send one of them.',
    ],
    ['an empty token', { authorization: '' }, expect.stringContaining('Sign in first')],
  ])('with %s close the socket with 4403 and the reason', async (_what, payload, reason) => {
    const { closed, send: write } = await rawSocket(gateway.url);
    write({ type: 'connection_init', payload });
    expect(await closed).toEqual({ code: 4403, reason });
  });

  it('with a wrong credential are not replaced by the headers of the upgrade', async () => {
    const headers = { authorization: `Bearer ${tokens.admin}` };
    const { closed, send: write } = await rawSocket(gateway.url, { headers });
    write({ type: 'connection_init', payload: { authToken: 7 } });
    expect(await closed).toMatchObject({ code: 4403 });
  });
});

describe('/graphql/', () => {
  it('is /graphql over HTTP, server-sent events and WebSocket', async () => {
    const url = `${gateway.url}/`;
    expect(await (await post({}, '{ __typename }', url)).json()).toEqual({ data: { __typename: 'Query' } });
    const headers = { authorization: `Bearer ${tokens.user}` };
    expect(await (await fetch(`${url}?query={__typename}`, { headers })).json()).toEqual({
      data: { __typename: 'Query' },
    });
    const events = await post({ accept: 'text/event-stream' }, '{ __typename }', url);
    expect(await events.text()).toBe(
      'event: next\ndata: {"data":{"__typename":"Query"}}\n\nevent: complete\ndata:\n\n',
    );
    const client = socketClient(url, headers);
    clients.push(client);
    expect(await send(client, '{ __typename }')).toEqual([{ data: { __typename: 'Query' } }]);
    expect((await fetch(`${gateway.url}//`, { headers })).status).toBe(404);
    expect((await fetch(url, { method: 'PATCH' })).status).toBe(405);
  });

  it('redirects a browser to /graphql, from which the links of the page start', async () => {
    const response = await fetch(`${gateway.url}/`, { headers: { accept: 'text/html' }, redirect: 'manual' });
    expect([response.status, response.headers.get('location')]).toEqual([308, '../graphql']);
  });
});

describe('the single connection mode of GraphQL over SSE', () => {
  const reason = expect.stringContaining('not in the single connection mode');

  it('is rejected to its client', async () => {
    const headers = { authorization: `Bearer ${tokens.user}` };
    const client = createClient<true>({ url: gateway.url, headers, retryAttempts: 0, singleConnection: true });
    clients.push(client);
    await expect(send(client, models)).rejects.toMatchObject({ name: 'NetworkError', response: { status: 405 } });
  });

  it.each([
    ['PUT', {}, '', 405],
    ['DELETE', {}, '?operationId=1', 405],
    ['GET', { 'x-graphql-event-stream-token': 'a' }, '', 400],
    ['GET', {}, '?token=a', 400],
  ])('is rejected for %s %j %s', async (method, headers, search, status) => {
    const response = await fetch(`${gateway.url}${search}`, {
      method,
      headers: { accept: 'text/event-stream', authorization: `Bearer ${tokens.user}`, ...headers },
    });
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ errors: [{ message: reason }] });
  });
});

describe('a subscription over plain HTTP', () => {
  it.each([
    ['no Accept', {}],
    ['*/*', { accept: '*/*' }],
    ['JSON', { accept: 'application/json' }],
    ['an excluded event stream', { accept: 'application/json, text/event-stream;q=0' }],
    ['multipart without subscriptions', { accept: 'multipart/mixed;deferSpec=20220824, application/json' }],
  ])('is rejected by naming the header, with %s', async (_what, headers: Record<string, string>) => {
    const before = [errorLines().length, linesOf('stream opened').length];
    for (const response of [
      await post(headers, models),
      await fetch(`${gateway.url}?${new URLSearchParams({ query: models }).toString()}`, {
        headers: { authorization: `Bearer ${tokens.user}`, ...headers },
      }),
    ]) {
      expect(response.status).toBe(406);
      expect(await response.json()).toMatchObject({
        errors: [
          { message: expect.stringContaining('"accept: text/event-stream"'), extensions: { code: 'NOT_ACCEPTABLE' } },
        ],
      });
    }
    expect([errorLines().length, linesOf('stream opened').length]).toEqual(before);
    expect(linesOf('operation').at(-1)).toMatchObject({ errors: ['NOT_ACCEPTABLE'] });
  });

  it.each([
    'application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed',
    'application/json, text/event-stream;q=0.1',
    'TEXT/EVENT-STREAM',
  ])('is streamed for accept: %s', async (accept) => {
    const response = await post({ accept }, models);
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/event-stream; charset=utf-8']);
    await response.body?.cancel();
    await isQuiet();
  });

  it('leaves queries as JSON for a client that lists JSON first', async () => {
    const response = await post({ accept: 'application/json, text/event-stream' }, '{ __typename }');
    expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8');
  });

  it('responds to HEAD with the headers of the stream, and ends', async () => {
    const url = `${gateway.url}?${new URLSearchParams({ query: models }).toString()}`;
    const headers = { accept: 'text/event-stream', authorization: `Bearer ${tokens.user}` };
    const response = await fetch(url, { method: 'HEAD', headers });
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/event-stream; charset=utf-8']);
    await isQuiet();
    expect((await fetch(url, { method: 'HEAD', headers: { ...headers, authorization: 'Bearer x' } })).status).toBe(401);
    const query = `${gateway.url}?query={__typename}`;
    expect((await fetch(query, { method: 'HEAD', headers })).headers.get('content-type')).toContain(
      'text/event-stream',
    );
  });

  it('does not execute a mutation sent by GET as an event stream', async () => {
    const search = new URLSearchParams({ query: 'mutation { logout { signedOutUserId } }' }).toString();
    const headers = { accept: 'text/event-stream', authorization: `Bearer ${tokens.user}` };
    expect((await fetch(`${gateway.url}?${search}`, { headers })).status).toBe(405);
    expect(await send(open('websocket', tokens.user), '{ __typename }')).toHaveLength(1);
  });
});

describe('multipart subscriptions of Apollo Client', () => {
  const connect = (headers: Record<string, string>): ApolloClient =>
    new ApolloClient({ link: new HttpLink({ uri: gateway.url, headers }), cache: new InMemoryCache() });
  const document = gql`
    subscription Recorded {
      predictionRecorded {
        source
        model {
          name
        }
      }
    }
  `;

  it('receive results through HttpLink', async () => {
    const results: AnyData[] = [];
    const client = connect({ authorization: `Bearer ${tokens.user}` });
    const opened = linesOf('stream opened').length;
    const subscription = client
      .subscribe({ query: document })
      .subscribe({ next: ({ data }) => void results.push(data) });
    await waitUntil(() => linesOf('stream opened').length > opened, 'The stream');
    expect(linesOf('stream opened').at(-1)).toMatchObject({ transport: 'multipart' });
    await gateway.execute(
      { token: tokens.user },
      '{ predict(model: "iris", inputs: [{ petal_length: 4.1, petal_width: 1.3 }]) { id } }',
    );
    await waitUntil(() => results.length > 0, 'The result');
    expect(results).toMatchObject([{ predictionRecorded: { model: { name: 'iris' } } }]);
    const metrics = await (await fetch(gateway.metricsUrl ?? '')).text();
    expect(metrics).toContain('auspex_subscriptions_open{transport="multipart"} 1');
    subscription.unsubscribe();
    await isQuiet();
  });

  it('receive the error when their credential ends, and complete', async () => {
    const { token } = await gateway.signIn('user');
    const response = await post(
      {
        accept: 'multipart/mixed;boundary="graphql";subscriptionSpec="1.0", application/json',
        authorization: `Bearer ${token}`,
      },
      models,
    );
    expect(response.headers.get('content-type')).toBe('multipart/mixed; boundary="graphql"; subscriptionSpec=1.0');
    await gateway.execute({ token }, 'mutation { logout { signedOutUserId } }');
    const parts = (await response.text()).split('\r\n--graphql').slice(1);
    expect(parts.map((text) => text.split('\r\n\r\n')[1] ?? text)).toEqual([
      '{}',
      expect.stringMatching(/^\{"payload":null,"errors":\[.*"UNAUTHENTICATED".*\]\}$/),
      '--\r\n',
    ]);
  });
});

describe('a client that hangs up during a prediction', () => {
  const query = 'query ($inputs: [JSONObject!]!) { predict(model: "car-price", inputs: $inputs) { output } }';
  let mileage = 500_000;
  const newCars = () =>
    Array.from({ length: 500 }, () => ({ company: 'Maruti', year: 2015, km_driven: (mileage += 1) }));
  const cancelled = (transport: string) =>
    linesOf('operation').filter((line) => line.transport === transport && String(line.errors) === 'REQUEST_CANCELLED');

  /** Hangs up after a growing delay, until it was during the prediction. */
  async function until(transport: string, hangUp: (delayMs: number) => Promise<void>): Promise<void> {
    for (let attempt = 0; attempt < 20 && cancelled(transport).length === 0; attempt += 1) {
      await hangUp(attempt);
      await sleep(100);
    }
    expect(cancelled(transport).length).toBeGreaterThan(0);
  }

  it.each<[string, (opened: RawSocket) => void]>([
    ['cancels the operation', ({ send: write }) => write({ id: 'cars', type: 'complete' })],
    ['closes its socket', ({ socket }) => socket.terminate()],
  ])('is no error of the gateway if it %s', async (_what, end) => {
    gateway.logs.length = 0;
    await until('websocket', async (delayMs) => {
      const opened = await acknowledged(tokens.user);
      opened.send({ id: 'cars', type: 'subscribe', payload: { query, variables: { inputs: newCars() } } });
      await sleep(delayMs);
      end(opened);
    });
    expect(errorLines()).toEqual([]);
  });

  it('is no error of the gateway over server-sent events', async () => {
    gateway.logs.length = 0;
    const headers = {
      authorization: `Bearer ${tokens.user}`,
      accept: 'text/event-stream',
      'content-type': 'application/json',
    };
    await until('sse', async (delayMs) => {
      const sent = request(new URL(gateway.url), { method: 'POST', headers });
      sent.on('error', () => undefined);
      sent.end(JSON.stringify({ query, variables: { inputs: newCars() } }), () =>
        setTimeout(() => sent.destroy(), delayMs),
      );
      await new Promise((resolve) => sent.once('close', resolve));
    });
    expect(errorLines()).toEqual([]);
  });
});

describe('at the end', () => {
  it('no operation of this suite has counted as an error of the gateway', async () => {
    const text = await (await fetch(gateway.metricsUrl ?? '')).text();
    const counts = [...text.matchAll(/^auspex_operations_total\{.*outcome="error"\} (\d+)$/gm)].map(
      ([, count]) => count,
    );
    expect(counts.length).toBeGreaterThan(0);
    expect(counts.every((count) => count === '0')).toBe(true);
  });

  it('a shutdown waits for the queries of a socket, rejects further ones, and then closes it', async () => {
    const { messages, send: write, closed } = await acknowledged(tokens.admin);
    const unlock = await lockTables();
    write({
      id: 'last',
      type: 'subscribe',
      payload: { query: '{ employees(first: 1) { totalCount } atShutdown: __typename }' },
    });
    await sleep(200);
    isClosed = true;
    const closing = gateway.close();
    await waitUntil(async () => {
      write({ id: `late${messages.length}`, type: 'subscribe', payload: { query: '{ __typename }' } });
      await sleep(20);
      return messages.some(({ type }: AnyData) => type === 'error');
    }, 'The rejection');
    expect(messages.at(-1).payload).toMatchObject([{ extensions: { code: 'SERVICE_UNAVAILABLE' } }]);
    await unlock();
    expect(await closed).toMatchObject({ code: 1001 });
    expect(messages).toContainEqual(
      expect.objectContaining({ id: 'last', payload: { data: expect.objectContaining({ atShutdown: 'Query' }) } }),
    );
    await closing;
  });
});

import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newId } from '../../src/database/base.entity.js';
import { encodeId } from '../../src/graphql/relay/global-id.js';
import { startGateway, type AnyData, type TestGateway } from '../support/gateway.js';
import { listen, openEvents, rawSocket, socketClient, upgradeStatus, socketUrl } from '../support/streams.js';
import { waitUntil } from '../support/wait-until.js';

let gateway: TestGateway;
let token: string;
let authorization: string;
const page = 'https://app.example.com';
beforeAll(async () => {
  gateway = await startGateway({
    MAX_LOGINS_PER_ACCOUNT: '1000',
    MAX_STREAMS: '8',
    MAX_STREAMS_PER_VIEWER: '3',
    MAX_STREAM_BUFFER: '5',
    MAX_QUERY_COST: '100000',
    MAX_QUERY_TOKENS: '300',
    INTROSPECTION: 'false',
    CORS_ORIGINS: page,
  });
  ({ token } = await gateway.signIn('admin'));
  authorization = `Bearer ${token}`;
});
afterAll(() => gateway.close());

const models = 'subscription { modelChanged { kind } }';
const logged = (msg: string): AnyData[] => gateway.logs.filter((line) => line.msg === msg);
const isQuiet = () =>
  waitUntil(() => logged('stream opened').length === logged('stream ended').length, 'The end of every stream');
const metric = async (name: string): Promise<number> => {
  const text = await (await fetch(gateway.metricsUrl ?? '')).text();
  return Number(
    text
      .split('\n')
      .find((line) => line.startsWith(name))
      ?.split(' ')
      .at(-1),
  );
};

/** The error of a rejected operation over each transport; asserts that no stream is opened. */
async function rejections(query: unknown, more: Record<string, unknown> = {}): Promise<AnyData[]> {
  const before = logged('stream opened').length;
  const client = socketClient(gateway.url, { authorization });
  const overSocket = await listen(client, query as string, (more.variables ?? {}) as Record<string, unknown>).ended;
  await client.dispose();
  const { received, rejection } = await openEvents(gateway.url, {
    headers: { authorization },
    body: { query, ...more },
  });
  const overEvents = rejection?.errors ?? ((await received.ended) === 'complete' && received.results[0].errors);
  expect(logged('stream opened')).toHaveLength(before);
  return [overSocket, overEvents].map(([error]: AnyData[]) => ({
    code: error.extensions.code,
    message: error.message,
  }));
}

const alike = (rejected: AnyData[]): AnyData => {
  expect(rejected[0]).toEqual(rejected[1]);
  return rejected[0];
};

describe('both transports return the same error for', () => {
  it.each([
    ['a syntax error', 'subscription {', 'GRAPHQL_PARSE_FAILED', 'Syntax Error: Expected Name, found <EOF>.'],
    [
      'an unknown field, without a suggestion',
      'subscription { modelChange { kind } }',
      'GRAPHQL_VALIDATION_FAILED',
      'Cannot query field "modelChange" on type "Subscription".',
    ],
    [
      'two root fields',
      'subscription { a: modelChanged { kind } b: modelChanged { kind } }',
      'GRAPHQL_VALIDATION_FAILED',
      'Anonymous Subscription must select only one top level field.',
    ],
    [
      'disabled introspection',
      'subscription { modelChanged { kind __typename } __schema { types { name } } }',
      'GRAPHQL_VALIDATION_FAILED',
      expect.any(String),
    ],
    [
      'too many tokens',
      `subscription { modelChanged { ${'kind '.repeat(400)} } }`,
      'QUERY_TOO_LARGE',
      'The document has more than 300 tokens; split it. The limit is MAX_QUERY_TOKENS.',
    ],
    [
      'too many levels',
      `subscription { employeeChanged { employee ${'{ manager '.repeat(15)} { id } ${'}'.repeat(15)} } }`,
      'QUERY_TOO_LARGE',
      expect.stringContaining('nests deeper than 12'),
    ],
    [
      'an invalid filter',
      'subscription { employeeChanged(filter: { departmentId: "nobody" }) { kind } }',
      'BAD_USER_INPUT',
      expect.stringContaining('departmentId must be an id of type department'),
    ],
    [
      'several operations without a name',
      `${models.replace('subscription', 'subscription A')} ${models.replace('subscription', 'subscription B')}`,
      'OPERATION_RESOLUTION_FAILURE',
      expect.any(String),
    ],
    [
      'a name that is too long',
      `subscription { modelChanged(name: "${'x'.repeat(101)}") { kind } }`,
      'BAD_USER_INPUT',
      expect.stringContaining('1 to 100 characters'),
    ],
  ])('%s', async (_what, query, code, message) => {
    expect(alike(await rejections(query))).toEqual({ code, message });
  });

  it('invalid variables', async () => {
    const rejected = await rejections(
      'subscription ($filter: EmployeeFilter) { employeeChanged(filter: $filter) { kind } }',
      { variables: { filter: { minAge: 'old' } } },
    );
    expect(alike(rejected)).toMatchObject({
      code: 'BAD_USER_INPUT',
      message: expect.stringContaining('minAge must be of type Int'),
    });
  });

  it('an API key without the scope', async () => {
    const { data } = await gateway.execute<AnyData>(
      { token },
      'mutation { createApiKey(name: "streams", scopes: ["predict"]) { secret } }',
    );
    const headers = { 'x-api-key': data.createApiKey.secret as string };
    const query = 'subscription { employeeChanged { kind } }';
    const { received } = await openEvents(gateway.url, { headers, body: { query } });
    expect(await received.ended).toBe('complete');
    expect(received.results[0].errors[0].extensions.code).toBe('FORBIDDEN');
    const client = socketClient(gateway.url, { apiKey: headers['x-api-key'] });
    expect((await listen(client, query).ended)[0]).toMatchObject({
      message: 'This API key lacks the scope employees:read.',
      extensions: { code: 'FORBIDDEN' },
    });
    await client.dispose();
    expect(logged('stream opened')).toHaveLength(0);
  });
});

describe('an anonymous caller', () => {
  it('is rejected over SSE before anything opens', async () => {
    const { status, rejection, headers } = await openEvents(gateway.url, { body: { query: models } });
    expect([status, rejection.errors[0].extensions.code, headers.get('content-type')]).toEqual([
      401,
      'UNAUTHENTICATED',
      'application/json; charset=utf-8',
    ]);
    expect(logged('stream opened')).toHaveLength(0);
  });

  it.each([
    ['nothing', {}, expect.stringContaining('Sign in first')],
    ['a malformed token', { authorization: 'Bearer nonsense' }, 'The access token is not valid; sign in again.'],
    [
      'a malformed API key',
      { 'X-API-Key': 'auspex_nonsense' },
      'The API key is not valid, has expired or was revoked.',
    ],
    ['both a token and a key', { authorization: 'Bearer a', apiKey: 'b' }, expect.stringContaining('not both')],
  ])('is rejected with %s over a WebSocket', async (_what, payload, reason) => {
    const { closed, send } = await rawSocket(gateway.url);
    send({ type: 'connection_init', payload });
    expect(await closed).toEqual({ code: 4403, reason });
  });
});

describe('a WebSocket', () => {
  it('uses the credentials of its upgrade request if connection_init has none', async () => {
    const { messages, send, socket } = await rawSocket(gateway.url, { headers: { authorization } });
    send({ type: 'connection_init' });
    await waitUntil(() => messages.length > 0);
    expect(messages[0]).toEqual({ type: 'connection_ack' });
    socket.terminate();
  });

  it('is accepted from the same origin, allowed origins and clients without an origin only', async () => {
    const url = socketUrl(gateway.url);
    expect(await upgradeStatus(url, { origin: new URL(gateway.url).origin })).toBe(101);
    expect(await upgradeStatus(url, { origin: page })).toBe(101);
    expect(await upgradeStatus(url, {})).toBe(101);
    expect(await upgradeStatus(url, { origin: 'https://evil.example.com' })).toBe(403);
    expect(await upgradeStatus(url, { origin: 'null' })).toBe(403);
    expect(await upgradeStatus(`${url}x`, {})).toBe(404);
  });

  it('is not opened for an upgrade to another protocol', async () => {
    const { hostname, port } = new URL(gateway.url);
    const socket = connect(Number(port), hostname);
    socket.write(
      'POST /graphql HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: h2c\r\ncontent-type: application/json\r\ncontent-length: 27\r\n\r\n{"query":"{ __typename }"} ',
    );
    const [response] = await once(socket, 'data');
    expect(String(response)).toMatch(/^HTTP\/1\.1 200 /);
    socket.destroy();
  });

  it.each([
    ['invalid JSON', 'nonsense', 4400],
    ['an unknown message type', { type: 'nonsense' }, 4400],
    ['a server message', { type: 'next', id: '1', payload: { data: {} } }, 4400],
    ['a subscription before connection_init', { type: 'subscribe', id: '1', payload: { query: models } }, 4401],
    ['a message that is too large', { type: 'ping', payload: { text: 'x'.repeat(70_000) } }, 1009],
  ])('is closed for %s', async (_what, message, code) => {
    const { closed, send } = await rawSocket(gateway.url);
    send(message);
    expect(await closed).toMatchObject({ code });
  });

  it('is closed for a second connection_init, binary data or another subprotocol', async () => {
    const twice = await rawSocket(gateway.url);
    twice.send({ type: 'connection_init', payload: { authorization } });
    twice.send({ type: 'connection_init', payload: { authorization } });
    expect(await twice.closed).toMatchObject({ code: 4429 });
    const bytes = await rawSocket(gateway.url);
    bytes.socket.send(Buffer.from('{}'));
    expect(await bytes.closed).toMatchObject({ code: 4400 });
    await expect(rawSocket(gateway.url, { protocol: 'graphql-ws' })).rejects.toThrow();
  });

  it('is closed without connection_init in time', async () => {
    const { closed } = await rawSocket(gateway.url);
    expect(await closed).toEqual({ code: 4408, reason: 'Connection initialisation timeout' });
  });
});

describe('server-sent events', () => {
  it('require a CSRF prevention header for GET', async () => {
    const search = {
      query: 'subscription ($name: String) { modelChanged(name: $name) { kind } }',
      variables: '{"name":"iris"}',
    };
    const { status, received, headers } = await openEvents(gateway.url, { headers: { authorization }, search });
    expect([status, headers.get('content-type'), headers.get('cache-control')]).toEqual([
      200,
      'text/event-stream; charset=utf-8',
      'no-cache, no-transform',
    ]);
    received.stop();
    const { status: rejected, rejection } = await openEvents(gateway.url, { search });
    expect([rejected, rejection.errors[0].extensions.code, rejection.errors[0].message]).toEqual([
      400,
      'BAD_REQUEST',
      expect.stringContaining('apollo-require-preflight'),
    ]);
    expect((await openEvents(gateway.url, { search, headers: { 'apollo-require-preflight': '1' } })).status).toBe(401);
    await isQuiet();
  });

  it.each([
    ['a list of operations', [{ query: models }], {}, 400],
    ['invalid JSON', '{', {}, 400],
    ['a body of another content type', 'query=x', { 'content-type': 'text/plain' }, 415],
  ])('are rejected for %s', async (_what, body, headers, status) => {
    const response = await openEvents(gateway.url, { headers: { authorization, ...headers }, body });
    expect(response.status).toBe(status);
    expect(response.rejection.errors[0].message).toEqual(expect.any(String));
  });

  it('are not sent to a client that prefers JSON', async () => {
    const response = await fetch(gateway.url, {
      method: 'POST',
      headers: { accept: 'application/json, text/event-stream', 'content-type': 'application/json' },
      body: JSON.stringify({ query: '{ __typename }' }),
    });
    expect(await response.json()).toEqual({ data: { __typename: 'Query' } });
  });
});

describe('the number of streams', () => {
  it('is limited per viewer over both transports, and ended streams free their slot', async () => {
    const client = socketClient(gateway.url, { authorization });
    const before = logged('stream opened').length;
    const own = [listen(client, models), listen(client, models)];
    const { received } = await openEvents(gateway.url, { headers: { authorization }, body: { query: models } });
    await waitUntil(() => logged('stream opened').length === before + 3);
    const [rejected] = await listen(client, models).ended;
    expect(rejected).toEqual({
      message: 'Subscription limit per viewer (3) reached; close one and retry.',
      extensions: { code: 'TOO_MANY_REQUESTS', retryAfterSeconds: 10 },
    });
    const events = await openEvents(gateway.url, { headers: { authorization }, body: { query: models } });
    expect([events.status, events.rejection.errors[0].extensions.code, events.headers.get('retry-after')]).toEqual([
      429,
      'TOO_MANY_REQUESTS',
      '10',
    ]);
    expect(await metric('auspex_subscriptions_open{transport="websocket"}')).toBe(2);
    expect(await metric('auspex_subscriptions_open{transport="sse"}')).toBe(1);
    own[0]?.stop();
    await waitUntil(() => logged('stream ended').length > 0);
    const next = listen(client, models);
    await waitUntil(() => logged('stream opened').length === before + 4);
    for (const one of [own[1], received, next]) one?.stop();
    await isQuiet();
    await client.dispose();
  });

  it('is limited in total', async () => {
    const users = await Promise.all([gateway.signIn('admin'), gateway.signIn('manager'), gateway.signIn('user')]);
    const before = logged('stream opened').length;
    const streams = await Promise.all(
      users.flatMap((user) =>
        Array.from({ length: 3 }, () =>
          openEvents(gateway.url, { headers: { authorization: `Bearer ${user.token}` }, body: { query: models } }),
        ),
      ),
    );
    const rejected = streams.filter(({ rejection }) => rejection !== null);
    expect(rejected.map(({ status, rejection }) => [status, rejection.errors[0].extensions.code])).toEqual([
      [503, 'OVERLOADED'],
    ]);
    expect(logged('stream opened').length - before).toBe(8);
    for (const { received } of streams) received.stop();
    await isQuiet();
  });
});

describe('a slow reader', () => {
  // Several hundred kilobytes per event, to fill the socket buffers quickly.
  const large = `subscription { employeeChanged { employee { ${Array.from({ length: 12 }, (_, at) => `a${at}: department { employees(first: 100) { nodes { id name email jobTitle } } }`).join(' ')} } } }`;
  const slowEnds = () => logged('stream ended').filter(({ reason }) => reason === 'slow_consumer').length;
  let employeeId: string;
  beforeAll(async () => {
    const [{ id: departmentId } = { id: '' }] = await gateway.db.selectFrom('department').select('id').execute();
    const people = Array.from({ length: 100 }, (_, at) => ({
      id: newId(),
      name: `Person ${at}`,
      email: `slow${at}@example.org`,
      age: 30,
      job_title: 'x'.repeat(100),
      job_level: 1,
      hired_on: '2020-01-01',
      salary: 1,
      department_id: departmentId,
      manager_id: null,
      version: 1,
      created_at: new Date(),
      updated_at: new Date(),
    }));
    await gateway.db.insertInto('employee').values(people).execute();
    employeeId = encodeId('employee', people[0]?.id ?? '');
  });

  /** Updates an employee until a reader is dropped. */
  async function changeUntilDropped(): Promise<void> {
    const before = slowEnds();
    for (let turn = 0; slowEnds() === before && turn < 500; turn += 1) {
      const { errors } = await gateway.execute(
        { token },
        'mutation ($id: ID!, $age: Int) { updateEmployee(id: $id, input: { age: $age }) { id } }',
        { id: employeeId, age: 20 + (turn % 60) },
      );
      expect(errors).toEqual([]);
      // So that events wait for the reader, not for their execution.
      await sleep(30);
    }
    expect(slowEnds()).toBe(before + 1);
  }

  it('receives the reason if it resumes reading in time, and keeps its socket', async () => {
    const { messages, send, socket } = await rawSocket(gateway.url);
    send({ type: 'connection_init', payload: { authorization } });
    send({ type: 'ping' });
    await waitUntil(() => messages.length === 2);
    send({ id: 'slow', type: 'subscribe', payload: { query: large } });
    await waitUntil(() => logged('stream opened').length > logged('stream ended').length);
    socket.pause();
    await changeUntilDropped();
    socket.resume();
    await waitUntil(() => messages.some(({ type }) => type === 'error'), 'The error');
    expect(messages.at(-1)).toEqual({
      id: 'slow',
      type: 'error',
      payload: [
        {
          message: 'Event backlog overflowed (5 events); refetch and resubscribe.',
          extensions: { code: 'SLOW_CONSUMER' },
        },
      ],
    });
    send({ type: 'ping' });
    await waitUntil(() => messages.at(-1).type === 'pong');
    socket.terminate();
  }, 60_000);

  it('is disconnected if it stops reading a WebSocket', async () => {
    const { messages, send, socket, closed } = await rawSocket(gateway.url);
    send({ type: 'connection_init', payload: { authorization } });
    await waitUntil(() => messages.length === 1);
    send({ id: 'slow', type: 'subscribe', payload: { query: large } });
    await waitUntil(() => logged('stream opened').length > logged('stream ended').length);
    socket.pause();
    await changeUntilDropped();
    await waitUntil(() => logged('WebSocket cut').length > 0, 'The cut', 40_000);
    socket.resume();
    expect(await closed).toMatchObject({ code: 1006 });
  }, 90_000);

  it('is disconnected if it stops reading server-sent events', async () => {
    const { hostname, port } = new URL(gateway.url);
    const socket = connect(Number(port), hostname);
    const body = JSON.stringify({ query: large });
    socket.write(
      `POST /graphql HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\nauthorization: ${authorization}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
    await once(socket, 'data');
    socket.pause();
    socket.on('error', () => undefined);
    const closed = new Promise((resolve) => socket.once('close', resolve));
    await changeUntilDropped();
    expect(logged('event stream cut')).toEqual([]);
    await waitUntil(() => logged('event stream cut').length > 0, 'The cut', 40_000);
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    socket.resume();
    await closed;
    expect(text).not.toContain('event: complete');
    await isQuiet();
  }, 90_000);
});

import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newId } from '../../src/database/base.entity.js';
import { encodeId } from '../../src/graphql/id.js';
import { startGateway, type Any, type TestGateway } from '../kit/gateway.js';
import { listen, openEvents, rawSocket, socketClient, until, upgradeStatus, socketUrl } from '../kit/streams.js';

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
const logged = (msg: string): Any[] => gateway.logs.filter((line) => line.msg === msg);
const isQuiet = () => until(() => logged('stream opened').length === logged('stream ended').length, 'The end of every stream');
const metric = async (name: string): Promise<number> => {
  const text = await (await fetch(gateway.metricsUrl ?? '')).text();
  return Number(text.split('\n').find((line) => line.startsWith(name))?.split(' ').at(-1));
};

/** What a refused operation is told, over each transport. Nothing is opened by it. */
async function refusals(query: unknown, more: Record<string, unknown> = {}): Promise<Any[]> {
  const before = logged('stream opened').length;
  const client = socketClient(gateway.url, { authorization });
  const overSocket = await listen(client, query as string, (more.variables ?? {}) as Record<string, unknown>).ended;
  await client.dispose();
  const { heard, refusal } = await openEvents(gateway.url, { headers: { authorization }, body: { query, ...more } });
  const overEvents = refusal?.errors ?? ((await heard.ended) === 'complete' && heard.answers[0].errors);
  expect(logged('stream opened')).toHaveLength(before);
  return [overSocket, overEvents].map(([error]: Any[]) => ({ code: error.extensions.code, message: error.message }));
}

const alike = (refused: Any[]): Any => {
  expect(refused[0]).toEqual(refused[1]);
  return refused[0];
};

describe('an operation that is refused alike over both transports', () => {
  it.each([
    ['a query', '{ me { id } }', 'BAD_USER_INPUT', 'Only subscriptions come as a stream; send this query by HTTP POST, as application/json.'],
    ['a mutation', 'mutation { logout }', 'BAD_USER_INPUT', 'Only subscriptions come as a stream; send this mutation by HTTP POST, as application/json.'],
    ['no GraphQL', 'subscription {', 'GRAPHQL_PARSE_FAILED', 'Syntax Error: Expected Name, found <EOF>.'],
    ['an unknown field, without a hint at others', 'subscription { modelChange { kind } }', 'GRAPHQL_VALIDATION_FAILED', 'Cannot query field "modelChange" on type "Subscription".'],
    ['two root fields', 'subscription { a: modelChanged { kind } b: modelChanged { kind } }', 'GRAPHQL_VALIDATION_FAILED', 'Anonymous Subscription must select only one top level field.'],
    ['introspection where it is closed', 'subscription { modelChanged { kind __typename } __schema { types { name } } }', 'GRAPHQL_VALIDATION_FAILED', expect.any(String)],
    ['too many tokens', `subscription { modelChanged { ${'kind '.repeat(400)} } }`, 'QUERY_TOO_LARGE', 'The document has more than 300 tokens; ask in several operations.'],
    ['too deep', `subscription { employeeChanged { employee ${'{ manager '.repeat(15)} { id } ${'}'.repeat(15)} } }`, 'QUERY_TOO_LARGE', expect.stringContaining('nests deeper than 12')],
    ['a faulty filter', 'subscription { employeeChanged(filter: { departmentId: "nobody" }) { kind } }', 'BAD_USER_INPUT', expect.stringContaining('departmentId must be an id of type department')],
    ['several operations without a name', `${models.replace('subscription', 'subscription A')} ${models.replace('subscription', 'subscription B')}`, 'OPERATION_RESOLUTION_FAILURE', expect.any(String)],
    ['a name that is too long', `subscription { modelChanged(name: "${'x'.repeat(101)}") { kind } }`, 'BAD_USER_INPUT', expect.stringContaining('1 to 100 characters')],
  ])('%s', async (_what, query, code, message) => {
    expect(alike(await refusals(query))).toEqual({ code, message });
  });

  it('variables that do not fit', async () => {
    const refused = await refusals('subscription ($filter: EmployeeFilter) { employeeChanged(filter: $filter) { kind } }', { variables: { filter: { minAge: 'old' } } });
    expect(alike(refused)).toMatchObject({ code: 'BAD_USER_INPUT', message: expect.stringContaining('"filter.minAge"') });
  });

  it('a key that lacks the scope', async () => {
    const { data } = await gateway.ask<Any>({ token }, 'mutation { createApiKey(name: "streams", scopes: ["predict"]) { secret } }');
    const headers = { 'x-api-key': data.createApiKey.secret as string };
    const query = 'subscription { employeeChanged { kind } }';
    const { heard } = await openEvents(gateway.url, { headers, body: { query } });
    expect(await heard.ended).toBe('complete');
    expect(heard.answers[0].errors[0].extensions.code).toBe('FORBIDDEN');
    const client = socketClient(gateway.url, { apiKey: headers['x-api-key'] });
    expect((await listen(client, query).ended)[0]).toMatchObject({ message: 'This API key lacks the scope employees:read.', extensions: { code: 'FORBIDDEN' } });
    await client.dispose();
    expect(logged('stream opened')).toHaveLength(0);
  });
});

describe('a stranger', () => {
  it('is refused over SSE before anything opens', async () => {
    const { status, refusal, headers } = await openEvents(gateway.url, { body: { query: models } });
    expect([status, refusal.errors[0].extensions.code, headers.get('content-type')]).toEqual([401, 'UNAUTHENTICATED', 'application/json; charset=utf-8']);
    expect(logged('stream opened')).toHaveLength(0);
  });

  it.each([
    ['nothing', {}, expect.stringContaining('Sign in first')],
    ['a token that is none', { authorization: 'Bearer nonsense' }, 'The access token is not valid; sign in again.'],
    ['a key that is none', { 'X-API-Key': 'auspex_nonsense' }, 'The API key is not valid, has expired or was revoked.'],
    ['both a token and a key', { authorization: 'Bearer a', apiKey: 'b' }, expect.stringContaining('not both')],
  ])('with %s is not let in over a socket', async (_what, payload, reason) => {
    const { closed, send } = await rawSocket(gateway.url);
    send({ type: 'connection_init', payload });
    expect(await closed).toEqual({ code: 4403, reason });
  });
});

describe('a socket', () => {
  it('takes the credentials of its upgrade where it says none itself', async () => {
    const { messages, send, socket } = await rawSocket(gateway.url, { headers: { authorization } });
    send({ type: 'connection_init' });
    await until(() => messages.length > 0);
    expect(messages[0]).toEqual({ type: 'connection_ack' });
    socket.terminate();
  });

  it('may come from the own origin, from those that are allowed, and from programs, but not from other pages', async () => {
    const url = socketUrl(gateway.url);
    expect(await upgradeStatus(url, { origin: new URL(gateway.url).origin })).toBe(101);
    expect(await upgradeStatus(url, { origin: page })).toBe(101);
    expect(await upgradeStatus(url, {})).toBe(101);
    expect(await upgradeStatus(url, { origin: 'https://evil.example.com' })).toBe(403);
    expect(await upgradeStatus(url, { origin: 'null' })).toBe(403);
    expect(await upgradeStatus(`${url}x`, {})).toBe(404);
  });

  it('is not mistaken where a request wants to upgrade to something else', async () => {
    const { hostname, port } = new URL(gateway.url);
    const socket = connect(Number(port), hostname);
    socket.write('POST /graphql HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c\r\ncontent-type: application/json\r\ncontent-length: 27\r\n\r\n{"query":"{ __typename }"} ');
    const [answer] = await once(socket, 'data');
    expect(String(answer)).toMatch(/^HTTP\/1\.1 200 /);
    socket.destroy();
  });

  it.each([
    ['what is no JSON', 'nonsense', 4400],
    ['a type that there is not', { type: 'nonsense' }, 4400],
    ['what only servers send', { type: 'next', id: '1', payload: { data: {} } }, 4400],
    ['a subscription before it is known', { type: 'subscribe', id: '1', payload: { query: models } }, 4401],
    ['more than one message may have', { type: 'ping', payload: { text: 'x'.repeat(70_000) } }, 1009],
  ])('is closed for %s', async (_what, message, code) => {
    const { closed, send } = await rawSocket(gateway.url);
    send(message);
    expect(await closed).toMatchObject({ code });
  });

  it('is closed where it says who it is twice, speaks bytes, or another protocol', async () => {
    const twice = await rawSocket(gateway.url);
    twice.send({ type: 'connection_init', payload: { authorization } });
    twice.send({ type: 'connection_init', payload: { authorization } });
    expect(await twice.closed).toMatchObject({ code: 4429 });
    const bytes = await rawSocket(gateway.url);
    bytes.socket.send(Buffer.from('{}'));
    expect(await bytes.closed).toMatchObject({ code: 4400 });
    await expect(rawSocket(gateway.url, { protocol: 'graphql-ws' })).rejects.toThrow();
  });

  it('is closed where it does not say who it is in time', async () => {
    const { closed } = await rawSocket(gateway.url);
    expect(await closed).toEqual({ code: 4408, reason: 'Connection initialisation timeout' });
  });
});

describe('server-sent events', () => {
  it('come by GET with a header that another page cannot send, and not without', async () => {
    const search = { query: 'subscription ($name: String) { modelChanged(name: $name) { kind } }', variables: '{"name":"iris"}' };
    const { status, heard, headers } = await openEvents(gateway.url, { headers: { authorization }, search });
    expect([status, headers.get('content-type'), headers.get('cache-control')]).toEqual([200, 'text/event-stream; charset=utf-8', 'no-cache, no-transform']);
    heard.stop();
    const { status: refused, refusal } = await openEvents(gateway.url, { search });
    expect([refused, refusal.errors[0].extensions.code, refusal.errors[0].message]).toEqual([400, 'BAD_REQUEST', expect.stringContaining('apollo-require-preflight')]);
    expect((await openEvents(gateway.url, { search, headers: { 'apollo-require-preflight': '1' } })).status).toBe(401);
    await isQuiet();
  });

  it.each([
    ['a list of operations', [{ query: models }], {}, 400],
    ['no JSON', '{', {}, 400],
    ['a body of another kind', 'query=x', { 'content-type': 'text/plain' }, 415],
  ])('are refused for %s', async (_what, body, headers, status) => {
    const answer = await openEvents(gateway.url, { headers: { authorization, ...headers }, body });
    expect(answer.status).toBe(status);
    expect(answer.refusal.errors[0].message).toEqual(expect.any(String));
  });

  it('are not what a client gets that would rather have JSON', async () => {
    const response = await fetch(gateway.url, {
      method: 'POST',
      headers: { accept: 'application/json, text/event-stream', 'content-type': 'application/json' },
      body: JSON.stringify({ query: '{ __typename }' }),
    });
    expect(await response.json()).toEqual({ data: { __typename: 'Query' } });
  });
});

describe('the number of streams', () => {
  it('is bounded for one viewer, on both transports together, and those that end make room', async () => {
    const client = socketClient(gateway.url, { authorization });
    const before = logged('stream opened').length;
    const own = [listen(client, models), listen(client, models)];
    const { heard } = await openEvents(gateway.url, { headers: { authorization }, body: { query: models } });
    await until(() => logged('stream opened').length === before + 3);
    const [refused] = await listen(client, models).ended;
    expect(refused).toEqual({ message: 'You have 3 streams open, which is as many as one may have; end one first.', extensions: { code: 'TOO_MANY_REQUESTS', retryAfterSeconds: 10 } });
    const events = await openEvents(gateway.url, { headers: { authorization }, body: { query: models } });
    expect([events.status, events.refusal.errors[0].extensions.code, events.headers.get('retry-after')]).toEqual([429, 'TOO_MANY_REQUESTS', '10']);
    expect(await metric('auspex_streams_open{transport="websocket"}')).toBe(2);
    expect(await metric('auspex_streams_open{transport="sse"}')).toBe(1);
    own[0]?.stop();
    await until(() => logged('stream ended').length > 0);
    const next = listen(client, models);
    await until(() => logged('stream opened').length === before + 4);
    for (const one of [own[1], heard, next]) one?.stop();
    await isQuiet();
    await client.dispose();
  });

  it('is bounded in all', async () => {
    const users = await Promise.all([gateway.signIn('admin'), gateway.signIn('manager'), gateway.signIn('user')]);
    const before = logged('stream opened').length;
    const streams = await Promise.all(
      users.flatMap((user) => Array.from({ length: 3 }, () => openEvents(gateway.url, { headers: { authorization: `Bearer ${user.token}` }, body: { query: models } }))),
    );
    const refused = streams.filter(({ refusal }) => refusal !== null);
    expect(refused.map(({ status, refusal }) => [status, refusal.errors[0].extensions.code])).toEqual([[503, 'OVERLOADED']]);
    expect(logged('stream opened').length - before).toBe(8);
    for (const { heard } of streams) heard.stop();
    await isQuiet();
  });
});

describe('a slow reader', () => {
  // Some hundred kilobytes an event, so that the system's own buffers are soon full.
  const large = `subscription { employeeChanged { employee { ${Array.from({ length: 12 }, (_, at) => `a${at}: department { employees(first: 100) { nodes { id name email jobTitle } } }`).join(' ')} } } }`;
  const slowEnds = () => logged('stream ended').filter(({ reason }) => reason === 'slow reader').length;
  let employeeId: string;
  beforeAll(async () => {
    const [{ id: departmentId } = { id: '' }] = await gateway.db.selectFrom('department').select('id').execute();
    const people = Array.from({ length: 100 }, (_, at) => ({
      id: newId(), name: `Person ${at}`, email: `slow${at}@example.org`, age: 30, job_title: 'x'.repeat(100), job_level: 1, hired_on: '2020-01-01', salary: 1,
      department_id: departmentId, manager_id: null, version: 1, created_at: new Date(), updated_at: new Date(),
    }));
    await gateway.db.insertInto('employee').values(people).execute();
    employeeId = encodeId('employee', people[0]?.id ?? '');
  });

  /** Changes an employee again and again until a reader was dropped. */
  async function changeUntilDropped(): Promise<void> {
    const before = slowEnds();
    for (let turn = 0; slowEnds() === before && turn < 500; turn += 1) {
      const { errors } = await gateway.ask({ token }, 'mutation ($id: ID!, $age: Int) { updateEmployee(id: $id, input: { age: $age }) { id } }', { id: employeeId, age: 20 + (turn % 60) });
      expect(errors).toEqual([]);
    }
    expect(slowEnds()).toBe(before + 1);
  }

  it('that reads again in time is told why its stream has ended, and its socket goes on', async () => {
    const { messages, send, socket } = await rawSocket(gateway.url);
    send({ type: 'connection_init', payload: { authorization } });
    send({ type: 'ping' });
    await until(() => messages.length === 2);
    send({ id: 'slow', type: 'subscribe', payload: { query: large } });
    await until(() => logged('stream opened').length > logged('stream ended').length);
    socket.pause();
    await changeUntilDropped();
    socket.resume();
    await until(() => messages.some(({ type }) => type === 'error'), 'The error');
    expect(messages.at(-1)).toEqual({
      id: 'slow',
      type: 'error',
      payload: [{ message: 'More than 5 events waited to be read, so that the stream was ended; read anew what you follow, and subscribe again.', extensions: { code: 'SLOW_READER' } }],
    });
    send({ type: 'ping' });
    await until(() => messages.at(-1).type === 'pong');
    socket.terminate();
  }, 60_000);

  it('that does not read at all is cut, over a socket', async () => {
    const { messages, send, socket, closed } = await rawSocket(gateway.url);
    send({ type: 'connection_init', payload: { authorization } });
    await until(() => messages.length === 1);
    send({ id: 'slow', type: 'subscribe', payload: { query: large } });
    await until(() => logged('stream opened').length > logged('stream ended').length);
    socket.pause();
    await changeUntilDropped();
    await until(() => logged('a websocket was cut').length > 0, 'The cut', 40_000);
    socket.resume();
    expect(await closed).toMatchObject({ code: 1006 });
  }, 90_000);

  it('that does not read at all is cut, over server-sent events', async () => {
    const { hostname, port } = new URL(gateway.url);
    const socket = connect(Number(port), hostname);
    const body = JSON.stringify({ query: large });
    socket.write(`POST /graphql HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\nauthorization: ${authorization}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
    await once(socket, 'data');
    socket.pause();
    socket.on('error', () => undefined);
    const closed = new Promise((resolve) => socket.once('close', resolve));
    await changeUntilDropped();
    expect(logged('an event stream was cut')).toEqual([]);
    await until(() => logged('an event stream was cut').length > 0, 'The cut', 40_000);
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    socket.resume();
    await closed;
    expect(text).not.toContain('event: complete');
    await isQuiet();
  }, 90_000);
});

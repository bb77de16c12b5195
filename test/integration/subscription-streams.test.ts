import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Client } from 'graphql-ws';
import { Role } from '../../src/auth/viewer.js';
import { encodeId } from '../../src/graphql/relay/global-id.js';
import { startGateway, type AnyData, type TestGateway } from '../support/gateway.js';
import { addPerson } from '../support/people.js';
import { listen, openEvents, socketClient, type ReceivedEvents } from '../support/streams.js';
import { waitUntil } from '../support/wait-until.js';

let gateway: TestGateway;
let tokens: Record<'admin' | 'manager' | 'user', string>;
beforeAll(async () => {
  gateway = await startGateway({ MAX_LOGINS_PER_ACCOUNT: '1000' });
  const [admin, manager, user] = await Promise.all([
    gateway.signIn('admin'),
    gateway.signIn('manager'),
    gateway.signIn('user'),
  ]);
  tokens = { admin: admin.token, manager: manager.token, user: user.token };
});
afterAll(() => gateway.close());

const clients: Client[] = [];
const stops: ReceivedEvents[] = [];
afterEach(async () => {
  for (const received of stops.splice(0)) received.stop();
  for (const client of clients.splice(0)) await client.dispose();
  await waitUntil(() => openStreams() === 0, 'The end of every stream');
});

/** The number of open streams according to the log. */
const openStreams = (): number =>
  gateway.logs.reduce((open, { msg }) => open + (msg === 'stream opened' ? 1 : msg === 'stream ended' ? -1 : 0), 0);

/** Subscribes over a transport, and waits until the stream is open. */
async function subscribe(
  transport: 'websocket' | 'sse',
  token: string,
  query: string,
  variables: Record<string, unknown> = {},
): Promise<ReceivedEvents> {
  const before = gateway.logs.filter(({ msg }) => msg === 'stream opened').length;
  const authorization = `Bearer ${token}`;
  let received: ReceivedEvents;
  if (transport === 'websocket') {
    const client = socketClient(gateway.url, { authorization });
    clients.push(client);
    received = listen(client, query, variables);
  } else ({ received } = await openEvents(gateway.url, { headers: { authorization }, body: { query, variables } }));
  stops.push(received);
  await waitUntil(() => gateway.logs.filter(({ msg }) => msg === 'stream opened').length > before, 'The stream');
  return received;
}

const admin = <Data = AnyData>(document: string, variables: Record<string, unknown> = {}) =>
  gateway.execute<Data>({ token: tokens.admin }, document, variables);

async function hire(over: Record<string, unknown> = {}): Promise<{ id: string; departmentId: string }> {
  const department = await gateway.db
    .selectFrom('department')
    .select('id')
    .where('name', '=', 'People')
    .executeTakeFirstOrThrow();
  const departmentId = encodeId('department', department.id);
  const input = {
    name: 'Ada Example',
    email: `ada${Math.random()}@example.org`,
    age: 40,
    jobTitle: 'Engineer',
    jobLevel: 3,
    hiredOn: '2020-01-05',
    salary: 70_000,
    departmentId,
    ...over,
  };
  const { data, errors } = await admin(
    'mutation ($input: CreateEmployeeInput!) { createEmployee(input: $input) { id } }',
    { input },
  );
  expect(errors).toEqual([]);
  return { id: data.createEmployee.id, departmentId };
}
const change = (id: string, input: Record<string, unknown>) =>
  admin('mutation ($id: ID!, $input: UpdateEmployeeInput!) { updateEmployee(id: $id, input: $input) { version } }', {
    id,
    input,
  });
const dismiss = (id: string) => admin('mutation ($id: ID!) { deleteEmployee(id: $id) { deletedEmployeeId } }', { id });

describe.each(['websocket', 'sse'] as const)('employeeChanged over %s', (transport) => {
  const document =
    'subscription Changes($filter: EmployeeFilter) { employeeChanged(filter: $filter) { kind employeeId employee { id name age department { name } manager { name } } } }';

  it('reports created, updated and deleted employees with their current state', async () => {
    const received = await subscribe(transport, tokens.user, document);
    const { id } = await hire();
    expect(await received.next()).toEqual({
      data: {
        employeeChanged: {
          kind: 'CREATED',
          employeeId: id,
          employee: { id, name: 'Ada Example', age: 40, department: { name: 'People' }, manager: null },
        },
      },
    });
    await change(id, { age: 41 });
    expect(await received.next()).toMatchObject({
      data: { employeeChanged: { kind: 'UPDATED', employeeId: id, employee: { age: 41 } } },
    });
    await dismiss(id);
    expect(await received.next()).toEqual({
      data: { employeeChanged: { kind: 'DELETED', employeeId: id, employee: null } },
    });
  });

  it('reports only employees that match the filter before or after the change', async () => {
    const received = await subscribe(transport, tokens.user, document, { filter: { minAge: 60, search: 'ADA' } });
    const { id } = await hire();
    const other = await hire({ name: 'Bob', email: 'bob@example.org', age: 62 });
    await change(id, { age: 61 });
    expect((await received.next()).data.employeeChanged).toMatchObject({
      kind: 'UPDATED',
      employeeId: id,
      employee: { age: 61 },
    });
    await change(id, { age: 50 });
    expect((await received.next()).data.employeeChanged).toMatchObject({
      kind: 'UPDATED',
      employeeId: id,
      employee: { age: 50 },
    });
    await change(id, { age: 51 });
    await change(id, { age: 63 });
    expect((await received.next()).data.employeeChanged).toMatchObject({ employee: { age: 63 } });
    await dismiss(id);
    expect((await received.next()).data.employeeChanged).toMatchObject({ kind: 'DELETED' });
    await dismiss(other.id);
    expect(received.results).toHaveLength(4);
  });

  it('reports nothing for rejected updates and updates without changes', async () => {
    const { id } = await hire();
    const received = await subscribe(transport, tokens.user, document);
    expect((await change(id, { age: 7 })).errors).toHaveLength(1);
    expect((await change(id, {})).errors).toEqual([]);
    expect((await change(id, { age: 40 })).errors).toEqual([]);
    await dismiss(id);
    expect((await received.next()).data.employeeChanged.kind).toBe('DELETED');
    expect(received.results).toHaveLength(1);
  });

  it('authorizes the salary for each viewer and event', async () => {
    const guarded = 'subscription { employeeChanged { employee { name salary } } }';
    const [own, others] = await Promise.all([
      subscribe(transport, tokens.admin, guarded),
      subscribe(transport, tokens.user, guarded),
    ]);
    const { id } = await hire();
    expect(await own.next()).toEqual({
      data: { employeeChanged: { employee: { name: 'Ada Example', salary: 70_000 } } },
    });
    const response = await others.next();
    expect(response.data).toEqual({ employeeChanged: { employee: { name: 'Ada Example', salary: null } } });
    expect(response.errors).toEqual([
      {
        message: 'You may not see this salary.',
        locations: expect.any(Array),
        path: ['employeeChanged', 'employee', 'salary'],
        extensions: { code: 'FORBIDDEN' },
      },
    ]);
    await dismiss(id);
  });
});

describe.each(['websocket', 'sse'] as const)('predictionRecorded over %s', (transport) => {
  const document = 'subscription { predictionRecorded { id source output requestedBy { email } model { name } } }';
  const predict = (token: string) =>
    gateway.execute<AnyData>(
      { token },
      '{ predict(model: "iris", inputs: [{ petal_length: 4.0, petal_width: 1.35 }]) { id } }',
    );

  it('reports their own predictions to users and all to administrators', async () => {
    const anonymous = await addPerson(gateway, Role.USER);
    const [own, all] = await Promise.all([
      subscribe(transport, tokens.user, document),
      subscribe(transport, tokens.admin, document),
    ]);
    const first = await predict(anonymous.token);
    const second = await predict(tokens.user);
    expect((await own.next()).data.predictionRecorded).toMatchObject({
      id: second.data.predict[0].id,
      requestedBy: { email: 'user@example.com' },
      model: { name: 'iris' },
    });
    const ids = [(await all.next()).data.predictionRecorded.id, (await all.next()).data.predictionRecorded.id];
    expect(ids).toEqual([first.data.predict[0].id, second.data.predict[0].id]);
    expect(own.results).toHaveLength(1);
  });
});

import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Client } from 'graphql-ws';
import { Role } from '../../src/auth/viewer.js';
import { encodeId } from '../../src/graphql/id.js';
import { startGateway, type Any, type TestGateway } from '../kit/gateway.js';
import { addPerson } from '../kit/people.js';
import { listen, openEvents, socketClient, until, type Heard } from '../kit/streams.js';

let gateway: TestGateway;
let tokens: Record<'admin' | 'manager' | 'user', string>;
beforeAll(async () => {
  gateway = await startGateway({ MAX_LOGINS_PER_ACCOUNT: '1000' });
  const [admin, manager, user] = await Promise.all([gateway.signIn('admin'), gateway.signIn('manager'), gateway.signIn('user')]);
  tokens = { admin: admin.token, manager: manager.token, user: user.token };
});
afterAll(() => gateway.close());

const clients: Client[] = [];
const stops: Heard[] = [];
afterEach(async () => {
  for (const heard of stops.splice(0)) heard.stop();
  for (const client of clients.splice(0)) await client.dispose();
  await until(() => openStreams() === 0, 'The end of every stream');
});

/** Streams that the log says have begun and not ended. */
const openStreams = (): number => gateway.logs.reduce((open, { msg }) => open + (msg === 'stream opened' ? 1 : msg === 'stream ended' ? -1 : 0), 0);

/** Subscribes over a transport, and waits until the stream is open. */
async function subscribe(transport: 'websocket' | 'sse', token: string, query: string, variables: Record<string, unknown> = {}): Promise<Heard> {
  const before = gateway.logs.filter(({ msg }) => msg === 'stream opened').length;
  const authorization = `Bearer ${token}`;
  let heard: Heard;
  if (transport === 'websocket') {
    const client = socketClient(gateway.url, { authorization });
    clients.push(client);
    heard = listen(client, query, variables);
  } else ({ heard } = await openEvents(gateway.url, { headers: { authorization }, body: { query, variables } }));
  stops.push(heard);
  await until(() => gateway.logs.filter(({ msg }) => msg === 'stream opened').length > before, 'The stream');
  return heard;
}

const admin = <Data = Any>(document: string, variables: Record<string, unknown> = {}) => gateway.ask<Data>({ token: tokens.admin }, document, variables);

async function hire(over: Record<string, unknown> = {}): Promise<{ id: string; departmentId: string }> {
  const department = await gateway.db.selectFrom('department').select('id').where('name', '=', 'People').executeTakeFirstOrThrow();
  const departmentId = encodeId('department', department.id);
  const input = { name: 'Ada Example', email: `ada${Math.random()}@example.org`, age: 40, jobTitle: 'Engineer', jobLevel: 3, hiredOn: '2020-01-05', salary: 70_000, departmentId, ...over };
  const { data, errors } = await admin('mutation ($input: CreateEmployeeInput!) { createEmployee(input: $input) { id } }', { input });
  expect(errors).toEqual([]);
  return { id: data.createEmployee.id, departmentId };
}
const change = (id: string, input: Record<string, unknown>) => admin('mutation ($id: ID!, $input: UpdateEmployeeInput!) { updateEmployee(id: $id, input: $input) { version } }', { id, input });
const dismiss = (id: string) => admin('mutation ($id: ID!) { deleteEmployee(id: $id) }', { id });

describe.each(['websocket', 'sse'] as const)('employeeChanged over %s', (transport) => {
  const document = 'subscription Changes($filter: EmployeeFilter) { employeeChanged(filter: $filter) { kind id employee { id name age department { name } manager { name } } } }';

  it('tells who was hired, changed and removed, as the employee is now', async () => {
    const heard = await subscribe(transport, tokens.user, document);
    const { id } = await hire();
    expect(await heard.next()).toEqual({ data: { employeeChanged: { kind: 'CREATED', id, employee: { id, name: 'Ada Example', age: 40, department: { name: 'People' }, manager: null } } } });
    await change(id, { age: 41 });
    expect(await heard.next()).toMatchObject({ data: { employeeChanged: { kind: 'UPDATED', id, employee: { age: 41 } } } });
    await dismiss(id);
    expect(await heard.next()).toEqual({ data: { employeeChanged: { kind: 'DELETED', id, employee: null } } });
  });

  it('tells those whom the filter describes before the change or after it, and no others', async () => {
    const heard = await subscribe(transport, tokens.user, document, { filter: { minAge: 60, search: 'ADA' } });
    const { id } = await hire();
    const other = await hire({ name: 'Bob', email: 'bob@example.org', age: 62 });
    await change(id, { age: 61 });
    expect((await heard.next()).data.employeeChanged).toMatchObject({ kind: 'UPDATED', id, employee: { age: 61 } });
    await change(id, { age: 50 });
    expect((await heard.next()).data.employeeChanged).toMatchObject({ kind: 'UPDATED', id, employee: { age: 50 } });
    await change(id, { age: 51 });
    await change(id, { age: 63 });
    expect((await heard.next()).data.employeeChanged).toMatchObject({ employee: { age: 63 } });
    await dismiss(id);
    expect((await heard.next()).data.employeeChanged).toMatchObject({ kind: 'DELETED' });
    await dismiss(other.id);
    expect(heard.answers).toHaveLength(4);
  });

  it('tells nothing of a change that was refused, or that changed nothing', async () => {
    const { id } = await hire();
    const heard = await subscribe(transport, tokens.user, document);
    expect((await change(id, { age: 7 })).errors).toHaveLength(1);
    expect((await change(id, {})).errors).toEqual([]);
    expect((await change(id, { age: 40 })).errors).toEqual([]);
    await dismiss(id);
    expect((await heard.next()).data.employeeChanged.kind).toBe('DELETED');
    expect(heard.answers).toHaveLength(1);
  });

  it('guards the salary for each viewer, event by event', async () => {
    const guarded = 'subscription { employeeChanged { employee { name salary } } }';
    const [own, others] = await Promise.all([subscribe(transport, tokens.admin, guarded), subscribe(transport, tokens.user, guarded)]);
    const { id } = await hire();
    expect(await own.next()).toEqual({ data: { employeeChanged: { employee: { name: 'Ada Example', salary: 70_000 } } } });
    const answer = await others.next();
    expect(answer.data).toEqual({ employeeChanged: { employee: { name: 'Ada Example', salary: null } } });
    expect(answer.errors).toEqual([{ message: 'You may not see this salary.', locations: expect.any(Array), path: ['employeeChanged', 'employee', 'salary'], extensions: { code: 'FORBIDDEN' } }]);
    await dismiss(id);
  });
});

describe.each(['websocket', 'sse'] as const)('predictionRecorded over %s', (transport) => {
  const document = 'subscription { predictionRecorded { id source output requestedBy { email } model { name } } }';
  const predict = (token: string) => gateway.ask<Any>({ token }, '{ predict(model: "iris", inputs: [{ petal_length: 4.0, petal_width: 1.35 }]) { id } }');

  it('tells the own, and an administrator all', async () => {
    const stranger = await addPerson(gateway, Role.USER);
    const [own, all] = await Promise.all([subscribe(transport, tokens.user, document), subscribe(transport, tokens.admin, document)]);
    const first = await predict(stranger.token);
    const second = await predict(tokens.user);
    expect((await own.next()).data.predictionRecorded).toMatchObject({ id: second.data.predict[0].id, requestedBy: { email: 'user@example.com' }, model: { name: 'iris' } });
    const ids = [(await all.next()).data.predictionRecorded.id, (await all.next()).data.predictionRecorded.id];
    expect(ids).toEqual([first.data.predict[0].id, second.data.predict[0].id]);
    expect(own.answers).toHaveLength(1);
  });
});

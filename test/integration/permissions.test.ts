import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { buildSchema } from 'graphql';
import { newId } from '../../src/database/base.entity.js';
import { encodeId } from '../../src/graphql/id.js';
import { openEvents } from '../kit/streams.js';
import { codesOf, startGateway, type Any, type Asker, type TestGateway } from '../kit/gateway.js';

type Name = 'stranger' | 'user' | 'manager' | 'admin';
type Verdict = 'allowed' | 'UNAUTHENTICATED' | 'FORBIDDEN';

/** One root field: how to ask for it so that nothing is changed even where it is allowed, and who may. */
interface Row {
  ask: string;
  verdicts: Record<Name, Verdict>;
}

const everyone = { stranger: 'allowed', user: 'allowed', manager: 'allowed', admin: 'allowed' } as const;
const signedIn = { ...everyone, stranger: 'UNAUTHENTICATED' } as const;
const managers = { ...signedIn, user: 'FORBIDDEN' } as const;
const admins = { ...managers, manager: 'FORBIDDEN' } as const;

const nobody = (type: 'employee' | 'user' | 'apikey' | 'prediction') => encodeId(type, newId());
const faulty = `{ name: "", email: "", age: 1, jobTitle: "", jobLevel: 9, hiredOn: "2026-01-05", salary: 1, departmentId: "none" }`;

const table: Record<string, Row> = {
  'Query.me': { ask: '{ me { id } }', verdicts: signedIn },
  'Query.employee': { ask: `{ employee(id: "${nobody('employee')}") { id } }`, verdicts: signedIn },
  'Query.employees': { ask: '{ employees(first: 1) { nodes { id } } }', verdicts: signedIn },
  'Query.departments': { ask: '{ departments { id } }', verdicts: signedIn },
  'Query.user': { ask: `{ user(id: "${nobody('user')}") { id } }`, verdicts: signedIn },
  'Query.users': { ask: '{ users(first: 1) { nodes { id } } }', verdicts: admins },
  'Query.apiKeys': { ask: '{ apiKeys { id } }', verdicts: signedIn },
  'Query.models': { ask: '{ models { name } }', verdicts: signedIn },
  'Query.model': { ask: '{ model(name: "iris") { name } }', verdicts: signedIn },
  'Query.predict': { ask: '{ predict(model: "iris", inputs: []) { id } }', verdicts: signedIn },
  'Query.predictCarPrice': { ask: '{ predictCarPrice(inputs: []) { id } }', verdicts: signedIn },
  'Query.predictDigits': { ask: '{ predictDigits(inputs: []) { id } }', verdicts: signedIn },
  'Query.predictIris': { ask: '{ predictIris(inputs: []) { id } }', verdicts: signedIn },
  'Query.prediction': { ask: `{ prediction(id: "${nobody('prediction')}") { id } }`, verdicts: signedIn },
  'Query.predictions': { ask: '{ predictions(first: 1) { nodes { id } } }', verdicts: signedIn },
  'Mutation.register': { ask: 'mutation { register(input: { email: "", password: "" }) { accessToken } }', verdicts: everyone },
  'Mutation.login': { ask: 'mutation { login(input: { email: "", password: "" }) { accessToken } }', verdicts: everyone },
  'Mutation.refreshSession': { ask: 'mutation { refreshSession(refreshToken: "") { accessToken } }', verdicts: everyone },
  'Mutation.logout': { ask: 'mutation { logout }', verdicts: signedIn },
  'Mutation.changePassword': { ask: 'mutation { changePassword(currentPassword: "", newPassword: "") { accessToken } }', verdicts: signedIn },
  'Mutation.setUserRole': { ask: `mutation { setUserRole(userId: "${nobody('user')}", role: ADMIN) { id } }`, verdicts: admins },
  'Mutation.setUserActive': { ask: `mutation { setUserActive(userId: "${nobody('user')}", isActive: true) { id } }`, verdicts: admins },
  'Mutation.setUserEmployee': { ask: `mutation { setUserEmployee(userId: "${nobody('user')}") { id } }`, verdicts: admins },
  'Mutation.createApiKey': { ask: 'mutation { createApiKey(name: "") { secret } }', verdicts: signedIn },
  'Mutation.revokeApiKey': { ask: `mutation { revokeApiKey(id: "${nobody('apikey')}") }`, verdicts: signedIn },
  'Mutation.promoteModel': { ask: 'mutation { promoteModel(name: "no-such-model", version: 1) { name } }', verdicts: admins },
  'Mutation.rollbackModel': { ask: 'mutation { rollbackModel(name: "no-such-model") { name } }', verdicts: admins },
  'Query.documentReleases': { ask: '{ documentReleases(first: 1) { nodes { id } } }', verdicts: admins },
  'Query.documentUsage': { ask: '{ documentUsage(first: 1) { nodes { id } } }', verdicts: admins },
  'Mutation.publishDocuments': { ask: 'mutation { publishDocuments(client: "", version: "", manifest: {}) { version } }', verdicts: admins },
  'Mutation.retireDocuments': { ask: 'mutation { retireDocuments(client: "no-such-client", version: "1") }', verdicts: admins },
  'Mutation.createEmployee': { ask: `mutation { createEmployee(input: ${faulty}) { id } }`, verdicts: admins },
  'Mutation.updateEmployee': { ask: `mutation { updateEmployee(id: "${nobody('employee')}", input: {}) { id } }`, verdicts: managers },
  'Subscription.employeeChanged': { ask: 'subscription { employeeChanged { id } }', verdicts: signedIn },
  'Subscription.predictionRecorded': { ask: 'subscription { predictionRecorded { id } }', verdicts: signedIn },
  'Subscription.modelChanged': { ask: 'subscription { modelChanged { name } }', verdicts: signedIn },
  'Mutation.deleteEmployee': { ask: `mutation { deleteEmployee(id: "${nobody('employee')}") }`, verdicts: admins },
};

let gateway: TestGateway;
const sessions: Partial<Record<Name, { authorization: string }>> = {};
beforeAll(async () => {
  gateway = await startGateway();
  for (const name of ['user', 'manager', 'admin'] as const) sessions[name] = { authorization: `Bearer ${(await gateway.signIn(name)).token}` };
});
afterAll(() => gateway.close());

const askers: Record<Name, Asker> = { stranger: null, user: 'user', manager: 'manager', admin: 'admin' };

/** Every row of every table. */
async function everything() {
  const { db } = gateway;
  return {
    users: await db.selectFrom('user_account').selectAll().orderBy('id').execute(),
    sessions: await db.selectFrom('session').selectAll().orderBy('id').execute(),
    keys: await db.selectFrom('api_key').selectAll().orderBy('id').execute(),
    employees: await db.selectFrom('employee').selectAll().orderBy('id').execute(),
    departments: await db.selectFrom('department').selectAll().orderBy('id').execute(),
    deployments: await db.selectFrom('model_deployment').selectAll().orderBy('model').execute(),
    releases: await db.selectFrom('document_release').selectAll().orderBy('id').execute(),
    documents: await db.selectFrom('published_document').selectAll().orderBy('id').execute(),
    predictions: await db.selectFrom('prediction').selectAll().orderBy('id').execute(),
  };
}

describe('the table of permissions', () => {
  it('has a row for every root field of the schema, and none besides', () => {
    const schema = buildSchema(readFileSync(new URL('../../schema/schema.graphql', import.meta.url), 'utf8'));
    const roots = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()];
    const fields = roots.flatMap((root) => (root ? Object.keys(root.getFields()).map((field) => `${root.name}.${field}`) : []));
    expect(Object.keys(table).sort()).toEqual(fields.sort());
  });

  it('asks in each row for the field that the row is of', () => {
    for (const [name, { ask }] of Object.entries(table)) expect(ask).toMatch(new RegExp(`^${name.startsWith('Query') ? '' : `${name.split('.')[0]?.toLowerCase() ?? ''} `}{ ${name.split('.')[1] ?? ''}\\b`));
  });

  const cases = Object.entries(table).flatMap(([field, { ask, verdicts }]) =>
    Object.entries(verdicts).map(([name, verdict]) => [field, name as Name, verdict, ask] as const),
  );
  it.each(cases)('%s asked by %s is %s', async (_field, name, verdict, ask) => {
    const before = await everything();
    if (ask.startsWith('subscription')) {
      const { status, refusal, heard } = await openEvents(gateway.url, { headers: { ...sessions[name] }, body: { query: ask } });
      heard.stop();
      expect([status, refusal?.errors[0].extensions.code ?? 'allowed']).toEqual([verdict === 'UNAUTHENTICATED' ? 401 : 200, verdict]);
      expect(heard.answers).toEqual([]);
      return;
    }
    const answer = await gateway.ask<Any>(askers[name], ask);
    if (verdict === 'allowed') {
      // Past the rules: an answer, or the refusal of input that was made faulty on purpose; signing in fails with a message of its own.
      const refusals = answer.errors.filter((error) => error.extensions.code === 'FORBIDDEN' || /sign in first|needs the role|may not/i.test(error.message));
      expect(refusals).toEqual([]);
    } else {
      expect(codesOf(answer)).toEqual([verdict]);
      expect(Object.values(answer.data ?? {}).filter((value) => value !== null)).toEqual([]);
      expect(answer.status).toBe(verdict === 'UNAUTHENTICATED' ? 401 : 200);
    }
    expect(await everything()).toEqual(before);
  });
});

describe('a refusal', () => {
  it('changes nothing where a stranger asks for what would work for another', async () => {
    const [user] = await gateway.db.selectFrom('user_account').select('id').where('email', '=', 'user@example.com').execute();
    const [employee] = await gateway.db.selectFrom('employee').select('id').where('id', 'not in', gateway.db.selectFrom('employee').select('manager_id').where('manager_id', 'is not', null)).execute();
    const [department] = await gateway.db.selectFrom('department').select('id').execute();
    const [userId, employeeId, departmentId] = [encodeId('user', user?.id ?? ''), encodeId('employee', employee?.id ?? ''), encodeId('department', department?.id ?? '')];
    const before = await everything();
    const documents = [
      `mutation { setUserRole(userId: "${userId}", role: ADMIN) { id } }`,
      `mutation { setUserActive(userId: "${userId}", isActive: false) { id } }`,
      `mutation { setUserEmployee(userId: "${userId}", employeeId: null) { id } }`,
      `mutation { createApiKey(name: "a key") { secret } }`,
      'mutation { promoteModel(name: "iris", version: 1) { name } }',
      `mutation { updateEmployee(id: "${employeeId}", input: { salary: 1 }) { id } }`,
      `mutation { deleteEmployee(id: "${employeeId}") }`,
      `mutation { createEmployee(input: { name: "A", email: "a@example.org", age: 30, jobTitle: "B", jobLevel: 1, hiredOn: "2026-01-05", salary: 1, departmentId: "${departmentId}" }) { id } }`,
      'mutation { changePassword(currentPassword: "auspex-demo-2026", newPassword: "staple of the barn") { accessToken } }',
    ];
    for (const document of documents) {
      const answer = await gateway.ask<Any>(null, document);
      expect({ document, codes: codesOf(answer), status: answer.status }).toEqual({ document, codes: ['UNAUTHENTICATED'], status: 401 });
      const asUser = document.includes('createApiKey') || document.includes('changePassword') ? null : await gateway.ask<Any>('user', document);
      if (asUser) expect({ document, codes: codesOf(asUser) }).toEqual({ document, codes: ['FORBIDDEN'] });
    }
    expect(await everything()).toEqual(before);
  });

  it('is HTTP 401 where nothing was answered, and 200 where something was', async () => {
    const nothing = await gateway.ask<Any>(null, '{ me { id } user(id: "user_01h455vb4pex5vsknk084sn02q") { id } }');
    expect([nothing.status, codesOf(nothing)]).toEqual([401, ['UNAUTHENTICATED', 'UNAUTHENTICATED']]);
    const something = await gateway.ask<Any>(null, '{ __typename me { id } }');
    expect([something.status, codesOf(something), something.data]).toEqual([200, ['UNAUTHENTICATED'], { __typename: 'Query', me: null }]);
    const forbidden = await gateway.ask<Any>('user', '{ users { nodes { id } } }');
    expect([forbidden.status, codesOf(forbidden)]).toEqual([200, ['FORBIDDEN']]);
  });

  it.each([
    ['an alias', '{ me: users(first: 1) { nodes { id } } }'],
    ['a fragment', '{ ...f } fragment f on Query { users(first: 1) { nodes { id } } }'],
    ['an inline fragment', '{ ... on Query { ... { users(first: 1) { nodes { id } } } } }'],
    ['a directive', '{ users(first: 1) @include(if: true) { nodes { id } } }'],
    ['an allowed field before it', '{ me { id } users(first: 1) { nodes { id } } }'],
    ['an operation that is not the one asked for', 'query a { me { id } } query b { users(first: 1) { nodes { id } } }'],
  ])('is not got round by %s', async (_name, document) => {
    const response = await fetch(gateway.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${await gateway.tokenOf('user')}` },
      body: JSON.stringify({ query: document, ...(document.includes('query b') ? { operationName: 'b' } : {}) }),
    });
    const body = (await response.json());
    expect(body.errors.map((error: Any) => error.extensions.code)).toEqual(['FORBIDDEN']);
    expect(JSON.stringify(body.data ?? null)).not.toContain('nodes');
  });

  it('is not remembered for the next caller, nor is an admission', async () => {
    const document = '{ users(first: 1) { nodes { id } } }';
    const codes: string[][] = [];
    for (const asker of ['admin', 'user', 'admin', null, 'admin', 'manager'] as const) codes.push(codesOf(await gateway.ask(asker, document)));
    expect(codes).toEqual([[], ['FORBIDDEN'], [], ['UNAUTHENTICATED'], [], ['FORBIDDEN']]);
    const many = await Promise.all(Array.from({ length: 30 }, (_, at) => gateway.ask(at % 2 === 0 ? 'admin' : 'user', document)));
    many.forEach((answer, at) => {
      expect(codesOf(answer)).toEqual(at % 2 === 0 ? [] : ['FORBIDDEN']);
    });
  });

  it('leaves the rest of a readable object: a salary that is not the viewer’s is null', async () => {
    const answer = await gateway.ask<Any>('user', '{ me { employee { name salary manager { name salary } } } }');
    const { employee } = answer.data.me;
    expect(employee).toMatchObject({ name: expect.any(String), salary: expect.any(Number), manager: { name: expect.any(String), salary: null } });
    expect(answer.errors.map(({ path, extensions }) => [path, extensions.code])).toEqual([[['me', 'employee', 'manager', 'salary'], 'FORBIDDEN']]);
    expect(answer.status).toBe(200);
  });

  it('keeps a user’s predictions from everyone but the user and an administrator', async () => {
    const [user] = await gateway.db.selectFrom('user_account').select('id').where('email', '=', 'user@example.com').execute();
    const id = encodeId('user', user?.id ?? '');
    const document = `{ user(id: "${id}") { email predictions(first: 1) { totalCount } } }`;
    expect((await gateway.ask<Any>('user', document)).data.user.predictions.totalCount).toBe(0);
    expect((await gateway.ask<Any>('admin', document)).data.user.predictions.totalCount).toBe(0);
    expect((await gateway.ask<Any>('manager', document)).data).toEqual({ user: null });
  });

  it('meets who asks by GET as well', async () => {
    const ask = async (token: string) => {
      const response = await fetch(`${gateway.url}?query=${encodeURIComponent('{ users(first: 1) { nodes { id } } }')}`, {
        headers: { authorization: `Bearer ${token}`, 'apollo-require-preflight': '1' },
      });
      const body = (await response.json());
      return (body.errors ?? []).map((error: Any) => error.extensions.code);
    };
    expect(await ask(await gateway.tokenOf('user'))).toEqual(['FORBIDDEN']);
    expect(await ask(await gateway.tokenOf('admin'))).toEqual([]);
    const mutation = await fetch(`${gateway.url}?query=${encodeURIComponent('mutation { logout }')}`, {
      headers: { authorization: `Bearer ${await gateway.tokenOf('admin')}`, 'apollo-require-preflight': '1' },
    });
    expect(mutation.status).toBe(405);
    await mutation.text();
  });
});

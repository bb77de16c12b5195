import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { buildSchema } from 'graphql';
import { newId } from '../../src/database/base.entity.js';
import { encodeId } from '../../src/graphql/relay/global-id.js';
import { openEvents } from '../support/streams.js';
import { codesOf, startGateway, type AnyData, type Caller, type TestGateway } from '../support/gateway.js';

type Name = 'anonymous' | 'user' | 'manager' | 'admin';
type Verdict = 'allowed' | 'UNAUTHENTICATED' | 'FORBIDDEN';

/** A root field: a document that selects it and changes nothing even if allowed, and the verdict for each caller. */
interface Row {
  document: string;
  verdicts: Record<Name, Verdict>;
}

const everyone = { anonymous: 'allowed', user: 'allowed', manager: 'allowed', admin: 'allowed' } as const;
const signedIn = { ...everyone, anonymous: 'UNAUTHENTICATED' } as const;
const managers = { ...signedIn, user: 'FORBIDDEN' } as const;
const admins = { ...managers, manager: 'FORBIDDEN' } as const;

const unknownId = (type: 'employee' | 'user' | 'apikey' | 'prediction' | 'session') => encodeId(type, newId());
const invalid = `{ name: "", email: "", age: 1, jobTitle: "", jobLevel: 9, hiredOn: "2026-01-05", salary: 1, departmentId: "none" }`;

const table: Record<string, Row> = {
  'Query.node': { document: `{ node(id: "${unknownId('user')}") { id } }`, verdicts: signedIn },
  'Query.nodes': {
    document: `{ nodes(ids: ["${unknownId('user')}", "${unknownId('prediction')}"]) { id } }`,
    verdicts: signedIn,
  },
  'Query.me': { document: '{ me { id } }', verdicts: signedIn },
  'Query.employee': { document: `{ employee(id: "${unknownId('employee')}") { id } }`, verdicts: signedIn },
  'Query.employees': { document: '{ employees(first: 1) { nodes { id } } }', verdicts: signedIn },
  'Query.departments': { document: '{ departments { id } }', verdicts: signedIn },
  'Query.user': { document: `{ user(id: "${unknownId('user')}") { id } }`, verdicts: signedIn },
  'Query.users': { document: '{ users(first: 1) { nodes { id } } }', verdicts: admins },
  'Query.auditLog': { document: '{ auditLog(first: 1) { nodes { id } } }', verdicts: admins },
  'Query.apiKeys': { document: '{ apiKeys { id } }', verdicts: signedIn },
  'Query.models': { document: '{ models { name } }', verdicts: signedIn },
  'Query.model': { document: '{ model(name: "iris") { name } }', verdicts: signedIn },
  'Query.predict': { document: '{ predict(model: "iris", inputs: []) { id } }', verdicts: signedIn },
  'Query.predictCarPrice': { document: '{ predictCarPrice(inputs: []) { predictionId } }', verdicts: signedIn },
  'Query.predictDigits': { document: '{ predictDigits(inputs: []) { predictionId } }', verdicts: signedIn },
  'Query.predictIris': { document: '{ predictIris(inputs: []) { predictionId } }', verdicts: signedIn },
  'Query.prediction': { document: `{ prediction(id: "${unknownId('prediction')}") { id } }`, verdicts: signedIn },
  'Query.predictions': { document: '{ predictions(first: 1) { nodes { id } } }', verdicts: signedIn },
  'Mutation.register': {
    document: 'mutation { register(input: { email: "", password: "" }) { accessToken } }',
    verdicts: everyone,
  },
  'Mutation.login': {
    document: 'mutation { login(input: { email: "", password: "" }) { accessToken } }',
    verdicts: everyone,
  },
  'Mutation.refreshSession': {
    document: 'mutation { refreshSession(refreshToken: "") { accessToken } }',
    verdicts: everyone,
  },
  'Mutation.signInWithCode': {
    document: 'mutation { signInWithCode(code: "", verifier: "") { accessToken } }',
    verdicts: everyone,
  },
  'Mutation.logout': { document: 'mutation { logout { signedOutUserId } }', verdicts: signedIn },
  'Mutation.changePassword': {
    document: 'mutation { changePassword(currentPassword: "", newPassword: "") { accessToken } }',
    verdicts: signedIn,
  },
  'Mutation.reauthenticate': {
    document: 'mutation { reauthenticate(password: "") { validUntil } }',
    verdicts: signedIn,
  },
  'Mutation.endSession': {
    document: `mutation { endSession(id: "${unknownId('session')}") { endedSessionId } }`,
    verdicts: signedIn,
  },
  'Mutation.inviteUser': { document: 'mutation { inviteUser(email: "") { link } }', verdicts: admins },
  'Mutation.startPasswordReset': {
    document: `mutation { startPasswordReset(userId: "${unknownId('user')}") { link } }`,
    verdicts: admins,
  },
  'Mutation.requestPasswordReset': {
    document: 'mutation { requestPasswordReset(email: "") { linkTtlSeconds } }',
    verdicts: everyone,
  },
  'Mutation.requestRegistration': {
    document: 'mutation { requestRegistration(email: "") { linkTtlSeconds } }',
    verdicts: everyone,
  },
  'Mutation.setPassword': {
    document: 'mutation { setPassword(token: "", newPassword: "") { email } }',
    verdicts: everyone,
  },
  'Mutation.setUserRole': {
    document: `mutation { setUserRole(userId: "${unknownId('user')}", role: ADMIN) { id } }`,
    verdicts: admins,
  },
  'Mutation.setUserActive': {
    document: `mutation { setUserActive(userId: "${unknownId('user')}", isActive: true) { id } }`,
    verdicts: admins,
  },
  'Mutation.setUserEmployee': {
    document: `mutation { setUserEmployee(userId: "${unknownId('user')}") { id } }`,
    verdicts: admins,
  },
  'Mutation.setUserIdentity': {
    document: `mutation { setUserIdentity(userId: "${unknownId('user')}", subject: null) { id } }`,
    verdicts: admins,
  },
  'Mutation.createApiKey': { document: 'mutation { createApiKey(name: "") { secret } }', verdicts: signedIn },
  'Mutation.revokeApiKey': {
    document: `mutation { revokeApiKey(id: "${unknownId('apikey')}") { revokedApiKeyId } }`,
    verdicts: signedIn,
  },
  'Mutation.promoteModel': {
    document: 'mutation { promoteModel(name: "no-such-model", version: 1) { name } }',
    verdicts: admins,
  },
  'Mutation.clearDeployment': {
    document: 'mutation { clearDeployment(model: "no-such-model") { clearedVersion } }',
    verdicts: admins,
  },
  'Mutation.rollbackModel': {
    document: 'mutation { rollbackModel(name: "no-such-model") { name } }',
    verdicts: admins,
  },
  'Query.documentReleases': { document: '{ documentReleases(first: 1) { nodes { id } } }', verdicts: admins },
  'Query.documentUsage': { document: '{ documentUsage(first: 1) { nodes { id } } }', verdicts: admins },
  'Mutation.publishDocuments': {
    document: 'mutation { publishDocuments(client: "", version: "", manifest: {}) { version } }',
    verdicts: admins,
  },
  'Mutation.retireDocuments': {
    document: 'mutation { retireDocuments(client: "no-such-client", version: "1") { retiredReleaseId } }',
    verdicts: admins,
  },
  'Mutation.createEmployee': { document: `mutation { createEmployee(input: ${invalid}) { id } }`, verdicts: admins },
  'Mutation.updateEmployee': {
    document: `mutation { updateEmployee(id: "${unknownId('employee')}", input: {}) { id } }`,
    verdicts: managers,
  },
  'Subscription.employeeChanged': { document: 'subscription { employeeChanged { employeeId } }', verdicts: signedIn },
  'Subscription.predictionRecorded': { document: 'subscription { predictionRecorded { id } }', verdicts: signedIn },
  'Subscription.modelChanged': { document: 'subscription { modelChanged { name } }', verdicts: signedIn },
  'Mutation.deleteEmployee': {
    document: `mutation { deleteEmployee(id: "${unknownId('employee')}") { deletedEmployeeId } }`,
    verdicts: admins,
  },
};

let gateway: TestGateway;
const sessions: Partial<Record<Name, { authorization: string }>> = {};
beforeAll(async () => {
  gateway = await startGateway();
  for (const name of ['user', 'manager', 'admin'] as const)
    sessions[name] = { authorization: `Bearer ${(await gateway.signIn(name)).token}` };
});
afterAll(() => gateway.close());

const callers: Record<Name, Caller> = { anonymous: null, user: 'user', manager: 'manager', admin: 'admin' };

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

describe('the permission table', () => {
  it('has a row for every root field of the schema and no other', () => {
    const schema = buildSchema(readFileSync(new URL('../../schema/schema.graphql', import.meta.url), 'utf8'));
    const roots = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()];
    const fields = roots.flatMap((root) =>
      root ? Object.keys(root.getFields()).map((field) => `${root.name}.${field}`) : [],
    );
    expect(Object.keys(table).sort()).toEqual(fields.sort());
  });

  it('selects in each row the field of the row', () => {
    for (const [name, { document }] of Object.entries(table))
      expect(document).toMatch(
        new RegExp(
          `^${name.startsWith('Query') ? '' : `${name.split('.')[0]?.toLowerCase() ?? ''} `}{ ${name.split('.')[1] ?? ''}\\b`,
        ),
      );
  });

  const cases = Object.entries(table).flatMap(([field, { document, verdicts }]) =>
    Object.entries(verdicts).map(([name, verdict]) => [field, name as Name, verdict, document] as const),
  );
  it.each(cases)('%s for %s is %s', async (_field, name, verdict, document) => {
    const before = await everything();
    if (document.startsWith('subscription')) {
      const { status, rejection, received } = await openEvents(gateway.url, {
        headers: { ...sessions[name] },
        body: { query: document },
      });
      received.stop();
      expect([status, rejection?.errors[0].extensions.code ?? 'allowed']).toEqual([
        verdict === 'UNAUTHENTICATED' ? 401 : 200,
        verdict,
      ]);
      expect(received.results).toEqual([]);
      return;
    }
    const response = await gateway.execute<AnyData>(callers[name], document);
    if (verdict === 'allowed') {
      // Authorized: data, or an error about the deliberately invalid input or credentials.
      const rejections = response.errors.filter(
        (error) => error.extensions.code === 'FORBIDDEN' || /sign in first|needs the role|may not/i.test(error.message),
      );
      expect(rejections).toEqual([]);
    } else {
      expect(codesOf(response)).toEqual([verdict]);
      expect(Object.values(response.data ?? {}).filter((value) => value !== null)).toEqual([]);
      expect(response.status).toBe(verdict === 'UNAUTHENTICATED' && response.data == null ? 401 : 200);
    }
    const after = await everything();
    // It ends the session of the caller, and of no other.
    if (document.includes('logout') && verdict === 'allowed') {
      const left = new Set(after.sessions.map(({ id }) => id));
      expect(before.sessions.filter(({ id }) => !left.has(id))).toHaveLength(1);
      before.sessions = after.sessions;
    }
    expect(after).toEqual(before);
  });
});

describe('a rejection', () => {
  it('changes nothing', async () => {
    const [user] = await gateway.db
      .selectFrom('user_account')
      .select('id')
      .where('email', '=', 'user@example.com')
      .execute();
    const [employee] = await gateway.db
      .selectFrom('employee')
      .select('id')
      .where('id', 'not in', gateway.db.selectFrom('employee').select('manager_id').where('manager_id', 'is not', null))
      .execute();
    const [department] = await gateway.db.selectFrom('department').select('id').execute();
    const [userId, employeeId, departmentId] = [
      encodeId('user', user?.id ?? ''),
      encodeId('employee', employee?.id ?? ''),
      encodeId('department', department?.id ?? ''),
    ];
    const before = await everything();
    const documents = [
      `mutation { setUserRole(userId: "${userId}", role: ADMIN) { id } }`,
      `mutation { setUserActive(userId: "${userId}", isActive: false) { id } }`,
      `mutation { setUserEmployee(userId: "${userId}", employeeId: null) { id } }`,
      `mutation { createApiKey(name: "a key") { secret } }`,
      'mutation { promoteModel(name: "iris", version: 1) { name } }',
      'mutation { clearDeployment(model: "iris") { clearedVersion } }',
      `mutation { updateEmployee(id: "${employeeId}", input: { salary: 1 }) { id } }`,
      `mutation { deleteEmployee(id: "${employeeId}") { deletedEmployeeId } }`,
      `mutation { createEmployee(input: { name: "A", email: "a@example.org", age: 30, jobTitle: "B", jobLevel: 1, hiredOn: "2026-01-05", salary: 1, departmentId: "${departmentId}" }) { id } }`,
      'mutation { changePassword(currentPassword: "auspex-demo-2026", newPassword: "staple of the barn") { accessToken } }',
    ];
    for (const document of documents) {
      const response = await gateway.execute<AnyData>(null, document);
      expect({ document, codes: codesOf(response) }).toEqual({ document, codes: ['UNAUTHENTICATED'] });
      const asUser =
        document.includes('createApiKey') || document.includes('changePassword')
          ? null
          : await gateway.execute<AnyData>('user', document);
      if (asUser) expect({ document, codes: codesOf(asUser) }).toEqual({ document, codes: ['FORBIDDEN'] });
    }
    expect(await everything()).toEqual(before);
  });

  it('has status 401 without data and 200 with data, even if each field is null', async () => {
    const nothing = await gateway.execute<AnyData>(null, '{ me { id } users { totalCount } }');
    expect([nothing.status, nothing.data]).toEqual([401, null]);
    expect(codesOf(nothing)).toContain('UNAUTHENTICATED');
    const nulls = await gateway.execute<AnyData>(
      null,
      '{ me { id } user(id: "user_01h455vb4pex5vsknk084sn02q") { id } }',
    );
    expect([nulls.status, codesOf(nulls)]).toEqual([200, ['UNAUTHENTICATED', 'UNAUTHENTICATED']]);
    expect(nulls.data).toEqual({ me: null, user: null });
    const something = await gateway.execute<AnyData>(null, '{ __typename me { id } }');
    expect([something.status, codesOf(something), something.data]).toEqual([
      200,
      ['UNAUTHENTICATED'],
      { __typename: 'Query', me: null },
    ]);
    const forbidden = await gateway.execute<AnyData>('user', '{ users { nodes { id } } }');
    expect([forbidden.status, codesOf(forbidden)]).toEqual([200, ['FORBIDDEN']]);
  });

  it.each([
    ['an alias', '{ me: users(first: 1) { nodes { id } } }'],
    ['a fragment', '{ ...f } fragment f on Query { users(first: 1) { nodes { id } } }'],
    ['an inline fragment', '{ ... on Query { ... { users(first: 1) { nodes { id } } } } }'],
    ['a directive', '{ users(first: 1) @include(if: true) { nodes { id } } }'],
    ['an allowed field before it', '{ me { id } users(first: 1) { nodes { id } } }'],
    ['another operation in the same document', 'query a { me { id } } query b { users(first: 1) { nodes { id } } }'],
  ])('cannot be bypassed with %s', async (_name, document) => {
    const response = await fetch(gateway.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${await gateway.tokenOf('user')}` },
      body: JSON.stringify({ query: document, ...(document.includes('query b') ? { operationName: 'b' } : {}) }),
    });
    const body = await response.json();
    expect(body.errors.map((error: AnyData) => error.extensions.code)).toEqual(['FORBIDDEN']);
    expect(JSON.stringify(body.data ?? null)).not.toContain('nodes');
  });

  it('is decided for each caller, like an acceptance', async () => {
    const document = '{ users(first: 1) { nodes { id } } }';
    const codes: string[][] = [];
    for (const caller of ['admin', 'user', 'admin', null, 'admin', 'manager'] as const)
      codes.push(codesOf(await gateway.execute(caller, document)));
    expect(codes).toEqual([[], ['FORBIDDEN'], [], ['UNAUTHENTICATED'], [], ['FORBIDDEN']]);
    const many = await Promise.all(
      Array.from({ length: 30 }, (_, at) => gateway.execute(at % 2 === 0 ? 'admin' : 'user', document)),
    );
    many.forEach((response, at) => {
      expect(codesOf(response)).toEqual(at % 2 === 0 ? [] : ['FORBIDDEN']);
    });
  });

  it('of a field keeps the rest of the object: the salary is null', async () => {
    const response = await gateway.execute<AnyData>(
      'user',
      '{ me { employee { name salary manager { name salary } } } }',
    );
    const { employee } = response.data.me;
    expect(employee).toMatchObject({
      name: expect.any(String),
      salary: expect.any(Number),
      manager: { name: expect.any(String), salary: null },
    });
    expect(response.errors.map(({ path, extensions }) => [path, extensions.code])).toEqual([
      [['me', 'employee', 'manager', 'salary'], 'FORBIDDEN'],
    ]);
    expect(response.status).toBe(200);
  });

  it('protects the predictions of a user from everyone but the user and administrators', async () => {
    const [user] = await gateway.db
      .selectFrom('user_account')
      .select('id')
      .where('email', '=', 'user@example.com')
      .execute();
    const id = encodeId('user', user?.id ?? '');
    const document = `{ user(id: "${id}") { email predictions(first: 1) { totalCount } } }`;
    expect((await gateway.execute<AnyData>('user', document)).data.user.predictions.totalCount).toBe(0);
    expect((await gateway.execute<AnyData>('admin', document)).data.user.predictions.totalCount).toBe(0);
    expect((await gateway.execute<AnyData>('manager', document)).data).toEqual({ user: null });
  });

  it('applies to GET', async () => {
    const execute = async (token: string) => {
      const response = await fetch(
        `${gateway.url}?query=${encodeURIComponent('{ users(first: 1) { nodes { id } } }')}`,
        {
          headers: { authorization: `Bearer ${token}`, 'apollo-require-preflight': '1' },
        },
      );
      const body = await response.json();
      return (body.errors ?? []).map((error: AnyData) => error.extensions.code);
    };
    expect(await execute(await gateway.tokenOf('user'))).toEqual(['FORBIDDEN']);
    expect(await execute(await gateway.tokenOf('admin'))).toEqual([]);
    const mutation = await fetch(
      `${gateway.url}?query=${encodeURIComponent('mutation { logout { signedOutUserId } }')}`,
      {
        headers: { authorization: `Bearer ${await gateway.tokenOf('admin')}`, 'apollo-require-preflight': '1' },
      },
    );
    expect(mutation.status).toBe(405);
    await mutation.text();
  });
});

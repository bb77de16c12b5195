import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { encodeId } from '../../src/graphql/relay/global-id.js';
import { codesOf, startGateway, type AnyData, type TestGateway } from '../support/gateway.js';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.close());

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

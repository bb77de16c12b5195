import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { createApiKeySecret } from '../../src/auth/api-key.js';
import { Role } from '../../src/auth/viewer.js';
import { newId } from '../../src/database/base.entity.js';
import { encodeId } from '../../src/graphql/relay/global-id.js';
import { useCheapHashes } from '../support/cheap-hashes.js';
import {
  codesOf,
  isEmpty,
  fieldsOf,
  startGateway,
  type GraphQLResponse,
  type AnyData,
  type Caller,
  type TestGateway,
  type Variables,
} from '../support/gateway.js';
import { addPerson, type Person } from '../support/people.js';
import { addSession } from '../support/session.js';
import { waitUntil } from '../support/wait-until.js';

const secret = 'vT5rQ0xYw8LkZp3BnM6sHd1FgJc9aEuI2o';
const SET_ROLE = 'mutation ($userId: ID!, $role: Role!) { setUserRole(userId: $userId, role: $role) { id role } }';
const SET_ACTIVE =
  'mutation ($userId: ID!, $isActive: Boolean!) { setUserActive(userId: $userId, isActive: $isActive) { id isActive } }';
const SET_EMPLOYEE =
  'mutation ($userId: ID!, $employeeId: ID) { setUserEmployee(userId: $userId, employeeId: $employeeId) { id employee { id } } }';

let gateway: TestGateway;
useCheapHashes();
beforeAll(async () => {
  gateway = await startGateway({ JWT_SECRET: secret });
});
afterAll(() => gateway.close());

async function addApiKey(userId: string, of = gateway): Promise<string> {
  const { secret: key, prefix, hash } = createApiKeySecret();
  const times = { created_at: new Date(), updated_at: new Date() };
  await of.db
    .insertInto('api_key')
    .values({
      id: newId(),
      user_id: userId,
      name: 'a key',
      prefix,
      secret_hash: hash,
      scopes: ['employees:read', 'employees:write', 'predict'],
      last_used_at: null,
      expires_at: null,
      ...times,
    })
    .execute();
  return key;
}

const accounts = (of = gateway) => of.db.selectFrom('user_account').selectAll().orderBy('id').execute();
const rowOf = ({ uuid }: Person) =>
  gateway.db.selectFrom('user_account').selectAll().where('id', '=', uuid).executeTakeFirstOrThrow();
const adminOf = async (of = gateway): Promise<Person> => {
  const { id: uuid, email } = await of.db
    .selectFrom('user_account')
    .selectAll()
    .where('email', '=', 'admin@example.com')
    .executeTakeFirstOrThrow();
  return { uuid, id: encodeId('user', uuid), email, token: await of.tokenOf('admin') };
};
async function freeEmployee(): Promise<{ uuid: string; id: string }> {
  const { id } = await gateway.db
    .selectFrom('employee')
    .select('id')
    .where(
      'id',
      'not in',
      gateway.db.selectFrom('user_account').select('employee_id').where('employee_id', 'is not', null),
    )
    .where('id', 'not in', gateway.db.selectFrom('employee').select('manager_id').where('manager_id', 'is not', null))
    .executeTakeFirstOrThrow();
  return { uuid: id, id: encodeId('employee', id) };
}

/** Executes a document, expects a rejection and unchanged accounts. */
async function expectRejected(
  caller: Caller,
  document: string,
  variables: Variables,
  code: string,
): Promise<GraphQLResponse<AnyData>> {
  const before = await accounts();
  const response = await gateway.execute<AnyData>(caller, document, variables);
  expect(codesOf(response)).toEqual([code]);
  expect(isEmpty(response)).toBe(true);
  expect(await accounts()).toEqual(before);
  return response;
}

describe('me', () => {
  it('returns the signed-in user with the employee', async () => {
    const { data } = await gateway.execute<AnyData>(
      'user',
      '{ me { id email role isActive createdAt employee { name salary } } }',
    );
    expect(data.me).toMatchObject({
      email: 'user@example.com',
      role: 'USER',
      isActive: true,
      employee: { name: expect.any(String), salary: expect.any(Number) },
    });
    expect(data.me.id).toMatch(/^user_[0-9a-z]{26}$/);
    expect((await gateway.execute<AnyData>('admin', '{ me { email employee { id } } }')).data.me).toEqual({
      email: 'admin@example.com',
      employee: null,
    });
  });

  it('rejects an anonymous caller', async () => {
    const response = await gateway.execute<AnyData>(null, '{ me { id } }');
    expect([response.status, codesOf(response), response.data]).toEqual([200, ['UNAUTHENTICATED'], { me: null }]);
  });
});

describe('user', () => {
  const USER = 'query ($id: ID!) { user(id: $id) { email } }';

  it('returns users their own account, and null for any other', async () => {
    const [one, other] = [await addPerson(gateway), await addPerson(gateway)];
    expect((await gateway.execute<AnyData>({ token: one.token }, USER, { id: one.id })).data).toEqual({
      user: { email: one.email },
    });
    for (const id of [other.id, encodeId('user', newId())]) {
      const response = await gateway.execute<AnyData>({ token: one.token }, USER, { id });
      expect([response.data, response.errors]).toEqual([{ user: null }, []]);
    }
    expect((await gateway.execute<AnyData>('manager', USER, { id: other.id })).data).toEqual({ user: null });
  });

  it('returns administrators any account', async () => {
    const person = await addPerson(gateway);
    expect((await gateway.execute<AnyData>('admin', USER, { id: person.id })).data).toEqual({
      user: { email: person.email },
    });
    expect((await gateway.execute<AnyData>('admin', USER, { id: encodeId('user', newId()) })).data).toEqual({
      user: null,
    });
  });

  it('returns an API key the account of its owner only, for any role', async () => {
    const [person, admin] = [await addPerson(gateway), await adminOf()];
    const apiKey = await addApiKey(admin.uuid);
    expect((await gateway.execute<AnyData>({ apiKey }, USER, { id: admin.id })).data).toEqual({
      user: { email: admin.email },
    });
    expect((await gateway.execute<AnyData>({ apiKey }, USER, { id: person.id })).data).toEqual({ user: null });
  });

  it.each([
    '',
    'user_',
    '42',
    'user_01h455vb4pex5vsknk084sn02',
    'USER_01h455vb4pex5vsknk084sn02q',
    'employee_01h455vb4pex5vsknk084sn02q',
    "user_01h455vb4pex5vsknk084sn02q' or '1'='1",
  ])('rejects %j as an id with the expected format', async (id) => {
    const response = await gateway.execute<AnyData>('admin', USER, { id });
    expect([codesOf(response), fieldsOf(response)]).toEqual([['BAD_USER_INPUT'], ['id']]);
    expect(response.errors[0]?.message).toContain('user_ and 26 characters');
  });
});

describe('users', () => {
  it('pages through all accounts once, oldest first', async () => {
    for (let count = 0; count < 5; count++) await addPerson(gateway);
    const seen: string[] = [];
    let after: string | null = null;
    for (let page = 0; page < 50; page++) {
      const { data }: GraphQLResponse<AnyData> = await gateway.execute<AnyData>(
        'admin',
        'query ($after: String) { users(first: 3, after: $after) { nodes { email } totalCount pageInfo { hasNextPage endCursor } } }',
        { after },
      );
      seen.push(...data.users.nodes.map((node: { email: string }) => node.email));
      expect(data.users.totalCount).toBe((await accounts()).length);
      if (!data.users.pageInfo.hasNextPage) break;
      after = data.users.pageInfo.endCursor;
    }
    const all = await gateway.db
      .selectFrom('user_account')
      .select('email')
      .orderBy('created_at')
      .orderBy('id')
      .execute();
    expect(seen).toEqual(all.map(({ email }) => email));
  });

  it('are filtered by columns, and sorted by several', async () => {
    const document = `query ($filter: UserFilter, $orderBy: [UserOrder!]) {
      users(first: 100, filter: $filter, orderBy: $orderBy) { nodes { email } totalCount pageInfo { endCursor } }
    }`;
    const all = await gateway.db.selectFrom('user_account').select(['email', 'role', 'is_active']).execute();
    const filter = {
      or: [{ role: { in: ['ADMIN', 'MANAGER'] } }, { email: { startsWith: 'USER@' } }],
      isActive: { eq: true },
    };
    const orderBy = [{ field: 'IS_ACTIVE' }, { field: 'EMAIL', direction: 'DESC' }];
    const { data, errors } = await gateway.execute<AnyData>('admin', document, { filter, orderBy });
    expect(errors).toEqual([]);
    const expected = all
      .filter(
        ({ email, role, is_active: isActive }) =>
          isActive && (['ADMIN', 'MANAGER'].includes(role) || email.startsWith('user@')),
      )
      .map(({ email }) => email);
    expect(expected.length).toBeGreaterThan(2);
    expect((data.users.nodes as { email: string }[]).map(({ email }) => email)).toEqual(expected.toSorted().reverse());
    expect(data.users.totalCount).toBe(expected.length);
    const { data: page } = await gateway.execute<AnyData>(
      'admin',
      'query ($after: String) { users(first: 1, after: $after, orderBy: [{ field: IS_ACTIVE }, { field: EMAIL, direction: DESC }], filter: { isActive: { eq: true } }) { totalCount } }',
      { after: data.users.pageInfo.endCursor as string },
    );
    expect(page.users.totalCount).toBe(all.filter(({ is_active: isActive }) => isActive).length);
  });

  it.each(['manager', 'user'] as const)('rejects the %s', async (caller) => {
    await expectRejected(caller, '{ users { nodes { email } } }', {}, 'FORBIDDEN');
    await expectRejected(caller, '{ users(filter: { role: { eq: ADMIN } }) { totalCount } }', {}, 'FORBIDDEN');
    await expectRejected(caller, '{ users(orderBy: { field: EMAIL }) { totalCount } }', {}, 'FORBIDDEN');
  });

  it('rejects an anonymous caller, and an administrator’s API key', async () => {
    await expectRejected(null, '{ users { nodes { email } } }', {}, 'UNAUTHENTICATED');
    await expectRejected(
      { apiKey: await addApiKey((await adminOf()).uuid) },
      '{ users { nodes { email } } }',
      {},
      'FORBIDDEN',
    );
  });
});

describe.each([
  ['setUserRole', SET_ROLE, { role: 'ADMIN' }],
  ['setUserActive', SET_ACTIVE, { isActive: false }],
  ['setUserEmployee', SET_EMPLOYEE, { employeeId: null }],
])('%s', (_name, document, rest) => {
  it('rejects everyone but an administrator who signed in, and changes nothing', async () => {
    const [person, manager] = [await addPerson(gateway), await addPerson(gateway, Role.MANAGER)];
    const variables = { userId: person.id, ...rest };
    await expectRejected({ token: manager.token }, document, variables, 'FORBIDDEN');
    await expectRejected({ token: person.token }, document, variables, 'FORBIDDEN');
    await expectRejected({ apiKey: await addApiKey((await adminOf()).uuid) }, document, variables, 'FORBIDDEN');
    await expectRejected(null, document, variables, 'UNAUTHENTICATED');
  });

  it.each([
    ['demoted', { role: Role.USER }],
    ['switched off', { is_active: false }],
  ])('rejects a former administrator after %s although the token is valid', async (_how, change) => {
    const [former, person] = [await addPerson(gateway, Role.ADMIN), await addPerson(gateway)];
    await gateway.db.updateTable('user_account').set(change).where('id', '=', former.uuid).execute();
    await waitUntil(
      async () => codesOf(await gateway.execute({ token: former.token }, '{ me { id } }'))[0] === 'UNAUTHENTICATED',
    );
    await expectRejected({ token: former.token }, document, { userId: former.id, ...rest }, 'UNAUTHENTICATED');
    await expectRejected({ token: former.token }, document, { userId: person.id, ...rest }, 'UNAUTHENTICATED');
  });

  it('rejects an unknown user with NOT_FOUND and a malformed id with BAD_USER_INPUT', async () => {
    const response = await expectRejected(
      'admin',
      document,
      { userId: encodeId('user', newId()), ...rest },
      'NOT_FOUND',
    );
    expect(response.status).toBe(200);
    for (const userId of ['', 'nobody', newId(), encodeId('employee', newId()), encodeId('apikey', newId())]) {
      expect(fieldsOf(await expectRejected('admin', document, { userId, ...rest }, 'BAD_USER_INPUT'))).toEqual([
        'userId',
      ]);
    }
  });
});

describe('setUserRole', () => {
  it.each([Role.ADMIN, Role.MANAGER, Role.USER])('sets the role %s', async (role) => {
    const person = await addPerson(gateway, role === Role.USER ? Role.MANAGER : Role.USER);
    const { data, errors } = await gateway.execute<AnyData>('admin', SET_ROLE, { userId: person.id, role });
    expect([data, errors]).toEqual([{ setUserRole: { id: person.id, role } }, []]);
    expect((await rowOf(person)).role).toBe(role);
  });

  it('rejects an unknown role and changes nothing', async () => {
    await expectRejected('admin', SET_ROLE, { userId: (await addPerson(gateway)).id, role: 'ROOT' }, 'BAD_USER_INPUT');
  });

  it('applies to later mutations of the same operation after administrators demote themselves', async () => {
    const [admin, person] = [await addPerson(gateway, Role.ADMIN), await addPerson(gateway)];
    const document = `mutation ($me: ID!, $other: ID!) { setUserRole(userId: $me, role: USER) { role } again: setUserRole(userId: $other, role: ADMIN) { role } }`;
    const response = await gateway.execute<AnyData>({ token: admin.token }, document, {
      me: admin.id,
      other: person.id,
    });
    expect(codesOf(response)).toEqual(['FORBIDDEN']);
    expect((await rowOf(person)).role).toBe(Role.USER);
  });
});

describe('setUserActive', () => {
  it('ends every session and API key of a deactivated user immediately, and restores none on activation', async () => {
    const [person, other] = [await addPerson(gateway), await addPerson(gateway)];
    for (const { uuid } of [person, person, other]) await addSession(gateway.db, uuid);
    const [apiKey, othersKey] = [await addApiKey(person.uuid), await addApiKey(other.uuid)];
    const me = (caller: Caller) => gateway.execute<AnyData>(caller, '{ me { id } }');
    expect((await me({ apiKey })).errors).toEqual([]);

    const off = await gateway.execute<AnyData>('admin', SET_ACTIVE, { userId: person.id, isActive: false });
    expect([off.data, off.errors]).toEqual([{ setUserActive: { id: person.id, isActive: false } }, []]);
    expect(codesOf(await me({ apiKey }))).toEqual(['UNAUTHENTICATED']);
    expect((await me({ apiKey: othersKey })).errors).toEqual([]);
    const sessions = await gateway.db
      .selectFrom('session')
      .select('user_id')
      .where('user_id', 'in', [person.uuid, other.uuid])
      .execute();
    expect(new Set(sessions.map(({ user_id }) => user_id))).toEqual(new Set([other.uuid]));

    const on = await gateway.execute<AnyData>('admin', SET_ACTIVE, { userId: person.id, isActive: true });
    expect(on.data).toEqual({ setUserActive: { id: person.id, isActive: true } });
    expect(codesOf(await me({ apiKey }))).toEqual(['UNAUTHENTICATED']);
  });

  it('prevents a deactivated user from creating an API key with a valid access token', async () => {
    const person = await addPerson(gateway);
    await gateway.execute('admin', SET_ACTIVE, { userId: person.id, isActive: false });
    await expectRejected(
      { token: person.token },
      'mutation { createApiKey(name: "for later") { secret } }',
      {},
      'UNAUTHENTICATED',
    );
    expect(await gateway.db.selectFrom('api_key').select('id').where('user_id', '=', person.uuid).execute()).toEqual(
      [],
    );
  });
});

describe('the last active administrator', () => {
  let alone: TestGateway;
  beforeAll(async () => {
    alone = await startGateway({ JWT_SECRET: secret });
  });
  afterAll(() => alone.close());

  it('can be neither demoted nor deactivated', async () => {
    const admin = await adminOf(alone);
    const inactive = await addPerson(alone, Role.ADMIN);
    await alone.db.updateTable('user_account').set({ is_active: false }).where('id', '=', inactive.uuid).execute();
    const before = await accounts(alone);
    for (const [document, variables] of [
      [SET_ROLE, { role: 'USER' }],
      [SET_ACTIVE, { isActive: false }],
    ] as const) {
      const response = await alone.execute<AnyData>({ token: admin.token }, document, {
        userId: admin.id,
        ...variables,
      });
      expect(codesOf(response)).toEqual(['CONFLICT']);
      expect(response.errors[0]?.message).toContain('last active administrator');
    }
    expect(await accounts(alone)).toEqual(before);
    expect((await alone.execute({ token: admin.token }, SET_ROLE, { userId: admin.id, role: 'ADMIN' })).errors).toEqual(
      [],
    );
  });

  it('remains if all administrators demote each other concurrently', async () => {
    const admin = await adminOf(alone);
    for (let round = 0; round < 4; round++) {
      const others = [await addPerson(alone, Role.ADMIN), await addPerson(alone, Role.ADMIN)];
      const [one, two] = others;
      const pairs = [
        [admin, one],
        [one, two],
        [two, admin],
      ] as const;
      const responses = await Promise.all(
        pairs.map(([by, whom], at) => {
          const [document, variables] = at % 2 === 0 ? [SET_ROLE, { role: 'USER' }] : [SET_ACTIVE, { isActive: false }];
          return alone.execute<AnyData>({ token: by?.token ?? '' }, document, { userId: whom?.id, ...variables });
        }),
      );
      const left = (await accounts(alone)).filter((user) => user.role === Role.ADMIN && user.is_active);
      expect(left.length).toBeGreaterThanOrEqual(1);
      for (const [at, response] of responses.entries()) {
        // The last caller may have been deactivated by the second before its call arrived.
        const expected = ['CONFLICT', 'FORBIDDEN', ...(at === 2 ? ['UNAUTHENTICATED'] : [])];
        for (const code of codesOf(response)) expect(expected).toContain(code);
      }
      await alone.db
        .updateTable('user_account')
        .set({ role: Role.USER })
        .where(
          'id',
          'in',
          others.map(({ uuid }) => uuid),
        )
        .execute();
      await alone.db
        .updateTable('user_account')
        .set({ role: Role.ADMIN, is_active: true })
        .where('id', '=', admin.uuid)
        .execute();
    }
  });
});

describe('setUserEmployee', () => {
  it('links a user to an employee, and unlinks with null', async () => {
    const [person, employee] = [await addPerson(gateway), await freeEmployee()];
    const linked = await gateway.execute<AnyData>('admin', SET_EMPLOYEE, {
      userId: person.id,
      employeeId: employee.id,
    });
    expect(linked.data).toEqual({ setUserEmployee: { id: person.id, employee: { id: employee.id } } });
    expect((await rowOf(person)).employee_id).toBe(employee.uuid);
    const again = await gateway.execute<AnyData>('admin', SET_EMPLOYEE, { userId: person.id, employeeId: employee.id });
    expect(again.errors).toEqual([]);
    const unlinked = await gateway.execute<AnyData>('admin', SET_EMPLOYEE, { userId: person.id, employeeId: null });
    expect(unlinked.data).toEqual({ setUserEmployee: { id: person.id, employee: null } });
    expect((await rowOf(person)).employee_id).toBeNull();
  });

  it('rejects an absent employee, which is not null, and keeps the link', async () => {
    const [person, employee] = [await addPerson(gateway), await freeEmployee()];
    await gateway.execute('admin', SET_EMPLOYEE, { userId: person.id, employeeId: employee.id });
    const response = await expectRejected('admin', SET_EMPLOYEE, { userId: person.id }, 'BAD_USER_INPUT');
    expect(fieldsOf(response)).toEqual(['employeeId']);
    expect((await rowOf(person)).employee_id).toBe(employee.uuid);
  });

  it('rejects an employee of another user, also for concurrent requests', async () => {
    const [one, other, employee] = [await addPerson(gateway), await addPerson(gateway), await freeEmployee()];
    const responses = await Promise.all(
      [one, other].map(({ id }) =>
        gateway.execute<AnyData>('admin', SET_EMPLOYEE, { userId: id, employeeId: employee.id }),
      ),
    );
    expect(responses.flatMap(codesOf)).toEqual(['BAD_USER_INPUT']);
    expect(responses.flatMap(fieldsOf)).toEqual(['employeeId']);
    const loser = responses[0]?.errors.length === 0 ? other : one;
    const rejected = await expectRejected(
      'admin',
      SET_EMPLOYEE,
      { userId: loser.id, employeeId: employee.id },
      'BAD_USER_INPUT',
    );
    expect(rejected.errors[0]?.message).toContain('already belongs to another user');
  });

  it('rejects an unknown employee and an id of another type', async () => {
    const person = await addPerson(gateway);
    for (const employeeId of [encodeId('employee', newId()), encodeId('user', newId()), 'nobody', '']) {
      expect(
        fieldsOf(await expectRejected('admin', SET_EMPLOYEE, { userId: person.id, employeeId }, 'BAD_USER_INPUT')),
      ).toEqual(['employeeId']);
    }
  });

  it('rejects an employee who is deleted concurrently', async () => {
    const [person, employee] = [await addPerson(gateway), await freeEmployee()];
    const before = await rowOf(person);
    const response = await gateway.db.transaction().execute(async (dismissal) => {
      await dismissal.deleteFrom('employee').where('id', '=', employee.uuid).execute();
      const requested = gateway.execute<AnyData>('admin', SET_EMPLOYEE, { userId: person.id, employeeId: employee.id });
      const isWaiting = async () =>
        (
          await sql<{
            count: number;
          }>`select count(*)::integer as count from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`.execute(
            gateway.db,
          )
        ).rows[0]?.count === 1;
      for (let look = 0; look < 200 && !(await isWaiting()); look++) await sleep(20);
      return { pending: requested };
    });
    const rejected = await response.pending;
    expect([codesOf(rejected), fieldsOf(rejected)]).toEqual([['BAD_USER_INPUT'], ['employeeId']]);
    expect(await rowOf(person)).toEqual(before);
  });
});

describe('several mutations in one operation', () => {
  it('each see the result of the previous one', async () => {
    const [person, employee] = [await addPerson(gateway), await freeEmployee()];
    const document = `mutation ($id: ID!, $employee: ID!) {
      setUserRole(userId: $id, role: MANAGER) { role isActive employee { id } }
      setUserEmployee(userId: $id, employeeId: $employee) { role isActive employee { id } }
      setUserActive(userId: $id, isActive: false) { role isActive employee { id } }
    }`;
    const { data, errors } = await gateway.execute<AnyData>('admin', document, {
      id: person.id,
      employee: employee.id,
    });
    expect(errors).toEqual([]);
    expect(data.setUserEmployee).toEqual({ role: 'MANAGER', isActive: true, employee: { id: employee.id } });
    expect(data.setUserActive).toEqual({ role: 'MANAGER', isActive: false, employee: { id: employee.id } });
  });

  it('report what was done if one fails: it is null, and the others are executed', async () => {
    const [one, other] = [await addPerson(gateway), await addPerson(gateway)];
    const document = `mutation ($one: ID!, $other: ID!, $nobody: ID!) {
      first: setUserRole(userId: $one, role: MANAGER) { role }
      failing: setUserEmployee(userId: $one, employeeId: $nobody) { id }
      last: setUserRole(userId: $other, role: MANAGER) { role }
    }`;
    const response = await gateway.execute<AnyData>('admin', document, {
      one: one.id,
      other: other.id,
      nobody: encodeId('employee', newId()),
    });
    expect(codesOf(response)).toEqual(['BAD_USER_INPUT']);
    expect(response.data).toEqual({ first: { role: 'MANAGER' }, failing: null, last: { role: 'MANAGER' } });
    expect(await rowOf(one)).toMatchObject({ role: 'MANAGER', employee_id: null });
    expect((await rowOf(other)).role).toBe(Role.MANAGER);
  });

  it('do not affect the next operation after a failure', async () => {
    const [one, other, employee] = [await addPerson(gateway), await addPerson(gateway), await freeEmployee()];
    await gateway.execute('admin', SET_EMPLOYEE, { userId: one.id, employeeId: employee.id });
    await expectRejected('admin', SET_EMPLOYEE, { userId: other.id, employeeId: employee.id }, 'BAD_USER_INPUT');
    const next = await gateway.execute<AnyData>('admin', SET_ROLE, { userId: other.id, role: 'MANAGER' });
    expect(next.errors).toEqual([]);
    expect(await rowOf(other)).toMatchObject({ role: 'MANAGER', employee_id: null });
  });
});

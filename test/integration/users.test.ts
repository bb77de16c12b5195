import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { createApiKeySecret } from '../../src/auth/api-key.js';
import { Role } from '../../src/auth/viewer.js';
import { newId } from '../../src/database/base.entity.js';
import { encodeId } from '../../src/graphql/id.js';
import { codesOf, fieldsOf, startGateway, type Answer, type Any, type Asker, type TestGateway, type Variables } from '../kit/gateway.js';
import { addPerson, type Person } from '../kit/people.js';

const secret = 'vT5rQ0xYw8LkZp3BnM6sHd1FgJc9aEuI2o';
const SET_ROLE = 'mutation ($userId: ID!, $role: Role!) { setUserRole(userId: $userId, role: $role) { id role } }';
const SET_ACTIVE = 'mutation ($userId: ID!, $isActive: Boolean!) { setUserActive(userId: $userId, isActive: $isActive) { id isActive } }';
const SET_EMPLOYEE = 'mutation ($userId: ID!, $employeeId: ID) { setUserEmployee(userId: $userId, employeeId: $employeeId) { id employee { id } } }';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway({ JWT_SECRET: secret });
});
afterAll(() => gateway.close());

async function addApiKey(userId: string, of = gateway): Promise<string> {
  const { secret: key, prefix, hash } = createApiKeySecret();
  const times = { created_at: new Date(), updated_at: new Date() };
  await of.db
    .insertInto('api_key')
    .values({ id: newId(), user_id: userId, name: 'a key', prefix, secret_hash: hash, scopes: ['employees:read', 'employees:write', 'predict'], last_used_at: null, expires_at: null, ...times })
    .execute();
  return key;
}

async function addSession(userId: string): Promise<void> {
  const id = newId();
  const times = { created_at: new Date(), updated_at: new Date() };
  await gateway.db.insertInto('session').values({ id, user_id: userId, refresh_token_hash: id, previous_token_hash: null, expires_at: new Date(Date.now() + 60_000), ...times }).execute();
}

const accounts = (of = gateway) => of.db.selectFrom('user_account').selectAll().orderBy('id').execute();
const rowOf = ({ uuid }: Person) => gateway.db.selectFrom('user_account').selectAll().where('id', '=', uuid).executeTakeFirstOrThrow();
const adminOf = async (of = gateway): Promise<Person> => {
  const { id: uuid, email } = await of.db.selectFrom('user_account').selectAll().where('email', '=', 'admin@example.com').executeTakeFirstOrThrow();
  return { uuid, id: encodeId('user', uuid), email, token: await of.tokenOf('admin') };
};
async function freeEmployee(): Promise<{ uuid: string; id: string }> {
  const { id } = await gateway.db
    .selectFrom('employee')
    .select('id')
    .where('id', 'not in', gateway.db.selectFrom('user_account').select('employee_id').where('employee_id', 'is not', null))
    .where('id', 'not in', gateway.db.selectFrom('employee').select('manager_id').where('manager_id', 'is not', null))
    .executeTakeFirstOrThrow();
  return { uuid: id, id: encodeId('employee', id) };
}

/** Asks and expects the refusal, with every account as it was. */
async function expectRefused(asker: Asker, document: string, variables: Variables, code: string): Promise<Answer<Any>> {
  const before = await accounts();
  const answer = await gateway.ask<Any>(asker, document, variables);
  expect(codesOf(answer)).toEqual([code]);
  expect(answer.data ?? null).toBeNull();
  expect(await accounts()).toEqual(before);
  return answer;
}

describe('me', () => {
  it('says who is asking, with the employee that the user is', async () => {
    const { data } = await gateway.ask<Any>('user', '{ me { id email role isActive createdAt employee { name salary } } }');
    expect(data.me).toMatchObject({ email: 'user@example.com', role: 'USER', isActive: true, employee: { name: expect.any(String), salary: expect.any(Number) } });
    expect(data.me.id).toMatch(/^user_[0-9a-z]{26}$/);
    expect((await gateway.ask<Any>('admin', '{ me { email employee { id } } }')).data.me).toEqual({ email: 'admin@example.com', employee: null });
  });

  it('says the role of now, not the one in the token', async () => {
    const person = await addPerson(gateway);
    await gateway.db.updateTable('user_account').set({ role: Role.MANAGER }).where('id', '=', person.uuid).execute();
    expect((await gateway.ask<Any>({ token: person.token }, '{ me { role } }')).data.me.role).toBe('MANAGER');
  });

  it('refuses a stranger', async () => {
    const answer = await gateway.ask<Any>(null, '{ me { id } }');
    expect([answer.status, codesOf(answer), answer.data]).toEqual([401, ['UNAUTHENTICATED'], { me: null }]);
  });
});

describe('user', () => {
  const USER = 'query ($id: ID!) { user(id: $id) { email } }';

  it('shows a user the own account, and nothing of another, as if there were none', async () => {
    const [one, other] = [await addPerson(gateway), await addPerson(gateway)];
    expect((await gateway.ask<Any>({ token: one.token }, USER, { id: one.id })).data).toEqual({ user: { email: one.email } });
    for (const id of [other.id, encodeId('user', newId())]) {
      const answer = await gateway.ask<Any>({ token: one.token }, USER, { id });
      expect([answer.data, answer.errors]).toEqual([{ user: null }, []]);
    }
    expect((await gateway.ask<Any>('manager', USER, { id: other.id })).data).toEqual({ user: null });
  });

  it('shows an administrator any account', async () => {
    const person = await addPerson(gateway);
    expect((await gateway.ask<Any>('admin', USER, { id: person.id })).data).toEqual({ user: { email: person.email } });
    expect((await gateway.ask<Any>('admin', USER, { id: encodeId('user', newId()) })).data).toEqual({ user: null });
  });

  it('shows an API key the account of its owner only, whatever the owner’s role', async () => {
    const [person, admin] = [await addPerson(gateway), await adminOf()];
    const apiKey = await addApiKey(admin.uuid);
    expect((await gateway.ask<Any>({ apiKey }, USER, { id: admin.id })).data).toEqual({ user: { email: admin.email } });
    expect((await gateway.ask<Any>({ apiKey }, USER, { id: person.id })).data).toEqual({ user: null });
  });

  it.each(['', 'user_', '42', 'user_01h455vb4pex5vsknk084sn02', 'USER_01h455vb4pex5vsknk084sn02q', 'employee_01h455vb4pex5vsknk084sn02q', "user_01h455vb4pex5vsknk084sn02q' or '1'='1"])(
    'refuses %j as an id and says what one looks like',
    async (id) => {
      const answer = await gateway.ask<Any>('admin', USER, { id });
      expect([codesOf(answer), fieldsOf(answer)]).toEqual([['BAD_USER_INPUT'], ['id']]);
      expect(answer.errors[0]?.message).toContain('user_ and 26 characters');
    },
  );
});

describe('users', () => {
  it('pages through all accounts, the oldest first, each once', async () => {
    for (let count = 0; count < 5; count++) await addPerson(gateway);
    const seen: string[] = [];
    let after: string | null = null;
    for (let page = 0; page < 50; page++) {
      const { data }: Answer<Any> = await gateway.ask<Any>('admin', 'query ($after: String) { users(first: 3, after: $after) { nodes { email } totalCount pageInfo { hasNextPage endCursor } } }', { after });
      seen.push(...data.users.nodes.map((node: { email: string }) => node.email));
      expect(data.users.totalCount).toBe((await accounts()).length);
      if (!data.users.pageInfo.hasNextPage) break;
      after = data.users.pageInfo.endCursor;
    }
    const all = await gateway.db.selectFrom('user_account').select('email').orderBy('created_at').orderBy('id').execute();
    expect(seen).toEqual(all.map(({ email }) => email));
  });

  it.each(['manager', 'user'] as const)('refuses the %s', async (asker) => {
    await expectRefused(asker, '{ users { nodes { email } } }', {}, 'FORBIDDEN');
  });

  it('refuses a stranger, and an administrator’s API key', async () => {
    await expectRefused(null, '{ users { nodes { email } } }', {}, 'UNAUTHENTICATED');
    await expectRefused({ apiKey: await addApiKey((await adminOf()).uuid) }, '{ users { nodes { email } } }', {}, 'FORBIDDEN');
  });
});

describe.each([
  ['setUserRole', SET_ROLE, { role: 'ADMIN' }],
  ['setUserActive', SET_ACTIVE, { isActive: false }],
  ['setUserEmployee', SET_EMPLOYEE, { employeeId: null }],
])('%s', (_name, document, rest) => {
  it('refuses everyone but an administrator who signed in, and changes nothing', async () => {
    const [person, manager] = [await addPerson(gateway), await addPerson(gateway, Role.MANAGER)];
    const variables = { userId: person.id, ...rest };
    await expectRefused({ token: manager.token }, document, variables, 'FORBIDDEN');
    await expectRefused({ token: person.token }, document, variables, 'FORBIDDEN');
    await expectRefused({ apiKey: await addApiKey((await adminOf()).uuid) }, document, variables, 'FORBIDDEN');
    expect((await expectRefused(null, document, variables, 'UNAUTHENTICATED')).status).toBe(401);
  });

  it.each([
    ['demoted', { role: Role.USER }],
    ['switched off', { is_active: false }],
  ])('refuses who was an administrator until %s a moment ago: the token is not enough', async (_how, change) => {
    const [former, person] = [await addPerson(gateway, Role.ADMIN), await addPerson(gateway)];
    await gateway.db.updateTable('user_account').set(change).where('id', '=', former.uuid).execute();
    await expectRefused({ token: former.token }, document, { userId: former.id, ...rest }, 'FORBIDDEN');
    await expectRefused({ token: former.token }, document, { userId: person.id, ...rest }, 'FORBIDDEN');
  });

  it('answers an unknown user with NOT_FOUND, and an id that is none with BAD_USER_INPUT', async () => {
    const answer = await expectRefused('admin', document, { userId: encodeId('user', newId()), ...rest }, 'NOT_FOUND');
    expect(answer.status).toBe(200);
    for (const userId of ['', 'nobody', newId(), encodeId('employee', newId()), encodeId('apikey', newId())]) {
      expect(fieldsOf(await expectRefused('admin', document, { userId, ...rest }, 'BAD_USER_INPUT'))).toEqual(['userId']);
    }
  });
});

describe('setUserRole', () => {
  it.each([Role.ADMIN, Role.MANAGER, Role.USER])('gives the role %s', async (role) => {
    const person = await addPerson(gateway, role === Role.USER ? Role.MANAGER : Role.USER);
    const { data, errors } = await gateway.ask<Any>('admin', SET_ROLE, { userId: person.id, role });
    expect([data, errors]).toEqual([{ setUserRole: { id: person.id, role } }, []]);
    expect((await rowOf(person)).role).toBe(role);
  });

  it('refuses a role that there is not, and changes nothing', async () => {
    await expectRefused('admin', SET_ROLE, { userId: (await addPerson(gateway)).id, role: 'ROOT' }, 'BAD_USER_INPUT');
  });

  it('counts from the second mutation on in one operation: who demotes themself may do no more', async () => {
    const [admin, person] = [await addPerson(gateway, Role.ADMIN), await addPerson(gateway)];
    const document = `mutation ($me: ID!, $other: ID!) { setUserRole(userId: $me, role: USER) { role } again: setUserRole(userId: $other, role: ADMIN) { role } }`;
    const answer = await gateway.ask<Any>({ token: admin.token }, document, { me: admin.id, other: person.id });
    expect(codesOf(answer)).toEqual(['FORBIDDEN']);
    expect((await rowOf(person)).role).toBe(Role.USER);
  });
});

describe('setUserActive', () => {
  it('off ends every session and API key of the user at once, and nobody else’s; on brings none of them back', async () => {
    const [person, other] = [await addPerson(gateway), await addPerson(gateway)];
    for (const { uuid } of [person, person, other]) await addSession(uuid);
    const [apiKey, othersKey] = [await addApiKey(person.uuid), await addApiKey(other.uuid)];
    const me = (asker: Asker) => gateway.ask<Any>(asker, '{ me { id } }');
    expect((await me({ apiKey })).errors).toEqual([]);

    const off = await gateway.ask<Any>('admin', SET_ACTIVE, { userId: person.id, isActive: false });
    expect([off.data, off.errors]).toEqual([{ setUserActive: { id: person.id, isActive: false } }, []]);
    expect(codesOf(await me({ apiKey }))).toEqual(['UNAUTHENTICATED']);
    expect((await me({ apiKey: othersKey })).errors).toEqual([]);
    const sessions = await gateway.db.selectFrom('session').select('user_id').where('user_id', 'in', [person.uuid, other.uuid]).execute();
    expect(sessions).toEqual([{ user_id: other.uuid }]);

    const on = await gateway.ask<Any>('admin', SET_ACTIVE, { userId: person.id, isActive: true });
    expect(on.data).toEqual({ setUserActive: { id: person.id, isActive: true } });
    expect(codesOf(await me({ apiKey }))).toEqual(['UNAUTHENTICATED']);
  });

  it('lets no switched-off user make an API key with an access token that is still good', async () => {
    const person = await addPerson(gateway);
    await gateway.ask('admin', SET_ACTIVE, { userId: person.id, isActive: false });
    await expectRefused({ token: person.token }, 'mutation { createApiKey(name: "for later") { secret } }', {}, 'UNAUTHENTICATED');
    expect(await gateway.db.selectFrom('api_key').select('id').where('user_id', '=', person.uuid).execute()).toEqual([]);
  });
});

describe('the last active administrator', () => {
  let alone: TestGateway;
  beforeAll(async () => {
    alone = await startGateway({ JWT_SECRET: secret });
  });
  afterAll(() => alone.close());

  it('can be neither demoted nor switched off', async () => {
    const admin = await adminOf(alone);
    const inactive = await addPerson(alone, Role.ADMIN);
    await alone.db.updateTable('user_account').set({ is_active: false }).where('id', '=', inactive.uuid).execute();
    const before = await accounts(alone);
    for (const [document, variables] of [[SET_ROLE, { role: 'USER' }], [SET_ACTIVE, { isActive: false }]] as const) {
      const answer = await alone.ask<Any>({ token: admin.token }, document, { userId: admin.id, ...variables });
      expect(codesOf(answer)).toEqual(['CONFLICT']);
      expect(answer.errors[0]?.message).toContain('last active administrator');
    }
    expect(await accounts(alone)).toEqual(before);
    expect((await alone.ask({ token: admin.token }, SET_ROLE, { userId: admin.id, role: 'ADMIN' })).errors).toEqual([]);
  });

  it('remains where all of them remove each other at once', async () => {
    const admin = await adminOf(alone);
    for (let round = 0; round < 4; round++) {
      const others = [await addPerson(alone, Role.ADMIN), await addPerson(alone, Role.ADMIN)];
      const [one, two] = others;
      const pairs = [[admin, one], [one, two], [two, admin]] as const;
      const answers = await Promise.all(
        pairs.map(([by, whom], at) => {
          const [document, variables] = at % 2 === 0 ? [SET_ROLE, { role: 'USER' }] : [SET_ACTIVE, { isActive: false }];
          return alone.ask<Any>({ token: by?.token ?? '' }, document, { userId: whom?.id, ...variables });
        }),
      );
      const left = (await accounts(alone)).filter((user) => user.role === Role.ADMIN && user.is_active);
      expect(left.length).toBeGreaterThanOrEqual(1);
      for (const code of answers.flatMap(codesOf)) expect(['CONFLICT', 'FORBIDDEN']).toContain(code);
      await alone.db.updateTable('user_account').set({ role: Role.USER }).where('id', 'in', others.map(({ uuid }) => uuid)).execute();
      await alone.db.updateTable('user_account').set({ role: Role.ADMIN, is_active: true }).where('id', '=', admin.uuid).execute();
    }
  });
});

describe('setUserEmployee', () => {
  it('says which employee a user is, and by null that the user is none', async () => {
    const [person, employee] = [await addPerson(gateway), await freeEmployee()];
    const linked = await gateway.ask<Any>('admin', SET_EMPLOYEE, { userId: person.id, employeeId: employee.id });
    expect(linked.data).toEqual({ setUserEmployee: { id: person.id, employee: { id: employee.id } } });
    expect((await rowOf(person)).employee_id).toBe(employee.uuid);
    const again = await gateway.ask<Any>('admin', SET_EMPLOYEE, { userId: person.id, employeeId: employee.id });
    expect(again.errors).toEqual([]);
    const unlinked = await gateway.ask<Any>('admin', SET_EMPLOYEE, { userId: person.id, employeeId: null });
    expect(unlinked.data).toEqual({ setUserEmployee: { id: person.id, employee: null } });
    expect((await rowOf(person)).employee_id).toBeNull();
  });

  it('unlinks where the employee is left out, too', async () => {
    const [person, employee] = [await addPerson(gateway), await freeEmployee()];
    await gateway.ask('admin', SET_EMPLOYEE, { userId: person.id, employeeId: employee.id });
    expect((await gateway.ask('admin', SET_EMPLOYEE, { userId: person.id })).errors).toEqual([]);
    expect((await rowOf(person)).employee_id).toBeNull();
  });

  it('refuses an employee whom another user is, also where two ask at once', async () => {
    const [one, other, employee] = [await addPerson(gateway), await addPerson(gateway), await freeEmployee()];
    const answers = await Promise.all([one, other].map(({ id }) => gateway.ask<Any>('admin', SET_EMPLOYEE, { userId: id, employeeId: employee.id })));
    expect(answers.flatMap(codesOf)).toEqual(['BAD_USER_INPUT']);
    expect(answers.flatMap(fieldsOf)).toEqual(['employeeId']);
    const loser = answers[0]?.errors.length === 0 ? other : one;
    const refused = await expectRefused('admin', SET_EMPLOYEE, { userId: loser.id, employeeId: employee.id }, 'BAD_USER_INPUT');
    expect(refused.errors[0]?.message).toContain('already belongs to another user');
  });

  it('refuses an unknown employee and an id of another type', async () => {
    const person = await addPerson(gateway);
    for (const employeeId of [encodeId('employee', newId()), encodeId('user', newId()), 'nobody', '']) {
      expect(fieldsOf(await expectRefused('admin', SET_EMPLOYEE, { userId: person.id, employeeId }, 'BAD_USER_INPUT'))).toEqual(['employeeId']);
    }
  });

  it('refuses an employee who is dismissed at the same moment', async () => {
    const [person, employee] = [await addPerson(gateway), await freeEmployee()];
    const before = await rowOf(person);
    const answer = await gateway.db.transaction().execute(async (dismissal) => {
      await dismissal.deleteFrom('employee').where('id', '=', employee.uuid).execute();
      const asked = gateway.ask<Any>('admin', SET_EMPLOYEE, { userId: person.id, employeeId: employee.id });
      const isWaiting = async () => (await sql<{ count: number }>`select count(*)::integer as count from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`.execute(gateway.db)).rows[0]?.count === 1;
      for (let look = 0; look < 200 && !(await isWaiting()); look++) await sleep(20);
      return { asked };
    });
    const refused = await answer.asked;
    expect([codesOf(refused), fieldsOf(refused)]).toEqual([['BAD_USER_INPUT'], ['employeeId']]);
    expect(await rowOf(person)).toEqual(before);
  });
});

describe('several mutations in one operation', () => {
  it('each see what the one before has done', async () => {
    const [person, employee] = [await addPerson(gateway), await freeEmployee()];
    const document = `mutation ($id: ID!, $employee: ID!) {
      setUserRole(userId: $id, role: MANAGER) { role isActive employee { id } }
      setUserEmployee(userId: $id, employeeId: $employee) { role isActive employee { id } }
      setUserActive(userId: $id, isActive: false) { role isActive employee { id } }
    }`;
    const { data, errors } = await gateway.ask<Any>('admin', document, { id: person.id, employee: employee.id });
    expect(errors).toEqual([]);
    expect(data.setUserEmployee).toEqual({ role: 'MANAGER', isActive: true, employee: { id: employee.id } });
    expect(data.setUserActive).toEqual({ role: 'MANAGER', isActive: false, employee: { id: employee.id } });
  });

  it('end with the first that fails: what was done before it stands, what comes after is not done', async () => {
    const [one, other] = [await addPerson(gateway), await addPerson(gateway)];
    const document = `mutation ($one: ID!, $other: ID!, $nobody: ID!) {
      first: setUserRole(userId: $one, role: MANAGER) { role }
      failing: setUserEmployee(userId: $one, employeeId: $nobody) { id }
      last: setUserRole(userId: $other, role: MANAGER) { role }
    }`;
    const answer = await gateway.ask<Any>('admin', document, { one: one.id, other: other.id, nobody: encodeId('employee', newId()) });
    expect([codesOf(answer), answer.data]).toEqual([['BAD_USER_INPUT'], null]);
    expect(await rowOf(one)).toMatchObject({ role: 'MANAGER', employee_id: null });
    expect((await rowOf(other)).role).toBe(Role.USER);
  });

  it('leave nothing of a failure to the next operation', async () => {
    const [one, other, employee] = [await addPerson(gateway), await addPerson(gateway), await freeEmployee()];
    await gateway.ask('admin', SET_EMPLOYEE, { userId: one.id, employeeId: employee.id });
    await expectRefused('admin', SET_EMPLOYEE, { userId: other.id, employeeId: employee.id }, 'BAD_USER_INPUT');
    const next = await gateway.ask<Any>('admin', SET_ROLE, { userId: other.id, role: 'MANAGER' });
    expect(next.errors).toEqual([]);
    expect(await rowOf(other)).toMatchObject({ role: 'MANAGER', employee_id: null });
  });
});

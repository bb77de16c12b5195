import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Role, SCOPES } from '../../src/auth/viewer.js';
import { newId } from '../../src/database/base.entity.js';
import { encodeId } from '../../src/graphql/id.js';
import { codesOf, fieldsOf, startGateway, type Answer, type Any, type Asker, type TestGateway } from '../kit/gateway.js';
import { addPerson, meeting, type Person } from '../kit/people.js';

const secret = 'vT5rQ0xYw8LkZp3BnM6sHd1FgJc9aEuI2o';
const CREATE = `mutation ($name: String!, $scopes: [String!], $expiresAt: DateTime) {
  createApiKey(name: $name, scopes: $scopes, expiresAt: $expiresAt) { secret apiKey { id name prefix scopes createdAt lastUsedAt expiresAt } }
}`;
const REVOKE = 'mutation ($id: ID!) { revokeApiKey(id: $id) }';
const PREDICT = '{ predict(model: "iris", inputs: [{ sepal_length: 5.1, sepal_width: 3.5, petal_length: 1.4, petal_width: 0.2 }]) { output } }';
const EMPLOYEES = '{ employees(first: 5) { nodes { id name } } }';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway({ JWT_SECRET: secret });
});
afterAll(() => gateway.close());

interface Key {
  id: string;
  apiKey: string;
}

/** Makes a key as its owner does. */
async function createKey({ token }: Person, scopes?: string[]): Promise<Key> {
  const { data, errors } = await gateway.ask<Any>({ token }, CREATE, { name: 'a key', ...(scopes ? { scopes } : {}) });
  expect(errors).toEqual([]);
  return { id: data.createApiKey.apiKey.id, apiKey: data.createApiKey.secret };
}

/** Every key; without its last use, which is noted behind the answer. */
const keys = () => gateway.db.selectFrom('api_key').select(['id', 'user_id', 'name', 'secret_hash', 'scopes', 'expires_at']).orderBy('id').execute();
const keysOf = ({ uuid }: Person) => gateway.db.selectFrom('api_key').selectAll().where('user_id', '=', uuid).orderBy('created_at').execute();
const whoIs = (asker: Asker) => gateway.ask<Any>(asker, '{ me { id } }');

async function expectRefused(asker: Asker, document: string, variables: Record<string, unknown>, code: string): Promise<Answer<Any>> {
  const before = await keys();
  const answer = await gateway.ask<Any>(asker, document, variables);
  expect(codesOf(answer)).toEqual([code]);
  expect(await keys()).toEqual(before);
  return answer;
}

async function expectDead({ apiKey }: Key): Promise<void> {
  const answer = await whoIs({ apiKey });
  expect([answer.status, codesOf(answer), answer.data]).toEqual([401, ['UNAUTHENTICATED'], { me: null }]);
  expect(answer.errors[0]?.message).toContain('API key');
}

describe('createApiKey', () => {
  it('shows the secret once and stores a hash of it', async () => {
    const person = await addPerson(gateway);
    const { data } = await gateway.ask<Any>({ token: person.token }, CREATE, { name: '  nightly import ' });
    const { secret: shown, apiKey } = data.createApiKey;
    expect(shown).toMatch(/^auspex_[A-Za-z0-9_-]{43}$/);
    expect(apiKey).toMatchObject({ name: 'nightly import', prefix: shown.slice(0, 13), scopes: ['employees:read', 'predict'], lastUsedAt: null, expiresAt: null });
    expect(apiKey.id).toMatch(/^apikey_[0-9a-z]{26}$/);
    const [row] = await keysOf(person);
    expect(row?.secret_hash).toMatch(/^[0-9a-f]{64}$/);
    expect(JSON.stringify(row)).not.toContain(shown.slice(13));
    const list = await gateway.ask<Any>({ token: person.token }, '{ apiKeys { id name prefix scopes createdAt lastUsedAt expiresAt } }');
    expect(list.data.apiKeys).toEqual([apiKey]);
    expect(JSON.stringify(list.data)).not.toContain(shown);
  });

  it('takes the scopes and the end that are asked for', async () => {
    const person = await addPerson(gateway);
    const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
    const { data } = await gateway.ask<Any>({ token: person.token }, CREATE, { name: 'a key', scopes: ['predict', 'predict'], expiresAt });
    expect(data.createApiKey.apiKey).toMatchObject({ scopes: ['predict'], expiresAt });
  });

  it.each([
    ['an unknown scope', { name: 'a key', scopes: ['predict', 'admin'] }, ['scopes']],
    ['a scope in other letters', { name: 'a key', scopes: ['PREDICT'] }, ['scopes']],
    ['no scope at all', { name: 'a key', scopes: [] }, ['scopes']],
    ['more scopes than there are', { name: 'a key', scopes: Array<string>(SCOPES.length + 1).fill('predict') }, ['scopes']],
    ['an end in the past', { name: 'a key', expiresAt: '2020-01-01T00:00:00Z' }, ['expiresAt']],
    ['an empty name', { name: '  ' }, ['name']],
    ['a name of 101 characters', { name: 'x'.repeat(101) }, ['name']],
    ['a name with NUL in it', { name: 'a\0b' }, ['name']],
    ['a name of two lines', { name: 'a\nb' }, ['name']],
    ['all of it at once', { name: '', scopes: ['root'], expiresAt: '2020-01-01T00:00:00Z' }, ['expiresAt', 'name', 'scopes']],
  ])('refuses %s, and makes no key', async (_name, variables, fields) => {
    const person = await addPerson(gateway);
    expect(fieldsOf(await expectRefused({ token: person.token }, CREATE, variables, 'BAD_USER_INPUT'))).toEqual(fields);
  });

  it.each(['not a date', '2026-13-45T00:00:00Z', 5])('refuses %j as an end', async (expiresAt) => {
    const person = await addPerson(gateway);
    await expectRefused({ token: person.token }, CREATE, { name: 'a key', expiresAt }, 'BAD_USER_INPUT');
  });

  it('takes the 50th key of a user and refuses the 51st, also where several come at once', async () => {
    const person = await addPerson(gateway);
    const times = { created_at: new Date(), updated_at: new Date() };
    const rows = Array.from({ length: 49 }, () => ({ id: newId(), user_id: person.uuid, name: 'a key', prefix: 'auspex_', secret_hash: newId(), scopes: ['predict'], last_used_at: null, expires_at: null, ...times }));
    await gateway.db.insertInto('api_key').values(rows).execute();
    const answers = await meeting(gateway, 'user_account', person.uuid, 5, () => Array.from({ length: 5 }, () => gateway.ask<Any>({ token: person.token }, CREATE, { name: 'one more' })));
    expect(answers.flatMap(codesOf)).toEqual(Array<string>(4).fill('CONFLICT'));
    expect(await keysOf(person)).toHaveLength(50);
    expect((await gateway.ask<Any>({ token: person.token }, '{ apiKeys { id } }')).data.apiKeys).toHaveLength(50);
    await createKey(await addPerson(gateway));
  });

  it('refuses a stranger', async () => {
    expect((await expectRefused(null, CREATE, { name: 'a key' }, 'UNAUTHENTICATED')).status).toBe(401);
  });
});

describe('apiKeys', () => {
  it('lists the own keys, the newest first, and nobody else’s', async () => {
    const [one, other] = [await addPerson(gateway), await addPerson(gateway, Role.ADMIN)];
    const [first, second] = [await createKey(one), await createKey(one)];
    const foreign = await createKey(other);
    const list = async ({ token }: Person) => (await gateway.ask<Any>({ token }, '{ apiKeys { id } }')).data.apiKeys;
    expect(await list(one)).toEqual([{ id: second.id }, { id: first.id }]);
    expect(await list(other)).toEqual([{ id: foreign.id }]);
  });
});

describe('revokeApiKey', () => {
  it('ends an own key at once, and only that one', async () => {
    const person = await addPerson(gateway);
    const [one, other] = [await createKey(person), await createKey(person)];
    expect((await gateway.ask<Any>({ token: person.token }, REVOKE, { id: one.id })).data).toEqual({ revokeApiKey: true });
    await expectDead(one);
    expect((await whoIs(other)).data.me.id).toBe(person.id);
    await expectRefused({ token: person.token }, REVOKE, { id: one.id }, 'NOT_FOUND');
  });

  it('does not know the key of someone else, which goes on working', async () => {
    const [owner, thief, manager] = [await addPerson(gateway), await addPerson(gateway), await addPerson(gateway, Role.MANAGER)];
    const key = await createKey(owner);
    for (const { token } of [thief, manager]) {
      const answer = await expectRefused({ token }, REVOKE, { id: key.id }, 'NOT_FOUND');
      expect(answer.errors[0]?.message).toBe(`There is no API key ${key.id}.`);
    }
    expect((await whoIs(key)).data.me.id).toBe(owner.id);
  });

  it('lets an administrator end anyone’s', async () => {
    const key = await createKey(await addPerson(gateway));
    expect((await gateway.ask<Any>('admin', REVOKE, { id: key.id })).data).toEqual({ revokeApiKey: true });
    await expectDead(key);
  });

  it('refuses an unknown id, a malformed one, a stranger and an API key', async () => {
    const admin = await addPerson(gateway, Role.ADMIN);
    const key = await createKey(admin, ['employees:read', 'employees:write', 'predict']);
    await expectRefused('admin', REVOKE, { id: encodeId('apikey', newId()) }, 'NOT_FOUND');
    for (const id of ['', 'nothing', admin.id]) await expectRefused('admin', REVOKE, { id }, 'BAD_USER_INPUT');
    expect((await expectRefused(null, REVOKE, { id: key.id }, 'UNAUTHENTICATED')).status).toBe(401);
    await expectRefused(key, REVOKE, { id: key.id }, 'FORBIDDEN');
  });
});

describe('an API key', () => {
  it('acts for its owner, and its use is noted to the minute', async () => {
    const person = await addPerson(gateway);
    const key = await createKey(person);
    const before = Date.now();
    expect((await whoIs(key)).data.me.id).toBe(person.id);
    const lastUse = async () => (await keysOf(person))[0]?.last_used_at?.getTime() ?? null;
    for (let look = 0; look < 100 && (await lastUse()) === null; look++) await sleep(20);
    const noted = await lastUse();
    expect(noted).toBeGreaterThanOrEqual(before);
    expect(noted).toBeLessThanOrEqual(Date.now());

    await whoIs(key);
    await sleep(50);
    expect(await lastUse()).toBe(noted);
    const longAgo = new Date(Date.now() - 61_000);
    await gateway.db.updateTable('api_key').set({ last_used_at: longAgo }).where('user_id', '=', person.uuid).execute();
    await whoIs(key);
    for (let look = 0; look < 100 && (await lastUse()) === longAgo.getTime(); look++) await sleep(20);
    expect(await lastUse()).toBeGreaterThan(longAgo.getTime());
  });

  it('is refused from the moment it expires', async () => {
    const person = await addPerson(gateway);
    const key = await createKey(person);
    const endAt = (at: Date) => gateway.db.updateTable('api_key').set({ expires_at: at }).where('user_id', '=', person.uuid).execute();
    await endAt(new Date(Date.now() + 60_000));
    expect((await whoIs(key)).errors).toEqual([]);
    await endAt(new Date(Date.now() - 1));
    await expectDead(key);
  });

  it('is refused from the moment its owner is switched off', async () => {
    const person = await addPerson(gateway);
    const key = await createKey(person);
    await gateway.db.updateTable('user_account').set({ is_active: false }).where('id', '=', person.uuid).execute();
    await expectDead(key);
  });

  it('is refused with any letter changed, cut, or as a bearer token', async () => {
    const key = await createKey(await addPerson(gateway));
    const [last] = key.apiKey.slice(-1);
    const spoilt = [`${key.apiKey.slice(0, -1)}${last === 'A' ? 'B' : 'A'}`, key.apiKey.slice(0, -1), `${key.apiKey}A`, key.apiKey.slice(7), key.apiKey.toLowerCase(), 'auspex_', '', '%', "' or '1'='1"];
    for (const apiKey of spoilt) await expectDead({ id: '', apiKey });
    expect(codesOf(await whoIs({ token: key.apiKey }))).toEqual(['UNAUTHENTICATED']);
    expect((await whoIs(key)).errors).toEqual([]);
  });

  it('is refused sent twice', async () => {
    const key = await createKey(await addPerson(gateway));
    await expectDead({ id: '', apiKey: `${key.apiKey}, ${key.apiKey}` });
  });

  it('follows its owner’s role at once', async () => {
    const person = await addPerson(gateway);
    const key = await createKey(person, ['employees:write']);
    const department = await gateway.db.selectFrom('department').select('id').executeTakeFirstOrThrow();
    const input = { name: 'New Person', age: 30, jobTitle: 'Analyst', jobLevel: 1, hiredOn: '2026-01-05', salary: 50_000, departmentId: encodeId('department', department.id) };
    const hire = (email: string) => gateway.ask<Any>(key, 'mutation ($input: CreateEmployeeInput!) { createEmployee(input: $input) { email } }', { input: { ...input, email } });
    const setRole = (role: Role) => gateway.db.updateTable('user_account').set({ role }).where('id', '=', person.uuid).execute();
    expect(codesOf(await hire('one@example.org'))).toEqual(['FORBIDDEN']);
    await setRole(Role.ADMIN);
    expect((await hire('two@example.org')).data).toEqual({ createEmployee: { email: 'two@example.org' } });
    await setRole(Role.MANAGER);
    expect(codesOf(await hire('three@example.org'))).toEqual(['FORBIDDEN']);
    const hired = await gateway.db.selectFrom('employee').select('email').where('email', 'in', ['one@example.org', 'two@example.org', 'three@example.org']).execute();
    expect(hired).toEqual([{ email: 'two@example.org' }]);
  });

  it('sees no salary where its owner sees none', async () => {
    const ofUser = await createKey(await addPerson(gateway));
    const ofAdmin = await createKey(await addPerson(gateway, Role.ADMIN));
    const document = '{ employees(first: 3) { nodes { name salary } } }';
    const seen = await gateway.ask<Any>(ofUser, document);
    expect(codesOf(seen)).toEqual(['FORBIDDEN', 'FORBIDDEN', 'FORBIDDEN']);
    expect(seen.data.employees.nodes).toEqual(Array(3).fill({ name: expect.any(String), salary: null }));
    expect((await gateway.ask<Any>(ofAdmin, document)).errors).toEqual([]);
  });
});

describe('the scopes of an API key', () => {
  const state = async () => ({
    employees: await gateway.db.selectFrom('employee').selectAll().orderBy('id').execute(),
    users: await gateway.db.selectFrom('user_account').selectAll().orderBy('id').execute(),
    keys: await gateway.db.selectFrom('api_key').select(['id', 'name', 'scopes']).orderBy('id').execute(),
  });

  /** What every scope opens, asked by a key of an administrator. */
  const operations = async () => {
    const { id } = await gateway.db.selectFrom('employee').select('id').where('manager_id', 'is not', null).executeTakeFirstOrThrow();
    const department = await gateway.db.selectFrom('department').select('id').executeTakeFirstOrThrow();
    const employeeId = encodeId('employee', id);
    return {
      'employees:read': [EMPLOYEES, `{ employee(id: "${employeeId}") { name } }`, '{ departments { name } }'],
      'employees:write': [
        `mutation { updateEmployee(id: "${employeeId}", input: {}) { id } }`,
        `mutation { deleteEmployee(id: "${encodeId('employee', newId())}") }`,
        `mutation { createEmployee(input: { name: "", email: "", age: 1, jobTitle: "", jobLevel: 1, hiredOn: "2026-01-05", salary: 1, departmentId: "${encodeId('department', department.id)}" }) { id } }`,
      ],
      predict: [PREDICT, '{ models { name } }', '{ model(name: "iris") { name } }', '{ predictions { nodes { id } } }', `{ prediction(id: "${encodeId('prediction', newId())}") { id } }`, '{ me { predictions { nodes { id } } } }'],
    };
  };

  it.each(['employees:read', 'employees:write', 'predict'] as const)('%s opens its own fields and none of the others, whatever the owner’s role', async (scope) => {
    const key = await createKey(await addPerson(gateway, Role.ADMIN), [scope]);
    const before = await state();
    for (const [needed, documents] of Object.entries(await operations())) {
      for (const document of documents) {
        const answer = await gateway.ask<Any>(key, document);
        const refusals = answer.errors.filter((error) => error.extensions.code === 'FORBIDDEN').map((error) => error.message);
        expect({ document, refusals }).toEqual({ document, refusals: needed === scope ? [] : [`This API key lacks the scope ${needed}.`] });
      }
    }
    expect(await state()).toEqual(before);
  });

  it('predict reaches no employee by the way of users', async () => {
    const admin = await addPerson(gateway, Role.ADMIN);
    const { id } = await gateway.db.selectFrom('employee').select('id').where('id', 'not in', gateway.db.selectFrom('user_account').select('employee_id').where('employee_id', 'is not', null)).executeTakeFirstOrThrow();
    await gateway.db.updateTable('user_account').set({ employee_id: id }).where('id', '=', admin.uuid).execute();
    const key = await createKey(admin, ['predict']);
    const answer = await gateway.ask<Any>(key, '{ me { id employee { name } } }');
    expect(answer.data).toEqual({ me: { id: admin.id, employee: null } });
    expect(codesOf(answer)).toEqual(['FORBIDDEN']);
    await gateway.ask(key, PREDICT);
    const asked = await gateway.ask<Any>(key, '{ predictions(first: 1) { nodes { requestedBy { id employee { name } } } } }');
    expect(asked.data.predictions.nodes).toEqual([{ requestedBy: { id: admin.id, employee: null } }]);
    expect(codesOf(asked)).toEqual(['FORBIDDEN']);
  });

  it('all of them together manage no account, session or key, even for an administrator', async () => {
    const [admin, person] = [await addPerson(gateway, Role.ADMIN), await addPerson(gateway)];
    const key = await createKey(admin, ['employees:read', 'employees:write', 'predict']);
    const before = await state();
    const documents = [
      'mutation { createApiKey(name: "another") { secret } }',
      `mutation { revokeApiKey(id: "${key.id}") }`,
      '{ apiKeys { id } }',
      'mutation { changePassword(currentPassword: "correct horse battery", newPassword: "staple of the barn") { accessToken } }',
      'mutation { logout }',
      '{ users { nodes { id } } }',
      `mutation { setUserRole(userId: "${person.id}", role: ADMIN) { id } }`,
      `mutation { setUserActive(userId: "${person.id}", isActive: false) { id } }`,
      `mutation { setUserEmployee(userId: "${person.id}", employeeId: null) { id } }`,
    ];
    for (const document of documents) expect({ document, codes: codesOf(await gateway.ask(key, document)) }).toEqual({ document, codes: ['FORBIDDEN'] });
    expect(await state()).toEqual(before);
  });
});

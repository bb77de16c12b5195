import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Role, SCOPES } from '../../src/auth/viewer.js';
import { newId } from '../../src/database/base.entity.js';
import { encodeId } from '../../src/graphql/relay/global-id.js';
import {
  codesOf,
  fieldsOf,
  startGateway,
  type GraphQLResponse,
  type AnyData,
  type Caller,
  type TestGateway,
} from '../support/gateway.js';
import { addPerson, contendForRow, withEmployee, type Person } from '../support/people.js';

const secret = 'vT5rQ0xYw8LkZp3BnM6sHd1FgJc9aEuI2o';
const CREATE = `mutation ($name: String!, $scopes: [String!], $expiresAt: DateTime) {
  createApiKey(name: $name, scopes: $scopes, expiresAt: $expiresAt) { secret apiKey { id name prefix scopes createdAt lastUsedAt expiresAt } }
}`;
const REVOKE = 'mutation ($id: ID!) { revokeApiKey(id: $id) { revokedApiKeyId remainingCount } }';
const PREDICT =
  '{ predict(model: "iris", inputs: [{ sepal_length: 5.1, sepal_width: 3.5, petal_length: 1.4, petal_width: 0.2 }]) { output } }';
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

/** Creates a key as its owner. */
async function createKey({ token }: Person, scopes?: string[]): Promise<Key> {
  const { data, errors } = await gateway.execute<AnyData>({ token }, CREATE, {
    name: 'a key',
    ...(scopes ? { scopes } : {}),
  });
  expect(errors).toEqual([]);
  return { id: data.createApiKey.apiKey.id, apiKey: data.createApiKey.secret };
}

/** Every key, without its last use, which is recorded in the background. */
const keys = () =>
  gateway.db
    .selectFrom('api_key')
    .select(['id', 'user_id', 'name', 'secret_hash', 'scopes', 'expires_at'])
    .orderBy('id')
    .execute();
const keysOf = ({ uuid }: Person) =>
  gateway.db.selectFrom('api_key').selectAll().where('user_id', '=', uuid).orderBy('created_at').execute();
const whoIs = (caller: Caller) => gateway.execute<AnyData>(caller, '{ me { id } }');

async function expectRejected(
  caller: Caller,
  document: string,
  variables: Record<string, unknown>,
  code: string,
): Promise<GraphQLResponse<AnyData>> {
  const before = await keys();
  const response = await gateway.execute<AnyData>(caller, document, variables);
  expect(codesOf(response)).toEqual([code]);
  expect(await keys()).toEqual(before);
  return response;
}

async function expectInvalid({ apiKey }: Key): Promise<void> {
  const response = await whoIs({ apiKey });
  expect([response.status, codesOf(response), response.data]).toEqual([200, ['UNAUTHENTICATED'], { me: null }]);
  expect(response.errors[0]?.message).toContain('API key');
}

describe('createApiKey', () => {
  it('shows the secret once and stores a hash of it', async () => {
    const person = await addPerson(gateway);
    const { data } = await gateway.execute<AnyData>({ token: person.token }, CREATE, { name: '  nightly import ' });
    const { secret: shown, apiKey } = data.createApiKey;
    expect(shown).toMatch(/^auspex_[A-Za-z0-9_-]{43}$/);
    expect(apiKey).toMatchObject({
      name: 'nightly import',
      prefix: shown.slice(0, 13),
      scopes: ['employees:read', 'predict'],
      lastUsedAt: null,
      expiresAt: expect.any(String),
    });
    expect(apiKey.id).toMatch(/^apikey_[0-9a-z]{26}$/);
    const [row] = await keysOf(person);
    expect(row?.secret_hash).toMatch(/^[0-9a-f]{64}$/);
    expect(JSON.stringify(row)).not.toContain(shown.slice(13));
    const list = await gateway.execute<AnyData>(
      { token: person.token },
      '{ apiKeys { id name prefix scopes createdAt lastUsedAt expiresAt } }',
    );
    expect(list.data.apiKeys).toEqual([apiKey]);
    expect(JSON.stringify(list.data)).not.toContain(shown);
  });

  it('creates a key with the longest lifetime for null as for an absent expiry', async () => {
    const person = await addPerson(gateway);
    for (const expiry of [{}, { expiresAt: null }]) {
      const { data } = await gateway.execute<AnyData>({ token: person.token }, CREATE, { name: 'a key', ...expiry });
      const { scopes, expiresAt } = data.createApiKey.apiKey;
      expect(scopes).toEqual(['employees:read', 'predict']);
      expect(Math.abs(Date.parse(expiresAt) - Date.now() - 365 * 86_400_000)).toBeLessThan(60_000);
    }
  });

  it('creates a key with the given scopes and expiry', async () => {
    const person = await addPerson(gateway);
    const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
    const { data } = await gateway.execute<AnyData>({ token: person.token }, CREATE, {
      name: 'a key',
      scopes: ['predict', 'predict'],
      expiresAt,
    });
    expect(data.createApiKey.apiKey).toMatchObject({ scopes: ['predict'], expiresAt });
  });

  it.each([
    ['an unknown scope', { name: 'a key', scopes: ['predict', 'admin'] }, ['scopes']],
    ['a scope in upper case', { name: 'a key', scopes: ['PREDICT'] }, ['scopes']],
    ['an empty list of scopes', { name: 'a key', scopes: [] }, ['scopes']],
    ['null in place of scopes, which is not their default', { name: 'a key', scopes: null }, ['scopes']],
    ['too many scopes', { name: 'a key', scopes: Array<string>(SCOPES.length + 1).fill('predict') }, ['scopes']],
    [
      'an expiry after the longest lifetime',
      { name: 'a key', expiresAt: new Date(Date.now() + 366 * 86_400_000).toISOString() },
      ['expiresAt'],
    ],
    ['an expiry in the past', { name: 'a key', expiresAt: '2020-01-01T00:00:00Z' }, ['expiresAt']],
    ['an empty name', { name: '  ' }, ['name']],
    ['a name of 101 characters', { name: 'x'.repeat(101) }, ['name']],
    ['a name with NUL', { name: 'a\0b' }, ['name']],
    ['a name of two lines', { name: 'a\nb' }, ['name']],
    [
      'several invalid fields',
      { name: '', scopes: ['root'], expiresAt: '2020-01-01T00:00:00Z' },
      ['expiresAt', 'name', 'scopes'],
    ],
  ])('rejects %s and creates no key', async (_name, variables, fields) => {
    const person = await addPerson(gateway);
    expect(fieldsOf(await expectRejected({ token: person.token }, CREATE, variables, 'BAD_USER_INPUT'))).toEqual(
      fields,
    );
  });

  it.each(['not a date', '2026-13-45T00:00:00Z', 5])('rejects %j as an expiry', async (expiresAt) => {
    const person = await addPerson(gateway);
    await expectRejected({ token: person.token }, CREATE, { name: 'a key', expiresAt }, 'BAD_USER_INPUT');
  });

  it('accepts the 50th key of a user and rejects the 51st, also concurrently', async () => {
    const person = await addPerson(gateway);
    const times = { created_at: new Date(), updated_at: new Date() };
    const rows = Array.from({ length: 49 }, () => ({
      id: newId(),
      user_id: person.uuid,
      name: 'a key',
      prefix: 'auspex_',
      secret_hash: newId(),
      scopes: ['predict'],
      last_used_at: null,
      expires_at: null,
      ...times,
    }));
    await gateway.db.insertInto('api_key').values(rows).execute();
    const responses = await contendForRow(gateway, 'user_account', person.uuid, 5, () =>
      Array.from({ length: 5 }, () =>
        gateway.execute<AnyData>({ token: person.token }, CREATE, { name: 'another key' }),
      ),
    );
    expect(responses.flatMap(codesOf)).toEqual(Array<string>(4).fill('CONFLICT'));
    expect(await keysOf(person)).toHaveLength(50);
    expect((await gateway.execute<AnyData>({ token: person.token }, '{ apiKeys { id } }')).data.apiKeys).toHaveLength(
      50,
    );
    await createKey(await addPerson(gateway));
  });

  it('rejects an anonymous caller', async () => {
    await expectRejected(null, CREATE, { name: 'a key' }, 'UNAUTHENTICATED');
  });
});

describe('apiKeys', () => {
  it('lists only the keys of the viewer, newest first', async () => {
    const [one, other] = [await addPerson(gateway), await addPerson(gateway, Role.ADMIN)];
    const [first, second] = [await createKey(one), await createKey(one)];
    const foreign = await createKey(other);
    const list = async ({ token }: Person) =>
      (await gateway.execute<AnyData>({ token }, '{ apiKeys { id } }')).data.apiKeys;
    expect(await list(one)).toEqual([{ id: second.id }, { id: first.id }]);
    expect(await list(other)).toEqual([{ id: foreign.id }]);
  });
});

describe('revokeApiKey', () => {
  it('revokes a key of the viewer at once, and no other', async () => {
    const person = await addPerson(gateway);
    const [one, other] = [await createKey(person), await createKey(person)];
    expect((await gateway.execute<AnyData>({ token: person.token }, REVOKE, { id: one.id })).data).toEqual({
      revokeApiKey: { revokedApiKeyId: one.id, remainingCount: 1 },
    });
    await expectInvalid(one);
    expect((await whoIs(other)).data.me.id).toBe(person.id);
    await expectRejected({ token: person.token }, REVOKE, { id: one.id }, 'NOT_FOUND');
  });

  it('returns NOT_FOUND for the key of another user, which keeps working', async () => {
    const [owner, thief, manager] = [
      await addPerson(gateway),
      await addPerson(gateway),
      await addPerson(gateway, Role.MANAGER),
    ];
    const key = await createKey(owner);
    for (const { token } of [thief, manager]) {
      const response = await expectRejected({ token }, REVOKE, { id: key.id }, 'NOT_FOUND');
      expect(response.errors[0]?.message).toBe(`There is no API key ${key.id}.`);
    }
    expect((await whoIs(key)).data.me.id).toBe(owner.id);
  });

  it('lets an administrator revoke any key', async () => {
    const key = await createKey(await addPerson(gateway));
    expect((await gateway.execute<AnyData>('admin', REVOKE, { id: key.id })).data).toEqual({
      revokeApiKey: { revokedApiKeyId: key.id, remainingCount: 0 },
    });
    await expectInvalid(key);
  });

  it('rejects an unknown id, a malformed one, an anonymous caller and an API key', async () => {
    const admin = await addPerson(gateway, Role.ADMIN);
    const key = await createKey(admin, ['employees:read', 'employees:write', 'predict']);
    await expectRejected('admin', REVOKE, { id: encodeId('apikey', newId()) }, 'NOT_FOUND');
    for (const id of ['', 'nothing', admin.id]) await expectRejected('admin', REVOKE, { id }, 'BAD_USER_INPUT');
    await expectRejected(null, REVOKE, { id: key.id }, 'UNAUTHENTICATED');
    await expectRejected(key, REVOKE, { id: key.id }, 'FORBIDDEN');
  });
});

describe('an API key', () => {
  it('acts for its owner, and its last use is recorded once a minute', async () => {
    const person = await addPerson(gateway);
    const key = await createKey(person);
    const before = Date.now();
    expect((await whoIs(key)).data.me.id).toBe(person.id);
    const lastUse = async () => (await keysOf(person))[0]?.last_used_at?.getTime() ?? null;
    for (let attempt = 0; attempt < 100 && (await lastUse()) === null; attempt++) await sleep(20);
    const recorded = await lastUse();
    expect(recorded).toBeGreaterThanOrEqual(before);
    expect(recorded).toBeLessThanOrEqual(Date.now());

    await whoIs(key);
    await sleep(50);
    expect(await lastUse()).toBe(recorded);
    const longAgo = new Date(Date.now() - 61_000);
    await gateway.db.updateTable('api_key').set({ last_used_at: longAgo }).where('user_id', '=', person.uuid).execute();
    await whoIs(key);
    for (let attempt = 0; attempt < 100 && (await lastUse()) === longAgo.getTime(); attempt++) await sleep(20);
    expect(await lastUse()).toBeGreaterThan(longAgo.getTime());
  });

  it('is rejected once it expires', async () => {
    const person = await addPerson(gateway);
    const key = await createKey(person);
    const expireAt = (at: Date) =>
      gateway.db.updateTable('api_key').set({ expires_at: at }).where('user_id', '=', person.uuid).execute();
    await expireAt(new Date(Date.now() + 60_000));
    expect((await whoIs(key)).errors).toEqual([]);
    await expireAt(new Date(Date.now() - 1));
    await expectInvalid(key);
  });

  it('is rejected once its owner is deactivated', async () => {
    const person = await addPerson(gateway);
    const key = await createKey(person);
    await gateway.db.updateTable('user_account').set({ is_active: false }).where('id', '=', person.uuid).execute();
    await expectInvalid(key);
  });

  it('is rejected if changed, cut, or sent as a bearer token', async () => {
    const key = await createKey(await addPerson(gateway));
    const [last] = key.apiKey.slice(-1);
    const invalid = [
      `${key.apiKey.slice(0, -1)}${last === 'A' ? 'B' : 'A'}`,
      key.apiKey.slice(0, -1),
      `${key.apiKey}A`,
      key.apiKey.slice(7),
      key.apiKey.toLowerCase(),
      'auspex_',
      '',
      '%',
      "' or '1'='1",
    ];
    for (const apiKey of invalid) await expectInvalid({ id: '', apiKey });
    expect(codesOf(await whoIs({ token: key.apiKey }))).toEqual(['UNAUTHENTICATED']);
    expect((await whoIs(key)).errors).toEqual([]);
  });

  it('is rejected if sent twice', async () => {
    const key = await createKey(await addPerson(gateway));
    await expectInvalid({ id: '', apiKey: `${key.apiKey}, ${key.apiKey}` });
  });

  it('has the current role of its owner', async () => {
    const person = await addPerson(gateway);
    const key = await createKey(person, ['employees:write']);
    const department = await gateway.db.selectFrom('department').select('id').executeTakeFirstOrThrow();
    const input = {
      name: 'New Person',
      age: 30,
      jobTitle: 'Analyst',
      jobLevel: 1,
      hiredOn: '2026-01-05',
      salary: 50_000,
      departmentId: encodeId('department', department.id),
    };
    const hire = (email: string) =>
      gateway.execute<AnyData>(
        key,
        'mutation ($input: CreateEmployeeInput!) { createEmployee(input: $input) { email } }',
        {
          input: { ...input, email },
        },
      );
    const setRole = (role: Role) =>
      gateway.db.updateTable('user_account').set({ role }).where('id', '=', person.uuid).execute();
    expect(codesOf(await hire('one@example.org'))).toEqual(['FORBIDDEN']);
    await setRole(Role.ADMIN);
    expect((await hire('two@example.org')).data).toEqual({ createEmployee: { email: 'two@example.org' } });
    await setRole(Role.MANAGER);
    expect(codesOf(await hire('three@example.org'))).toEqual(['FORBIDDEN']);
    const hired = await gateway.db
      .selectFrom('employee')
      .select('email')
      .where('email', 'in', ['one@example.org', 'two@example.org', 'three@example.org'])
      .execute();
    expect(hired).toEqual([{ email: 'two@example.org' }]);
  });

  it('reads only salaries that its owner may read', async () => {
    const ofUser = await createKey(await addPerson(gateway));
    const ofAdmin = await createKey(await addPerson(gateway, Role.ADMIN));
    const document = '{ employees(first: 3) { nodes { name salary } } }';
    const seen = await gateway.execute<AnyData>(ofUser, document);
    expect(codesOf(seen)).toEqual(['FORBIDDEN', 'FORBIDDEN', 'FORBIDDEN']);
    expect(seen.data.employees.nodes).toEqual(Array(3).fill({ name: expect.any(String), salary: null }));
    expect((await gateway.execute<AnyData>(ofAdmin, document)).errors).toEqual([]);
  });
});

describe('the scopes of an API key', () => {
  const state = async () => ({
    employees: await gateway.db.selectFrom('employee').selectAll().orderBy('id').execute(),
    users: await gateway.db.selectFrom('user_account').selectAll().orderBy('id').execute(),
    keys: await gateway.db.selectFrom('api_key').select(['id', 'name', 'scopes']).orderBy('id').execute(),
  });

  /** Operations that each scope permits to a key of an administrator. */
  const operations = async () => {
    const { id } = await gateway.db
      .selectFrom('employee')
      .select('id')
      .where('manager_id', 'is not', null)
      .executeTakeFirstOrThrow();
    const department = await gateway.db.selectFrom('department').select('id').executeTakeFirstOrThrow();
    const employeeId = encodeId('employee', id);
    return {
      'employees:read': [EMPLOYEES, `{ employee(id: "${employeeId}") { name } }`, '{ departments { name } }'],
      'employees:write': [
        `mutation { updateEmployee(id: "${employeeId}", input: {}) { id } }`,
        `mutation { deleteEmployee(id: "${encodeId('employee', newId())}") { deletedEmployeeId } }`,
        `mutation { createEmployee(input: { name: "", email: "", age: 1, jobTitle: "", jobLevel: 1, hiredOn: "2026-01-05", salary: 1, departmentId: "${encodeId('department', department.id)}" }) { id } }`,
      ],
      predict: [
        PREDICT,
        '{ models { name } }',
        '{ model(name: "iris") { name } }',
        '{ predictions { nodes { id } } }',
        `{ prediction(id: "${encodeId('prediction', newId())}") { id } }`,
        '{ me { predictions { nodes { id } } } }',
      ],
    };
  };

  it.each(['employees:read', 'employees:write', 'predict'] as const)(
    '%s permits only its own fields, even for an administrator',
    async (scope) => {
      const key = await createKey(await addPerson(gateway, Role.ADMIN), [scope]);
      const before = await state();
      for (const [needed, documents] of Object.entries(await operations())) {
        for (const document of documents) {
          const response = await gateway.execute<AnyData>(key, document);
          const rejections = response.errors
            .filter((error) => error.extensions.code === 'FORBIDDEN')
            .map((error) => error.message);
          expect({ document, rejections }).toEqual({
            document,
            rejections: needed === scope ? [] : [`This API key lacks the scope ${needed}.`],
          });
        }
      }
      expect(await state()).toEqual(before);
    },
  );

  it('predict reads no employee through users', async () => {
    const admin = await addPerson(gateway, Role.ADMIN);
    const { id } = await gateway.db
      .selectFrom('employee')
      .select('id')
      .where(
        'id',
        'not in',
        gateway.db.selectFrom('user_account').select('employee_id').where('employee_id', 'is not', null),
      )
      .executeTakeFirstOrThrow();
    const key = await createKey(await withEmployee(gateway, admin, Role.ADMIN, id), ['predict']);
    const response = await gateway.execute<AnyData>(key, '{ me { id employee { name } } }');
    expect(response.data).toEqual({ me: { id: admin.id, employee: null } });
    expect(codesOf(response)).toEqual(['FORBIDDEN']);
    await gateway.execute(key, PREDICT);
    const predictions = await gateway.execute<AnyData>(
      key,
      '{ predictions(first: 1) { nodes { requestedBy { id employee { name } } } } }',
    );
    expect(predictions.data.predictions.nodes).toEqual([{ requestedBy: { id: admin.id, employee: null } }]);
    expect(codesOf(predictions)).toEqual(['FORBIDDEN']);
  });

  it('of an administrator reveal no other accounts through the objects that refer to them', async () => {
    const [admin, other] = [await addPerson(gateway, Role.ADMIN), await addPerson(gateway)];
    await gateway.execute({ token: other.token }, PREDICT);
    const list = '{ predictions(first: 100) { nodes { requestedBy { id email role } } } }';
    const idsSeenBy = async (caller: Caller): Promise<(string | null)[]> => {
      await gateway.execute(caller, PREDICT);
      const { data, errors } = await gateway.execute<AnyData>(caller, list);
      expect(errors).toEqual([]);
      return data.predictions.nodes.map((node: AnyData) => (node.requestedBy?.id ?? null) as string | null);
    };
    expect(await idsSeenBy({ token: admin.token })).toContain(other.id);
    const byKey = await idsSeenBy(await createKey(admin, ['predict']));
    expect(new Set(byKey)).toEqual(new Set([admin.id, null]));
  });

  it('together permit no management of accounts, sessions or keys, even for an administrator', async () => {
    const [admin, person] = [await addPerson(gateway, Role.ADMIN), await addPerson(gateway)];
    const key = await createKey(admin, ['employees:read', 'employees:write', 'predict']);
    const before = await state();
    const documents = [
      'mutation { createApiKey(name: "another") { secret } }',
      `mutation { revokeApiKey(id: "${key.id}") { revokedApiKeyId } }`,
      '{ apiKeys { id } }',
      'mutation { changePassword(currentPassword: "correct horse battery", newPassword: "staple of the barn") { accessToken } }',
      'mutation { logout { signedOutUserId } }',
      '{ users { nodes { id } } }',
      `mutation { setUserRole(userId: "${person.id}", role: ADMIN) { id } }`,
      `mutation { setUserActive(userId: "${person.id}", isActive: false) { id } }`,
      `mutation { setUserEmployee(userId: "${person.id}", employeeId: null) { id } }`,
    ];
    for (const document of documents)
      expect({ document, codes: codesOf(await gateway.execute(key, document)) }).toEqual({
        document,
        codes: ['FORBIDDEN'],
      });
    expect(await state()).toEqual(before);
  });
});

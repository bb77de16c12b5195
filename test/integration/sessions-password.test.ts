import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import bcrypt from 'bcrypt';
import { hashToken, randomToken, TokenSigner } from '../../src/auth/token.js';
import { Role } from '../../src/auth/viewer.js';
import { newId } from '../../src/database/base.entity.js';
import { useCheapHashes } from '../support/cheap-hashes.js';
import {
  codesOf,
  fieldsOf,
  startGateway,
  type GraphQLResponse,
  type AnyData,
  type TestGateway,
} from '../support/gateway.js';
import { contendForRow } from '../support/people.js';

const CHANGE =
  'mutation ($current: String!, $next: String!) { changePassword(currentPassword: $current, newPassword: $next) { accessToken refreshToken user { email } } }';
const LOGIN = 'mutation ($input: LoginInput!) { login(input: $input) { refreshToken } }';
const secret = 'vT5rQ0xYw8LkZp3BnM6sHd1FgJc9aEuI2o';
const current = 'correct horse battery';
const next = 'staple of the barn';

let gateway: TestGateway;
useCheapHashes();
beforeAll(async () => {
  gateway = await startGateway({
    JWT_SECRET: secret,
    TRUST_PROXY: '1',
    MAX_LOGINS_PER_ACCOUNT: '4',
    MAX_LOGINS_PER_ACCOUNT_TOTAL: '8',
    MAX_LOGINS_PER_ADDRESS: '6',
  });
});
afterAll(() => gateway.close());

let counter = 0;
const newAddress = () => `10.3.${Math.floor(++counter / 250)}.${counter % 250}`;

interface Person {
  id: string;
  sessionId: string;
  email: string;
  token: string;
  refreshToken: string;
}

/** An account with one open session, and the access token of that session. */
async function addPerson(): Promise<Person> {
  const [id, sessionId] = [newId(), newId()];
  const email = `person${++counter}@example.org`;
  const times = { created_at: new Date(), updated_at: new Date() };
  await gateway.db
    .insertInto('user_account')
    .values({
      id,
      email,
      password_hash: bcrypt.hashSync(current, 4),
      role: Role.USER,
      is_active: true,
      employee_id: null,
      ...times,
    })
    .execute();
  const refreshToken = `${sessionId}.${randomToken()}`;
  await gateway.db
    .insertInto('session')
    .values({
      id: sessionId,
      user_id: id,
      refresh_token_hash: hashToken(refreshToken),
      previous_token_hash: null,
      authenticated_at: new Date(),
      expires_at: new Date(Date.now() + 60_000),
      ...times,
    })
    .execute();
  const { token } = new TokenSigner(secret, 900).sign({ userId: id, role: Role.USER, employeeId: null, sessionId });
  return { id, sessionId, email, token, refreshToken };
}

const change = (person: Person, from: string, to: string, address = newAddress()): Promise<GraphQLResponse<AnyData>> =>
  gateway.execute<AnyData>(
    { token: person.token },
    CHANGE,
    { current: from, next: to },
    { 'x-forwarded-for': address },
  );

const signIn = (email: string, password: string): Promise<GraphQLResponse<AnyData>> =>
  gateway.execute<AnyData>(null, LOGIN, { input: { email, password } }, { 'x-forwarded-for': newAddress() });

const refresh = (token: string): Promise<GraphQLResponse<AnyData>> =>
  gateway.execute<AnyData>(
    null,
    'mutation ($token: String!) { refreshSession(refreshToken: $token) { accessToken } }',
    {
      token,
    },
  );

/** The state that changePassword may change. */
async function stateOf(person: Person) {
  const user = await gateway.db.selectFrom('user_account').selectAll().where('id', '=', person.id).executeTakeFirst();
  const sessions = await gateway.db
    .selectFrom('session')
    .selectAll()
    .where('user_id', '=', person.id)
    .orderBy('id')
    .execute();
  return { user, sessions };
}

describe('changePassword', () => {
  it('ends every session of the account, opens a new one, and replaces the password', async () => {
    jest.restoreAllMocks();
    const [person, other] = [await addPerson(), await addPerson()];
    const elsewhere = (await signIn(person.email, current)).data.login.refreshToken;
    const { data, errors } = await change(person, current, next);
    expect(errors).toEqual([]);
    expect(data.changePassword.user.email).toBe(person.email);
    for (const old of [person.refreshToken, elsewhere])
      expect(codesOf(await refresh(old))).toEqual(['UNAUTHENTICATED']);
    expect((await refresh(data.changePassword.refreshToken)).errors).toEqual([]);
    expect((await refresh(other.refreshToken)).errors).toEqual([]);
    expect(codesOf(await signIn(person.email, current))).toEqual(['UNAUTHENTICATED']);
    expect((await signIn(person.email, next)).errors).toEqual([]);
    expect((await stateOf(person)).user?.password_hash).toMatch(/^\$2b\$12\$/);
  });

  it.each([
    ['a wrong current password', 'incorrect horse', next, ['currentPassword']],
    ['a new password that is too short', current, 'a'.repeat(11), ['newPassword']],
    ['a new password that is too long', current, 'a'.repeat(73), ['newPassword']],
    ['a new password with NUL', current, `${next}\0`, ['newPassword']],
    ['a new password that is the current one', current, current, ['newPassword']],
    ['two invalid passwords', 'incorrect horse', 'short', ['currentPassword', 'newPassword']],
  ])('rejects %s and changes nothing', async (_name, from, to, fields) => {
    const person = await addPerson();
    const before = await stateOf(person);
    const response = await change(person, from, to);
    expect(codesOf(response)).toEqual(['BAD_USER_INPUT']);
    expect(fieldsOf(response)).toEqual(fields);
    expect(response.status).toBe(200);
    expect(await stateOf(person)).toEqual(before);
    expect((await signIn(person.email, current)).errors).toEqual([]);
  });

  it('rejects an account that was deactivated after the access token was issued, and changes nothing', async () => {
    const person = await addPerson();
    await gateway.db.updateTable('user_account').set({ is_active: false }).where('id', '=', person.id).execute();
    const before = await stateOf(person);
    expect(codesOf(await change(person, current, next))).toEqual(['UNAUTHENTICATED']);
    expect(await stateOf(person)).toEqual(before);
  });

  it('rejects an anonymous caller', async () => {
    const response = await gateway.execute(null, CHANGE, { current, next });
    expect(codesOf(response)).toEqual(['UNAUTHENTICATED']);
    expect(response.data).toEqual({ changePassword: null });
  });

  it('applies one of two concurrent changes; the other opens no session', async () => {
    const person = await addPerson();
    const responses = await contendForRow(gateway, 'session', person.sessionId, 2, () => [
      change(person, current, next),
      change(person, current, `${next} too`),
    ]);
    expect(responses.filter(({ errors }) => errors.length === 0)).toHaveLength(1);
    expect(responses.flatMap(fieldsOf)).toEqual(['currentPassword']);
    expect((await stateOf(person)).sessions).toHaveLength(1);
    const winner = responses[0]?.errors.length === 0 ? next : `${next} too`;
    expect((await signIn(person.email, winner)).errors).toEqual([]);
  });

  it('counts wrong current passwords by session, and compares no password past the limit', async () => {
    const person = await addPerson();
    const before = await stateOf(person);
    for (let attempt = 1; attempt <= 4; attempt++)
      expect(codesOf(await change(person, `guess ${attempt}`, next))).toEqual(['BAD_USER_INPUT']);
    const compare = jest.spyOn(bcrypt, 'compare');
    const rejected = await change(person, current, next);
    expect(codesOf(rejected)).toEqual(['TOO_MANY_REQUESTS']);
    expect(rejected.headers.get('retry-after')).toMatch(/^\d+$/);
    expect(compare).not.toHaveBeenCalled();
    expect(await stateOf(person)).toEqual(before);
    // Another session, and signing in, have their own limits.
    expect((await signIn(person.email, current)).errors).toEqual([]);
  });

  it('is open to a session while anonymous callers try passwords of its account, at its address too', async () => {
    const person = await addPerson();
    const address = newAddress();
    const guess = (from: string): Promise<GraphQLResponse<AnyData>> =>
      gateway.execute<AnyData>(
        null,
        LOGIN,
        { input: { email: person.email, password: 'a guess' } },
        { 'x-forwarded-for': from },
      );
    for (let attempt = 1; attempt <= 5; attempt++) await guess(address);
    for (let attempt = 1; attempt <= 5; attempt++) await guess(newAddress());
    expect(codesOf(await guess(newAddress()))).toEqual(['TOO_MANY_REQUESTS']);
    expect((await change(person, current, next, address)).errors).toEqual([]);
  });
});

describe('logs', () => {
  it('contain no password, token, API key or hash of one', async () => {
    const noisy = await startGateway({ LOG_LEVEL: 'trace' });
    try {
      const secrets: string[] = [current, next, 'a wrong guess', 'auspex-demo-2026'];
      const input = { email: 'newcomer@example.org', password: current };
      const registered = await noisy.execute<AnyData>(
        null,
        'mutation register($input: RegisterInput!) { register(input: $input) { accessToken refreshToken } }',
        { input },
      );
      const { accessToken, refreshToken } = registered.data.register;
      await noisy.execute(null, 'mutation login($input: LoginInput!) { login(input: $input) { accessToken } }', {
        input: { ...input, password: 'a wrong guess' },
      });
      await noisy.execute(
        null,
        `mutation { login(input: { email: "admin@example.com", password: "auspex-demo-2026" }) { accessToken } }`,
      );
      const refreshed = await noisy.execute<AnyData>(
        null,
        'mutation ($token: String!) { refreshSession(refreshToken: $token) { accessToken refreshToken } }',
        { token: refreshToken },
      );
      await noisy.execute(null, `mutation { refreshSession(refreshToken: "${refreshToken}") { accessToken } }`);
      const key = (
        await noisy.execute<AnyData>({ token: accessToken }, 'mutation { createApiKey(name: "a key") { secret } }')
      ).data.createApiKey.secret;
      await noisy.execute({ apiKey: key }, '{ me { id } }');
      await noisy.execute({ apiKey: `${key}x` }, '{ me { id } }');
      await noisy.execute({ token: `${accessToken}x` }, '{ me { id } }');
      const changed = await noisy.execute<AnyData>(
        { token: accessToken },
        'mutation ($from: String!, $to: String!) { changePassword(currentPassword: $from, newPassword: $to) { accessToken refreshToken } }',
        { from: current, to: next },
      );
      await noisy.execute(
        { token: accessToken },
        `mutation { changePassword(currentPassword: "${current}", newPassword: "${next}") { nothing } }`,
      );
      await noisy.execute(null, 'mutation ($input: LoginInput!) { login(input: $input) { accessToken } }', {
        input: { email: 'x', password: { nested: current } },
      });

      secrets.push(
        accessToken,
        refreshToken,
        refreshToken.slice(-43),
        refreshed.data.refreshSession.refreshToken,
        key,
        changed.data.changePassword.accessToken,
        changed.data.changePassword.refreshToken,
      );
      const users = await noisy.db.selectFrom('user_account').select('password_hash').execute();
      const sessions = await noisy.db.selectFrom('session').selectAll().execute();
      const keys = await noisy.db.selectFrom('api_key').select('secret_hash').execute();
      secrets.push(
        ...users.map((row) => row.password_hash),
        ...sessions.map((row) => row.refresh_token_hash),
        ...keys.map((row) => row.secret_hash),
      );
      const text = JSON.stringify(noisy.logs);
      expect(secrets.filter((value) => value === '' || text.includes(value))).toEqual([]);
      expect(noisy.logs.filter((line) => line.msg === 'operation').length).toBeGreaterThanOrEqual(9);
    } finally {
      await noisy.close();
    }
  });
});

import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { useCheapHashes } from '../support/cheap-hashes.js';
import {
  codesOf,
  fieldsOf,
  startGateway,
  type GraphQLResponse,
  type AnyData,
  type TestGateway,
} from '../support/gateway.js';

const REGISTER =
  'mutation ($input: RegisterInput!) { register(input: $input) { accessToken refreshToken user { email role isActive employee { id } } } }';
const password = 'correct horse battery';

let gateway: TestGateway;
useCheapHashes();
beforeAll(async () => {
  gateway = await startGateway({ TRUST_PROXY: '1', MAX_REGISTRATIONS_PER_ADDRESS: '3' });
});
afterAll(() => gateway.close());

let counter = 0;
const newAddress = () => `10.2.${Math.floor(++counter / 250)}.${counter % 250}`;
const newEmail = () => `newcomer${++counter}@example.org`;

const register = (email: string, password: string, address = newAddress()): Promise<GraphQLResponse<AnyData>> =>
  gateway.execute<AnyData>(null, REGISTER, { input: { email, password } }, { 'x-forwarded-for': address });

const rowsOf = (of: TestGateway) => of.db.selectFrom('user_account').selectAll().orderBy('id').execute();
const countSessions = async (of: TestGateway) => (await of.db.selectFrom('session').select('id').execute()).length;

/** Expects BAD_USER_INPUT for the given fields and unchanged accounts and sessions. */
async function expectRejected(email: string, password: string, fields: string[]): Promise<GraphQLResponse<AnyData>> {
  const before = { rows: await rowsOf(gateway), sessions: await countSessions(gateway) };
  const response = await register(email, password);
  expect(codesOf(response)).toEqual(['BAD_USER_INPUT']);
  expect(fieldsOf(response)).toEqual(fields);
  expect({ rows: await rowsOf(gateway), sessions: await countSessions(gateway) }).toEqual(before);
  return response;
}

describe('register', () => {
  it('creates an account with the role USER and signs it in', async () => {
    const email = newEmail();
    const { data, errors, status } = await register(email, password);
    expect({ errors, status }).toEqual({ errors: [], status: 200 });
    expect(data.register.user).toEqual({ email, role: 'USER', isActive: true, employee: null });
    expect(
      (await gateway.execute<AnyData>({ token: data.register.accessToken }, '{ me { email role } }')).data.me,
    ).toEqual({
      email,
      role: 'USER',
    });
    const again = await gateway.execute<AnyData>(
      null,
      'mutation ($token: String!) { refreshSession(refreshToken: $token) { user { email } } }',
      { token: data.register.refreshToken },
    );
    expect(again.data.refreshSession.user.email).toBe(email);
  });

  it('stores only a bcrypt hash of cost 12 of the password', async () => {
    jest.restoreAllMocks();
    const email = newEmail();
    await register(email, password);
    const row = (await rowsOf(gateway)).find((user) => user.email === email);
    expect(row?.password_hash).toMatch(/^\$2b\$12\$.{53}$/);
    expect(JSON.stringify(row)).not.toContain(password);
  });

  it('stores the e-mail address in lower case without surrounding space', async () => {
    const email = newEmail();
    const { data } = await register(`  ${email.toUpperCase()} `, password);
    expect(data.register.user.email).toBe(email);
    await expectRejected(email, password, ['email']);
    await expectRejected(email.toUpperCase(), password, ['email']);
  });

  it('rejects the e-mail address of an existing account', async () => {
    const response = await expectRejected('admin@example.com', password, ['email']);
    expect(response.errors[0]?.message).toContain('already has an account');
  });

  it('creates one account for two concurrent registrations and rejects the other with the reason', async () => {
    const email = newEmail();
    const responses = await Promise.all([register(email, password), register(email, password)]);
    expect(responses.filter(({ errors }) => errors.length === 0)).toHaveLength(1);
    const rejected = responses.find(({ errors }) => errors.length > 0);
    expect(rejected ? [codesOf(rejected), fieldsOf(rejected)] : null).toEqual([['BAD_USER_INPUT'], ['email']]);
    expect((await rowsOf(gateway)).filter((user) => user.email === email)).toHaveLength(1);
  });

  it.each([
    '',
    'nobody',
    'a@b',
    'a b@example.org',
    'a@example.org, b@example.org',
    'a\0@example.org',
    'a@example.org\nbcc: b@example.org',
    `${'a'.repeat(64)}@${'b'.repeat(250)}.org`,
    'ä@example.org\ud800',
  ])('rejects %j as an e-mail address', async (email) => {
    await expectRejected(email, password, ['email']);
  });

  it('reports every invalid field at once', async () => {
    await expectRejected('nobody', 'short', ['email', 'password']);
    await expectRejected('admin@example.com', 'short', ['email', 'password']);
  });

  it('never repeats the password in an error', async () => {
    const { errors } = await expectRejected('nobody', 'sesame', ['email', 'password']);
    expect(JSON.stringify(errors)).not.toContain('sesame');
  });

  it.each([
    ['11 characters', 'a'.repeat(11)],
    ['11 characters that are 22 UTF-16 units', '🦊'.repeat(11)],
    ['73 bytes', 'a'.repeat(73)],
    ['73 bytes in 37 characters', `${'é'.repeat(36)}a`],
    ['the character NUL', `${password}\0`],
    ['an incomplete surrogate pair', `${password}\ud83e`],
    ['900,000 characters', 'a'.repeat(900_000)],
    ['a common text', 'Password1234'],
    ['a repeated text', 'auspexauspex'],
  ])('rejects a password of %s', async (_name, password) => {
    await expectRejected(newEmail(), password, ['password']);
  });

  it.each([
    ['12 characters', 'kvehqzptwxag'],
    ['72 bytes', `${'kvehqzptwxag'.repeat(5)}longer words`],
    ['72 bytes in 36 characters', 'éàèùâêîôûëïüÿç'.padEnd(36, 'éèê')],
  ])('accepts a password of %s and signs in with it', async (_name, password) => {
    const email = newEmail();
    expect((await register(email, password)).errors).toEqual([]);
    const response = await gateway.execute<AnyData>(
      null,
      'mutation ($input: LoginInput!) { login(input: $input) { user { email } } }',
      { input: { email, password } },
    );
    expect(response.data?.login.user.email).toBe(email);
  });

  it('rejects a role in the input', async () => {
    const before = await rowsOf(gateway);
    const response = await gateway.execute(null, REGISTER, {
      input: { email: newEmail(), password, role: 'ADMIN' },
    });
    expect(codesOf(response)).toEqual(['BAD_USER_INPUT']);
    expect(await rowsOf(gateway)).toEqual(before);
  });

  it('limits registrations per address, including invalid ones, without affecting other addresses', async () => {
    const address = newAddress();
    for (let attempt = 1; attempt <= 3; attempt++)
      expect(codesOf(await register('nobody', 'short', address))).toEqual(['BAD_USER_INPUT']);
    const before = await rowsOf(gateway);
    const rejected = await register(newEmail(), password, address);
    expect(codesOf(rejected)).toEqual(['TOO_MANY_REQUESTS']);
    expect(Number(rejected.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await rowsOf(gateway)).toEqual(before);
    expect(codesOf(await register('nobody', 'short'))).toEqual(['BAD_USER_INPUT']);
  });
});

describe('closed registration', () => {
  it.each([
    ['by REGISTRATION=closed', { REGISTRATION: 'closed' }],
    ['in production by default', { NODE_ENV: 'production', DEMO_DATA: 'true' }],
  ])('is rejected %s and creates no account', async (_name, env) => {
    const closed = await startGateway(env);
    try {
      const before = { rows: await rowsOf(closed), sessions: await countSessions(closed) };
      for (const email of ['newcomer@example.org', 'admin@example.com', 'nobody']) {
        const response = await closed.execute<AnyData>(null, REGISTER, { input: { email, password } });
        expect(codesOf(response)).toEqual(['FORBIDDEN']);
        expect(response.errors[0]?.message).toContain('Registration is closed');
      }
      expect({ rows: await rowsOf(closed), sessions: await countSessions(closed) }).toEqual(before);
    } finally {
      await closed.close();
    }
  });
});

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { codesOf, fieldsOf, startGateway, type Answer, type Any, type TestGateway } from '../kit/gateway.js';

const REGISTER = 'mutation ($input: RegisterInput!) { register(input: $input) { accessToken refreshToken user { email role isActive employee { id } } } }';
const good = 'correct horse battery';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway({ TRUST_PROXY: '1', MAX_REGISTRATIONS_PER_ADDRESS: '3' });
});
afterAll(() => gateway.close());

let made = 0;
const newAddress = () => `10.2.${Math.floor(++made / 250)}.${made % 250}`;
const newEmail = () => `newcomer${++made}@example.org`;

const register = (email: string, password: string, address = newAddress()): Promise<Answer<Any>> =>
  gateway.ask<Any>(null, REGISTER, { input: { email, password } }, { 'x-forwarded-for': address });

const rowsOf = (of: TestGateway) => of.db.selectFrom('user_account').selectAll().orderBy('id').execute();
const countSessions = async (of: TestGateway) => (await of.db.selectFrom('session').select('id').execute()).length;

/** Expects a refusal of the given fields, with accounts and sessions as they were. */
async function expectRefused(email: string, password: string, fields: string[]): Promise<Answer<Any>> {
  const before = { rows: await rowsOf(gateway), sessions: await countSessions(gateway) };
  const answer = await register(email, password);
  expect(codesOf(answer)).toEqual(['BAD_USER_INPUT']);
  expect(fieldsOf(answer)).toEqual(fields);
  expect({ rows: await rowsOf(gateway), sessions: await countSessions(gateway) }).toEqual(before);
  return answer;
}

describe('register', () => {
  it('makes an account with the role USER and signs it in', async () => {
    const email = newEmail();
    const { data, errors, status } = await register(email, good);
    expect({ errors, status }).toEqual({ errors: [], status: 200 });
    expect(data.register.user).toEqual({ email, role: 'USER', isActive: true, employee: null });
    expect((await gateway.ask<Any>({ token: data.register.accessToken }, '{ me { email role } }')).data.me).toEqual({ email, role: 'USER' });
    const again = await gateway.ask<Any>(null, 'mutation ($token: String!) { refreshSession(refreshToken: $token) { user { email } } }', { token: data.register.refreshToken });
    expect(again.data.refreshSession.user.email).toBe(email);
  });

  it('stores the password as a bcrypt hash of cost 12 and nothing else of it', async () => {
    const email = newEmail();
    await register(email, good);
    const row = (await rowsOf(gateway)).find((user) => user.email === email);
    expect(row?.password_hash).toMatch(/^\$2b\$12\$.{53}$/);
    expect(JSON.stringify(row)).not.toContain(good);
  });

  it('takes the address in lower case and without the space around it', async () => {
    const email = newEmail();
    const { data } = await register(`  ${email.toUpperCase()} `, good);
    expect(data.register.user.email).toBe(email);
    await expectRefused(email, good, ['email']);
    await expectRefused(email.toUpperCase(), good, ['email']);
  });

  it('refuses an address that has an account', async () => {
    const answer = await expectRefused('admin@example.com', good, ['email']);
    expect(answer.errors[0]?.message).toContain('already has an account');
  });

  it('makes one account of two registrations at once, and tells the loser why', async () => {
    const email = newEmail();
    const answers = await Promise.all([register(email, good), register(email, good)]);
    expect(answers.filter(({ errors }) => errors.length === 0)).toHaveLength(1);
    const loser = answers.find(({ errors }) => errors.length > 0);
    expect(loser ? [codesOf(loser), fieldsOf(loser)] : null).toEqual([['BAD_USER_INPUT'], ['email']]);
    expect((await rowsOf(gateway)).filter((user) => user.email === email)).toHaveLength(1);
  });

  it.each(['', 'nobody', 'a@b', 'a b@example.org', 'a@example.org, b@example.org', 'a\0@example.org', 'a@example.org\nbcc: b@example.org', `${'a'.repeat(64)}@${'b'.repeat(250)}.org`, 'ä@example.org\ud800'])(
    'refuses %j as an address',
    async (email) => {
      await expectRefused(email, good, ['email']);
    },
  );

  it('names every faulty field at once', async () => {
    await expectRefused('nobody', 'short', ['email', 'password']);
    await expectRefused('admin@example.com', 'short', ['email', 'password']);
  });

  it('never repeats the password in a refusal', async () => {
    const { errors } = await expectRefused('nobody', 'sesame', ['email', 'password']);
    expect(JSON.stringify(errors)).not.toContain('sesame');
  });

  it.each([
    ['11 characters', 'a'.repeat(11)],
    ['11 characters that are 22 UTF-16 units', '🦊'.repeat(11)],
    ['73 bytes', 'a'.repeat(73)],
    ['73 bytes in 37 characters', `${'é'.repeat(36)}a`],
    ['the character NUL', `${good}\0`],
    ['half a character', `${good}\ud83e`],
    ['a megabyte less a little', 'a'.repeat(900_000)],
  ])('refuses a password of %s', async (_name, password) => {
    await expectRefused(newEmail(), password, ['password']);
  });

  it.each([
    ['12 characters', 'a'.repeat(12)],
    ['72 bytes', 'a'.repeat(72)],
    ['72 bytes in 36 characters', 'é'.repeat(36)],
  ])('takes a password of %s, and signs in with it', async (_name, password) => {
    const email = newEmail();
    expect((await register(email, password)).errors).toEqual([]);
    const answer = await gateway.ask<Any>(null, 'mutation ($input: LoginInput!) { login(input: $input) { user { email } } }', { input: { email, password } });
    expect(answer.data?.login.user.email).toBe(email);
  });

  it('lets nobody choose a role', async () => {
    const before = await rowsOf(gateway);
    const answer = await gateway.ask(null, REGISTER, { input: { email: newEmail(), password: good, role: 'ADMIN' } });
    expect(codesOf(answer)).toEqual(['BAD_USER_INPUT']);
    expect(await rowsOf(gateway)).toEqual(before);
  });

  it('lets an address register up to the limit, faulty attempts among them; another address goes on', async () => {
    const address = newAddress();
    for (let attempt = 1; attempt <= 3; attempt++) expect(codesOf(await register('nobody', 'short', address))).toEqual(['BAD_USER_INPUT']);
    const before = await rowsOf(gateway);
    const refused = await register(newEmail(), good, address);
    expect(refused.status).toBe(429);
    expect(codesOf(refused)).toEqual(['TOO_MANY_REQUESTS']);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await rowsOf(gateway)).toEqual(before);
    expect(codesOf(await register('nobody', 'short'))).toEqual(['BAD_USER_INPUT']);
  });
});

describe('register where it is closed', () => {
  it.each([
    ['by REGISTRATION=closed', { REGISTRATION: 'closed' }],
    ['in production, where nothing is said', { NODE_ENV: 'production', DEMO_DATA: 'true' }],
  ])('is refused %s, and makes no account', async (_name, env) => {
    const closed = await startGateway(env);
    try {
      const before = await rowsOf(closed);
      for (const email of ['newcomer@example.org', 'admin@example.com', 'nobody']) {
        const answer = await closed.ask<Any>(null, REGISTER, { input: { email, password: good } });
        expect(codesOf(answer)).toEqual(['FORBIDDEN']);
        expect(answer.errors[0]?.message).toContain('Registration is closed');
      }
      expect(await rowsOf(closed)).toEqual(before);
      expect(await countSessions(closed)).toBe(0);
    } finally {
      await closed.close();
    }
  });

  it('is open in production where that is asked for', async () => {
    const open = await startGateway({ NODE_ENV: 'production', DEMO_DATA: 'true', REGISTRATION: 'open' });
    try {
      const answer = await open.ask<Any>(null, REGISTER, { input: { email: 'newcomer@example.org', password: good } });
      expect(answer.data.register.user.email).toBe('newcomer@example.org');
    } finally {
      await open.close();
    }
  });
});

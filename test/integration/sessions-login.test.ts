import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import bcrypt from 'bcrypt';
import { Role } from '../../src/auth/viewer.js';
import { newId } from '../../src/database/base.entity.js';
import { codesOf, startGateway, type Answer, type Any, type TestGateway } from '../kit/gateway.js';

const LOGIN = 'mutation ($input: LoginInput!) { login(input: $input) { accessToken accessTokenExpiresAt refreshToken refreshTokenExpiresAt user { email role } } }';
const right = 'correct horse battery';
const wrong = 'correct horse cattery';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway({ TRUST_PROXY: '1', MAX_LOGINS_PER_ACCOUNT: '4', MAX_LOGINS_PER_ADDRESS: '6' });
});
afterAll(() => gateway.close());
afterEach(() => {
  jest.restoreAllMocks();
});

let made = 0;
/** An address that no other test has called from. */
const newAddress = () => `10.0.${Math.floor(++made / 250)}.${made % 250}`;

/** Adds an account with a cheap hash, so that only the counted comparisons cost time. */
async function addUser({ password = right, isActive = true } = {}): Promise<{ id: string; email: string }> {
  const id = newId();
  const email = `person${++made}@example.org`;
  const now = new Date();
  await gateway.db
    .insertInto('user_account')
    .values({ id, email, password_hash: bcrypt.hashSync(password, 4), role: Role.USER, is_active: isActive, employee_id: null, created_at: now, updated_at: now })
    .execute();
  return { id, email };
}

/** bcrypt's comparison as the gateway calls it, by promise. */
const comparing: { compare: (password: string, hash: string) => Promise<boolean> } = bcrypt;

const signIn = (email: string, password: string, address = newAddress()): Promise<Answer<Any>> =>
  gateway.ask<Any>(null, LOGIN, { input: { email, password } }, { 'x-forwarded-for': address });

const sessionsOf = (userId: string) => gateway.db.selectFrom('session').selectAll().where('user_id', '=', userId).orderBy('created_at').execute();
const countSessions = async () => (await gateway.db.selectFrom('session').select('id').execute()).length;

describe('signing in', () => {
  it('gives a token that says who is asking, the token that renews it, and when each ends', async () => {
    const user = await addUser();
    const { data, errors, status } = await signIn(user.email, right);
    expect({ errors, status }).toEqual({ errors: [], status: 200 });
    expect(data.login.user).toEqual({ email: user.email, role: 'USER' });
    const minutes = (Date.parse(data.login.accessTokenExpiresAt) - Date.now()) / 60_000;
    const days = (Date.parse(data.login.refreshTokenExpiresAt) - Date.now()) / 86_400_000;
    expect(minutes).toBeGreaterThan(14.5);
    expect(minutes).toBeLessThanOrEqual(15);
    expect(days).toBeGreaterThan(29.9);
    expect(days).toBeLessThanOrEqual(30);
    const me = await gateway.ask<Any>({ token: data.login.accessToken }, '{ me { email } }');
    expect(me.data.me.email).toBe(user.email);
  });

  it('stores the refresh token hashed only', async () => {
    const user = await addUser();
    const { data } = await signIn(user.email, right);
    const [session] = await sessionsOf(user.id);
    expect(session?.refresh_token_hash).toMatch(/^[0-9a-f]{64}$/);
    const secretPart = data.login.refreshToken.slice(-43);
    expect(JSON.stringify(session)).not.toContain(secretPart);
  });

  it('takes the e-mail address in any case and with space around it', async () => {
    const user = await addUser();
    expect((await signIn(`  ${user.email.toUpperCase()} `, right)).errors).toEqual([]);
  });

  it('answers a wrong password, an unknown address and a switched-off account alike, and opens no session', async () => {
    const known = await addUser();
    const off = await addUser({ isActive: false });
    const before = await countSessions();
    const answers = [await signIn(known.email, wrong), await signIn('nobody@example.org', right), await signIn(off.email, right), await signIn(off.email, wrong)];
    const seen = answers.map(({ status, data, errors }) => ({ status, data, errors }));
    expect(seen[0]?.status).toBe(401);
    expect(seen[0]?.errors[0]).toMatchObject({ message: 'The e-mail address or the password is wrong.', extensions: { code: 'UNAUTHENTICATED' } });
    for (const one of seen) expect(one).toEqual(seen[0]);
    expect(await countSessions()).toBe(before);
  });

  it('compares a password at full cost for an unknown address too, so that time tells nothing', async () => {
    const compare = jest.spyOn(comparing, 'compare');
    const known = await addUser();
    const off = await addUser({ isActive: false });
    const attempts: [string, string][] = [[known.email, wrong], [off.email, right], ['nobody@example.org', wrong], ['not an address', wrong], ['', wrong], ['x'.repeat(400), wrong]];
    for (const [email, password] of attempts) await signIn(email, password);
    expect(compare).toHaveBeenCalledTimes(attempts.length);
    const unknown = compare.mock.calls.slice(2).map(([, hash]) => hash);
    for (const hash of unknown) expect(hash).toMatch(/^\$2b\$12\$/);
  });

  it('refuses a password that only begins with the right one', async () => {
    const full = 'x'.repeat(72);
    const longest = await addUser({ password: full });
    const usual = await addUser();
    expect(codesOf(await signIn(longest.email, `${full}y`))).toEqual(['UNAUTHENTICATED']);
    expect(codesOf(await signIn(usual.email, `${right}\0more`))).toEqual(['UNAUTHENTICATED']);
    expect(await sessionsOf(longest.id)).toEqual([]);
    expect(await sessionsOf(usual.id)).toEqual([]);
    expect((await signIn(longest.email, full)).errors).toEqual([]);
  });

  it('keeps the newest 20 sessions of a user and ends the oldest, and touches nobody else’s', async () => {
    const [user, other] = [await addUser(), await addUser()];
    const row = (userId: string, age: number) => {
      const at = new Date(Date.now() - age * 60_000);
      return { id: newId(), user_id: userId, refresh_token_hash: `${++made}`, previous_token_hash: null, expires_at: new Date(Date.now() + 60_000), created_at: at, updated_at: at };
    };
    await gateway.db.insertInto('session').values([...Array.from({ length: 20 }, (_, age) => row(user.id, age + 1)), row(other.id, 999)]).execute();
    const [oldest, second] = await sessionsOf(user.id);
    expect((await signIn(user.email, right)).errors).toEqual([]);
    const left = await sessionsOf(user.id);
    expect(left).toHaveLength(20);
    expect(left.map(({ id }) => id)).not.toContain(oldest?.id);
    expect(left[0]?.id).toBe(second?.id);
    expect(await sessionsOf(other.id)).toHaveLength(1);
  });

  it.each([
    ['the password is changed', { password_hash: bcrypt.hashSync('another password', 4) }],
    ['the account is switched off', { is_active: false }],
  ])('opens no session where %s while the old password is being compared', async (_name, change) => {
    const user = await addUser();
    const { compare } = comparing;
    jest.spyOn(comparing, 'compare').mockImplementationOnce(async (password, hash) => {
      const isRight = await compare(password, hash);
      await gateway.db.updateTable('user_account').set(change).where('id', '=', user.id).execute();
      return isRight;
    });
    expect(codesOf(await signIn(user.email, right))).toEqual(['UNAUTHENTICATED']);
    expect(await sessionsOf(user.id)).toEqual([]);
  });

  it('signs in with the role that the account has by then', async () => {
    const user = await addUser();
    const { compare } = comparing;
    jest.spyOn(comparing, 'compare').mockImplementationOnce(async (password, hash) => {
      await gateway.db.updateTable('user_account').set({ role: Role.MANAGER }).where('id', '=', user.id).execute();
      return compare(password, hash);
    });
    expect((await signIn(user.email, right)).data.login.user.role).toBe('MANAGER');
  });
});

describe('the throttle of sign-ins', () => {
  it('lets an account be tried up to the limit from any number of addresses, then refuses the right password too', async () => {
    const user = await addUser();
    for (let attempt = 1; attempt <= 4; attempt++) expect((await signIn(user.email, wrong)).status).toBe(401);
    const refused = await signIn(user.email, right);
    expect(codesOf(refused)).toEqual(['TOO_MANY_REQUESTS']);
    expect(refused.status).toBe(429);
    const seconds = Number(refused.headers.get('retry-after'));
    expect(seconds).toBeGreaterThan(800);
    expect(seconds).toBeLessThanOrEqual(900);
    expect(refused.errors[0]?.extensions.retryAfterSeconds).toBe(seconds);
    expect(await sessionsOf(user.id)).toEqual([]);
  });

  it('answers a known and an unknown account alike, before the limit and past it', async () => {
    const known = await addUser();
    const unknown = `nobody${++made}@example.org`;
    for (const email of [known.email, unknown]) for (let attempt = 1; attempt <= 4; attempt++) await signIn(email, wrong);
    const shown = ({ status, data, errors }: Answer<unknown>) => ({ status, data, errors: JSON.stringify(errors).replace(/\d+/g, 'n') });
    const [one, other] = [await signIn(known.email, wrong), await signIn(unknown, wrong)];
    expect(shown(one)).toEqual(shown(other));
    expect(one.status).toBe(429);
  });

  it('compares no password past the limit', async () => {
    const user = await addUser();
    for (let attempt = 1; attempt <= 4; attempt++) await signIn(user.email, wrong);
    const compare = jest.spyOn(comparing, 'compare');
    expect((await signIn(user.email, right)).status).toBe(429);
    expect(compare).not.toHaveBeenCalled();
  });

  it('lets an address try up to the limit on any number of accounts; another address goes on', async () => {
    const address = newAddress();
    for (let attempt = 1; attempt <= 6; attempt++) expect((await signIn((await addUser()).email, wrong, address)).status).toBe(401);
    const user = await addUser();
    const refused = await signIn(user.email, right, address);
    expect(refused.status).toBe(429);
    expect(codesOf(refused)).toEqual(['TOO_MANY_REQUESTS']);
    expect(await sessionsOf(user.id)).toEqual([]);
    expect((await signIn(user.email, right, newAddress())).errors).toEqual([]);
  });

  it('lets nobody lock accounts from an address that is past its own limit', async () => {
    const address = newAddress();
    const user = await addUser();
    for (let attempt = 1; attempt <= 6; attempt++) await signIn((await addUser()).email, wrong, address);
    for (let attempt = 1; attempt <= 5; attempt++) expect((await signIn(user.email, wrong, address)).status).toBe(429);
    expect((await signIn(user.email, right)).errors).toEqual([]);
  });

  it('counts an IPv6 address by its network, of which one caller has billions', async () => {
    for (let attempt = 1; attempt <= 6; attempt++) expect((await signIn((await addUser()).email, wrong, `2001:db8:0:7::${attempt}`)).status).toBe(401);
    expect((await signIn((await addUser()).email, wrong, '2001:db8:0:7:ffff::1')).status).toBe(429);
    expect((await signIn((await addUser()).email, wrong, '2001:db8:0:8::1')).status).toBe(401);
  });

  it('counts every spelling of an address that finds the same account as that account', async () => {
    const user = await addUser();
    const spellings = [user.email, user.email.toUpperCase(), ` ${user.email}\n`, `${user.email}\0`, `\0\0${user.email}`, user.email.replace('@', '\0@'), `${user.email} \0`];
    const statuses: number[] = [];
    for (const spelling of spellings) statuses.push((await signIn(spelling, wrong)).status);
    expect(statuses.filter((status) => status === 401).length).toBeLessThanOrEqual(4);
    expect((await signIn(user.email, right)).status).toBe(429);
  });

  it('counts each attempt in one operation, under whatever alias', async () => {
    const user = await addUser();
    const compare = jest.spyOn(comparing, 'compare');
    const address = newAddress();
    const attempt = (name: string, password: string) => `${name}: login(input: { email: "${user.email}", password: "${password}" }) { accessToken }`;
    const document = `mutation { ${Array.from({ length: 12 }, (_, at) => attempt(`a${at}`, `${wrong}${at}`)).join(' ')} z: ${attempt('', right).slice(2)} }`;
    for (let round = 1; round <= 5; round++) await gateway.ask(null, document, {}, { 'x-forwarded-for': address });
    expect(compare.mock.calls.length).toBeLessThanOrEqual(4);
    expect((await signIn(user.email, right)).status).toBe(429);
    expect(await sessionsOf(user.id)).toEqual([]);
  });

  it('counts attempts that come at once', async () => {
    const user = await addUser();
    const compare = jest.spyOn(comparing, 'compare');
    const answers = await Promise.all(Array.from({ length: 12 }, () => signIn(user.email, wrong)));
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(4);
    expect(compare).toHaveBeenCalledTimes(4);
  });

  it('forgets the wrong attempts on an account once the right password comes', async () => {
    const user = await addUser();
    for (let round = 1; round <= 3; round++) {
      for (let attempt = 1; attempt <= 3; attempt++) expect((await signIn(user.email, wrong)).status).toBe(401);
      expect((await signIn(user.email, right)).errors).toEqual([]);
    }
  });

  it('does not let a right password clear the count of its address', async () => {
    const user = await addUser();
    const address = newAddress();
    for (let attempt = 1; attempt <= 6; attempt++) expect((await signIn(user.email, right, address)).status).toBe(200);
    expect((await signIn(user.email, right, address)).status).toBe(429);
  });
});

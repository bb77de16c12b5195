import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import bcrypt from 'bcrypt';
import { defaultHashingLimits } from '../../src/auth/hashing-queue.js';
import { passwordQueue } from '../../src/auth/password.js';
import { Role } from '../../src/auth/viewer.js';
import { newId } from '../../src/database/base.entity.js';
import { useCheapHashes } from '../support/cheap-hashes.js';
import { codesOf, startGateway, type GraphQLResponse, type AnyData, type TestGateway } from '../support/gateway.js';
import { waitUntil } from '../support/wait-until.js';

const LOGIN =
  'mutation ($input: LoginInput!) { login(input: $input) { accessToken accessTokenExpiresAt refreshToken refreshTokenExpiresAt user { email role } } }';
const correct = 'correct horse battery';
const wrong = 'correct horse cattery';

let gateway: TestGateway;
useCheapHashes();
beforeAll(async () => {
  gateway = await startGateway({
    TRUST_PROXY: '1',
    MAX_LOGINS_PER_ACCOUNT: '4',
    MAX_LOGINS_PER_ACCOUNT_TOTAL: '5',
    MAX_LOGINS_PER_ADDRESS: '6',
  });
});
afterAll(() => gateway.close());

let counter = 0;
/** @returns an address that no other test uses. */
const newAddress = () => `10.0.${Math.floor(++counter / 250)}.${counter % 250}`;

/** Adds an account with a cheap hash, so that only the counted comparisons cost time. */
async function addUser({ password = correct, isActive = true } = {}): Promise<{ id: string; email: string }> {
  const id = newId();
  const email = `person${++counter}@example.org`;
  const now = new Date();
  await gateway.db
    .insertInto('user_account')
    .values({
      id,
      email,
      password_hash: bcrypt.hashSync(password, 4),
      role: Role.USER,
      is_active: isActive,
      employee_id: null,
      created_at: now,
      updated_at: now,
    })
    .execute();
  return { id, email };
}

/** The promise form of bcrypt's comparison, which the gateway calls. */
const hashing: { compare: (password: string, hash: string) => Promise<boolean> } = bcrypt;

const signIn = (email: string, password: string, address = newAddress()): Promise<GraphQLResponse<AnyData>> =>
  gateway.execute<AnyData>(null, LOGIN, { input: { email, password } }, { 'x-forwarded-for': address });

const sessionsOf = (userId: string) =>
  gateway.db.selectFrom('session').selectAll().where('user_id', '=', userId).orderBy('created_at').execute();
const countSessions = async () => (await gateway.db.selectFrom('session').select('id').execute()).length;

describe('signing in', () => {
  it('returns an access token, a refresh token and their expiry', async () => {
    const user = await addUser();
    const { data, errors, status } = await signIn(user.email, correct);
    expect({ errors, status }).toEqual({ errors: [], status: 200 });
    expect(data.login.user).toEqual({ email: user.email, role: 'USER' });
    const minutes = (Date.parse(data.login.accessTokenExpiresAt) - Date.now()) / 60_000;
    const days = (Date.parse(data.login.refreshTokenExpiresAt) - Date.now()) / 86_400_000;
    expect(minutes).toBeGreaterThan(14.5);
    expect(minutes).toBeLessThanOrEqual(15);
    expect(days).toBeGreaterThan(13.9);
    expect(days).toBeLessThanOrEqual(14);
    const me = await gateway.execute<AnyData>({ token: data.login.accessToken }, '{ me { email } }');
    expect(me.data.me.email).toBe(user.email);
  });

  it('stores only a hash of the refresh token', async () => {
    const user = await addUser();
    const { data } = await signIn(user.email, correct);
    const [session] = await sessionsOf(user.id);
    expect(session?.refresh_token_hash).toMatch(/^[0-9a-f]{64}$/);
    const secretPart = data.login.refreshToken.slice(-43);
    expect(JSON.stringify(session)).not.toContain(secretPart);
  });

  it('ignores case and surrounding space in the e-mail address', async () => {
    const user = await addUser();
    expect((await signIn(`  ${user.email.toUpperCase()} `, correct)).errors).toEqual([]);
  });

  it('responds equally to a wrong password, an unknown address and an inactive account, and opens no session', async () => {
    const known = await addUser();
    const off = await addUser({ isActive: false });
    const before = await countSessions();
    const responses = [
      await signIn(known.email, wrong),
      await signIn('nobody@example.org', correct),
      await signIn(off.email, correct),
      await signIn(off.email, wrong),
    ];
    const seen = responses.map(({ status, data, errors }) => ({ status, data, errors }));
    expect(seen[0]).toMatchObject({ status: 200, data: { login: null } });
    expect(seen[0]?.errors[0]).toMatchObject({
      message: 'The e-mail address or the password is wrong.',
      extensions: { code: 'UNAUTHENTICATED' },
    });
    for (const one of seen) expect(one).toEqual(seen[0]);
    expect(await countSessions()).toBe(before);
  });

  it('compares a password at full cost for an unknown address too, so that timing reveals nothing', async () => {
    const compare = jest.spyOn(hashing, 'compare');
    const known = await addUser();
    const off = await addUser({ isActive: false });
    const attempts: [string, string][] = [
      [known.email, wrong],
      [off.email, correct],
      ['nobody@example.org', wrong],
      ['not an address', wrong],
      ['', wrong],
      ['x'.repeat(400), wrong],
    ];
    for (const [email, password] of attempts) await signIn(email, password);
    expect(compare).toHaveBeenCalledTimes(attempts.length);
    const unknown = compare.mock.calls.slice(2).map(([, hash]) => hash);
    for (const hash of unknown) expect(hash).toMatch(/^\$2b\$12\$/);
  });

  it('stores a hash of the current cost if the right password had a cheaper one', async () => {
    jest.restoreAllMocks();
    const { id, email } = await addUser();
    const hashOf = async (): Promise<string> => {
      const user = gateway.db.selectFrom('user_account').select('password_hash').where('id', '=', id);
      return (await user.executeTakeFirstOrThrow()).password_hash;
    };
    const cheap = await hashOf();
    expect(codesOf(await signIn(email, wrong))).toEqual(['UNAUTHENTICATED']);
    expect(await hashOf()).toBe(cheap);
    expect((await signIn(email, correct)).errors).toEqual([]);
    const raised = await hashOf();
    expect(raised).toMatch(/^\$2b\$12\$/);
    expect((await signIn(email, correct)).errors).toEqual([]);
    expect(await hashOf()).toBe(raised);
    expect(codesOf(await signIn(email, wrong))).toEqual(['UNAUTHENTICATED']);
  });

  it('rejects a password that only starts with the correct one', async () => {
    const full = 'x'.repeat(72);
    const longest = await addUser({ password: full });
    const usual = await addUser();
    expect(codesOf(await signIn(longest.email, `${full}y`))).toEqual(['UNAUTHENTICATED']);
    expect(codesOf(await signIn(usual.email, `${correct}\0more`))).toEqual(['UNAUTHENTICATED']);
    expect(await sessionsOf(longest.id)).toEqual([]);
    expect(await sessionsOf(usual.id)).toEqual([]);
    expect((await signIn(longest.email, full)).errors).toEqual([]);
  });

  it('keeps the newest 20 sessions of a user, ends the oldest, and changes no session of others', async () => {
    const [user, other] = [await addUser(), await addUser()];
    const row = (userId: string, age: number) => {
      const at = new Date(Date.now() - age * 60_000);
      return {
        id: newId(),
        user_id: userId,
        refresh_token_hash: `${++counter}`,
        previous_token_hash: null,
        authenticated_at: new Date(),
        expires_at: new Date(Date.now() + 60_000),
        created_at: at,
        updated_at: at,
      };
    };
    await gateway.db
      .insertInto('session')
      .values([...Array.from({ length: 20 }, (_, age) => row(user.id, age + 1)), row(other.id, 999)])
      .execute();
    const [oldest, second] = await sessionsOf(user.id);
    expect((await signIn(user.email, correct)).errors).toEqual([]);
    const left = await sessionsOf(user.id);
    expect(left).toHaveLength(20);
    expect(left.map(({ id }) => id)).not.toContain(oldest?.id);
    expect(left[0]?.id).toBe(second?.id);
    expect(await sessionsOf(other.id)).toHaveLength(1);
  });

  it.each([
    ['the password is changed', { password_hash: bcrypt.hashSync('another password', 4) }],
    ['the account is deactivated', { is_active: false }],
  ])('opens no session if %s during the comparison', async (_name, change) => {
    const user = await addUser();
    const { compare } = hashing;
    jest.spyOn(hashing, 'compare').mockImplementationOnce(async (password, hash) => {
      const matches = await compare(password, hash);
      await gateway.db.updateTable('user_account').set(change).where('id', '=', user.id).execute();
      return matches;
    });
    expect(codesOf(await signIn(user.email, correct))).toEqual(['UNAUTHENTICATED']);
    expect(await sessionsOf(user.id)).toEqual([]);
  });

  it('signs in with the role after the comparison', async () => {
    const user = await addUser();
    const { compare } = hashing;
    jest.spyOn(hashing, 'compare').mockImplementationOnce(async (password, hash) => {
      await gateway.db.updateTable('user_account').set({ role: Role.MANAGER }).where('id', '=', user.id).execute();
      return compare(password, hash);
    });
    expect((await signIn(user.email, correct)).data.login.user.role).toBe('MANAGER');
  });
});

describe('the sign-in limit', () => {
  it('limits attempts per account and network, then rejects the correct password too', async () => {
    const user = await addUser();
    const address = newAddress();
    for (let attempt = 1; attempt <= 4; attempt++)
      expect(codesOf(await signIn(user.email, wrong, address))).toEqual(['UNAUTHENTICATED']);
    const rejected = await signIn(user.email, correct, address);
    expect(codesOf(rejected)).toEqual(['TOO_MANY_REQUESTS']);
    const seconds = Number(rejected.headers.get('retry-after'));
    expect(seconds).toBeGreaterThan(800);
    expect(seconds).toBeLessThanOrEqual(900);
    expect(rejected.errors[0]?.extensions.retryAfterSeconds).toBe(seconds);
    expect(await sessionsOf(user.id)).toEqual([]);
  });

  it('limits attempts per account over all networks, except those where it has signed in before', async () => {
    const user = await addUser();
    const [home, office] = [newAddress(), '2001:db8:0:50::1'];
    for (const address of [home, office]) expect((await signIn(user.email, correct, address)).errors).toEqual([]);
    for (let attempt = 1; attempt <= 3; attempt++)
      expect(codesOf(await signIn(user.email, wrong))).toEqual(['UNAUTHENTICATED']);
    const before = await sessionsOf(user.id);
    expect(codesOf(await signIn(user.email, correct))).toEqual(['TOO_MANY_REQUESTS']);
    expect(await sessionsOf(user.id)).toEqual(before);
    expect((await signIn(user.email, correct, home)).errors).toEqual([]);
    // The same network by another address.
    expect((await signIn(user.email, correct, '2001:db8:0:50:9::9')).errors).toEqual([]);
    const networks = await gateway.db
      .selectFrom('sign_in_network')
      .selectAll()
      .where('user_id', '=', user.id)
      .execute();
    expect(networks.map(({ network }) => network).sort()).toEqual([home, '2001:db8:0:50'].sort());
  });

  it('lets a user sign in where others at the same address used up its limit', async () => {
    const user = await addUser();
    const address = newAddress();
    expect((await signIn(user.email, correct, address)).errors).toEqual([]);
    for (let attempt = 1; attempt <= 6; attempt++) await signIn(`nobody${attempt}@example.org`, wrong, address);
    expect(codesOf(await signIn('nobody@example.org', wrong, address))).toEqual(['TOO_MANY_REQUESTS']);
    expect((await signIn(user.email, correct, address)).errors).toEqual([]);
  });

  it('knows a network after a refresh there, for 90 days, and the latest 20 networks of a user', async () => {
    const user = await addUser();
    const old = newAddress();
    const { data } = await signIn(user.email, correct, old);
    const address = newAddress();
    const refreshed = await gateway.execute(
      null,
      'mutation ($token: String!) { refreshSession(refreshToken: $token) { accessToken } }',
      { token: data.login.refreshToken },
      { 'x-forwarded-for': address },
    );
    expect(refreshed.errors).toEqual([]);
    const longAgo = new Date(Date.now() - 91 * 86_400_000);
    await gateway.db
      .updateTable('sign_in_network')
      .set({ last_used_at: longAgo })
      .where('user_id', '=', user.id)
      .where('network', '=', old)
      .execute();
    for (let attempt = 1; attempt <= 5; attempt++) await signIn(user.email, wrong);
    expect(codesOf(await signIn(user.email, correct, old))).toEqual(['TOO_MANY_REQUESTS']);
    await gateway.db
      .insertInto('sign_in_network')
      .values(
        Array.from({ length: 25 }, (_, at) => ({ user_id: user.id, network: `192.0.2.${at}`, last_used_at: longAgo })),
      )
      .execute();
    expect((await signIn(user.email, correct, address)).errors).toEqual([]);
    const left = await gateway.db.selectFrom('sign_in_network').selectAll().where('user_id', '=', user.id).execute();
    expect(left).toHaveLength(20);
    expect(left.map(({ network }) => network)).toContain(address);
  });

  it('responds equally for a known and an unknown account, before and past the limit', async () => {
    const known = await addUser();
    const unknown = `nobody${++counter}@example.org`;
    for (const email of [known.email, unknown])
      for (let attempt = 1; attempt <= 5; attempt++) await signIn(email, wrong);
    const shown = ({ status, data, errors }: GraphQLResponse<unknown>) => ({
      status,
      data,
      errors: JSON.stringify(errors).replace(/\d+/g, 'n'),
    });
    const [one, other] = [await signIn(known.email, wrong), await signIn(unknown, wrong)];
    expect(shown(one)).toEqual(shown(other));
    expect(codesOf(one)).toEqual(['TOO_MANY_REQUESTS']);
  });

  it('compares no password past the limit', async () => {
    const user = await addUser();
    const address = newAddress();
    for (let attempt = 1; attempt <= 4; attempt++) await signIn(user.email, wrong, address);
    const compare = jest.spyOn(hashing, 'compare');
    expect(codesOf(await signIn(user.email, correct, address))).toEqual(['TOO_MANY_REQUESTS']);
    expect(compare).not.toHaveBeenCalled();
  });

  it('limits attempts per address across accounts, without affecting other addresses', async () => {
    const address = newAddress();
    for (let attempt = 1; attempt <= 6; attempt++)
      expect(codesOf(await signIn((await addUser()).email, wrong, address))).toEqual(['UNAUTHENTICATED']);
    const user = await addUser();
    const rejected = await signIn(user.email, correct, address);
    expect(codesOf(rejected)).toEqual(['TOO_MANY_REQUESTS']);
    expect(await sessionsOf(user.id)).toEqual([]);
    expect((await signIn(user.email, correct, newAddress())).errors).toEqual([]);
  });

  it('does not let an address past its limit lock accounts', async () => {
    const address = newAddress();
    const user = await addUser();
    for (let attempt = 1; attempt <= 6; attempt++) await signIn((await addUser()).email, wrong, address);
    for (let attempt = 1; attempt <= 5; attempt++)
      expect(codesOf(await signIn(user.email, wrong, address))).toEqual(['TOO_MANY_REQUESTS']);
    expect((await signIn(user.email, correct)).errors).toEqual([]);
  });

  it('counts IPv6 addresses by network', async () => {
    for (let attempt = 1; attempt <= 6; attempt++)
      expect(codesOf(await signIn((await addUser()).email, wrong, `2001:db8:0:7::${attempt}`))).toEqual([
        'UNAUTHENTICATED',
      ]);
    expect(codesOf(await signIn((await addUser()).email, wrong, '2001:db8:0:7:ffff::1'))).toEqual([
      'TOO_MANY_REQUESTS',
    ]);
    expect(codesOf(await signIn((await addUser()).email, wrong, '2001:db8:0:8::1'))).toEqual(['UNAUTHENTICATED']);
  });

  it('counts all spellings of an e-mail address as one account', async () => {
    const user = await addUser();
    const spellings = [
      user.email,
      user.email.toUpperCase(),
      ` ${user.email}\n`,
      `${user.email}\0`,
      `\0\0${user.email}`,
      user.email.replace('@', '\0@'),
      `${user.email} \0`,
    ];
    const codes: string[] = [];
    const address = newAddress();
    for (const spelling of spellings.slice(0, 5)) codes.push(...codesOf(await signIn(spelling, wrong, address)));
    expect(codes.filter((code) => code === 'UNAUTHENTICATED')).toHaveLength(4);
    for (const spelling of spellings) await signIn(spelling, wrong);
    expect(codesOf(await signIn(user.email, correct))).toEqual(['TOO_MANY_REQUESTS']);
  });

  it('counts each aliased attempt in one operation', async () => {
    const user = await addUser();
    const compare = jest.spyOn(hashing, 'compare');
    const address = newAddress();
    const attempt = (name: string, password: string) =>
      `${name}: login(input: { email: "${user.email}", password: "${password}" }) { accessToken }`;
    const document = `mutation { ${Array.from({ length: 12 }, (_, at) => attempt(`a${at}`, `${wrong}${at}`)).join(' ')} z: ${attempt('', correct).slice(2)} }`;
    for (let round = 1; round <= 5; round++) await gateway.execute(null, document, {}, { 'x-forwarded-for': address });
    expect(compare.mock.calls.length).toBeLessThanOrEqual(4);
    expect(codesOf(await signIn(user.email, correct, address))).toEqual(['TOO_MANY_REQUESTS']);
    expect(await sessionsOf(user.id)).toEqual([]);
  });

  it('counts concurrent attempts', async () => {
    const user = await addUser();
    const compare = jest.spyOn(hashing, 'compare');
    const address = newAddress();
    const responses = await Promise.all(Array.from({ length: 12 }, () => signIn(user.email, wrong, address)));
    expect(responses.flatMap(codesOf).filter((code) => code === 'UNAUTHENTICATED')).toHaveLength(4);
    expect(compare).toHaveBeenCalledTimes(4);
  });

  it('resets the count of an account and network after the correct password', async () => {
    const user = await addUser();
    const address = newAddress();
    for (let round = 1; round <= 3; round++) {
      for (let attempt = 1; attempt <= 3; attempt++)
        expect(codesOf(await signIn(user.email, wrong, address))).toEqual([
          // Past the limit of the address, the network is known.
          'UNAUTHENTICATED',
        ]);
      expect((await signIn(user.email, correct, address)).errors).toEqual([]);
    }
  });

  it('does not reset the count of an address after a correct password', async () => {
    const user = await addUser();
    const address = newAddress();
    for (let attempt = 1; attempt <= 6; attempt++)
      expect((await signIn(user.email, correct, address)).errors).toEqual([]);
    expect(codesOf(await signIn('nobody@example.org', wrong, address))).toEqual(['TOO_MANY_REQUESTS']);
  });
});

describe('the queue of password hashes', () => {
  const { concurrency, maxWaiting } = defaultHashingLimits();
  /** Comparisons that do not end until `release`. */
  function holdComparisons() {
    const { compare } = hashing;
    let release: () => void = () => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    const spy = jest.spyOn(hashing, 'compare').mockImplementation(async (password, hash) => {
      await released;
      return password === correct && compare(password, hash);
    });
    return { spy, release };
  }

  it('drops a caller that disconnects, without comparing or counting', async () => {
    const { spy, release } = holdComparisons();
    const user = await addUser();
    const address = newAddress();
    const running = Array.from({ length: concurrency }, () => signIn('nobody@example.org', wrong));
    await waitUntil(() => spy.mock.calls.length === concurrency, 'the running comparisons');
    for (let attempt = 1; attempt <= 5; attempt++) {
      const gone = new AbortController();
      const sent = fetch(gateway.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-forwarded-for': address },
        body: JSON.stringify({ query: LOGIN, variables: { input: { email: user.email, password: wrong } } }),
        signal: gone.signal,
      });
      await waitUntil(() => passwordQueue.length === 1, 'the waiting comparison');
      gone.abort();
      await expect(sent).rejects.toThrow();
      await waitUntil(() => passwordQueue.length === 0, 'the queue without the caller that disconnected');
    }
    release();
    await Promise.all(running);
    expect(spy).toHaveBeenCalledTimes(concurrency);
    expect((await signIn(user.email, correct, address)).errors).toEqual([]);
  });

  it('rejects past its bound with OVERLOADED and Retry-After, and delays neither known networks nor other requests', async () => {
    const user = await addUser();
    const home = newAddress();
    expect((await signIn(user.email, correct, home)).errors).toEqual([]);
    const { release } = holdComparisons();
    const flood = Array.from({ length: concurrency + maxWaiting + 3 }, () =>
      signIn(`nobody${++counter}@example.org`, wrong),
    );
    await waitUntil(() => passwordQueue.length === maxWaiting, 'a full queue');
    const overloaded: GraphQLResponse<AnyData>[] = [];
    for (const sent of flood)
      void sent.then((response) => codesOf(response).includes('OVERLOADED') && overloaded.push(response));
    await waitUntil(() => overloaded.length === 3, 'the rejections');
    expect((await gateway.execute(null, '{ __typename }')).errors).toEqual([]);
    const right = signIn(user.email, correct, home);
    await waitUntil(() => overloaded.length === 4, 'the rejection of the one that waits in its place');
    release();
    expect((await right).errors).toEqual([]);
    await Promise.all(flood);
    expect(overloaded).toHaveLength(4);
    for (const { headers, errors } of overloaded) {
      expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
      expect(errors[0]?.message).toMatch(/^Too many passwords are being checked\. Try again in \d+ s\.$/);
    }
    expect(await sessionsOf(user.id)).toHaveLength(2);
  });
});

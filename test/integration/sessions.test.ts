import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Role } from '../../src/auth/viewer.js';
import { encodeId } from '../../src/graphql/relay/global-id.js';
import { useCheapHashes } from '../support/cheap-hashes.js';
import { codesOf, fieldsOf, startGateway, type AnyData, type Caller, type TestGateway } from '../support/gateway.js';
import { addPerson } from '../support/people.js';

const password = 'correct horse battery';
const dayMs = 86_400_000;

let gateway: TestGateway;
useCheapHashes();
beforeAll(async () => {
  gateway = await startGateway({ REFRESH_TOKEN_TTL_DAYS: '7', SESSION_LIFETIME_DAYS: '10' });
});
afterAll(() => gateway.close());

interface SignedIn {
  email: string;
  token: string;
  refreshToken: string;
  expiresAt: string;
  userId: string;
}

let people = 0;
async function register(): Promise<SignedIn> {
  const email = `session${(people += 1)}@example.org`;
  const { data, errors } = await gateway.execute<AnyData>(
    null,
    'mutation ($input: RegisterInput!) { session: register(input: $input) { accessToken refreshToken refreshTokenExpiresAt user { id } } }',
    { input: { email, password } },
    { 'apollographql-client-name': 'phone', 'apollographql-client-version': '1.2' },
  );
  expect(errors).toEqual([]);
  return signedIn(email, data.session);
}

async function signIn(email: string): Promise<SignedIn> {
  const { data } = await gateway.execute<AnyData>(
    null,
    'mutation ($input: LoginInput!) { session: login(input: $input) { accessToken refreshToken refreshTokenExpiresAt user { id } } }',
    { input: { email, password } },
  );
  return signedIn(email, data.session);
}

const signedIn = (email: string, session: AnyData): SignedIn => ({
  email,
  token: session.accessToken,
  refreshToken: session.refreshToken,
  expiresAt: session.refreshTokenExpiresAt,
  userId: session.user.id,
});

const sessionIdOf = ({ refreshToken }: SignedIn): string => refreshToken.split('.')[0] ?? '';
const refresh = (token: string) =>
  gateway.execute<AnyData>(
    null,
    'mutation ($token: String!) { session: refreshSession(refreshToken: $token) { accessToken refreshToken refreshTokenExpiresAt user { id } } }',
    { token },
  );
const setSession = (of: SignedIn, values: { created_at?: Date; authenticated_at?: Date; updated_at?: Date }) =>
  gateway.db.updateTable('session').set(values).where('id', '=', sessionIdOf(of)).execute();

const SESSIONS =
  'query ($id: ID!) { user(id: $id) { sessions { id client address createdAt lastUsedAt expiresAt isCurrent } apiKeys { id name } } }';
const END = 'mutation ($id: ID!) { endSession(id: $id) { endedSessionId remainingCount } }';

describe('the sessions of a user', () => {
  it('name client and address, and mark the current one, newest first', async () => {
    const phone = await register();
    const laptop = await signIn(phone.email);
    const { data, errors } = await gateway.execute<AnyData>({ token: laptop.token }, SESSIONS, { id: laptop.userId });
    expect(errors).toEqual([]);
    expect(data.user.sessions).toEqual([
      expect.objectContaining({ id: encodeId('session', sessionIdOf(laptop)), client: null, isCurrent: true }),
      expect.objectContaining({ id: encodeId('session', sessionIdOf(phone)), client: 'phone 1.2', isCurrent: false }),
    ]);
    expect(data.user.sessions[0].address).toMatch(/127\.0\.0\.1$/);
  });

  it('are shown to an ADMIN, and to nobody else', async () => {
    const person = await register();
    const other = await addPerson(gateway, Role.MANAGER);
    const admin = await gateway.execute<AnyData>('admin', SESSIONS, { id: person.userId });
    expect(admin.data.user.sessions).toHaveLength(1);
    const denied = await gateway.execute<AnyData>({ token: other.token }, SESSIONS, { id: person.userId });
    expect(denied.data).toEqual({ user: null });
    const key = await gateway.execute<AnyData>(
      { token: person.token },
      'mutation { createApiKey(name: "k") { secret } }',
    );
    const byKey = await gateway.execute<AnyData>({ apiKey: key.data.createApiKey.secret }, SESSIONS, {
      id: person.userId,
    });
    expect([codesOf(byKey), byKey.data]).toEqual([['FORBIDDEN'], { user: null }]);
  });
});

describe('endSession', () => {
  it('ends a session of the viewer at once, and no other', async () => {
    const phone = await register();
    const laptop = await signIn(phone.email);
    const id = encodeId('session', sessionIdOf(phone));
    const { data, errors } = await gateway.execute<AnyData>({ token: laptop.token }, END, { id });
    expect(errors).toEqual([]);
    expect(data.endSession).toEqual({ endedSessionId: id, remainingCount: 1 });
    expect(codesOf(await gateway.execute({ token: phone.token }, '{ me { id } }'))).toEqual(['UNAUTHENTICATED']);
    expect(codesOf(await refresh(phone.refreshToken))).toEqual(['UNAUTHENTICATED']);
    expect((await gateway.execute({ token: laptop.token }, '{ me { id } }')).errors).toEqual([]);
  });

  it('ends any session for an ADMIN, and is NOT_FOUND for others, who change nothing', async () => {
    const person = await register();
    const other = await addPerson(gateway, Role.MANAGER);
    const id = encodeId('session', sessionIdOf(person));
    const callers: [Caller, string][] = [
      [{ token: other.token }, 'NOT_FOUND'],
      [null, 'UNAUTHENTICATED'],
    ];
    for (const [caller, code] of callers) expect(codesOf(await gateway.execute(caller, END, { id }))).toEqual([code]);
    expect((await gateway.execute({ token: person.token }, '{ me { id } }')).errors).toEqual([]);
    expect((await gateway.execute('admin', END, { id })).errors).toEqual([]);
    expect(codesOf(await gateway.execute({ token: person.token }, '{ me { id } }'))).toEqual(['UNAUTHENTICATED']);
  });
});

describe('the lifetime of a session', () => {
  it('ends after the idle time, and after the lifetime however often it is used', async () => {
    const person = await register();
    const leftMs = (expiresAt: string): number => Date.parse(expiresAt) - Date.now();
    expect(leftMs(person.expiresAt)).toBeGreaterThan(6.9 * dayMs);
    await setSession(person, { created_at: new Date(Date.now() - 8 * dayMs) });
    const { data } = await refresh(person.refreshToken);
    expect(leftMs(data.session.refreshTokenExpiresAt)).toBeLessThan(2.1 * dayMs);
    await setSession(person, { created_at: new Date(Date.now() - 11 * dayMs) });
    expect(codesOf(await refresh(data.session.refreshToken))).toEqual(['UNAUTHENTICATED']);
  });

  it('ends with a reused refresh token, which is logged', async () => {
    const person = await register();
    await refresh(person.refreshToken);
    await setSession(person, { updated_at: new Date(Date.now() - 60_000) });
    expect(codesOf(await refresh(person.refreshToken))).toEqual(['UNAUTHENTICATED']);
    expect(gateway.logs).toContainEqual(
      expect.objectContaining({ msg: 'refresh token reused; session ended', sessionId: sessionIdOf(person) }),
    );
    expect(codesOf(await gateway.execute({ token: person.token }, '{ me { id } }'))).toEqual(['UNAUTHENTICATED']);
  });
});

describe('a session that proved the password more than five minutes ago', () => {
  const CREATE = 'mutation { createApiKey(name: "a key") { secret } }';
  const PROVE = 'mutation ($password: String!) { reauthenticate(password: $password) { validUntil } }';
  const keys = () => gateway.db.selectFrom('api_key').select('id').execute();

  it('creates no credential until it proves the password again', async () => {
    const person = await register();
    const caller = { token: person.token };
    await setSession(person, { authenticated_at: new Date(Date.now() - 5 * 60_000 - 1_000) });
    const before = await keys();
    expect(codesOf(await gateway.execute(caller, CREATE))).toEqual(['REAUTHENTICATION_REQUIRED']);
    const wrong = await gateway.execute<AnyData>(caller, PROVE, { password: 'a wrong guess' });
    expect([codesOf(wrong), fieldsOf(wrong)]).toEqual([['BAD_USER_INPUT'], ['password']]);
    expect(codesOf(await gateway.execute(caller, CREATE))).toEqual(['REAUTHENTICATION_REQUIRED']);
    expect(await keys()).toEqual(before);
    const right = await gateway.execute<AnyData>(caller, PROVE, { password });
    expect(Date.parse(right.data.reauthenticate.validUntil)).toBeGreaterThan(Date.now() + 4 * 60_000);
    expect((await gateway.execute(caller, CREATE)).errors).toEqual([]);
    // A refresh is no proof of the password.
    await setSession(person, { authenticated_at: new Date(Date.now() - 3_600_000) });
    const { data } = await refresh(person.refreshToken);
    expect(codesOf(await gateway.execute({ token: data.session.accessToken }, CREATE))).toEqual([
      'REAUTHENTICATION_REQUIRED',
    ]);
  });

  it('cannot try passwords without limit', async () => {
    const person = await register();
    const codes = [];
    for (let attempt = 0; attempt < 11; attempt += 1)
      codes.push(...codesOf(await gateway.execute({ token: person.token }, PROVE, { password: `guess ${attempt}` })));
    expect(codes.at(-1)).toBe('TOO_MANY_REQUESTS');
  });
});

describe('changePassword', () => {
  const CHANGE =
    'mutation ($old: String!, $new: String!, $revoke: Boolean) { changePassword(currentPassword: $old, newPassword: $new, revokeApiKeys: $revoke) { accessToken } }';

  it.each([
    ['revokes the API keys of the user', undefined, ['UNAUTHENTICATED']],
    ['keeps the API keys of the user if declined', false, []],
  ])('%s', async (_what, revoke, codes) => {
    const person = await register();
    const { data } = await gateway.execute<AnyData>(
      { token: person.token },
      'mutation { createApiKey(name: "a key") { secret } }',
    );
    const apiKey = { apiKey: data.createApiKey.secret as string };
    expect((await gateway.execute(apiKey, '{ me { id } }')).errors).toEqual([]);
    const changed = await gateway.execute(
      { token: person.token },
      CHANGE,
      revoke === undefined ? { old: password, new: `${password} 2` } : { old: password, new: `${password} 2`, revoke },
    );
    expect(changed.errors).toEqual([]);
    expect(codesOf(await gateway.execute(apiKey, '{ me { id } }'))).toEqual(codes);
  });
});

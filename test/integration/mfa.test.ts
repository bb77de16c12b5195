import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import bcrypt from 'bcrypt';
import { SecretCipher } from '../../src/auth/secret-cipher.js';
import { SignInChallenges } from '../../src/auth/sign-in-challenge.js';
import { SigningKeys } from '../../src/auth/signing-keys.js';
import { hashToken, randomToken } from '../../src/auth/token.js';
import { Role } from '../../src/auth/viewer.js';
import { useCheapHashes } from '../support/cheap-hashes.js';
import {
  codesOf,
  fieldsOf,
  startGateway,
  type AnyData,
  type Caller,
  type GraphQLResponse,
  type TestGateway,
} from '../support/gateway.js';
import { BEGIN, challengeOf, codeOf, CONFIRM, clearLastStep, setUpMfa, VERIFY, wrongCodeOf } from '../support/mfa.js';
import { addPerson as addAccount, type Person } from '../support/people.js';
import { addSession } from '../support/session.js';

const LOGIN = 'mutation ($input: LoginInput!) { login(input: $input) { accessToken refreshToken } }';
const REFRESH = 'mutation ($token: String!) { refreshSession(refreshToken: $token) { accessToken } }';
const REAUTHENTICATE =
  'mutation ($password: String, $code: String) { reauthenticate(password: $password, code: $code) { validUntil } }';
const CREATE_KEY = 'mutation { createApiKey(name: "a key") { secret } }';
const REGENERATE = 'mutation { regenerateRecoveryCodes { recoveryCodes } }';
const DISABLE = 'mutation { disableMfa { id mfa { enabledAt } } }';
const RESET = 'mutation ($id: ID!) { resetMfa(userId: $id) { id mfa { enabledAt } } }';
const MY_MFA = '{ me { mfa { enabledAt recoveryCodesRemaining } } }';

const password = 'correct horse battery';
const passwordHash = bcrypt.hashSync(password, 4);
const keys = ['kHq3v9ZtL0mWcXy7RbNfD2sPaGjUeTiO4w', 'vT5rQ0xYw8LkZp3BnM6sHd1FgJc9aEuI2o'] as const;
const env = { JWT_SECRET: keys[0], MFA_ENCRYPTION_KEYS: keys.join(','), TRUST_PROXY: '1', MAX_LOGINS_PER_ACCOUNT: '4' };

const challenges = new SignInChallenges(new SigningKeys({ secrets: [keys[0]] }));

let gateway: TestGateway;
/** A replica that requires MFA of MANAGER. */
let strict: TestGateway;
/** A MANAGER with a session that was opened before MFA was required. */
let early: Person;
useCheapHashes();
beforeAll(async () => {
  gateway = await startGateway(env);
  early = await addPerson(Role.MANAGER);
  strict = await startGateway({ ...env, DATABASE_URL: gateway.databaseUrl, MFA_REQUIRED_ROLES: 'MANAGER' });
});
afterAll(async () => {
  await strict.close();
  await gateway.close();
});

/** A user with a password and an open session. */
async function addPerson(role = Role.USER): Promise<Person> {
  const person = await addAccount(gateway, role);
  await gateway.db
    .updateTable('user_account')
    .set({ password_hash: passwordHash })
    .where('id', '=', person.uuid)
    .execute();
  return person;
}

let networks = 0;
const newAddress = (): string => `10.7.${Math.floor(++networks / 250)}.${networks % 250}`;
const from = (address: string): Record<string, string> => ({ 'x-forwarded-for': address });

const signIn = (
  { email }: Person,
  { at = gateway, address = newAddress() }: { at?: TestGateway; address?: string } = {},
): Promise<GraphQLResponse<AnyData>> => at.execute<AnyData>(null, LOGIN, { input: { email, password } }, from(address));

/** The challenge that a sign-in would return: most tests need no password hash. */
const challengeFor = ({ uuid }: Person): string => challenges.sign('code', { id: uuid, passwordHash }).challenge;

const verify = (
  challenge: string,
  code: string,
  { at = gateway, address = newAddress() }: { at?: TestGateway; address?: string } = {},
): Promise<GraphQLResponse<AnyData>> => at.execute<AnyData>(null, VERIFY, { challenge, code }, from(address));

/** Everything that MFA mutations may change. */
async function stateOf({ uuid }: Person) {
  const { db } = gateway;
  return {
    factor: await db.selectFrom('totp_factor').selectAll().where('user_id', '=', uuid).executeTakeFirst(),
    codes: await db.selectFrom('recovery_code').selectAll().where('user_id', '=', uuid).orderBy('code_hash').execute(),
    sessions: await db.selectFrom('session').select('id').where('user_id', '=', uuid).orderBy('id').execute(),
    keys: await db.selectFrom('api_key').select('id').where('user_id', '=', uuid).execute(),
  };
}

async function expectUnchanged<Result>(person: Person, act: () => Promise<Result>): Promise<Result> {
  const before = await stateOf(person);
  const result = await act();
  expect(await stateOf(person)).toEqual(before);
  return result;
}

describe('setting up MFA', () => {
  it('shows the secret once, stores it encrypted, and enables it by a code', async () => {
    const person = await addPerson();
    await addSession(gateway.db, person.uuid);
    const begun = await gateway.execute<AnyData>({ token: person.token }, BEGIN);
    const { secret, uri } = begun.data.beginMfaSetup;
    expect(uri).toContain(`secret=${secret}`);
    expect(uri).toContain(encodeURIComponent(person.email));
    expect((await gateway.execute<AnyData>({ token: person.token }, MY_MFA)).data.me.mfa).toBeNull();
    expect((await signIn(person)).errors).toEqual([]);

    const { data } = await gateway.execute<AnyData>({ token: person.token }, CONFIRM, { code: codeOf(secret) });
    const { recoveryCodes, session } = data.confirmMfaSetup;
    expect(session).toBeNull();
    expect(new Set(recoveryCodes).size).toBe(10);
    const { factor, codes, sessions } = await stateOf(person);
    expect(sessions).toHaveLength(1);
    const stored = JSON.stringify([factor, codes]);
    for (const shown of [secret, ...recoveryCodes]) expect(stored).not.toContain(shown);
    const me = await gateway.execute<AnyData>({ token: person.token }, MY_MFA);
    expect(me.data.me.mfa).toEqual({ enabledAt: expect.any(String), recoveryCodesRemaining: 10 });
    expect(codesOf(await signIn(person))).toEqual(['MFA_REQUIRED']);
  });

  it('rejects a wrong code and a code without a setup, and changes nothing', async () => {
    const person = await addPerson();
    const confirm = (code: string) => gateway.execute<AnyData>({ token: person.token }, CONFIRM, { code });
    expect(codesOf(await expectUnchanged(person, () => confirm('123456')))).toEqual(['CONFLICT']);
    const begun = await gateway.execute<AnyData>({ token: person.token }, BEGIN);
    const wrong = await expectUnchanged(person, () => confirm(wrongCodeOf(begun.data.beginMfaSetup.secret)));
    expect([codesOf(wrong), fieldsOf(wrong)]).toEqual([['BAD_USER_INPUT'], ['code']]);
  });

  it('expires after fifteen minutes', async () => {
    const person = await addPerson();
    const { data } = await gateway.execute<AnyData>({ token: person.token }, BEGIN);
    await gateway.db
      .updateTable('totp_factor')
      .set({ pending_since: new Date(Date.now() - 16 * 60_000) })
      .where('user_id', '=', person.uuid)
      .execute();
    const code = codeOf(data.beginMfaSetup.secret);
    expect(
      codesOf(await expectUnchanged(person, () => gateway.execute({ token: person.token }, CONFIRM, { code }))),
    ).toEqual(['CONFLICT']);
  });

  it('replaces the app only once its new secret is confirmed', async () => {
    const person = await addPerson();
    const { secret, recoveryCodes } = await setUpMfa(gateway, person);
    const begun = await gateway.execute<AnyData>({ token: person.token }, BEGIN);
    const next = begun.data.beginMfaSetup.secret;
    expect((await verify(challengeFor(person), codeOf(secret))).errors).toEqual([]);
    const confirmed = await gateway.execute<AnyData>({ token: person.token }, CONFIRM, { code: codeOf(next) });
    expect(confirmed.errors).toEqual([]);
    await clearLastStep(gateway, person.uuid);
    for (const old of [codeOf(secret), recoveryCodes[0] ?? ''])
      expect(codesOf(await verify(challengeFor(person), old))).toEqual(['BAD_USER_INPUT']);
    expect((await verify(challengeFor(person), codeOf(next))).errors).toEqual([]);
  });
});

describe('signing in with MFA', () => {
  it('takes the password, then a code, and opens no session before', async () => {
    const person = await addPerson();
    const { secret } = await setUpMfa(gateway, person);
    const login = await expectUnchanged(person, () => signIn(person));
    expect([login.status, login.data, codesOf(login)]).toEqual([200, { login: null }, ['MFA_REQUIRED']]);
    expect(Date.parse(String(login.errors[0]?.extensions.challengeExpiresAt))).toBeGreaterThan(Date.now());
    const challenge = challengeOf(login);
    const asToken = await gateway.execute({ token: challenge }, '{ me { id } }');
    expect(codesOf(asToken)).toEqual(['UNAUTHENTICATED']);

    const wrong = await expectUnchanged(person, () => verify(challenge, wrongCodeOf(secret)));
    expect([codesOf(wrong), fieldsOf(wrong)]).toEqual([['BAD_USER_INPUT'], ['code']]);
    const code = codeOf(secret);
    const spaced = `${code.slice(0, 3)} ${code.slice(3)}`;
    const { data, errors } = await verify(challenge, spaced);
    expect(errors).toEqual([]);
    expect(data.verifyMfa.user).toEqual({ email: person.email });
    const me = await gateway.execute<AnyData>({ token: data.verifyMfa.accessToken }, '{ me { id } }');
    expect(me.data.me.id).toBe(person.id);
    const { refreshToken } = data.verifyMfa;
    expect((await gateway.execute(null, REFRESH, { token: refreshToken })).errors).toEqual([]);
  });

  it('accepts a code once, also on two replicas at once, and no earlier one after it', async () => {
    const person = await addPerson();
    const { secret } = await setUpMfa(gateway, person);
    const code = codeOf(secret);
    const [one, other] = [challengeFor(person), challengeFor(person)];
    const responses = await Promise.all([
      verify(one, code),
      verify(other, code, { at: strict }),
      verify(other, code),
      verify(one, code, { at: strict }),
    ]);
    expect(responses.flatMap(codesOf)).toEqual(['BAD_USER_INPUT', 'BAD_USER_INPUT', 'BAD_USER_INPUT']);
    expect(codesOf(await verify(one, code, { at: strict }))).toEqual(['BAD_USER_INPUT']);
    expect(codesOf(await verify(one, codeOf(secret, -1)))).toEqual(['BAD_USER_INPUT']);
  });

  it('accepts a recovery code once, also on two replicas at once', async () => {
    const person = await addPerson();
    const { recoveryCodes } = await setUpMfa(gateway, person);
    const [code = '', second = ''] = recoveryCodes;
    const challenge = challengeFor(person);
    const responses = await Promise.all([verify(challenge, code), verify(challenge, code, { at: strict })]);
    expect(responses.flatMap(codesOf)).toEqual(['BAD_USER_INPUT']);
    expect((await stateOf(person)).codes).toHaveLength(9);
    const { data } = await verify(challenge, second.toLowerCase().replaceAll('-', ' '));
    const me = await gateway.execute<AnyData>({ token: data.verifyMfa.accessToken }, MY_MFA);
    expect(me.data.me.mfa.recoveryCodesRemaining).toBe(8);
  });

  it('rejects a challenge after a change of the password, a deactivation or a reset, and changes nothing', async () => {
    const changes: ((person: Person) => Promise<unknown>)[] = [
      ({ uuid }) =>
        gateway.db
          .updateTable('user_account')
          .set({ password_hash: bcrypt.hashSync('another password', 4) })
          .where('id', '=', uuid)
          .execute(),
      ({ uuid }) => gateway.db.updateTable('user_account').set({ is_active: false }).where('id', '=', uuid).execute(),
      ({ uuid }) => gateway.db.deleteFrom('totp_factor').where('user_id', '=', uuid).execute(),
    ];
    for (const change of changes) {
      const person = await addPerson();
      const { secret } = await setUpMfa(gateway, person);
      const challenge = challengeFor(person);
      await change(person);
      const response = await expectUnchanged(person, () => verify(challenge, codeOf(secret)));
      expect(codesOf(response)).toEqual(['UNAUTHENTICATED']);
    }
  });

  it('limits the codes of an account from unknown networks together; its known networks stay open', async () => {
    const person = await addPerson();
    const { secret } = await setUpMfa(gateway, person);
    const home = newAddress();
    const first = await verify(challengeFor(person), codeOf(secret), { address: home });
    expect(first.errors).toEqual([]);
    await clearLastStep(gateway, person.uuid);
    const challenge = challengeFor(person);
    const wrong = wrongCodeOf(secret);
    // The first verification counted while its network was still unknown.
    for (let attempt = 0; attempt < 3; attempt += 1)
      expect(codesOf(await verify(challenge, wrong))).toEqual(['BAD_USER_INPUT']);
    const throttled = await expectUnchanged(person, () => verify(challenge, codeOf(secret)));
    expect([throttled.status, codesOf(throttled)]).toEqual([200, ['TOO_MANY_REQUESTS']]);
    expect((await verify(challenge, codeOf(secret), { address: home })).errors).toEqual([]);
  });

  it('limits the codes from one network', async () => {
    const person = await addPerson();
    const { secret } = await setUpMfa(gateway, person);
    const address = newAddress();
    const challenge = challengeFor(person);
    const attempts = Array.from({ length: 6 }, () => verify(challenge, wrongCodeOf(secret), { address }));
    const codes = (await Promise.all(attempts)).flatMap(codesOf).sort();
    expect(codes).toEqual([...Array<string>(4).fill('BAD_USER_INPUT'), 'TOO_MANY_REQUESTS', 'TOO_MANY_REQUESTS']);
  });

  it('encrypts a secret of a former key with the current one when a code is accepted', async () => {
    const person = await addPerson();
    const { secret } = await setUpMfa(gateway, person);
    const [current, former] = [new SecretCipher([keys[0]]), new SecretCipher([keys[1]])];
    await gateway.db
      .updateTable('totp_factor')
      .set({ secret: former.encrypt(secret, person.uuid) })
      .where('user_id', '=', person.uuid)
      .execute();
    expect((await verify(challengeFor(person), codeOf(secret))).errors).toEqual([]);
    const stored = (await stateOf(person)).factor?.secret ?? '';
    expect(current.decrypt(stored, person.uuid).plain).toBe(secret);
  });

  it('logs failures without codes, secrets and challenges', async () => {
    const person = await addPerson();
    const { secret, recoveryCodes } = await setUpMfa(gateway, person);
    const challenge = challengeFor(person);
    await verify(challenge, wrongCodeOf(secret));
    await verify(challenge, recoveryCodes[0] ?? '');
    expect(gateway.logs).toContainEqual(
      expect.objectContaining({ msg: 'audit', action: 'SIGN_IN', outcome: 'FAILURE', code: 'BAD_USER_INPUT' }),
    );
    const logs = JSON.stringify(gateway.logs);
    for (const hidden of [secret, challenge, ...recoveryCodes]) expect(logs).not.toContain(hidden);
  });
});

describe('an account with MFA', () => {
  /** Makes the last proof of the session too old. */
  const age = ({ uuid }: Person) =>
    gateway.db
      .updateTable('session')
      .set({ authenticated_at: new Date(Date.now() - 6 * 60_000) })
      .where('user_id', '=', uuid)
      .execute();

  it('authenticates again by a code, not by the password alone', async () => {
    const person = await addPerson();
    const { secret, recoveryCodes } = await setUpMfa(gateway, person);
    await age(person);
    const caller = { token: person.token };
    const prove = (variables: Record<string, unknown>) => gateway.execute<AnyData>(caller, REAUTHENTICATE, variables);
    for (const [proof, field] of [
      [{ password }, 'code'],
      [{ code: wrongCodeOf(secret) }, 'code'],
    ] as const) {
      const response = await expectUnchanged(person, () => prove(proof));
      expect([codesOf(response), fieldsOf(response)]).toEqual([['BAD_USER_INPUT'], [field]]);
      expect(codesOf(await gateway.execute(caller, CREATE_KEY))).toEqual(['REAUTHENTICATION_REQUIRED']);
    }
    expect((await prove({ code: codeOf(secret) })).errors).toEqual([]);
    expect((await gateway.execute(caller, CREATE_KEY)).errors).toEqual([]);
    const other = await addPerson();
    const used = await setUpMfa(gateway, other);
    const session = { token: other.token };
    const wrong = { password: 'wrong', code: used.recoveryCodes[0] };
    expect(fieldsOf(await gateway.execute(session, REAUTHENTICATE, wrong))).toEqual(['password']);
    expect((await stateOf(other)).codes).toHaveLength(10);
    expect((await gateway.execute(session, REAUTHENTICATE, { ...wrong, password })).errors).toEqual([]);
    expect((await stateOf(other)).codes).toHaveLength(9);
    expect(recoveryCodes).toHaveLength(10);
  });

  it('authenticates again by the password only while it has no MFA', async () => {
    const { token } = await addPerson();
    const prove = (variables: Record<string, unknown>) => gateway.execute({ token }, REAUTHENTICATE, variables);
    expect(fieldsOf(await prove({ password, code: '123456' }))).toEqual(['code']);
    expect(fieldsOf(await prove({}))).toEqual(['password']);
    expect((await prove({ password })).errors).toEqual([]);
  });

  it('replaces its recovery codes, and can be without MFA again', async () => {
    const person = await addPerson();
    const { secret, recoveryCodes } = await setUpMfa(gateway, person);
    const caller = { token: person.token };
    const fresh = (await gateway.execute<AnyData>(caller, REGENERATE)).data.regenerateRecoveryCodes.recoveryCodes;
    expect(new Set([...fresh, ...recoveryCodes]).size).toBe(20);
    const challenge = challengeFor(person);
    expect(codesOf(await verify(challenge, recoveryCodes[0] ?? ''))).toEqual(['BAD_USER_INPUT']);
    expect((await verify(challenge, fresh[0])).errors).toEqual([]);

    const { data } = await gateway.execute<AnyData>(caller, DISABLE);
    expect(data.disableMfa).toEqual({ id: person.id, mfa: null });
    expect(await stateOf(person)).toMatchObject({ factor: undefined, codes: [] });
    expect((await signIn(person)).errors).toEqual([]);
    expect(codesOf(await verify(challenge, codeOf(secret)))).toEqual(['UNAUTHENTICATED']);
    expect(codesOf(await gateway.execute(caller, REGENERATE))).toEqual(['CONFLICT']);
  });

  it('is reset by an ADMIN: its sessions end, its keys remain, and it signs in without a code', async () => {
    const person = await addPerson();
    const { token } = person;
    await setUpMfa(gateway, person);
    const { data: created } = await gateway.execute<AnyData>({ token }, CREATE_KEY);
    const { data, errors } = await gateway.execute<AnyData>('admin', RESET, { id: person.id });
    expect(errors).toEqual([]);
    expect(data.resetMfa).toEqual({ id: person.id, mfa: null });
    expect(await stateOf(person)).toMatchObject({ factor: undefined, codes: [], sessions: [] });
    expect(codesOf(await gateway.execute({ token }, '{ me { id } }'))).toEqual(['UNAUTHENTICATED']);
    const apiKey: string = created.createApiKey.secret;
    expect((await gateway.execute({ apiKey }, '{ me { id } }')).errors).toEqual([]);
    expect((await signIn(person)).errors).toEqual([]);
  });

  it('leaves its history in the audit log', async () => {
    const person = await addPerson();
    const { recoveryCodes } = await setUpMfa(gateway, person);
    await verify(challengeFor(person), recoveryCodes[0] ?? '');
    await gateway.execute({ token: person.token }, REGENERATE);
    await gateway.execute({ token: person.token }, DISABLE);
    await gateway.execute('admin', RESET, { id: person.id });
    const events = await gateway.db
      .selectFrom('audit_event')
      .select(['action', 'actor_id', 'after'])
      .where('target', '=', person.id)
      .orderBy('id')
      .execute();
    expect(events.map(({ action }) => action)).toEqual([
      'MFA_SETUP',
      'SIGN_IN',
      'RECOVERY_CODES',
      'MFA_REMOVAL',
      'MFA_RESET',
    ]);
    expect(events[1]?.after).toEqual({ secondFactor: 'recovery code' });
    expect(events.map(({ actor_id: actor }) => actor === person.uuid)).toEqual([true, true, true, true, false]);
  });

  it('rejects callers without the right, and changes nothing', async () => {
    const person = await addPerson();
    await setUpMfa(gateway, person);
    const { data } = await gateway.execute<AnyData>({ token: person.token }, CREATE_KEY);
    const apiKey: Caller = { apiKey: data.createApiKey.secret };
    const session: Caller = { token: person.token };
    const own: [string, Record<string, unknown>][] = [
      [BEGIN, {}],
      [CONFIRM, { code: '123456' }],
      [REGENERATE, {}],
      [DISABLE, {}],
    ];
    const reset: [string, Record<string, unknown>] = [RESET, { id: person.id }];
    const reject = async (caller: Caller, [document, variables]: [string, Record<string, unknown>], code: string) => {
      const response = await expectUnchanged(person, () => gateway.execute(caller, document, variables));
      expect([document, ...codesOf(response)]).toEqual([document, code]);
    };
    for (const call of [...own, reset]) await reject(null, call, 'UNAUTHENTICATED');
    for (const call of [...own, reset]) await reject(apiKey, call, 'FORBIDDEN');
    const manager = { token: (await addPerson(Role.MANAGER)).token };
    for (const caller of [manager, session]) await reject(caller, reset, 'FORBIDDEN');
    await reject('admin', [RESET, { id: 'user_00000000000000000000000000' }], 'NOT_FOUND');
    await age(person);
    for (const call of own) await reject(session, call, 'REAUTHENTICATION_REQUIRED');
    const admin = await addPerson(Role.ADMIN);
    await age(admin);
    await reject({ token: admin.token }, reset, 'REAUTHENTICATION_REQUIRED');
    for (const document of [BEGIN, CONFIRM, VERIFY])
      await reject(null, [document, { challenge: 'nonsense', code: '123456' }], 'UNAUTHENTICATED');
    const seen = await gateway.execute<AnyData>(apiKey, MY_MFA);
    expect(codesOf(seen)).toEqual(['FORBIDDEN']);
    expect(seen.data.me.mfa).toBeNull();
  });
});

describe('a role that requires MFA', () => {
  it('has no session that was opened before it was required', async () => {
    expect((await stateOf(early)).sessions).toEqual([]);
    expect(codesOf(await strict.execute({ token: early.token }, '{ me { id } }'))).toEqual(['UNAUTHENTICATED']);
  });

  it('sets MFA up as part of the sign-in', async () => {
    const person = await addPerson(Role.MANAGER);
    const login = await expectUnchanged(person, () => signIn(person, { at: strict }));
    expect([login.data, codesOf(login)]).toEqual([{ login: null }, ['MFA_SETUP_REQUIRED']]);
    const challenge = challengeOf(login);
    expect(codesOf(await verify(challenge, '123456', { at: strict }))).toEqual(['UNAUTHENTICATED']);

    const begun = await strict.execute<AnyData>(null, BEGIN, { challenge });
    const { secret } = begun.data.beginMfaSetup;
    const wrong = { challenge, code: wrongCodeOf(secret) };
    const rejected = await expectUnchanged(person, () => strict.execute(null, CONFIRM, wrong));
    expect(fieldsOf(rejected)).toEqual(['code']);
    const right = { challenge, code: codeOf(secret) };
    const { data } = await strict.execute<AnyData>(null, CONFIRM, right);
    const { recoveryCodes, session } = data.confirmMfaSetup;
    expect([recoveryCodes.length, session.user.email]).toEqual([10, person.email]);
    expect((await strict.execute({ token: session.accessToken }, CREATE_KEY)).errors).toEqual([]);
    expect((await strict.execute(null, REFRESH, { token: session.refreshToken })).errors).toEqual([]);
    expect((await stateOf(person)).sessions).toHaveLength(1);

    for (const document of [BEGIN, CONFIRM])
      expect(codesOf(await strict.execute(null, document, right))).toEqual(['UNAUTHENTICATED']);
    expect(codesOf(await signIn(person, { at: strict }))).toEqual(['MFA_REQUIRED']);
    const caller = { token: session.accessToken };
    expect(codesOf(await expectUnchanged(person, () => strict.execute(caller, DISABLE)))).toEqual(['FORBIDDEN']);
  });

  it('ends a session without MFA at its refresh', async () => {
    const person = await addPerson(Role.MANAGER);
    const [session] = (await stateOf(person)).sessions;
    const token = `${session?.id ?? ''}.${randomToken()}`;
    await gateway.db
      .updateTable('session')
      .set({ refresh_token_hash: hashToken(token) })
      .where('user_id', '=', person.uuid)
      .execute();
    expect(codesOf(await strict.execute(null, REFRESH, { token }))).toEqual(['UNAUTHENTICATED']);
    expect((await stateOf(person)).sessions).toEqual([]);
  });

  it('leaves other roles as they are', async () => {
    expect((await signIn(await addPerson(), { at: strict })).errors).toEqual([]);
  });
});

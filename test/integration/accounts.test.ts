import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import bcrypt from 'bcrypt';
import { hashToken } from '../../src/auth/token.js';
import { Role } from '../../src/auth/viewer.js';
import { encodeId } from '../../src/graphql/relay/global-id.js';
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
import { addPerson, type Person } from '../support/people.js';
import { startMailServer, type TestMailServer } from '../support/smtp.js';

const INVITE =
  'mutation ($email: String!, $role: Role, $employeeId: ID) { inviteUser(email: $email, role: $role, employeeId: $employeeId) { link expiresAt user { email role isActive employee { id } } } }';
const START = 'mutation ($userId: ID!) { startPasswordReset(userId: $userId) { link user { email } } }';
const REQUEST = 'mutation ($email: String!) { requestPasswordReset(email: $email) { linkTtlSeconds } }';
const REGISTER = 'mutation ($email: String!) { requestRegistration(email: $email) { linkTtlSeconds } }';
const SET =
  'mutation ($token: String!, $password: String!) { setPassword(token: $token, newPassword: $password) { email } }';
const LOGIN =
  'mutation ($email: String!, $password: String!) { login(input: { email: $email, password: $password }) { accessToken user { email role employee { id } } } }';
const publicUrl = 'https://gateway.example.com/auspex';
const first = 'correct horse battery';
const second = 'staple of the barn';

let smtp: TestMailServer;
let gateway: TestGateway;
useCheapHashes();
beforeAll(async () => {
  smtp = await startMailServer();
  gateway = await startGateway({
    SMTP_URL: smtp.url,
    MAIL_FROM: 'Auspex <no-reply@example.com>',
    PUBLIC_URL: `${publicUrl}/`,
    REGISTRATION: 'email',
    ALLOWED_HOSTS: 'attacker.example',
    TRUST_PROXY: '1',
    MAX_MAILS_PER_ACCOUNT: '2',
    MAX_MAILS_PER_ADDRESS: '4',
  });
});
afterAll(async () => {
  await gateway.close();
  await smtp.close();
});

let counter = 0;
const newAddress = (): string => `10.7.${Math.floor(++counter / 250)}.${counter % 250}`;
const newEmail = (): string => `invited${++counter}@example.org`;

const run = (
  document: string,
  variables: Record<string, unknown>,
  caller: Caller = null,
  address = newAddress(),
): Promise<GraphQLResponse<AnyData>> =>
  gateway.execute<AnyData>(caller, document, variables, { 'x-forwarded-for': address });

const login = (email: string, password: string) => run(LOGIN, { email, password });
const setPassword = (token: string, password: string) => run(SET, { token, password });

const tokenIn = (text: string | undefined): string =>
  new RegExp(`${publicUrl}/account#token=([\\w-]{43})\\b`).exec(text ?? '')?.[1] ?? '';

/** Waits for the link in the latest of `count` messages to an address. @returns its token */
const mailedToken = async (email: string, count = 1): Promise<string> =>
  tokenIn((await smtp.textsTo(email, count)).at(-1));

const accountsAndLinks = async () => ({
  accounts: await gateway.db.selectFrom('user_account').selectAll().orderBy('id').execute(),
  links: await gateway.db.selectFrom('account_token').selectAll().orderBy('id').execute(),
});

/** An account with a password, of a cheap hash. */
async function addAccount(): Promise<Person> {
  const person = await addPerson(gateway);
  await gateway.db
    .updateTable('user_account')
    .set({ password_hash: bcrypt.hashSync(first, 4) })
    .where('id', '=', person.uuid)
    .execute();
  return person;
}

const idOf = async (email: string): Promise<string> => {
  const account = gateway.db.selectFrom('user_account').select('id').where('email', '=', email);
  return encodeId('user', (await account.executeTakeFirstOrThrow()).id);
};

const actionsOf = async (target: string): Promise<string[]> => {
  const events = gateway.db.selectFrom('audit_event').select('action').where('target', '=', target).orderBy('at');
  return (await events.execute()).map(({ action }) => action);
};

describe('inviteUser', () => {
  it('creates an account whose user chooses the password by a mailed link, once', async () => {
    const { id } = await gateway.db
      .selectFrom('employee')
      .select('id')
      .where(
        'id',
        'not in',
        gateway.db
          .selectFrom('user_account')
          .select('employee_id')
          .where('employee_id', 'is not', null)
          .$castTo<{ employee_id: string }>(),
      )
      .limit(1)
      .executeTakeFirstOrThrow();
    const employeeId = encodeId('employee', id);
    const email = newEmail();
    const invited = await run(INVITE, { email: ` ${email.toUpperCase()}`, role: Role.MANAGER, employeeId }, 'admin');
    expect(invited.errors).toEqual([]);
    expect(invited.data.inviteUser).toMatchObject({
      link: null,
      user: { email, role: 'MANAGER', isActive: true, employee: { id: employeeId } },
    });
    expect(new Date(invited.data.inviteUser.expiresAt as string).getTime()).toBeGreaterThan(
      Date.now() + 6 * 86_400_000,
    );
    const token = await mailedToken(email);
    expect(smtp.mails.find(({ to }) => to.includes(email))).toMatchObject({
      from: 'no-reply@example.com',
      to: [email],
    });
    const { links } = await accountsAndLinks();
    expect(links.some(({ token_hash: hash }) => hash === hashToken(token))).toBe(true);
    expect(JSON.stringify(links)).not.toContain(token);

    expect((await setPassword(token, first)).data.setPassword).toEqual({ email });
    expect((await login(email, first)).data.login.user).toEqual({
      email,
      role: 'MANAGER',
      employee: { id: employeeId },
    });
    const again = await setPassword(token, second);
    expect([codesOf(again), fieldsOf(again)]).toEqual([['BAD_USER_INPUT'], ['token']]);
    expect((await login(email, first)).errors).toEqual([]);
    expect((await smtp.textsTo(email, 2)).at(-1)).toContain('was set by a link');
    expect(await actionsOf(await idOf(email))).toEqual(['INVITATION', 'PASSWORD_RESET', 'SIGN_IN', 'SIGN_IN']);
  });

  it.each<[string, () => Promise<Caller>, string]>([
    ['anonymous callers', () => Promise.resolve(null), 'UNAUTHENTICATED'],
    ['a USER', () => Promise.resolve('user'), 'FORBIDDEN'],
    ['a MANAGER', () => Promise.resolve('manager'), 'FORBIDDEN'],
    [
      'an API key of an ADMIN',
      async () => {
        const key = await run('mutation { createApiKey(name: "invites") { secret } }', {}, 'admin');
        return { apiKey: key.data.createApiKey.secret as string };
      },
      'FORBIDDEN',
    ],
    [
      'an ADMIN whose proof of the password is old',
      async () => {
        const admin = await addPerson(gateway, Role.ADMIN);
        await gateway.db
          .updateTable('session')
          .set({ authenticated_at: new Date(Date.now() - 600_000) })
          .where('user_id', '=', admin.uuid)
          .execute();
        return { token: admin.token };
      },
      'REAUTHENTICATION_REQUIRED',
    ],
  ])('and startPasswordReset reject %s and change nothing', async (_name, callerOf, code) => {
    const caller = await callerOf();
    const { id, email } = await addPerson(gateway);
    const before = await accountsAndLinks();
    const sent = smtp.mails.length;
    expect(codesOf(await run(INVITE, { email: newEmail(), role: Role.ADMIN }, caller))).toEqual([code]);
    expect(codesOf(await run(START, { userId: id }, caller))).toEqual([code]);
    expect(await accountsAndLinks()).toEqual(before);
    expect(smtp.mails.slice(sent).filter(({ to }) => to.includes(email))).toEqual([]);
  });

  it('reports an address that has an account, an employee of another user and an unknown one', async () => {
    const { email } = await addPerson(gateway);
    const taken = await gateway.db
      .selectFrom('user_account')
      .select('employee_id')
      .where('employee_id', 'is not', null)
      .executeTakeFirstOrThrow();
    const before = await accountsAndLinks();
    for (const [variables, field] of [
      [{ email }, 'email'],
      [{ email: 'nobody' }, 'email'],
      [{ email: newEmail(), employeeId: encodeId('employee', taken.employee_id ?? '') }, 'employeeId'],
      [{ email: newEmail(), employeeId: 'employee_01h455vb4pex5vsknk084sn02q' }, 'employeeId'],
    ] as const) {
      const response = await run(INVITE, variables, 'admin');
      expect([codesOf(response), fieldsOf(response)]).toEqual([['BAD_USER_INPUT'], [field]]);
    }
    expect(await accountsAndLinks()).toEqual(before);
  });
});

describe('a password reset', () => {
  it('has the same response for every address, and mails a link to active accounts only', async () => {
    const active = await addAccount();
    const inactive = await addAccount();
    await gateway.db.updateTable('user_account').set({ is_active: false }).where('id', '=', inactive.uuid).execute();
    const unknown = newEmail();
    const responses = await Promise.all(
      [inactive.email, unknown, ` ${active.email.toUpperCase()} `].map((email) => run(REQUEST, { email })),
    );
    for (const { status, data, errors } of responses)
      expect({ status, data, errors }).toEqual({
        status: 200,
        data: { requestPasswordReset: { linkTtlSeconds: 3600 } },
        errors: [],
      });
    // Requested last: what the others caused has been sent before.
    await smtp.textsTo(active.email);
    expect(smtp.mails.filter(({ to }) => to.includes(unknown) || to.includes(inactive.email))).toEqual([]);
  });

  it('ends sessions, API keys and other links of the account once the link is used', async () => {
    const { email, id } = await addAccount();
    const { data } = await login(email, first);
    const token = data.login.accessToken as string;
    const key = await run('mutation { createApiKey(name: "earlier") { secret } }', {}, { token });
    const apiKey = key.data.createApiKey.secret as string;
    await run(REQUEST, { email });
    const older = await mailedToken(email);
    await run(REQUEST, { email });
    const newer = await mailedToken(email, 2);
    const me = '{ me { email } }';
    for (const caller of [{ token }, { apiKey }]) expect((await run(me, {}, caller)).errors).toEqual([]);
    expect((await setPassword(newer, second)).errors).toEqual([]);
    for (const caller of [{ token }, { apiKey }])
      expect(codesOf(await run(me, {}, caller))).toEqual(['UNAUTHENTICATED']);
    expect(codesOf(await login(email, first))).toEqual(['UNAUTHENTICATED']);
    expect((await login(email, second)).errors).toEqual([]);
    expect(fieldsOf(await setPassword(older, 'another good one'))).toEqual(['token']);
    expect(await actionsOf(id)).toEqual(
      expect.arrayContaining(['PASSWORD_RESET_REQUEST', 'PASSWORD_RESET', 'SIGN_IN']),
    );
  });

  it('may be started by an ADMIN, and leaves the password until the link is used', async () => {
    const { email, id } = await addAccount();
    const { data, errors } = await run(START, { userId: id }, 'admin');
    expect({ data, errors }).toEqual({ data: { startPasswordReset: { link: null, user: { email } } }, errors: [] });
    const token = await mailedToken(email);
    expect((await login(email, first)).errors).toEqual([]);
    expect((await setPassword(token, second)).data.setPassword).toEqual({ email });
    expect((await login(email, second)).errors).toEqual([]);
  });

  it('is done once by concurrent uses of one link', async () => {
    const { email } = await addAccount();
    await run(REQUEST, { email });
    const token = await mailedToken(email);
    const passwords = [first, second, 'a third good one'];
    const responses = await Promise.all(passwords.map((password) => setPassword(token, password)));
    const winners = passwords.filter((_password, at) => responses[at]?.errors.length === 0);
    expect(winners).toHaveLength(1);
    expect((await login(email, winners[0] ?? '')).errors).toEqual([]);
  });

  it('rejects unacceptable passwords and leaves the link usable', async () => {
    const { email } = await addAccount();
    await run(REQUEST, { email });
    const token = await mailedToken(email);
    for (const password of ['short', 'Password1234', email]) {
      const response = await setPassword(token, password);
      expect([codesOf(response), fieldsOf(response)]).toEqual([['BAD_USER_INPUT'], ['newPassword']]);
    }
    expect((await login(email, first)).errors).toEqual([]);
    expect((await setPassword(token, second)).errors).toEqual([]);
  });

  it.each<[string, (account: Person) => Promise<unknown>]>([
    [
      'an expired link',
      ({ uuid }) =>
        gateway.db
          .updateTable('account_token')
          .set({ expires_at: new Date(Date.now() - 1) })
          .where('user_id', '=', uuid)
          .execute(),
    ],
    [
      'a link of a user who was deactivated',
      async ({ id }) => {
        const SWITCH = 'mutation ($id: ID!, $on: Boolean!) { setUserActive(userId: $id, isActive: $on) { id } }';
        await run(SWITCH, { id, on: false }, 'admin');
        await run(SWITCH, { id, on: true }, 'admin');
      },
    ],
    [
      'a link from before a change of the password',
      async ({ email }) => {
        const { data } = await login(email, first);
        const change = `mutation { changePassword(currentPassword: "${first}", newPassword: "${first} again") { accessToken } }`;
        expect((await run(change, {}, { token: data.login.accessToken as string })).errors).toEqual([]);
      },
    ],
  ])('rejects %s', async (_name, end) => {
    const account = await addAccount();
    await run(REQUEST, { email: account.email });
    const token = await mailedToken(account.email);
    await end(account);
    const response = await setPassword(token, second);
    expect([codesOf(response), fieldsOf(response)]).toEqual([['BAD_USER_INPUT'], ['token']]);
    expect(codesOf(await login(account.email, second))).toEqual(['UNAUTHENTICATED']);
  });

  it('responds while the mail server does not, and never names the host of the request in a link', async () => {
    const { email } = await addAccount();
    const release = smtp.hold();
    const response = await gateway.execute<AnyData>(
      null,
      REQUEST,
      { email },
      {
        'x-forwarded-for': newAddress(),
        'x-forwarded-host': 'attacker.example',
      },
    );
    expect(response.errors).toEqual([]);
    expect(smtp.mails.filter(({ to }) => to.includes(email))).toEqual([]);
    release();
    const text = (await smtp.textsTo(email)).at(-1);
    expect(tokenIn(text)).toHaveLength(43);
    expect(text).not.toContain('attacker.example');
  });

  it('limits requests by e-mail address and by network, equally for unknown addresses', async () => {
    const { email } = await addAccount();
    for (const account of [email, newEmail()]) {
      for (let request = 1; request <= 2; request++)
        expect((await run(REQUEST, { email: account })).errors).toEqual([]);
      const rejected = await run(REQUEST, { email: account });
      expect(codesOf(rejected)).toEqual(['TOO_MANY_REQUESTS']);
      expect(Number(rejected.headers.get('retry-after'))).toBeGreaterThan(0);
    }
    const address = newAddress();
    for (let request = 1; request <= 4; request++)
      expect((await run(REQUEST, { email: newEmail() }, null, address)).errors).toEqual([]);
    expect(codesOf(await run(REGISTER, { email: newEmail() }, null, address))).toEqual(['TOO_MANY_REQUESTS']);
  });
});

describe('registration by mail', () => {
  it('has the same response for every address; the link creates an account', async () => {
    const email = newEmail();
    const known = await addAccount();
    const [one, other] = await Promise.all([run(REGISTER, { email }), run(REGISTER, { email: known.email })]);
    expect([one.status, one.data, one.errors]).toEqual([other.status, other.data, other.errors]);
    expect(one.data).toEqual({ requestRegistration: { linkTtlSeconds: 86_400 } });
    const token = await mailedToken(email);
    const before = await accountsAndLinks();
    expect(before.accounts.filter((account) => account.email === email)).toEqual([]);
    expect((await setPassword(token, first)).data.setPassword).toEqual({ email });
    expect((await login(email, first)).data.login.user).toEqual({ email, role: 'USER', employee: null });
    const notice = (await smtp.textsTo(known.email)).at(-1);
    expect(notice).toContain('which has one already');
    expect(tokenIn(notice)).toBe('');
    expect((await login(known.email, first)).errors).toEqual([]);
  });

  it('replaces register, whose error is the same for every address', async () => {
    const document =
      'mutation ($email: String!) { register(input: { email: $email, password: "correct horse battery" }) { accessToken } }';
    const before = await accountsAndLinks();
    const [known, unknown] = await Promise.all(
      ['admin@example.com', newEmail()].map((email) => run(document, { email })),
    );
    expect(known && codesOf(known)).toEqual(['FORBIDDEN']);
    expect(known?.errors[0]?.message).toBe(unknown?.errors[0]?.message);
    expect(await accountsAndLinks()).toEqual(before);
  });
});

describe('the page of a link', () => {
  it('allows only its script, and is not cached', async () => {
    const response = await fetch(new URL('/account', gateway.url), { headers: { accept: 'text/html' } });
    expect([response.status, response.headers.get('cache-control')]).toEqual([200, 'no-store']);
    expect(response.headers.get('content-security-policy')).toMatch(
      /^default-src 'none'; style-src 'sha256-[^']+'; script-src 'sha256-[^']+'; connect-src 'self'; .*form-action 'none'; frame-ancestors 'none'$/,
    );
    expect(await response.text()).toContain('autocomplete="new-password"');
  });
});

describe('without a mail server', () => {
  it('gives the link to the ADMIN alone in production, and sends no reset', async () => {
    const silent = await startGateway({ NODE_ENV: 'production', DEMO_DATA: 'true', PUBLIC_URL: publicUrl });
    try {
      const invited = await silent.execute<AnyData>('admin', INVITE, { email: 'new@example.org' });
      const token = tokenIn(invited.data.inviteUser.link as string);
      expect(token).toHaveLength(43);
      expect(codesOf(await silent.execute(null, REQUEST, { email: 'admin@example.com' }))).toEqual(['FORBIDDEN']);
      expect(codesOf(await silent.execute(null, REGISTER, { email: 'other@example.org' }))).toEqual(['FORBIDDEN']);
      expect(JSON.stringify(silent.logs)).not.toContain(token);
      expect((await silent.execute<AnyData>(null, SET, { token, password: first })).data.setPassword).toEqual({
        email: 'new@example.org',
      });
    } finally {
      await silent.close();
    }
  });

  it('names PUBLIC_URL to an ADMIN in production if it is missing, and creates no account', async () => {
    const silent = await startGateway({ NODE_ENV: 'production', DEMO_DATA: 'true' });
    try {
      const response = await silent.execute('admin', INVITE, { email: 'new@example.org' });
      expect(codesOf(response)).toEqual(['CONFLICT']);
      expect(response.errors[0]?.message).toContain('PUBLIC_URL');
      const { length } = await silent.db
        .selectFrom('user_account')
        .select('id')
        .where('email', '=', 'new@example.org')
        .execute();
      expect(length).toBe(0);
    } finally {
      await silent.close();
    }
  });
});

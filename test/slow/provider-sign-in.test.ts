import { createHash, randomBytes } from 'node:crypto';
import { AuditAction, AuditOutcome } from '../../src/audit/audit-event.js';
import { createServer } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Role } from '../../src/auth/viewer.js';
import { codesOf, fieldsOf, startGateway, type AnyData, type TestGateway } from '../support/gateway.js';
import { startIdentityProvider, type TestProvider } from '../support/identity-provider.js';
import { addPerson } from '../support/people.js';
import { waitUntil } from '../support/wait-until.js';

/** A page of a frontend, which may use the sign-in. */
const page = 'https://app.example.com/signed-in';
const audience = 'https://auspex.example.com/api';

let provider: TestProvider;
let gateway: TestGateway;
let base: string;

beforeAll(async () => {
  const port = await freePort();
  base = `http://127.0.0.1:${port}`;
  provider = await startIdentityProvider(base, audience);
  gateway = await startGateway({
    PORT: String(port),
    PUBLIC_URL: base,
    OIDC_ISSUER: provider.issuer,
    OIDC_NAME: 'Example Login',
    OIDC_CLIENT_ID: 'auspex',
    OIDC_CLIENT_SECRET: provider.clientSecret,
    OIDC_RETURN_URLS: page,
    OIDC_ROLE_CLAIM: 'realm_access.roles',
    OIDC_ROLES: 'ADMIN=auspex-admins, MANAGER=team-leads',
    OIDC_EMPLOYEE_CLAIM: 'work_email',
  });
});
afterAll(async () => {
  await gateway.close();
  await provider.stop();
});
beforeEach(() => {
  provider.accounts.set('alice', { email: 'alice@example.net', email_verified: true });
});

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as { port: number };
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

/** A browser: cookies by host, and no redirect is followed without notice. */
class Browser {
  readonly cookies = new Map<string, Map<string, string>>();
  /** Every URL it requested. */
  readonly visited: string[] = [];

  async get(url: string | URL): Promise<Response> {
    const { host, href } = new URL(url);
    this.visited.push(href);
    const jar = this.cookies.get(host) ?? new Map<string, string>();
    this.cookies.set(host, jar);
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(href, { redirect: 'manual', headers: { cookie } });
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (value === '' || /max-age=0/i.test(line)) jar.delete(name);
      else jar.set(name, value);
    }
    return response;
  }
}

const locationOf = (response: Response, url: string | URL): URL => new URL(response.headers.get('location') ?? '', url);

/** A page that signs in: it has the verifier, and opens the start in its browser. */
class SignIn {
  readonly verifier = randomBytes(32).toString('base64url');
  constructor(
    readonly browser = new Browser(),
    readonly returnTo = page,
  ) {}

  /** @returns where the gateway sends the browser */
  async start(): Promise<URL> {
    const url = new URL('/sign-in/start', base);
    url.searchParams.set('return_to', this.returnTo);
    url.searchParams.set('challenge', createHash('sha256').update(this.verifier).digest('base64url'));
    const response = await this.browser.get(url);
    expect(response.status).toBe(303);
    return locationOf(response, url);
  }

  /** Signs in at the provider. @returns the URL of the callback, not yet requested */
  async atProvider(authorization: URL, subject: string): Promise<URL> {
    authorization.searchParams.set('login_hint', subject);
    let url = authorization;
    for (let hop = 0; hop < 10 && url.origin !== base; hop++) url = locationOf(await this.browser.get(url), url);
    return url;
  }

  /** @returns the parameters in the fragment of the page to which the sign-in returns */
  async callback(url: URL): Promise<URLSearchParams> {
    const response = await this.browser.get(url);
    const target = locationOf(response, url);
    expect({ status: response.status, page: target.origin + target.pathname + target.search }).toEqual({
      status: 303,
      page: this.returnTo,
    });
    expect(response.headers.get('cache-control')).toBe('no-store');
    return new URLSearchParams(target.hash.slice(1));
  }

  async complete(subject: string): Promise<URLSearchParams> {
    return this.callback(await this.atProvider(await this.start(), subject));
  }
}

const exchange = (code: string | null, verifier: string) =>
  gateway.execute<AnyData>(
    null,
    `mutation ($code: String!, $verifier: String!) {
      signInWithCode(code: $code, verifier: $verifier) { accessToken refreshToken user { id email role employee { email } } }
    }`,
    { code: code ?? '', verifier },
  );

/** Signs in completely. @returns the session */
async function signIn(subject: string): Promise<AnyData> {
  const attempt = new SignIn();
  const result = await attempt.complete(subject);
  const response = await exchange(result.get('sign_in_code'), attempt.verifier);
  expect(response.errors).toEqual([]);
  return response.data?.signInWithCode;
}

const problemOf = async (subject: string): Promise<string | null> =>
  (await new SignIn().complete(subject)).get('sign_in_error');

const countUsers = async (): Promise<number> =>
  (await gateway.db.selectFrom('user_account').select('id').execute()).length;

const me = (token: string) => gateway.execute<AnyData>({ token }, '{ me { id email role } }');

describe('a sign-in with the identity provider', () => {
  it('creates an account at first, and finds it by the subject later', async () => {
    const { accessToken, user } = await signIn('alice');
    expect(user).toEqual({ id: expect.any(String), email: 'alice@example.net', role: 'USER', employee: null });
    expect((await me(accessToken)).data?.me).toEqual({ id: user.id, email: user.email, role: 'USER' });
    provider.accounts.set('alice', { email: 'alice.new@example.net', email_verified: false });
    const before = await countUsers();
    expect((await signIn('alice')).user).toMatchObject({ id: user.id, email: 'alice@example.net' });
    expect(await countUsers()).toBe(before);
  });

  it('returns to GraphiQL, too', async () => {
    const attempt = new SignIn(new Browser(), `${base}/graphiql`);
    expect((await attempt.complete('alice')).get('sign_in_code')).toMatch(/^[\w-]{43}$/);
  });

  it('applies role and employee of the claims at each sign-in', async () => {
    const employee = await gateway.db
      .selectFrom('employee')
      .select('email')
      .orderBy('email')
      .limit(1)
      .executeTakeFirstOrThrow();
    const account = { email: 'bob@example.net', email_verified: true, work_email: employee.email };
    provider.accounts.set('bob', { ...account, realm_access: { roles: ['other', 'auspex-admins', 'team-leads'] } });
    const first = await signIn('bob');
    expect(first.user).toMatchObject({ role: 'ADMIN', employee: { email: employee.email } });
    provider.accounts.set('bob', { ...account, realm_access: { roles: ['team-leads'] } });
    expect((await signIn('bob')).user.role).toBe('MANAGER');
    provider.accounts.set('bob', account);
    expect((await signIn('bob')).user.role).toBe('USER');
    expect(codesOf(await me(first.accessToken))).toEqual(['UNAUTHENTICATED']);
  });

  it('creates one account for two first sign-ins at once', async () => {
    provider.accounts.set('ivan', { email: 'ivan@example.net', email_verified: true });
    const [one, other] = await Promise.all([signIn('ivan'), signIn('ivan')]);
    expect(one.user.id).toBe(other.user.id);
    const accounts = gateway.db.selectFrom('user_account').select('id').where('email', '=', 'ivan@example.net');
    expect(await accounts.execute()).toHaveLength(1);
  });

  it('does not demote the last administrator', async () => {
    const { id } = await gateway.db
      .selectFrom('user_account')
      .select('id')
      .where('email', '=', 'admin@example.com')
      .executeTakeFirstOrThrow();
    const times = { created_at: new Date(), updated_at: new Date() };
    const link = { id, user_id: id, issuer: provider.issuer, subject: 'last-admin', ...times };
    await gateway.db.insertInto('user_identity').values(link).execute();
    provider.accounts.set('last-admin', { realm_access: { roles: ['team-leads'] } });
    expect((await signIn('last-admin')).user.role).toBe('ADMIN');
    expect(gateway.logs.filter(({ msg }) => msg === 'claim of the identity provider not applied')).toHaveLength(1);
    await gateway.db.deleteFrom('user_identity').where('id', '=', id).execute();
  });

  it('requests code, PKCE, state and nonce, and binds them to the browser by a cookie that scripts cannot read', async () => {
    const start = new URL('/sign-in/start', base);
    start.searchParams.set('challenge', 'A'.repeat(43));
    const response = await fetch(start, { redirect: 'manual' });
    const { searchParams, origin } = locationOf(response, start);
    expect(origin).toBe(provider.issuer);
    expect(Object.fromEntries(searchParams)).toMatchObject({
      response_type: 'code',
      client_id: 'auspex',
      code_challenge_method: 'S256',
      code_challenge: expect.stringMatching(/^[\w-]{43}$/),
      state: expect.stringMatching(/^[\w-]{43}$/),
      nonce: expect.stringMatching(/^[\w-]{43}$/),
    });
    const [cookie = ''] = response.headers.getSetCookie();
    expect(cookie).toMatch(/^auspex-sign-in=[\w.-]+; Max-Age=600; Path=\/; HttpOnly; SameSite=Lax$/);
    expect(response.headers.get('cache-control')).toBe('no-store');
  });
});

describe('a sign-in is rejected', () => {
  /** Expects the error, and that no account and no code were created. */
  async function expectRejected(attempt: () => Promise<string | null>, problem: string): Promise<void> {
    const state = async () => ({
      users: await countUsers(),
      identities: (await gateway.db.selectFrom('user_identity').select('id').execute()).length,
    });
    const before = await state();
    expect(await attempt()).toBe(problem);
    expect(await state()).toEqual(before);
  }

  const lastReason = () => gateway.logs.findLast(({ msg }) => msg === 'provider sign-in rejected')?.reason;

  it('with another state', () =>
    expectRejected(async () => {
      provider.accounts.set('state', { email: 'state@example.net', email_verified: true });
      const attempt = new SignIn();
      const callback = await attempt.atProvider(await attempt.start(), 'state');
      callback.searchParams.set('state', 'A'.repeat(43));
      const problem = (await attempt.callback(callback)).get('sign_in_error');
      expect(lastReason()).toBe('OAUTH_INVALID_RESPONSE');
      return problem;
    }, 'rejected'));

  it('with another nonce', () =>
    expectRejected(async () => {
      provider.accounts.set('nonce', { email: 'nonce@example.net', email_verified: true });
      const attempt = new SignIn();
      const authorization = await attempt.start();
      authorization.searchParams.set('nonce', 'A'.repeat(43));
      const problem = (await attempt.callback(await attempt.atProvider(authorization, 'nonce'))).get('sign_in_error');
      expect(lastReason()).toBe('OAUTH_JWT_CLAIM_COMPARISON_FAILED');
      return problem;
    }, 'rejected'));

  it('with the code of another browser', () =>
    expectRejected(async () => {
      provider.accounts.set('victim', { email: 'victim@example.net', email_verified: true });
      const [attacker, victim] = [new SignIn(), new SignIn()];
      const stolen = await attacker.atProvider(await attacker.start(), 'victim');
      const { searchParams } = await victim.start();
      stolen.searchParams.set('state', searchParams.get('state') ?? '');
      const problem = (await victim.callback(stolen)).get('sign_in_error');
      expect(lastReason()).toBe('invalid_grant');
      return problem;
    }, 'rejected'));

  it('without the cookie, with a changed one, and after the callback', async () => {
    const attempt = new SignIn();
    const callback = await attempt.atProvider(await attempt.start(), 'alice');
    expect((await fetch(callback, { redirect: 'manual' })).status).toBe(400);
    const jar = attempt.browser.cookies.get(new URL(base).host);
    const cookie = jar?.get('auspex-sign-in') ?? '';
    const forged = cookie.replace(/^[^.]+/, Buffer.from('{"alg":"none","typ":"sign-in+jwt"}').toString('base64url'));
    expect(
      (await fetch(callback, { redirect: 'manual', headers: { cookie: `auspex-sign-in=${forged}` } })).status,
    ).toBe(400);
    const accessToken = await gateway.tokenOf('user');
    expect(
      (await fetch(callback, { redirect: 'manual', headers: { cookie: `auspex-sign-in=${accessToken}` } })).status,
    ).toBe(400);
    expect(codesOf(await me(cookie))).toEqual(['UNAUTHENTICATED']);
    expect((await attempt.callback(callback)).get('sign_in_code')).not.toBeNull();
    expect((await attempt.browser.get(callback)).status).toBe(400);
  });

  it('if the code of the provider is replayed with its cookie', async () => {
    const attempt = new SignIn();
    const callback = await attempt.atProvider(await attempt.start(), 'alice');
    const jar = new Map(attempt.browser.cookies.get(new URL(base).host));
    expect((await attempt.callback(callback)).get('sign_in_code')).not.toBeNull();
    attempt.browser.cookies.set(new URL(base).host, jar);
    expect((await attempt.callback(callback)).get('sign_in_error')).toBe('rejected');
  });

  it.each([
    ['false', false],
    ['absent', undefined],
    ['text', 'true'],
  ])('for a new user whose email_verified is %s', (_name, verified) =>
    expectRejected(() => {
      provider.accounts.set('carol', { email: 'carol@example.net', email_verified: verified });
      return problemOf('carol');
    }, 'email_not_verified'),
  );

  it('for a new user with the e-mail address of an account, which keeps its sign-in', async () => {
    await expectRejected(() => {
      provider.accounts.set('mallory', {
        email: 'ADMIN@example.com',
        email_verified: true,
        realm_access: { roles: ['auspex-admins'] },
      });
      return problemOf('mallory');
    }, 'account_exists');
    expect((await me(await gateway.tokenOf('admin'))).errors).toEqual([]);
  });

  it('if the user declines at the provider', () =>
    expectRejected(async () => {
      const attempt = new SignIn();
      const authorization = await attempt.start();
      let url = authorization;
      for (let hop = 0; hop < 10 && url.origin !== base; hop++) url = locationOf(await attempt.browser.get(url), url);
      return (await attempt.callback(url)).get('sign_in_error');
    }, 'declined'));

  it('with a page that is not listed, or without a challenge', async () => {
    const start = (parameters: Record<string, string>) =>
      fetch(`${base}/sign-in/start?${new URLSearchParams(parameters)}`, { redirect: 'manual' });
    const challenge = 'A'.repeat(43);
    for (const target of [
      'https://evil.example.com/',
      `${page}/`,
      `${page}?x`,
      `${page}@evil.example.com`,
      '//evil.example.com',
      '/graphiql',
      'javascript:alert(1)',
    ]) {
      const response = await start({ return_to: target, challenge });
      expect([response.status, response.headers.get('location'), response.headers.get('set-cookie')]).toEqual([
        400,
        null,
        null,
      ]);
    }
    for (const wrong of ['', 'short', 'A'.repeat(44), `${'A'.repeat(42)}=`])
      expect((await start({ return_to: page, challenge: wrong })).status).toBe(400);
    expect(
      (await fetch(`${base}/sign-in/start?challenge=${challenge}&challenge=${challenge}`, { redirect: 'manual' }))
        .status,
    ).toBe(400);
  });
});

describe('a sign-in code', () => {
  it('is valid once, and only with the verifier', async () => {
    const attempt = new SignIn();
    const code = (await attempt.complete('alice')).get('sign_in_code');
    expect((await exchange(code, attempt.verifier)).errors).toEqual([]);
    expect(codesOf(await exchange(code, attempt.verifier))).toEqual(['UNAUTHENTICATED']);
    const other = new SignIn();
    const stolen = (await other.complete('alice')).get('sign_in_code');
    expect(codesOf(await exchange(stolen, attempt.verifier))).toEqual(['UNAUTHENTICATED']);
    expect(codesOf(await exchange(stolen, other.verifier))).toEqual(['UNAUTHENTICATED']);
  });

  it('expires, and is stored as a hash', async () => {
    const attempt = new SignIn();
    const code = (await attempt.complete('alice')).get('sign_in_code') ?? '';
    const rows = await gateway.db.selectFrom('sign_in_code').selectAll().execute();
    expect(JSON.stringify(rows)).not.toContain(code);
    await gateway.db
      .updateTable('sign_in_code')
      .set({ expires_at: new Date(Date.now() - 1) })
      .execute();
    expect(codesOf(await exchange(code, attempt.verifier))).toEqual(['UNAUTHENTICATED']);
  });

  it('opens no session of an account that was deactivated meanwhile, and none afterwards', async () => {
    provider.accounts.set('dave', { email: 'dave@example.net', email_verified: true });
    const { user, accessToken, refreshToken } = await signIn('dave');
    const attempt = new SignIn();
    const code = (await attempt.complete('dave')).get('sign_in_code');
    const deactivate = 'mutation ($id: ID!) { setUserActive(userId: $id, isActive: false) { id } }';
    expect((await gateway.execute('admin', deactivate, { id: user.id })).errors).toEqual([]);
    expect(codesOf(await exchange(code, attempt.verifier))).toEqual(['UNAUTHENTICATED']);
    expect(await problemOf('dave')).toBe('account_inactive');
    expect(codesOf(await me(accessToken))).toEqual(['UNAUTHENTICATED']);
    const refresh = 'mutation ($token: String!) { refreshSession(refreshToken: $token) { accessToken } }';
    expect(codesOf(await gateway.execute(null, refresh, { token: refreshToken }))).toEqual(['UNAUTHENTICATED']);
  });
});

describe('the link between an account and an identity', () => {
  const link = 'mutation ($id: ID!, $subject: String) { setUserIdentity(userId: $id, subject: $subject) { id email } }';

  it('is set by an administrator, who ends the sessions of the account by it', async () => {
    const person = await addPerson(gateway);
    provider.accounts.set('erin', { email: person.email, email_verified: true });
    expect(await problemOf('erin')).toBe('account_exists');
    expect((await gateway.execute('admin', link, { id: person.id, subject: 'erin' })).errors).toEqual([]);
    expect(codesOf(await me(person.token))).toEqual(['UNAUTHENTICATED']);
    const { user, accessToken } = await signIn('erin');
    expect(user.id).toBe(person.id);
    expect((await gateway.execute('admin', link, { id: person.id, subject: null })).errors).toEqual([]);
    expect(codesOf(await me(accessToken))).toEqual(['UNAUTHENTICATED']);
    expect(await problemOf('erin')).toBe('account_exists');
  });

  it('is not set by others, and not twice', async () => {
    const [person, other] = [await addPerson(gateway), await addPerson(gateway, Role.MANAGER)];
    for (const caller of [null, 'user', 'manager', { token: person.token }] as const) {
      const response = await gateway.execute(caller, link, { id: person.id, subject: 'frank' });
      expect(codesOf(response)).toEqual([caller === null ? 'UNAUTHENTICATED' : 'FORBIDDEN']);
    }
    expect((await gateway.execute('admin', link, { id: person.id, subject: 'frank' })).errors).toEqual([]);
    expect(fieldsOf(await gateway.execute('admin', link, { id: other.id, subject: 'frank' }))).toEqual(['subject']);
    for (const subject of ['', 'x'.repeat(256), undefined])
      expect(fieldsOf(await gateway.execute('admin', link, { id: other.id, subject }))).toEqual(['subject']);
    const rows = await gateway.db
      .selectFrom('user_identity')
      .select('user_id')
      .where('subject', '=', 'frank')
      .execute();
    expect(rows).toEqual([{ user_id: person.uuid }]);
    expect((await me(other.token)).errors).toEqual([]);
  });
});

describe('the identity provider', () => {
  it('receives no request for a sign-in that only begins', async () => {
    await new SignIn().start();
    const before = provider.requests.length;
    await Promise.all(Array.from({ length: 20 }, () => new SignIn().start()));
    expect(provider.requests.length).toBe(before);
  });

  it('may rotate its keys', async () => {
    await signIn('alice');
    provider.rotateKey();
    await signIn('alice');
  });

  it('may be down: the sign-in reports it, and the gateway serves', async () => {
    const attempt = new SignIn();
    const callback = await attempt.atProvider(await attempt.start(), 'alice');
    await provider.stop();
    try {
      expect((await attempt.callback(callback)).get('sign_in_error')).toBe('provider_unavailable');
      expect((await me(await gateway.tokenOf('user'))).errors).toEqual([]);
    } finally {
      await provider.restart();
    }
    await signIn('alice');
  });
});

it('is recorded in the audit log, with the subject', async () => {
  provider.accounts.set('grace', { email: 'grace@example.net', email_verified: true });
  const { user } = await signIn('grace');
  provider.accounts.set('heidi', { email: 'grace@example.net', email_verified: true });
  await problemOf('heidi');
  await gateway.execute('admin', 'mutation ($id: ID!) { setUserIdentity(userId: $id, subject: null) { id } }', {
    id: user.id,
  });
  const read = () =>
    gateway.db
      .selectFrom('audit_event')
      .select(['action', 'outcome', 'account', 'target', 'before', 'after'])
      .where((where) => where.or([where('target', '=', user.id), where('account', '=', user.email)]))
      .orderBy('id')
      .execute();
  // The rejection is stored in the background.
  await waitUntil(async () => (await read()).length === 4);
  const events = await read();
  const { email: account, id: target } = user;
  expect(events).toEqual([
    {
      action: 'PROVIDER_REGISTRATION',
      outcome: 'SUCCESS',
      account,
      target,
      before: null,
      after: { issuer: provider.issuer, subject: 'grace', role: 'USER' },
    },
    { action: 'PROVIDER_SIGN_IN', outcome: 'SUCCESS', account, target, before: null, after: null },
    {
      action: 'PROVIDER_SIGN_IN',
      outcome: 'REJECTED',
      account,
      target: null,
      before: null,
      after: { subject: 'heidi', problem: 'account_exists' },
    },
    {
      action: 'IDENTITY_LINK',
      outcome: 'SUCCESS',
      account: null,
      target,
      before: { subject: 'grace' },
      after: { subject: null },
    },
  ]);
});

it('is limited by address, and uses a cookie for https only if browsers reach the gateway over https', async () => {
  const secure = await startGateway({
    RATE_LIMIT_PER_ADDRESS: '5',
    PUBLIC_URL: 'https://auspex.example.com/gateway',
    OIDC_ISSUER: provider.issuer,
    OIDC_CLIENT_ID: 'auspex',
  });
  try {
    const start = new URL(`/sign-in/start?challenge=${'A'.repeat(43)}`, secure.url);
    const begun = await fetch(start, { redirect: 'manual' });
    expect(begun.headers.getSetCookie()[0]).toMatch(
      /^__Host-auspex-sign-in=[\w.-]+; Max-Age=600; Path=\/; HttpOnly; SameSite=Lax; Secure$/,
    );
    expect(locationOf(begun, start).searchParams.get('redirect_uri')).toBe(
      'https://auspex.example.com/gateway/sign-in/callback',
    );
    const statuses: number[] = [];
    for (const path of ['start', 'callback', 'start', 'callback', 'start', 'callback'])
      statuses.push((await fetch(new URL(`/sign-in/${path}`, secure.url), { redirect: 'manual' })).status);
    expect(statuses).toEqual([400, 400, 400, 400, 429, 429]);
  } finally {
    await secure.close();
  }
});

it('is recorded in the audit log if its code is wrong, without the code', async () => {
  const failures = () =>
    gateway.db
      .selectFrom('audit_event')
      .selectAll()
      .where('action', '=', AuditAction.PROVIDER_SIGN_IN)
      .where('outcome', '=', AuditOutcome.FAILURE)
      .orderBy('id')
      .execute();
  const before = (await failures()).length;
  await gateway.execute(
    null,
    'mutation { signInWithCode(code: "no-such-code", verifier: "no-such-verifier") { accessToken } }',
  );
  await waitUntil(async () => (await failures()).length > before);
  expect((await failures()).at(-1)).toMatchObject({ code: 'UNAUTHENTICATED', actor_id: null, account: null });
  expect(JSON.stringify(await failures())).not.toContain('no-such');
});

describe('the pages of the gateway', () => {
  it('offer the sign-in by the name of the provider', async () => {
    const landing = await (await fetch(`${base}/`, { headers: { accept: 'text/html' } })).text();
    expect(landing).toContain('<a href="graphiql#sign-in-with=provider">Sign in with Example Login</a>');
    const ide = await (await fetch(`${base}/graphiql`)).text();
    expect(ide).toContain('data-provider="{&quot;name&quot;:&quot;Example Login&quot;}"');
  });
});

it('no secret and no token is logged or sent in a URL', async () => {
  const attempt = new SignIn();
  const callback = await attempt.atProvider(await attempt.start(), 'alice');
  const cookie = attempt.browser.cookies.get(new URL(base).host)?.get('auspex-sign-in') ?? '';
  const code = (await attempt.callback(callback)).get('sign_in_code');
  const { data } = await exchange(code, attempt.verifier);
  const { accessToken, refreshToken } = data?.signInWithCode ?? {};
  const logged = JSON.stringify(gateway.logs);
  const { searchParams } = callback;
  for (const secret of [
    provider.clientSecret,
    cookie,
    code,
    accessToken,
    refreshToken,
    attempt.verifier,
    searchParams.get('code'),
    searchParams.get('state'),
  ]) {
    expect(secret).toMatch(/.{8}/);
    expect(logged).not.toContain(secret);
  }
  const urls = attempt.browser.visited.join(' ');
  for (const secret of [code, accessToken, refreshToken, attempt.verifier]) expect(urls).not.toContain(secret);
});

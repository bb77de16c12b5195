import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { sql } from 'kysely';
import { codesOf, startGateway, type TestGateway } from '../support/gateway.js';
import { waitUntil } from '../support/wait-until.js';
import { demoAccounts } from '../../src/domains/user/demo-accounts.js';
import { setUpMfa } from '../support/mfa.js';
import { buildProgram, projectDir, startProgram } from '../support/process.js';

beforeAll(() => buildProgram(), 120_000);

/** Runs a script of the image. @returns its output and exit code */
async function run(
  script: string,
  env: Record<string, string>,
  ...args: string[]
): Promise<{ code: number | NodeJS.Signals; stdout: string; stderr: string }> {
  const running = startProgram(`scripts/${script}.js`, { env, cwd: projectDir, args });
  return { code: await running.ended, stdout: running.stdout().trim(), stderr: running.stderr().trim() };
}

describe('making an administrator', () => {
  let gateway: TestGateway;
  const makeAdmin = (...args: string[]) => run('make-admin', { DATABASE_URL: gateway.databaseUrl }, ...args);
  const accounts = () =>
    gateway.db
      .selectFrom('user_account')
      .select(['email', 'role', 'is_active', 'password_hash'])
      .orderBy('email')
      .execute();
  const roleAfterLogin = async (email: string, password: string): Promise<unknown> => {
    const { data, errors } = await gateway.execute(
      null,
      'mutation ($input: LoginInput!) { login(input: $input) { user { role } } }',
      { input: { email, password } },
    );
    return errors[0]?.extensions.code ?? data;
  };
  beforeAll(async () => {
    gateway = await startGateway({ REGISTRATION: 'closed' });
  });
  afterAll(() => gateway.close());

  it('creates an account if there is none and prints its password once', async () => {
    const { code, stdout, stderr } = await makeAdmin(' First@Example.org ');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const password =
      /^first@example\.org is an administrator now\. Password, shown only once: (\S{24})$/.exec(stdout)?.[1] ?? '';
    expect(await roleAfterLogin('first@example.org', password)).toEqual({ login: { user: { role: 'ADMIN' } } });
    expect((await makeAdmin('first@example.org', '--keep-password')).stdout).toBe(
      'first@example.org is an administrator now; the password is unchanged.',
    );
    expect(await roleAfterLogin('first@example.org', password)).toEqual({ login: { user: { role: 'ADMIN' } } });
  }, 60_000);

  it('gives an existing account a new password, and ends its sessions and API keys', async () => {
    const { token } = await gateway.signIn('manager');
    const key = await gateway.execute<{ createApiKey: { secret: string } }>(
      { token },
      'mutation { createApiKey(name: "earlier") { secret } }',
    );
    const apiKey = key.data?.createApiKey.secret ?? '';
    const me = '{ me { email } }';
    expect((await gateway.execute({ apiKey }, me)).errors).toEqual([]);
    const { stdout } = await makeAdmin('manager@example.com');
    const password = /^manager@example\.com is an administrator now\. Password, shown only once: (\S{24})$/.exec(
      stdout,
    )?.[1];
    expect(await roleAfterLogin('manager@example.com', password ?? '')).toEqual({ login: { user: { role: 'ADMIN' } } });
    expect(await roleAfterLogin('manager@example.com', 'auspex-demo-2026')).toBe('UNAUTHENTICATED');
    for (const credential of [{ token }, { apiKey }])
      await waitUntil(async () => codesOf(await gateway.execute(credential, me))[0] === 'UNAUTHENTICATED');
  }, 60_000);

  it('promotes and reactivates an existing account with its password, and changes no other', async () => {
    await gateway.db
      .updateTable('user_account')
      .set({ is_active: false })
      .where('email', '=', 'user@example.com')
      .execute();
    const before = await accounts();
    expect((await makeAdmin('user@example.com', '--keep-password')).code).toBe(0);
    expect(await accounts()).toEqual(
      before.map((account) =>
        account.email === 'user@example.com' ? { ...account, role: 'ADMIN', is_active: true } : account,
      ),
    );
  }, 60_000);

  it('resets the MFA of an account and ends its sessions, and changes nothing else', async () => {
    const { id } = await gateway.db
      .selectFrom('user_account')
      .select('id')
      .where('email', '=', 'admin@example.com')
      .executeTakeFirstOrThrow();
    await setUpMfa(gateway, { uuid: id, token: await gateway.tokenOf('admin') });
    expect(await roleAfterLogin('admin@example.com', demoAccounts.password)).toBe('MFA_REQUIRED');
    const before = await accounts();
    expect(await makeAdmin('nobody@example.org', '--reset-mfa')).toMatchObject({
      code: 1,
      stderr: 'There is no account nobody@example.org.',
    });
    expect((await makeAdmin('admin@example.com', '--reset-mfa')).code).toBe(0);
    expect(await accounts()).toEqual(before);
    expect(await gateway.db.selectFrom('session').select('id').where('user_id', '=', id).execute()).toEqual([]);
    expect(await roleAfterLogin('admin@example.com', demoAccounts.password)).toEqual({
      login: { user: { role: 'ADMIN' } },
    });
  }, 60_000);

  it('rejects an invalid address and changes nothing', async () => {
    const before = await accounts();
    for (const args of [[], ['nobody'], ['a@example.org', 'b@example.org']]) {
      expect(await makeAdmin(...args)).toEqual({
        code: 2,
        stdout: '',
        stderr: expect.stringContaining('Usage: npm run admin -- <email>') as unknown,
      });
    }
    expect(await accounts()).toEqual(before);
  }, 60_000);
});

describe('the health check of the image', () => {
  const servers: Server[] = [];
  afterAll(() => {
    for (const server of servers) server.close().closeAllConnections();
  });

  /** Starts a server. @returns its port */
  async function serve(listener: RequestListener): Promise<string> {
    const server = createServer(listener).listen(0, '127.0.0.1');
    servers.push(server);
    await once(server, 'listening');
    return String((server.address() as AddressInfo).port);
  }

  it('succeeds while the gateway runs, on any address', async () => {
    const gateway = await startGateway();
    const { port } = new URL(gateway.url);
    for (const host of ['', '0.0.0.0', '127.0.0.1'])
      expect(await run('healthcheck', { PORT: port, HOST: host })).toEqual({ code: 0, stdout: '', stderr: '' });
    await gateway.close();
    expect(await run('healthcheck', { PORT: port })).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('ECONNREFUSED'),
    });
  }, 60_000);

  it('requests /livez and fails on an error status or a timeout', async () => {
    const requested: (string | undefined)[] = [];
    const failing = await serve(({ url }, response) => {
      requested.push(url);
      response.writeHead(503).end();
    });
    expect(await run('healthcheck', { PORT: failing })).toEqual({
      code: 1,
      stdout: '',
      stderr: '/livez responded with status 503',
    });
    expect(requested).toEqual(['/livez']);
    const hanging = await serve(() => {});
    expect(await run('healthcheck', { PORT: hanging })).toEqual({
      code: 1,
      stdout: '',
      stderr: '/livez did not respond within 4000 ms',
    });
  }, 60_000);
});

describe('the command line', () => {
  it.each(readdirSync(path.join(projectDir, 'src', 'scripts')).flatMap((file) => /^(.+)\.ts$/.exec(file)?.[1] ?? []))(
    'of %s prints its usage for --help and rejects unknown options, without side effects',
    async (script) => {
      const source = readFileSync(path.join(projectDir, 'src', 'scripts', `${script}.ts`), 'utf8');
      if (!source.includes('const usage = ')) return;
      const help = await run(script, {}, '--help');
      expect(help).toEqual({ code: 0, stdout: expect.stringMatching(/^Usage: /), stderr: '' });
      const unknown = await run(script, {}, '--unknown-option');
      expect(unknown).toMatchObject({ code: 2, stdout: '' });
      expect(unknown.stderr).toMatch(/^Unknown option '--unknown-option'[^]*\nUsage: /);
    },
    60_000,
  );
});

describe('verifying the audit log', () => {
  let gateway: TestGateway;
  const verify = (...args: string[]) => run('verify-audit', { DATABASE_URL: gateway.databaseUrl }, ...args);
  beforeAll(async () => {
    gateway = await startGateway();
  });
  afterAll(() => gateway.close());

  it('exits 0 with the head of an intact log, and 1 with the first broken link', async () => {
    expect(await verify()).toEqual({ code: 0, stdout: 'The audit log is empty.', stderr: '' });
    expect((await run('make-admin', { DATABASE_URL: gateway.databaseUrl }, 'new@example.org')).code).toBe(0);
    await gateway.signIn('user');
    const intact = await verify();
    const head = /^The audit log is intact: 2 events, links 1 to 2\. Head: (2:[0-9a-f]{64})$/.exec(intact.stdout)?.[1];
    expect(intact).toMatchObject({ code: 0, stderr: '' });
    expect((await verify('--head', head ?? '')).code).toBe(0);
    expect(await verify('--head', `2:${'0'.repeat(64)}`)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^The audit log is broken: link 2 .* has another hash than the expected head\.$/),
    });
    expect(await verify('--head', 'latest')).toMatchObject({ code: 2, stdout: '' });
    await gateway.db.transaction().execute(async (transaction) => {
      await sql`set local session_replication_role = replica`.execute(transaction);
      await sql`update audit_event set actor_id = null, target = null where action = 'USER_ROLE_CHANGE'`.execute(
        transaction,
      );
    });
    expect(await verify()).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/^The audit log is broken: link 1 \(auditevent_\w{26}, [0-9a-f-]{36}\) differs/),
    });
  }, 60_000);
});

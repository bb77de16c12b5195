import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { startGateway, type TestGateway } from '../kit/gateway.js';
import { buildProgram, projectDir, startProgram } from '../kit/process.js';

beforeAll(() => buildProgram(), 120_000);

/** Runs a script of the image; what it printed, and how it ended. */
async function run(script: string, env: Record<string, string>, ...args: string[]): Promise<{ code: number | NodeJS.Signals; stdout: string; stderr: string }> {
  const running = startProgram(`scripts/${script}.js`, { env, cwd: projectDir, args });
  return { code: await running.ended, stdout: running.stdout().trim(), stderr: running.stderr().trim() };
}

describe('making an administrator', () => {
  let gateway: TestGateway;
  const makeAdmin = (...args: string[]) => run('make-admin', { DATABASE_URL: gateway.databaseUrl }, ...args);
  const accounts = () => gateway.db.selectFrom('user_account').select(['email', 'role', 'is_active', 'password_hash']).orderBy('email').execute();
  const roleAfterLogin = async (email: string, password: string): Promise<unknown> => {
    const { data, errors } = await gateway.ask(null, 'mutation ($input: LoginInput!) { login(input: $input) { user { role } } }', { input: { email, password } });
    return errors[0]?.extensions.code ?? data;
  };
  beforeAll(async () => {
    gateway = await startGateway({ REGISTRATION: 'closed' });
  });
  afterAll(() => gateway.close());

  it('gives somebody without an account one, with a password that is told once', async () => {
    const { code, stdout, stderr } = await makeAdmin(' First@Example.org ');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const password = /^first@example\.org is an administrator, and signs in with the password (\S{24}), which is told only now\.$/.exec(stdout)?.[1] ?? '';
    expect(await roleAfterLogin('first@example.org', password)).toEqual({ login: { user: { role: 'ADMIN' } } });
    expect((await makeAdmin('first@example.org')).stdout).toBe('first@example.org is an administrator, and signs in as before.');
    expect(await roleAfterLogin('first@example.org', password)).toEqual({ login: { user: { role: 'ADMIN' } } });
  }, 60_000);

  it('gives somebody with an account the role, also where it was switched off, and leaves everyone else alone', async () => {
    await gateway.db.updateTable('user_account').set({ is_active: false }).where('email', '=', 'user@example.com').execute();
    const before = await accounts();
    expect((await makeAdmin('user@example.com')).code).toBe(0);
    expect(await accounts()).toEqual(before.map((account) => (account.email === 'user@example.com' ? { ...account, role: 'ADMIN', is_active: true } : account)));
  }, 60_000);

  it('refuses what is no address, and changes nothing', async () => {
    const before = await accounts();
    for (const args of [[], ['nobody'], ['a@example.org', 'b@example.org']]) {
      expect(await makeAdmin(...args)).toEqual({ code: 1, stdout: '', stderr: 'Name one e-mail address, such as: npm run admin -- you@example.com' });
    }
    expect(await accounts()).toEqual(before);
  }, 60_000);
});

describe('the health check of the image', () => {
  const servers: Server[] = [];
  afterAll(() => {
    for (const server of servers) server.close().closeAllConnections();
  });

  /** The port of a server that answers like this. */
  async function serve(answer: RequestListener): Promise<string> {
    const server = createServer(answer).listen(0, '127.0.0.1');
    servers.push(server);
    await once(server, 'listening');
    return String((server.address() as AddressInfo).port);
  }

  it('is well while the gateway lives, wherever it listens', async () => {
    const gateway = await startGateway();
    const { port } = new URL(gateway.url);
    for (const host of ['', '0.0.0.0', '127.0.0.1']) expect(await run('healthcheck', { PORT: port, HOST: host })).toEqual({ code: 0, stdout: '', stderr: '' });
    await gateway.close();
    expect(await run('healthcheck', { PORT: port })).toMatchObject({ code: 1, stderr: expect.stringContaining('ECONNREFUSED') });
  }, 60_000);

  it('asks at /livez, and is not well where that is refused or not answered', async () => {
    const asked: (string | undefined)[] = [];
    const unwell = await serve(({ url }, response) => {
      asked.push(url);
      response.writeHead(503).end();
    });
    expect(await run('healthcheck', { PORT: unwell })).toEqual({ code: 1, stdout: '', stderr: '/livez answered 503' });
    expect(asked).toEqual(['/livez']);
    const hanging = await serve(() => {});
    expect(await run('healthcheck', { PORT: hanging })).toEqual({ code: 1, stdout: '', stderr: '/livez did not answer within 4000 ms' });
  }, 60_000);
});

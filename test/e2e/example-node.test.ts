import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { startGateway, type Any, type TestGateway } from '../kit/gateway.js';
import { projectDir } from '../kit/process.js';
import { until } from '../kit/until.js';

const password = 'auspex-demo-2026';
const script = path.join(projectDir, 'examples', 'node', 'index.ts');

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway({ TRUSTED_DOCUMENTS: 'enforce' });
});
afterAll(() => gateway.close());

describe('the example script', () => {
  it('counts all employees over several pages, asks prices in one call, and signs out', async () => {
    const { code, stdout, stderr } = await run({ EMAIL: 'user@example.com', PASSWORD: password });
    expect([code, stderr]).toEqual([0, '']);
    const counts = [...stdout.matchAll(/^(\w+) +(\d+) {2}\d{4}-\d{2}-\d{2}$/gm)];
    expect(counts).toHaveLength(8);
    expect(counts.reduce((sum, [, , people]) => sum + Number(people), 0)).toBe(240);
    expect(stdout).toMatch(/^Maruti 2014 +478277 {2}MODEL$/m);
    expect(stdout).toMatch(/^Toyota 2012 +\d+ {2}MODEL$/m);

    const { data } = await gateway.ask<Any>('admin', '{ predictions(first: 100) { totalCount } }');
    expect(data.predictions.totalCount).toBe(3);
    expect(await gateway.db.selectFrom('session').select('id').execute()).toEqual([]);
  });

  it('takes an API key instead of a password', async () => {
    const { data } = await gateway.ask<Any>('admin', 'mutation { createApiKey(name: "example") { secret } }');
    const { code, stdout } = await run({ API_KEY: data.createApiKey.secret });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Maruti 2014 +478277 {2}CACHE$/m);
  });

  it('follows predictions until it is stopped', async () => {
    const { child, said, ended } = start({ EMAIL: 'admin@example.com', PASSWORD: password }, '--follow', '600');
    await until(() => said.stdout.includes('Following predictions'));
    // Until it is subscribed it hears of none; each question is a new one, and recorded.
    await until(async () => {
      await gateway.ask('admin', priceOfTata);
      return /^\S+Z {2}car-price {2}(MODEL|CACHE) {2}\{"selling_price":[\d.]+\}$/m.test(said.stdout);
    }, 20_000);
    child.kill('SIGINT');
    expect(await ended).toBe(0);
    expect(said.stderr).toBe('');
  });

  it.each([
    ['without credentials', {}, [], 'Set API_KEY, or EMAIL and PASSWORD. (NO_CREDENTIALS)'],
    ['with a wrong password', { EMAIL: 'user@example.com', PASSWORD: 'wrong-password' }, [], 'The e-mail address or the password is wrong. (UNAUTHENTICATED)'],
    ['with a key that nobody has', { API_KEY: 'auspex_nonsense' }, [], /API key.*\(UNAUTHENTICATED\)/],
    ['where no gateway is', { API_KEY: 'auspex_nonsense', GATEWAY_URL: 'http://127.0.0.1:9/graphql' }, [], /cannot be reached.*\(UNREACHABLE\)/],
    ['with an option that it does not know', {}, ['--fellow'], /The only option is --follow <seconds>/],
    ['with too many seconds to follow', {}, ['--follow', '1e9'], /from 1 to 86400/],
  ])('says what is wrong in one line %s, and fails', async (_case, env, args, message) => {
    const { code, stdout, stderr } = await run(env, ...args);
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(stderr.trim()).toMatch(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });
});

const priceOfTata = '{ predictCarPrice(inputs: [{ company: "Tata", year: 2015, kmDriven: 50000 }]) { id } }';

/** Starts the script as a user does. It knows of the environment only what it is told. */
function start(env: Record<string, string>, ...args: string[]) {
  const child = spawn(process.execPath, [script, ...args], { env: { GATEWAY_URL: gateway.url, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  const said = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => (said.stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (said.stderr += chunk.toString()));
  const ended = once(child, 'close').then(([code]) => code as number | null);
  return { child, said, ended };
}

async function run(env: Record<string, string>, ...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const { said, ended } = start(env, ...args);
  return { code: await ended, ...said };
}

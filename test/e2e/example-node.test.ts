import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { startGateway, type AnyData, type TestGateway } from '../support/gateway.js';
import { projectDir } from '../support/process.js';
import { waitUntil } from '../support/wait-until.js';

const password = 'auspex-demo-2026';
const script = path.join(projectDir, 'examples', 'node', 'index.ts');

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway({ TRUSTED_DOCUMENTS: 'enforce' });
});
afterAll(() => gateway.close());

describe('the example script', () => {
  it('counts all employees over several pages, requests prices in one call, and signs out', async () => {
    const openSessions = () => gateway.db.selectFrom('session').select('id').orderBy('id').execute();
    const before = await openSessions();
    const { code, stdout, stderr } = await run({ EMAIL: 'user@example.com', PASSWORD: password });
    expect([code, stderr]).toEqual([0, '']);
    const counts = [...stdout.matchAll(/^(\w+) +(\d+) {2}\d{4}-\d{2}-\d{2}$/gm)];
    expect(counts).toHaveLength(8);
    expect(counts.reduce((sum, [, , people]) => sum + Number(people), 0)).toBe(240);
    expect(stdout).toMatch(/^Maruti 2014 +478277 {2}MODEL$/m);
    expect(stdout).toMatch(/^Toyota 2012 +\d+ {2}MODEL$/m);

    // An administrator's read does not wait for the predictions of others.
    await waitUntil(async () => {
      const { data } = await gateway.execute<AnyData>('admin', '{ predictions(first: 100) { totalCount } }');
      return data.predictions.totalCount === 3;
    });
    expect(await openSessions()).toEqual(before);
  });

  it('accepts an API key instead of a password', async () => {
    const { data } = await gateway.execute<AnyData>('admin', 'mutation { createApiKey(name: "example") { secret } }');
    const { code, stdout } = await run({ API_KEY: data.createApiKey.secret });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Maruti 2014 +478277 {2}CACHE$/m);
  });

  it('follows predictions until interrupted', async () => {
    const { child, output, ended } = start({ EMAIL: 'admin@example.com', PASSWORD: password }, '--follow', '600');
    await waitUntil(() => output.stdout.includes('Following predictions'));
    // Repeats the prediction, because events before the subscription are not delivered.
    await waitUntil(
      async () => {
        await gateway.execute('admin', priceOfTata);
        return /^\S+Z {2}car-price {2}(MODEL|CACHE) {2}\{"selling_price":[\d.]+\}$/m.test(output.stdout);
      },
      'A line for a prediction',
      20_000,
    );
    child.kill('SIGINT');
    expect(await ended).toBe(0);
    expect(output.stderr).toBe('');
  });

  it.each([
    ['without credentials', {}, [], 'Set API_KEY, or EMAIL and PASSWORD. (NO_CREDENTIALS)'],
    [
      'with a wrong password',
      { EMAIL: 'user@example.com', PASSWORD: 'wrong-password' },
      [],
      'The e-mail address or the password is wrong. (UNAUTHENTICATED)',
    ],
    ['with an unknown API key', { API_KEY: 'auspex_nonsense' }, [], /API key.*\(UNAUTHENTICATED\)/],
    [
      'with an unreachable gateway',
      { API_KEY: 'auspex_nonsense', GATEWAY_URL: 'http://127.0.0.1:9/graphql' },
      [],
      /cannot be reached.*\(UNREACHABLE\)/,
    ],
  ])('prints one error line and fails %s', async (_case, env, args, message) => {
    const { code, stdout, stderr } = await run(env, ...args);
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(stderr.trim()).toMatch(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });

  it.each([[['--fellow']], [['--follow', '1e9']]])('rejects %j with its usage', async (args) => {
    const { code, stdout, stderr } = await run({}, ...args);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^Usage: npm start -w examples\/node/);
  });

  it('prints its usage with --help', async () => {
    const { code, stdout, stderr } = await run({}, '--help');
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^Usage: npm start -w examples\/node/);
  });
});

const priceOfTata = '{ predictCarPrice(inputs: [{ company: "Tata", year: 2015, kmDriven: 50000 }]) { predictionId } }';

/** Starts the script with only these environment variables. */
function start(env: Record<string, string>, ...args: string[]) {
  const child = spawn(process.execPath, [script, ...args], {
    env: { GATEWAY_URL: gateway.url, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => (output.stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output.stderr += chunk.toString()));
  const ended = once(child, 'close').then(([code]) => code as number | null);
  return { child, output, ended };
}

async function run(
  env: Record<string, string>,
  ...args: string[]
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const { output, ended } = start(env, ...args);
  return { code: await ended, ...output };
}

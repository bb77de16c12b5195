import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { startGateway, type GatewayProcess } from '../../bench/load/gateway.ts';
import { demoAccounts } from '../../src/domains/user/demo-accounts.js';
import { fuzz } from '../support/body-fuzz.js';

const count = 10_000;
const maxRss = 640 * 2 ** 20;

let gateway: GatewayProcess;
beforeAll(async () => {
  gateway = await startGateway({ MAX_BATCHED_OPERATIONS: '10', INTROSPECTION: 'true' });
}, 120_000);
// It fails if the process crashed.
afterAll(() => gateway.stop());

async function signIn(caller: string): Promise<string> {
  const query = 'mutation ($input: LoginInput!) { login(input: $input) { accessToken } }';
  const variables = { input: { email: `${caller}@example.com`, password: demoAccounts.password } };
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(gateway.url, { method: 'POST', headers, body: JSON.stringify({ query, variables }) });
  const { data } = (await response.json()) as { data: { login: { accessToken: string } } };
  return `Bearer ${data.login.accessToken}`;
}

it('survives 20,000 mutated bodies without an internal error, in bounded memory', async () => {
  const authorizations = ['', ...(await Promise.all(['user', 'manager', 'admin'].map(signIn)))];
  const seed = Date.now();
  const rss: number[] = [];
  for (const half of [0, 1]) {
    const { problems } = await fuzz(gateway.url, { count, seed: seed + half, authorizations });
    expect({ seed: seed + half, problems }).toEqual({ seed: seed + half, problems: [] });
    rss.push((await gateway.inspect({ kind: 'memory' })).rss);
  }
  const [first = 0, second = 0] = rss;
  process.stdout.write(
    `Resident memory after 10,000 and 20,000 bodies: ${rss.map((bytes) => (bytes / 2 ** 20).toFixed(0)).join(' and ')} MiB\n`,
  );
  expect(second).toBeLessThan(maxRss);
  expect(second - first).toBeLessThan(100 * 2 ** 20);
}, 900_000);

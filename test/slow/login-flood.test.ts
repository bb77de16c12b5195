import { request, Agent } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { demoAccounts } from '../../src/domains/user/demo-accounts.js';
import { createTestDatabase } from '../support/database.js';
import { demoDatabase } from '../support/gateway.js';
import { reachableFolder, startProgram, type TestProcess } from '../support/process.js';

const concurrentAttempts = 100;
const attackers = 20;
const calmMs = 8_000;
const floodMs = 15_000;

/** Upper bounds of the 99th percentiles; on a busy machine, this many times what they are beside one attacker. */
const goals = { signInMs: 2_000, readMs: 50, factor: 10 };

let gateway: TestProcess;
let url: URL;
beforeAll(async () => {
  const dir = await reachableFolder();
  gateway = startProgram('main.js', {
    cwd: dir,
    env: {
      NODE_ENV: 'production',
      JWT_SECRET: 'vT5rQ0xYw8LkZp3BnM6sHd1FgJc9aEuI2o',
      HOST: '127.0.0.1',
      PORT: '0',
      DATA_DIR: dir,
      DATABASE_URL: (await createTestDatabase(demoDatabase)).url,
      DEMO_DATA: 'true',
      // The queue alone has to protect others.
      MAX_LOGINS_PER_ACCOUNT: '1000000',
      MAX_LOGINS_PER_ACCOUNT_TOTAL: '1000000',
      MAX_LOGINS_PER_ADDRESS: '1000000',
    },
  });
  url = new URL(await gateway.ready());
});
afterAll(async () => {
  gateway.signal('SIGTERM');
  await gateway.ended;
});

interface Outcome {
  ms: number;
  retryAfter: string | undefined;
  text: string;
}

const agent = new Agent({ keepAlive: true, maxSockets: 1_000 });

function send(localAddress: string, query: string, variables = {}): Promise<Outcome> {
  const startMs = performance.now();
  return new Promise((resolve, reject) => {
    const sent = request(
      url,
      { method: 'POST', agent, localAddress, headers: { 'content-type': 'application/json' } },
      (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        response.on('end', () =>
          resolve({ ms: performance.now() - startMs, retryAfter: response.headers['retry-after'], text }),
        );
      },
    );
    sent.on('error', reject);
    sent.end(JSON.stringify({ query, variables }));
  });
}

const login = (address: string, email: string, password: string): Promise<Outcome> =>
  send(address, 'mutation ($input: LoginInput!) { login(input: $input) { accessToken } }', {
    input: { email, password },
  });

const signIn = (): Promise<Outcome> => login('127.0.0.99', demoAccounts.emails[1], demoAccounts.password);

const read = (): Promise<Outcome> => send('127.0.0.98', '{ __typename }');

const percentile = (outcomes: readonly Outcome[], part: number): number => {
  const sorted = outcomes.map(({ ms }) => ms).sort((one, other) => one - other);
  return sorted[Math.ceil(sorted.length * part) - 1] ?? NaN;
};

/** Repeats until the deadline. */
async function repeat(until: number, pauseMs: number, act: () => Promise<Outcome>): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  while (performance.now() < until) {
    outcomes.push(await act());
    await sleep(pauseMs);
  }
  return outcomes;
}

describe(`${concurrentAttempts} concurrent wrong sign-ins from ${attackers} addresses`, () => {
  it('delay neither a right sign-in nor other requests', async () => {
    const calmUntil = performance.now() + calmMs;
    const [calmSignIns, calmReads] = await Promise.all([
      repeat(calmUntil, 0, signIn),
      repeat(calmUntil, 10, read),
      repeat(calmUntil, 0, () => login('127.0.0.100', 'nobody@example.com', 'wrong')),
    ]);
    const calm = { signInMs: percentile(calmSignIns, 0.99), readMs: percentile(calmReads, 0.99) };
    const until = performance.now() + floodMs;
    const flood = Array.from({ length: concurrentAttempts }, (_, index) =>
      repeat(until, 1_000, () => login(`127.0.0.${100 + (index % attackers)}`, `nobody${index}@example.com`, 'wrong')),
    );
    await sleep(500);
    const [right, reads] = await Promise.all([repeat(until, 0, signIn), repeat(until, 10, read)]);
    const wrong = (await Promise.all(flood)).flat();
    const overloaded = wrong.filter(({ text }) => text.includes('"code":"OVERLOADED"'));
    process.stdout.write(
      `right sign-in: p99 ${percentile(right, 0.99).toFixed()} ms of ${right.length}, beside one attacker ${calm.signInMs.toFixed()} ms; ` +
        `{ __typename }: p99 ${percentile(reads, 0.99).toFixed()} ms of ${reads.length}, beside one attacker ${calm.readMs.toFixed()} ms; ` +
        `wrong sign-ins: ${wrong.length}, ${overloaded.length} rejected as OVERLOADED\n`,
    );
    expect(new Set(right.map(({ text }) => text.includes('"accessToken":"')))).toEqual(new Set([true]));
    expect(percentile(right, 0.99)).toBeLessThan(Math.max(goals.signInMs, goals.factor * calm.signInMs));
    expect(percentile(reads, 0.99)).toBeLessThan(Math.max(goals.readMs, goals.factor * calm.readMs));
    expect(overloaded.length).toBeGreaterThan(0);
    for (const { retryAfter } of overloaded) expect(retryAfter).toMatch(/^[1-9]\d*$/);
  }, 240_000);
});

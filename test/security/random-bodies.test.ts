import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { fuzz, mutatedBody, Random, validBodies } from '../support/body-fuzz.js';
import { startGateway, type TestGateway } from '../support/gateway.js';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway({ MAX_BATCHED_OPERATIONS: '10' });
});
afterAll(() => gateway.close());

it('generates the same bodies from the same seed, and other bodies from another', () => {
  const bodies = (seed: number): string[] => {
    const random = new Random(seed);
    return Array.from({ length: 50 }, () => mutatedBody(random, validBodies()).toString());
  };
  expect(bodies(1)).toEqual(bodies(1));
  expect(new Set([...bodies(1), ...bodies(2)]).size).toBeGreaterThan(80);
});

// test/slow/random-bodies.test.ts sends 20,000 to a process.
it('returns an error of the caller for 600 mutated bodies, and logs no error', async () => {
  const seed = Date.now();
  const tokens = await Promise.all((['user', 'manager', 'admin'] as const).map((caller) => gateway.tokenOf(caller)));
  const authorizations = ['', ...tokens.map((token) => `Bearer ${token}`)];
  const { problems, statuses } = await fuzz(gateway.url, { count: 600, seed, authorizations });
  expect({ seed, problems }).toEqual({ seed, problems: [] });
  // Some bodies are still valid, others not.
  expect(statuses.get(200)).toBeGreaterThan(20);
  expect(statuses.get(400)).toBeGreaterThan(20);
  expect(gateway.logs.filter(({ level }) => level === 'error' || level === 'fatal')).toEqual([]);
}, 120_000);

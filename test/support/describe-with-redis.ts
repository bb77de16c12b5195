import { describe } from '@jest/globals';
import { reasonToSkipRedis } from './redis.js';

/**
 * Declares tests that need Redis. Without it they are skipped, with the reason in the name of the group.
 * @throws Error in CI, so that a missing Redis fails the tests
 */
export function describeWithRedis(name: string, tests: () => void): void {
  const reason = reasonToSkipRedis();
  if (reason === null) describe(name, tests);
  else describe.skip(`${name} (skipped: ${reason})`, tests);
}

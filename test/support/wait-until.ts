import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Polls until a condition holds.
 * @throws Error with `what` in its message if it does not hold in time
 */
export async function waitUntil(
  condition: () => Promise<boolean> | boolean,
  what = 'The condition',
  timeoutMs = 15_000,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`${what} did not hold within ${timeoutMs} ms.`);
    await sleep(10);
  }
}

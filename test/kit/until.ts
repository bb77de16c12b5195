import { setTimeout as sleep } from 'node:timers/promises';

/** Waits until something holds. @throws Error where it does not within the time */
export async function until(holds: () => Promise<boolean> | boolean, withinMs = 10_000): Promise<void> {
  const deadline = Date.now() + withinMs;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error('it did not come to hold in time');
    await sleep(20);
  }
}

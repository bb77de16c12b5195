import type { TestRun } from './global-setup.js';

export default async function closeTestRun(): Promise<void> {
  const { auspexTestRun } = globalThis as { auspexTestRun?: TestRun };
  await auspexTestRun?.close();
}

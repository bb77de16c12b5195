import { spawnSync } from 'node:child_process';

/**
 * Why tests with a Prometheus of their own cannot run here, or null where they can.
 * @throws Error on CI, where a missing Prometheus must not pass for a passed test
 */
export function reasonToSkipPrometheus(): string | null {
  if (spawnSync('prometheus', ['--version']).status === 0) return null;
  const reason = 'there is no prometheus on the PATH; install one to run these tests';
  if (process.env.CI) throw new Error(reason);
  return reason;
}

import { spawnSync } from 'node:child_process';

/**
 * Why tests with Prometheus or its tools cannot run here, or null where they can.
 * @throws Error on CI, where a missing program must not pass for a passed test
 */
export function reasonToSkipPrometheus(program: 'prometheus' | 'promtool'): string | null {
  if (spawnSync(program, ['--version']).status === 0) return null;
  const reason = `there is no ${program} on the PATH; install Prometheus to run these tests`;
  if (process.env.CI) throw new Error(reason);
  return reason;
}

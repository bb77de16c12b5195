import { spawnSync } from 'node:child_process';

/**
 * Why tests with Prometheus' promtool cannot run here, or null where they can.
 * @throws Error on CI, where a missing promtool must not pass for a passed test
 */
export function reasonToSkipPromtool(): string | null {
  if (spawnSync('promtool', ['--version']).status === 0) return null;
  const reason = 'there is no promtool on the PATH; install Prometheus to run these tests';
  if (process.env.CI) throw new Error(reason);
  return reason;
}

/** What promtool finds fault with in the arguments' files, or in what it reads; empty where there is nothing. */
export function promtoolProblems(args: readonly string[], input = ''): string {
  const { status, stdout, stderr } = spawnSync('promtool', args, { input, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  return status === 0 ? '' : `${stdout}${stderr}` || `promtool ended with ${String(status)}`;
}

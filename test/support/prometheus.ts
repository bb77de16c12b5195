import { spawnSync } from 'node:child_process';

/**
 * Why tests that start Prometheus are skipped, or null if it is installed.
 * @throws Error on CI, so that a missing Prometheus fails the tests
 */
export const reasonToSkipPrometheus = (): string | null => reasonToSkip('prometheus');

/**
 * Why tests that need promtool are skipped, or null if it is installed.
 * @throws Error on CI, so that a missing promtool fails the tests
 */
export const reasonToSkipPromtool = (): string | null => reasonToSkip('promtool');

function reasonToSkip(program: string): string | null {
  if (spawnSync(program, ['--version']).status === 0) return null;
  const reason = `${program} is not on the PATH; install Prometheus to run these tests`;
  if (process.env.CI) throw new Error(reason);
  return reason;
}

/** Runs promtool. @returns its output if it fails, otherwise an empty string */
export function promtoolProblems(args: readonly string[], input = ''): string {
  const { status, stdout, stderr } = spawnSync('promtool', args, {
    input,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  return status === 0 ? '' : `${stdout}${stderr}` || `promtool exited with ${String(status)}`;
}

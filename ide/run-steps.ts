/*
 * Runs the steps of an npm script that takes no arguments: `node ide/run-steps.ts "<command>" "<command>" --`.
 * npm adds the arguments of its caller behind the `--`. Without this program the last step alone would receive them, after the
 * others have done their work.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { parseCli } from '../src/scripts/lib/cli.ts';

const parameters = process.argv.slice(2);
const separator = parameters.indexOf('--');
const steps = parameters.slice(0, separator);
// eslint-disable-next-line no-restricted-properties -- npm passes the name of the script in no other way
const name = process.env.npm_lifecycle_event ?? '<script>';
parseCli(
  `Usage: npm ${name === 'test' ? name : `run ${name}`}\n\nRuns:\n${steps.map((step) => `  ${step}\n`).join('')}`,
  {
    options: {},
    args: parameters.slice(separator + 1),
  },
);
for (const step of steps) {
  const code = await run(step);
  if (code !== 0) process.exit(code);
}

/** Runs a command in a shell, and passes on the signals that end npm. @returns its exit code */
async function run(command: string): Promise<number> {
  const forward = (signal: NodeJS.Signals): void => void child.kill(signal);
  // Before the command starts: a signal in between would end this process alone.
  process.on('SIGTERM', forward).on('SIGINT', forward);
  const child = spawn(command, { shell: true, stdio: 'inherit' });
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  process.off('SIGTERM', forward).off('SIGINT', forward);
  return code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
}

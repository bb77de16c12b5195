import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { systemErrorCode } from './errors.ts';
import { asUser, type ServerUser } from './server-user.ts';

/** PostgreSQL inherits no environment: its messages are parsed here, and its locale must not depend on the shell. */
export const CLEAN_ENVIRONMENT = { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };

const MAX_CAPTURED_CHARACTERS = 4_000;

/** Whether a process with this pid exists: also a zombie, or an unrelated process that reuses the pid. */
export function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemErrorCode(error) === 'EPERM';
  }
}

/**
 * Whether the process runs with these consecutive words on its command line. This excludes reused pids, and zombies, whose
 * command line is empty. Not by `/proc/<pid>/exe`, which root in a container may not read.
 */
export function isRunningWith(pid: number, words: string[]): boolean {
  if (!isAlive(pid)) return false;
  if (process.platform === 'win32') return true;
  if (process.platform !== 'linux') return commandLineByPs(pid).includes(words.join(' '));
  try {
    return `\0${readFileSync(`/proc/${pid}/cmdline`, 'utf8')}`.includes(`\0${words.join('\0')}\0`);
  } catch {
    return false;
  }
}

function commandLineByPs(pid: number): string {
  return spawnSync('ps', ['-ww', '-o', 'args=', '-p', String(pid)], { encoding: 'utf8', timeout: 5_000 }).stdout;
}

/** How a program exited; `code` is null if a signal ended it. */
export interface Outcome {
  code: number | null;
  /** The end of its standard error. */
  stderr: string;
}

/** Runs a program, and kills it after `timeoutMs`. Rejects if it cannot be started. */
export function runProgram(
  program: string,
  args: string[],
  options: { user: ServerUser | null; cwd: string; timeoutMs: number },
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      ...asUser(options.user),
      cwd: options.cwd,
      env: CLEAN_ENVIRONMENT,
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: options.timeoutMs,
      killSignal: 'SIGKILL',
      windowsHide: true,
    });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-MAX_CAPTURED_CHARACTERS);
    });
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stderr: stderr.trim() }));
  });
}

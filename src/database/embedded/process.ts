import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { codeOf } from '../../shared/error-code.js';
import { asUser, type ServerUser } from './server-user.js';

/** PostgreSQL's messages are read by this code and its locale must not depend on the shell, so nothing is inherited. */
export const CLEAN_ENVIRONMENT = { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };

const MAX_CAPTURED_CHARACTERS = 4_000;

/** Whether a process of this id is there; a zombie is, and so is a stranger who got the id later. */
export function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

/**
 * Whether the process is alive and has these words, one after the other, on its command line. That tells our own from a
 * stranger with a reused id, and from a zombie, which has no command line. `/proc/<pid>/exe` would tell more, but root in a
 * container may not read it.
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

/** How a program ended; `code` is null where a signal ended it. */
export interface Outcome {
  code: number | null;
  /** What it wrote to its standard error, only the end of it where that is long. */
  complaint: string;
}

/** Runs a program to its end, or kills it after `timeoutMs`. A program that cannot be started at all rejects. */
export function runProgram(program: string, args: string[], options: { user: ServerUser | null; cwd: string; timeoutMs: number }): Promise<Outcome> {
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
    let complaint = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaint = (complaint + text).slice(-MAX_CAPTURED_CHARACTERS);
    });
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, complaint: complaint.trim() }));
  });
}

import { spawn, type ChildProcess } from 'node:child_process';
import { chownSync, mkdirSync, readdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { Socket } from 'node:net';
import path from 'node:path';
import type { Cluster } from './cluster.ts';
import { systemErrorCode } from './errors.ts';
import { CLEAN_ENVIRONMENT, isRunningWith } from './process.ts';
import { asUser, type ServerUser } from './server-user.ts';

/** A process's claim on the cluster's server. */
export interface Claim {
  /** Whether no other process had a claim. */
  isFirst: boolean;
  /** Releases the claim. @returns true for the last claim: its holder must stop the server */
  release(): boolean;
}

/*
 * Several processes may share one server, and each may be killed at any time. Each has a file in the folder `users`. To leave, a
 * process removes its file, then tries rmdir, which succeeds only for the last one. A watchdog does the same for a killed
 * process: it reads a pipe that the kernel closes when the process ends.
 */

const WATCHDOG_NAME = 'postgres-watchdog';

/** The pipe is the shell's standard input. Checks the command line before the signal: the pid may have been reused. */
const WATCHDOG_SCRIPT = `
trap '' HUP INT TERM
users=$1 data=$2
cat > /dev/null
rm -f "$users/$$"
rmdir "$users" 2> /dev/null || exit 0
pid=$(head -n 1 "$data/postmaster.pid" 2> /dev/null) || exit 0
{ cat "/proc/$pid/cmdline" 2> /dev/null || ps -ww -o args= -p "$pid"; } | grep -qF -- "$data" && kill -INT "$pid"
`;

/** Claims the server before it is started or found, so that every server has a process that stops it. */
export function claimServer(cluster: Cluster, user: ServerUser | null): Claim {
  const users = path.join(cluster.folder, 'users');
  ensureFolder(users, user);
  const isFirst = remainingUsers(users).length === 0;

  const watchdog = process.platform === 'win32' ? null : spawnWatchdog(users, cluster, user);
  const file = path.join(users, String(watchdog?.pid ?? process.pid));
  writeUserFile(file, user);

  return {
    isFirst,
    release() {
      watchdog?.kill('SIGKILL'); // released here instead
      watchdog?.stdin?.destroy();
      rmSync(file, { force: true });
      return removeIfEmpty(users);
    },
  };
}

function ensureFolder(users: string, user: ServerUser | null): void {
  mkdirSync(users, { recursive: true, mode: 0o700 });
  if (user) chownSync(users, user.uid, user.gid);
}

/** Users with a running watchdog. Removes files without one: leftovers of a power failure or a killed container. */
function remainingUsers(users: string): string[] {
  return readdirSync(users).filter((name) => {
    const isUsed = isRunningWith(Number(name), [WATCHDOG_NAME, users]);
    if (!isUsed) rmSync(path.join(users, name), { force: true });
    return isUsed;
  });
}

function spawnWatchdog(users: string, cluster: Cluster, user: ServerUser | null): ChildProcess {
  const watchdog = spawn('/bin/sh', ['-c', WATCHDOG_SCRIPT, WATCHDOG_NAME, users, cluster.dataDir], {
    ...asUser(user),
    cwd: '/',
    env: CLEAN_ENVIRONMENT,
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  watchdog.unref();
  if (watchdog.stdin instanceof Socket) watchdog.stdin.unref();
  return watchdog;
}

/** Retries: another process that leaves may remove the empty folder before the file is in it. */
function writeUserFile(file: string, user: ServerUser | null): void {
  for (let triesLeft = 10; ; triesLeft--) {
    try {
      ensureFolder(path.dirname(file), user);
      writeFileSync(file, '');
      return;
    } catch (error) {
      if (systemErrorCode(error) !== 'ENOENT' || triesLeft === 0) throw error;
    }
  }
}

function removeIfEmpty(folder: string): boolean {
  try {
    rmdirSync(folder);
    return true;
  } catch {
    return false;
  }
}

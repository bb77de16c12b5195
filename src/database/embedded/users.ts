import { spawn, type ChildProcess } from 'node:child_process';
import { chownSync, mkdirSync, readdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { Socket } from 'node:net';
import path from 'node:path';
import type { Cluster } from './cluster.js';
import { codeOf } from '../../shared/error-code.js';
import { CLEAN_ENVIRONMENT, isRunningWith } from './process.js';
import { asUser, type ServerUser } from './server-user.js';

/** A gateway's claim on the cluster's server. */
export interface Claim {
  /** No other gateway had a claim when this one was made. */
  isFirst: boolean;
  /** Gives the claim up; true for the last one, who has to stop the server. */
  release(): boolean;
}

/*
 * Several gateways may use one server, and any of them may be killed at any time. Each has a file in the folder `users`; who
 * leaves removes its file and then tries to remove the folder, which the system allows only to the last one. A watchdog does
 * the same for a gateway that was killed: it waits for the end of a pipe that the system closes with the gateway.
 */

const WATCHDOG_NAME = 'postgres-watchdog';

/** On the shell's own standard input lies the pipe. The server may have died since, and its id may be a stranger's by now. */
const WATCHDOG_SCRIPT = `
trap '' HUP INT TERM
users=$1 data=$2
cat > /dev/null
rm -f "$users/$$"
rmdir "$users" 2> /dev/null || exit 0
pid=$(head -n 1 "$data/postmaster.pid" 2> /dev/null) || exit 0
{ cat "/proc/$pid/cmdline" 2> /dev/null || ps -ww -o args= -p "$pid"; } | grep -qF -- "$data" && kill -INT "$pid"
`;

/** Claims the server before it is looked for, so that none is ever left without somebody to stop it. */
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
      watchdog?.kill('SIGKILL'); // what it is there for is done here
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

/** Users whose watchdog lives. A file without one is left from a power failure or a killed container, and is removed. */
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

/** Another user's leaving may remove the empty folder at any moment before the file is in it. */
function writeUserFile(file: string, user: ServerUser | null): void {
  for (let triesLeft = 10; ; triesLeft--) {
    try {
      ensureFolder(path.dirname(file), user);
      writeFileSync(file, '');
      return;
    } catch (error) {
      if (codeOf(error) !== 'ENOENT' || triesLeft === 0) throw error;
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

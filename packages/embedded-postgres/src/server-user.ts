import { spawnSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { EmbeddedPostgresError } from './errors.ts';

/** The account that runs PostgreSQL if the gateway runs as root. */
export interface ServerUser {
  name: string;
  uid: number;
  gid: number;
}

/** In order of preference. Every system has `nobody`. */
const CANDIDATES = ['postgres', 'nobody'];

/**
 * PostgreSQL does not run as root, so root runs it as another user.
 * @param existingData folder of an earlier start. Its owner runs the server again: PostgreSQL accepts only its own user's data.
 * @returns null if this process does not run as root
 * @throws EmbeddedPostgresError if there is no user to run it as
 */
export function serverUser(existingData?: string): ServerUser | null {
  if (!isRoot()) return null;
  const owner = existingData === undefined ? undefined : statSync(existingData, { throwIfNoEntry: false });
  if (owner && owner.uid !== 0)
    return { name: `the owner of ${existingData} (uid ${owner.uid})`, uid: owner.uid, gid: owner.gid };

  const accounts = readAccounts();
  for (const candidate of CANDIDATES) {
    const account = accounts.find(({ name }) => name === candidate);
    if (account) return account;
  }
  throw new EmbeddedPostgresError(
    'NO_SERVER_USER',
    `PostgreSQL does not run as root, and there is no user ${CANDIDATES.join(' or ')} to run it as: ` +
      'start the gateway as an ordinary user, or set DATABASE_URL.',
  );
}

/** Whether `user` may enter a folder or run a program. The kernel decides, which respects access lists. */
export function canReach(user: ServerUser, path: string): boolean {
  const { status } = spawnSync('/bin/sh', ['-c', 'test -x "$1"', 'sh', path], {
    uid: user.uid,
    gid: user.gid,
    cwd: '/',
    timeout: 5_000,
  });
  return status === 0;
}

/** Options for `spawn`; empty for the current user. */
export function asUser(user: ServerUser | null): { uid?: number; gid?: number } {
  return user ? { uid: user.uid, gid: user.gid } : {};
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

function readAccounts(): ServerUser[] {
  return readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
    .map(([name = '', , uid, gid]) => ({ name, uid: Number(uid), gid: Number(gid) }));
}

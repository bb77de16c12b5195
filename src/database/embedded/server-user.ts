import { spawnSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { EmbeddedPostgresError } from './error.js';

/** The account that PostgreSQL runs under when the gateway is root. */
export interface ServerUser {
  name: string;
  uid: number;
  gid: number;
}

/** In order of preference; `nobody` is there on every system, `postgres` where somebody thought of it. */
const CANDIDATES = ['postgres', 'nobody'];

/**
 * PostgreSQL refuses to run as root, so a gateway that is root runs it as somebody else.
 * @param existingData a folder of an earlier start; whoever owns it goes on, for PostgreSQL takes only data of its own user.
 * @returns null where the gateway is an ordinary user and PostgreSQL runs as the same one.
 * @throws EmbeddedPostgresError when root has nobody to run it as.
 */
export function serverUser(existingData?: string): ServerUser | null {
  if (!isRoot()) return null;
  const owner = existingData === undefined ? undefined : statSync(existingData, { throwIfNoEntry: false });
  if (owner && owner.uid !== 0) return { name: `the owner of ${existingData} (uid ${owner.uid})`, uid: owner.uid, gid: owner.gid };

  const accounts = readAccounts();
  for (const candidate of CANDIDATES) {
    const account = accounts.find(({ name }) => name === candidate);
    if (account) return account;
  }
  throw new EmbeddedPostgresError(
    'NO_SERVER_USER',
    `PostgreSQL refuses to run as root, and there is no user ${CANDIDATES.join(' or ')} to run it as: ` +
      'start the gateway as an ordinary user, or set DATABASE_URL.',
  );
}

/** Whether `user` may enter a folder or run a program; asked of the system, which also knows of access lists. */
export function canReach(user: ServerUser, path: string): boolean {
  const { status } = spawnSync('/bin/sh', ['-c', 'test -x "$1"', 'sh', path], { uid: user.uid, gid: user.gid, cwd: '/', timeout: 5_000 });
  return status === 0;
}

/** What `spawn` and `chown` need to act as the user; empty where that is the gateway's own. */
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

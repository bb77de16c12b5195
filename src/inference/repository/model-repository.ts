import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileSize, filesBelow, visibleFolders } from './files.js';
import { maxManifestBytes, ModelRepositoryError, placesIn, readManifest, type Manifest } from './model-manifest.js';
import { isPermissionError, problemsOf, unreadable, UnreadableFolder } from './problems.js';
import { readText } from './text-files.js';
import { assertInside, readVersion, type StoredVersion } from './version-folder.js';

export { ModelRepositoryError };

/** A model on disk: a folder with a manifest and at least one version. */
export interface StoredModel {
  /** The folder's name. */
  name: string;
  manifest: Manifest;
  /** The versions to serve, in ascending order. */
  versions: StoredVersion[];
  /** Versions to serve that cannot be read. */
  broken: BrokenVersion[];
  /** The version used when a call requests none. */
  current: number;
}

/** A version that cannot be served as it is on disk. */
export interface BrokenVersion {
  version: number;
  problems: readonly string[];
}

/** Models that are served at most. */
const maxModels = 100;
const maxVersions = 100;

/** GraphQL's Int ends here. */
const maxVersionNumber = 2 ** 31 - 1;

/** Folders that file systems put into the root of a volume. */
const foldersOfSystems = new Set(['lost+found', 'System Volume Information', '$RECYCLE.BIN', '@eaDir']);

/** Files of a version folder whose changes are detected. */
const maxFilesSeen = 1100;

const manifestNames = ['model.yaml', 'model.json'] as const;
/** The folders that are served, and the problem of those beyond the maximum. @throws ModelRepositoryError if the repository cannot be read */
export async function servedFolders(
  storeDir: string,
): Promise<{ names: string[]; excess: { name: string; problem: string } | null }> {
  const all = await modelFolders(storeDir);
  const names = all.slice(0, maxModels);
  const [name] = all.slice(maxModels);
  const problem = `the store has ${all.length} folders, and the first ${maxModels} are served; remove or hide others`;
  return { names, excess: name === undefined ? null : { name, problem } };
}

/**
 * What each model folder of a store looks like from outside: names, sizes and times of the files that matter, as a text that
 * changes when any of them does.
 * @throws ModelRepositoryError if the repository cannot be read
 */
export async function scanModelRepository(storeDir: string): Promise<Map<string, string>> {
  const { names } = await servedFolders(storeDir);
  return new Map(await Promise.all(names.map(async (name) => [name, await scanModel(storeDir, name)] as const)));
}

/** What one model folder looks like from outside, see `scanModelRepository`. */
export async function scanModel(storeDir: string, name: string): Promise<string> {
  const folder = join(storeDir, name);
  const inside = (await visibleFolders(folder).catch(() => [])).slice(0, 2 * maxVersions);
  const ofVersions = await Promise.all(
    inside.map(async (name) =>
      isVersionName(name)
        ? (await filesBelow(join(folder, name), maxFilesSeen)).map((file) => join(name, file))
        : [join(name, 'model.onnx')],
    ),
  );
  const seen = await Promise.all([...manifestNames, ...ofVersions.flat()].map((file) => stateOf(folder, file)));
  return [...inside, ...seen.filter((state) => state !== null)].join('\n');
}

/** Changes when a file is replaced, even by one of the same size and time: only the system sets the time of a change. */
async function stateOf(folder: string, file: string): Promise<string | null> {
  const found = await stat(join(folder, file)).catch(() => null);
  return found && `${file} ${found.ino} ${found.size} ${found.mtimeMs} ${found.ctimeMs}`;
}

/** Names of the folders that may be models. @throws ModelRepositoryError if the repository cannot be read */
async function modelFolders(storeDir: string): Promise<string[]> {
  const names = await visibleFolders(storeDir).catch(() => {
    throw new ModelRepositoryError([`${storeDir} cannot be read as a folder; name the folder that holds the models`]);
  });
  return names.filter((name) => !foldersOfSystems.has(name));
}

/**
 * Reads one model folder. Null where the folder is gone or plainly not a model. Versions that cannot be read are in `broken`.
 * @throws UnreadableFolder if the folder itself cannot be read
 * @throws ModelRepositoryError with its problems
 */
export async function readModel(storeDir: string, name: string): Promise<StoredModel | null> {
  const folder = join(storeDir, name);
  if ((await stat(folder).catch(() => null)) === null) return null;
  const { found, versionFolders } = await contentsOf(folder, name);
  if (!found) {
    if (versionFolders.length === 0) return null;
    throw new ModelRepositoryError([`${name} has a version ${versionFolders.join(', ')} but no model.yaml; add one`]);
  }
  assertModelName(name);
  if (versionFolders.length === 0)
    throw new ModelRepositoryError([`${name} has no version; put the model at ${name}/1/model.onnx`]);
  if (versionFolders.length > maxVersions) {
    throw new ModelRepositoryError([
      `${name} has ${versionFolders.length} versions; the maximum is ${maxVersions}; remove old ones`,
    ]);
  }
  return assembled(name, folder, found, versionFolders);
}

/** @throws ModelRepositoryError if no model can have this name */
export function assertModelName(name: string): void {
  if (/^[A-Za-z0-9][\w.-]{0,99}$/.test(name)) return;
  throw new ModelRepositoryError([
    `${name} cannot be the name of a model; use up to 100 letters, digits, "-", "_" and "."`,
  ]);
}

/** The names of the manifest and of the version folders. */
async function contentsOf(folder: string, name: string) {
  try {
    return { found: await manifestIn(folder, name), versionFolders: await versionFoldersIn(folder, name) };
  } catch (error) {
    throw isPermissionError(error) ? new UnreadableFolder([unreadable(name, error)]) : error;
  }
}

async function assembled(
  name: string,
  folder: string,
  manifestName: string,
  versionNumbers: number[],
): Promise<StoredModel> {
  const problems: string[] = [];
  await assertInside([`${name}/${manifestName}`], join(folder, '..'), [folder]);
  const source = await readManifestFile(folder, name, manifestName);
  const manifest = readManifest(`${name}/${manifestName}`, source);
  const chosen = servedVersions(manifest, versionNumbers);
  const versions: StoredVersion[] = [];
  const broken: BrokenVersion[] = [];
  for (const version of chosen.filter((number) => versionNumbers.includes(number))) {
    try {
      versions.push(await readVersion(folder, name, version, manifest));
    } catch (error) {
      broken.push({ version, problems: problemsOf(error, join(folder, '..')) });
    }
  }
  const current = manifest.current ?? Math.max(...chosen);
  const placeOf = placesIn(`${name}/${manifestName}`, source);
  const place = (key: string): string => placeOf([key]);
  for (const { version, saidBy } of versionsNamed(manifest, chosen, current)) {
    if (!versionNumbers.includes(version)) {
      const existing = versionNumbers.join(', ');
      problems.push(`${place(saidBy)}: ${saidBy} is ${version}, which does not exist; versions: ${existing}`);
    } else if (!chosen.includes(version)) {
      problems.push(`${place(saidBy)}: ${saidBy} is ${version}, which is not a served version: ${chosen.join(', ')}`);
    }
  }
  if (problems.length > 0) throw new ModelRepositoryError([...broken.flatMap((one) => one.problems), ...problems]);
  return { name, manifest, versions, broken, current };
}

/** Every version that the manifest names, with its key. */
function versionsNamed(
  { canary, shadow }: Manifest,
  chosen: readonly number[],
  current: number,
): { version: number; saidBy: string }[] {
  return [
    ...chosen.map((version) => ({ version, saidBy: 'versions' })),
    { version: current, saidBy: 'current' },
    ...(canary ? [{ version: canary.version, saidBy: 'canary' }] : []),
    ...(shadow ? [{ version: shadow.version, saidBy: 'shadow' }] : []),
  ];
}

/** The versions that the manifest requests, ascending; they may be absent. */
function servedVersions({ versions }: Manifest, versionNumbers: readonly number[]): number[] {
  if (versions === 'all') return [...versionNumbers];
  if (versions === 'latest') return [Math.max(...versionNumbers)];
  return [...new Set(versions)].sort((a, b) => a - b);
}

async function manifestIn(folder: string, name: string): Promise<string | null> {
  const sizes = await Promise.all(manifestNames.map((file) => fileSize(join(folder, file))));
  const present = manifestNames.filter((_, index) => sizes[index] !== null);
  if (present.length > 1) throw new ModelRepositoryError([`${name} has both ${present.join(' and ')}; keep one`]);
  return present[0] ?? null;
}

async function readManifestFile(folder: string, name: string, manifestName: string): Promise<string> {
  const file = join(folder, manifestName);
  const size = await fileSize(file);
  if (size === null || size > maxManifestBytes) {
    throw new ModelRepositoryError([
      `${name}/${manifestName} must be a file of at most ${maxManifestBytes / 1024} KiB`,
    ]);
  }
  return readText(file, `${name}/${manifestName}`);
}

const isVersionName = (name: string): boolean => /^[1-9]\d{0,9}$/.test(name) && Number(name) <= maxVersionNumber;

/** Version numbers, ascending. A folder with a model under another name is reported as a mistake. */
async function versionFoldersIn(folder: string, name: string): Promise<number[]> {
  const versions: number[] = [];
  for (const entry of await visibleFolders(folder)) {
    if (isVersionName(entry)) versions.push(Number(entry));
    else if ((await fileSize(join(folder, entry, 'model.onnx')).catch(() => null)) !== null) {
      throw new ModelRepositoryError([
        `${name}/${entry} contains a model.onnx but is not a version; name the folder 1, 2, 3, ...`,
      ]);
    }
  }
  return versions.sort((a, b) => a - b);
}

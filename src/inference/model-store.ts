import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { maxManifestBytes, ModelStoreError, placeIn, readManifest, readSignatureFile, type Manifest } from './manifest.js';

export { ModelStoreError };

/** A model as it lies on disk: a folder with a manifest and at least one version. */
export interface StoredModel {
  /** The folder's name. */
  name: string;
  manifest: Manifest;
  /** Those that the manifest wants served, the lowest first. */
  versions: StoredVersion[];
  /** The version that answers when none is asked for. */
  current: number;
}

/** One version of a model: the folder `<model>/<version>`. */
export interface StoredVersion {
  version: number;
  /** The version's folder as told in messages: `iris/1`. */
  label: string;
  modelFile: string;
  goldenFile: string;
  /** SHA-256 of `golden.jsonl`, hexadecimal; null where there is none. */
  goldenDigest: string | null;
  /** SHA-256 of `model.onnx`, hexadecimal. */
  digest: string;
  /** What the training measured, from `metrics.json`; null where there is none. */
  metrics: Record<string, unknown> | null;
  /** What is said of its inputs and outputs: in its own `signature.yaml`, or in the manifest. */
  fields: Pick<Manifest, 'inputs' | 'outputs'>;
}

/** A question with the answer that the model gave when it was trained. */
export interface GoldenRow {
  /** Its line in `golden.jsonl`, counted from 1. */
  line: number;
  input: Record<string, unknown>;
  output: Record<string, unknown>;
}

const maxModels = 100;
const maxVersions = 100;
const maxModelBytes = 512 * 1024 * 1024;
const maxGoldenBytes = 16 * 1024 * 1024;
const maxMetricsBytes = 1024 * 1024;

/** GraphQL's Int ends here. */
const maxVersionNumber = 2 ** 31 - 1;

const manifestNames = ['model.yaml', 'model.json'] as const;
const signatureName = 'signature.yaml';

/** The files of a version that say what is served; what else lies beside them, such as pictures, does not matter. */
const versionFiles = ['model.onnx', 'golden.jsonl', 'metrics.json', signatureName] as const;

/**
 * Reads every model folder of a store. Files, hidden folders, and folders with neither a manifest nor a model in them
 * (such as a shared `training/`) are passed over.
 * @throws ModelStoreError that names the problems of all models at once
 */
export async function readModelStore(storeDir: string): Promise<StoredModel[]> {
  const folders = await modelFolders(storeDir);
  const models: StoredModel[] = [];
  const problems: string[] = [];
  for (const name of folders) {
    try {
      const model = await readModel(storeDir, name);
      if (model) models.push(model);
    } catch (error) {
      problems.push(...problemsOf(error));
    }
  }
  if (models.length > maxModels) problems.push(`the store holds ${models.length} models; it may hold ${maxModels}`);
  if (problems.length > 0) throw new ModelStoreError(problems);
  return models;
}

/**
 * What each model folder of a store looks like from outside: names, sizes and times of the files that matter, as a text that
 * changes when any of them does.
 * @throws ModelStoreError where the store cannot be read
 */
export async function glanceAtModelStore(storeDir: string): Promise<Map<string, string>> {
  const folders = (await modelFolders(storeDir)).slice(0, maxModels);
  return new Map(await Promise.all(folders.map(async (name) => [name, await glanceAt(join(storeDir, name))] as const)));
}

async function glanceAt(folder: string): Promise<string> {
  const inside = await visibleFolders(folder).catch(() => []);
  const files = [...manifestNames, ...inside.slice(0, 2 * maxVersions).flatMap((name) => versionFiles.map((file) => join(name, file)))];
  const seen = await Promise.all(files.map(async (file) => ({ file, found: await stat(join(folder, file)).catch(() => null) })));
  const present = seen.flatMap(({ file, found }) => (found ? [`${file} ${found.ino} ${found.size} ${found.mtimeMs}`] : []));
  return [...inside, ...present].join('\n');
}

async function modelFolders(storeDir: string): Promise<string[]> {
  return visibleFolders(storeDir).catch(() => {
    throw new ModelStoreError([`${storeDir} cannot be read as a folder; name the folder that holds the models`]);
  });
}

/**
 * The bytes of `model.onnx`.
 * @throws ModelStoreError where they are no longer those that the digest was made of
 */
export async function readModelBytes({ label, modelFile, digest }: StoredVersion): Promise<Uint8Array> {
  const bytes = await readFile(modelFile);
  if (createHash('sha256').update(bytes).digest('hex') !== digest) {
    throw new ModelStoreError([`${label}/model.onnx changed while it was being loaded; wait until it is written and start again`]);
  }
  return bytes;
}

/**
 * The golden rows of a version, at most `first` of them; none where it has no `golden.jsonl`.
 * @throws ModelStoreError that names the faulty lines
 */
export async function readGoldenRows({ label, goldenFile }: StoredVersion, first = Infinity): Promise<GoldenRow[]> {
  const size = await fileSize(goldenFile);
  if (size === null) return [];
  if (size > maxGoldenBytes) {
    throw new ModelStoreError([`${label}/golden.jsonl is larger than ${megabytes(maxGoldenBytes)}; keep the rows that tell most`]);
  }
  const rows: GoldenRow[] = [];
  const problems: string[] = [];
  for (const [index, line] of (await readFile(goldenFile, 'utf8')).split('\n').entries()) {
    if (rows.length >= first) break;
    if (line.trim() === '') continue;
    const row = goldenRow.safeParse(parsedJson(line));
    if (row.success) rows.push({ line: index + 1, ...row.data });
    else problems.push(`${label}/golden.jsonl:${index + 1}: must be one line of JSON: {"input": {...}, "output": {...}}`);
  }
  if (problems.length > 0) throw new ModelStoreError(problems.slice(0, 10));
  return rows;
}

/** What to tell of an error that one model caused: its problems, or its own message. */
export function problemsOf(error: unknown): readonly string[] {
  if (error instanceof ModelStoreError) return error.problems;
  return [error instanceof Error ? error.message : String(error)];
}

const jsonObject = z.record(z.string(), z.unknown());

const goldenRow = z.strictObject({ input: jsonObject, output: jsonObject });

/**
 * Reads one model folder. Null where the folder is gone or plainly not a model.
 * @throws ModelStoreError that names its problems
 */
export async function readModel(storeDir: string, name: string): Promise<StoredModel | null> {
  const folder = join(storeDir, name);
  if ((await stat(folder).catch(() => null)) === null) return null;
  const found = await manifestIn(folder, name);
  const versionFolders = await versionFoldersIn(folder, name);
  if (!found) {
    if (versionFolders.length === 0) return null;
    throw new ModelStoreError([`${name} has a version ${versionFolders.join(', ')} but no model.yaml; add one`]);
  }
  if (!/^[A-Za-z0-9][\w.-]{0,99}$/.test(name)) {
    throw new ModelStoreError([`${name} cannot be the name of a model; use up to 100 letters, digits, "-", "_" and "."`]);
  }
  if (versionFolders.length === 0) throw new ModelStoreError([`${name} has no version; put the model at ${name}/1/model.onnx`]);
  if (versionFolders.length > maxVersions) {
    throw new ModelStoreError([`${name} has ${versionFolders.length} versions; it may have ${maxVersions}: move old ones away`]);
  }
  return assembled(name, folder, found, versionFolders);
}

async function assembled(name: string, folder: string, manifestName: string, versionNumbers: number[]): Promise<StoredModel> {
  const problems: string[] = [];
  const collect = (error: unknown) => {
    problems.push(...problemsOf(error));
    return null;
  };
  const source = await readManifestFile(folder, name, manifestName);
  const manifest = readManifest(`${name}/${manifestName}`, source);
  const chosen = servedVersions(manifest, versionNumbers);
  const versions: StoredVersion[] = [];
  for (const version of chosen.filter((number) => versionNumbers.includes(number))) {
    const stored = await readVersion(folder, name, version, manifest).catch(collect);
    if (stored) versions.push(stored);
  }
  const current = manifest.current ?? Math.max(...chosen);
  for (const { version, saidBy } of versionsNamed(manifest, chosen, current)) {
    const place = placeIn(`${name}/${manifestName}`, source, [saidBy]);
    if (!versionNumbers.includes(version)) {
      problems.push(`${place}: ${saidBy} is ${version}, which is not there; there is ${versionNumbers.join(', ')}`);
    } else if (!chosen.includes(version)) {
      problems.push(`${place}: ${saidBy} is ${version}, which is not among the versions that are served: ${chosen.join(', ')}`);
    }
  }
  if (problems.length > 0) throw new ModelStoreError(problems);
  return { name, manifest, versions, current };
}

/** Every version that the manifest names, with the key under which it does. */
function versionsNamed({ canary, shadow }: Manifest, chosen: readonly number[], current: number): { version: number; saidBy: string }[] {
  return [
    ...chosen.map((version) => ({ version, saidBy: 'versions' })),
    { version: current, saidBy: 'current' },
    ...(canary ? [{ version: canary.version, saidBy: 'canary' }] : []),
    ...(shadow ? [{ version: shadow.version, saidBy: 'shadow' }] : []),
  ];
}

/** The versions that the manifest wants served, ascending; they need not be there. */
function servedVersions({ versions }: Manifest, versionNumbers: readonly number[]): number[] {
  if (versions === 'all') return [...versionNumbers];
  if (versions === 'latest') return [Math.max(...versionNumbers)];
  return [...new Set(versions)].sort((a, b) => a - b);
}

async function manifestIn(folder: string, name: string): Promise<string | null> {
  const sizes = await Promise.all(manifestNames.map((file) => fileSize(join(folder, file))));
  const present = manifestNames.filter((_, index) => sizes[index] !== null);
  if (present.length > 1) throw new ModelStoreError([`${name} has both ${present.join(' and ')}; keep one`]);
  return present[0] ?? null;
}

async function readManifestFile(folder: string, name: string, manifestName: string): Promise<string> {
  const file = join(folder, manifestName);
  const size = await fileSize(file);
  if (size === null || size > maxManifestBytes) {
    throw new ModelStoreError([`${name}/${manifestName} must be a file of at most ${maxManifestBytes / 1024} KiB`]);
  }
  return readFile(file, 'utf8');
}

/** Version numbers, ascending. A folder that holds a model under any other name is a mistake, not a version. */
async function versionFoldersIn(folder: string, name: string): Promise<number[]> {
  const versions: number[] = [];
  for (const entry of await visibleFolders(folder)) {
    const isVersion = /^[1-9]\d{0,9}$/.test(entry) && Number(entry) <= maxVersionNumber;
    if (isVersion) versions.push(Number(entry));
    else if ((await fileSize(join(folder, entry, 'model.onnx'))) !== null) {
      throw new ModelStoreError([`${name}/${entry} holds a model.onnx but is no version; name the folder 1, 2, 3, ...`]);
    }
  }
  return versions.sort((a, b) => a - b);
}

async function readVersion(folder: string, name: string, version: number, manifest: Manifest): Promise<StoredVersion> {
  const label = `${name}/${version}`;
  const versionDir = join(folder, String(version));
  const modelFile = join(versionDir, 'model.onnx');
  const size = await fileSize(modelFile);
  if (size === null) throw new ModelStoreError([`${label} has no model.onnx; add it or remove the folder`]);
  if (size > maxModelBytes) {
    throw new ModelStoreError([`${label}/model.onnx has ${megabytes(size)}; it may have ${megabytes(maxModelBytes)}`]);
  }
  const metrics = await readMetrics(join(versionDir, 'metrics.json'), label);
  const fields = (await readOwnFields(join(versionDir, signatureName), label)) ?? { inputs: manifest.inputs, outputs: manifest.outputs };
  const goldenFile = join(versionDir, 'golden.jsonl');
  const goldenDigest = (await fileSize(goldenFile)) === null ? null : await sha256OfFile(goldenFile);
  return { version, label, modelFile, goldenFile, goldenDigest, digest: await sha256OfFile(modelFile), metrics, fields };
}

/** What the version says of its own inputs and outputs; null where it has those of the manifest. */
async function readOwnFields(file: string, label: string): Promise<StoredVersion['fields'] | null> {
  const size = await fileSize(file);
  if (size === null) return null;
  if (size > maxManifestBytes) throw new ModelStoreError([`${label}/${signatureName} must be a file of at most ${maxManifestBytes / 1024} KiB`]);
  return readSignatureFile(`${label}/${signatureName}`, await readFile(file, 'utf8'));
}

async function readMetrics(file: string, label: string): Promise<Record<string, unknown> | null> {
  const size = await fileSize(file);
  if (size === null) return null;
  const metrics = size > maxMetricsBytes ? null : jsonObject.safeParse(parsedJson(await readFile(file, 'utf8')));
  if (!metrics?.success) {
    throw new ModelStoreError([`${label}/metrics.json must be one JSON object of at most ${megabytes(maxMetricsBytes)}`]);
  }
  return metrics.data;
}

/** The SHA-256 of a file, hexadecimal, however large it is. */
export async function sha256OfFile(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** Names of folders, also of linked ones, in the order of the alphabet. */
async function visibleFolders(folder: string): Promise<string[]> {
  const entries = await readdir(folder);
  const kinds = await Promise.all(entries.map((name) => stat(join(folder, name)).catch(() => null)));
  return entries.filter((name, index) => !name.startsWith('.') && kinds[index]?.isDirectory() === true).sort();
}

/** Null where there is no such file. */
async function fileSize(file: string): Promise<number | null> {
  const found = await stat(file).catch(() => null);
  return found?.isFile() === true ? found.size : null;
}

function parsedJson(source: string): unknown {
  try {
    return JSON.parse(source) as unknown;
  } catch {
    return undefined;
  }
}

function megabytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}

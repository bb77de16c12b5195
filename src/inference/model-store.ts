import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { maxManifestBytes, ModelStoreError, readManifest, type Manifest } from './manifest.js';

export { ModelStoreError };

/** A model as it lies on disk: a folder with a manifest and at least one version. */
export interface StoredModel {
  /** The folder's name. */
  name: string;
  manifest: Manifest;
  /** By version number, the lowest first. */
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
  /** SHA-256 of `model.onnx`, hexadecimal. */
  digest: string;
  /** What the training measured, from `metrics.json`; null where there is none. */
  metrics: Record<string, unknown> | null;
}

/** A question with the answer that the model gave when it was trained. */
export interface GoldenRow {
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

/**
 * Reads every model folder of a store. Files, hidden folders, and folders with neither a manifest nor a model in them
 * (such as a shared `training/`) are passed over.
 * @throws ModelStoreError that names the problems of all models at once
 */
export async function readModelStore(storeDir: string): Promise<StoredModel[]> {
  const folders = await visibleFolders(storeDir).catch(() => {
    throw new ModelStoreError([`${storeDir} cannot be read as a folder; name the folder that holds the models`]);
  });
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
    if (row.success) rows.push(row.data);
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

/** Null where the folder plainly is not a model. */
async function readModel(storeDir: string, name: string): Promise<StoredModel | null> {
  const folder = join(storeDir, name);
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
  const manifest = await readManifestFile(folder, name, manifestName).catch(collect);
  const versions: StoredVersion[] = [];
  for (const version of versionNumbers) {
    const stored = await readVersion(folder, name, version).catch(collect);
    if (stored) versions.push(stored);
  }
  const current = manifest?.current ?? Math.max(...versionNumbers);
  if (!versionNumbers.includes(current)) {
    problems.push(`${name}/${manifestName}: current is ${current}, which is not there; there is ${versionNumbers.join(', ')}`);
  }
  if (!manifest || problems.length > 0) throw new ModelStoreError(problems);
  return { name, manifest, versions, current };
}

async function manifestIn(folder: string, name: string): Promise<string | null> {
  const sizes = await Promise.all(manifestNames.map((file) => fileSize(join(folder, file))));
  const present = manifestNames.filter((_, index) => sizes[index] !== null);
  if (present.length > 1) throw new ModelStoreError([`${name} has both ${present.join(' and ')}; keep one`]);
  return present[0] ?? null;
}

async function readManifestFile(folder: string, name: string, manifestName: string): Promise<Manifest> {
  const file = join(folder, manifestName);
  const size = await fileSize(file);
  if (size === null || size > maxManifestBytes) {
    throw new ModelStoreError([`${name}/${manifestName} must be a file of at most ${maxManifestBytes / 1024} KiB`]);
  }
  return readManifest(`${name}/${manifestName}`, await readFile(file, 'utf8'));
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

async function readVersion(folder: string, name: string, version: number): Promise<StoredVersion> {
  const label = `${name}/${version}`;
  const versionDir = join(folder, String(version));
  const modelFile = join(versionDir, 'model.onnx');
  const size = await fileSize(modelFile);
  if (size === null) throw new ModelStoreError([`${label} has no model.onnx; add it or remove the folder`]);
  if (size > maxModelBytes) {
    throw new ModelStoreError([`${label}/model.onnx has ${megabytes(size)}; it may have ${megabytes(maxModelBytes)}`]);
  }
  const metrics = await readMetrics(join(versionDir, 'metrics.json'), label);
  return { version, label, modelFile, goldenFile: join(versionDir, 'golden.jsonl'), digest: await sha256OfFile(modelFile), metrics };
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

async function sha256OfFile(file: string): Promise<string> {
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

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { problemsOfChecksums } from './checksums.js';
import { fileSize, isInside, megabytes, sha256OfBytes, sha256OfFile } from './files.js';
import { findModelFiles, type ModelFiles } from './model-files.js';
import {
  maxManifestBytes,
  ModelRepositoryError,
  readSignatureFile,
  type Manifest,
  type Serving,
} from './model-manifest.js';
import { tokenizerFilesOf } from '../preprocessing/preprocessor.js';
import { findTokenizers, type TokenizerFile } from './tokenizer-files.js';
import { readReference, type ReferenceFile } from '../reference/reference.js';
import { changedWhileLoading } from './problems.js';
import { decodedText, parseJsonExactly, readText } from './text-files.js';

/** One version of a model: the folder `<model>/<version>`. */
export interface StoredVersion extends ModelFiles {
  version: number;
  goldenFile: string;
  /** SHA-256 of `golden.jsonl`, hexadecimal; null where there is none or it is empty. */
  goldenDigest: string | null;
  /** Files that are not those of `SHA256SUMS`; null if there is no such list. */
  checksumProblems: readonly string[] | null;
  /** What the training measured, from `metrics.json`; null where there is none. */
  metrics: Record<string, unknown> | null;
  /** How the training rows were distributed, from `reference.json`. */
  reference: ReferenceFile;
  /** The tokenizers that its inputs name, in its folder. */
  tokenizers: readonly TokenizerFile[];
  /** What is said of its inputs and outputs: in its own `signature.yaml`, or in the manifest. */
  fields: Pick<Manifest, 'inputs' | 'outputs'>;
  /** What the manifest says of its loading. If it changes, the version is loaded and verified again. */
  loading: LoadingRules;
}

/** The part of `serving` that a loaded version depends on. */
type LoadingRules = Pick<Serving, 'maxRowBytes' | 'providers' | 'intraOpThreads'>;

/** An input row with the output of the trainer. */
export interface GoldenRow {
  /** Its line in `golden.jsonl`, counted from 1. */
  line: number;
  input: Record<string, unknown>;
  output: Record<string, unknown>;
  /** Whether its output comes from the graph itself, so that it proves only that the graph is unchanged. */
  generated?: boolean | undefined;
}

const maxGoldenBytes = 16 * 1024 * 1024;
const maxMetricsBytes = 1024 * 1024;

const signatureName = 'signature.yaml';
const goldenName = 'golden.jsonl';

/** The files of a version that affect serving, besides external data. */
const versionFiles = ['model.onnx', goldenName, 'metrics.json', 'reference.json', signatureName] as const;

const jsonObject = z.record(z.string(), z.unknown());

const goldenRow = z.strictObject({ input: jsonObject, output: jsonObject, generated: z.boolean().optional() });

/** Reads the folder of a version. @throws ModelRepositoryError with its problem */
export async function readVersion(
  folder: string,
  name: string,
  version: number,
  manifest: Manifest,
): Promise<StoredVersion> {
  const label = `${name}/${version}`;
  const versionDir = join(folder, String(version));
  await assertInside(
    versionFiles.map((file) => `${label}/${file}`),
    join(folder, '..'),
    [folder, versionDir],
  );
  const files = await findModelFiles(versionDir, label);
  const metrics = await readMetrics(join(versionDir, 'metrics.json'), label);
  const reference = await readReference(join(versionDir, 'reference.json'), `${label}/reference.json`);
  const { inputs, outputs } = (await readOwnFields(join(versionDir, signatureName), label)) ?? manifest;
  const fields = { inputs, outputs: withTolerance(outputs, manifest.tolerance) };
  const tokenizers = await findTokenizers(versionDir, label, tokenizerFilesOf(fields));
  const goldenFile = join(versionDir, goldenName);
  // An empty file is one that is still being copied.
  const goldenDigest = ((await fileSize(goldenFile)) ?? 0) === 0 ? null : await sha256OfFile(goldenFile);
  const sums = new Map([
    ...files.sums,
    ...tokenizers.map(({ name, digest }) => [name, digest] as const),
    ...(goldenDigest === null ? [] : [[goldenName, goldenDigest] as const]),
  ]);
  const required = ['model.onnx', ...files.dataFiles, ...tokenizers.map((file) => file.name)];
  const checksumProblems = await problemsOfChecksums({ folder: versionDir, label, sums, required });
  const { maxRowBytes, providers, intraOpThreads } = manifest.serving;
  const loading = { maxRowBytes, providers, intraOpThreads };
  const checked = { goldenFile, goldenDigest, checksumProblems, tokenizers };
  return { ...files, ...checked, version, metrics, reference, fields, loading };
}

/**
 * Rejects links that lead out of the repository, so that a copied model folder cannot publish other files.
 * @param files existing or not, relative to the repository
 * @param folders folders of the model, which may themselves be links
 * @throws ModelRepositoryError that names the links
 */
export async function assertInside(
  files: readonly string[],
  storeDir: string,
  folders: readonly string[],
): Promise<void> {
  const problems: string[] = [];
  for (const file of files) {
    const exists = (await fileSize(join(storeDir, file))) !== null;
    if (exists && !(await isInside(join(storeDir, file), [storeDir, ...folders])))
      problems.push(`${file} is a link to a file outside of the model repository; copy the file instead`);
  }
  if (problems.length > 0) throw new ModelRepositoryError(problems);
}

/** Outputs without a tolerance get that of the manifest. */
function withTolerance(outputs: Manifest['outputs'], tolerance: Manifest['tolerance']): Manifest['outputs'] {
  if (!tolerance) return outputs;
  return Object.fromEntries(Object.entries(outputs).map(([name, output]) => [name, { tolerance, ...output }]));
}

/** The inputs and outputs of the version; null if it uses those of the manifest. */
async function readOwnFields(file: string, label: string): Promise<StoredVersion['fields'] | null> {
  const size = await fileSize(file);
  if (size === null) return null;
  if (size > maxManifestBytes)
    throw new ModelRepositoryError([
      `${label}/${signatureName} must be a file of at most ${maxManifestBytes / 1024} KiB`,
    ]);
  return readSignatureFile(`${label}/${signatureName}`, await readText(file, `${label}/${signatureName}`));
}

async function readMetrics(file: string, label: string): Promise<Record<string, unknown> | null> {
  const size = await fileSize(file);
  if (size === null) return null;
  const problem = `${label}/metrics.json must be one JSON object of at most ${megabytes(maxMetricsBytes)}`;
  if (size > maxMetricsBytes) throw new ModelRepositoryError([problem]);
  const metrics = parsed(jsonObject, await readText(file, `${label}/metrics.json`));
  if (!metrics.success) throw new ModelRepositoryError([`${problem}${metrics.reason}`]);
  return metrics.data;
}

/** Parses JSON of a schema. The reason is the place of a syntax error, or empty. */
function parsed<Value>(
  schema: z.ZodType<Value>,
  source: string,
): { success: true; data: Value } | { success: false; reason: string } {
  try {
    const { success, data } = schema.safeParse(parseJsonExactly(source));
    return success ? { success, data } : { success, reason: '' };
  } catch (error) {
    return { success: false, reason: `: ${(error as Error).message}` };
  }
}

/**
 * The golden rows of a version, at most `first` of them; none where it has no `golden.jsonl`.
 * @throws ModelRepositoryError with the invalid lines, or if the file no longer has the digest
 */
export async function readGoldenRows(
  { label, goldenFile, goldenDigest }: StoredVersion,
  first = Infinity,
): Promise<GoldenRow[]> {
  if (goldenDigest === null) return [];
  const size = (await fileSize(goldenFile)) ?? 0;
  if (size > maxGoldenBytes) {
    throw new ModelRepositoryError([
      `${label}/golden.jsonl is larger than ${megabytes(maxGoldenBytes)}; keep the most significant rows`,
    ]);
  }
  const bytes = await readFile(goldenFile);
  if ((await sha256OfBytes(bytes)) !== goldenDigest)
    throw new ModelRepositoryError([changedWhileLoading(`${label}/golden.jsonl`)]);
  const rows: GoldenRow[] = [];
  const problems: string[] = [];
  for (const [index, line] of decodedText(bytes, `${label}/golden.jsonl`).split('\n').entries()) {
    if (rows.length >= first) break;
    if (line.trim() === '') continue;
    const row = parsed(goldenRow, line);
    if (row.success) rows.push({ line: index + 1, ...row.data });
    else {
      const place = `${label}/golden.jsonl:${index + 1}`;
      problems.push(`${place}: must be one line of JSON: {"input": {...}, "output": {...}}${row.reason}`);
    }
  }
  if (problems.length > 0) throw new ModelRepositoryError(problems.slice(0, 10));
  return rows;
}

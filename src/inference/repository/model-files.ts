import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { externalTensors, withEmbeddedData, type ExternalTensor } from '../onnx/external-data.js';
import { fileSize, isInside, megabytes, sha256OfBytes, sha256OfFile } from './files.js';
import { ModelRepositoryError } from './model-manifest.js';
import { changedWhileLoading } from './problems.js';

/** The graph of a version and the files that hold its external data. */
export interface ModelFiles {
  /** The version's folder in messages: `iris/1`. */
  label: string;
  modelFile: string;
  /** Paths of the external data below the version's folder, such as `model.onnx.data`. */
  dataFiles: readonly string[];
  /**
   * SHA-256 in hexadecimal: of `model.onnx`, or, with external data, of the lines that `sha256sum` prints for `model.onnx` and
   * the data files in alphabetical order.
   */
  digest: string;
  /** SHA-256 of `model.onnx` and of each data file, in hexadecimal. */
  sums: ReadonlyMap<string, string>;
}

const maxModelBytes = 512 * 1024 * 1024;

/** Maximum files with external data. */
const maxDataFiles = 1000;

const graphName = 'model.onnx';

/** Finds and hashes the files of a graph. @throws ModelRepositoryError with their problems */
export async function findModelFiles(versionDir: string, label: string): Promise<ModelFiles> {
  const modelFile = join(versionDir, graphName);
  const size = await fileSize(modelFile);
  if (size === null) throw new ModelRepositoryError([`${label} has no ${graphName}; add it or remove the folder`]);
  assertModelSize(`${label}/${graphName}`, size);
  const place = { graph: `${label}/${graphName}`, folder: label };
  const dataFiles = await findDataFiles(versionDir, place, await readFile(modelFile));
  const sizes = await Promise.all(dataFiles.map((file) => fileSize(join(versionDir, file))));
  const total = sizes.reduce<number>((sum, each) => sum + (each ?? 0), size);
  assertModelSize(`${label}/${graphName} with its external data`, total);
  const sums = new Map([[graphName, await sha256OfFile(modelFile)]]);
  for (const file of dataFiles) sums.set(file, await sha256OfFile(join(versionDir, file)));
  return { label, modelFile, dataFiles, digest: digestOf(sums), sums };
}

/**
 * The graph with its external data embedded.
 * @throws ModelRepositoryError if the files no longer match the digest
 */
export async function readModelBytes({ label, modelFile, dataFiles, digest }: ModelFiles): Promise<Uint8Array> {
  const versionDir = join(modelFile, '..');
  const graph = await readFile(modelFile);
  const contents = new Map([[graphName, graph]]);
  for (const file of dataFiles) {
    if (await isInside(join(versionDir, file), [versionDir]))
      contents.set(file, await readFile(join(versionDir, file)));
  }
  const sums = new Map<string, string>();
  for (const [file, bytes] of contents) sums.set(file, await sha256OfBytes(bytes));
  if (digestOf(sums) !== digest) {
    throw new ModelRepositoryError([changedWhileLoading(`${label}/${graphName}`)]);
  }
  return withEmbeddedData(graph, (tensor) => {
    const file = pathBelow(tensor.location);
    const bytes = file === null ? undefined : contents.get(file);
    return bytes ? sliceOf(bytes, tensor, label) : null;
  });
}

/** A graph and the folder of its external data, in messages: `iris/1/model.onnx` and `iris/1`. */
interface GraphPlace {
  graph: string;
  folder: string;
}

/**
 * Finds the external data of a graph.
 * @param folder the folder of the graph, which must contain the data
 * @returns distinct paths relative to the folder, sorted
 * @throws ModelRepositoryError if the graph is invalid, or a file is missing or outside the folder
 */
export async function findDataFiles(folder: string, place: GraphPlace, graph: Buffer): Promise<string[]> {
  const files = new Set<string>();
  for (const { name, location } of tensorsOf(graph, place)) {
    const file = pathBelow(location);
    if (file === null) throw outside(place, name, location);
    files.add(file);
  }
  if (files.size > maxDataFiles) {
    throw new ModelRepositoryError([
      `${place.graph} has its data in ${files.size} files; the maximum is ${maxDataFiles}; export the data to one file`,
    ]);
  }
  for (const file of files) {
    if ((await stat(join(folder, file)).catch(() => null)) === null) {
      throw new ModelRepositoryError([
        `${place.graph} stores tensors in ${shown(file)}, which does not exist; copy it into the folder ${place.folder}`,
      ]);
    }
    const isUsable = (await isInside(join(folder, file), [folder])) && (await fileSize(join(folder, file))) !== null;
    if (!isUsable) throw outside(place, '', file);
  }
  return [...files].sort();
}

function tensorsOf(graph: Buffer, place: GraphPlace): ExternalTensor[] {
  try {
    return externalTensors(graph);
  } catch (error) {
    throw new ModelRepositoryError([`${place.graph} cannot be loaded: ${(error as Error).message}`]);
  }
}

/** The normalized path of a file in the folder or in a folder directly in it; null if the location is anything else. */
function pathBelow(location: string): string | null {
  const isPlain = location !== '' && location.length <= 255 && !location.includes('\0') && !posix.isAbsolute(location);
  const path = posix.normalize(location);
  const names = path.split('/');
  return isPlain && !location.split('/').includes('..') && names.length <= 2 && !names.includes('') && path !== '.'
    ? path
    : null;
}

function sliceOf(bytes: Buffer, { name, location, offset, length }: ExternalTensor, label: string): Buffer {
  const end = length === null ? bytes.length : offset + length;
  if (offset <= end && end <= bytes.length) return bytes.subarray(offset, end);
  throw new ModelRepositoryError([
    `${label}/${graphName} reads the tensor ${shown(name)} up to byte ${end} of ${shown(location)}, which has ${bytes.length}; copy the file again, or export the model again`,
  ]);
}

/** The digest of one file is its SHA-256, and that of several the SHA-256 of their checksum list. */
function digestOf(sums: ReadonlyMap<string, string>): string {
  const [first, ...others] = sums;
  if (first && others.length === 0) return first[1];
  const list = Array.from(sums, ([file, sum]) => `${sum}  ${file}\n`).sort((a, b) =>
    a.slice(66) < b.slice(66) ? -1 : 1,
  );
  return createHash('sha256').update(list.join('')).digest('hex');
}

const outside = ({ graph, folder }: GraphPlace, tensor: string, location: string): ModelRepositoryError =>
  new ModelRepositoryError([
    `${graph} stores ${tensor === '' ? 'tensors' : `the tensor ${shown(tensor)}`} in ${shown(location)}, which is not a file in the folder ${folder}; export the model in one file, or its data into that folder`,
  ]);

/** @throws ModelRepositoryError if a graph with its external data is too large */
export function assertModelSize(what: string, bytes: number): void {
  if (bytes > maxModelBytes)
    throw new ModelRepositoryError([`${what} has ${megabytes(bytes)}; the maximum is ${megabytes(maxModelBytes)}`]);
}

/** Text of a graph, which is untrusted, in messages. */
const shown = (text: string): string => JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}...` : text);

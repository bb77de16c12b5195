import type { GraphQLSchema } from 'graphql';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { OperatorError } from '../../errors/operator-error.js';
import { systemErrorCode } from '../../errors/system-error-code.js';
import { knownValuesOf } from '../../inference/onnx/known-values.js';
import { openOnnxSession, type OnnxSession } from '../../inference/onnx/onnx-session.js';
import { fileSize, sha256OfFile, visibleFolders } from '../../inference/repository/files.js';
import {
  assertModelSize,
  findDataFiles,
  findModelFiles,
  readModelBytes,
} from '../../inference/repository/model-files.js';
import { assertModelName, ModelRepositoryError } from '../../inference/repository/model-repository.js';
import { problemsOf } from '../../inference/repository/problems.js';
import { checkModelStore } from '../../inference/repository/validator.js';
import { queryNameOf } from '../../typed-models/names.js';
import { typingProblems } from '../../typed-models/naming-problems.js';
import { describeModel, oneLine, type GeneratedRow } from './describe-model.js';
import { cardText, manifestText, type ModelDescription } from './templates.js';

/** A model to add to a store. */
export interface NewModel {
  /** The ONNX file. */
  modelFile: string;
  /** The name of the model and its folder. */
  name: string;
  storeDir: string;
  /** Input rows for the golden rows, in place of generated ones. */
  rows: readonly Record<string, unknown>[] | null;
  /** The schema without models. */
  schema: GraphQLSchema;
}

/** A folder that was written. */
export interface WrittenModel {
  folder: string;
  inputs: number;
  outputs: number;
  goldenRows: number;
  /** What `models:check` says that its author should still do. */
  warnings: string[];
}

/**
 * Writes the folder of a new model with version 1. The folder is complete and checked when it appears in the store, which a
 * running gateway watches.
 * @throws OperatorError if the model cannot be served or the name is not available; nothing is written then
 */
export async function writeModelFolder(model: NewModel): Promise<WrittenModel> {
  try {
    return await written(model);
  } catch (error) {
    if (error instanceof ModelRepositoryError) throw new OperatorError(`${oneLine(error.problems)}.`);
    const code = systemErrorCode(error);
    if (code === undefined) throw error;
    throw new OperatorError(`${model.storeDir} cannot be written (${code}); check its permissions and free space.`);
  }
}

async function written(model: NewModel): Promise<WrittenModel> {
  const { modelFile, name, storeDir } = model;
  assertModelName(name);
  await assertStore(storeDir);
  await assertAvailable(name, storeDir);
  const source = await readSource(modelFile);
  // Hidden folders of a store are not served.
  const draft = await mkdtemp(path.join(storeDir, '.new-'));
  try {
    const description = await writeDraft(model, source, path.join(draft, name));
    const report = await checkModelStore(draft, undefined, (found) => typingProblems(found, model.schema));
    if (report.problems.length > 0) throw new ModelRepositoryError(report.problems);
    await rename(path.join(draft, name), path.join(storeDir, name));
    return {
      folder: path.join(storeDir, name),
      inputs: description.signature.inputs.length,
      outputs: description.signature.outputs.length,
      goldenRows: report.goldenRows,
      warnings: report.warnings,
    };
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

async function assertStore(storeDir: string): Promise<void> {
  await visibleFolders(storeDir).catch(() => {
    throw new OperatorError(`${storeDir} cannot be read as a folder; create it, or name the model store with --store.`);
  });
}

/** Compares names as the schema sees them: `car-price` and `car_price` would both be `predictCarPrice`. */
async function assertAvailable(name: string, storeDir: string): Promise<void> {
  if (existsSync(path.join(storeDir, name)))
    throw new OperatorError(
      `${path.join(storeDir, name)} already exists; choose another name with --name, or add the model as a version of it, in a folder such as ${name}/2.`,
    );
  const isModel = (folder: string) =>
    ['model.yaml', 'model.json'].some((file) => existsSync(path.join(storeDir, folder, file)));
  const twin = (await visibleFolders(storeDir)).find(
    (folder) => queryNameOf(folder) === queryNameOf(name) && isModel(folder),
  );
  if (twin !== undefined)
    throw new OperatorError(
      `The models ${twin} and ${name} would both be ${queryNameOf(name)} in the schema; choose another name with --name.`,
    );
}

interface Source {
  modelFile: string;
  /** Paths of the external data relative to the folder of the file. */
  dataFiles: readonly string[];
}

async function readSource(modelFile: string): Promise<Source> {
  const place = { graph: modelFile, folder: path.dirname(modelFile) };
  try {
    const size = await fileSize(modelFile);
    if (size === null) throw new OperatorError(`${modelFile} is not a file; name the ONNX file of the model.`);
    assertModelSize(modelFile, size);
    return { modelFile, dataFiles: await findDataFiles(place.folder, place, await readFile(modelFile)) };
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === undefined) throw error;
    throw new OperatorError(`${modelFile} cannot be read (${code}); check the path and its permissions.`);
  }
}

async function writeDraft(model: NewModel, source: Source, folder: string): Promise<ModelDescription> {
  const { name, modelFile } = model;
  const versionDir = path.join(folder, '1');
  await mkdir(versionDir, { recursive: true });
  await copyFile(modelFile, path.join(versionDir, 'model.onnx'));
  for (const file of source.dataFiles) {
    await mkdir(path.dirname(path.join(versionDir, file)), { recursive: true });
    await copyFile(path.join(path.dirname(modelFile), file), path.join(versionDir, file));
  }
  const files = await findModelFiles(versionDir, `${name}/1`);
  const bytes = await readModelBytes(files);
  const session = await openSession(modelFile, bytes);
  try {
    const { description, golden } = await describeModel(
      { name, label: modelFile, known: knownValuesOf(bytes), bytes: bytes.length, rows: model.rows },
      session,
    );
    await writeFile(path.join(folder, 'model.yaml'), manifestText(description));
    await writeFile(path.join(folder, 'README.md'), cardText(description));
    await writeFile(path.join(versionDir, 'golden.jsonl'), goldenText(golden));
    // Without the golden rows, which are there to be replaced.
    await writeFile(path.join(versionDir, 'SHA256SUMS'), await checksumText(versionDir, source.dataFiles));
    return description;
  } finally {
    await session.close();
  }
}

async function openSession(modelFile: string, bytes: Uint8Array): Promise<OnnxSession> {
  return openOnnxSession(bytes).catch((error: unknown) => {
    throw new OperatorError(`${modelFile} cannot be loaded: ${oneLine(problemsOf(error))}.`);
  });
}

const goldenText = (rows: readonly GeneratedRow[]): string =>
  rows.map((row) => `${JSON.stringify({ ...row, generated: true })}\n`).join('');

async function checksumText(versionDir: string, dataFiles: readonly string[]): Promise<string> {
  const sums = ['model.onnx', ...dataFiles].map(
    async (file) => `${await sha256OfFile(path.join(versionDir, file))}  ${file}\n`,
  );
  return (await Promise.all(sums)).join('');
}

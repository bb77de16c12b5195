import type { LoadedGraph } from '../onnx/backend.js';
import { createSignature, withActualOutputs } from '../signature/create-signature.js';
import { fromTensors } from '../signature/decode.js';
import { encodeRow, toTensors } from '../signature/encode.js';
import { encodeInputs } from '../preprocessing/encode-input.js';
import { withManifestNames } from '../signature/spellings.js';
import type { EncodedRow, InputField, Signature } from '../signature/types.js';
import { validateRows } from '../signature/validation.js';
import { ModelRepositoryError } from './model-manifest.js';
import { problemsOf } from './problems.js';
import type { GoldenRow, StoredVersion } from './version-folder.js';

/** Numbers of rows that a graph is tried with: one, the least that differs from one, and one that no shape contains by chance. */
const trialSizes = [1, 2, 7];

type TrialRun = Parameters<typeof withActualOutputs>[2][number];

/** What is needed to try a version. */
export interface Trial {
  stored: Pick<StoredVersion, 'label' | 'fields'>;
  /** Contents of the tokenizers by their names. */
  tokenizers?: ReadonlyMap<string, string>;
  /** The first valid one is run; a synthetic row if there is none. */
  rows: readonly GoldenRow[];
  /** Maximum rows of one run. */
  maxBatch: number;
  /** Maximum bytes of a value in a row. */
  maxRowBytes?: number;
}

/**
 * The signature of a graph, with the shapes of outputs as it returns them for 1, 2 and 7 rows.
 * @throws ModelRepositoryError if graph and manifest disagree, or the graph cannot run these numbers of rows
 */
export async function signatureByTrial(
  { stored: { label, fields }, tokenizers, rows, maxBatch, maxRowBytes }: Trial,
  graph: Pick<LoadedGraph, 'inputs' | 'outputs' | 'run'>,
): Promise<Signature> {
  const signature = createSignature(label, graph, fields, maxRowBytes, tokenizers);
  const golden = rows.find(({ input }) => validateRows(signature, [input]).length === 0);
  const row = await trialRow(signature, rows);
  let actual = signature;
  const runs: TrialRun[] = [];
  for (const size of trialSizes.filter((size) => size <= maxBatch)) {
    const feeds = toTensors(
      signature,
      Array.from({ length: size }, () => row),
    );
    try {
      runs.push({ rows: size, outputs: (await graph.run(feeds, size)).outputs });
    } catch (error) {
      const kind = golden ? `the row of golden.jsonl:${golden.line}` : 'a synthetic row';
      const many = size === 1 ? kind : `${kind}, repeated to ${size} rows,`;
      throw new ModelRepositoryError([
        `${label}: ${many} cannot run: ${problemsOf(error).join(' ')}${remedyFor(size, golden)}`,
      ]);
    }
    actual = withActualOutputs(label, signature, runs);
    await assertDecodable(label, actual, runs.at(-1));
  }
  return actual;
}

/** @throws ModelRepositoryError if calls could not get these outputs */
async function assertDecodable(label: string, signature: Signature, run: TrialRun | undefined): Promise<void> {
  if (!run) return;
  try {
    await fromTensors(signature, run.outputs, run.rows);
  } catch (error) {
    throw new ModelRepositoryError([`${label}: ${problemsOf(error).join(' ')}`]);
  }
}

/** What to do if a graph does not run this number of rows. */
function remedyFor(size: number, golden: GoldenRow | undefined): string {
  if (size > 1) return '; export it with a free number of rows, or set serving.max_batch: 1';
  return golden ? '' : '; write a row that it accepts into golden.jsonl';
}

/** A row that a trial has run: the first valid golden row, or a synthetic one. */
export async function trialRow(signature: Signature, rows: readonly GoldenRow[]): Promise<EncodedRow> {
  const golden = rows.find(({ input }) => validateRows(signature, [input]).length === 0);
  const [encoded] = golden ? await encodeInputs(signature, [withManifestNames(signature, golden.input)]) : [];
  return encoded?.kind === 'ok' ? encoded.row : encodeRow(signature, syntheticRow(signature));
}

/** A row with values that the manifest allows. */
function syntheticRow({ inputs, tensors = inputs }: Signature): GoldenRow['input'] {
  return Object.fromEntries(
    tensors.filter(({ required }) => required).map((input) => [input.name, syntheticValue(input, chosenShape(input))]),
  );
}

/** Sizes for free dimensions: a short sequence, or an image that several layers can halve. */
export function chosenShape({ rowShape }: Pick<InputField, 'rowShape'>): number[] {
  const free = rowShape.filter((size) => size === null).length;
  return rowShape.map((size) => size ?? (free === 1 ? 8 : 64));
}

function syntheticValue(input: InputField, [length, ...inner]: readonly number[]): unknown {
  return length === undefined ? syntheticScalar(input) : Array.from({ length }, () => syntheticValue(input, inner));
}

function syntheticScalar({ type, minimum, maximum, values, isClosed }: InputField): unknown {
  const known = values?.[0];
  if (type === 'boolean') return false;
  if (type === 'string') return known ?? 'a';
  if (isClosed && known !== undefined) return Number(known);
  const nearestToOne = Math.min(Math.max(1, minimum ?? 1), maximum ?? Infinity);
  return type === 'integer' ? Math.round(nearestToOne) : nearestToOne;
}

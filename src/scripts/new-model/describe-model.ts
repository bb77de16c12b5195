import { OperatorError } from '../../errors/operator-error.js';
import { isListable, type KnownValues } from '../../inference/onnx/known-values.js';
import type { OnnxSession } from '../../inference/onnx/onnx-session.js';
import type { Manifest } from '../../inference/repository/model-manifest.js';
import { problemsOf } from '../../inference/repository/problems.js';
import { problemOfDependence } from '../../inference/repository/row-independence.js';
import { signatureByTrial } from '../../inference/repository/trial-runs.js';
import { createSignature } from '../../inference/signature/create-signature.js';
import { encodeRow, toTensors } from '../../inference/signature/encode.js';
import { runRows } from '../../inference/signature/run-rows.js';
import type { OutputField, RowResult, Signature } from '../../inference/signature/types.js';
import { validateRows } from '../../inference/signature/validation.js';
import { generatedRows } from './generated-rows.js';
import type { ModelDescription } from './templates.js';

type Row = Record<string, unknown>;

/** A golden row whose output was computed by the graph. */
export interface GeneratedRow {
  input: Row;
  output: Row;
}

/** What a model is described from. */
export interface Subject {
  name: string;
  /** The file in messages. */
  label: string;
  known: KnownValues;
  bytes: number;
  /** Input rows in place of generated ones; null generates some. */
  rows: readonly Row[] | null;
}

/** The batch size of the gateway, unless the manifest sets another. */
const defaultMaxBatch = 1024;

/** Milliseconds that the test of independence should take. */
const budgetMs = 5000;

/**
 * Describes a model by its graph and by running it.
 * @throws ModelRepositoryError if it cannot be served
 * @throws OperatorError if it runs none of the rows
 */
export async function describeModel(
  { name, label, known, bytes, rows }: Subject,
  session: OnnxSession,
): Promise<{ description: ModelDescription; golden: GeneratedRow[] }> {
  const fields = undescribedFields(session);
  const declared = createSignature(label, session, fields);
  const texts = [...known.categories].filter(([input]) => isText(declared, input));
  const categories = new Map(texts.map(([input, values]) => [input, values.filter(isListable)]));
  // The graph gets a missing text as the empty string.
  const optional = new Set(texts.flatMap(([input, values]) => (values.includes('') ? [input] : [])));
  const candidates = rows ?? generatedRows(declared, categories);
  const runnable = await rowsThatRun(label, declared, candidates, session);
  const trialRows = runnable.map((input, index) => ({ line: index + 1, input, output: {} }));
  const maxBatch = defaultMaxBatch;
  const trial = { stored: { label, fields }, rows: trialRows.slice(0, 1), maxBatch };
  const signature = await signatureByTrial(trial, session);
  const test = { label, signature, rows: trialRows, maxBatch, budgetMs };
  const isDependent = (await problemOfDependence(test, session)) !== null;
  const golden = await goldenRows(signature, runnable, session, isDependent);
  if (golden.length === 0) throw noRows(label, 'an output is not a finite number');
  const classes = classesOf(signature.outputs, known.classes, golden);
  const labelled = golden.map((row) => ({ ...row, output: withLabels(row.output, signature.outputs, classes) }));
  return { description: { name, signature, categories, optional, classes, isDependent, bytes }, golden: labelled };
}

function undescribedFields({ inputs, outputs }: OnnxSession): Pick<Manifest, 'inputs' | 'outputs'> {
  const input = { required: true, integer: false, closed: false };
  return {
    inputs: Object.fromEntries(inputs.map(({ name }) => [name, input])),
    outputs: Object.fromEntries(outputs.map(({ name }) => [name, {}])),
  };
}

const isText = ({ inputs }: Signature, name: string): boolean =>
  inputs.some((input) => input.name === name && input.type === 'string' && input.rowShape.length === 0);

/** Generated rows that the graph rejects are left out; rows of the author must all be valid. */
async function rowsThatRun(
  label: string,
  signature: Signature,
  candidates: readonly Row[],
  session: OnnxSession,
): Promise<Row[]> {
  const [problem] = validateRows(signature, candidates);
  if (problem)
    throw new OperatorError(`Row ${(problem.row ?? 0) + 1} is invalid: ${problem.field} ${problem.message}.`);
  const runnable: Row[] = [];
  let reason = 'there are none';
  for (const row of candidates) {
    try {
      await session.run(toTensors(signature, [encodeRow(signature, row)]));
      runnable.push(row);
    } catch (error) {
      reason = oneLine(problemsOf(error));
    }
  }
  if (runnable.length === 0) throw noRows(label, reason);
  return runnable;
}

/** Runs rows as the check of golden rows does. Rows with an output that is not finite are left out. */
async function goldenRows(
  signature: Signature,
  rows: readonly Row[],
  session: OnnxSession,
  isSingle: boolean,
): Promise<GeneratedRow[]> {
  const encoded = rows.map((row) => encodeRow(signature, row));
  const results: RowResult[] = [];
  for (const chunk of isSingle ? encoded.map((row) => [row]) : [encoded])
    results.push(...(await runRows(session, signature, chunk)).results);
  return rows.flatMap((input, index) => {
    const result = results[index];
    return result?.kind === 'ok' ? [{ input, output: result.output }] : [];
  });
}

const noRows = (label: string, reason: string): OperatorError =>
  new OperatorError(
    `${label} runs none of the rows: ${reason}; give rows that it accepts with --rows, one JSON object a line.`,
  );

/** The outputs that are labels of the classifier, or a number for each class. */
function classesOf(
  outputs: readonly OutputField[],
  classes: readonly string[] | null,
  rows: readonly GeneratedRow[],
): Map<string, readonly string[]> {
  if (!classes) return new Map();
  const isLabel = ({ name, type, rowShape }: OutputField): boolean =>
    rowShape.length === 0 && type !== 'float' && rows.every(({ output }) => classes.includes(String(output[name])));
  const isVector = ({ type, rowShape }: OutputField): boolean =>
    type === 'float' && rowShape.length === 1 && rowShape[0] === classes.length;
  return new Map(outputs.filter((output) => isLabel(output) || isVector(output)).map(({ name }) => [name, classes]));
}

/** Vectors with labels are objects. */
function withLabels(
  output: Row,
  outputs: readonly OutputField[],
  classes: ReadonlyMap<string, readonly string[]>,
): Row {
  return Object.fromEntries(
    outputs.map(({ name }) => {
      const value = output[name];
      const labels = classes.get(name);
      if (!labels || !Array.isArray(value)) return [name, value];
      return [name, Object.fromEntries(labels.map((label, index) => [label, value[index] as unknown]))];
    }),
  );
}

/** Problems as one sentence on one line, without the full stop. */
export function oneLine(problems: readonly string[]): string {
  const text = problems.join('; ').replaceAll(/\s+/g, ' ').trim();
  return (text.length > 1000 ? `${text.slice(0, 1000)}...` : text).replace(/\.$/, '');
}

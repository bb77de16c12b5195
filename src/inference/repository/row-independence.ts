import { setImmediate as nextTurn } from 'node:timers/promises';
import { ownValue } from '../../errors/own-value.js';
import type { LoadedGraph } from '../onnx/backend.js';
import { firstDifference } from '../signature/compare.js';
import { runRows } from '../signature/run-rows.js';
import type { EncodedRow, OutputField, RowResult, Signature } from '../signature/types.js';
import { encodeInputs } from '../preprocessing/encode-input.js';
import { withManifestNames } from '../signature/spellings.js';
import { validateRows } from '../signature/validation.js';
import { outlierRows } from './outlier-rows.js';
import { problemsOf } from './problems.js';
import type { GoldenRow } from './version-folder.js';

/** What is tested. */
export interface IndependenceTest {
  /** The version in messages: `iris/1`. */
  label: string;
  signature: Signature;
  rows: readonly GoldenRow[];
  /** Maximum rows of one run. */
  maxBatch: number;
  /** Milliseconds of runs to aim for; at least two rows are tested. */
  budgetMs: number;
}

/** Maximum rows that are compared. */
const maxProbes = 16;

/** Runs of a row, alone and beside others. */
const runsOfProbe = 8;

/** Rounding of outputs whose manifest declares no tolerance: runs of other sizes sum in another order. */
const rounding = { relative: 1e-4, absolute: 1e-6 };

interface Probe {
  /** In messages. */
  name: string;
  row: EncodedRow;
  /** The result of the row alone. */
  alone: RowResult;
}

/**
 * Tests whether each row of a graph has the result that it has alone, in another order and beside extreme rows. Rows of
 * different callers share a run and are cached one by one, so a graph whose rows influence each other must run them one by one.
 * @returns the problem; null if rows are independent or never share a run
 */
export async function problemOfDependence(
  test: IndependenceTest,
  graph: Pick<LoadedGraph, 'run'>,
): Promise<string | null> {
  const { label, signature, maxBatch } = test;
  if (maxBatch === 1) return null;
  const run = (rows: readonly EncodedRow[]) => runRows(graph, signature, rows).then(({ results }) => results);
  const probes = await runProbes(test, run);
  const [first] = probes;
  if (!first) return null;
  // A graph with random numbers differs from itself; batches are not the reason.
  const again = await run([first.row]);
  const outputs = withRounding(signature.outputs, probes);
  if (differenceOf(outputs, first.alone, again[0]) !== null) return null;
  const outliers = await runOutliers(test, first.row, run);
  for (const batch of batches(probes, outliers, maxBatch)) {
    const difference = await differenceInBatch(batch, outputs, run);
    if (difference !== null) return `${label}: rows influence each other: ${difference}; ${remedy}`;
    await nextTurn();
  }
  return null;
}

const remedy =
  'rows of different callers share a run. Set serving.max_batch: 1, or export a graph that computes each row by itself (static quantization, no batch statistics, no padding)';

type Run = (rows: readonly EncodedRow[]) => Promise<RowResult[]>;

/** Runs golden rows alone, spread over all of them, and extreme rows where there are too few. */
async function runProbes({ rows, signature, budgetMs }: IndependenceTest, run: Run): Promise<Probe[]> {
  const golden = rows.map(({ line, input }) => ({ name: `the row of golden.jsonl:${line}`, input, isExtreme: false }));
  const tensors = ofTensors(signature);
  const extreme = outlierRows(tensors).map((input) => ({ name: 'a generated row', input, isExtreme: true }));
  const candidates = [...spread(golden, maxProbes), ...(golden.length < 2 ? extreme : [])];
  const probes: Probe[] = [];
  let left = maxProbes;
  for (const { name, input, isExtreme } of candidates) {
    if (left <= 0) break;
    const startMs = performance.now();
    const probe = await runAlone(isExtreme ? tensors : signature, name, input, run);
    if (!probe) continue;
    probes.push(probe);
    const ms = performance.now() - startMs;
    // The first run is the slowest.
    const affordable = probes.length === 1 ? maxProbes : Math.max(2, Math.floor(budgetMs / (ms * runsOfProbe)));
    left = Math.min(left - 1, affordable - probes.length);
  }
  return probes;
}

/** The signature of rows as the graph takes them, without preprocessing. */
const ofTensors = ({ inputs, tensors = inputs, outputs, maxRowBytes }: Signature): Signature => ({
  inputs: tensors,
  outputs,
  maxRowBytes,
});

/** Null if the row is invalid or the graph fails on it. */
async function runAlone(
  signature: Signature,
  name: string,
  input: Record<string, unknown>,
  run: Run,
): Promise<Probe | null> {
  if (validateRows(signature, [input]).length > 0) return null;
  const [encoded] = await encodeInputs(signature, [withManifestNames(signature, input)]);
  if (encoded?.kind !== 'ok') return null;
  const { row } = encoded;
  const [alone] = await run([row]).catch(() => []);
  return alone ? { name, row, alone } : null;
}

async function runOutliers({ signature }: IndependenceTest, like: EncodedRow, run: Run): Promise<Probe[]> {
  const outliers: Probe[] = [];
  const tensors = ofTensors(signature);
  for (const input of outlierRows(tensors, like)) {
    const outlier = await runAlone(tensors, 'an extreme row', input, run);
    if (outlier) outliers.push(outlier);
  }
  return outliers;
}

/** The rows in reverse order, and behind each outlier. */
function batches(probes: readonly Probe[], outliers: readonly Probe[], maxBatch: number): Probe[][] {
  return [
    ...chunks(probes.toReversed(), maxBatch),
    ...outliers.flatMap((outlier) => chunks(probes, maxBatch - 1).map((chunk) => [outlier, ...chunk])),
  ];
}

async function differenceInBatch(
  batch: readonly Probe[],
  outputs: readonly OutputField[],
  run: Run,
): Promise<string | null> {
  try {
    const results = await run(batch.map(({ row }) => row));
    for (const [index, { name, alone }] of batch.entries()) {
      const difference = differenceOf(outputs, alone, results[index]);
      if (difference !== null) return `${name} has ${difference}`;
    }
    return null;
  } catch (error) {
    return `${batch.length} rows fail together that run alone: ${problemsOf(error).join(' ')}`;
  }
}

/** Such as `y 1 alone and 2 beside other rows`. */
function differenceOf(
  outputs: readonly OutputField[],
  alone: RowResult,
  together: RowResult | undefined,
): string | null {
  if (alone.kind === 'ok' && together?.kind === 'ok') {
    const difference = firstDifference(outputs, alone.output, together.output, rounding);
    return (
      difference && `${difference.place} ${shown(difference.one)} alone and ${shown(difference.other)} beside others`
    );
  }
  if (alone.kind === together?.kind) return null;
  return alone.kind === 'ok'
    ? 'finite outputs alone and none beside others'
    : 'no finite output alone, but beside others';
}

const shown = (value: unknown): string => (Array.isArray(value) ? `a list of ${value.length}` : JSON.stringify(value));

/** Outputs without a declared tolerance get one by their scale: the sum of large numbers may be small. */
function withRounding(outputs: readonly OutputField[], probes: readonly Probe[]): OutputField[] {
  return outputs.map((output) => {
    if (output.type !== 'float' || output.tolerance) return output;
    const scale = Math.max(
      0,
      ...probes.map(({ alone }) => (alone.kind === 'ok' ? magnitude(ownValue(alone.output, output.name)) : 0)),
    );
    return { ...output, tolerance: { ...rounding, absolute: Math.max(rounding.absolute, rounding.absolute * scale) } };
  });
}

function magnitude(value: unknown): number {
  if (typeof value === 'number') return Math.abs(value);
  if (typeof value !== 'object' || value === null) return 0;
  return Object.values(value).reduce<number>((largest, inner) => Math.max(largest, magnitude(inner)), 0);
}

/** At most `count` elements, evenly spaced. */
function spread<Element>(elements: readonly Element[], count: number): Element[] {
  if (elements.length <= count) return [...elements];
  const step = elements.length / count;
  return Array.from({ length: count }, (_, index) => elements[Math.floor(index * step)]).filter(
    (element) => element !== undefined,
  );
}

function chunks<Element>(elements: readonly Element[], size: number): Element[][] {
  return Array.from({ length: Math.ceil(elements.length / size) }, (_, index) =>
    elements.slice(index * size, (index + 1) * size),
  );
}

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { LoadedGraph } from '../onnx/backend.js';
import { problemsOf } from './problems.js';
import type { GoldenRow } from './version-folder.js';
import { fromTensors } from '../signature/decode.js';
import { encodeRow, toTensors } from '../signature/encode.js';
import type { RowResult, Signature } from '../signature/types.js';
import { validateRows } from '../signature/validation.js';

/** Golden rows to check, and the tolerance. */
export interface GoldenCheck {
  /** The version in messages: `iris/1`. */
  label: string;
  rows: readonly GoldenRow[];
  signature: Signature;
  /** Maximum relative difference of a number; for numbers below `tolerance`, relative to `tolerance`. */
  tolerance: number;
  /** Maximum rows of one run. */
  maxBatch: number;
}

/** Maximum rows of one run. */
const chunkRows = 64;

/** Problems reported per version. */
const maxProblems = 10;

/** Runs golden rows and compares the outputs. @returns problems with the file and line of each row */
export async function problemsOfGoldenRows(
  { label, rows, signature, tolerance, maxBatch }: GoldenCheck,
  graph: Pick<LoadedGraph, 'run'>,
): Promise<string[]> {
  const problems: string[] = [];
  const size = Math.min(chunkRows, maxBatch);
  for (let start = 0; start < rows.length && problems.length < maxProblems; start += size) {
    const chunk = rows.slice(start, start + size);
    for (const { line, problem } of await problemsOfChunk(chunk, signature, tolerance, graph))
      problems.push(`${label}/golden.jsonl:${line}: ${problem}`);
    await nextTurn();
  }
  return problems.slice(0, maxProblems);
}

interface RowProblem {
  line: number;
  problem: string;
}

async function problemsOfChunk(
  rows: readonly GoldenRow[],
  signature: Signature,
  tolerance: number,
  graph: Pick<LoadedGraph, 'run'>,
): Promise<RowProblem[]> {
  const invalid = rows.flatMap(({ line, input }) =>
    validateRows(signature, [input]).map(({ field, message }) => ({ line, problem: `input ${field} ${message}` })),
  );
  if (invalid.length > 0) return invalid;
  try {
    const results = await runRows(
      rows.map(({ input }) => input),
      signature,
      graph,
    );
    return rows.flatMap(({ line, output }, index) => {
      const problem = problemOfResult(results[index], output, tolerance);
      return problem === null ? [] : [{ line, problem }];
    });
  } catch (error) {
    const batch = rows.length === 1 ? '' : ` in a batch with the next ${rows.length - 1} rows`;
    return rows
      .slice(0, 1)
      .map(({ line }) => ({ line, problem: `cannot run${batch}: ${problemsOf(error).join(' ')}` }));
  }
}

async function runRows(
  inputs: readonly Record<string, unknown>[],
  signature: Signature,
  graph: Pick<LoadedGraph, 'run'>,
): Promise<RowResult[]> {
  const encoded = inputs.map((input) => encodeRow(signature, input));
  const { outputs } = await graph.run(toTensors(signature, encoded), encoded.length);
  return fromTensors(signature, outputs, encoded.length);
}

function problemOfResult(
  result: RowResult | undefined,
  expected: GoldenRow['output'],
  tolerance: number,
): string | null {
  if (result?.kind !== 'ok') return `returns no finite value for ${result?.field ?? 'any output'}`;
  const difference = firstDifference('', result.output, expected, tolerance);
  return difference === null ? null : `${difference}; model.onnx and golden.jsonl come from different trainings`;
}

/** The first difference, such as `species is "setosa", not "virginica"`; null if there is none within the tolerance. */
function firstDifference(place: string, result: unknown, expected: unknown, tolerance: number): string | null {
  if (typeof result === 'number' && typeof expected === 'number') {
    const allowed = tolerance * Math.max(Math.abs(result), Math.abs(expected), tolerance);
    return Math.abs(result - expected) <= allowed ? null : `${place} is ${result}, not ${expected}`;
  }
  if (!isRecord(result) || !isRecord(expected) || Array.isArray(result) !== Array.isArray(expected)) {
    return result === expected ? null : `${place} is ${JSON.stringify(result)}, not ${JSON.stringify(expected)}`;
  }
  const actual = new Map(Object.entries(result));
  const golden = new Map(Object.entries(expected));
  for (const key of new Set([...actual.keys(), ...golden.keys()])) {
    const inner = place === '' ? key : `${place}.${key}`;
    if (!actual.has(key)) return `${inner} is missing in the output`;
    if (!golden.has(key)) return `${inner} is not in the golden row`;
    const difference = firstDifference(inner, actual.get(key), golden.get(key), tolerance);
    if (difference !== null) return difference;
  }
  return null;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

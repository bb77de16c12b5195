import { setImmediate as nextTurn } from 'node:timers/promises';
import type { LoadedGraph } from '../onnx/backend.js';
import { problemsOf } from './problems.js';
import type { GoldenRow } from './version-folder.js';
import { firstDifference, type Tolerance } from '../signature/compare.js';
import { runRows } from '../signature/run-rows.js';
import { encodeInputs } from '../preprocessing/encode-input.js';
import { withManifestNames } from '../signature/spellings.js';
import type { RowResult, Signature } from '../signature/types.js';
import { validateRows } from '../signature/validation.js';

/** Golden rows to check, and the tolerance. */
export interface GoldenCheck {
  /** The version in messages: `iris/1`. */
  label: string;
  rows: readonly GoldenRow[];
  signature: Signature;
  /** The tolerance of outputs that declare none. */
  tolerance?: Tolerance;
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
  tolerance: Tolerance | undefined,
  graph: Pick<LoadedGraph, 'run'>,
): Promise<RowProblem[]> {
  const invalid = rows.flatMap(({ line, input }) =>
    validateRows(signature, [input]).map(({ field, message }) => ({ line, problem: `input ${field} ${message}` })),
  );
  if (invalid.length > 0) return invalid;
  try {
    const named = rows.map(({ input }) => withManifestNames(signature, input));
    const encoded = await encodeInputs(signature, named);
    const unprocessable = encoded.flatMap((one, index) =>
      one.kind === 'ok' ? [] : [{ line: rows[index]?.line ?? 0, problem: `input ${one.field} ${one.message}` }],
    );
    if (unprocessable.length > 0) return unprocessable;
    const { results } = await runRows(
      graph,
      signature,
      encoded.flatMap((one) => (one.kind === 'ok' ? [one.row] : [])),
    );
    return rows.flatMap(({ line, output }, index) => {
      const problem = problemOfResult(signature, results[index], output, tolerance);
      return problem === null ? [] : [{ line, problem }];
    });
  } catch (error) {
    const batch = rows.length === 1 ? '' : ` in a batch with the next ${rows.length - 1} rows`;
    return rows
      .slice(0, 1)
      .map(({ line }) => ({ line, problem: `cannot run${batch}: ${problemsOf(error).join(' ')}` }));
  }
}

function problemOfResult(
  { outputs }: Signature,
  result: RowResult | undefined,
  expected: GoldenRow['output'],
  tolerance: Tolerance | undefined,
): string | null {
  if (result?.kind !== 'ok') return `returns no finite value for ${result?.field ?? 'any output'}`;
  const difference = firstDifference(outputs, result.output, expected, tolerance);
  if (difference === null) return null;
  const { place, one, other } = difference;
  if (one === undefined) return `${place} is missing in the output${trainings}`;
  if (other === undefined) return `${place} is not in the golden row${trainings}`;
  if (Array.isArray(other) && other.length === 1 && !Array.isArray(one))
    return `${place} is ${JSON.stringify(one)}; write one value without brackets, not ${JSON.stringify(other)}`;
  return `${place} is ${JSON.stringify(one)}, not ${JSON.stringify(other)}${trainings}`;
}

const trainings = '; model.onnx and golden.jsonl come from different trainings';

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { LoadedGraph } from './backend/backend.js';
import { problemsOf, type GoldenRow } from './model-store.js';
import { encodeRow, fromTensors, toTensors, validateRows, type RowAnswer, type Signature } from './signature.js';

/** What is to be checked, and how closely. */
export interface GoldenCheck {
  /** The version as told in messages: `iris/1`. */
  label: string;
  rows: readonly GoldenRow[];
  signature: Signature;
  /** How far a number may be off, as a share of it; below `tolerance` itself, as a share of that. */
  tolerance: number;
}

/** Rows of one run. */
const chunkRows = 64;

/** Problems told of one version: those after them tell the same again. */
const maxProblems = 10;

/** Lets a graph answer golden rows; answers what is wrong, with the file and line of each row. */
export async function problemsOfGoldenRows({ label, rows, signature, tolerance }: GoldenCheck, graph: Pick<LoadedGraph, 'run'>): Promise<string[]> {
  const problems: string[] = [];
  for (let start = 0; start < rows.length && problems.length < maxProblems; start += chunkRows) {
    const chunk = rows.slice(start, start + chunkRows);
    for (const { line, problem } of await problemsOfChunk(chunk, signature, tolerance, graph)) problems.push(`${label}/golden.jsonl:${line}: ${problem}`);
    await nextTurn();
  }
  return problems.slice(0, maxProblems);
}

interface RowProblem {
  line: number;
  problem: string;
}

async function problemsOfChunk(rows: readonly GoldenRow[], signature: Signature, tolerance: number, graph: Pick<LoadedGraph, 'run'>): Promise<RowProblem[]> {
  const faults = rows.flatMap(({ line, input }) =>
    validateRows(signature, [input]).map(({ field, message }) => ({ line, problem: `input ${field} ${message}` })),
  );
  if (faults.length > 0) return faults;
  try {
    const answers = await answersTo(
      rows.map(({ input }) => input),
      signature,
      graph,
    );
    return rows.flatMap(({ line, output }, index) => {
      const problem = problemOfAnswer(answers[index], output, tolerance);
      return problem === null ? [] : [{ line, problem }];
    });
  } catch (error) {
    return rows.slice(0, 1).map(({ line }) => ({ line, problem: `cannot be answered together with the next ${rows.length - 1} rows: ${problemsOf(error).join(' ')}` }));
  }
}

/**
 * A graph's answers to rows that fit its signature.
 * @throws whatever the runtime throws
 */
export async function answersTo(inputs: readonly Record<string, unknown>[], signature: Signature, graph: Pick<LoadedGraph, 'run'>): Promise<RowAnswer[]> {
  const encoded = inputs.map((input) => encodeRow(signature, input));
  // A single row is run twice: a graph whose number of rows is not free shows it here.
  const fed = encoded.length === 1 ? [...encoded, ...encoded] : encoded;
  const { outputs } = await graph.run(toTensors(signature, fed), fed.length);
  return fromTensors(signature, outputs, fed.length).slice(0, encoded.length);
}

function problemOfAnswer(answer: RowAnswer | undefined, expected: GoldenRow['output'], tolerance: number): string | null {
  if (answer?.kind !== 'answered') return `gets no finite value for ${answer?.field ?? 'anything'}`;
  const difference = firstDifference('', answer.output, expected, tolerance);
  return difference === null ? null : `${difference}; model.onnx and golden.jsonl are not of one training`;
}

/** Such as `species is "setosa", not "virginica"`; null where all is equal, numbers within the tolerance. */
function firstDifference(place: string, answer: unknown, expected: unknown, tolerance: number): string | null {
  if (typeof answer === 'number' && typeof expected === 'number') {
    const allowed = tolerance * Math.max(Math.abs(answer), Math.abs(expected), tolerance);
    return Math.abs(answer - expected) <= allowed ? null : `${place} is ${answer}, not ${expected}`;
  }
  if (!isRecord(answer) || !isRecord(expected) || Array.isArray(answer) !== Array.isArray(expected)) {
    return answer === expected ? null : `${place} is ${JSON.stringify(answer)}, not ${JSON.stringify(expected)}`;
  }
  const answered = new Map(Object.entries(answer));
  const told = new Map(Object.entries(expected));
  for (const key of new Set([...answered.keys(), ...told.keys()])) {
    const inner = place === '' ? key : `${place}.${key}`;
    if (!answered.has(key)) return `${inner} is not answered`;
    if (!told.has(key)) return `${inner} is not in the golden row`;
    const difference = firstDifference(inner, answered.get(key), told.get(key), tolerance);
    if (difference !== null) return difference;
  }
  return null;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

import type { LoadedGraph } from '../onnx/backend.js';
import { fromTensors } from './decode.js';
import { groupsOfEqualShape, toTensors } from './encode.js';
import type { EncodedRow, RowResult, Signature } from './types.js';

/** Runs at the same time, if rows have several shapes: enough to use all threads. */
const maxRuns = 4;

/**
 * Runs encoded rows, in one run if their lists have the same shapes, otherwise in one for each shape.
 * @param limitMs time limit of each run in milliseconds
 * @returns one result per row, in order, and the milliseconds of all runs
 * @throws Error from the runtime, or if the outputs do not match the signature
 */
export async function runRows(
  graph: Pick<LoadedGraph, 'run'>,
  signature: Signature,
  rows: readonly EncodedRow[],
  limitMs?: number,
): Promise<{ results: RowResult[]; computeMs: number }> {
  const run = async (members: readonly EncodedRow[]): Promise<{ results: RowResult[]; computeMs: number }> => {
    const { outputs, computeMs } = await graph.run(toTensors(signature, members), members.length, limitMs);
    return { results: await fromTensors(signature, outputs, members.length), computeMs };
  };
  const groups = groupsOfEqualShape(signature, rows);
  if (!groups) return run(rows);
  const results: RowResult[] = [];
  let computeMs = 0;
  const remaining = groups.values();
  const runGroups = async (): Promise<void> => {
    for (const group of remaining) {
      const done = await run(group.flatMap((index) => rows.slice(index, index + 1)));
      computeMs += done.computeMs;
      let next = 0;
      for (const result of done.results) results[group[next++] ?? 0] = result;
    }
  };
  await Promise.all(Array.from({ length: Math.min(maxRuns, groups.length) }, runGroups));
  return { results, computeMs };
}

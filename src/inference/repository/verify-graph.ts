import type { LoadedGraph } from '../onnx/backend.js';
import type { Tolerance } from '../signature/compare.js';
import type { Signature } from '../signature/types.js';
import { problemsOfGoldenRows } from './golden-samples.js';
import { problemOfDependence } from './row-independence.js';
import { signatureByTrial, type Trial } from './trial-runs.js';

/** A version to verify. */
export interface Verification extends Trial {
  /** The tolerance of outputs that declare none. */
  tolerance?: Tolerance;
  /** Milliseconds that the test of independence should take. */
  budgetMs: number;
}

/**
 * Runs all checks that a version must pass before it serves: its shapes, the independence of its rows, and its golden rows.
 * @throws ModelRepositoryError if graph and manifest disagree, or the graph cannot run
 */
export async function verifyGraph(
  { tolerance, budgetMs, ...trial }: Verification,
  graph: Pick<LoadedGraph, 'inputs' | 'outputs' | 'run'>,
): Promise<{ signature: Signature; problems: readonly string[] }> {
  const signature = await signatureByTrial(trial, graph);
  const { rows, maxBatch } = trial;
  const { label } = trial.stored;
  const dependence = await problemOfDependence({ label, signature, rows, maxBatch, budgetMs }, graph);
  // Golden rows run in batches, for which such a graph returns other results each time.
  if (dependence !== null) return { signature, problems: [dependence] };
  const golden = { label, rows, signature, maxBatch, ...(tolerance ? { tolerance } : {}) };
  return { signature, problems: await problemsOfGoldenRows(golden, graph) };
}

import type { Backend, LoadedGraph } from '../onnx/backend.js';
import { ModelRepositoryError, type StoredModel } from '../repository/model-repository.js';
import { ContradictedVersion, problemsOf } from '../repository/problems.js';
import { readModelBytes } from '../repository/model-files.js';
import { digestOfVersion, readTokenizers } from '../repository/tokenizer-files.js';
import { trialRow } from '../repository/trial-runs.js';
import { typicalRow } from '../repository/typical-row.js';
import { verifyGraph } from '../repository/verify-graph.js';
import { readGoldenRows, type StoredVersion } from '../repository/version-folder.js';
import { createInputWarnings, fieldsOfRows } from '../reference/input-warnings.js';
import { referenceProblems } from '../reference/reference-problems.js';
import type { PredictionCache } from './prediction-cache.js';
import { VersionRuntime } from './version-runtime.js';

/** Golden rows checked before a version serves; `npm run models:check` checks all. */
const maxGoldenRows = 1000;

/** Milliseconds that the test of independence should take. */
const budgetMs = 1000;

/**
 * Loads a version and checks it.
 * @throws ContradictedVersion if its files are not those of `SHA256SUMS`, its rows influence each other, or golden rows have other
 * outputs
 * @throws ModelRepositoryError with the problems; nothing remains loaded then
 */
export async function loadVersion(
  model: StoredModel,
  stored: StoredVersion,
  backend: Backend,
  cache: PredictionCache,
): Promise<VersionRuntime> {
  const { checksumProblems } = stored;
  if (checksumProblems && checksumProblems.length > 0) throw new ContradictedVersion(checksumProblems, stored.digest);
  const graph = await loadGraph(stored, backend);
  try {
    const { maxBatch, maxRowBytes } = model.manifest.serving;
    const tokenizers = await readTokenizers(stored);
    const rows = await readGoldenRows(stored, maxGoldenRows);
    // It also warms the graph up: the first runs are the slowest.
    const trial = { stored, tokenizers, rows, maxBatch, maxRowBytes, budgetMs };
    const { signature, problems } = await verifyGraph(trial, graph);
    if (problems.length > 0) throw new ContradictedVersion(problems, stored.digest);
    const { reference } = stored.reference;
    const misfits = referenceProblems(signature, reference, stored.label);
    const findWarnings = createInputWarnings(fieldsOfRows(signature), misfits.length > 0 ? null : reference);
    const exampleInput = typicalRow(rows, signature);
    const { version, metrics } = stored;
    const digest = digestOfVersion(stored);
    return new VersionRuntime({
      model: model.name,
      version: {
        ...{ version, digest, metrics, inputs: signature.inputs, outputs: signature.outputs, exampleInput },
        executionProvider: graph.execution?.provider ?? null,
        executionFallback: graph.execution?.fallback ?? null,
      },
      signature,
      findWarnings,
      problems: [...stored.reference.problems, ...misfits],
      graph,
      serving: model.manifest.serving,
      cache,
      probeRow: await trialRow(signature, rows),
    });
  } catch (error) {
    await graph.close();
    throw error;
  }
}

async function loadGraph(stored: StoredVersion, backend: Backend): Promise<LoadedGraph> {
  const bytes = await readModelBytes(stored);
  try {
    return await backend.load({ label: stored.label, bytes, settings: stored.loading });
  } catch (error) {
    throw new ModelRepositoryError([`${stored.label}/model.onnx cannot be loaded: ${problemsOf(error).join(' ')}`]);
  }
}

import type { Backend, LoadedGraph } from './backend/backend.js';
import { answersTo, problemsOfGoldenRows } from './golden.js';
import { problemsOf, ModelStoreError, readGoldenRows, readModelBytes, type GoldenRow, type StoredModel, type StoredVersion } from './model-store.js';
import type { PredictionCache } from './prediction-cache.js';
import { ServedVersion } from './served-version.js';
import { createSignature, type InputField, type Signature } from './signature.js';

/** How far a golden row's number may be off; processors round differently. */
const goldenTolerance = 1e-3;

/** Golden rows that are checked before a version serves; `npm run models:check` checks them all. */
const maxGoldenRows = 1000;

/**
 * Loads a version and lets it answer its golden rows.
 * @throws ModelStoreError that names what is wrong; nothing stays loaded then
 */
export async function loadVersion(model: StoredModel, stored: StoredVersion, backend: Backend, cache: PredictionCache): Promise<ServedVersion> {
  const graph = await loadGraph(stored, backend);
  try {
    const signature = createSignature(stored.label, graph, stored.fields);
    await checkAnswers(stored, signature, graph);
    const { version, digest, metrics } = stored;
    return new ServedVersion({
      model: model.name,
      version: { version, digest, metrics, inputs: signature.inputs, outputs: signature.outputs },
      signature,
      graph,
      serving: model.manifest.serving,
      cache,
    });
  } catch (error) {
    await graph.close();
    throw error;
  }
}

async function loadGraph(stored: StoredVersion, backend: Backend): Promise<LoadedGraph> {
  const bytes = await readModelBytes(stored);
  try {
    return await backend.load({ label: stored.label, bytes });
  } catch (error) {
    throw new ModelStoreError([`${stored.label}/model.onnx cannot be loaded: ${problemsOf(error).join(' ')}`]);
  }
}

/**
 * A version's first runs are its slowest; better now than for the first caller. They also show whether the graph does what
 * it did in training.
 */
async function checkAnswers(stored: StoredVersion, signature: Signature, graph: LoadedGraph): Promise<void> {
  const { label } = stored;
  const rows = await readGoldenRows(stored, maxGoldenRows);
  const problems = await problemsOfGoldenRows({ label, rows, signature, tolerance: goldenTolerance }, graph);
  if (problems.length > 0) throw new ModelStoreError(problems);
  if (rows.length > 0) return;
  // A row made up from the manifest shows at least whether the graph runs.
  await answersTo([syntheticRow(signature)], signature, graph).catch((error: unknown) => {
    throw new ModelStoreError([`${label}: a made-up row cannot be answered: ${problemsOf(error).join(' ')}`]);
  });
}

function syntheticRow({ inputs }: Signature): GoldenRow['input'] {
  return Object.fromEntries(inputs.filter(({ required }) => required).map((input) => [input.name, syntheticValue(input, input.rowShape)]));
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

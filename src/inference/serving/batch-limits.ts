import type { Serving } from '../repository/model-manifest.js';
import { fixedBytes } from '../signature/row-bytes.js';
import type { Signature } from '../signature/types.js';
import type { BatchLimits } from './batcher.js';

/** Bound on the tensors of a run, beside which its results exist as JSON. */
const maxRunBytes = 32 * 1024 * 1024;

/** The limits of the manifest, with fewer rows for a run if their values are large. */
export function batchLimits(serving: Serving, signature: Signature): BatchLimits {
  const rows = Math.max(
    1,
    Math.floor(maxRunBytes / Math.max(1, fixedBytes(signature.inputs) + fixedBytes(signature.outputs))),
  );
  return { ...serving, maxBatch: Math.min(serving.maxBatch, rows) };
}

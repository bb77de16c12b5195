import type { KnownViewer } from '../../auth/viewer.js';
import { newId } from '../../database/base.entity.js';
import type { Context } from '../../graphql/context.js';
import { knownViewer } from '../../graphql/permissions.js';
import type { PredictionSet, Predictor } from '../../inference/predictor.js';
import { PredictionSource } from './prediction.entity.js';
import type { PredictionHistory } from './prediction.history.js';
import type { PredictionRow } from './prediction.types.js';

/** What is asked of a model: rows with the names that it has for them. */
export interface Question {
  model: string;
  /** Null: the one that answers where none is asked for. */
  version: number | null;
  rows: readonly Record<string, unknown>[];
}

/** Asks a model and records its answers in the caller's name; one for each row, in their order. */
export type AskModel = (question: Question, context: Context) => Promise<PredictionRow[]>;

/** The one way on which models are asked: by `predict` and by the fields of their own. */
export function askingModels(predictor: Predictor, history: PredictionHistory): AskModel {
  return async (question, context) => {
    const viewer = knownViewer(context);
    // Who asks for the own predictions next waits for them to be written, and must then be answered by who has them.
    const isTold = context.readFreshly(viewer.userId);
    const rows = asHistory(await predictor.predict({ ...question, caller: viewer.userId, signal: context.signal }), viewer);
    await Promise.all([history.record(rows), isTold]);
    return rows;
  };
}

function asHistory({ model, version, rows }: PredictionSet, viewer: KnownViewer): PredictionRow[] {
  const createdAt = new Date();
  return rows.map(({ input, output, source, ageSeconds, durationMs }) => ({
    id: newId(),
    userId: viewer.userId,
    model: model.name,
    version: version.version,
    digest: version.digest,
    input,
    output,
    source: PredictionSource[source],
    ageSeconds,
    durationMs,
    createdAt,
  }));
}

import type { Context } from '../../graphql/context.js';
import { loading } from '../../graphql/loaders.js';
import { knownViewer } from '../../graphql/permissions.js';
import type { PredictionHistory } from './prediction.history.js';
import { predictionById } from './prediction.loaders.js';
import { ownerFilter } from './prediction.permissions.js';
import type { PredictionRow } from './prediction.types.js';

/** Reads the predictions that the viewer may see, by id; null for the rest. */
export const visiblePredictions =
  (history: PredictionHistory) =>
  async (ids: readonly string[], context: Context): Promise<(PredictionRow | null)[]> => {
    const owner = ownerFilter(knownViewer(context));
    await history.settled();
    const predictions = await loading(predictionById)(ids, context);
    return predictions.map((prediction) => (owner === null || prediction?.userId === owner ? prediction : null));
  };

import type { GraphQLResolveInfo } from 'graphql';
import type { Context } from '../../graphql/context/context.js';
import { loadingSelected } from '../../graphql/context/loader-factories.js';
import { requireViewer } from '../../graphql/permissions/rules.js';
import type { PredictionHistory } from './history/history.js';
import { predictionById } from './prediction.loaders.js';
import { ownerFilter } from './prediction.permissions.js';
import type { PredictionRow } from './prediction.types.js';

/** Loads predictions by id; null for those that the viewer may not read. */
export const visiblePredictions =
  (history: PredictionHistory) =>
  async (ids: readonly string[], context: Context, info: GraphQLResolveInfo): Promise<(PredictionRow | null)[]> => {
    const viewer = requireViewer(context);
    const owner = ownerFilter(viewer);
    await history.settled(viewer.userId);
    const predictions = await loadingSelected(predictionById)(ids, context, info);
    return predictions.map((prediction) => (owner === null || prediction?.userId === owner ? prediction : null));
  };

import type { LoaderKind } from '../../graphql/context.js';
import { promotionsOf, type DeploymentRow } from './deployment.queries.js';

/** The promotion of a model by its name; null where the manifest decides. */
export const promotionOf: LoaderKind<string, DeploymentRow | null> = {
  batch: (db) => async (models) => {
    const byModel = new Map((await promotionsOf(db, models)).map((row) => [row.model, row]));
    return models.map((model) => byModel.get(model) ?? null);
  },
};

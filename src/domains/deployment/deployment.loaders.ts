import type { LoaderKind } from '../../graphql/context/loader-kind.js';
import { promotionsOf, type DeploymentRow } from './deployment.queries.js';

/** The promotion of a model by its name; null if the manifest selects the version. */
export const promotionOf: LoaderKind<string, DeploymentRow | null> = {
  name: 'promotionOf',
  batch: (db) => async (models) => {
    const byModel = new Map((await promotionsOf(db, models)).map((row) => [row.model, row]));
    return models.map((model) => byModel.get(model) ?? null);
  },
};

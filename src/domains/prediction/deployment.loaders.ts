import { z } from 'zod';
import { keptQuery } from '../../graphql/query-cache.js';
import { promotionsOf, type DeploymentRow } from './deployment.queries.js';

const promotion = z.object({
  model: z.string(),
  version: z.number(),
  earlierVersions: z.array(z.number()),
  changedAt: z.iso.datetime().transform((text) => new Date(text)),
  changedBy: z.string().nullable(),
});

/** The promotion of a model by its name; null where the manifest decides. */
export const promotionOf = keptQuery<DeploymentRow | null>(
  { name: 'promotion', entities: ['ModelDeployment'], value: promotion.nullable() },
  {
    batch: (db) => async (models) => {
      const byModel = new Map((await promotionsOf(db, models)).map((row) => [row.model, row]));
      return models.map((model) => byModel.get(model) ?? null);
    },
  },
);

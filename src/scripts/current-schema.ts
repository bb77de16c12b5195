import path from 'node:path';
import { projectDir } from '../data-dir.js';
import { domains } from '../domains/index.js';
import { namingProblems, typedModels } from '../domains/prediction/typed-models/index.js';
import { domainSchema, printedSchema } from '../graphql/schema.js';
import { openPredictor } from '../inference/predictor.js';
import { openCache } from '../shared/cache.js';
import { createLogger } from '../shared/logger.js';

/** Where the schema is printed, and where the last released one is. */
export const schemaFiles = {
  printed: path.join(projectDir, 'schema', 'schema.graphql'),
  released: path.join(projectDir, 'schema', 'released.graphql'),
};

/**
 * The schema that the code and the models of a store produce, as text. Needs the models, whose signatures are in their
 * graphs, but no database.
 */
export async function currentSchema(storeDir = path.join(projectDir, 'model-store')): Promise<string> {
  const logger = createLogger('warn');
  const cache = openCache({ redisUrl: undefined, namespace: 'auspex:schema', maxEntries: 1, maxBytes: 1, deadlineMs: 1, logger });
  const names = domainSchema(domains);
  const predictor = await openPredictor({ storeDir, cache, logger, check: (models) => namingProblems(models, names) });
  try {
    return printedSchema(domains, [typedModels(predictor, () => Promise.resolve([]))]);
  } finally {
    await predictor.close();
    await cache.close();
  }
}

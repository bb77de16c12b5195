import path from 'node:path';
import { projectDir } from '../../app/data-dir.js';
import { boundFields } from '../../bindings/bound-fields.js';
import { schemaProblems } from '../../bindings/schema-problems.js';
import { features } from '../../domains/features.js';
import { domains } from '../../domains/index.js';
import { typedPredictions } from '../../domains/prediction/typed-predictions.js';
import { typingProblems } from '../../typed-models/naming-problems.js';
import { domainSchema, printedSchema } from '../../graphql/schema/build-schema.js';
import { openPredictor } from '../../inference/serving/open-predictor.js';
import { openCache } from '../../cache/cache.js';
import { createLogger } from '../../telemetry/logger.js';

/** The schema of the working tree, and the last released one. */
export const schemaFiles = {
  printed: path.join(projectDir, 'schema', 'schema.graphql'),
  released: path.join(projectDir, 'schema', 'released.graphql'),
};

/** Prints the schema that the code and the models of a directory produce. Loads the models, but needs no database. */
export async function currentSchema(storeDir = path.join(projectDir, 'model-store')): Promise<string> {
  const logger = createLogger('warn');
  const cache = openCache({
    namespace: 'auspex:schema',
    maxEntries: 1,
    maxBytes: 1,
  });
  const names = domainSchema(domains);
  const predictor = await openPredictor({
    storeDir,
    isStrict: true,
    cache,
    logger,
    check: schemaProblems(names, features),
    typingProblems: (model) => typingProblems(model, names),
  });
  try {
    return printedSchema(domains, [
      typedPredictions(predictor, () => Promise.resolve([])),
      boundFields(predictor, features),
    ]);
  } finally {
    await predictor.close();
    await cache.close();
  }
}

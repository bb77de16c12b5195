import 'reflect-metadata';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { projectDir } from '../data-dir.js';
import { domains } from '../domains/index.js';
import { namingProblems, typedModels } from '../domains/prediction/typed-models/index.js';
import { domainSchema, printedSchema } from '../graphql/schema.js';
import { openPredictor } from '../inference/predictor.js';
import { openCache } from '../shared/cache.js';
import { explain } from '../shared/errors.js';
import { createLogger } from '../shared/logger.js';

/** `npm run schema`: writes schema/schema.graphql from the code and model-store/; with --check it fails where the file differs. */
const file = path.join(projectDir, 'schema', 'schema.graphql');
try {
  const printed = await currentSchema();
  if (!process.argv.includes('--check')) {
    writeFileSync(file, printed);
  } else if (readFileSync(file, 'utf8') !== printed) {
    process.stderr.write('schema/schema.graphql is not what the code and the models produce; run: npm run schema\n');
    process.exitCode = 1;
  }
} catch (error) {
  process.stderr.write(`${explain(error)}\n`);
  process.exitCode = 1;
}

/** Needs the models, whose signatures are in their graphs, but no database. */
async function currentSchema(): Promise<string> {
  const logger = createLogger('warn');
  const cache = openCache({ redisUrl: undefined, namespace: 'auspex:schema', maxEntries: 1, maxBytes: 1, deadlineMs: 1, logger });
  const names = domainSchema(domains);
  const storeDir = path.join(projectDir, 'model-store');
  const predictor = await openPredictor({ storeDir, cache, logger, check: (models) => namingProblems(models, names) });
  try {
    return printedSchema(domains, [typedModels(predictor, () => Promise.resolve([]))]);
  } finally {
    await predictor.close();
    await cache.close();
  }
}

import 'reflect-metadata';
import { readFileSync, writeFileSync } from 'node:fs';
import { explain } from '../shared/errors.js';
import { currentSchema, schemaFiles } from './current-schema.js';

/** `npm run schema`: writes schema/schema.graphql from the code and model-store/; with --check it fails where the file differs. */
try {
  const printed = await currentSchema();
  if (!process.argv.includes('--check')) {
    writeFileSync(schemaFiles.printed, printed);
  } else if (readFileSync(schemaFiles.printed, 'utf8') !== printed) {
    process.stderr.write('schema/schema.graphql is not what the code and the models produce; run: npm run schema\n');
    process.exitCode = 1;
  }
} catch (error) {
  process.stderr.write(`${explain(error)}\n`);
  process.exitCode = 1;
}

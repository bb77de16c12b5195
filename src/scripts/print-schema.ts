import 'reflect-metadata';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { projectDir } from '../data-dir.js';
import { domains } from '../domains/index.js';
import { printedSchema } from '../graphql/schema.js';

/** `npm run schema`: writes schema/schema.graphql from the code; with --check it fails where the file differs. */
const file = path.join(projectDir, 'schema', 'schema.graphql');
const printed = printedSchema(domains);
if (!process.argv.includes('--check')) {
  writeFileSync(file, printed);
} else if (readFileSync(file, 'utf8') !== printed) {
  process.stderr.write('schema/schema.graphql is not what the code produces; run: npm run schema\n');
  process.exit(1);
}

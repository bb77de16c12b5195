import 'reflect-metadata';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { projectDir } from '../app/data-dir.js';
import { fatalMessage } from '../errors/operator-error.js';
import { parseCli } from './lib/cli.js';
import { currentSchema, schemaFiles } from './lib/current-schema.js';

const usage = `Usage: npm run schema

Writes schema/schema.graphql from the code and model-store/, and the code that is generated from it.
`;

const { values } = parseCli(usage, {
  options: {
    /** Writes nothing; exits 1 if the file is out of date. */
    check: { type: 'boolean', default: false },
    /** Runs the code generators afterwards, as `npm run schema` does. */
    codegen: { type: 'boolean', default: false },
  },
});
try {
  const printed = await currentSchema();
  if (!values.check) {
    writeFileSync(schemaFiles.printed, printed);
    if (values.codegen) runCodegen();
  } else if (readFileSync(schemaFiles.printed, 'utf8') !== printed) {
    process.stderr.write('schema/schema.graphql is out of date; run: npm run schema\n');
    process.exitCode = 1;
  }
} catch (error) {
  process.stderr.write(`${fatalMessage(error)}\n`);
  process.exitCode = 1;
}

function runCodegen(): void {
  const { status } = spawnSync('npm run codegen', { cwd: projectDir, shell: true, stdio: 'inherit' });
  process.exitCode = status ?? 1;
}

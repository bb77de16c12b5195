import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { projectDir } from '../app/data-dir.js';
import { parseCli } from './lib/cli.js';
import { generatedDocs } from './lib/generated-docs.js';

const usage = `Usage: npm run docs [-- --check]

Writes the generated parts of the documentation: .env.example, and docs/configuration.md,
docs/access.md and docs/errors.md.

  --check  write nothing; exit 1 if a file is out of date
`;

const { values } = parseCli(usage, { options: { check: { type: 'boolean', default: false } } });
for (const { path: file, text } of generatedDocs()) {
  const target = path.join(projectDir, file);
  if (existsSync(target) && readFileSync(target, 'utf8') === text) continue;
  if (values.check) {
    process.stderr.write(`${file} is out of date; run: npm run docs\n`);
    process.exitCode = 1;
  } else {
    writeFileSync(target, text);
    process.stdout.write(`Wrote ${file}.\n`);
  }
}

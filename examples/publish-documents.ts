import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';

/**
 * Copies the generated documents of an example to `schema/documents/<client>/<version>.json`, which the gateway trusts.
 * Run by `npm run codegen` in the folder of the example. With `--check` it fails if the two differ, and copies nothing.
 */
const { values, positionals } = parseArgs({ options: { check: { type: 'boolean' } }, allowPositionals: true });
const [client, ...others] = positionals;
if (client === undefined || others.length > 0) throw new Error('Usage: publish-documents.ts <client> [--check]');
const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
const generated = readFileSync('src/generated/persisted-documents.json', 'utf8');
const published = path.join(import.meta.dirname, '..', 'schema', 'documents', client, `${version}.json`);

if (!values.check) {
  mkdirSync(path.dirname(published), { recursive: true });
  writeFileSync(published, generated);
} else if (publishedText() !== generated) {
  console.error(
    `${path.relative(process.cwd(), published)} does not match the documents of ${client} ${version}; run: npm run codegen`,
  );
  process.exitCode = 1;
}

function publishedText(): string | null {
  try {
    return readFileSync(published, 'utf8');
  } catch {
    return null;
  }
}

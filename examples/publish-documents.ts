import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/**
 * Publishes an example's documents to the gateway: copies what the code generator found to
 * `schema/documents/<client>/<version>.json`, from where the gateway trusts it. Run by `npm run codegen` in the example's folder.
 * With `--check` it copies nothing, and fails where the two differ.
 */
const [client = '', mode] = process.argv.slice(2);
const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
const generated = readFileSync('src/generated/persisted-documents.json', 'utf8');
const published = path.join(import.meta.dirname, '..', 'schema', 'documents', client, `${version}.json`);

if (mode !== '--check') {
  mkdirSync(path.dirname(published), { recursive: true });
  writeFileSync(published, generated);
} else if (publishedText() !== generated) {
  console.error(`${path.relative(process.cwd(), published)} is not what ${client} ${version} asks; run: npm run codegen`);
  process.exitCode = 1;
}

function publishedText(): string | null {
  try {
    return readFileSync(published, 'utf8');
  } catch {
    return null;
  }
}

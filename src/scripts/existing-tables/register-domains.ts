import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { projectDir } from '../../app/data-dir.js';

/**
 * Adds domains to the end of the list in `src/domains/index.ts`: they may import from all others.
 * @throws Error if the list has an unknown form
 */
export function registerDomains(added: readonly { field: string; folder: string }[]): void {
  const file = path.join(projectDir, 'src', 'domains', 'index.ts');
  const text = readFileSync(file, 'utf8');
  const imports = added.map(({ field, folder }) => `\nimport { ${field}Domain } from './${folder}/index.js';`).join('');
  const imported = text.replace(/\n\n/, `${imports}\n\n`);
  const end = imported.lastIndexOf('];');
  const items = imported.slice(0, Math.max(end, 0)).trimEnd();
  const names = added.map(({ field }) => `${field}Domain`);
  if (imported === text || end === -1 || imported.slice(end + 2).trim() !== '')
    throw new Error(`Add ${names.join(', ')} to src/domains/index.ts by hand: its list has an unknown form.`);
  const lines = names.map((name) => `  ${name},\n`).join('');
  writeFileSync(file, `${items.endsWith(',') ? items : `${items},`}\n${lines}];\n`);
  process.stdout.write('Changed src/domains/index.ts\n');
}

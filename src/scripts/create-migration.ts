import { readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { projectDir } from '../app/data-dir.js';
import { unmarkedDestructions } from '../database/migrate/destructive-statements.js';
import { migrate } from '../database/migrate/migrate.js';
import { ignoreForeign } from '../database/migrate/other-schemas.js';
import { parseCli } from './lib/cli.js';
import { withDatabase } from './lib/with-database.js';

const usage = `Usage: npm run migration:create

Migrates the database, writes a migration for the remaining difference between the entities and the database, and registers
it in src/database/migrations/index.ts.
`;

const migrationsDir = path.join(projectDir, 'src', 'database', 'migrations');

parseCli(usage, { options: {} });
await withDatabase(async ({ orm, url, log }) => {
  await migrate(orm, url, { log });
  await ignoreForeign(orm);
  const { fileName, diff } = await orm.migrator.create(migrationsDir);
  if (fileName) writeIndex();
  process.stdout.write(
    fileName
      ? `Wrote src/database/migrations/${fileName} and registered it.\n`
      : 'The database matches the entities; no migration is needed.\n',
  );
  process.stdout.write(destructionWarning(diff.up));
});

/** Lists every migration in the folder, in the order of their names, which begin with their time. */
function writeIndex(): void {
  const names = readdirSync(migrationsDir)
    .filter((file) => /^Migration\d+\.ts$/.test(file))
    .map((file) => path.basename(file, '.ts'))
    .sort();
  writeFileSync(
    path.join(migrationsDir, 'index.ts'),
    `import type { Constructor } from '@mikro-orm/core';
import type { Migration } from '@mikro-orm/migrations';
${names.map((name) => `import { ${name} } from './${name}.js';\n`).join('')}
/** Every migration, oldest first. Append only: a released migration never changes. */
export const migrations: Constructor<Migration>[] = [
${names.map((name) => `  ${name},\n`).join('')}];
`,
  );
}

function destructionWarning(statements: readonly string[]): string {
  const destructions = unmarkedDestructions(statements);
  if (destructions.length === 0) return '';
  const listed = destructions.map(({ statement, reason }) => `  - ${reason}: ${statement}\n`).join('');
  return `The previous release still runs while replicas are replaced, and these statements remove what it uses:\n${listed}Move them to a later release, or mark each as /* destructive: reason */. Otherwise the tests fail.\n`;
}

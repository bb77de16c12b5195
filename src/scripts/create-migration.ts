import path from 'node:path';
import { projectDir } from '../data-dir.js';
import { unmarkedDestructions } from '../database/destructive.js';
import { migrate } from '../database/migrate.js';
import { withDatabase } from './environment.js';

/** `npm run migration:create`: writes a migration for what the entities have that the migrated database lacks. */
await withDatabase(async ({ orm, url }) => {
  await migrate(orm, url);
  const { fileName, diff } = await orm.migrator.create(path.join(projectDir, 'src', 'database', 'migrations'));
  process.stdout.write(fileName ? `Wrote ${fileName}; add it to src/database/migrations/index.ts\n` : 'Nothing to migrate.\n');
  process.stdout.write(warningOf(diff.up));
});

function warningOf(statements: readonly string[]): string {
  const destructions = unmarkedDestructions(statements);
  if (destructions.length === 0) return '';
  const told = destructions.map(({ statement, reason }) => `  - ${reason}: ${statement}\n`).join('');
  return `The release before serves on while replicas are replaced, and these statements take away what it uses:\n${told}Leave them to a later release, or mark each as /* destructive: why nobody needs it */. The tests refuse them otherwise.\n`;
}

import { withDatabase } from './environment.js';
import { migrate } from '../database/migrate.js';
import path from 'node:path';
import { projectDir } from '../data-dir.js';

/** `npm run migration:create`: writes a migration for what the entities have that the migrated database lacks. */
await withDatabase(async ({ orm, url }) => {
  await migrate(orm, url);
  const created = await orm.migrator.create(path.join(projectDir, 'src', 'database', 'migrations'));
  process.stdout.write(created.fileName ? `Wrote ${created.fileName}; add it to src/database/migrations/index.ts\n` : 'Nothing to migrate.\n');
});

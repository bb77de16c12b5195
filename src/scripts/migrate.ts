import { migrate } from '../database/migrate/migrate.js';
import { parseCli } from './lib/cli.js';
import { withDatabase } from './lib/with-database.js';

const usage = `Usage: npm run migrate

Runs the pending migrations of the configured database.
`;

parseCli(usage, { options: {} });
await withDatabase(async ({ orm, url, log }) => {
  const migrated = await migrate(orm, url, { log });
  process.stdout.write(migrated.length > 0 ? `Migrated: ${migrated.join(', ')}\n` : 'The database is up to date.\n');
});

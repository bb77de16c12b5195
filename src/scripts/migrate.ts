import { migrate } from '../database/migrate/migrate.js';
import { parseCli } from './lib/cli.js';
import { withDatabase } from './lib/with-database.js';

const usage = `Usage: npm run migrate [-- --move-from <schema>]

Runs the pending migrations of the configured database.

  --move-from  schema that has the tables of Auspex so far; they move into DATABASE_SCHEMA first
`;

const { values } = parseCli(usage, { options: { 'move-from': { type: 'string' } } });
await withDatabase(async ({ orm, url, log }) => {
  const migrated = await migrate(orm, url, { moveFrom: values['move-from'], log });
  process.stdout.write(migrated.length > 0 ? `Migrated: ${migrated.join(', ')}\n` : 'The database is up to date.\n');
});

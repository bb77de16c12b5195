import { migrate } from '../database/migrate.js';
import { withDatabase } from './environment.js';

/** `npm run migrate`: brings the database up to date. */
await withDatabase(async ({ orm, url, log }) => {
  const ran = await migrate(orm, url, { log });
  process.stdout.write(ran.length > 0 ? `Migrated: ${ran.join(', ')}\n` : 'The database is up to date.\n');
});

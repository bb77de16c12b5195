import { migrate } from '../database/migrate/migrate.js';
import { databaseOf } from '../database/orm.js';
import { importDemoData } from '../app/development-packages.js';
import { failUsage, parseCli } from './lib/cli.js';
import { withDatabase } from './lib/with-database.js';

const maxEmployees = 1_000_000;

const usage = `Usage: npm run seed [-- --employees <count>]

Adds generated employees to the database.

  --employees  number of employees, from 1 to ${maxEmployees}; 1000 by default
`;

const { values } = parseCli(usage, { options: { employees: { type: 'string', default: '1000' } } });
const count = Number(values.employees);
if (!Number.isInteger(count) || count < 1 || count > maxEmployees)
  failUsage(usage, `--employees must be a whole number from 1 to ${maxEmployees}; it is ${values.employees}`);
await withDatabase(async ({ orm, url, log }) => {
  await migrate(orm, url, { log });
  const { seedEmployees } = await importDemoData();
  const start = performance.now();
  const added = await seedEmployees(databaseOf(orm), count);
  process.stdout.write(`Added ${added} employees in ${((performance.now() - start) / 1000).toFixed(1)} s.\n`);
});

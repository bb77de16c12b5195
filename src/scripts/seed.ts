import { parseArgs } from 'node:util';
import { migrate } from '../database/migrate.js';
import { databaseOf } from '../database/orm.js';
import { seedEmployees } from '../domains/demo-data.js';
import { withDatabase } from './environment.js';

const maxEmployees = 1_000_000;

/** `npm run seed -- --employees 100000`: adds made-up employees to the database. */
const { values } = parseArgs({ options: { employees: { type: 'string', default: '1000' } } });
const count = Number(values.employees);
if (!Number.isInteger(count) || count < 1 || count > maxEmployees) {
  process.stderr.write(`--employees must be a whole number from 1 to ${maxEmployees}; it is ${values.employees}\n`);
  process.exit(1);
}
await withDatabase(async ({ orm, url }) => {
  await migrate(orm, url);
  const start = performance.now();
  const added = await seedEmployees(databaseOf(orm), count);
  process.stdout.write(`Added ${added} employees in ${((performance.now() - start) / 1000).toFixed(1)} s.\n`);
});

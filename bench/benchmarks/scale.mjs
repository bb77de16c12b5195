/* Pages and searches as the number of employees grows. */
import 'reflect-metadata';
import { countEmployees, employeePage } from '../../dist/domains/employee/employee.queries.js';
import { seedEmployees } from '../../packages/demo-data/src/index.ts';
import { conditionOf, orderBy } from '../support/employee-lists.mjs';
import { openDatabase } from '../support/reads.mjs';
import { startPostgres, temporaryFolder } from '../support/setup.mjs';

const employeeCounts = (process.env.EMPLOYEES ?? '1000,100000').split(',').map(Number);
const limit = 50;

await using resources = new AsyncDisposableStack();
const dir = await temporaryFolder(resources);
const { db, client, measure, cursorAt } = await openDatabase(resources, await startPostgres(resources, dir));

const table = {};
let count = 0;
for (const next of employeeCounts) {
  await seedEmployees(db, next - count);
  count = next;
  await client.query('vacuum (analyze) employee');
  for (const [name, read] of Object.entries(await reads())) {
    const { buffers, ms } = await measure(read);
    const row = (table[name] ??= {});
    row[`${count}: buffers`] = buffers;
    row[`${count}: ms`] = ms.toFixed(2);
  }
}
console.table(table);

/** Reads of pages near the start, in the middle and near the end, and searches. */
async function reads() {
  const all = {};
  for (const [name, field] of Object.entries({ name: 'NAME', salary: 'SALARY' })) {
    const order = orderBy(field);
    const page = { order, limit, isBackward: false, after: null, before: null };
    all[`first page by ${name}`] = () => employeePage(db, conditionOf(), page);
    for (const [place, part] of Object.entries({ middle: 0.5, end: 0.9 })) {
      const after = await cursorAt(order, Math.floor(part * count));
      all[`${place} by ${name}`] = () => employeePage(db, conditionOf(), { ...page, after });
    }
  }
  const order = orderBy();
  const page = { order, limit, isBackward: false, after: null, before: null };
  for (const [name, search] of Object.entries({
    'rare name': 'Yuki Wood',
    'e-mail address': '.999@',
    'common job title': 'team lead',
    'every row': 'example.com',
    'no row': 'nobody is called this',
  })) {
    all[`search: ${name}`] = () => employeePage(db, conditionOf(search), page);
    all[`search: ${name}, count`] = () => countEmployees(db, conditionOf(search));
  }
  return all;
}

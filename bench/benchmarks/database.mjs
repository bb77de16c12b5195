/* Keyset pagination against offset, and search with and without its index, on a large table. */
import 'reflect-metadata';
import { seedEmployees } from '../../packages/demo-data/src/index.ts';
import { countEmployees, employeePage } from '../../dist/domains/employee/employee.queries.js';
import { conditionOf, orderBy } from '../support/employee-lists.mjs';
import { openDatabase } from '../support/reads.mjs';
import { startPostgres, temporaryFolder } from '../support/setup.mjs';

const employeeCount = Number(process.env.EMPLOYEES ?? 200_000);
const limit = 20;
const deepOffset = 3_000 * limit;
const firstPage = (order) => ({ order, limit, isBackward: false, after: null, before: null });

await using resources = new AsyncDisposableStack();
const dir = await temporaryFolder(resources);
const url = await startPostgres(resources, dir);
const { db, client, measure, cursorAt } = await openDatabase(resources, url);
await seedEmployees(db, employeeCount);
await client.query('vacuum (analyze) employee');

await comparePagination();
await compareSearch();

async function comparePagination() {
  const rows = [];
  for (const [name, field] of Object.entries({ name: 'NAME', 'hired on': 'HIRED_ON', salary: 'SALARY' })) {
    const order = orderBy(field);
    const first = await measure(() => employeePage(db, conditionOf(), firstPage(order)));
    const deepPage = { ...firstPage(order), after: await cursorAt(order, deepOffset) };
    const byCursor = await measure(() => employeePage(db, conditionOf(), deepPage));
    const byOffset = await measure(() =>
      client.query(`select * from employee order by ${order.column}, id limit ${limit} offset ${deepOffset}`),
    );
    rows.push({
      'page 3,000 by': name,
      'page 1, buffers': first.buffers,
      'keyset, buffers': byCursor.buffers,
      'keyset, time / page 1': ratio(byCursor, first),
      'offset, buffers': byOffset.buffers,
      'offset, time / page 1': ratio(byOffset, first),
    });
  }
  console.table(rows);
}

async function compareSearch() {
  const searches = {
    'rare name': 'Yuki Wood',
    'part of an email address': '.19999',
    'common job title': 'team lead',
    'match in every row': 'example.com',
    'no match': 'nobody is called this',
    'two letters without a match': 'qx',
  };
  const page = firstPage(orderBy());
  const measureSearch = async (search) => ({
    page: await measure(() => employeePage(db, conditionOf(search), page)),
    count: await measure(() => countEmployees(db, conditionOf(search))),
  });
  const indexed = {};
  for (const search of Object.values(searches)) indexed[search] = await measureSearch(search);
  await client.query('drop index employee_search_index');
  const rows = [];
  for (const [name, search] of Object.entries(searches)) {
    const { page: indexedPage, count: indexedCount } = indexed[search];
    const unindexed = await measureSearch(search);
    rows.push({
      search: name,
      'page, buffers': indexedPage.buffers,
      'page without index, buffers': unindexed.page.buffers,
      'page, time without / with index': ratio(unindexed.page, indexedPage),
      'count, buffers': indexedCount.buffers,
      'count without index, buffers': unindexed.count.buffers,
      'count, time without / with index': ratio(unindexed.count, indexedCount),
    });
  }
  console.table(rows);
}

function ratio(one, other) {
  return (one.ms / other.ms).toFixed(2);
}

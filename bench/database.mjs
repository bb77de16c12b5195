import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import 'reflect-metadata';
import pg from 'pg';
import { startEmbeddedPostgres } from '../dist/database/embedded-postgres.js';
import { migrate } from '../dist/database/migrate.js';
import { databaseOf, openOrm } from '../dist/database/orm.js';
import { seedEmployees } from '../dist/domains/demo-data.js';
import { countEmployees, employeeOrder, employeePage } from '../dist/domains/employee/employee.queries.js';
import { domains } from '../dist/domains/index.js';

const employees = Number(process.env.EMPLOYEES ?? 200_000);
const limit = 20;
const rounds = 25;
const none = { department: false, manager: false, managersDepartment: false };

const dir = await mkdtemp(path.join(tmpdir(), 'auspex-bench-'));
const postgres = await startEmbeddedPostgres({ dir, durable: false });
const orm = openOrm({ url: postgres.url, entities: domains.flatMap((domain) => domain.entities), poolSize: 2 });
const client = new pg.Client({ connectionString: postgres.url });
const sent = [];
const query = pg.Client.prototype.query;

try {
  await migrate(orm, postgres.url);
  const db = databaseOf(orm);
  await client.connect();
  await seedEmployees(db, employees);
  await client.query('vacuum (analyze) employee');

  const rows = [];
  for (const [name, order] of Object.entries({ name: 'NAME', 'hired on': 'HIRED_ON', salary: 'SALARY' })) {
    const keyset = employeeOrder({ field: order, direction: 'ASC' });
    const page = { order: keyset, limit, isBackward: false, after: null, before: null };
    const first = await measured(() => employeePage(db, {}, page, none));
    const deep = { ...page, after: await positionAt(keyset, 3_000 * limit) };
    const byCursor = await measured(() => employeePage(db, {}, deep, none));
    const byOffset = await measured(() => client.query(`select * from employee order by ${keyset.column}, id limit ${limit} offset ${3_000 * limit}`));
    rows.push({ 'page 3,000 by': name, 'page 1, buffers': first.buffers, 'page 3,000, buffers': byCursor.buffers, 'time against page 1': ratio(byCursor, first), 'by offset, buffers': byOffset.buffers, 'by offset, time against page 1': ratio(byOffset, first) });
  }
  console.table(rows);

  const searches = { 'a name that few have': 'Yuki Wood', 'a part of an address': '.19999', 'what many have': 'team lead', 'what all have': 'example.com', 'what nobody has': 'nobody is called this', 'two letters that nobody has': 'qx' };
  const page = { order: employeeOrder(null), limit, isBackward: false, after: null, before: null };
  const measuredSearch = async (search) => ({ page: await measured(() => employeePage(db, { search }, page, none)), count: await measured(() => countEmployees(db, { search })) });
  const withIndex = {};
  for (const search of Object.values(searches)) withIndex[search] = await measuredSearch(search);
  await client.query('drop index employee_search_index');
  const found = [];
  for (const [name, search] of Object.entries(searches)) {
    const without = await measuredSearch(search);
    const { page: by, count } = withIndex[search];
    found.push({ 'search for': name, 'page, buffers': by.buffers, 'without index': without.page.buffers, 'time without, times': ratio(without.page, by), 'count, buffers': count.buffers, 'count, time without, times': ratio(without.count, count) });
  }
  console.table(found);
} finally {
  await client.end();
  await orm.close();
  await postgres.stop();
  await rm(dir, { recursive: true, force: true });
}

/** The buffers that the statements of a read touch, and its time: the median of some rounds. */
async function measured(read) {
  const times = [];
  for (let round = -2; round < rounds; round++) {
    const startMs = performance.now();
    await read();
    if (round >= 0) times.push(performance.now() - startMs);
  }
  let buffers = 0;
  for (const { text, values } of await statementsOf(read)) {
    const { rows } = await client.query(`explain (analyze, buffers, format json) ${text}`, values);
    const { Plan: plan } = rows[0]['QUERY PLAN'][0];
    buffers += plan['Shared Hit Blocks'] + plan['Shared Read Blocks'];
  }
  return { buffers, ms: times.toSorted((one, other) => one - other)[Math.floor(times.length / 2)] };
}

/** What a read sends. */
async function statementsOf(read) {
  sent.length = 0;
  pg.Client.prototype.query = function (...args) {
    const [first, values] = args;
    sent.push(typeof first === 'string' ? { text: first, values } : { text: first.text, values: first.values ?? values });
    return query.apply(this, args);
  };
  try {
    await read();
  } finally {
    pg.Client.prototype.query = query;
  }
  return [...sent];
}

async function positionAt({ column }, offset) {
  const { rows } = await client.query(`select ${column}::text as value, id from employee order by ${column}, id offset ${offset} limit 1`);
  return rows[0];
}

function ratio(one, other) {
  return (one.ms / other.ms).toFixed(2);
}

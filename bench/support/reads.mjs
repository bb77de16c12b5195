/* Measures reads of the database by the gateway's own functions, without HTTP. */
import pg from 'pg';
import { migrate } from '../../dist/database/migrate/migrate.js';
import { databaseOf, openOrm } from '../../dist/database/orm.js';
import { domains } from '../../dist/domains/index.js';
import { median } from './setup.mjs';

const rounds = 25;
const warmUpRounds = 2;

/** Migrates a database. @returns its reads, a client, and functions that measure */
export async function openDatabase(resources, url) {
  const orm = openOrm({ url, entities: domains.flatMap((domain) => domain.entities), poolSize: 2 });
  resources.defer(() => orm.close());
  await migrate(orm, url);
  const client = new pg.Client({ connectionString: url, options: '-c search_path=auspex' });
  await client.connect();
  resources.defer(() => client.end());
  return {
    db: databaseOf(orm),
    client,
    measure: (read) => measure(client, read),
    cursorAt: (order, offset) => cursorAt(client, order, offset),
  };
}

/** Measures a read. @returns 8 kB buffers its statements touch, and the median time in ms */
async function measure(client, read) {
  const times = [];
  for (let round = -warmUpRounds; round < rounds; round++) {
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
  return { buffers, ms: median(times) };
}

/** Captures the SQL statements of a read. */
async function statementsOf(read) {
  const { query } = pg.Client.prototype;
  const statements = [];
  pg.Client.prototype.query = function (...args) {
    const [first, values] = args;
    statements.push(
      typeof first === 'string' ? { text: first, values } : { text: first.text, values: first.values ?? values },
    );
    return query.apply(this, args);
  };
  try {
    await read();
  } finally {
    pg.Client.prototype.query = query;
  }
  return statements;
}

/** The cursor of the row at an offset. */
async function cursorAt(client, { column }, offset) {
  const { rows } = await client.query(
    `select ${column}::text as value, id from employee order by ${column}, id offset ${offset} limit 1`,
  );
  return rows[0];
}

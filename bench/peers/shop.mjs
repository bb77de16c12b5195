/* The tables of examples/chinook-like with many rows, and a copy of the project with their generated types. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import pg from 'pg';
import { ProjectCopy } from '../../test/support/project-copy.ts';
import { projectDir } from './servers.mjs';

/** 10,000 customers and 200,000 invoices, each with a line, beside the rows of the example. */
const manyRows = `
  insert into shop.customer (support_rep_id, name, email, country)
    select 1 + n % 10, 'Customer ' || n, 'customer' || n || '@example.org', (array['DE', 'FR', 'PT', null])[1 + n % 4]
    from generate_series(301, 10000) n;
  insert into shop.address (customer_id, street, city, postal_code)
    select n, n || ' Main Street', 'City ' || n % 40, lpad(n::text, 5, '0') from generate_series(301, 10000) n;
  insert into shop.invoice (customer_id, billing_address_id, shipping_address_id, invoiced_at, total)
    select 1 + n % 10000, 1 + n % 10000, 1 + n % 9999, timestamptz '2024-01-01' + n * interval '5 minutes', n % 90 * 1.1
    from generate_series(1501, 200000) n;
  insert into shop.invoice_line (invoice_id, line, track_id, unit_price, quantity)
    select n, 1, 1 + n % 2000, 0.99, 1 + n % 2 from generate_series(1501, 200000) n;`;

/** Loads the shop. */
export async function loadShop(databaseUrl) {
  const example = await readFile(path.join(projectDir, 'examples', 'chinook-like', 'shop.sql'), 'utf8');
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    for (const text of [example, manyRows, 'vacuum analyze']) await client.query(text);
  } finally {
    await client.end();
  }
}

/** Generates types for the tables of the shop, as `npm run new:type` does. @returns the folder, which the stack deletes */
export function projectOfShop(resources, databaseUrl) {
  const project = new ProjectCopy({ DATABASE_URL: databaseUrl });
  resources.defer(() => project.delete());
  project.tool('tsc', '-p', 'tsconfig.build.json');
  project.script('scripts/new-type.js', '--table', 'shop.customer_total', '--key', 'customer_id');
  project.script('scripts/new-type.js', '--tables', 'shop.*');
  project.run(process.execPath, 'ops/bundle.ts');
  return project.dir;
}

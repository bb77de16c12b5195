import pg from 'pg';
import { migrate } from '../../src/database/migrate/migrate.js';
import { openOrm } from '../../src/database/orm.js';
import { domains } from '../../src/domains/index.js';

/** Row counts of the large company. */
export const size = { employees: 200_000, departments: 40, predictions: 200_000, users: 50_000 };

/** The id of the nth employee, department or user, from 1. */
export const largeId = (kind: 'employee' | 'department' | 'user', n: number): string =>
  `${idPrefix[kind]}${n.toString(16).padStart(12, '0')}`;

const idPrefix = {
  department: '00000000-0000-7000-8000-',
  employee: '00000000-0000-7000-9000-',
  user: '00000000-0000-7000-a000-',
};

const id = (kind: keyof typeof idPrefix, n: string): string =>
  `('${idPrefix[kind]}' || lpad(to_hex(${n}), 12, '0'))::uuid`;

/** A partition for each of the 200 days, in place of those that the migration made. */
const partitions = `do $$
declare name text;
begin
  for name in select inhrelid::regclass from pg_inherits where inhparent = 'prediction'::regclass loop execute 'drop table ' || name; end loop;
  for day in 0..200 loop
    execute format('create table prediction_%s partition of prediction for values from (%L) to (%L)', to_char(date '2026-01-01' + day, 'YYYYMMDD'),
      auspex_first_prediction_id(date '2026-01-01' + day), auspex_first_prediction_id(date '2026-01-01' + day + 1));
  end loop;
end $$`;

/** A deterministic pseudorandom number from 0 up to 1. */
const chance = (n: string): string => `((hashint8(${n}) & 2147483647) / 2147483648.0)`;

/**
 * Departments from very large to very small, teams of nine, almost unique names, and predictions of three models over
 * 200 days.
 */
const rows = [
  `insert into department (id, name) select ${id('department', 'n')}, 'Department ' || n from generate_series(1, ${size.departments}) n`,
  `insert into employee (id, name, email, age, job_title, job_level, hired_on, salary, department_id, manager_id, version, created_at)
   select ${id('employee', 'n')},
     initcap(translate(substr(md5(n::text), 1, 6), '0123456789', 'ghijklmnop')) || ' ' || initcap(translate(substr(md5(n || 'last'), 1, 9), '0123456789', 'qrstuvwxyz')),
     'p' || n || '@example.com', 16 + floor(85 * ${chance('n')}), (array['Engineer', 'Analyst', 'Team Lead', 'Director'])[1 + n % 4], 1 + n % 5,
     date '2000-01-01' + floor(9000 * ${chance('n + 300000')})::integer, 20000 + floor(80000 * ${chance('n + 600000')}),
     ${id('department', `(1 + floor(${size.departments} * power(${chance('n + 900000')}, 3)))::integer`)},
     case when n = 1 then null else ${id('employee', 'n / 9 + 1')} end, 1, timestamptz '2020-01-01' + (n / 4) * interval '10 minutes'
   from generate_series(1, ${size.employees}) n`,
  `insert into user_account (id, email, password_hash, role, is_active, created_at)
   select ${id('user', 'n')}, 'u' || n || '@example.com', 'none', 'USER', true, timestamptz '2020-01-01' + n * interval '1 hour' from generate_series(1, ${size.users}) n`,
  `insert into prediction (id, user_id, model, version, digest, input, output, source, duration_ms, created_at)
   select (substr(ms, 1, 8) || '-' || substr(ms, 9) || '-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, ${id('user', '1 + (n % 100)')},
     case when n % 4 = 0 and n < 60000 then 'retired' else (array['car-price', 'digits', 'iris'])[1 + n % 3] end, case when n % 3 = 0 and n < 3000 then 1 else 2 end, 'digest', '{"a": 1}', '{"b": 2}',
     case when n < 20 then 'STALE' when n % 5 = 0 then 'CACHE' else 'MODEL' end::prediction_source, 1, at
   from (select n, at, lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') as ms
     from (select n, timestamptz '2026-01-01' + n * (interval '200 days' / ${size.predictions}) as at from generate_series(1, ${size.predictions}) n) as timed) as numbered`,
];

/**
 * Fills the empty database at `url` with a large company in seconds, because indexes are built after the rows are
 * inserted.
 */
export async function loadLargeCompany(url: string): Promise<void> {
  const orm = openOrm({ url, entities: domains.flatMap((domain) => domain.entities), poolSize: 2 });
  await migrate(orm, url).finally(() => orm.close());
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    // Skips foreign key checks: the references are known to be valid.
    await client.query(`set session_replication_role = replica`);
    const { rows: indexes } = await client.query<{ name: string; definition: string }>(
      `select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as definition from pg_index
       where indrelid in ('employee'::regclass, 'prediction'::regclass) and not indisunique`,
    );
    await client.query(partitions);
    for (const { name } of indexes) await client.query(`drop index ${name}`);
    for (const statement of rows) await client.query(statement);
    await client.query(`set maintenance_work_mem = '256MB'`);
    // Statistics of every row: a sample would choose other plans from run to run.
    await client.query('set default_statistics_target = 1000');
    // `only` would leave out the partitions.
    for (const { definition } of indexes) await client.query(definition.replace(' ON ONLY ', ' ON '));
    for (const table of ['department', 'employee', 'user_account', 'prediction'])
      await client.query(`vacuum (analyze) ${table}`);
  } finally {
    await client.end();
  }
}

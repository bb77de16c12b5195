import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { MikroORM } from '@mikro-orm/postgresql';
import { sql } from 'kysely';
import { unmarkedDestructions } from '../../src/database/migrate/destructive-statements.js';
import { migrate } from '../../src/database/migrate/migrate.js';
import { ignoreForeign } from '../../src/database/migrate/other-schemas.js';
import { migrations } from '../../src/database/migrations/index.js';
import { databaseOf, openOrm } from '../../src/database/orm.js';
import { DatabaseUnreachable } from '../../src/database/wait-for-database.js';
import { countEmployees } from '../../src/domains/employee/employee.queries.js';
import { domains } from '../../src/domains/index.js';
import { conditionOf } from '../support/employee-lists.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { freePort } from '../support/redis.js';
import { statementsOf } from '../support/statements.js';

let database: TestDatabase;
const orms: MikroORM[] = [];
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(async () => {
  await Promise.all(orms.map((orm) => orm.close()));
  await database.drop();
});

function open(): MikroORM {
  const orm = openOrm({ url: database.url, entities: domains.flatMap((domain) => domain.entities), poolSize: 2 });
  orms.push(orm);
  return orm;
}

describe('migrations', () => {
  it('run once and in order for concurrent starts', async () => {
    const ran = await Promise.all([1, 2, 3, 4].map(() => migrate(open(), database.url)));
    const names = migrations.map((migration) => migration.name);
    expect(ran.flat()).toEqual(names);
    const { rows } = await sql<{ name: string }>`select name from migration order by id`.execute(databaseOf(open()));
    expect(rows.map((row) => row.name)).toEqual(names);
  });

  it('produce the schema of the entities', async () => {
    const orm = open();
    await migrate(orm, database.url);
    expect(await orm.schema.getUpdateSchemaSQL({ wrap: false })).toBe('');
  });

  it('ignore the tables and views of other schemas in that comparison', async () => {
    const orm = open();
    await sql`create schema others`.execute(databaseOf(orm));
    await sql`create table others.department (id integer)`.execute(databaseOf(orm));
    await sql`create view others.departments as select id from others.department`.execute(databaseOf(orm));
    expect(await orm.schema.getUpdateSchemaSQL({ wrap: false })).toContain('drop table');
    await ignoreForeign(orm);
    expect(await orm.schema.getUpdateSchemaSQL({ wrap: false })).toBe('');
    await sql`drop schema others cascade`.execute(databaseOf(orm));
  });

  it('ignore tables, views and enums of others in the schema public', async () => {
    const other = await createTestDatabase();
    const orm = openOrm({
      url: other.url,
      schema: 'public',
      entities: domains.flatMap((domain) => domain.entities),
      poolSize: 1,
    });
    try {
      await migrate(orm, other.url);
      await sql`create type mood as enum ('happy')`.execute(databaseOf(orm));
      await sql`create table public.invoice (id integer primary key, mood mood, employee uuid references public.employee)`.execute(
        databaseOf(orm),
      );
      await sql`create view public.invoices as select id from public.invoice`.execute(databaseOf(orm));
      await sql`create materialized view public.totals as select count(*) from public.invoice`.execute(databaseOf(orm));
      const difference = () => orm.schema.getUpdateSchemaSQL({ wrap: false });
      expect(await difference()).toMatch(/drop table[^]*drop type/);
      await ignoreForeign(orm);
      expect(await difference()).toBe('');
      await sql`alter table public.department drop column name`.execute(databaseOf(orm));
      expect(await difference()).toContain('"department" add "name"');
    } finally {
      await orm.close();
      await other.drop();
    }
  });

  it('fail that comparison if a column is missing', async () => {
    const orm = open();
    await sql`alter table department drop column name`.execute(databaseOf(orm));
    expect(await orm.schema.getUpdateSchemaSQL({ wrap: false })).toContain('"department" add "name"');
  });

  it('can be reverted to an empty database', async () => {
    const other = await createTestDatabase();
    const orm = openOrm({ url: other.url, entities: domains.flatMap((domain) => domain.entities), poolSize: 2 });
    try {
      await migrate(orm, other.url);
      await orm.migrator.down({ to: 0 });
      const { rows } = await sql<{
        name: string;
      }>`select tablename as name from pg_tables where schemaname = 'auspex'`.execute(databaseOf(orm));
      expect(rows).toEqual([{ name: 'migration' }]);
      expect(await migrate(orm, other.url)).toEqual(migrations.map((migration) => migration.name));
    } finally {
      await orm.close();
      await other.drop();
    }
  });

  it('drop nothing that the previous release uses unless marked with a reason', async () => {
    const other = await createTestDatabase();
    const orm = openOrm({ url: other.url, entities: domains.flatMap((domain) => domain.entities), poolSize: 2 });
    try {
      const statements = await statementsOf(() => migrate(orm, other.url));
      expect(statements.filter((statement) => statement.startsWith('create table')).length).toBeGreaterThan(5);
      expect(unmarkedDestructions(statements)).toEqual([]);
    } finally {
      await orm.close();
      await other.drop();
    }
  });

  it('build indexes concurrently with reads and writes, and rebuild invalid ones of an interrupted run', async () => {
    const other = await createTestDatabase();
    const orm = openOrm({ url: other.url, entities: domains.flatMap((domain) => domain.entities), poolSize: 2 });
    const db = databaseOf(orm);
    const name = 'employee_department_id_salary_id_index';
    const isValid = async (): Promise<boolean | undefined> => {
      const { rows } = await sql<{
        isValid: boolean;
      }>`select indisvalid as "isValid" from pg_index where indexrelid = to_regclass(${name})`.execute(db);
      return rows[0]?.isValid;
    };
    try {
      await migrate(orm, other.url);
      let reverted = 0;
      for (; (await isValid()) !== undefined; reverted += 1) await orm.migrator.down();
      // The remains of a run that was killed during the build.
      await sql`create index employee_department_id_salary_id_index on employee (department_id)`.execute(db);
      await sql`update pg_index set indisvalid = false where indexrelid = ${name}::regclass`.execute(db);
      // The build waits for an open transaction and blocks neither reads nor writes.
      const { promise: written, resolve: finish } = Promise.withResolvers<undefined>();
      const writing = db.transaction().execute(async (transaction) => {
        await sql`insert into department (id, name) values (gen_random_uuid(), 'New')`.execute(transaction);
        await written;
      });
      const migrating = migrate(orm, other.url);
      await sql`select count(*) from employee`.execute(db);
      finish(undefined);
      await writing;
      expect(await migrating).toEqual(migrations.slice(-reverted).map((migration) => migration.name));
      expect(await isValid()).toBe(true);
      const { rows } = await sql<{
        definition: string;
      }>`select pg_get_indexdef(to_regclass(${name})) as definition`.execute(db);
      expect(rows[0]?.definition).toContain('(department_id, salary, id)');
      expect(await orm.schema.getUpdateSchemaSQL({ wrap: false })).toBe('');
    } finally {
      await orm.close();
      await other.drop();
    }
  });

  it('skip the search index if its extension may not be created, without affecting results', async () => {
    const other = await createTestDatabase();
    const admin = openOrm({ url: other.url, entities: domains.flatMap((domain) => domain.entities), poolSize: 1 });
    const role = `limited_${Date.now()}`;
    const url = new URL(other.url);
    [url.username, url.password] = [role, 'a-password'];
    await sql`create role ${sql.id(role)} login password 'a-password'`.execute(databaseOf(admin));
    // May create tables, but no extensions.
    await sql`create schema auspex`.execute(databaseOf(admin));
    await sql`grant create, usage on schema auspex to ${sql.id(role)}`.execute(databaseOf(admin));
    const orm = openOrm({ url: url.href, entities: domains.flatMap((domain) => domain.entities), poolSize: 2 });
    try {
      await migrate(orm, url.href);
      const { rows } = await sql<{
        there: boolean;
      }>`select to_regclass('employee_search_index') is not null as there`.execute(databaseOf(orm));
      expect(rows).toEqual([{ there: false }]);
      await sql`with made as (insert into department (id, name) values (gen_random_uuid(), 'Only') returning id)
        insert into employee (id, name, email, age, job_title, job_level, hired_on, salary, department_id, version)
        select gen_random_uuid(), 'Ada Adler', 'ada@example.com', 30, 'Analyst', 1, '2026-01-01', 1, id, 1 from made`.execute(
        databaseOf(orm),
      );
      expect(await countEmployees(databaseOf(orm), conditionOf({ search: 'DA AD' }))).toBe(1);
      expect(await countEmployees(databaseOf(orm), conditionOf({ search: 'nobody' }))).toBe(0);
    } finally {
      await orm.close();
      await sql`drop owned by ${sql.id(role)}`.execute(databaseOf(admin));
      await sql`drop role ${sql.id(role)}`.execute(databaseOf(admin));
      await admin.close();
      await other.drop();
    }
  });

  it('report an unreachable database without the password', async () => {
    const url = `postgresql://someone:a-password@127.0.0.1:${await freePort()}/company`;
    const failure: unknown = await migrate(open(), url).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(DatabaseUnreachable);
    const { message } = failure as Error;
    expect(message).toMatch(
      /^The database company at 127\.0\.0\.1:\d+ cannot be opened as someone \(.*ECONNREFUSED.*\); start it, or correct DATABASE_URL\.$/,
    );
    expect(message).not.toContain('a-password');
  });
});

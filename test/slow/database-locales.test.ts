import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { MikroORM } from '@mikro-orm/postgresql';
import { sql } from 'kysely';
import pg from 'pg';
import { migrate } from '../../src/database/migrate/migrate.js';
import { migrations } from '../../src/database/migrations/index.js';
import { databaseOf, openOrm } from '../../src/database/orm.js';
import type { Database } from '../../src/database/tables.js';
import {
  countEmployees,
  employeePage,
  employeesByName,
  matchingTexts,
} from '../../src/domains/employee/employee.queries.js';
import { hire } from '../../src/domains/employee/employee.service.js';
import { domains } from '../../src/domains/index.js';
import { encodeId } from '../../src/graphql/relay/global-id.js';
import { conditionOf } from '../support/employee-lists.js';
import { createTestDatabase, dropDatabaseAt, type TestDatabase } from '../support/database.js';

const departmentId = '00000000-0000-7000-8000-000000000001';

/** Names in the order of their code points. */
const names = [
  'Zoe',
  'anna',
  'straße',
  'Ärzte',
  'Émile Zola',
  'İstanbul',
  'ΟΔΥΣΣΕΎΣ',
  'Ὀδυσσεύς',
  '王芳',
  '😀 Smile',
].toSorted((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)));

/** Searches and what they find. */
const searches: [string, string[]][] = [
  ['émile', ['Émile Zola']],
  ['ÉMILE', ['Émile Zola']],
  ['E\u0301mile', ['Émile Zola']],
  ['emile', []],
  ['ärzte', ['Ärzte']],
  ['A\u0308RZTE', ['Ärzte']],
  ['οδυσσεύς', ['ΟΔΥΣΣΕΎΣ']],
  ['ΔΥΣΣΕΎΣ', ['ΟΔΥΣΣΕΎΣ', 'Ὀδυσσεύς'].toSorted()],
  ['σσεύσ', ['ΟΔΥΣΣΕΎΣ', 'Ὀδυσσεύς'].toSorted()],
  ['istanbul', ['İstanbul']],
  ['İSTANBUL', ['İstanbul']],
  ['ISTANBUL', ['İstanbul']],
  ['ıstanbul', ['İstanbul']],
  ['STRASSE', ['straße']],
  ['STRAẞE', ['straße']],
  ['王芳', ['王芳']],
  ['😀', ['😀 Smile']],
  ['ANNA', ['anna']],
  ['%', []],
  ['_', []],
  ['\\', []],
];

const orms: MikroORM[] = [];
const open = (url: string): MikroORM => {
  const orm = openOrm({ url, entities: domains.flatMap((domain) => domain.entities), poolSize: 2 });
  orms.push(orm);
  return orm;
};

/** Stores employees without the service. */
async function insert(db: Database, named: readonly string[]): Promise<void> {
  await sql`insert into department (id, name) values (${departmentId}, 'All') on conflict do nothing`.execute(db);
  await sql`insert into employee (id, name, email, age, job_title, job_level, hired_on, salary, department_id)
    select gen_random_uuid(), name, gen_random_uuid() || '@example.com', 30, 'Tester', 1, '2026-01-01', 1, ${departmentId}
    from unnest(${[...named]}::text[]) as listed (name)`.execute(db);
}

async function found(db: Database, search: string | null): Promise<string[]> {
  const page = { order: employeesByName, limit: 100, isBackward: false, after: null, before: null };
  return (await employeePage(db, conditionOf({ search }), page)).map(({ name }) => name);
}

describe('a database', () => {
  let base: TestDatabase;
  const urls: string[] = [];
  beforeAll(async () => {
    base = await createTestDatabase();
  });
  afterAll(async () => {
    await Promise.all(orms.map((orm) => orm.close()));
    for (const url of urls) await dropDatabaseAt(url);
    await base.drop();
  });

  const create = async (locale: string): Promise<string> => {
    const url = new URL(base.url);
    url.pathname = `${url.pathname}_locale_${urls.length}`;
    const admin = new pg.Client({ connectionString: base.url });
    await admin.connect();
    await admin.query(
      `create database ${pg.escapeIdentifier(url.pathname.slice(1))} template template0 encoding 'UTF8' ${locale}`,
    );
    await admin.end();
    urls.push(url.href);
    return url.href;
  };

  it.each([
    ['the locale C', "locale_provider libc locale 'C'"],
    ['the locale C.UTF-8', "locale_provider builtin builtin_locale 'C.UTF-8' locale 'C'"],
    ['ICU for English', "locale_provider icu icu_locale 'en-US' locale 'C'"],
    ['ICU for Turkish, where the lower case of I has no dot', "locale_provider icu icu_locale 'tr' locale 'C'"],
  ])('with %s searches and orders as every other', async (_name, locale) => {
    const url = await create(locale);
    const orm = open(url);
    await migrate(orm, url);
    const db = databaseOf(orm);
    await insert(db, names);
    expect(await found(db, null)).toEqual(names);
    const results = await Promise.all(searches.map(async ([search]) => [search, (await found(db, search)).toSorted()]));
    expect(results).toEqual(searches.map(([search, expected]) => [search, expected]));
    expect(await countEmployees(db, conditionOf({ search: 'ÉMILE' }))).toBe(1);
    const states = names.map((name) => ({ name, email: 'x@example.com', jobTitle: 'Tester' }));
    const matched = await matchingTexts(db, states, ['émile', 'istanbul']);
    expect([...matched].toSorted()).toEqual([
      `${names.indexOf('Émile Zola')} émile`,
      `${names.indexOf('İstanbul')} istanbul`,
    ]);
    // The index has the expression of the searches.
    const { rows } = await sql<{ definition: string }>`
      select pg_get_indexdef('employee_search_index'::regclass) as definition`.execute(db);
    expect(rows[0]?.definition).toContain('und-x-icu');
  });

  it('has names in one normal form: new ones, and those of the release before in batches', async () => {
    const url = await create("locale_provider libc locale 'C'");
    const orm = open(url);
    await migrate(orm, url);
    const db = databaseOf(orm);
    await sql`insert into department (id, name) values (${departmentId}, ${'Cafe\u0301'}), (gen_random_uuid(), 'Bar\u0301'), (gen_random_uuid(), ${'Ba\u0155'})`.execute(
      db,
    );
    const hired = await hire(
      orm.em.fork(),
      {
        name: 'E\u0301mile',
        email: 'emile@example.com',
        age: 30,
        jobTitle: 'Ka\u0308ufer',
        jobLevel: 1,
        hiredOn: new Date('2020-01-01'),
        salary: 1,
        departmentId: encodeId('department', departmentId),
        managerId: null,
      },
      () => Promise.resolve(),
    );
    expect([hired.name, hired.jobTitle]).toEqual(['\u00c9mile', 'K\u00e4ufer']);
    // As the release before stores them: more than two batches, and one text whose normal form would be too long.
    const long = '\u0958'.repeat(60);
    const many = Array.from({ length: 2_500 }, (_value, index) => `E\u0301mile ${index}`);
    await insert(db, [...many, long]);
    const since = migrations.map(({ name }) => name).filter((name) => name >= 'Migration20261127120000');
    for (const one of since.toReversed()) await orm.migrator.down({ migrations: [one] });
    expect(await migrate(orm, url)).toEqual(since);
    const { rows } = await sql<{ decomposed: number; changed: number; long: number }>`
      select (count(*) filter (where name is not nfc normalized))::integer as decomposed,
        (count(*) filter (where version = 2))::integer as changed, (count(*) filter (where name = ${long}))::integer as long
      from employee`.execute(db);
    expect(rows).toEqual([{ decomposed: 1, changed: 2_500, long: 1 }]);
    const departments = await sql<{ name: string }>`select name from department order by name collate "C"`.execute(db);
    expect(departments.rows.map(({ name }) => name)).toEqual(['Bar\u0301', 'Ba\u0155', 'Caf\u00e9']);
  });
});

import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { Kysely, PostgresDialect, sql } from 'kysely';
import pg from 'pg';
import { parameter, rawQuery, readTemplate } from '../../src/database/read-templates.js';
import { owned, schemaOf, SchemaNames } from '../../src/database/schema-names.js';
import type { Database, Tables } from '../../src/database/tables.js';

/** Never connects. */
const databaseIn = (schema: string): Database =>
  new Kysely<Tables>({
    dialect: new PostgresDialect({ pool: new pg.Pool() }),
    plugins: [new SchemaNames(schema)],
  });

describe('names of a schema', () => {
  const db = databaseIn('a"b');

  it('qualify the tables that a query reads, joins and changes, and no column', () => {
    const text = db
      .selectFrom('employee as person')
      .innerJoin('department', 'department.id', 'person.department_id')
      .select(['person.id', 'department.name'])
      .where((column) => column.exists(column.selectFrom('session').whereRef('session.user_id', '=', 'person.id')))
      .compile().sql;
    expect(text).toBe(
      'select "person"."id", "department"."name" from "a""b"."employee" as "person" ' +
        'inner join "a""b"."department" on "department"."id" = "person"."department_id" ' +
        'where exists (select from "a""b"."session" where "session"."user_id" = "person"."id")',
    );
    expect(db.deleteFrom('session').where('session.id', '=', 'x').compile().sql).toBe(
      'delete from "a""b"."session" where "session"."id" = $1',
    );
    expect(db.selectFrom('employee').selectAll('employee').forUpdate('employee').compile().sql).toBe(
      'select "employee".* from "a""b"."employee" for update of "employee"',
    );
  });

  it('leave names of a `with` and names with a schema as they are', () => {
    const text = db
      .with('recent', (inner) => inner.selectFrom('session').select('id'))
      .selectFrom('recent')
      .select('recent.id')
      .compile().sql;
    expect(text).toBe('with "recent" as (select "id" from "a""b"."session") select "recent"."id" from "recent"');
    expect(sql`select from ${sql.table('crm.customer')}`.compile(db).sql).toBe('select from "crm"."customer"');
  });

  it('qualify tables, types and functions that raw SQL names by `owned`', () => {
    const statement = sql`select ${owned('f')}(${1}) from ${owned('employee')} where x = any(${2}::${owned('kind')}[])`;
    expect(statement.compile(db).sql).toBe(
      'select "a""b"."f"($1) from "a""b"."employee" where x = any($2::"a""b"."kind"[])',
    );
  });

  it('are part of the text of a template, which each schema has once', () => {
    const template = readTemplate(
      'names of a schema',
      () => rawQuery(sql`select from ${owned('employee')} where id = ${parameter('id')}`),
      { hasStablePlan: true },
    );
    expect(template.textFor(db)).toBe('select from "a""b"."employee" where id = $1');
    expect(template.textFor(databaseIn('other'))).toBe('select from "other"."employee" where id = $1');
    expect(schemaOf(databaseIn('other'))).toBe('other');
  });
});

it('raw SQL names no table without its schema', () => {
  const root = path.resolve('src');
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(
    (file) => file.endsWith('.ts') && !file.includes('migrations'),
  );
  const texts = new Map(files.map((file) => [file, readFileSync(path.join(root, file), 'utf8')]));
  const tables = new Set(
    [...texts.values()].flatMap((text) =>
      [...text.matchAll(/@Entity\(\{ tableName: '(\w+)'/g)].map(([, table]) => table ?? ''),
    ),
  );
  expect(tables.size).toBeGreaterThan(15);
  const named = new RegExp(String.raw`\b(?:from|join|into|update|using) "?(?:${[...tables].join('|')})\b`, 'gi');
  const found = [...texts].flatMap(([file, text]) =>
    [...text.replaceAll(/^\s*(?:\/?\*|\/\/).*$/gm, '').matchAll(named)].map(([match]) => `${file}: ${match}`),
  );
  expect(found).toEqual([]);
});

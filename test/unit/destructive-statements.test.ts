import { describe, expect, it } from '@jest/globals';
import { unmarkedDestructions } from '../../src/database/migrate/destructive-statements.js';

describe('a statement', () => {
  it.each([
    ['drop table "employee";', 'drops what may still be read'],
    ['drop table if exists employee cascade', 'drops what may still be read'],
    ['alter table "employee" drop column "name";', 'drops a column that may still be read'],
    ['alter table "employee" drop "name", drop "email";', 'drops a column that may still be read'],
    [
      'alter table "employee" alter column "age" type bigint using ("age"::bigint);',
      'changes the type of a column, and rewrites the table under an exclusive lock',
    ],
    [
      'ALTER TABLE employee\n  ALTER age SET DATA TYPE bigint',
      'changes the type of a column, and rewrites the table under an exclusive lock',
    ],
    ['alter table "employee" rename column "name" to "full_name";', 'renames what is still read under its old name'],
    ['alter table employee rename to person', 'renames what is still read under its old name'],
    ['truncate table employee', 'deletes rows'],
    ["delete from employee where email = 'x'", 'deletes rows'],
    [
      'alter table "employee" alter column "name" set not null;',
      'rejects rows that are still written without the column',
    ],
    [
      'alter table "employee" add "nickname" varchar(100) not null;',
      'adds a column without a default that rows need, which are still written without it',
    ],
    ['-- destructive: not a comment of the statement itself\ndrop table employee', 'drops what may still be read'],
    ['/* destructive: */ drop table employee', 'drops what may still be read'],
  ])('is rejected: %s', (statement, reason) => {
    expect(unmarkedDestructions([statement])).toEqual([{ statement, reason }]);
  });

  it.each([
    'create table "employee" ("id" uuid not null, "name" text not null, primary key ("id"));',
    'alter table "employee" add "nickname" varchar(100) null;',
    `alter table "employee" add column "is_active" boolean not null default true;`,
    'alter table "employee" add constraint "employee_email_check" check (email is not null);',
    'alter table "employee" drop constraint "employee_email_unique";',
    'alter table "employee" alter column "nickname" drop not null;',
    'alter table "employee" alter column "nickname" drop default;',
    'drop index concurrently if exists "employee_name_index";',
    'create index concurrently "employee_name_index" on "employee" using gin ("name" gin_trgm_ops);',
    `comment on table employee is 'drop table employee; truncate it'`,
    'create table a (id uuid references b (id) on delete cascade)',
    '/* destructive: nobody has read it since release 0.4 */ alter table "employee" drop column "fax";',
  ])('is accepted: %s', (statement) => {
    expect(unmarkedDestructions([statement])).toEqual([]);
  });
});

import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import pg from 'pg';
import { describeStatement, withoutValues } from '../../src/database/statement.js';

const textOf = (...call: unknown[]): unknown => describeStatement(call)?.attributes()['db.query.text'];

describe('a described statement', () => {
  it.each([
    [
      `insert into "session" ("id", "hash") values ('019b', '$2b$10$abc'), ('O''Brien', E'a\\\\b\\'c')`,
      `insert into "session" ("id", "hash") values (?, ?), (?, ?)`,
    ],
    [
      `update "employee" set "salary" = 95000, "rate" = 1.5e3, "column2" = null where "it's" = -7`,
      `update "employee" set "salary" = ?, "rate" = ?, "column2" = null where "it's" = -?`,
    ],
    ['select a1.b2 from t3 where x = $1 limit 10', 'select a1.b2 from t3 where x = $1 limit ?'],
    [`select 'never closed`, 'select ?'],
  ])('contains no literals: %s', (text, reported) => {
    expect(withoutValues(text)).toBe(reported);
  });

  it('contains no literals of arbitrary input', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.string(), fc.constantFrom(`'`, `\\`, `\\'`, `''`, `"`, `E'`, `$1`, '\n'))),
        fc.array(fc.string()),
        (parts, others) => {
          // Unique prefix and suffix, so that a value cannot equal a part of the statement.
          const entered = [`zqx${parts.join('')}xqz`, ...others].map((value) => pg.escapeLiteral(value));
          const reported = withoutValues(`insert into "t" ("a") values (${entered.join(', ')}) returning "a"`);
          expect(reported).toBe(
            `insert into "t" ("a") values (${entered.map((literal) => (literal.startsWith(' ') ? ' ?' : '?')).join(', ')}) returning "a"`,
          );
        },
      ),
    );
  });

  it('is unchanged if its values are parameters', () => {
    const text = `select * from employee where name = $1 and kind = 'fixed'`;
    expect([
      textOf(text, ['hidden']),
      textOf({ text, values: ['hidden'] }),
      textOf(text, []),
      textOf({ text }),
    ]).toEqual([text, text, text.replace(`'fixed'`, '?'), text.replace(`'fixed'`, '?')]);
  });

  it.each([
    ['select "e"."id" from "employee" as "e"', 'SELECT employee'],
    ['\n  insert into prediction (id) values ($1)', 'INSERT prediction'],
    ['update "user_account" set x = 1', 'UPDATE user_account'],
    ['select "e"."id" from "auspex"."employee" as "e"', 'SELECT employee'],
    ['delete from "auspex"."session" where x = 1', 'DELETE session'],
    ['begin', 'BEGIN'],
    ['', 'SQL'],
  ])('is named by command and table: %s', (text, name) => {
    expect(describeStatement([text])?.name).toBe(name);
  });

  it('is truncated if it is long, and is null without a text', () => {
    expect(textOf(`select ${'$1, '.repeat(5000)}`, [1])).toHaveLength(4096);
    expect(describeStatement([{ submit: () => null }])).toBeNull();
  });
});

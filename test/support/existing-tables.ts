import pg from 'pg';
import { sql } from 'kysely';
import type { EntityClass } from '@mikro-orm/core';
import type { Database } from '../../src/database/tables.js';
import { qualified, tableOf, type TableColumn } from '../../src/graphql/tables/existing-table.js';

/** The rows of each table. */
export const rowCount = 3;

/**
 * Creates the tables of entities that map existing tables, without constraints, and fills them: values of the same type and the
 * same row are equal, so that each foreign key finds a row.
 */
export async function createExistingTables(db: Database, entities: readonly EntityClass<unknown>[]): Promise<void> {
  const users = await db.selectFrom('user_account').select('id').orderBy('email', 'desc').limit(rowCount).execute();
  for (const mapping of entities.map(tableOf)) {
    await execute(db, `create schema if not exists ${pg.escapeIdentifier(mapping.schema)}`);
    for (const column of mapping.columns) await createType(db, column);
    const columns = mapping.columns.map(({ name, type }) => `${pg.escapeIdentifier(name)} ${type.sqlType}`);
    await execute(db, `create table ${qualified(mapping)} (${columns.join(', ')})`);
    for (const [index, { id }] of users.entries()) {
      const values = mapping.columns.map((column) =>
        column === mapping.owner ? `'${id}'` : `${valueOf(column, index + 1)}::${column.type.sqlType}`,
      );
      await execute(db, `insert into ${qualified(mapping)} values (${values.join(', ')})`);
    }
  }
}

const execute = (db: Database, text: string): Promise<unknown> => sql.raw(text).execute(db);

/** Creates an enum, or a type of an extension as a text. */
async function createType(db: Database, { type: { sqlType, graphql, isList } }: TableColumn): Promise<void> {
  const name = isList ? sqlType.replace(/\[\]$/, '') : sqlType;
  const schema = /^("(?:[^"]|"")+"|\w+)\./.exec(name)?.[1];
  if (schema === undefined) return;
  await execute(db, `create schema if not exists ${schema}`);
  const { rows } = await sql<{ known: boolean }>`select to_regtype(${name}) is not null as known`.execute(db);
  if (rows[0]?.known === true) return;
  const labels =
    'parseValue' in graphql ? null : Object.values(graphql).map((label) => pg.escapeLiteral(String(label)));
  await execute(db, labels ? `create type ${name} as enum (${labels.join(', ')})` : `create domain ${name} as text`);
}

/** A value of a column in SQL, by the number of the row. */
function valueOf({ type: { sqlType, graphql, isList } }: TableColumn, number: number): string {
  const one = itemOf(isList ? sqlType.replace(/\[\]$/, '') : sqlType, graphql, number);
  return isList ? `array[${one}]` : one;
}

function itemOf(sqlType: string, graphql: object, number: number): string {
  if (!('parseValue' in graphql)) {
    const labels = Object.values(graphql);
    return pg.escapeLiteral(String(labels[(number - 1) % labels.length]));
  }
  return examples.find(([form]) => form.test(sqlType))?.[1](number) ?? `'text ${number}'`;
}

const examples: readonly (readonly [RegExp, (number: number) => string])[] = [
  [/^(?:smallint|integer|bigint|real|double precision|numeric|money|oid)$/, String],
  [/^boolean$/, (number) => String(number === 1)],
  [/^uuid$/, (number) => `'00000000-0000-4000-8000-00000000000${number}'`],
  [/^date$/, (number) => `'2024-01-0${number}'`],
  [/^timestamp/, (number) => `'2024-01-0${number} 10:15:30.123456+00'`],
  [/^time/, (number) => `'10:15:3${number}'`],
  [/^interval$/, (number) => `'${number} days'`],
  [/^bytea$/, (number) => `'\\x0${number}'`],
  [/^jsonb?$/, (number) => `'{"number": ${number}}'`],
  [/^(?:inet|cidr)$/, (number) => `'192.0.2.${number}'`],
  [/^macaddr/, (number) => `'08:00:2b:01:02:0${number}'`],
  [/^bit/, () => "'1'"],
  [/^point$/, (number) => `'(${number},${number})'`],
  [/^circle$/, (number) => `'<(${number},${number}),1>'`],
  [/^line$/, (number) => `'{1,${number},3}'`],
  [/^(?:lseg|box|path|polygon)$/, (number) => `'((0,0),(${number},1))'`],
  [/^(?:int|num)\w*range$/, (number) => `'[${number},${number + 5})'`],
  [/multirange$/, () => "'{}'"],
  [/^(?:ts|tstz|date)range$/, (number) => `'[2024-01-0${number},2024-02-01)'`],
  [/^xml$/, (number) => `'<a>${number}</a>'`],
];

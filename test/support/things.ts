import { sql } from 'kysely';
import { registerEnumType } from 'type-graphql';
import { newId } from '../../src/database/base.entity.js';
import { inOrder, pageKey, pageOf, pageValues, templatePage, type KeysetPage } from '../../src/database/keyset.js';
import type { Database } from '../../src/database/tables.js';
import { filterable, type Filterable } from '../../src/graphql/filtering/columns.js';
import { preparedCondition, type Condition } from '../../src/graphql/filtering/condition.js';
import { readTemplate, queryBuilder } from '../../src/database/read-templates.js';

/** A table with a column of each type, most of them nullable, that rows refer to others of. */
export interface Thing {
  id: string;
  name: string;
  note: string | null;
  size: number | null;
  count: string | null;
  price: string | null;
  weight: number | null;
  isActive: boolean | null;
  day: string | null;
  at: Date | null;
  color: string | null;
  parentId: string | null;
}

export const Color = { RED: 'RED', GREEN: 'GREEN', BLUE: 'BLUE' } as const;
registerEnumType(Color, { name: 'ThingColor' });

export const thingColumns = filterable({
  type: 'Thing',
  table: 'thing',
  columns: {
    id: { type: 'uuid', isIndexed: true },
    name: { type: 'text', isIndexed: true },
    note: { type: 'text', isNullable: true },
    size: { type: 'integer', isNullable: true },
    count: { type: 'bigint', isNullable: true },
    price: { type: 'decimal', isNullable: true },
    weight: { type: 'float', isNullable: true },
    isActive: { type: 'boolean', isNullable: true },
    day: { type: 'date', isNullable: true },
    at: { type: 'datetime', isNullable: true },
    color: { type: 'enum', values: Color, enumName: 'ThingColor', isNullable: true },
  },
  relations: { parent: { to: (): Filterable => thingColumns, isNullable: true, isIndexed: true } },
});

export async function createThings(db: Database, things: readonly Thing[]): Promise<void> {
  await sql`create type thing_color as enum ('RED', 'GREEN', 'BLUE')`.execute(db);
  await sql`create schema auspex`.execute(db);
  await sql`create table thing (id uuid primary key, name text not null, note text, size integer, count bigint, price numeric(20, 4),
    weight double precision, is_active boolean, day date, at timestamptz(3), color thing_color, parent_id uuid references thing)`.execute(
    db,
  );
  await sql`create index on thing (name collate "C", id)`.execute(db);
  await sql`create index on thing (parent_id)`.execute(db);
  for (const { isActive, parentId, ...thing } of things)
    await sql`insert into thing values (${thing.id}, ${thing.name}, ${thing.note}, ${thing.size}, ${thing.count}, ${thing.price},
      ${thing.weight}, ${isActive}, ${thing.day}, ${thing.at}, ${thing.color}::thing_color, ${parentId})`.execute(db);
}

const columnNames = [
  'id',
  'name',
  'note',
  'size',
  'count',
  'price',
  'weight',
  'is_active',
  'day',
  'at',
  'color',
  'parent_id',
];

/** A page of things, as a domain reads it. */
export async function thingPage(db: Database, condition: Condition, page: KeysetPage): Promise<Thing[]> {
  const filter = preparedCondition(thingColumns, condition);
  const template = readTemplate(
    `things ${filter.key} ${pageKey(page)}`,
    () => {
      const where = filter.sql();
      const all = queryBuilder
        .selectFrom(sql.table('thing').as('thing'))
        .select(columnNames.map((column) => sql.ref(`thing.${column}`).as(column)));
      return pageOf(where ? all.where(where) : all, templatePage(page));
    },
    filter,
  );
  const rows = await template.execute(db, { ...filter.values, ...pageValues(page) });
  return inOrder(
    rows.map((values) => {
      const [id, name, note, size, count, price, weight, isActive, day, at, color, parentId] = values as never[];
      return { id, name, note, size, count, price, weight, isActive, day, at, color, parentId } as unknown as Thing;
    }),
    page,
  );
}

/** Things with many ties and nulls. @param pick chooses one of the values */
export function someThings(number: number, pick: <Value>(values: readonly Value[]) => Value): Thing[] {
  const things: Thing[] = [];
  for (let index = 0; index < number; index++)
    things.push({
      id: newId(),
      name: pick(names),
      note: pick([null, ...names]),
      size: pick([null, null, -1, 0, 1, 2, 2_147_483_647]),
      count: pick([null, '-9007199254740993', '0', '9007199254740993', '9007199254740992']),
      price: pick([null, '-0.0001', '0.0000', '10.5000', '9.9000', '1234567890123.4567']),
      weight: pick([null, -1.5, 0, 0.1, 1e300]),
      isActive: pick([null, true, false]),
      day: pick([null, '0001-01-01', '1999-12-31', '2000-02-29', '9999-12-31']),
      at: pick([
        null,
        new Date('2020-01-01T00:00:00.001Z'),
        new Date('2020-01-01T00:00:00.000Z'),
        new Date('1970-01-01T00:00:00Z'),
      ]),
      color: pick([null, 'RED', 'GREEN', 'BLUE']),
      parentId: pick([null, ...things.slice(0, 5).map(({ id }) => id)]),
    });
  return things;
}

/** With letters whose case, length or order is special. */
export const names = [
  'a',
  'A',
  'ab',
  'Ab',
  'é',
  'É',
  'straße',
  'STRASSE',
  'Σίσυφος',
  'ΣΊΣΥΦΟΣ',
  'İi',
  'ıI',
  '100%',
  '1_0',
  'a\\b',
  '😀',
  '\uFFFD',
  '',
  ' ',
];

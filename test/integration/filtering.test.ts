import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { MikroORM } from '@mikro-orm/postgresql';
import { databaseOf, openOrm } from '../../src/database/orm.js';
import type { Database } from '../../src/database/tables.js';
import { Department } from '../../src/domains/employee/department.entity.js';
import { orderName } from '../../src/graphql/filtering/columns.js';
import { readFilter } from '../../src/graphql/filtering/read-filter.js';
import { OrderDirection, readOrder, type OrderBy } from '../../src/graphql/filtering/order.js';
import { decodeCursor, encodeCursor } from '../../src/graphql/relay/cursor.js';
import type { Keyset } from '../../src/database/keyset.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { createThings, names, someThings, thingColumns, thingPage, type Thing } from '../support/things.js';
import { viewerOf } from '../support/viewers.js';

const viewer = viewerOf();
let database: TestDatabase;
let orm: MikroORM;
let db: Database;
let things: Thing[];

beforeAll(async () => {
  database = await createTestDatabase();
  orm = openOrm({ url: database.url, entities: [Department], poolSize: 2 });
  db = databaseOf(orm);
  let seed = 1;
  // A deterministic sequence: the same rows in each run.
  const next = () => (seed = (seed * 48_271) % 2_147_483_647);
  things = someThings(120, (values) => values[next() % values.length] as (typeof values)[number]);
  await createThings(db, things);
});
afterAll(async () => {
  await orm.close();
  await database.drop();
});

/** The value of a column as it is compared: texts by their bytes in UTF-8, which are in the order of code points. */
const comparable: Record<string, (thing: Thing) => bigint | number | string | null> = {
  id: ({ id }) => id,
  name: ({ name }) => bytesOf(name),
  note: ({ note }) => (note === null ? null : bytesOf(note)),
  size: ({ size }) => size,
  count: ({ count }) => (count === null ? null : BigInt(count)),
  price: ({ price }) => (price === null ? null : scaled(price)),
  weight: ({ weight }) => weight,
  isActive: ({ isActive }) => (isActive === null ? null : Number(isActive)),
  day: ({ day }) => day,
  at: ({ at }) => (at === null ? null : at.getTime()),
  color: ({ color }) => color,
};
const bytesOf = (text: string): string => Buffer.from(text).toString('hex');
const scaled = (price: string): bigint => BigInt(toFourDecimals(price));
const toFourDecimals = (price: string): string => {
  const [whole = '', fraction = ''] = price.split('.');
  return `${whole}${fraction.padEnd(4, '0')}`;
};

/** The values that filters send, by column: those of rows, and some that no row has. */
const sentValues: Record<string, readonly unknown[]> = {
  name: [...names, 'none'],
  note: [...names, 'none'],
  size: [-1, 0, 1, 2, 3],
  count: ['-9007199254740993', '0', '9007199254740992', '7'],
  price: ['-0.0001', '0', '9.9', '10.50', '1234567890123.4567'],
  weight: [-1.5, 0, 0.1, 1e300, 7],
  day: ['0001-01-01', '2000-02-29', '2005-05-05'].map((day) => new Date(`${day}T00:00:00Z`)),
  at: ['2020-01-01T00:00:00.001Z', '2020-01-01T00:00:00.000Z', '1980-01-01T00:00:00Z'].map((time) => new Date(time)),
  isActive: [true, false],
  color: ['RED', 'GREEN'],
};

/** The value of a filter as it is compared with those of rows. */
const comparableValue = (column: string, value: unknown): bigint | number | string => {
  const text = String(value);
  if (column === 'name' || column === 'note') return bytesOf(text);
  if (column === 'count') return BigInt(text);
  if (column === 'price') return scaled(text);
  if (column === 'isActive') return Number(value);
  if (column === 'day') return (value as Date).toISOString().slice(0, 10);
  return column === 'at' ? (value as Date).getTime() : (value as number | string);
};

const folded = (text: string): string =>
  text.toLowerCase().replaceAll('ς', 'σ').replaceAll('ı', 'i').replaceAll('\u0307', '').replaceAll('ß', 'ss');

type Filter = Readonly<Record<string, unknown>>;

/** Evaluates a filter by its description, without SQL. */
function matches(thing: Thing, filter: Filter): boolean {
  return Object.entries(filter).every(([name, value]) => {
    if (name === 'and') return (value as Filter[]).every((one) => matches(thing, one));
    if (name === 'or') return (value as Filter[]).some((one) => matches(thing, one));
    if (name === 'not') return !matches(thing, value as Filter);
    if (name !== 'parent') return matchesColumn(thing, name, value as Filter);
    const { isNull, ...others } = value as Filter;
    const parent = things.find(({ id }) => id === thing.parentId);
    if (isNull !== undefined && isNull !== (thing.parentId === null)) return false;
    return Object.keys(others).length === 0 || (parent !== undefined && matches(parent, others));
  });
}

function matchesColumn(thing: Thing, name: string, operators: Filter): boolean {
  const own = comparable[name]?.(thing) ?? null;
  return Object.entries(operators).every(([operator, sent]) => {
    if (operator === 'isNull') return sent === (own === null);
    if (operator === 'in' || operator === 'notIn') {
      const isIn = own !== null && (sent as unknown[]).some((one) => comparableValue(name, one) === own);
      return isIn === (operator === 'in');
    }
    if (operator === 'contains' || operator === 'startsWith') {
      const text = Reflect.get(thing, name) as string | null;
      if (text === null) return false;
      const pattern = folded(sent as string);
      return operator === 'contains' ? folded(text).includes(pattern) : folded(text).startsWith(pattern);
    }
    const other = comparableValue(name, sent);
    if (operator === 'ne') return own !== other;
    if (own === null) return false;
    if (operator === 'eq') return own === other;
    if (operator === 'lt') return own < other;
    if (operator === 'lte') return own <= other;
    return operator === 'gt' ? own > other : own >= other;
  });
}

const columnConditions = fc.constantFrom(...Object.keys(sentValues)).chain((name) => {
  const value = fc.constantFrom(...(sentValues[name] ?? []));
  const isText = name === 'name' || name === 'note';
  const single = ['eq', 'ne', ...(name === 'isActive' || name === 'color' ? [] : ['lt', 'lte', 'gt', 'gte'])];
  return fc
    .oneof(
      fc.tuple(fc.constantFrom(...single, ...(isText ? ['contains', 'startsWith'] : [])), value),
      fc.tuple(fc.constant('isNull'), fc.boolean()),
      ...(name === 'isActive' ? [] : [fc.tuple(fc.constantFrom('in', 'notIn'), fc.array(value, { maxLength: 3 }))]),
    )
    .map(([operator, sent]): Filter => ({ [name]: { [operator]: sent } }));
});

const { filter: filters } = fc.letrec<{ filter: Filter }>((tie) => ({
  filter: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    columnConditions,
    fc.tuple(columnConditions, columnConditions).map(([one, other]): Filter => ({ ...one, ...other })),
    columnConditions.map((parent): Filter => ({ parent })),
    fc.boolean().map((isNull): Filter => ({ parent: { isNull } })),
    fc.array(tie('filter'), { maxLength: 3 }).map((and): Filter => ({ and })),
    fc.array(tie('filter'), { maxLength: 3 }).map((or): Filter => ({ or })),
    tie('filter').map((not): Filter => ({ not })),
  ),
}));

/** The conditions of a filter and the filters in its lists, which a filter may have 20 of. */
const sizeOf = (filter: Filter): number =>
  Object.entries(filter).reduce((sum, [name, value]) => {
    if (name === 'not') return sum + sizeOf(value as Filter);
    if (name !== 'and' && name !== 'or') return sum + 1;
    return (value as Filter[]).reduce((all, one) => all + 1 + sizeOf(one), sum);
  }, 0);

const sortable = [...thingColumns.columns.keys()].filter((name) => name !== 'color');
const orders = fc.uniqueArray(fc.constantFrom(...sortable), { maxLength: 3 }).chain((columns) =>
  fc.tuple(
    ...columns.map((name) =>
      fc.record({
        field: fc.constant(orderName(name)),
        direction: fc.constantFrom(OrderDirection.ASC, OrderDirection.DESC),
      }),
    ),
  ),
);

/** Sorts by a description of the order: null is the greatest value, and ties are in the order of the id, in the direction of the last column. */
function sorted(rows: readonly Thing[], sent: readonly OrderBy[]): Thing[] {
  const columns = sent.length > 0 ? sent : [{ field: 'NAME', direction: OrderDirection.ASC }];
  const keys = [...columns, { field: 'ID', direction: columns.at(-1)?.direction ?? OrderDirection.ASC }];
  return rows.toSorted((one, other) => {
    for (const { field, direction } of keys) {
      const name = sortable.find((column) => orderName(column) === field) ?? '';
      const [a, b] = [comparable[name]?.(one) ?? null, comparable[name]?.(other) ?? null];
      if (a === b) continue;
      const isLess = a !== null && (b === null || a < b);
      return isLess === (direction === OrderDirection.ASC) ? -1 : 1;
    }
    return 0;
  });
}

/** Walks all pages of a list, by cursors as clients send them. */
async function walk(filter: Filter, order: Keyset, size: number, isBackward: boolean): Promise<string[]> {
  const condition = readFilter(thingColumns, filter, { viewer });
  const found: string[] = [];
  let cursor: string | null = null;
  for (;;) {
    const position: ReturnType<typeof decodeCursor> | null =
      cursor === null ? null : decodeCursor(cursor, order, 'after');
    const page = {
      order,
      limit: size,
      isBackward,
      after: isBackward ? null : position,
      before: isBackward ? position : null,
    };
    const rows = await thingPage(db, condition, page);
    const more = rows.length > size;
    const shown = isBackward ? rows.slice(more ? 1 : 0) : rows.slice(0, size);
    if (isBackward) found.unshift(...shown.map(({ id }) => id));
    else found.push(...shown.map(({ id }) => id));
    const last = isBackward ? shown[0] : shown.at(-1);
    if (!more || !last) return found;
    cursor = encodeCursor(order, last);
  }
}

describe('each operator of each column', () => {
  it.each(Object.keys(sentValues))('finds what an evaluation in memory finds, of %s', async (name) => {
    const isText = name === 'name' || name === 'note';
    const ranges = name === 'isActive' || name === 'color' ? [] : ['lt', 'lte', 'gt', 'gte'];
    const single = ['eq', 'ne', ...ranges, ...(isText ? ['contains', 'startsWith'] : [])];
    const values = [...(sentValues[name] ?? []), ...(isText ? ['%', '_', '\\', 'B'] : [])];
    const operators: Filter[] = [
      { isNull: true },
      { isNull: false },
      ...values.flatMap((value) => single.map((operator) => ({ [operator]: value }))),
      ...(name === 'isActive' ? [] : [{ in: values.slice(0, 2) }, { notIn: values.slice(0, 2) }]),
    ];
    const order = readOrder(thingColumns, [], { viewer, byDefault: 'name' });
    const page = { order, limit: things.length, isBackward: false, after: null, before: null };
    for (const sent of operators) {
      const filter = { [name]: sent };
      const expected = sorted(
        things.filter((thing) => matches(thing, filter)),
        [],
      ).map(({ id }) => id);
      const found = await thingPage(db, readFilter(thingColumns, filter, { viewer }), page);
      expect({ sent, found: found.map(({ id }) => id) }).toEqual({ sent, found: expected });
    }
  });
});

describe('random filters, orders and pages', () => {
  it('return what an evaluation in memory returns', async () => {
    const kinds = new Set<string>();
    await fc.assert(
      fc.asyncProperty(
        filters,
        orders,
        fc.integer({ min: 7, max: 60 }),
        fc.boolean(),
        async (filter, sent, size, isBackward) => {
          fc.pre(sizeOf(filter) <= 20);
          const order = readOrder(thingColumns, sent, { viewer, byDefault: 'name' });
          const expected = sorted(
            things.filter((thing) => matches(thing, filter)),
            sent,
          ).map(({ id }) => id);
          kinds.add(expected.length === 0 ? 'none' : expected.length === things.length ? 'all' : 'some');
          expect(await walk(filter, order, size, isBackward)).toEqual(expected);
        },
      ),
      { numRuns: 300 },
    );
    expect(kinds).toEqual(new Set(['none', 'some', 'all']));
  });
});

import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { MikroORM } from '@mikro-orm/postgresql';
import { sql } from 'kysely';
import { databaseOf, openOrm } from '../../src/database/orm.js';
import { TableCatalog } from '../../src/database/table-facts.js';
import type { Database } from '../../src/database/tables.js';
import { orderName } from '../../src/graphql/filtering/columns.js';
import { IndexGuard } from '../../src/graphql/filtering/index-guard.js';
import type { LiveSchema } from '../../src/graphql/schema/build-schema.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import type { AnyData } from '../support/gateway.js';
import { comparedDomain, comparedTable } from '../support/odd-tables/compared.js';
import { executeOn, openTableSchema, runSql } from '../support/odd-tables/execute.js';
import { viewerOf } from '../support/viewers.js';

interface Thing {
  id: number;
  padded: string | null;
  local: string | null;
  clock: string | null;
  address: string | null;
  network: string | null;
  size: string | null;
  email: string | null;
  price: string | null;
  weight: number | null;
  data: string | null;
  parentId: number | null;
}
type Name = keyof Thing;

/** The values of rows and of filters. */
const values: Record<Exclude<Name, 'id' | 'parentId'>, readonly (string | number)[]> = {
  padded: ['a', 'A', 'ab', 'é', ''],
  local: ['2024-02-29T10:15:30.000001', '2024-02-29T10:15:30.000002', '1999-12-31T23:59:59.000000'],
  clock: ['00:00:00', '10:15:30', '10:15:30.5', '23:59:59'],
  address: ['192.0.2.1', '192.0.2.1/24', '2001:db8::1'],
  network: ['192.0.2.0/24', '10.0.0.0/8'],
  size: ['SMALL', 'MEDIUM', 'LARGE'],
  email: ['Ann@example.com', 'ann@example.com', 'Bob@example.com', 'cid@example.com'],
  price: ['-1.50', '0', '2.25', '9007199254740993'],
  weight: [-1.5, 0, 2.25, 1e300],
  data: ['{"a": 1}', 'null'],
};
const sizes = ['SMALL', 'MEDIUM', 'LARGE'];

let database: TestDatabase;
let orm: MikroORM;
let db: Database;
let schema: LiveSchema;
let indexes: IndexGuard;
let things: Thing[];
beforeAll(async () => {
  database = await createTestDatabase();
  orm = openOrm({ url: database.url, entities: comparedDomain.existingTables ?? [], poolSize: 2 });
  db = databaseOf(orm);
  await runSql(database.url, comparedTable);
  let seed = 7;
  // A deterministic sequence: the same rows in each run.
  const pick = <Value>(list: readonly Value[]): Value | null => {
    seed = (seed * 48_271) % 2_147_483_647;
    return list[seed % (list.length + 1)] ?? null;
  };
  things = Array.from({ length: 80 }, (_none, index) => ({
    id: index + 1,
    ...(Object.fromEntries(
      Object.entries(values).map(([name, list]) => [name, pick(list as string[])]),
    ) as unknown as Omit<Thing, 'id' | 'parentId'>),
    parentId: pick(Array.from({ length: index }, (_, parent) => parent + 1)),
  }));
  for (const { id, padded, local, clock, address, network, size, email, price, weight, data, parentId } of things)
    await sql`insert into compared.thing values (${id}, ${padded}, ${local}, ${clock}, ${address}, ${network},
      ${size?.toLowerCase() ?? null}::text::compared.size, ${email}::text::tools.citext, ${price}, ${weight}, ${data}::jsonb, ${parentId})`.execute(
      db,
    );
  indexes = new IndexGuard(new TableCatalog(db), { maxUnindexedRows: 50_000 });
  schema = openTableSchema(comparedDomain);
});
afterAll(async () => {
  await orm.close();
  await database.drop();
});

async function run(text: string, variables: object): Promise<AnyData> {
  const { data, codes, messages } = await executeOn({ schema, viewer: viewerOf(), db, indexes }, text, {
    ...variables,
  });
  expect([codes, messages]).toEqual([[], []]);
  return data;
}

/** A value as its type compares it. */
function comparable(name: string, value: string | number | null): bigint | number | string | null {
  if (value === null) return null;
  if (name === 'size') return sizes.indexOf(String(value));
  if (name === 'email') return String(value).toLowerCase();
  if (name === 'address')
    return String(value).includes('/') ? value : `${value}/${String(value).includes(':') ? 128 : 32}`;
  if (name === 'clock') return String(value).padEnd(15, '.000000');
  if (name === 'price')
    return (
      BigInt(Math.round(Number(String(value).split('.')[1] ?? 0))) * (String(value).startsWith('-') ? -1n : 1n) +
      BigInt(String(value).split('.')[0] ?? 0) * 100n
    );
  return name === 'padded' ? Buffer.from(String(value)).toString('hex') : value;
}

type Filter = Readonly<Record<string, unknown>>;

function matches(thing: Thing, filter: Filter): boolean {
  return Object.entries(filter).every(([name, sent]) => {
    if (name === 'and') return (sent as Filter[]).every((one) => matches(thing, one));
    if (name === 'or') return (sent as Filter[]).some((one) => matches(thing, one));
    if (name === 'not') return !matches(thing, sent as Filter);
    if (name === 'parent') {
      const { isNull, ...others } = sent as Filter;
      const parent = things.find(({ id }) => id === thing.parentId);
      if (isNull !== undefined && isNull !== (parent === undefined)) return false;
      return Object.keys(others).length === 0 || (parent !== undefined && matches(parent, others));
    }
    const own = comparable(name, thing[name as Name]);
    return Object.entries(sent as Filter).every(([operator, value]) => {
      if (operator === 'isNull') return value === (own === null);
      if (Array.isArray(value)) {
        const isIn = own !== null && value.some((one) => comparable(name, one as string) === own);
        return isIn === (operator === 'in');
      }
      const other = comparable(name, value as string);
      if (operator === 'ne') return own !== other;
      if (own === null || other === null) return false;
      if (operator === 'eq') return own === other;
      if (operator === 'lt') return own < other;
      if (operator === 'lte') return own <= other;
      return operator === 'gt' ? own > other : own >= other;
    });
  });
}

const columnConditions = fc.constantFrom(...(Object.keys(values) as (keyof typeof values)[])).chain((name) => {
  const value = fc.constantFrom(...values[name]);
  const isPresence = fc.tuple(fc.constant('isNull'), fc.boolean());
  const ranges = ['size', 'address', 'network'].includes(name) ? [] : ['lt', 'lte', 'gt', 'gte'];
  const comparisons = [
    fc.tuple(fc.constantFrom('eq', 'ne', ...ranges), value),
    fc.tuple(fc.constantFrom('in', 'notIn'), fc.array(value, { maxLength: 3 })),
  ];
  return fc
    .oneof(isPresence, ...(name === 'data' ? [] : comparisons))
    .map(([operator, sent]): Filter => ({ [name]: { [operator]: sent } }));
});

const { filter: filters } = fc.letrec<{ filter: Filter }>((tie) => ({
  filter: fc.oneof(
    { maxDepth: 2, withCrossShrink: true },
    columnConditions,
    columnConditions.map((parent): Filter => ({ parent })),
    fc.boolean().map((isNull): Filter => ({ parent: { isNull } })),
    fc.array(tie('filter'), { minLength: 1, maxLength: 2 }).map((and): Filter => ({ and })),
    fc.array(tie('filter'), { maxLength: 2 }).map((or): Filter => ({ or })),
    tie('filter').map((not): Filter => ({ not })),
  ),
}));

/** Addresses and networks are sorted by other rules. */
const sortable: Name[] = ['padded', 'local', 'clock', 'size', 'price', 'weight', 'parentId'];
const orders = fc
  .uniqueArray(fc.constantFrom(...sortable), { maxLength: 3 })
  .chain((names) =>
    fc.tuple(...names.map((name) => fc.record({ name: fc.constant(name), direction: fc.constantFrom('ASC', 'DESC') }))),
  );

function sorted(rows: readonly Thing[], order: readonly { name: Name; direction: string }[]): number[] {
  const keys = [...order, { name: 'id' as const, direction: order.at(-1)?.direction ?? 'ASC' }];
  return rows
    .toSorted((one, other) => {
      for (const { name, direction } of keys) {
        const [a, b] = [comparable(name, one[name]), comparable(name, other[name])];
        if (a === b) continue;
        const isLess = a !== null && (b === null || a < b);
        return isLess === (direction === 'ASC') ? -1 : 1;
      }
      return 0;
    })
    .map(({ id }) => id);
}

const page = `query ($filter: ComparedFilter, $orderBy: [ComparedOrder!], $first: Int, $last: Int, $after: String, $before: String) {
  things(filter: $filter, orderBy: $orderBy, first: $first, last: $last, after: $after, before: $before) {
    nodes { rowId } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}`;

async function walk(filter: Filter, orderBy: readonly object[], size: number, isBackward: boolean): Promise<number[]> {
  const found: number[] = [];
  let cursor: string | null = null;
  for (;;) {
    const bounds: object = isBackward ? { last: size, before: cursor } : { first: size, after: cursor };
    const { nodes, pageInfo }: AnyData = (await run(page, { filter, orderBy, ...bounds })).things;
    const ids = nodes.map(({ rowId }: AnyData) => rowId as number);
    if (isBackward) found.unshift(...ids);
    else found.push(...ids);
    if (!(isBackward ? pageInfo.hasPreviousPage : pageInfo.hasNextPage)) return found;
    cursor = isBackward ? pageInfo.startCursor : pageInfo.endCursor;
  }
}

describe('random filters, orders, pages and aggregates of an existing table', () => {
  it('return what an evaluation in memory returns', async () => {
    const kinds = new Set<string>();
    await fc.assert(
      fc.asyncProperty(
        filters,
        orders,
        fc.integer({ min: 9, max: 60 }),
        fc.boolean(),
        async (filter, order, size, isBackward) => {
          const matching = things.filter((thing) => matches(thing, filter));
          kinds.add(matching.length === 0 ? 'none' : matching.length === things.length ? 'all' : 'some');
          const orderBy = order.map(({ name, direction }) => ({ field: orderName(name), direction }));
          expect(await walk(filter, orderBy, size, isBackward)).toEqual(sorted(matching, order));
          const text = `query ($filter: ComparedFilter) { thingsAggregate(filter: $filter, groupBy: [SIZE]) {
          key { size } count sum { parentId } min { local clock } max { weight } } }`;
          const { thingsAggregate } = await run(text, { filter });
          expect(thingsAggregate).toEqual(groupsOf(matching));
        },
      ),
      { numRuns: 150 },
    );
    expect(kinds).toEqual(new Set(['none', 'some', 'all']));
  });
});

/** The aggregates of rows by size. */
function groupsOf(rows: readonly Thing[]): object[] {
  const groups = Map.groupBy(rows, ({ size }) => size);
  const order = [...sizes, null].filter((size) => groups.has(size));
  return order.map((size) => {
    const group = groups.get(size) ?? [];
    const present = <Value>(list: (Value | null)[]): Value[] => list.filter((value) => value !== null);
    const ids = present(group.map(({ parentId }) => parentId));
    const weights = present(group.map(({ weight }) => weight));
    return {
      key: { size },
      count: group.length,
      sum: { parentId: ids.length === 0 ? null : ids.reduce((sum, id) => sum + id, 0) },
      min: {
        local: present(group.map(({ local }) => local)).sort()[0] ?? null,
        clock: present(group.map(({ clock }) => clock)).sort()[0] ?? null,
      },
      max: { weight: weights.length === 0 ? null : Math.max(...weights) },
    };
  });
}

describe('a value that its type cannot hold', () => {
  it.each([
    [{ local: { eq: '2024-02-30T10:00:00' } }, 'local.eq must be a time of a day that exists'],
    [{ clock: { gt: '10:15:00+02' } }, 'clock.gt must be a time of day without an offset'],
    [{ clock: { gt: '24:15:00' } }, 'clock.gt must be a time of day'],
    [{ address: { in: ['192.0.2.1', '192.0.2.0/33'] } }, 'address.in must be an IP address'],
    [{ network: { eq: 'fe80::1%eth0' } }, 'network.eq must be an IP address'],
  ])('is rejected by one clear error: %j', async (filter, problem) => {
    const { codes, problems } = await executeOn({ schema, viewer: viewerOf(), db, indexes }, page, { filter });
    expect([codes, problems]).toEqual([['BAD_USER_INPUT'], [expect.stringContaining(problem)]]);
  });
});

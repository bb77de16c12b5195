import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { MikroORM } from '@mikro-orm/postgresql';
import type { GraphQLEnumType, GraphQLInputObjectType } from 'graphql';
import { sql } from 'kysely';
import { Role, type Viewer } from '../../src/auth/viewer.js';
import { databaseOf, openOrm } from '../../src/database/orm.js';
import { TableCatalog } from '../../src/database/table-facts.js';
import type { Database } from '../../src/database/tables.js';
import { isSession } from '../../src/graphql/permissions/rules.js';
import { columnRules } from '../../src/graphql/tables/column-rules.js';
import { maxItems } from '../../src/graphql/tables/column-types.js';
import { IndexGuard } from '../../src/graphql/filtering/index-guard.js';
import type { LiveSchema } from '../../src/graphql/schema/build-schema.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import type { AnyData } from '../support/gateway.js';
import { oddDomain } from '../support/odd-tables/domain.js';
import { executeOn, openTableSchema, runSql, type Executed } from '../support/odd-tables/execute.js';
import { EveryType } from '../support/odd-tables/entities.js';
import { oddTables } from '../support/odd-tables/fixture.js';
import { statementsOf } from '../support/statements.js';
import { viewerOf } from '../support/viewers.js';

let database: TestDatabase;
let orm: MikroORM;
let db: Database;
let schema: LiveSchema;
let indexes: IndexGuard;
/** By which every table is large. */
let strictIndexes: IndexGuard;
beforeAll(async () => {
  database = await createTestDatabase();
  orm = openOrm({ url: database.url, entities: oddDomain.existingTables ?? [], poolSize: 2 });
  db = databaseOf(orm);
  await runSql(database.url, oddTables);
  for (const [id, { userId }] of [user, manager, admin].entries())
    await sql`insert into odd.notes values (${id + 1}, ${userId}, 'a note')`.execute(db);
  await runSql(
    database.url,
    "create table odd.secrets (id integer primary key, text text not null); insert into odd.secrets values (1, 'one')",
  );
  await runSql(database.url, 'analyze');
  indexes = new IndexGuard(new TableCatalog(db), { maxUnindexedRows: 50_000 });
  strictIndexes = new IndexGuard(new TableCatalog(db), { maxUnindexedRows: 2 });
  schema = openTableSchema(oddDomain);
});
afterAll(async () => {
  await orm.close();
  await database.drop();
});

const user = viewerOf();
const manager = viewerOf({ role: Role.MANAGER });
const admin = viewerOf({ role: Role.ADMIN });

const execute = (
  viewer: Viewer,
  source: string,
  variables: Record<string, unknown> = {},
  guard = indexes,
): Promise<Executed> => executeOn({ schema, viewer, db, indexes: guard }, source, variables);

async function read(viewer: Viewer, source: string, variables: Record<string, unknown> = {}): Promise<AnyData> {
  const { data, codes } = await execute(viewer, source, variables);
  expect(codes).toEqual([]);
  return data;
}

describe('rows of existing tables', () => {
  it('have all digits, and null for what GraphQL cannot represent', async () => {
    const fields =
      'rowId large exact price single double padded mood moods tags numbers days born at local clock span bytes data document address valid doubled';
    const { every } = await read(user, `{ every { nodes { ${fields} } } }`);
    expect(every.nodes[0]).toEqual({
      rowId: '1',
      large: '9007199254740993',
      exact: '1234567890123456.7890',
      price: '19.90',
      single: 0.5,
      double: null,
      padded: 'ab',
      mood: 'IN_BETWEEN',
      moods: ['HAPPY', 'GROESSER'],
      tags: [],
      numbers: [1, null, 3],
      days: ['2024-02-29'],
      born: '2024-02-29',
      at: new Date('2024-02-29T10:15:30.123Z'),
      local: '2024-02-29T10:15:30.123456',
      clock: '10:15:00',
      span: 'P0M1DT2H0M0S',
      bytes: 'AP8=',
      data: [1, null],
      document: { a: 1 },
      address: '192.0.2.1/32',
      valid: '[1,5)',
      doubled: 2,
    });
    expect(every.nodes[1]).toMatchObject({
      exact: null,
      single: null,
      born: null,
      at: null,
      local: null,
      numbers: [],
      valid: 'empty',
    });
    expect(every.nodes[1].tags).toHaveLength(maxItems);
  });

  it('are found by IDs of composite keys, and as nodes', async () => {
    const { lines } = await read(user, '{ lines { nodes { id article } } }');
    for (const { id, article } of lines.nodes)
      expect(
        await read(user, 'query ($id: ID!) { line(id: $id) { article } node(id: $id) { __typename id } }', { id }),
      ).toEqual({
        line: { article },
        node: { __typename: 'OrderLine', id },
      });
    expect(new Set(lines.nodes.map(({ id }: AnyData) => id)).size).toBe(9);
  });

  it('keep the microseconds of a key', async () => {
    const { times } = await read(user, '{ times(first: 1) { nodes { id value } pageInfo { endCursor } } }');
    expect(times.nodes[0].value).toBe(1);
    const { endCursor } = times.pageInfo;
    const rest = await read(user, 'query ($after: String) { times(after: $after) { nodes { id value } } }', {
      after: endCursor,
    });
    expect(rest.times.nodes.map(({ value }: AnyData) => value)).toEqual([2]);
    const { id } = rest.times.nodes[0];
    expect(await read(user, 'query ($id: ID!) { time(id: $id) { value } }', { id })).toEqual({ time: { value: 2 } });
  });

  it('are paged in both directions, each once', async () => {
    const all = (await read(user, '{ lines { totalCount nodes { id } } }')).lines;
    expect(all.totalCount).toBe(9);
    for (const [size, after] of [
      ['first', 'after'],
      ['last', 'before'],
    ] as const) {
      const seen: string[] = [];
      let cursor: string | null = null;
      do {
        const page: AnyData = await read(
          user,
          `query ($cursor: String) { lines(${size}: 2, ${after}: $cursor) { nodes { id } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }`,
          { cursor },
        );
        const ids = page.lines.nodes.map(({ id }: AnyData) => id);
        seen[size === 'first' ? 'push' : 'unshift'](...ids);
        const { hasNextPage, hasPreviousPage, startCursor, endCursor } = page.lines.pageInfo;
        cursor = size === 'first' ? (hasNextPage ? endCursor : null) : hasPreviousPage ? startCursor : null;
      } while (cursor !== null);
      expect(seen).toEqual(all.nodes.map(({ id }: AnyData) => id));
    }
  });

  it('take one statement for each level of lists, which referenced rows join, whatever the number of rows', async () => {
    const text = (first: number) =>
      `{ orders(first: ${first}) { nodes { placedAt lines(first: 2) { totalCount nodes { article order { placedAt } } } } } }`;
    const count = async (first: number) => (await statementsOf(() => read(user, text(first)))).length;
    await read(user, text(1)); // Facts of the tables are read once.
    expect(await count(1)).toBe(3);
    expect(await count(3)).toBe(3);
    const { orders } = await read(user, text(3));
    expect(orders.nodes.map((order: AnyData) => [order.lines.totalCount, order.lines.nodes.length])).toEqual([
      [3, 2],
      [3, 2],
      [3, 2],
    ]);
  });

  it('have the row that they reference, joined to a page or loaded', async () => {
    const fields = 'id shop orderNumber order { shop number lines(first: 1) { nodes { order { number } } } }';
    const text = `query ($id: ID!) { all: lines { nodes { ${fields} } } last: lines(last: 2) { nodes { ${fields} } }
      line(id: $id) { ${fields} } node(id: $id) { ... on OrderLine { ${fields} } } }`;
    const { lines } = await read(user, '{ lines(last: 1) { nodes { id } } }');
    const { all, last, line, node } = await read(user, text, lines.nodes[0]);
    const found = [...all.nodes, ...last.nodes, line, node];
    expect(found).toHaveLength(13);
    for (const { shop, orderNumber: number, order } of found)
      expect(order).toEqual({ shop, number, lines: { nodes: [{ order: { number } }] } });
  });

  it('name the table in the log if the database has changed, and are read once it is as before', async () => {
    const text = '{ every { nodes { exact } } }';
    await sql`alter table odd.every_type rename column exact to inexact`.execute(db);
    const { codes } = await execute(user, text);
    await sql`alter table odd.every_type rename column inexact to exact`.execute(db);
    expect(codes).toEqual([
      expect.stringMatching(/^The type of "odd"\."every_type".* column t\.exact does not exist\. Change the entity/),
    ]);
    expect((await execute(user, text)).codes).toEqual([]);
  });

  it('are read with the selected columns only', async () => {
    const [statement = ''] = await statementsOf(() => read(user, '{ every { nodes { large } } }'));
    expect(statement).toContain('"large"');
    expect(statement).not.toContain('"exact"');
  });

  it.each([
    ['line', 'line'],
    ['line', `oddline_${'x'.repeat(9000)}`],
    ['line', `oddline_${Buffer.from('["1","1"]').toString('base64url')}`],
    ['line', `oddline_${Buffer.from('["1","1","99999999999"]').toString('base64url')}`],
    ['line', `oddline_${Buffer.from('["1","1","1; drop"]').toString('base64url')}`],
    ['time', `oddtime_${Buffer.from('["2024-02-30T00:00:00.000000Z"]').toString('base64url')}`],
    ['node', `oddline_${Buffer.from('[1,1,1]').toString('base64url')}`],
  ])('reject a malformed ID of %s: case %#', async (field, id) => {
    expect((await execute(user, `query ($id: ID!) { ${field}(id: $id) { id } }`, { id })).codes).toEqual([
      'BAD_USER_INPUT',
    ]);
  });

  it.each([
    'x',
    'x'.repeat(30_000),
    Buffer.from('["shop,number","1"]').toString('base64url'),
    Buffer.from('["number","1","1"]').toString('base64url'),
    Buffer.from('["shop,number","1","no number"]').toString('base64url'),
  ])('reject a malformed cursor: case %#', async (after) => {
    const { codes } = await execute(user, 'query ($after: String) { orders(after: $after) { nodes { id } } }', {
      after,
    });
    expect(codes).toEqual(['BAD_USER_INPUT']);
  });

  it('are hidden from anonymous callers and from API keys', async () => {
    const key = viewerOf({ kind: 'apiKey', role: Role.ADMIN });
    const { lines } = await read(user, '{ lines(first: 1) { nodes { id } } }');
    const text = 'query ($id: ID!) { line(id: $id) { id } lines { nodes { id } } }';
    expect((await execute({ kind: 'anonymous' }, text, lines.nodes[0])).codes).toEqual([
      'UNAUTHENTICATED',
      'UNAUTHENTICATED',
    ]);
    expect((await execute(key, text, lines.nodes[0])).codes).toEqual(['FORBIDDEN', 'FORBIDDEN']);
  });
});

describe('filters and orders of existing tables', () => {
  const page = `query ($filter: SortedFilter, $orderBy: [SortedOrder!], $first: Int, $last: Int, $after: String, $before: String) {
    sorted(filter: $filter, orderBy: $orderBy, first: $first, last: $last, after: $after, before: $before) {
      totalCount nodes { rowId number word mood } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
  }`;
  const rowIds = async (variables: Record<string, unknown>): Promise<number[]> => {
    const { sorted } = await read(user, page, { first: 100, ...variables });
    return sorted.nodes.map(({ rowId }: AnyData) => rowId);
  };
  const columns = { ROW_ID: 'id', NUMBER: 'number', WORD: 'word', AT: 'at' };

  it('sort by several columns with nulls and microseconds, and page through each order in both directions', async () => {
    const fields = Object.keys(columns) as (keyof typeof columns)[];
    const orders = fields.flatMap((first, index) =>
      (['ASC', 'DESC'] as const).flatMap((direction) => [
        [{ field: first, direction }],
        [
          { field: first, direction },
          { field: fields[(index + 1) % fields.length] ?? first, direction: 'DESC' as const },
        ],
      ]),
    );
    for (const orderBy of orders) {
      const last = orderBy.at(-1)?.direction ?? 'ASC';
      const terms = [...orderBy.map(({ field, direction }) => `${columns[field]} ${direction}`), `id ${last}`];
      const { rows } = await sql<{
        id: number;
      }>`select id from odd.sorted order by ${sql.raw(terms.join(', '))}`.execute(db);
      const expected = rows.map(({ id }) => id);
      expect(await rowIds({ orderBy })).toEqual(expected);
      const forward: number[] = [];
      let after: string | null = null;
      do {
        const { sorted }: AnyData = await read(user, page, { orderBy, first: 7, after });
        forward.push(...sorted.nodes.map(({ rowId }: AnyData) => rowId));
        after = sorted.pageInfo.hasNextPage ? sorted.pageInfo.endCursor : null;
      } while (after !== null);
      expect(forward).toEqual(expected);
      const backward: number[] = [];
      let before: string | null = null;
      do {
        const { sorted }: AnyData = await read(user, page, { orderBy, last: 11, before });
        backward.unshift(...sorted.nodes.map(({ rowId }: AnyData) => rowId));
        before = sorted.pageInfo.hasPreviousPage ? sorted.pageInfo.startCursor : null;
      } while (before !== null);
      expect(backward).toEqual(expected);
    }
  });

  it.each([
    [{ number: { eq: 3 } }, 'number = 3'],
    [{ number: { isNull: true } }, 'number is null'],
    [{ number: { gte: 1, lt: 3 }, word: { in: ['a', 'b'] } }, "number >= 1 and number < 3 and word in ('a', 'b')"],
    [{ word: { gt: 'd' } }, "word > 'd'"],
    [{ mood: { eq: 'IN_BETWEEN' } }, "mood = 'in between'"],
    [
      { or: [{ number: { eq: 1 } }, { rowId: { lte: 3 } }], not: { word: { eq: 'b' } } },
      "(number = 1 or id <= 3) and (word = 'b') is not true",
    ],
  ])('filter by %j', async (filter, condition) => {
    const { rows } = await sql<{
      id: number;
    }>`select id from odd.sorted where ${sql.raw(condition)} order by id`.execute(db);
    expect(rows.length).toBeGreaterThan(2);
    expect(await rowIds({ filter })).toEqual(rows.map(({ id }) => id));
    const { sorted } = await read(user, page, { filter, first: 1 });
    expect(sorted.totalCount).toBe(rows.length);
  });

  it.each([
    [{ filter: { word: { ne: 'a' } } }, 'filter'],
    [{ filter: { word: { contains: 'a' } } }, 'filter'],
    [{ filter: { not: { number: { eq: 1 } } } }, 'filter'],
  ])('reject %j on a large table, since no index serves it', async (variables, field) => {
    const { codes, problems } = await execute(user, page, variables, strictIndexes);
    expect(codes).toEqual(['BAD_USER_INPUT']);
    expect(problems).toEqual([expect.stringMatching(new RegExp(`^${field} would read all of "odd"."sorted"`))]);
  });

  it('need an index in the order of the condition: no other collation, no other order, and all rows', async () => {
    const run = async (filter: object) => {
      const text = 'query ($filter: OrderLineFilter) { lines(filter: $filter) { totalCount } }';
      return (await execute(user, text, { filter }, strictIndexes)).problems;
    };
    expect(await run({ article: { eq: 'article 1' } })).toEqual([
      expect.stringContaining('no index serves article.eq'),
    ]);
    expect(await run({ article: { isNull: true } })).toEqual([]);
    expect(await run({ shop: { eq: 1 }, article: { eq: 'article 1' } })).toEqual([]);
  });

  it('reject a relation of a large table whose foreign key has no index', async () => {
    const { codes } = await execute(admin, `{ notesOf(userId: "${user.userId}") { totalCount } }`, {}, strictIndexes);
    expect(codes).toEqual(['BAD_USER_INPUT']);
    expect((await execute(admin, '{ notes { totalCount } }', {}, strictIndexes)).codes).toEqual([]);
  });

  it('have separate counts in one operation', async () => {
    const text =
      '{ orders(first: 2) { nodes { a: lines(filter: { shop: { eq: 1 } }) { totalCount } b: lines(filter: { shop: { eq: 9 } }) { totalCount } } } }';
    const { orders } = await read(user, text);
    expect(orders.nodes).toEqual([
      { a: { totalCount: 3 }, b: { totalCount: 0 } },
      { a: { totalCount: 3 }, b: { totalCount: 0 } },
    ]);
  });

  it('exist for all columns; an order by a text needs an index', () => {
    const types = schema.current.getTypeMap();
    const fields = (types.OrderHeaderFilter as GraphQLInputObjectType).getFields();
    expect(Object.keys(fields)).toEqual(['shop', 'number', 'placedAt', 'and', 'or', 'not', 'secret']);
    const orders = (types.OrderLineOrderField as GraphQLEnumType).getValues().map(({ name }) => name);
    expect(orders).toEqual(['SHOP', 'ORDER_NUMBER', 'LINE']);
  });
});

describe('conditions on related rows', () => {
  it.each<[object, string]>([
    [{ next: { word: { eq: 'b' } } }, "exists (select from odd.sorted r where r.id = t.number and word = 'b')"],
    [{ next: { isNull: true } }, 'number is null'],
    [
      { or: [{ next: { mood: { ne: 'HAPPY' } } }, { rowId: { lt: 5 } }], not: { next: { rowId: { in: [2] } } } },
      `(exists (select from odd.sorted r where r.id = t.number and r.mood is distinct from 'happy') or id < 5)
       and number is distinct from 2`,
    ],
  ])('are those of SQL: %j', async (filter, condition) => {
    const { rows } = await sql<{
      id: number;
    }>`select id from odd.sorted t where ${sql.raw(condition)} order by id`.execute(db);
    expect(rows.length).toBeGreaterThan(2);
    expect(rows.length).toBeLessThan(60);
    const { sorted } = await read(
      user,
      'query ($filter: SortedFilter) { sorted(filter: $filter, first: 100) { nodes { rowId } } }',
      { filter },
    );
    expect(sorted.nodes.map(({ rowId }: AnyData) => rowId)).toEqual(rows.map(({ id }) => id));
  });

  it('follow foreign keys of several columns', async () => {
    const filter = { order: { number: { eq: 2 } } };
    const { lines } = await read(user, 'query ($filter: OrderLineFilter) { lines(filter: $filter) { totalCount } }', {
      filter,
    });
    expect(lines.totalCount).toBe(3);
  });

  it('are met by rows that the viewer may see alone', async () => {
    const text = '{ sorted(filter: { note: { text: { eq: "a note" } } }, first: 100) { nodes { number } } }';
    const numbers = async (viewer: Viewer): Promise<number[]> => [
      ...new Set<number>((await read(viewer, text)).sorted.nodes.map(({ number }: AnyData) => number)),
    ];
    expect(await numbers(user)).toEqual([1]);
    expect(await numbers(manager)).toEqual([2]);
    expect((await numbers(admin)).sort()).toEqual([1, 2, 3]);
    expect(await numbers(viewerOf())).toEqual([]);
  });

  it.each([
    '{ orders(filter: { secret: { text: { startsWith: "o" } } }) { nodes { number } } }',
    '{ orders(filter: { not: { or: [{ secret: { rowId: { eq: 1 } } }] } }) { totalCount } }',
    '{ orders(first: 1) { nodes { lines { nodes { order { number } } } } } a: orders(filter: { secret: { rowId: { gt: 0 } } }) { totalCount } }',
  ])('need access to the related type: %s', async (text) => {
    for (const viewer of [user, manager]) expect((await execute(viewer, text)).codes).toEqual(['FORBIDDEN']);
    expect((await execute(admin, text)).codes).toEqual([]);
  });

  it('are judged by the indexes of both tables', async () => {
    const check = async (filter: object) =>
      (
        await execute(
          user,
          'query ($filter: SortedFilter) { sorted(filter: $filter) { totalCount } }',
          { filter },
          strictIndexes,
        )
      ).codes;
    expect(await check({ next: { word: { eq: 'b' } } })).toEqual([]);
    expect(await check({ next: { word: { ne: 'b' } } })).toEqual(['BAD_USER_INPUT']);
    expect(await check({ or: [{ next: { word: { eq: 'b' } } }] })).toEqual(['BAD_USER_INPUT']);
  });
});

describe('aggregates of existing tables', () => {
  const aggregate = (viewer: Viewer, selection: string, variables: Record<string, unknown> = {}, guard = indexes) =>
    execute(
      viewer,
      `query ($filter: SortedFilter, $groupBy: [SortedGroupBy!]) { sortedAggregate(filter: $filter, groupBy: $groupBy) { ${selection} } }`,
      variables,
      guard,
    );

  it('are those of SQL, in groups by values, years and months', async () => {
    const { rows } =
      await sql<AnyData>`select mood, extract(year from at at time zone 'UTC')::integer as year, count(*)::integer as count,
      sum(number)::float8 as sum, avg(number)::float8 as avg, min(hidden)::text as min, max(at) as max
      from odd.sorted where number >= 1 group by 1, 2 order by 1, 2`.execute(db);
    expect(rows).toHaveLength(3);
    const selection = 'key { mood atYear atMonth } count sum { number } avg { number } min { hidden } max { at }';
    const { data } = await aggregate(admin, selection, {
      filter: { number: { gte: 1 } },
      groupBy: ['MOOD', 'AT_YEAR', 'AT_MONTH'],
    });
    const moods: Record<string, string> = { happy: 'HAPPY', 'in between': 'IN_BETWEEN' };
    expect(data.sortedAggregate).toEqual(
      rows.map(({ mood, year, count, sum, avg, min, max }) => ({
        key: { mood: mood === null ? null : moods[mood], atYear: year, atMonth: `${year}-01-01` },
        count,
        sum: { number: sum },
        avg: { number: avg },
        min: { hidden: min },
        max: { at: max },
      })),
    );
  });

  it('have all digits, and omit what GraphQL cannot represent', async () => {
    const { everyAggregate } = await read(
      admin,
      '{ everyAggregate { count sum { large exact single double } avg { single double } min { exact double born at } max { large single born } } }',
    );
    expect(everyAggregate).toEqual([
      {
        count: 2,
        sum: { large: '9007199254740993', exact: '1234567890123456.7890', single: 0.5, double: null },
        avg: { single: 0.5, double: null },
        min: {
          exact: '1234567890123456.7890',
          double: null,
          born: '2024-02-29',
          at: new Date('2024-02-29T10:15:30.123Z'),
        },
        max: { large: '9007199254740993', single: 0.5, born: '2024-02-29' },
      },
    ]);
  });

  it('are those of the rows that the viewer may see', async () => {
    const counts = await Promise.all(
      [user, manager, admin, viewerOf()].map(
        async (viewer) => (await read(viewer, '{ notesAggregate { count max { rowId } } }')).notesAggregate,
      ),
    );
    expect(counts).toEqual([
      [{ count: 1, max: { rowId: 1 } }],
      [{ count: 1, max: { rowId: 2 } }],
      [{ count: 3, max: { rowId: 3 } }],
      [{ count: 0, max: { rowId: null } }],
    ]);
    const key = viewerOf({ kind: 'apiKey', role: Role.ADMIN });
    expect((await execute({ kind: 'anonymous' }, '{ notesAggregate { count } }')).codes).toEqual(['UNAUTHENTICATED']);
    expect((await execute(key, '{ notesAggregate { count } }')).codes).toEqual(['FORBIDDEN']);
  });

  it('of a large table need a filter that an index serves', async () => {
    expect((await aggregate(user, 'count', {}, strictIndexes)).problems).toEqual([
      expect.stringMatching(/^filter would read all of "odd"."sorted".* is absent/),
    ]);
    expect((await aggregate(user, 'count', { filter: { number: { eq: 3 } } }, strictIndexes)).codes).toEqual([]);
    // The owner's column has no index.
    expect((await execute(user, '{ notesAggregate { count } }', {}, strictIndexes)).problems).toEqual([
      expect.stringContaining('no index serves userId'),
    ]);
  });

  it('reject sums that no number holds, by one clear error', async () => {
    await sql`insert into odd.every_type (small, double, mood, positive) values (7, 1.7e308, null, 1), (7, 1.7e308, null, 1)`.execute(
      db,
    );
    const { codes, problems } = await execute(admin, '{ everyAggregate { sum { double } } }');
    await sql`delete from odd.every_type where small = 7`.execute(db);
    expect([codes, problems]).toEqual([['BAD_USER_INPUT'], [expect.stringContaining('out of range')]]);
  });
});

describe('a column that some roles read', () => {
  const denied: [string, string][] = [
    ['as a field', '{ sorted { nodes { hidden } } }'],
    ['by a filter', '{ sorted(filter: { hidden: { gt: "0" } }) { totalCount } }'],
    ['by a filter inside not', '{ sorted(filter: { not: { or: [{ hidden: { isNull: true } }] } }) { totalCount } }'],
    ['by an order', '{ sorted(orderBy: [{ field: HIDDEN }]) { nodes { rowId } } }'],
    ['by an aggregate', '{ sortedAggregate { max { hidden } } }'],
    ['by the filter of an aggregate', '{ sortedAggregate(filter: { hidden: { eq: "0" } }) { count } }'],
  ];
  it.each(denied)('is hidden from others %s', async (_name, text) => {
    for (const viewer of [user, manager]) {
      const { codes, data } = await execute(viewer, text);
      expect(new Set(codes)).toEqual(new Set(['FORBIDDEN']));
      expect(JSON.stringify(data)).not.toMatch(/\d/);
    }
    expect((await execute(admin, text)).codes).toEqual([]);
  });

  it('has no rule of another kind, which filters would not follow', () => {
    expect(() => columnRules([EveryType], [{ EveryType: { large: isSession } }])).toThrow(
      'Declare the roles of EveryType.large by readableBy',
    );
  });
});

describe('rows with an owner', () => {
  it.each<[string, Viewer, number[]]>([
    ['a USER', user, [1]],
    ['a MANAGER', manager, [2]],
    ['an ADMIN', admin, [1, 2, 3]],
    ['a USER without rows', viewerOf(), []],
  ])('are those of %s', async (_name, viewer, expected) => {
    const { notes } = await read(viewer, '{ notes { totalCount nodes { rowId } } }');
    expect(notes).toEqual({ totalCount: expected.length, nodes: expected.map((rowId) => ({ rowId })) });
    const { notes: all } = await read(admin, '{ notes { nodes { id rowId userId } } }');
    for (const { id, rowId, userId } of all.nodes) {
      const isVisible = expected.includes(rowId);
      const text =
        'query ($id: ID!, $userId: String!) { note(id: $id) { rowId } node(id: $id) { id } notesOf(userId: $userId) { totalCount nodes { rowId } } }';
      expect(await read(viewer, text, { id, userId })).toEqual({
        note: isVisible ? { rowId } : null,
        node: isVisible ? { id } : null,
        notesOf: isVisible ? { totalCount: 1, nodes: [{ rowId }] } : { totalCount: 0, nodes: [] },
      });
    }
  });
});

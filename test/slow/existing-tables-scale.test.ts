import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TableCatalog } from '../../src/database/table-facts.js';
import { IndexGuard } from '../../src/graphql/filtering/index-guard.js';
import type { LiveSchema } from '../../src/graphql/schema/build-schema.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { openExplainer, type Explained, type Explainer } from '../support/explain.js';
import { oddDomain } from '../support/odd-tables/domain.js';
import { executeOn, openTableSchema, runSql } from '../support/odd-tables/execute.js';
import { oddTables } from '../support/odd-tables/fixture.js';
import { viewerOf } from '../support/viewers.js';

const rowCount = 200_000;

let database: TestDatabase;
let explainer: Explainer;
let schema: LiveSchema;
beforeAll(async () => {
  database = await createTestDatabase();
  await runSql(database.url, oddTables);
  await runSql(
    database.url,
    `insert into odd.sorted select n, n % 50000, 'word ' || n % 30000, (array['happy', 'in between', 'größer', '1st'])[1 + n % 4]::odd.mood,
       timestamptz '2024-01-01' + n * interval '1 minute' from generate_series(1000, ${rowCount}) n;
     analyze odd.sorted`,
  );
  explainer = openExplainer(database.url);
  schema = openTableSchema(oddDomain);
}, 120_000);
afterAll(async () => {
  await explainer.close();
  await database.drop();
});

/** Explains the statements of a page, without those that read facts of the tables. */
async function explained(
  variables: Record<string, unknown>,
  text = 'query ($filter: SortedFilter, $orderBy: [SortedOrder!], $first: Int, $last: Int, $after: String, $before: String) { sorted(filter: $filter, orderBy: $orderBy, first: $first, last: $last, after: $after, before: $before) { nodes { rowId } pageInfo { endCursor } } }',
): Promise<{ statements: Explained[]; codes: unknown[] }> {
  let codes: unknown[] = [];
  const statements = await explainer.explain(async (db) => {
    const indexes = new IndexGuard(new TableCatalog(db), { maxUnindexedRows: 50_000 });
    const run = executeOn({ schema, viewer: viewerOf(), db, indexes }, text, { first: 20, ...variables });
    const { codes: found, data } = await run;
    codes = found;
    lastCursor = data?.sorted?.pageInfo.endCursor ?? null;
  });
  return { statements: statements.filter(({ sql }) => sql.includes('"odd"."sorted"')), codes };
}
let lastCursor: string | null = null;

const values: Record<string, [one: unknown, other: unknown]> = {
  rowId: [5000, 5010],
  number: [70, 75],
  word: ['word 70', 'word 75'],
  mood: ['HAPPY', 'IN_BETWEEN'],
  at: ['2024-02-01T00:00:00Z', '2024-02-01T00:10:00Z'],
};

describe(`a table of ${rowCount} rows`, () => {
  it.each(
    ['ROW_ID', 'NUMBER', 'WORD', 'AT'].flatMap((field) =>
      (['ASC', 'DESC'] as const).map((direction) => [field, direction] as const),
    ),
  )('is sorted by %s %s by an index', async (field, direction) => {
    const { statements } = await explained({ orderBy: [{ field, direction }] });
    const next = await explained({ orderBy: [{ field, direction }], after: lastCursor });
    for (const { sequentialScans, rows, plan } of [...statements, ...next.statements]) {
      expect({ sequentialScans, plan }).toEqual({ sequentialScans: [], plan });
      expect({ isBounded: rows < 500, plan }).toEqual({ isBounded: true, plan });
    }
    expect([statements.length, next.statements.length]).toEqual([1, 1]);
  });

  it.each(
    (
      [
        ['ROW_ID', { rowId: { gte: 100_000 } }],
        ['NUMBER', { number: { gte: 25_000 } }],
        ['WORD', { word: { gte: 'word 2' } }],
        ['AT', { at: { gte: '2024-03-01T00:00:00Z' } }],
      ] as const
    ).flatMap(([field, filter]) => (['ASC', 'DESC'] as const).map((direction) => [field, direction, filter] as const)),
  )('is read from the middle of %s %s on, also of a column with nulls', async (field, direction, filter) => {
    const orderBy = [
      { field, direction },
      { field: field === 'ROW_ID' ? 'AT' : 'ROW_ID', direction: 'DESC' },
    ];
    await explained({ orderBy, filter });
    for (const position of [{ after: lastCursor }, { first: null, last: 20, before: lastCursor }]) {
      const { statements, codes } = await explained({ orderBy, ...position });
      expect([codes, statements.length]).toEqual([[], 1]);
      for (const { rows, plan } of statements)
        expect({ isBounded: rows < 500, plan }).toEqual({ isBounded: true, plan });
    }
  });

  it.each([
    { next: { word: { eq: 'word 70' } } },
    { next: { rowId: { in: [2000, 2001] } }, mood: { eq: 'HAPPY' } },
    { number: { eq: 70 }, next: { mood: { ne: 'HAPPY' } } },
  ])('is filtered and aggregated by a related row by indexes: %j', async (filter) => {
    const { statements, codes } = await explained({ filter });
    const text =
      'query ($filter: SortedFilter) { sortedAggregate(filter: $filter, groupBy: [MOOD]) { count max { number } } }';
    const aggregate = await explained({ filter }, text);
    expect([codes, aggregate.codes, statements.length, aggregate.statements.length]).toEqual([[], [], 1, 1]);
    for (const { sequentialScans, plan } of [...statements, ...aggregate.statements])
      expect({ sequentialScans, plan }).toEqual({ sequentialScans: [], plan });
  });

  it.each(
    Object.entries(values).flatMap(([column, [one, other]]): [string, object][] => [
      [column, { eq: one }],
      [column, { in: [one, other] }],
      ...(column === 'mood' ? [] : [[column, { gte: one, lt: other }] satisfies [string, object]]),
    ]),
  )('is filtered by %s %j by an index', async (column, condition) => {
    const { statements, codes } = await explained({ filter: { [column]: condition } });
    expect(codes).toEqual([]);
    expect(statements).toHaveLength(1);
    for (const { sequentialScans, plan } of statements)
      expect({ sequentialScans, plan }).toEqual({ sequentialScans: [], plan });
  });

  it.each([
    { filter: { word: { ne: 'a' } } },
    { filter: { word: { startsWith: 'word' } } },
    { filter: { not: { number: { eq: 1 } } } },
  ])('is not read by %j', async (variables) => {
    const { statements, codes } = await explained(variables);
    expect(codes).toEqual(['BAD_USER_INPUT']);
    expect(statements).toEqual([]);
  });
});

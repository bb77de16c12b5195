import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newId } from '../../src/database/base.entity.js';
import { seedEmployees } from '../../packages/demo-data/src/index.ts';
import { encodeId } from '../../src/graphql/relay/global-id.js';
import {
  codesOf,
  fieldsOf,
  startGateway,
  type GraphQLResponse,
  type AnyData,
  type TestGateway,
  type Variables,
} from '../support/gateway.js';
import { statementsOf } from '../support/statements.js';

let gateway: TestGateway;
beforeAll(async () => {
  // Counts statements without cached rows.
  gateway = await startGateway({ MAX_QUERY_COST: '100000', QUERY_CACHE: 'false' });
  await seedEmployees(gateway.db, 1_000);
  const now = new Date();
  await gateway.db
    .insertInto('department')
    .values({ id: newId(), name: 'Vacant', created_at: now, updated_at: now })
    .execute();
});
afterAll(() => gateway.close());

async function execute(document: string, variables: Variables = {}): Promise<AnyData> {
  const response: GraphQLResponse<AnyData> = await gateway.execute<AnyData>('user', document, variables);
  expect(response.errors).toEqual([]);
  return response.data;
}

const rowsByName = () => gateway.db.selectFrom('employee').selectAll().orderBy('name').orderBy('id').execute();
const idOf = (row: { id: string }) => encodeId('employee', row.id);

interface Page {
  totalCount: number;
  nodes: { id: string }[];
  edges: { cursor: string }[];
  pageInfo: { hasNextPage: boolean; hasPreviousPage: boolean; endCursor: string | null };
}
const page = 'totalCount nodes { id } edges { cursor } pageInfo { hasNextPage hasPreviousPage endCursor }';

describe('departments', () => {
  it('are listed by name with their headcounts, including an empty one', async () => {
    const rows = await rowsByName();
    const departments = await gateway.db.selectFrom('department').selectAll().orderBy('name').execute();
    const { departments: returned } = await execute('{ departments { id name headcount } }');
    expect(returned).toEqual(
      departments.map(({ id, name }) => ({
        id: encodeId('department', id),
        name,
        headcount: rows.filter((row) => row.department_id === id).length,
      })),
    );
    expect(returned.at(-1)).toMatchObject({ name: 'Vacant', headcount: 0 });
    expect(rows).toHaveLength(1_240);
  });

  it('return their employees by name in pages of 20 by default and up to 100', async () => {
    const rows = await rowsByName();
    const response = await execute(
      `{ departments { id headcount usual: employees { ${page} } long: employees(first: 1000) { ${page} } none: employees(first: 0) { ${page} } } }`,
    );
    for (const { id, headcount, usual, long, none } of response.departments as {
      id: string;
      headcount: number;
      usual: Page;
      long: Page;
      none: Page;
    }[]) {
      const expected = rows.filter((row) => encodeId('department', row.department_id) === id).map(idOf);
      expect(usual.nodes.map((node) => node.id)).toEqual(expected.slice(0, 20));
      expect(long.nodes.map((node) => node.id)).toEqual(expected.slice(0, 100));
      expect(none).toMatchObject({ nodes: [], edges: [], pageInfo: { hasNextPage: headcount > 0, endCursor: null } });
      expect([usual.totalCount, long.totalCount, none.totalCount]).toEqual([headcount, headcount, headcount]);
      expect(usual.pageInfo).toMatchObject({ hasNextPage: headcount > 20, hasPreviousPage: false });
    }
  });

  it('return the next page after a cursor, each employee once', async () => {
    const rows = await rowsByName();
    const { departments } = await execute('{ departments { id } }');
    const [{ id }] = departments as [{ id: string }];
    const seen: string[] = [];
    let after: string | null = null;
    for (let pages = 0; pages < 10; pages++) {
      const response = await execute(
        `query ($after: String) { departments { id employees(first: 60, after: $after) { ${page} } } }`,
        { after },
      );
      const [{ employees }] = response.departments as [{ employees: Page }];
      expect(employees.pageInfo.hasPreviousPage).toBe(after !== null);
      seen.push(...employees.nodes.map((node) => node.id));
      after = employees.pageInfo.endCursor;
      if (!employees.pageInfo.hasNextPage) break;
    }
    expect(seen).toEqual(rows.filter((row) => encodeId('department', row.department_id) === id).map(idOf));
    expect(seen.length).toBeGreaterThan(120);
  });

  it('are available to their employees without another statement', async () => {
    const document =
      '{ departments { id employees(first: 3) { nodes { department { id name } } edges { node { department { id } } } } } }';
    const statements = await statementsOf(async () => {
      const { departments } = await execute(document);
      for (const { id, employees } of departments as { id: string; employees: AnyData }[]) {
        expect((employees.nodes as AnyData[]).every((node: AnyData) => node.department.id === id)).toBe(true);
        expect((employees.edges as AnyData[]).every((edge: AnyData) => edge.node.department.id === id)).toBe(true);
      }
    });
    expect(statements).toHaveLength(2);
  });
});

describe('the reports of an employee', () => {
  it('are paginated by name for each manager of a page', async () => {
    const rows = await rowsByName();
    const document = `query ($after: String) { employees(first: 50, filter: { search: "Team Lead" }) { nodes { id reports(first: 3, after: $after) { ${page} } } } }`;
    const first = await execute(document);
    const managers = first.employees.nodes as { id: string; reports: Page }[];
    expect(managers).toHaveLength(50);
    for (const { id, reports } of managers) {
      const expected = rows
        .filter((row) => row.manager_id !== null && encodeId('employee', row.manager_id) === id)
        .map(idOf);
      expect(reports.nodes.map((node) => node.id)).toEqual(expected.slice(0, 3));
      expect(reports.totalCount).toBe(expected.length);
      expect(reports.pageInfo).toMatchObject({ hasNextPage: expected.length > 3, hasPreviousPage: false });
    }

    const [one] = managers.filter(({ reports }) => reports.pageInfo.hasNextPage);
    const after = one?.reports.pageInfo.endCursor;
    const position = rows.findIndex((row) => idOf(row) === one?.reports.nodes.at(-1)?.id);
    const second = await execute(document, { after });
    for (const { id, reports } of second.employees.nodes as { id: string; reports: Page }[]) {
      const following = rows
        .slice(position + 1)
        .filter((row) => row.manager_id !== null && encodeId('employee', row.manager_id) === id);
      expect(reports.nodes.map((node) => node.id)).toEqual(following.slice(0, 3).map(idOf));
      expect(reports.pageInfo.hasPreviousPage).toBe(true);
    }
  });

  it('can be selected with different pages in one operation', async () => {
    const rows = await rowsByName();
    const { employees } = await execute(
      '{ employees(first: 10, filter: { search: "Team Lead" }) { nodes { id a: reports(first: 1) { nodes { id } } b: reports(first: 5) { nodes { id } } } } }',
    );
    for (const { id, a, b } of employees.nodes as { id: string; a: Page; b: Page }[]) {
      const expected = rows
        .filter((row) => row.manager_id !== null && encodeId('employee', row.manager_id) === id)
        .map(idOf);
      expect(a.nodes.map((node) => node.id)).toEqual(expected.slice(0, 1));
      expect(b.nodes.map((node) => node.id)).toEqual(expected.slice(0, 5));
    }
  });

  it('are empty for an employee without reports', async () => {
    const rows = await rowsByName();
    const managers = new Set(rows.map((row) => row.manager_id));
    const worker = rows.find((row) => !managers.has(row.id));
    const { employee } = await execute(`query ($id: ID!) { employee(id: $id) { reports { ${page} } } }`, {
      id: worker ? idOf(worker) : '',
    });
    expect(employee.reports).toEqual({
      totalCount: 0,
      nodes: [],
      edges: [],
      pageInfo: { hasNextPage: false, hasPreviousPage: false, endCursor: null },
    });
  });

  it('reject a malformed cursor and a negative size with the path of the field', async () => {
    const ageCursor = Buffer.from(JSON.stringify(['age', 40, newId()])).toString('base64url');
    for (const [args, field] of [
      ['after: "nonsense"', 'after'],
      [`after: "${ageCursor}"`, 'after'],
      ['first: -1', 'first'],
    ]) {
      for (const document of [
        `{ departments { name employees(${args}) { totalCount } } }`,
        `{ employees(first: 2) { nodes { reports(${args}) { totalCount } } } }`,
      ]) {
        const response = await gateway.execute<AnyData>('user', document);
        expect(new Set(codesOf(response))).toEqual(new Set(['BAD_USER_INPUT']));
        expect(fieldsOf(response)).toEqual([field]);
      }
    }
  });
});

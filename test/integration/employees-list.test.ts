import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { sql } from 'kysely';
import { newId } from '../../src/database/base.entity.js';
import type { Columns } from '../../src/database/tables.js';
import type { Employee } from '../../src/domains/employee/employee.entity.js';
import { encodeId } from '../../src/graphql/relay/global-id.js';
import {
  codesOf,
  fieldsOf,
  startGateway,
  type GraphQLResponse,
  type Caller,
  type TestGateway,
  type Variables,
} from '../support/gateway.js';

let gateway: TestGateway;
let departmentId: string;
beforeAll(async () => {
  // Rows are inserted directly, which does not invalidate cached responses.
  gateway = await startGateway({ RESPONSE_CACHE: 'false' });
  departmentId = (
    await gateway.db.selectFrom('department').select('id').where('name', '=', 'People').executeTakeFirstOrThrow()
  ).id;
});
afterAll(() => gateway.close());

const document = `query ($first: Int, $after: String, $last: Int, $before: String, $filter: EmployeeFilter, $orderBy: EmployeeOrder) {
  employees(first: $first, after: $after, last: $last, before: $before, filter: $filter, orderBy: $orderBy) {
    totalCount
    nodes { id name }
    edges { cursor node { id } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}`;

interface Page {
  totalCount: number;
  nodes: { id: string; name: string }[];
  edges: { cursor: string; node: { id: string } }[];
  pageInfo: { hasNextPage: boolean; hasPreviousPage: boolean; startCursor: string | null; endCursor: string | null };
}

const list = (variables: Variables, caller: Caller = 'admin'): Promise<GraphQLResponse<{ employees: Page }>> =>
  gateway.execute(caller, document, variables);

/** Reads a page, which must succeed. */
async function pageOf(variables: Variables): Promise<Page> {
  const response = await list(variables);
  expect(response.errors).toEqual([]);
  if (!response.data) throw new Error('The gateway returned no data.');
  return response.data.employees;
}

const idsOf = (page: Page): string[] => page.nodes.map((node) => node.id);
const namesOf = (page: Page): string[] => page.nodes.map((node) => node.name);

/** Pages through the whole list. @returns all ids in the order of the list */
async function walk(
  variables: Variables,
  size: number,
  direction: 'forward' | 'backward' = 'forward',
): Promise<string[]> {
  const ids: string[] = [];
  let cursor: string | null = null;
  for (let pages = 0; pages < 300; pages++) {
    const isForward: boolean = direction === 'forward';
    const page: Page = await pageOf({
      ...variables,
      ...(isForward ? { first: size, after: cursor } : { last: size, before: cursor }),
    });
    if (isForward) ids.push(...idsOf(page));
    else ids.unshift(...idsOf(page));
    if (!(isForward ? page.pageInfo.hasNextPage : page.pageInfo.hasPreviousPage)) return ids;
    cursor = isForward ? page.pageInfo.endCursor : page.pageInfo.startCursor;
  }
  throw new Error('Pagination does not end.');
}

const columns = { NAME: 'name', AGE: 'age', HIRED_ON: 'hired_on', SALARY: 'salary', CREATED_AT: 'created_at' } as const;
type OrderField = keyof typeof columns;
const orderFields = Object.keys(columns) as OrderField[];
const orders = orderFields.flatMap((field) => [
  { field, direction: 'ASC' as const },
  { field, direction: 'DESC' as const },
]);

/** All employees in the order of a single statement. */
async function employeesInOrder(
  field: OrderField,
  direction: 'ASC' | 'DESC',
): Promise<(Columns<Employee> & { publicId: string })[]> {
  const way = direction === 'ASC' ? 'asc' : 'desc';
  const rows = await gateway.db
    .selectFrom('employee')
    .selectAll()
    .orderBy(columns[field], way)
    .orderBy('id', way)
    .execute();
  return rows.map((row) => ({ ...row, publicId: encodeId('employee', row.id) }));
}

async function insert(values: Partial<Columns<Employee>> & { name: string }): Promise<string> {
  const id = newId();
  const now = new Date();
  const usual = {
    email: `${id}@example.com`,
    age: 40,
    job_title: 'Tester',
    job_level: 2,
    hired_on: '2020-01-01',
    salary: 50_000,
    manager_id: null,
  };
  await gateway.db
    .insertInto('employee')
    .values({ id, ...usual, department_id: departmentId, version: 1, created_at: now, updated_at: now, ...values })
    .execute();
  return encodeId('employee', id);
}

const removeAdded = () => gateway.db.deleteFrom('employee').where('job_title', '=', 'Tester').execute();

const cursorOf = (...parts: unknown[]): string => Buffer.from(JSON.stringify(parts)).toString('base64url');
const someId = '0191f2a0-0000-7000-8000-000000000001';

describe('a page of employees', () => {
  it('has 20 nodes by default, and the total count', async () => {
    const page = await pageOf({});
    expect(page.nodes).toHaveLength(20);
    expect(page.totalCount).toBe(240);
    expect(idsOf(page)).toEqual((await employeesInOrder('NAME', 'ASC')).slice(0, 20).map((row) => row.publicId));
  });

  it.each([{ first: 101 }, { first: 2_147_483_647 }, { last: 101 }])('has at most 100 nodes: %j', async (variables) => {
    expect((await pageOf(variables)).nodes).toHaveLength(100);
  });

  it('has the requested size up to 100', async () => {
    expect((await pageOf({ first: 100 })).nodes).toHaveLength(100);
    expect((await pageOf({ first: 1 })).nodes).toHaveLength(1);
    expect((await pageOf({ last: 3 })).nodes).toHaveLength(3);
  });

  it('may be empty, with a correct pageInfo', async () => {
    expect((await pageOf({ first: 0 })).pageInfo).toEqual({
      hasNextPage: true,
      hasPreviousPage: false,
      startCursor: null,
      endCursor: null,
    });
    expect((await pageOf({ last: 0 })).pageInfo).toEqual({
      hasNextPage: false,
      hasPreviousPage: true,
      startCursor: null,
      endCursor: null,
    });
    const none = await pageOf({ first: 0, filter: { search: 'nobody is called this' } });
    expect(none).toEqual({
      totalCount: 0,
      nodes: [],
      edges: [],
      pageInfo: { hasNextPage: false, hasPreviousPage: false, startCursor: null, endCursor: null },
    });
  });

  it('has edges and nodes in the same order, a cursor per edge, and the start and end cursors', async () => {
    const page = await pageOf({ first: 5 });
    expect(page.edges.map((edge) => edge.node.id)).toEqual(idsOf(page));
    expect(new Set(page.edges.map((edge) => edge.cursor)).size).toBe(5);
    expect(page.pageInfo.startCursor).toBe(page.edges[0]?.cursor);
    expect(page.pageInfo.endCursor).toBe(page.edges[4]?.cursor);
  });

  it('can start after or end before any edge', async () => {
    const whole = await pageOf({ first: 10 });
    const after = await pageOf({ first: 3, after: whole.edges[3]?.cursor });
    expect(idsOf(after)).toEqual(idsOf(whole).slice(4, 7));
    const before = await pageOf({ last: 3, before: whole.edges[7]?.cursor });
    expect(idsOf(before)).toEqual(idsOf(whole).slice(4, 7));
    const beforeWithoutSize = await pageOf({ before: whole.edges[7]?.cursor });
    expect(idsOf(beforeWithoutSize)).toEqual(idsOf(whole).slice(0, 7));
  });

  it('has correct hasNextPage and hasPreviousPage in the middle and at both ends', async () => {
    const around = async (variables: Variables) => {
      const { hasNextPage, hasPreviousPage } = (await pageOf(variables)).pageInfo;
      return [hasPreviousPage, hasNextPage];
    };
    const first = await pageOf({ first: 100 });
    const second = await pageOf({ first: 100, after: first.pageInfo.endCursor });
    expect(await around({ first: 100 })).toEqual([false, true]);
    expect(await around({ first: 100, after: first.pageInfo.endCursor })).toEqual([true, true]);
    expect(await around({ first: 40, after: second.pageInfo.endCursor })).toEqual([true, false]);
    expect(await around({ first: 39, after: second.pageInfo.endCursor })).toEqual([true, true]);
    expect(await around({ last: 100 })).toEqual([true, false]);
    expect(await around({ last: 100, before: second.pageInfo.startCursor })).toEqual([false, true]);
    expect(await around({ last: 99, before: second.pageInfo.startCursor })).toEqual([true, true]);
  });

  it.each([
    [{ first: -1 }, ['first']],
    [{ last: -1 }, ['last']],
    [{ first: -1, last: -1 }, ['first', 'last']],
    [{ first: 1, last: -1, after: 'x' }, ['last']],
    [{ after: 'x' }, ['after']],
    [{ first: 1, before: 'x' }, ['before']],
  ])('rejects %j and names the invalid arguments', async (variables, fields) => {
    const response = await list(variables);
    expect(codesOf(response)).toEqual(['BAD_USER_INPUT']);
    expect(fieldsOf(response)).toEqual(fields);
    expect(response.data ?? null).toBeNull();
  });
});

describe('paging through all employees', () => {
  it.each(orders)('returns each employee once and in order, in both directions: $field $direction', async (orderBy) => {
    const expected = (await employeesInOrder(orderBy.field, orderBy.direction)).map((row) => row.publicId);
    expect(await walk({ orderBy }, 47)).toEqual(expected);
    expect(await walk({ orderBy }, 47, 'backward')).toEqual(expected);
  });

  it('returns each employee once for pages of two and nearly equal values', async () => {
    const filter = { departmentId: encodeId('department', departmentId) };
    const rows = (await employeesInOrder('AGE', 'DESC')).filter((row) => row.department_id === departmentId);
    const orderBy = { field: 'AGE', direction: 'DESC' };
    expect(rows.length).toBeGreaterThan(new Set(rows.map((row) => row.age)).size);
    expect(await walk({ filter, orderBy }, 2)).toEqual(rows.map((row) => row.publicId));
    expect(await walk({ filter, orderBy }, 2, 'backward')).toEqual(rows.map((row) => row.publicId));
  });

  it('accepts names with characters special to JSON, base64 and SQL, up to the maximum length', async () => {
    try {
      for (const name of [
        '"; drop table employee; --',
        'back\\slash',
        'Zoë Ångström',
        '名前',
        '👩‍💻 dev',
        '\u0001'.repeat(100),
        '名'.repeat(100),
        `O'Brien`,
      ])
        await insert({ name });
      const expected = (await employeesInOrder('NAME', 'ASC'))
        .filter((row) => row.job_title === 'Tester')
        .map((row) => row.publicId);
      expect(expected).toHaveLength(8);
      expect(await walk({ filter: { search: 'tester' } }, 1)).toEqual(expected);
      expect(await walk({ filter: { search: 'tester' } }, 1, 'backward')).toEqual(expected);
    } finally {
      await removeAdded();
    }
  });

  it('neither repeats nor skips others during inserts and deletes', async () => {
    const before = (await employeesInOrder('NAME', 'ASC')).map((row) => row.publicId);
    try {
      const leaver = await insert({ name: 'Aaron Leaver' });
      const first = await pageOf({ first: 50 });
      expect(idsOf(first)).toContain(leaver);
      const seen = idsOf(first);
      await insert({ name: 'Aaron Early' });
      const late = await insert({ name: 'Zacharias Late' });
      let { endCursor, hasNextPage } = first.pageInfo;
      while (hasNextPage) {
        const page = await pageOf({ first: 50, after: endCursor });
        seen.push(...idsOf(page));
        ({ endCursor, hasNextPage } = page.pageInfo);
      }
      expect(seen.filter((id) => id !== leaver && id !== late)).toEqual(before);
      expect(seen.filter((id) => id === late)).toHaveLength(1);

      const cursorOfLeaver = first.edges.find((edge) => edge.node.id === leaver)?.cursor;
      const follower = before[before.findIndex((id) => id === seen[seen.indexOf(leaver) + 1])];
      await gateway.db.deleteFrom('employee').where('name', '=', 'Aaron Leaver').execute();
      expect(idsOf(await pageOf({ first: 1, after: cursorOfLeaver }))).toEqual([follower]);
    } finally {
      await removeAdded();
    }
  });
});

describe('a cursor', () => {
  const byName = { field: 'NAME', direction: 'ASC' };
  const byAge = { field: 'AGE', direction: 'ASC' };
  const byDay = { field: 'HIRED_ON', direction: 'ASC' };
  const byTime = { field: 'CREATED_AT', direction: 'ASC' };
  const bad: [string, string, object][] = [
    ['empty', '', byName],
    ['noise', '%%%not a cursor%%%', byName],
    ['NUL', '\0', byName],
    ['JSON of another shape', Buffer.from('{"name":1}').toString('base64url'), byName],
    ['too few parts', cursorOf('name', 'x'), byName],
    ['too many parts', cursorOf('name', 'x', someId, 1), byName],
    ['of another order', cursorOf('age', 40, someId), byName],
    ['of an order that does not exist', cursorOf('password', 'x', someId), byName],
    ['of __proto__', cursorOf('__proto__', 'x', someId), byName],
    ['SQL in the id', cursorOf('name', 'x', `${someId}'; drop table employee; --`), byName],
    ['SQL in a number', cursorOf('age', '40; drop table employee', someId), byAge],
    ['a number beyond 32 bits', cursorOf('age', 2_147_483_648, someId), byAge],
    ['a fraction', cursorOf('age', 1.5, someId), byAge],
    ['null in place of the value', cursorOf('age', null, someId), byAge],
    ['an object in place of the value', cursorOf('name', { toString: 'x' }, someId), byName],
    ['NUL in a name', cursorOf('name', 'a\0b', someId), byName],
    ['an invalid day', cursorOf('hiredOn', '2024-02-30', someId), byDay],
    ['a day of the year 0', cursorOf('hiredOn', '0000-01-01', someId), byDay],
    ['a month 13', cursorOf('hiredOn', '2024-13-01', someId), byDay],
    ['SQL in a day', cursorOf('hiredOn', "2024-01-01'::date or true", someId), byDay],
    ['a time on an invalid day', cursorOf('createdAt', '2024-02-30T10:00:00.000Z', someId), byTime],
    ['a time in the year 0', cursorOf('createdAt', '0000-01-01T00:00:00.000Z', someId), byTime],
    ['a time without seconds', cursorOf('createdAt', '2024-01-01T::..Z', someId), byTime],
    ['too long', cursorOf('name', 'x'.repeat(100_000), someId), byName],
    ['too long by padding', `${cursorOf('name', 'x', someId)}${'='.repeat(5000)}`, byName],
    ['a number in place of the id', cursorOf('name', 'x', 7), byName],
  ];
  it.each(bad)(
    'is rejected with its argument name if malformed, as after and before: %s',
    async (_what, cursor, orderBy) => {
      for (const field of ['after', 'before']) {
        const response = await list({ [field]: cursor, orderBy });
        expect(codesOf(response)).toEqual(['BAD_USER_INPUT']);
        expect(fieldsOf(response)).toEqual([field]);
        expect(response.errors[0]?.message).toMatch(/cursor/);
      }
    },
  );

  it('with SQL is treated as text and changes nothing', async () => {
    const page = await pageOf({ first: 1, after: cursorOf('name', `'; drop table employee; --`, someId) });
    expect(page.totalCount).toBe(240);
    expect(idsOf(page)).toEqual([(await employeesInOrder('NAME', 'ASC'))[0]?.publicId]);
  });

  it('is valid for another filter in the same order', async () => {
    const { endCursor } = (await pageOf({ first: 50 })).pageInfo;
    const filtered = await pageOf({
      first: 100,
      after: endCursor,
      filter: { departmentId: encodeId('department', departmentId) },
    });
    const expected = (await employeesInOrder('NAME', 'ASC'))
      .slice(50)
      .filter((row) => row.department_id === departmentId);
    expect(idsOf(filtered)).toEqual(expected.map((row) => row.publicId));
  });
});

describe('the order by salary', () => {
  it.each(['manager', 'user'] as const)(
    'is rejected for a %s, because positions would reveal salaries',
    async (caller) => {
      for (const direction of ['ASC', 'DESC']) {
        const response = await list({ orderBy: { field: 'SALARY', direction } }, caller);
        expect(codesOf(response)).toEqual(['FORBIDDEN']);
        expect(response.data ?? null).toBeNull();
      }
      expect(
        codesOf(await gateway.execute(caller, '{ employees(orderBy: { field: SALARY }) { nodes { name } } }')),
      ).toEqual(['FORBIDDEN']);
      expect((await list({ orderBy: { field: 'AGE', direction: 'ASC' } }, caller)).errors).toEqual([]);
    },
  );
});

describe('the filter', () => {
  beforeAll(async () => {
    await insert({ name: 'Percy 100%' });
    await insert({ name: 'Percy 100x' });
    await insert({ name: 'Under_score' });
    await insert({ name: 'UnderXscore' });
    await insert({ name: 'Back\\slash' });
    await insert({ name: 'Zoë Ångström', email: 'find.me@example.org' });
  });
  afterAll(removeAdded);

  it.each([
    ['PERCY', ['Percy 100%', 'Percy 100x']],
    ['  percy  ', ['Percy 100%', 'Percy 100x']],
    ['100%', ['Percy 100%']],
    ['r_s', ['Under_score']],
    ['k\\s', ['Back\\slash']],
    ['\\', ['Back\\slash']],
    ['ångström', ['Zoë Ångström']],
    ['FIND.ME@example.ORG', ['Zoë Ångström']],
    ["' or 1=1 --", []],
    ['\ud800', []],
    ['👩‍💻', []],
  ])('searches for %j literally, ignoring case', async (search, names) => {
    const page = await pageOf({ filter: { search } });
    expect(namesOf(page)).toEqual(names);
    expect(page.totalCount).toBe(names.length);
  });

  it('searches job titles too, and is ignored if the text is empty', async () => {
    expect((await pageOf({ filter: { search: 'tester' } })).totalCount).toBe(6);
    for (const search of ['', '   ', null]) expect((await pageOf({ filter: { search } })).totalCount).toBe(246);
  });

  it('accepts a search text of 100 characters, and rejects 101 and NUL', async () => {
    expect((await pageOf({ filter: { search: `  ${'x'.repeat(100)}` } })).totalCount).toBe(0);
    for (const search of ['x'.repeat(101), 'a\0b']) {
      const response = await list({ filter: { search } });
      expect(codesOf(response)).toEqual(['BAD_USER_INPUT']);
      expect(fieldsOf(response)).toEqual(['search']);
    }
  });

  it('finds the members of a department and the direct reports of a manager', async () => {
    const rows = await employeesInOrder('NAME', 'ASC');
    const lead = rows.find((row) => row.job_title === 'Engineering Team Lead');
    const members = await walk({ filter: { departmentId: encodeId('department', departmentId) } }, 100);
    expect(members).toEqual(rows.filter((row) => row.department_id === departmentId).map((row) => row.publicId));
    const reports = await walk({ filter: { managerId: lead?.publicId } }, 100);
    expect(reports).toEqual(rows.filter((row) => row.manager_id === lead?.id).map((row) => row.publicId));
    expect(reports.length).toBeGreaterThan(0);
    expect((await pageOf({ filter: { managerId: encodeId('employee', someId) } })).totalCount).toBe(0);
  });

  it('includes both ends of age and date ranges', async () => {
    const rows = await employeesInOrder('NAME', 'ASC');
    const total = async (filter: object) => (await pageOf({ first: 1, filter })).totalCount;
    expect(await total({ minAge: 30, maxAge: 40 })).toBe(rows.filter((row) => row.age >= 30 && row.age <= 40).length);
    expect(await total({ minAge: 40, maxAge: 30 })).toBe(0);
    expect(await total({ hiredAfter: '2020-01-01', hiredBefore: '2020-01-01' })).toBe(6);
    expect(await total({ hiredAfter: '2020-01-02' })).toBe(rows.filter((row) => row.hired_on > '2020-01-01').length);
    expect(await total({ hiredBefore: '2019-12-31' })).toBe(rows.filter((row) => row.hired_on < '2020-01-01').length);
    expect(await total({ hiredAfter: '0001-01-01', hiredBefore: '9999-12-31' })).toBe(246);
  });

  it('accepts ages beyond the range of the column', async () => {
    expect((await pageOf({ filter: { minAge: -2_147_483_648, maxAge: 2_147_483_647 } })).totalCount).toBe(246);
    expect((await pageOf({ filter: { minAge: 40_000 } })).totalCount).toBe(0);
    expect((await pageOf({ filter: { maxAge: -40_000 } })).totalCount).toBe(0);
  });

  it('combines its conditions with AND', async () => {
    const rows = await employeesInOrder('NAME', 'ASC');
    const filter = {
      search: 'an',
      departmentId: encodeId('department', departmentId),
      minAge: 25,
      maxAge: 60,
      hiredAfter: '2010-01-01',
      hiredBefore: '2025-06-30',
    };
    const expected = rows.filter(
      (row) =>
        [row.name, row.email, row.job_title].some((text) => text.toLowerCase().includes('an')) &&
        row.department_id === departmentId && row.age >= 25 && row.age <= 60 && row.hired_on >= '2010-01-01' && row.hired_on <= '2025-06-30',
    ); // prettier-ignore
    expect(expected.length).toBeGreaterThan(0);
    expect(await walk({ filter }, 100)).toEqual(expected.map((row) => row.publicId));
  });

  it.each([
    [{ departmentId: encodeId('employee', someId) }, ['departmentId'], /department_ and 26 characters.*employee/],
    [{ departmentId: 'nonsense' }, ['departmentId'], /malformed/],
    [{ departmentId: someId }, ['departmentId'], /malformed/],
    [{ managerId: encodeId('department', someId) }, ['managerId'], /employee_ and 26 characters.*department/],
    [{ managerId: 'employee_\0' }, ['managerId'], /malformed/],
    [{ hiredAfter: '0000-01-01' }, ['hiredAfter'], /0001-01-01/],
    [{ hiredBefore: '0000-12-31' }, ['hiredBefore'], /0001-01-01/],
    [
      { search: '\0', departmentId: '1', managerId: '', hiredBefore: '0000-12-31' },
      ['departmentId', 'hiredBefore', 'managerId', 'search'],
      /and 1 more/,
    ],
  ])('rejects %j and names each invalid field', async (filter, fields, message) => {
    for (const selection of ['totalCount', 'nodes { id }']) {
      const response = await gateway.execute(
        'user',
        `query ($filter: EmployeeFilter) { employees(filter: $filter) { ${selection} } }`,
        { filter },
      );
      expect(codesOf(response)).toEqual(['BAD_USER_INPUT']);
      expect(fieldsOf(response)).toEqual(fields);
      expect(response.errors[0]?.message).toMatch(message);
    }
  });

  it.each([
    { minAge: 2_147_483_648 },
    { maxAge: 1.5 },
    { hiredAfter: '2024-02-30' },
    { hiredAfter: 'yesterday' },
    { unknown: 1 },
  ])('rejects %j, which is invalid in the schema', async (filter) => {
    expect(codesOf(await list({ filter }))).toEqual(['BAD_USER_INPUT']);
  });
});

describe('any filter in any order', () => {
  it('returns the same as filtering all employees in memory', async () => {
    const inOrder = new Map<string, (Columns<Employee> & { publicId: string })[]>();
    for (const { field, direction } of orders)
      inOrder.set(`${field} ${direction}`, await employeesInOrder(field, direction));
    const rows = inOrder.get('NAME ASC') ?? [];
    const departments = [...new Set(rows.map((row) => row.department_id))];
    const managers = [...new Set(rows.flatMap((row) => row.manager_id ?? []))];
    const { start, end } = { start: Date.UTC(2004, 0, 1), end: Date.UTC(2026, 0, 1) };
    const day = fc
      .integer({ min: start / 86_400_000, max: end / 86_400_000 })
      .map((days) => new Date(days * 86_400_000).toISOString().slice(0, 10));
    const perhaps = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: null, freq: 2 });
    const filters = fc.record({
      search: perhaps(fc.constantFrom('a', 'AN', 'team lead', '.1', '@example', '%', '_', 'engineering')),
      departmentId: perhaps(fc.constantFrom(...departments)),
      managerId: perhaps(fc.constantFrom(...managers)),
      minAge: perhaps(fc.integer({ min: 10, max: 70 })),
      maxAge: perhaps(fc.integer({ min: 10, max: 70 })),
      hiredAfter: perhaps(day),
      hiredBefore: perhaps(day),
    });

    await fc.assert(
      fc.asyncProperty(
        filters,
        fc.constantFrom(...orders),
        fc.integer({ min: 10, max: 100 }),
        fc.constantFrom('forward', 'backward'),
        async (filter, orderBy, size, direction) => {
          const expected = (inOrder.get(`${orderBy.field} ${orderBy.direction}`) ?? []).filter(
            (row) =>
              (filter.search === null ||
                [row.name, row.email, row.job_title].some((text) =>
                  text.toLowerCase().includes((filter.search ?? '').toLowerCase()),
                )) &&
              (filter.departmentId === null || row.department_id === filter.departmentId) &&
              (filter.managerId === null || row.manager_id === filter.managerId) &&
              row.age >= (filter.minAge ?? 0) &&
              row.age <= (filter.maxAge ?? 200) &&
              row.hired_on >= (filter.hiredAfter ?? '0') &&
              row.hired_on <= (filter.hiredBefore ?? '9'),
          );
          const requested = {
            ...filter,
            departmentId: filter.departmentId === null ? null : encodeId('department', filter.departmentId),
            managerId: filter.managerId === null ? null : encodeId('employee', filter.managerId),
          };
          expect(await walk({ filter: requested, orderBy }, size, direction)).toEqual(
            expected.map((row) => row.publicId),
          );
          expect((await pageOf({ first: 1, filter: requested, orderBy })).totalCount).toBe(expected.length);
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('the database', () => {
  it('is unchanged by all of these reads', async () => {
    const { rows } = await sql<{ employees: number; changed: number }>`
      select count(*)::integer as employees, count(*) filter (where version <> 1)::integer as changed from employee`.execute(
      gateway.db,
    );
    expect(rows).toEqual([{ employees: 240, changed: 0 }]);
  });
});

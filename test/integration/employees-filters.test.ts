import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { sql } from 'kysely';
import { TableCatalog } from '../../src/database/table-facts.js';
import { employeeColumns } from '../../src/domains/employee/employee.columns.js';
import { checkedFilter } from '../../src/domains/employee/employee.filter.js';
import type { EmployeeFilter } from '../../src/domains/employee/employee.types.js';
import { encodeId } from '../../src/graphql/relay/global-id.js';
import {
  codesOf,
  startGateway,
  type AnyData,
  type Caller,
  type GraphQLResponse,
  type TestGateway,
} from '../support/gateway.js';

/** Less than the size of the table of employees, which is never analyzed here, and more than that of departments. */
const maxUnindexedRows = 200;

let gateway: TestGateway;
let employees: Awaited<ReturnType<typeof everyone>>;
const everyone = () =>
  gateway.db
    .selectFrom('employee')
    .innerJoin('department', 'department.id', 'employee.department_id')
    .selectAll('employee')
    .select('department.name as department_name')
    .execute();

beforeAll(async () => {
  gateway = await startGateway({ MAX_UNINDEXED_ROWS: String(maxUnindexedRows), RESPONSE_CACHE: 'false' });
  employees = await everyone();
});
afterAll(() => gateway.close());

type Employee = (typeof employees)[number];

const list = (caller: Caller, args: Record<string, unknown>) =>
  gateway.execute<AnyData>(
    caller,
    `query ($filter: EmployeeFilter, $orderBy: EmployeeOrder, $thenBy: [EmployeeOrder!], $first: Int, $after: String) {
      employees(filter: $filter, orderBy: $orderBy, thenBy: $thenBy, first: $first, after: $after) {
        nodes { email } totalCount pageInfo { hasNextPage endCursor }
      }
    }`,
    args,
  );

const aggregate = (caller: Caller, selection: string, args: Record<string, unknown> = {}) =>
  gateway.execute<AnyData>(
    caller,
    `query ($filter: EmployeeFilter, $groupBy: [EmployeeGroupBy!]) {
      employeesAggregate(filter: $filter, groupBy: $groupBy) { ${selection} }
    }`,
    args,
  );

/** The e-mail addresses that a filter finds, sorted. */
async function found(filter: object, caller: Caller = 'user'): Promise<string[]> {
  const { data, errors } = await list(caller, { filter, first: 100 });
  expect(errors).toEqual([]);
  const emails = (data?.employees.nodes as { email: string }[]).map(({ email }) => email);
  expect(emails.length).toBe(Math.min(100, data?.employees.totalCount as number));
  return emails.toSorted();
}

const emailsOf = (rows: readonly Employee[]): string[] => rows.map(({ email }) => email).toSorted();

describe('a filter of employees', () => {
  it('has conditions on columns, on the department and the manager, and combines them', async () => {
    const sales = employees.filter((row) => row.department_name === 'Sales');
    expect(await found({ department: { name: { eq: 'Sales' } } })).toEqual(emailsOf(sales));
    const seniors = sales.filter((row) => row.age >= 40 && row.job_level !== 2);
    expect(seniors.length).toBeGreaterThan(0);
    expect(
      await found({ department: { name: { in: ['Sales'] } }, age: { gte: 40 }, not: { jobLevel: { eq: 2 } } }),
    ).toEqual(emailsOf(seniors));
    expect(await found({ manager: { isNull: true } })).toEqual(
      emailsOf(employees.filter((row) => row.manager_id === null)),
    );
    const [manager] = employees.filter(({ id }) => employees.some((row) => row.manager_id === id));
    expect(await found({ manager: { email: { eq: manager?.email ?? '' } } })).toEqual(
      emailsOf(employees.filter((row) => row.manager_id === manager?.id)),
    );
    const [one, other] = employees;
    expect(
      await found({ or: [{ email: { eq: one?.email } }, { id: { in: [encodeId('employee', other?.id ?? '')] } }] }),
    ).toEqual(emailsOf(employees.slice(0, 2)));
  });

  it('combines them with the fields that have no operators, on every level', async () => {
    const expected = employees.filter((row) => row.age >= 30 && row.age < 35 && !(row.hired_on >= '2015-01-01'));
    expect(expected.length).toBeGreaterThan(0);
    expect(await found({ minAge: 30, age: { lt: 35 }, not: { hiredAfter: '2015-01-01' } })).toEqual(emailsOf(expected));
  });

  it.each([
    [{ age: { in: Array.from({ length: 101 }, () => 1) } }, 'age.in', /101 values; at most 100/],
    [{ or: Array.from({ length: 21 }, () => ({ age: { eq: 1 } })) }, 'or', /at most 20/],
    [{ or: Array.from({ length: 11 }, () => ({ age: { eq: 1, lt: 3 } })) }, 'or[4].age.lt', /at most 20/],
    [{ id: { in: Array.from({ length: 100 }, () => 'nonsense') } }, 'id.in', /malformed/],
    [{ not: { not: { not: { not: { not: { not: {} } } } } } }, 'not.not.not.not.not.not', /at most 5 levels/],
    [{ name: { contains: 'x'.repeat(201) } }, 'name.contains', /200 characters/],
    [{ name: { eq: 'a\0' } }, 'name.eq', /NUL/],
    [{ or: [{ department: { id: { eq: 'employee_1' } } }] }, 'or[0].department.id.eq', /malformed/],
    [{ and: [{ departmentId: 'nonsense' }] }, 'and[0].departmentId', /malformed/],
    [{ hiredOn: { gt: '0000-01-01' } }, 'hiredOn.gt', /year from 1/],
  ])('rejects %j by its field', async (filter, field, message) => {
    const response = await list('user', { filter });
    const { errors, data } = response;
    expect(codesOf(response)).toEqual(['BAD_USER_INPUT']);
    expect(errors[0]?.extensions.fields?.map((problem) => problem.field)).toEqual([field]);
    expect(errors[0]?.message).toMatch(message);
    expect(errors[0]?.message.length).toBeLessThan(400);
    expect(data ?? null).toBeNull();
  });

  it('is rejected of a subscription if it has conditions on columns', () => {
    for (const filter of [{ name: { eq: 'x' } }, { or: [] }, { manager: { isNull: true } }])
      expect(() => checkedFilter(filter as EmployeeFilter)).toThrow(
        /is not supported by subscriptions; use search, departmentId/,
      );
    expect(checkedFilter({ minAge: 3 })).toMatchObject({ minAge: 3, search: null });
  });
});

describe('an order by several columns', () => {
  const orderBy = { field: 'AGE', direction: 'DESC' };
  const thenBy = [
    { field: 'JOB_LEVEL', direction: 'ASC' },
    { field: 'NAME', direction: 'DESC' },
  ];

  it('pages through all employees', async () => {
    const emails: string[] = [];
    let after: string | null = null;
    do {
      const { data, errors }: { data?: AnyData; errors: unknown[] } = await list('user', {
        orderBy,
        thenBy,
        first: 23,
        after,
      });
      expect(errors).toEqual([]);
      emails.push(...(data.employees.nodes as { email: string }[]).map(({ email }) => email));
      after = data.employees.pageInfo.hasNextPage ? (data.employees.pageInfo.endCursor as string) : null;
    } while (after !== null);
    const compare = (one: string, other: string) => Buffer.compare(Buffer.from(one), Buffer.from(other));
    const expected = employees.toSorted(
      (one, other) =>
        other.age - one.age ||
        one.job_level - other.job_level ||
        compare(other.name, one.name) ||
        compare(other.id, one.id),
    );
    expect(emails).toEqual(expected.map(({ email }) => email));
  });

  it('rejects a column twice, too many columns, and a cursor of another order', async () => {
    const messages = async (args: object) =>
      (await list('user', { ...args })).errors.map(({ message }) => message).join();
    expect(await messages({ orderBy, thenBy: [orderBy] })).toMatch(/orderBy has a column twice/);
    expect(await messages({ orderBy, thenBy: [...thenBy, ...thenBy] })).toMatch(/5 columns; at most 3/);
    const { data } = await list('user', { orderBy, first: 1 });
    const after = data?.employees.pageInfo.endCursor as string;
    expect(await messages({ orderBy, thenBy, after })).toMatch(/after is a cursor of another order/);
  });
});

describe('a list that no index serves', () => {
  it.each([
    [{ filter: { jobLevel: { eq: 3 } } }, /no index serves jobLevel.eq; filter an indexed column \(id, name/],
    [{ filter: { age: { ne: 3 } } }, /no index serves age.ne/],
    [{ filter: { not: { age: { eq: 3 } } } }, /no index serves not.age.eq/],
    [
      { filter: { or: [{ age: { eq: 3 } }, { jobLevel: { eq: 3 } }] } },
      /no index serves or\[0\].age.eq, or\[1\].jobLevel.eq/,
    ],
    [
      { filter: { or: [{ age: { eq: 3 } }, { jobLevel: { eq: 3 }, department: { name: { eq: 'Sales' } } }] } },
      /no index serves/,
    ],
    [{ filter: { name: { contains: 'an' } } }, /no index serves name.contains/],
    [{ orderBy: { field: 'JOB_LEVEL' } }, /jobLevel has no index; sort by an indexed column/],
    [{ filter: { search: 'an' }, orderBy: { field: 'JOB_LEVEL' } }, /jobLevel has no index/],
    [{ filter: { department: { name: { ne: 'Sales' } } }, orderBy: { field: 'JOB_LEVEL' } }, /jobLevel has no index/],
    [{ filter: { age: { gt: 3 } }, orderBy: { field: 'JOB_LEVEL' } }, /jobLevel has no index; .* eq, in or isNull/],
  ])('is rejected of a large table: %j', async (args, message) => {
    const response = await list('admin', args);
    const { errors, data } = response;
    expect(codesOf(response)).toEqual(['BAD_USER_INPUT']);
    expect(errors[0]?.message).toMatch(message);
    expect(errors[0]?.message).toContain(`would read all of employee, which has more than ${maxUnindexedRows} rows`);
    expect(data ?? null).toBeNull();
  });

  it.each([
    { filter: { jobLevel: { eq: 3 }, age: { gt: 3 } } },
    {
      filter: { or: [{ age: { eq: 30 } }, { name: { contains: 'anna' } }], department: { name: { contains: 'ale' } } },
    },
    { filter: { name: { contains: 'ann' } } },
    { filter: { search: 'an' } },
    { filter: { department: { name: { ne: 'Sales' } } } },
    { filter: { email: { eq: 'nobody' } }, orderBy: { field: 'JOB_LEVEL' } },
    { filter: { department: { name: { eq: 'Sales' } } }, orderBy: { field: 'JOB_LEVEL' } },
    { filter: { or: [] }, orderBy: { field: 'JOB_LEVEL' } },
    { orderBy: { field: 'EMAIL' }, thenBy: [{ field: 'JOB_LEVEL' }] },
  ])('is not %j', async (args) => {
    expect((await list('user', args)).errors).toEqual([]);
  });

  it('is rejected of an aggregate without a filter', async () => {
    const { errors } = await aggregate('admin', 'count');
    expect(errors[0]?.message).toMatch(/filter would read all of employee.*: is absent; filter an indexed column/);
    const searched = await aggregate('admin', 'count', { filter: { search: 'an' } });
    expect(searched.errors[0]?.message).toMatch(/no index serves search/);
    expect((await aggregate('admin', 'count', { filter: { search: 'ann' } })).errors).toEqual([]);
  });

  it('is known by the declared indexes, which are those of the database', async () => {
    const catalog = new TableCatalog(gateway.db);
    const tables = [employeeColumns, ...[...employeeColumns.relations.values()].map(({ to }) => to())];
    for (const { table, columns, relations } of tables) {
      const { indexedColumns } = await catalog.facts(table);
      const declared = [
        ...[...columns.values()].map(({ type, collation = '"C"', ...column }) => ({
          ...column,
          collation: type === 'text' && collation !== null ? collation : 'own',
        })),
        ...[...relations.values()].map((relation) => ({ ...relation, collation: 'own' })),
      ];
      for (const { column, isIndexed = false, collation } of declared)
        expect([table, column, isIndexed]).toEqual([
          table,
          column,
          indexedColumns.get(column)?.has(collation) === true,
        ]);
    }
  });
});

/** True for every employee, by an index. */
const all = { createdAt: { gt: '1990-01-01T00:00:00Z' } };

describe('aggregates', () => {
  it('are those of the rows that match, in groups', async () => {
    const selection =
      'key { departmentId jobLevel department { name } } count sum { age salary } avg { age } min { hiredOn salary } max { age }';
    const { data, errors } = await aggregate('admin', selection, {
      filter: all,
      groupBy: ['JOB_LEVEL', 'DEPARTMENT_ID'],
    });
    expect(errors).toEqual([]);
    const groups = Map.groupBy(employees, (row) => `${row.job_level} ${row.department_id}`);
    const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
    const expected = [...groups.values()]
      .map((rows) => ({
        key: {
          departmentId: encodeId('department', rows[0]?.department_id ?? ''),
          jobLevel: rows[0]?.job_level,
          department: { name: rows[0]?.department_name },
        },
        count: rows.length,
        sum: { age: sum(rows.map(({ age }) => age)), salary: sum(rows.map(({ salary }) => salary)) },
        avg: { age: expect.closeTo(sum(rows.map(({ age }) => age)) / rows.length, 8) },
        min: {
          hiredOn: rows.map((row) => row.hired_on).toSorted()[0],
          salary: Math.min(...rows.map(({ salary }) => salary)),
        },
        max: { age: Math.max(...rows.map(({ age }) => age)) },
      }))
      .toSorted(
        (one, other) =>
          (one.key.jobLevel ?? 0) - (other.key.jobLevel ?? 0) ||
          (one.key.departmentId < other.key.departmentId ? -1 : 1),
      );
    expect(data?.employeesAggregate).toEqual(expected);
  });

  it('group by year and month, and are one group without groupBy, also of no row', async () => {
    const { data } = await aggregate('user', 'key { hiredOnYear hiredOnMonth jobTitle } count', {
      filter: { ...all, hiredOn: { gte: '2020-01-01' } },
      groupBy: ['HIRED_ON_YEAR', 'HIRED_ON_MONTH'],
    });
    const months = Map.groupBy(
      employees.filter((row) => row.hired_on >= '2020-01-01'),
      (row) => row.hired_on.slice(0, 7),
    );
    expect(data?.employeesAggregate).toEqual(
      [...months.keys()].toSorted().map((month) => ({
        key: { hiredOnYear: Number(month.slice(0, 4)), hiredOnMonth: `${month}-01`, jobTitle: null },
        count: months.get(month)?.length,
      })),
    );
    expect(
      (await aggregate('user', 'count max { age }', { filter: { age: { eq: 200 } } })).data?.employeesAggregate,
    ).toEqual([{ count: 0, max: { age: null } }]);
  });

  it('reject too many groups, too many columns and a column twice', async () => {
    const messages = async (groupBy: string[]) =>
      (await aggregate('user', 'count', { filter: all, groupBy })).errors.map(({ message }) => message).join();
    expect(await messages(['JOB_TITLE', 'HIRED_ON_MONTH'])).toMatch(
      /groupBy makes more than 200 groups; group by fewer/,
    );
    expect(await messages(['JOB_TITLE', 'HIRED_ON_MONTH', 'JOB_LEVEL', 'DEPARTMENT_ID'])).toMatch(
      /4 columns; at most 3/,
    );
    expect(await messages(['JOB_TITLE', 'JOB_TITLE'])).toMatch(/a column twice/);
  });

  it('are rejected for anonymous callers and keys without the scope', async () => {
    expect(codesOf(await aggregate(null, 'count', { filter: all }))).toEqual(['UNAUTHENTICATED']);
    const key = await gateway.execute<AnyData>(
      'admin',
      'mutation { createApiKey(name: "k", scopes: ["predict"]) { secret } }',
    );
    const apiKey = { apiKey: key.data?.createApiKey.secret as string };
    expect(codesOf(await aggregate(apiKey, 'count', { filter: all }))).toEqual(['FORBIDDEN']);
    expect(codesOf(await list(apiKey, { filter: all }))).toEqual(['FORBIDDEN']);
  });
});

describe('salaries', () => {
  const condition = { gt: 1 };
  const uses: [string, (caller: Caller) => Promise<GraphQLResponse<AnyData>>][] = [
    ...[
      { salary: condition },
      { ...all, salary: { isNull: false } },
      { ...all, not: { salary: condition } },
      { or: [{ age: { gt: 3 } }, { and: [{ salary: { in: [1] } }] }] },
      { manager: { salary: condition } },
      { ...all, not: { manager: { salary: { ne: 1 } } } },
      { ...all, salary: {} },
    ].flatMap((filter): typeof uses => [
      [`employees(filter: ${JSON.stringify(filter)})`, (caller) => list(caller, { filter })],
      [`employeesAggregate(filter: ${JSON.stringify(filter)})`, (caller) => aggregate(caller, 'count', { filter })],
    ]),
    ['orderBy', (caller) => list(caller, { orderBy: { field: 'SALARY' } })],
    ['thenBy', (caller) => list(caller, { orderBy: { field: 'AGE' }, thenBy: [{ field: 'SALARY' }] })],
    ...['sum', 'avg', 'min', 'max'].map((name): (typeof uses)[number] => [
      `${name} by a fragment and an alias`,
      (caller) =>
        aggregate(caller, `count ... on EmployeeAggregate { x: ${name} { age y: salary } }`, {
          filter: all,
          groupBy: ['JOB_LEVEL'],
        }),
    ]),
  ];

  it.each(uses)('are not revealed by %s', async (_name, use) => {
    for (const [caller, code] of [
      [null, 'UNAUTHENTICATED'],
      ['user', 'FORBIDDEN'],
      ['manager', 'FORBIDDEN'],
    ] as const) {
      const response = await use(caller);
      expect(codesOf(response)).toEqual([code]);
      expect(response.data ?? null).toBeNull();
    }
    expect((await use('admin')).errors).toEqual([]);
  });

  it('do not change what others receive from random lists and aggregates', async () => {
    const columns = fc.oneof(
      fc
        .constantFrom('age', 'jobLevel', 'salary')
        .chain((name) =>
          fc
            .tuple(fc.constantFrom('eq', 'ne', 'lt', 'gte'), fc.integer({ min: 1, max: 60 }))
            .map(([operator, value]) => ({ [name]: { [operator]: name === 'salary' ? value * 2000 : value } })),
        ),
      fc.constantFrom('a', 'eng', 'SALES').map((contains) => ({ jobTitle: { contains } })),
      fc
        .constantFrom('manager', 'age')
        .map((name) => ({ manager: name === 'age' ? { age: { gt: 40 } } : { salary: { gt: 50_000 } } })),
    );
    const filters = fc
      .tuple(columns, columns, columns)
      .map(([one, two, three]) => ({ ...all, and: [one], or: [two, { not: three }] }));
    const fields = fc.constantFrom('NAME', 'AGE', 'HIRED_ON', 'SALARY', 'CREATED_AT');
    const requests = fc.sample(
      fc.record({
        filter: filters,
        orderBy: fc.record({ field: fields }),
        thenBy: fc.array(fc.record({ field: fc.constantFrom('JOB_LEVEL', 'JOB_TITLE', 'SALARY') }), { maxLength: 1 }),
        groupBy: fc.subarray(['JOB_LEVEL', 'DEPARTMENT_ID']),
        selection: fc.constantFrom('count', 'count avg { age }', 'count max { salary }', 'count sum { jobLevel }'),
      }),
      { numRuns: 60, seed: 7 },
    );
    const responses = async (caller: Caller) => {
      const all: string[] = [];
      for (const { filter, orderBy, thenBy, groupBy, selection } of requests) {
        const listed = await list(caller, { filter, orderBy, thenBy, first: 100 });
        const groups = await aggregate(caller, selection, { filter, groupBy });
        all.push(JSON.stringify([listed.data, codesOf(listed), groups.data, codesOf(groups)]));
      }
      return all;
    };
    const before = {
      user: await responses('user'),
      manager: await responses('manager'),
      admin: await responses('admin'),
    };
    await sql`update employee set salary = 1000 + (abs(hashtext(id::text)) % 100000)`.execute(gateway.db);
    expect(await responses('user')).toEqual(before.user);
    expect(await responses('manager')).toEqual(before.manager);
    // Requests without salaries succeed, and the responses of an ADMIN depend on salaries.
    expect(before.manager.filter((response) => !response.includes('FORBIDDEN')).length).toBeGreaterThan(5);
    expect(await responses('admin')).not.toEqual(before.admin);
  });
});

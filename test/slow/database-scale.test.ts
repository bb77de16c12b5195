import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { KeysetPage, Position } from '../../src/database/keyset.js';
import { encodeId } from '../../src/graphql/relay/global-id.js';
import {
  allDepartments,
  countEmployees,
  countEmployeesByOwner,
  departmentsById,
  employeePage,
  employeePagesByOwner,
  employeesById,
  reportsAmong,
} from '../../src/domains/employee/employee.queries.js';
import { TableCatalog } from '../../src/database/table-facts.js';
import { employeeColumns } from '../../src/domains/employee/employee.columns.js';
import { IndexGuard } from '../../src/graphql/filtering/index-guard.js';
import { everyRow } from '../../src/graphql/filtering/condition.js';
import { employeeWithRelations } from '../../src/domains/employee/employee.shapes.js';
import type { EmployeeFilter, EmployeeOrder } from '../../src/domains/employee/employee.types.js';
import { OrderDirection, readOrder } from '../../src/graphql/filtering/order.js';
import { PredictionSource } from '../../src/domains/prediction/prediction.entity.js';
import {
  countPredictionsByUser,
  predictionOrder,
  predictionPage,
  predictionPagesByUser,
  type PredictionScope,
} from '../../src/domains/prediction/prediction.queries.js';
import { userColumns } from '../../src/domains/user/user.columns.js';
import { userPage } from '../../src/domains/user/user.queries.js';
import { conditionOf, employeeOrder } from '../support/employee-lists.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { openExplainer, type Explained, type Explainer } from '../support/explain.js';
import { viewerOf } from '../support/viewers.js';
import { largeId, loadLargeCompany, size } from '../support/large-company.js';

/** Upper bounds of the rows and buffers that a page of any filter may read. */
const bound = { rows: 4_000, buffers: 4_000 };
/** For two conditions that are both broad: an index serves only one of them. */
const boundOfTwoConditions = { rows: 15_000, buffers: 15_000 };

const limit = 20;
const page3000 = 3_000 * limit;

let database: TestDatabase;
let explainer: Explainer;
beforeAll(async () => {
  database = await createTestDatabase();
  await loadLargeCompany(database.url);
  explainer = openExplainer(database.url);
}, 120_000);
afterAll(async () => {
  await explainer.close();
  await database.drop();
});

const explain: Explainer['explain'] = (read) => explainer.explain(read);

/** Explains a read of one statement. */
async function explainOne(read: Parameters<Explainer['explain']>[0]): Promise<Explained> {
  const [explained, ...more] = await explain(read);
  expect(more).toEqual([]);
  if (!explained) throw new Error('It sent no statement.');
  return explained;
}

/** Asserts the bounds; a failure includes the plan. */
function expectBounded(
  what: string,
  { sequentialScans, rows, buffers, plan, generic }: Explained,
  table = 'employee',
  most = bound,
): void {
  const errors = [
    ...(sequentialScans.includes(table) ? [`reads all of ${table}`] : []),
    ...(rows > most.rows ? [`looks at ${rows} rows`] : []),
    ...(buffers > most.buffers ? [`touches ${buffers} pages`] : []),
  ];
  if (errors.length > 0) throw new Error(`${what} ${errors.join(', ')}:\n${plan}`);
  if (generic) expectBounded(`${what}, with a plan for all values,`, generic, table, most);
}

const orders = (['NAME', 'AGE', 'HIRED_ON', 'SALARY', 'CREATED_AT'] as const).flatMap((field) =>
  Object.values(OrderDirection).map((direction) => ({ field, direction })),
);
type Order = (typeof orders)[number] & EmployeeOrder;

const columnOf: Record<Order['field'], string> = {
  NAME: 'name',
  AGE: 'age',
  HIRED_ON: 'hired_on::text',
  SALARY: 'salary',
  CREATED_AT: `to_char(created_at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`,
};

/** The cursor after a number of rows in this order. */
async function positionAt(order: Order, offset: number, condition = 'true'): Promise<Position> {
  const column = employeeOrder(order).column;
  const [row] = await explainer.query<{ value: string | number; id: string }>(
    `select ${columnOf[order.field]} as value, id from employee where ${condition} order by ${column} ${order.direction}, id ${order.direction} offset $1 limit 1`,
    [offset],
  );
  if (!row) throw new Error('The list ends before.');
  return row;
}

const pageIn = (order: Order, more: Partial<KeysetPage> = {}): KeysetPage => ({
  order: employeeOrder(order),
  limit,
  isBackward: false,
  after: null,
  before: null,
  ...more,
});

const department = (n: number): string => encodeId('department', largeId('department', n));
const manager = (n: number): string => encodeId('employee', largeId('employee', n));
const day = (text: string): Date => new Date(`${text}T00:00:00Z`);

const filters: Record<string, EmployeeFilter> = {
  everyone: {},
  'the largest department': { departmentId: department(1) },
  'a small department': { departmentId: department(size.departments) },
  'the reports of a manager': { managerId: manager(7) },
  'nobody’s reports': { managerId: manager(size.employees) },
  'a wide range of ages': { minAge: 30, maxAge: 60 },
  'one age': { minAge: 44, maxAge: 44 },
  'an age that nobody has': { minAge: 200 },
  'a wide range of days': { hiredAfter: day('2005-01-01'), hiredBefore: day('2020-01-01') },
  'one day': { hiredAfter: day('2012-03-04'), hiredBefore: day('2012-03-04') },
  'a day that has not come': { hiredAfter: day('2030-01-01') },
  'ages and days': { minAge: 30, maxAge: 35, hiredAfter: day('2010-01-01'), hiredBefore: day('2011-01-01') },
  'ages in a department': { departmentId: department(1), minAge: 30, maxAge: 31 },
  'days in a small department': { departmentId: department(30), hiredAfter: day('2015-01-01') },
  'the reports of a manager in a department, of some age': {
    managerId: manager(7),
    departmentId: department(1),
    minAge: 20,
    maxAge: 90,
  },
  'a text that all hold': { search: 'example.com' },
  'a text that many hold': { search: 'team lead' },
  'a text that some hold': { search: 'p1234' },
  'a text that one holds': { search: 'p123456@example' },
  'a text that nobody holds': { search: 'nobody is called this' },
  'a text of three letters': { search: 'abe' },
  'a text in other case': { search: 'TEAM LEAD' },
  'a letter that many hold': { search: 'a' },
  'two letters that many hold': { search: 'Le' },
  'a text in a department': { search: 'abc', departmentId: department(1) },
  'a text that many hold in a small department': { search: 'analyst', departmentId: department(size.departments) },
  'a text, ages and days': { search: 'engineer', minAge: 40, maxAge: 50, hiredAfter: day('2010-01-01') },
};

const isBroadTwice = ({ minAge, hiredAfter, search, departmentId }: EmployeeFilter): boolean =>
  (minAge != null && hiredAfter != null) || (search != null && departmentId != null);

/** A filter of each operator of each column, alone, in `or`, of the manager, and beside others. */
const generatedFilters = (): object[] => {
  const values: Record<string, readonly unknown[]> = {
    id: [encodeId('employee', largeId('employee', 77))],
    name: ['Abelm Qrst', 'abe', 'No One'],
    email: ['p1234@example.com', 'p1234'],
    age: [44, 20],
    jobTitle: ['Analyst', 'lead'],
    jobLevel: [3],
    hiredOn: [day('2012-03-04')],
    salary: [44_000],
    createdAt: [new Date('2020-06-01T00:00:00Z')],
    updatedAt: [new Date('2020-06-01T00:00:00Z')],
  };
  const single = [...employeeColumns.columns.values()].flatMap((column) => {
    const ranges = ['id'].includes(column.type) ? [] : ['lt', 'lte', 'gt', 'gte'];
    const operators = ['eq', 'ne', ...ranges, ...(column.type === 'text' ? ['contains', 'startsWith'] : [])];
    return (values[column.name] ?? []).flatMap((value) => [
      ...operators.map((operator) => ({ [column.name]: { [operator]: value } })),
      ...['in', 'notIn'].map((operator) => ({ [column.name]: { [operator]: [value] } })),
      ...[true, false].map((isNull) => ({ [column.name]: { isNull } })),
    ]);
  });
  return [
    ...single,
    ...single.map((one) => ({ or: [one, { email: { eq: 'p7@example.com' } }] })),
    ...single.map((manager) => ({ manager })),
    ...single.map((one) => ({ ...one, department: { name: { eq: 'Department 30' } } })),
    { manager: { isNull: true } },
    { manager: { isNull: false } },
    { not: { age: { eq: 44 } } },
  ];
};

describe('every filter and order that callers can send', () => {
  it('is served by an index, or rejected', async () => {
    const indexes = new IndexGuard(new TableCatalog(explainer.db), { maxUnindexedRows: 50_000 });
    const sorted = (['NAME', 'EMAIL', 'AGE', 'JOB_LEVEL'] as const).map((field) => ({
      field,
      direction: OrderDirection.DESC,
    }));
    const counts = { served: 0, rejected: 0 };
    const failures: string[] = [];
    for (const filter of [{}, ...generatedFilters()])
      for (const order of sorted) {
        const condition = conditionOf(filter);
        const page = { ...pageIn({ field: 'NAME', direction: OrderDirection.ASC }), order: employeeOrder(order) };
        const check = async () => indexes.check(employeeColumns, condition, page.order);
        const problem = await check().catch((error: unknown) => error);
        counts[problem === undefined ? 'served' : 'rejected'] += 1;
        if (problem !== undefined) continue;
        const { sequentialScans, plan } = await explainOne((db) => employeePage(db, condition, page));
        if (sequentialScans.includes('employee'))
          failures.push(`${JSON.stringify(filter)} by ${order.field}:\n${plan}`);
      }
    expect(failures).toEqual([]);
    expect(counts.served).toBeGreaterThan(500);
    expect(counts.rejected).toBeGreaterThan(300);
  }, 300_000);
});

describe('a page of 200,000 employees', () => {
  it.each(Object.entries(filters))(
    'of %s reads few rows in every order and direction with all joins',
    async (name, filter) => {
      for (const order of orders) {
        for (const isBackward of [false, true]) {
          const explained = await explainOne((db) =>
            employeePage(db, conditionOf(filter), pageIn(order, { isBackward }), employeeWithRelations),
          );
          expectBounded(
            `${name} by ${order.field} ${order.direction}${isBackward ? ' from the end' : ''}`,
            explained,
            'employee',
            isBroadTwice(filter) ? boundOfTwoConditions : bound,
          );
        }
      }
    },
  );

  it.each(orders)('reads as much at page 3,000 as at page 1, by $field $direction', async (order) => {
    const after = await positionAt(order, page3000);
    const first = await explainOne((db) => employeePage(db, everyRow, pageIn(order), employeeWithRelations));
    const deep = await explainOne((db) => employeePage(db, everyRow, pageIn(order, { after }), employeeWithRelations));
    const back = await explainOne((db) =>
      employeePage(db, everyRow, pageIn(order, { before: after, isBackward: true }), employeeWithRelations),
    );
    const generic = [first, deep, back].flatMap((explained) => explained.generic ?? []);
    expect(generic).toHaveLength(3);
    for (const explained of [first, deep, back, ...generic]) {
      expect(explained.sequentialScans).not.toContain('employee');
      expect(explained.buffers).toBeLessThan(300);
      // Only the rows of the page and the managers: none are skipped.
      expect(explained.rows).toBeLessThan(6 * (limit + 1));
    }
    expect(deep.buffers).toBeLessThan(first.buffers * 2);
    expect(back.buffers).toBeLessThan(first.buffers * 2);
    for (const { buffers } of generic) expect(buffers).toBeLessThanOrEqual(deep.buffers * 1.3);
  });

  it.each(orders)('of one department reads as much at any depth, by $field $direction', async (order) => {
    const departmentId = largeId('department', 1);
    const after = await positionAt(order, 30_000, `department_id = '${departmentId}'`);
    const filter = { departmentId: encodeId('department', departmentId) };
    for (const page of [pageIn(order), pageIn(order, { after }), pageIn(order, { before: after, isBackward: true })]) {
      const explained = await explainOne((db) => employeePage(db, conditionOf(filter), page));
      for (const { rows, buffers, sequentialScans } of [explained, ...(explained.generic ? [explained.generic] : [])]) {
        expect(sequentialScans).toEqual([]);
        expect(rows).toBeLessThanOrEqual(limit + 1);
        expect(buffers).toBeLessThan(60);
      }
    }
  });

  it('returns each employee once with cursors', async () => {
    const order = { field: 'AGE' as const, direction: OrderDirection.DESC };
    const [{ ids }] = (await explainer.query<{ ids: string[] }>(
      'select array_agg(id order by age desc, id desc) as ids from (select id, age from employee order by age desc, id desc offset 1000 limit 400) as part',
    )) as [{ ids: string[] }];
    const walked: string[] = [];
    let after = await positionAt(order, 999);
    await explain(async (db) => {
      while (walked.length < 400) {
        const rows = (await employeePage(db, everyRow, { ...pageIn(order, { after }), limit: 100 })).slice(0, 100);
        walked.push(...rows.map(({ id }) => id));
        const last = rows.at(-1);
        if (!last) break;
        after = { value: last.age, id: last.id };
      }
    });
    expect(walked).toEqual(ids);
  });
});

describe('a search of 200,000 employees', () => {
  it('uses the trigram index for rare texts and the index of the order for frequent ones', async () => {
    const by = async (search: string): Promise<string[]> =>
      (
        await explainOne((db) =>
          employeePage(db, conditionOf({ search }), pageIn({ field: 'NAME', direction: OrderDirection.ASC })),
        )
      ).indexes;
    expect(await by('p1234')).toEqual(['employee_search_index']);
    expect(await by('example.com')).toEqual(['employee_name_id_index']);
  });

  it('is counted with the same index', async () => {
    expectBounded('the count', await explainOne((db) => countEmployees(db, conditionOf({ search: 'p1234' }))));
  });

  it('matches text within one field, not across two', async () => {
    const [{ name }] = (await explainer.query<{ name: string }>('select name from employee where id = $1', [
      largeId('employee', 1234),
    ])) as [{ name: string }];
    const found = async (search: string): Promise<number> => {
      let count = 0;
      await explain(async (db) => void (count = await countEmployees(db, conditionOf({ search }))));
      return count;
    };
    expect(await found(name)).toBe(1);
    expect(await found('p1234@example.com')).toBe(1);
    expect(await found(`${name}\np1234@`)).toBe(0);
    expect(await found(`${name}p1234@`)).toBe(0);
  });

  it('reads the table at most once for one or two rare letters, which the trigram index does not cover', async () => {
    const explained = await explainOne((db) =>
      employeePage(db, conditionOf({ search: '%_' }), pageIn({ field: 'NAME', direction: OrderDirection.ASC })),
    );
    const [{ pages }] = (await explainer.query<{ pages: number }>(
      `select (pg_relation_size('employee') / 8192)::integer as pages from pg_class limit 1`,
    )) as [{ pages: number }];
    expect(explained.buffers).toBeLessThan(pages * 1.2);
  });
});

describe('a batch load', () => {
  const departmentIds = Array.from({ length: size.departments }, (_, index) => largeId('department', index + 1));
  const managerIds = Array.from({ length: 50 }, (_, index) => largeId('employee', index + 1));
  const byName = pageIn({ field: 'NAME', direction: OrderDirection.ASC });

  it('of departments, their employees and reports uses indexes', async () => {
    expectBounded('all departments', await explainOne((db) => allDepartments(db)));
    expectBounded('departments by id', await explainOne((db) => departmentsById(db, departmentIds)));
    expectBounded('employees by id', await explainOne((db) => employeesById(db, managerIds)));
    expectBounded(
      'pages of employees',
      await explainOne((db) => employeePagesByOwner(db, 'department_id', departmentIds, byName)),
    );
    expectBounded(
      'pages of reports',
      await explainOne((db) => employeePagesByOwner(db, 'manager_id', managerIds, byName)),
    );
    expectBounded('counts of reports', await explainOne((db) => countEmployeesByOwner(db, 'manager_id', managerIds)));
    expectBounded('reporting lines', await explainOne((db) => reportsAmong(db, largeId('employee', 1), managerIds)));
  });

  it('of headcounts uses only a small index', async () => {
    const { sequentialScans, indexes, buffers } = await explainOne((db) =>
      countEmployeesByOwner(db, 'department_id', departmentIds),
    );
    expect({ sequentialScans, indexes: [...new Set(indexes)] }).toEqual({
      sequentialScans: [],
      indexes: ['employee_department_id_index'],
    });
    expect(buffers).toBeLessThan(400);
  });
});

describe('a page of 200,000 predictions', () => {
  const page: KeysetPage = { order: predictionOrder, limit, isBackward: false, after: null, before: null };
  const time = (text: string): Date => new Date(text);
  const userId = largeId('user', 5);
  const scopes: Record<string, PredictionScope> = {
    everyone: { userId: null },
    'a user': { userId },
    'a user without predictions': { userId: largeId('user', 40_000) },
    'a model': { userId: null, model: 'iris' },
    'a retired model with many predictions': { userId: null, model: 'retired' },
    'an unknown model': { userId: null, model: 'unknown' },
    'an old version': { userId: null, model: 'car-price', version: 1 },
    'an unknown version': { userId: null, model: 'car-price', version: 9 },
    'the cache': { userId: null, source: PredictionSource.CACHE },
    'stale predictions, which are few and old': { userId: null, source: PredictionSource.STALE },
    'the last days': { userId: null, createdAfter: time('2026-07-15T00:00:00Z') },
    'long ago': { userId: null, createdBefore: time('2026-01-02T00:00:00Z') },
    'an hour long ago': {
      userId: null,
      createdAfter: time('2026-03-01T00:00:00Z'),
      createdBefore: time('2026-03-01T01:00:00Z'),
    },
    'a user, long ago': { userId, createdBefore: time('2026-01-10T00:00:00Z') },
    'a model, long ago': { userId: null, model: 'digits', createdBefore: time('2026-01-10T00:00:00Z') },
    'a time before the first': { userId: null, createdBefore: time('1969-01-01T00:00:00Z') },
    'a user and a model': { userId, model: 'digits' },
    'a user, a model, a version and a source': { userId, model: 'digits', version: 2, source: PredictionSource.MODEL },
  };

  it.each(Object.entries(scopes))('of %s reads few rows', async (name, scope) => {
    const explained = await explainOne((db) => predictionPage(db, scope, page));
    expectBounded(name, explained, 'prediction');
  });

  it('finds exactly the predictions of a time range by their ids', async () => {
    const [from, to] = [time('2026-03-01T00:00:00Z'), time('2026-03-01T01:00:00Z')];
    const expected = await explainer.query<{ id: string }>(
      'select id from prediction where created_at between $1 and $2 order by id desc',
      [from, to],
    );
    expect(expected.length).toBeGreaterThan(30);
    let found: string[] = [];
    await explain(
      async (db) =>
        void (found = (
          await predictionPage(db, { userId: null, createdAfter: from, createdBefore: to }, { ...page, limit: 1000 })
        ).map(({ id }) => id)),
    );
    expect(found).toEqual(expected.map(({ id }) => id));
  });

  it('reads as little at page 3,000', async () => {
    const [at] = await explainer.query<{ id: string }>('select id from prediction order by id desc offset $1 limit 1', [
      page3000,
    ]);
    const after = { value: at?.id ?? '', id: at?.id ?? '' };
    for (const scope of [{ userId: null }, { userId: null, model: 'iris' }]) {
      const first = await explainOne((db) => predictionPage(db, scope, page));
      const deep = await explainOne((db) => predictionPage(db, scope, { ...page, after }));
      expect(first.rows).toBeLessThanOrEqual(limit + 1);
      expect(deep.rows).toBeLessThanOrEqual(limit + 1);
      expect(deep.buffers).toBeLessThanOrEqual(first.buffers * 2);
    }
  });

  it('uses indexes for many users, also for counts', async () => {
    const userIds = Array.from({ length: 20 }, (_, index) => largeId('user', index + 1));
    expectBounded('pages of users', await explainOne((db) => predictionPagesByUser(db, userIds, page)), 'prediction');
    const counted = await explainOne((db) => countPredictionsByUser(db, userIds.slice(0, 2)));
    expect(counted.sequentialScans).toEqual([]);
  });
});

describe('a page of 50,000 users', () => {
  it('reads as little at any depth', async () => {
    const page: KeysetPage = {
      order: readOrder(userColumns, [], { viewer: viewerOf(), byDefault: 'createdAt' }),
      limit,
      isBackward: false,
      after: null,
      before: null,
    };
    const after = { value: '2024-01-01T00:00:00.000Z', id: largeId('user', 1) };
    for (const requested of [page, { ...page, after }, { ...page, before: after, isBackward: true }]) {
      const { rows, sequentialScans } = await explainOne((db) => userPage(db, everyRow, requested));
      expect(sequentialScans).toEqual([]);
      expect(rows).toBeLessThanOrEqual(limit + 1);
    }
  });
});

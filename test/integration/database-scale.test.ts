import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { KeysetPage, Position } from '../../src/database/keyset.js';
import { encodeId } from '../../src/graphql/id.js';
import {
  allDepartments,
  countEmployees,
  countEmployeesByOwner,
  departmentsById,
  employeeOrder,
  employeePage,
  employeePagesByOwner,
  employeesById,
  reportsAmong,
} from '../../src/domains/employee/employee.queries.js';
import { EmployeeOrderField, OrderDirection, type EmployeeFilter } from '../../src/domains/employee/employee.types.js';
import { PredictionSource } from '../../src/domains/prediction/prediction.entity.js';
import { countPredictionsByUser, predictionOrder, predictionPage, predictionPagesByUser, type PredictionScope } from '../../src/domains/prediction/prediction.queries.js';
import { userOrder, userPage } from '../../src/domains/user/user.queries.js';
import { createTestDatabase, type TestDatabase } from '../kit/database.js';
import { openExplainer, type Explained, type Explainer } from '../kit/explain.js';
import { largeId, loadLargeCompany, size } from '../kit/large-company.js';

/** Of 200,000: rows that a page may look at, and pages of the disk that it may touch, whatever is asked for. */
const bound = { rows: 4_000, buffers: 4_000 };
/** Where two ranges meet, neither of which is narrow: an index leads to one of them. */
const boundOfTwoRanges = { rows: 10_000, buffers: 10_000 };

const limit = 20;
const page3000 = 3_000 * limit;
const joins = { department: true, manager: true, managersDepartment: true };

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

/** The one statement of a read. */
async function explainOne(read: Parameters<Explainer['explain']>[0]): Promise<Explained> {
  const [explained, ...more] = await explain(read);
  expect(more).toEqual([]);
  if (!explained) throw new Error('It sent no statement.');
  return explained;
}

/** Fails with the plan. */
function expectBounded(what: string, { readWhole, rows, buffers, plan }: Explained, table = 'employee', most = bound): void {
  const faults = [
    ...(readWhole.includes(table) ? [`reads all of ${table}`] : []),
    ...(rows > most.rows ? [`looks at ${rows} rows`] : []),
    ...(buffers > most.buffers ? [`touches ${buffers} pages`] : []),
  ];
  if (faults.length > 0) throw new Error(`${what} ${faults.join(', ')}:\n${plan}`);
}

const orders = Object.values(EmployeeOrderField).flatMap((field) => Object.values(OrderDirection).map((direction) => ({ field, direction })));
type Order = (typeof orders)[number];

const columnOf: Record<EmployeeOrderField, string> = { NAME: 'name', AGE: 'age', HIRED_ON: 'hired_on::text', SALARY: 'salary', CREATED_AT: `to_char(created_at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')` };

/** Where a list in this order stands after so many rows. */
async function positionAt(order: Order, offset: number, condition = 'true'): Promise<Position> {
  const column = employeeOrder(order).column;
  const [row] = await explainer.query<{ value: string | number; id: string }>(
    `select ${columnOf[order.field]} as value, id from employee where ${condition} order by ${column} ${order.direction}, id ${order.direction} offset $1 limit 1`,
    [offset],
  );
  if (!row) throw new Error('The list ends before.');
  return row;
}

const pageIn = (order: Order, more: Partial<KeysetPage> = {}): KeysetPage => ({ order: employeeOrder(order), limit, isBackward: false, after: null, before: null, ...more });

const department = (n: number): string => encodeId('department', largeId('department', n));
const manager = (n: number): string => encodeId('employee', largeId('employee', n));
const day = (text: string): Date => new Date(`${text}T00:00:00Z`);

const filters: Record<string, EmployeeFilter> = {
  'everyone': {},
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
  'the reports of a manager in a department, of some age': { managerId: manager(7), departmentId: department(1), minAge: 20, maxAge: 90 },
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

describe('a page of 200,000 employees', () => {
  it.each(Object.entries(filters))('of %s looks at few rows in every order, from either end, with all that can be joined', async (name, filter) => {
    for (const order of orders) {
      for (const isBackward of [false, true]) {
        const explained = await explainOne((db) => employeePage(db, filter, pageIn(order, { isBackward }), joins));
        expectBounded(`${name} by ${order.field} ${order.direction}${isBackward ? ' from the end' : ''}`, explained, 'employee', filter.minAge != null && filter.hiredAfter != null ? boundOfTwoRanges : bound);
      }
    }
  });

  it.each(orders)('costs at page 3,000 what it costs at page 1, by $field $direction', async (order) => {
    const after = await positionAt(order, page3000);
    const first = await explainOne((db) => employeePage(db, {}, pageIn(order), joins));
    const deep = await explainOne((db) => employeePage(db, {}, pageIn(order, { after }), joins));
    const back = await explainOne((db) => employeePage(db, {}, pageIn(order, { before: after, isBackward: true }), joins));
    for (const explained of [first, deep, back]) {
      expect(explained.readWhole).not.toContain('employee');
      expect(explained.buffers).toBeLessThan(300);
      // Of the page itself, and the managers: nothing is passed over.
      expect(explained.rows).toBeLessThan(6 * (limit + 1));
    }
    expect(deep.buffers).toBeLessThan(first.buffers * 2);
    expect(back.buffers).toBeLessThan(first.buffers * 2);
  });

  it.each(orders)('of one department costs as little deep in it, by $field $direction', async (order) => {
    const departmentId = largeId('department', 1);
    const after = await positionAt(order, 30_000, `department_id = '${departmentId}'`);
    const filter = { departmentId: encodeId('department', departmentId) };
    for (const page of [pageIn(order), pageIn(order, { after }), pageIn(order, { before: after, isBackward: true })]) {
      const { rows, buffers, readWhole } = await explainOne((db) => employeePage(db, filter, page, { department: false, manager: false, managersDepartment: false }));
      expect(readWhole).toEqual([]);
      expect(rows).toBeLessThanOrEqual(limit + 1);
      expect(buffers).toBeLessThan(60);
    }
  });

  it('gives, by cursors alone, each employee once', async () => {
    const order = { field: EmployeeOrderField.AGE, direction: OrderDirection.DESC };
    const [{ ids }] = (await explainer.query<{ ids: string[] }>('select array_agg(id order by age desc, id desc) as ids from (select id, age from employee order by age desc, id desc offset 1000 limit 400) as part')) as [{ ids: string[] }];
    const walked: string[] = [];
    let after = await positionAt(order, 999);
    await explain(async (db) => {
      while (walked.length < 400) {
        const rows = (await employeePage(db, {}, { ...pageIn(order, { after }), limit: 100 }, { department: false, manager: false, managersDepartment: false })).slice(0, 100);
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
  it('goes by the index of trigrams where few hold the text, and by the order where many do', async () => {
    const by = async (search: string): Promise<string[]> => (await explainOne((db) => employeePage(db, { search }, pageIn({ field: EmployeeOrderField.NAME, direction: OrderDirection.ASC }), { department: false, manager: false, managersDepartment: false }))).indexes;
    expect(await by('p1234')).toEqual(['employee_search_index']);
    expect(await by('example.com')).toEqual(['employee_name_id_index']);
  });

  it('is counted by the same index', async () => {
    expectBounded('the count', await explainOne((db) => countEmployees(db, { search: 'p1234' })));
  });

  it('finds what lies in one field, not what lies across two', async () => {
    const [{ name }] = (await explainer.query<{ name: string }>('select name from employee where id = $1', [largeId('employee', 1234)])) as [{ name: string }];
    const found = async (search: string): Promise<number> => {
      let count = 0;
      await explain(async (db) => void (count = await countEmployees(db, { search })));
      return count;
    };
    expect(await found(name)).toBe(1);
    expect(await found('p1234@example.com')).toBe(1);
    expect(await found(`${name}\np1234@`)).toBe(0);
    expect(await found(`${name}p1234@`)).toBe(0);
  });

  it('reads the table once, and not more, for one or two letters that hardly anyone has, which no index of trigrams knows', async () => {
    const explained = await explainOne((db) => employeePage(db, { search: '%_' }, pageIn({ field: EmployeeOrderField.NAME, direction: OrderDirection.ASC }), { department: false, manager: false, managersDepartment: false }));
    const [{ pages }] = (await explainer.query<{ pages: number }>(`select (pg_relation_size('employee') / 8192)::integer as pages from pg_class limit 1`)) as [{ pages: number }];
    expect(explained.buffers).toBeLessThan(pages * 1.2);
  });
});

describe('what belongs to many', () => {
  const departmentIds = Array.from({ length: size.departments }, (_, index) => largeId('department', index + 1));
  const managerIds = Array.from({ length: 50 }, (_, index) => largeId('employee', index + 1));
  const byName = pageIn({ field: EmployeeOrderField.NAME, direction: OrderDirection.ASC });

  it('is read by indexes: departments, their employees, and the reports of managers', async () => {
    expectBounded('all departments', await explainOne((db) => allDepartments(db)));
    expectBounded('departments by id', await explainOne((db) => departmentsById(db, departmentIds)));
    expectBounded('employees by id', await explainOne((db) => employeesById(db, managerIds)));
    expectBounded('pages of employees', await explainOne((db) => employeePagesByOwner(db, 'department_id', departmentIds, byName)));
    expectBounded('pages of reports', await explainOne((db) => employeePagesByOwner(db, 'manager_id', managerIds, byName)));
    expectBounded('counts of reports', await explainOne((db) => countEmployeesByOwner(db, 'manager_id', managerIds)));
    expectBounded('who reports to whom', await explainOne((db) => reportsAmong(db, largeId('employee', 1), managerIds)));
  });

  it('is counted without reading the employees: headcounts go through a small index alone', async () => {
    const { readWhole, indexes, buffers } = await explainOne((db) => countEmployeesByOwner(db, 'department_id', departmentIds));
    expect({ readWhole, indexes: [...new Set(indexes)] }).toEqual({ readWhole: [], indexes: ['employee_department_id_index'] });
    expect(buffers).toBeLessThan(400);
  });
});

describe('a page of 200,000 predictions', () => {
  const page: KeysetPage = { order: predictionOrder, limit, isBackward: false, after: null, before: null };
  const time = (text: string): Date => new Date(text);
  const userId = largeId('user', 5);
  const scopes: Record<string, PredictionScope> = {
    'everyone': { userId: null },
    'a user': { userId },
    'a user without any': { userId: largeId('user', 40_000) },
    'a model': { userId: null, model: 'iris' },
    'a model that has retired, and of which there is much': { userId: null, model: 'retired' },
    'a model that is unknown': { userId: null, model: 'unknown' },
    'a version of long ago': { userId: null, model: 'car-price', version: 1 },
    'a version that never was': { userId: null, model: 'car-price', version: 9 },
    'the cache': { userId: null, source: PredictionSource.CACHE },
    'stale answers, which are few and old': { userId: null, source: PredictionSource.STALE },
    'the last days': { userId: null, createdAfter: time('2026-07-15T00:00:00Z') },
    'long ago': { userId: null, createdBefore: time('2026-01-02T00:00:00Z') },
    'an hour of long ago': { userId: null, createdAfter: time('2026-03-01T00:00:00Z'), createdBefore: time('2026-03-01T01:00:00Z') },
    'a user, long ago': { userId, createdBefore: time('2026-01-10T00:00:00Z') },
    'a model, long ago': { userId: null, model: 'digits', createdBefore: time('2026-01-10T00:00:00Z') },
    'a time before all': { userId: null, createdBefore: time('1969-01-01T00:00:00Z') },
    'a user and a model': { userId, model: 'digits' },
    'a user, a model, a version and a source': { userId, model: 'digits', version: 2, source: PredictionSource.MODEL },
  };

  it.each(Object.entries(scopes))('of %s looks at few rows', async (name, scope) => {
    const explained = await explainOne((db) => predictionPage(db, scope, page));
    expectBounded(name, explained, 'prediction');
  });

  it('finds by the time in the ids exactly what was made in that time', async () => {
    const [from, to] = [time('2026-03-01T00:00:00Z'), time('2026-03-01T01:00:00Z')];
    const expected = await explainer.query<{ id: string }>('select id from prediction where created_at between $1 and $2 order by id desc', [from, to]);
    expect(expected.length).toBeGreaterThan(30);
    let found: string[] = [];
    await explain(async (db) => void (found = (await predictionPage(db, { userId: null, createdAfter: from, createdBefore: to }, { ...page, limit: 1000 })).map(({ id }) => id)));
    expect(found).toEqual(expected.map(({ id }) => id));
  });

  it('costs as little at page 3,000', async () => {
    const [at] = await explainer.query<{ id: string }>('select id from prediction order by id desc offset $1 limit 1', [page3000]);
    const after = { value: at?.id ?? '', id: at?.id ?? '' };
    for (const scope of [{ userId: null }, { userId: null, model: 'iris' }]) {
      const first = await explainOne((db) => predictionPage(db, scope, page));
      const deep = await explainOne((db) => predictionPage(db, scope, { ...page, after }));
      expect(first.rows).toBeLessThanOrEqual(limit + 1);
      expect(deep.rows).toBeLessThanOrEqual(limit + 1);
      expect(deep.buffers).toBeLessThanOrEqual(first.buffers * 2);
    }
  });

  it('is read by indexes for many users at once, and counted by one', async () => {
    const userIds = Array.from({ length: 20 }, (_, index) => largeId('user', index + 1));
    expectBounded('pages of users', await explainOne((db) => predictionPagesByUser(db, userIds, page)), 'prediction');
    const counted = await explainOne((db) => countPredictionsByUser(db, userIds.slice(0, 2)));
    expect(counted.readWhole).toEqual([]);
  });
});

describe('a page of 50,000 users', () => {
  it('costs as little deep in the list', async () => {
    const page: KeysetPage = { order: userOrder, limit, isBackward: false, after: null, before: null };
    const after = { value: '2024-01-01T00:00:00.000Z', id: largeId('user', 1) };
    for (const asked of [page, { ...page, after }, { ...page, before: after, isBackward: true }]) {
      const { rows, readWhole } = await explainOne((db) => userPage(db, asked));
      expect(readWhole).toEqual([]);
      expect(rows).toBeLessThanOrEqual(limit + 1);
    }
  });
});

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newId } from '../../src/database/base.entity.js';
import { encodeId } from '../../src/graphql/relay/global-id.js';
import {
  codesOf,
  isEmpty,
  fieldsOf,
  startGateway,
  type GraphQLResponse,
  type AnyData,
  type TestGateway,
  type Variables,
} from '../support/gateway.js';

let gateway: TestGateway;
let departmentId: string;
let otherDepartmentId: string;
beforeAll(async () => {
  gateway = await startGateway();
  const departments = await gateway.db.selectFrom('department').select('id').orderBy('name').limit(2).execute();
  [departmentId = '', otherDepartmentId = ''] = departments.map((department) => encodeId('department', department.id));
});
afterAll(() => gateway.close());

const fields =
  'id name email age jobTitle jobLevel hiredOn salary version createdAt updatedAt department { id } manager { id }';
const execute = (document: string, variables: Variables): Promise<GraphQLResponse<AnyData>> =>
  gateway.execute<AnyData>('admin', document, variables);
const create = (input: object) =>
  execute(`mutation ($input: CreateEmployeeInput!) { createEmployee(input: $input) { ${fields} } }`, { input });
const update = (id: string, input: object) =>
  execute(
    `mutation ($id: ID!, $input: UpdateEmployeeInput!) { updateEmployee(id: $id, input: $input) { ${fields} } }`,
    {
      id,
      input,
    },
  );
const remove = (id: string) => execute('mutation ($id: ID!) { deleteEmployee(id: $id) { deletedEmployeeId } }', { id });
const read = async (id: string): Promise<AnyData> => {
  const response = await execute(`query ($id: ID!) { employee(id: $id) { ${fields} } }`, { id });
  expect(response.errors).toEqual([]);
  return response.data?.employee;
};

let hired = 0;
const newcomer = (values: object = {}) => ({
  name: 'Nell Newcomer',
  email: `newcomer.${++hired}@example.com`,
  age: 30,
  jobTitle: 'Tester',
  jobLevel: 2,
  hiredOn: '2024-05-06',
  salary: 50_000,
  departmentId,
  ...values,
});

/** Creates an employee. @returns the id */
async function hire(values: object = {}): Promise<string> {
  const response = await create(newcomer(values));
  expect(response.errors).toEqual([]);
  return response.data.createEmployee.id as string;
}

/** All rows of the table. */
const everyone = () => gateway.db.selectFrom('employee').selectAll().orderBy('id').execute();

/** Asserts that a request is rejected and leaves the table unchanged. */
async function rejected(
  attempt: () => Promise<GraphQLResponse<AnyData>>,
  code = 'BAD_USER_INPUT',
): Promise<GraphQLResponse<AnyData>> {
  const before = await everyone();
  const response = await attempt();
  expect(codesOf(response)).toEqual([code]);
  expect(isEmpty(response)).toBe(true);
  expect(await everyone()).toEqual(before);
  return response;
}

const day = (years: number, days = 0): string => {
  const now = new Date();
  return new Date(Date.UTC(now.getUTCFullYear() + years, now.getUTCMonth(), now.getUTCDate() + days))
    .toISOString()
    .slice(0, 10);
};

const unknownEmployee = encodeId('employee', newId());
const unknownDepartment = encodeId('department', newId());

describe('one employee', () => {
  it('is read by id', async () => {
    const id = await hire({ name: 'Olive One' });
    expect(await read(id)).toMatchObject({
      id,
      name: 'Olive One',
      department: { id: departmentId },
      manager: null,
      version: 1,
    });
  });

  it('is null for an unknown id', async () => {
    expect(await read(unknownEmployee)).toBeNull();
    expect(await read('employee_00000000000000000000000000')).toBeNull();
    expect(await read('employee_00000000000000000000000001')).toBeNull();
    expect(await read('employee_7zzzzzzzzzzzzzzzzzzzzzzzzz')).toBeNull();
  });

  it.each([
    ['nothing', '', /type employee.*malformed/],
    ['a number', '1', /malformed/],
    ['a prefix', 'employee_', /malformed/],
    ['upper case', unknownEmployee.toUpperCase(), /malformed/],
    ['more than 128 bits', 'employee_8zzzzzzzzzzzzzzzzzzzzzzzzz', /malformed/],
    ['a letter outside base32', 'employee_0000000000000000000000000l', /malformed/],
    ['NUL at the end', `${unknownEmployee}\0`, /malformed/],
    ['a lone surrogate', '\ud800', /malformed/],
    ['50,000 characters', 'x'.repeat(50_000), /malformed/],
    ['the id of a department', unknownDepartment, /must be an id of type employee.*is an id of type department/],
  ])('is rejected for an invalid id: %s', async (_what, id, message) => {
    const response = await execute('query ($id: ID!) { employee(id: $id) { name } }', { id });
    expect(codesOf(response)).toEqual(['BAD_USER_INPUT']);
    expect(fieldsOf(response)).toEqual(['id']);
    expect(response.errors[0]?.message).toMatch(message);
    expect(response.errors[0]?.message.length).toBeLessThan(300);
  });

  it('returns BAD_USER_INPUT for an id of another type and NOT_FOUND for an unknown one in mutations', async () => {
    for (const attempt of [(id: string) => update(id, { name: 'X' }), remove]) {
      expect(fieldsOf(await rejected(() => attempt(unknownDepartment)))).toEqual(['id']);
      const response = await rejected(() => attempt(unknownEmployee), 'NOT_FOUND');
      expect(response.errors[0]?.message).toContain(unknownEmployee);
    }
  });
});

describe('a new employee', () => {
  it('is returned as created, and reads the same afterwards', async () => {
    const managerId = await hire();
    const input = newcomer({ name: '  Zoë O’Brien-名前 👩‍💻  ', email: '  Zoe.OBRIEN@Example.COM ', managerId });
    const response = await create(input);
    expect(response.errors).toEqual([]);
    const created: AnyData = response.data?.createEmployee;
    expect(created).toMatchObject({
      name: 'Zoë O’Brien-名前 👩‍💻',
      email: 'zoe.obrien@example.com',
      age: 30,
      jobTitle: 'Tester',
      jobLevel: 2,
      hiredOn: '2024-05-06',
      salary: 50_000,
      version: 1,
      department: { id: departmentId },
      manager: { id: managerId },
    });
    expect(created.id).toMatch(/^employee_[0-7][0-9a-z]{25}$/);
    expect(Math.abs(Date.now() - Date.parse(created.createdAt as string))).toBeLessThan(60_000);
    expect(await read(created.id as string)).toEqual(created);
  });

  it('may have no manager, absent or null', async () => {
    expect((await read(await hire())).manager).toBeNull();
    expect((await read(await hire({ managerId: null }))).manager).toBeNull();
  });

  const limits: [string, unknown[], unknown[]][] = [
    [
      'name',
      ['x', 'x'.repeat(100), '名'.repeat(100)],
      ['', '   ', 'x'.repeat(101), 'a\0b', 'a\nb', 'a\rb', '\ud800', 'x\udfff'],
    ],
    ['jobTitle', ['x', 'x'.repeat(100)], ['', ' \t ', 'x'.repeat(101), 'a\0b', 'a\nb', '\udc00']],
    ['age', [16, 100], [15, 101, 0, -1, 2_147_483_647, -2_147_483_648]],
    ['jobLevel', [1, 5], [0, 6, -1, 40_000]],
    ['salary', [0, 2_147_483_647], [-1, -2_147_483_648]],
    ['hiredOn', ['1900-01-01', day(0), day(1)], ['1899-12-31', '0000-01-01', day(1, 1), day(2), '9999-12-31']],
    [
      'email',
      ['a@b.co', `${'x'.repeat(60)}@${'y'.repeat(60)}.example`],
      [
        '',
        'x',
        'x@',
        '@x.com',
        'a b@example.com',
        'a@b@example.com',
        'a\0@example.com',
        '\ud800@example.com',
        `${'x'.repeat(243)}@example.com`,
      ],
    ],
  ];

  it.each(limits)('is validated against both limits of %s', async (field, allowed, forbidden) => {
    const id = await hire();
    for (const value of allowed) {
      const created = await create(newcomer({ [field]: value }));
      expect(created.errors).toEqual([]);
      expect(created.data?.createEmployee[field]).toBe(value);
      await remove(created.data.createEmployee.id as string);
      const updated = await update(id, { [field]: value });
      expect(updated.errors).toEqual([]);
      expect(updated.data?.updateEmployee[field]).toBe(value);
    }
    for (const value of forbidden) {
      for (const attempt of [() => create(newcomer({ [field]: value })), () => update(id, { [field]: value })]) {
        const response = await rejected(attempt);
        expect(fieldsOf(response)).toEqual([field]);
        expect(response.errors[0]?.extensions.fields?.[0]?.message).toMatch(/^must /);
      }
    }
  });

  it.each([
    { age: 16.5 },
    { age: '30' },
    { salary: 2_147_483_648 },
    { hiredOn: '2023-02-29' },
    { name: 7 },
    { name: null },
    { departmentId: null },
    { role: 'ADMIN' },
    { id: unknownEmployee },
  ])('rejects %j, which is invalid in the schema', async (values) => {
    await rejected(() => create(newcomer(values)));
  });

  it('reports every invalid field at once, including those checked in the database', async () => {
    await hire({ email: 'taken@example.com' });
    const invalid = {
      name: ' ',
      email: 'TAKEN@example.com',
      age: 15,
      jobTitle: 'x'.repeat(101),
      jobLevel: 6,
      hiredOn: day(1, 1),
      salary: -1,
      departmentId: unknownDepartment,
      managerId: unknownEmployee,
    };
    const all = Object.keys(invalid).sort();
    const id = await hire();
    for (const attempt of [() => create(invalid), () => update(id, invalid)]) {
      const response = await rejected(attempt);
      expect(fieldsOf(response)).toEqual(all);
      expect(response.errors[0]?.message).toMatch(/and 6 more/);
    }
    const malformed = { ...invalid, departmentId: unknownEmployee, managerId: 'nonsense', email: 'nonsense' };
    for (const attempt of [() => create(malformed), () => update(id, malformed)])
      expect(fieldsOf(await rejected(attempt))).toEqual(all);
  });

  it('is rejected with an e-mail address in use, in any case', async () => {
    const id = await hire();
    await hire({ email: 'Once.Only@example.com' });
    for (const email of ['once.only@example.com', 'ONCE.ONLY@EXAMPLE.COM', ' once.Only@example.com ']) {
      for (const attempt of [() => create(newcomer({ email })), () => update(id, { email })]) {
        const response = await rejected(attempt);
        expect(response.errors[0]?.extensions.fields).toEqual([
          { field: 'email', message: 'is already used by another employee' },
        ]);
      }
    }
  });
});

describe('an update of an employee', () => {
  it('changes only the given fields', async () => {
    const managerId = await hire();
    const id = await hire({ managerId });
    const before = await read(id);
    const others = (await everyone()).filter((row) => encodeId('employee', row.id) !== id);

    const response = await update(id, { age: 31 });
    expect(response.errors).toEqual([]);
    const { updatedAt, ...changed } = response.data?.updateEmployee;
    const { updatedAt: updatedBefore, ...rest } = before;
    expect(changed).toEqual({ ...rest, age: 31, version: 2 });
    expect(Date.parse(updatedAt as string)).toBeGreaterThanOrEqual(Date.parse(updatedBefore as string));
    expect(await read(id)).toEqual(response.data?.updateEmployee);
    expect((await everyone()).filter((row) => encodeId('employee', row.id) !== id)).toEqual(others);
  });

  it('may change every field at once', async () => {
    const managerId = await hire();
    const id = await hire();
    const values = {
      name: 'All New',
      email: 'ALL.new@example.com',
      age: 64,
      jobTitle: 'Chief',
      jobLevel: 5,
      hiredOn: '2001-02-03',
      salary: 1,
      departmentId: otherDepartmentId,
      managerId,
    };
    expect((await update(id, values)).errors).toEqual([]);
    expect(await read(id)).toMatchObject({
      name: 'All New',
      email: 'all.new@example.com',
      age: 64,
      jobTitle: 'Chief',
      jobLevel: 5,
      hiredOn: '2001-02-03',
      salary: 1,
      department: { id: otherDepartmentId },
      manager: { id: managerId },
    });
  });

  it('without changes keeps the version', async () => {
    const id = await hire({ email: 'same@example.com' });
    const before = await read(id);
    for (const input of [{}, { age: 30 }, { email: 'SAME@example.com' }, { expectedVersion: 1 }]) {
      const response = await update(id, input);
      expect(response.errors).toEqual([]);
      expect(response.data?.updateEmployee).toEqual(before);
    }
    expect(await read(id)).toEqual(before);
  });

  it('accepts null only for the manager, and reports every other null', async () => {
    const id = await hire({ managerId: await hire() });
    const nulls = {
      name: null,
      email: null,
      age: null,
      jobTitle: null,
      jobLevel: null,
      hiredOn: null,
      salary: null,
      departmentId: null,
    };
    const response = await rejected(() => update(id, { ...nulls, managerId: null }));
    expect(fieldsOf(response)).toEqual(Object.keys(nulls).sort());
    expect(response.errors[0]?.extensions.fields?.every((problem) => problem.message === 'must not be null')).toBe(
      true,
    );

    expect((await update(id, { managerId: null })).errors).toEqual([]);
    expect((await read(id)).manager).toBeNull();
  });

  it('with null as expectedVersion is rejected, since null must not disable the check', async () => {
    const id = await hire();
    const response = await rejected(() => update(id, { age: 31, expectedVersion: null }));
    expect(fieldsOf(response)).toEqual(['expectedVersion']);
    expect((await update(id, { age: 31 })).errors).toEqual([]);
  });

  it('with a stale expectedVersion is rejected', async () => {
    const id = await hire();
    expect((await update(id, { age: 31, expectedVersion: 1 })).errors).toEqual([]);
    const response = await rejected(() => update(id, { age: 32, expectedVersion: 1 }), 'CONFLICT');
    expect(response.errors[0]?.message).toMatch(/Concurrent update detected; read the employee again/);
    await rejected(() => update(id, { age: 32, expectedVersion: 3 }), 'CONFLICT');
    expect((await update(id, { age: 32, expectedVersion: 2 })).errors).toEqual([]);
    expect(await read(id)).toMatchObject({ age: 32, version: 3 });
  });
});

describe('the reporting line', () => {
  it('never makes an employee their own manager, directly or through others', async () => {
    const top = await hire();
    const middle = await hire({ managerId: top });
    const lower = await hire({ managerId: middle });
    for (const managerId of [top, middle, lower]) {
      const response = await rejected(() => update(top, { managerId }));
      expect(fieldsOf(response)).toEqual(['managerId']);
    }
    await rejected(() => update(middle, { managerId: lower }));
    expect((await update(lower, { managerId: top })).errors).toEqual([]);
    expect((await update(middle, { managerId: lower })).errors).toEqual([]);
    await rejected(() => update(lower, { managerId: middle }));
  });
});

describe('deleting an employee', () => {
  it('returns the objects and counts that changed, of every deletion of the operation', async () => {
    const manager = await hire();
    const reports = [await hire({ managerId: manager }), await hire({ managerId: manager })];
    const counts = 'department { headcount } manager { id reports { totalCount } } remainingCount';
    const before = (await everyone()).length;
    const { data, errors } = await execute(
      `mutation ($one: ID!, $two: ID!, $manager: ID!) {
        one: deleteEmployee(id: $one) { deletedEmployeeId ${counts} }
        two: deleteEmployee(id: $two) { deletedEmployeeId ${counts} }
        last: deleteEmployee(id: $manager) { deletedEmployeeId ${counts} }
      }`,
      { one: reports[0], two: reports[1], manager },
    );
    expect(errors).toEqual([]);
    const headcount = data.last.department.headcount as number;
    expect(data).toEqual({
      one: {
        deletedEmployeeId: reports[0],
        department: { headcount: headcount + 2 },
        manager: { id: manager, reports: { totalCount: 1 } },
        remainingCount: before - 1,
      },
      two: {
        deletedEmployeeId: reports[1],
        department: { headcount: headcount + 1 },
        manager: { id: manager, reports: { totalCount: 0 } },
        remainingCount: before - 2,
      },
      last: { deletedEmployeeId: manager, department: { headcount }, manager: null, remainingCount: before - 3 },
    });
  });

  it('returns the id and deletes the row', async () => {
    const id = await hire();
    const before = await everyone();
    const response = await remove(id);
    expect(response).toMatchObject({ errors: [], data: { deleteEmployee: { deletedEmployeeId: id } } });
    expect(await read(id)).toBeNull();
    expect(await everyone()).toEqual(before.filter((row) => encodeId('employee', row.id) !== id));
    await rejected(() => remove(id), 'NOT_FOUND');
  });

  it('is rejected for a manager with the number of reports, and succeeds once they have another', async () => {
    const manager = await hire();
    const successor = await hire();
    const reports = [await hire({ managerId: manager }), await hire({ managerId: manager })];
    const two = await rejected(() => remove(manager), 'CONFLICT');
    expect(two.errors[0]?.extensions.reports).toBe(2);
    expect(two.errors[0]?.message).toContain('2 employees');

    const [first = '', second = ''] = reports;
    await update(first, { managerId: successor });
    const one = await rejected(() => remove(manager), 'CONFLICT');
    expect(one.errors[0]?.extensions.reports).toBe(1);
    expect(one.errors[0]?.message).toContain('1 employee;');
    await update(second, { managerId: null });
    expect((await remove(manager)).errors).toEqual([]);
    expect((await read(first)).manager).toEqual({ id: successor });
  });

  it('unlinks the account of the employee and keeps it', async () => {
    const id = await hire();
    const user = await gateway.db
      .selectFrom('user_account')
      .selectAll()
      .where('email', '=', 'user@example.com')
      .executeTakeFirstOrThrow();
    const userId = encodeId('user', user.id);
    const linked = await execute(
      'mutation ($userId: ID!, $id: ID!) { setUserEmployee(userId: $userId, employeeId: $id) { employee { id } } }',
      { userId, id },
    );
    expect(linked.data?.setUserEmployee.employee.id).toBe(id);
    expect((await remove(id)).errors).toEqual([]);
    const response = await execute(
      'query ($userId: ID!) { user(id: $userId) { email isActive role employee { id } } }',
      {
        userId,
      },
    );
    expect(response).toMatchObject({
      errors: [],
      data: { user: { email: 'user@example.com', isActive: true, role: 'USER', employee: null } },
    });
  });
});

describe('several mutations in one operation', () => {
  const document = `mutation ($id: ID!, $one: CreateEmployeeInput!, $two: CreateEmployeeInput!) {
    a: updateEmployee(id: $id, input: { age: 41, expectedVersion: 1 }) { age version }
    b: createEmployee(input: $one) { email }
    c: updateEmployee(id: $id, input: { age: 42, expectedVersion: 2 }) { age version }
    d: createEmployee(input: $two) { email }
    e: updateEmployee(id: $id, input: { age: 43, expectedVersion: 3 }) { age version }
  }`;

  it('are executed in order, each on the result of the previous ones', async () => {
    const id = await hire();
    const response = await execute(document, {
      id,
      one: newcomer({ email: 'in.row.1@example.com' }),
      two: newcomer({ email: 'in.row.2@example.com' }),
    });
    expect(response).toMatchObject({
      errors: [],
      data: { a: { age: 41, version: 2 }, c: { age: 42, version: 3 }, e: { age: 43, version: 4 } },
    });
    expect(await read(id)).toMatchObject({ age: 43, version: 4 });
  });

  it('report what was done if one fails: it is null, and the others are executed', async () => {
    const id = await hire({ email: 'in.row.3@example.com' });
    const before = await everyone();
    const response = await execute(document, {
      id,
      one: newcomer({ email: 'in.row.4@example.com' }),
      two: newcomer({ email: 'IN.ROW.4@example.com' }),
    });
    expect(response.errors.map((error) => [error.path, error.extensions.code])).toEqual([[['d'], 'BAD_USER_INPUT']]);
    expect(response.data).toEqual({
      a: { age: 41, version: 2 },
      b: { email: 'in.row.4@example.com' },
      c: { age: 42, version: 3 },
      d: null,
      e: { age: 43, version: 4 },
    });
    expect(await read(id)).toMatchObject({ age: 43, version: 4 });
    expect(await everyone()).toHaveLength(before.length + 1);
    expect((await update(id, { age: 44, expectedVersion: 4 })).errors).toEqual([]);
  });
});

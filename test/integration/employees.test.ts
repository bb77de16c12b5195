import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newId } from '../../src/database/base.entity.js';
import { encodeId } from '../../src/graphql/id.js';
import { codesOf, fieldsOf, startGateway, type Answer, type Any, type TestGateway, type Variables } from '../kit/gateway.js';

let gateway: TestGateway;
let departmentId: string;
let otherDepartmentId: string;
beforeAll(async () => {
  gateway = await startGateway();
  const departments = await gateway.db.selectFrom('department').select('id').orderBy('name').limit(2).execute();
  [departmentId = '', otherDepartmentId = ''] = departments.map((department) => encodeId('department', department.id));
});
afterAll(() => gateway.close());

const fields = 'id name email age jobTitle jobLevel hiredOn salary version createdAt updatedAt department { id } manager { id }';
const ask = (document: string, variables: Variables): Promise<Answer<Any>> => gateway.ask<Any>('admin', document, variables);
const create = (input: object) => ask(`mutation ($input: CreateEmployeeInput!) { createEmployee(input: $input) { ${fields} } }`, { input });
const update = (id: string, input: object) => ask(`mutation ($id: ID!, $input: UpdateEmployeeInput!) { updateEmployee(id: $id, input: $input) { ${fields} } }`, { id, input });
const remove = (id: string) => ask('mutation ($id: ID!) { deleteEmployee(id: $id) }', { id });
const read = async (id: string): Promise<Any> => {
  const answer = await ask(`query ($id: ID!) { employee(id: $id) { ${fields} } }`, { id });
  expect(answer.errors).toEqual([]);
  return answer.data?.employee;
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

/** The id of a new employee. */
async function hire(values: object = {}): Promise<string> {
  const answer = await create(newcomer(values));
  expect(answer.errors).toEqual([]);
  return answer.data.createEmployee.id as string;
}

/** Everything that the table holds. */
const everyone = () => gateway.db.selectFrom('employee').selectAll().orderBy('id').execute();

/** An attempt that must be refused and must leave the table as it was. */
async function refused(attempt: () => Promise<Answer<Any>>, code = 'BAD_USER_INPUT'): Promise<Answer<Any>> {
  const before = await everyone();
  const answer = await attempt();
  expect(codesOf(answer)).toEqual([code]);
  expect(answer.data ?? null).toBeNull();
  expect(await everyone()).toEqual(before);
  return answer;
}

const day = (years: number, days = 0): string => {
  const now = new Date();
  return new Date(Date.UTC(now.getUTCFullYear() + years, now.getUTCMonth(), now.getUTCDate() + days)).toISOString().slice(0, 10);
};

const unknownEmployee = encodeId('employee', newId());
const unknownDepartment = encodeId('department', newId());

describe('one employee', () => {
  it('is read by id', async () => {
    const id = await hire({ name: 'Olive One' });
    expect(await read(id)).toMatchObject({ id, name: 'Olive One', department: { id: departmentId }, manager: null, version: 1 });
  });

  it('is null where nobody has the id', async () => {
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
    ['a letter that base32 leaves out', 'employee_0000000000000000000000000l', /malformed/],
    ['NUL at the end', `${unknownEmployee}\0`, /malformed/],
    ['a lone surrogate', '\ud800', /malformed/],
    ['50,000 characters', 'x'.repeat(50_000), /malformed/],
    ['the id of a department', unknownDepartment, /must be an id of type employee.*is an id of type department/],
  ])('is refused for what is no id of an employee: %s', async (_what, id, message) => {
    const answer = await ask('query ($id: ID!) { employee(id: $id) { name } }', { id });
    expect(codesOf(answer)).toEqual(['BAD_USER_INPUT']);
    expect(fieldsOf(answer)).toEqual(['id']);
    expect(answer.errors[0]?.message).toMatch(message);
    expect(answer.errors[0]?.message.length).toBeLessThan(300);
  });

  it('is refused to be changed or removed by an id of another type, and not found by an unknown one', async () => {
    for (const attempt of [(id: string) => update(id, { name: 'X' }), remove]) {
      expect(fieldsOf(await refused(() => attempt(unknownDepartment)))).toEqual(['id']);
      const answer = await refused(() => attempt(unknownEmployee), 'NOT_FOUND');
      expect(answer.errors[0]?.message).toContain(unknownEmployee);
    }
  });
});

describe('a new employee', () => {
  it('is as it was given, and reads the same afterwards', async () => {
    const managerId = await hire();
    const input = newcomer({ name: '  Zoë O’Brien-名前 👩‍💻  ', email: '  Zoe.OBRIEN@Example.COM ', managerId });
    const answer = await create(input);
    expect(answer.errors).toEqual([]);
    const created: Any = answer.data?.createEmployee;
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

  it('may have no manager: absent and null are the same', async () => {
    expect((await read(await hire())).manager).toBeNull();
    expect((await read(await hire({ managerId: null }))).manager).toBeNull();
  });

  const limits: [string, unknown[], unknown[]][] = [
    ['name', ['x', 'x'.repeat(100), '名'.repeat(100)], ['', '   ', 'x'.repeat(101), 'a\0b', 'a\nb', 'a\rb', '\ud800', 'x\udfff']],
    ['jobTitle', ['x', 'x'.repeat(100)], ['', ' \t ', 'x'.repeat(101), 'a\0b', 'a\nb', '\udc00']],
    ['age', [16, 100], [15, 101, 0, -1, 2_147_483_647, -2_147_483_648]],
    ['jobLevel', [1, 5], [0, 6, -1, 40_000]],
    ['salary', [0, 2_147_483_647], [-1, -2_147_483_648]],
    ['hiredOn', ['1900-01-01', day(0), day(1)], ['1899-12-31', '0000-01-01', day(1, 1), day(2), '9999-12-31']],
    ['email', ['a@b.co', `${'x'.repeat(60)}@${'y'.repeat(60)}.example`], ['', 'x', 'x@', '@x.com', 'a b@example.com', 'a@b@example.com', 'a\0@example.com', '\ud800@example.com', `${'x'.repeat(243)}@example.com`]],
  ];

  it.each(limits)('keeps to the limits of %s, up to both ends', async (field, allowed, forbidden) => {
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
        const answer = await refused(attempt);
        expect(fieldsOf(answer)).toEqual([field]);
        expect(answer.errors[0]?.extensions.fields?.[0]?.message).toMatch(/^must /);
      }
    }
  });

  it.each([{ age: 16.5 }, { age: '30' }, { salary: 2_147_483_648 }, { hiredOn: '2023-02-29' }, { name: 7 }, { name: null }, { departmentId: null }, { role: 'ADMIN' }, { id: unknownEmployee }])(
    'refuses %j, which the schema does not take',
    async (values) => {
      await refused(() => create(newcomer(values)));
    },
  );

  it('names every faulty field at once, those that only the database knows among them', async () => {
    await hire({ email: 'taken@example.com' });
    const faulty = {
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
    const all = Object.keys(faulty).sort();
    const id = await hire();
    for (const attempt of [() => create(faulty), () => update(id, faulty)]) {
      const answer = await refused(attempt);
      expect(fieldsOf(answer)).toEqual(all);
      expect(answer.errors[0]?.message).toMatch(/and 6 more/);
    }
    const malformed = { ...faulty, departmentId: unknownEmployee, managerId: 'nonsense', email: 'nonsense' };
    for (const attempt of [() => create(malformed), () => update(id, malformed)]) expect(fieldsOf(await refused(attempt))).toEqual(all);
  });

  it('is refused an e-mail address that another has, in whatever case', async () => {
    const id = await hire();
    await hire({ email: 'Once.Only@example.com' });
    for (const email of ['once.only@example.com', 'ONCE.ONLY@EXAMPLE.COM', ' once.Only@example.com ']) {
      for (const attempt of [() => create(newcomer({ email })), () => update(id, { email })]) {
        const answer = await refused(attempt);
        expect(answer.errors[0]?.extensions.fields).toEqual([{ field: 'email', message: 'is already used by another employee' }]);
      }
    }
  });
});

describe('a change of an employee', () => {
  it('touches what is given and nothing else', async () => {
    const managerId = await hire();
    const id = await hire({ managerId });
    const before = await read(id);
    const others = (await everyone()).filter((row) => encodeId('employee', row.id) !== id);

    const answer = await update(id, { age: 31 });
    expect(answer.errors).toEqual([]);
    const { updatedAt, ...changed } = answer.data?.updateEmployee;
    const { updatedAt: updatedBefore, ...rest } = before;
    expect(changed).toEqual({ ...rest, age: 31, version: 2 });
    expect(Date.parse(updatedAt as string)).toBeGreaterThanOrEqual(Date.parse(updatedBefore as string));
    expect(await read(id)).toEqual(answer.data?.updateEmployee);
    expect((await everyone()).filter((row) => encodeId('employee', row.id) !== id)).toEqual(others);
  });

  it('may touch everything at once', async () => {
    const managerId = await hire();
    const id = await hire();
    const values = { name: 'All New', email: 'ALL.new@example.com', age: 64, jobTitle: 'Chief', jobLevel: 5, hiredOn: '2001-02-03', salary: 1, departmentId: otherDepartmentId, managerId };
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

  it('of nothing leaves the version as it is', async () => {
    const id = await hire({ email: 'same@example.com' });
    const before = await read(id);
    for (const input of [{}, { age: 30 }, { email: 'SAME@example.com' }, { expectedVersion: 1 }]) {
      const answer = await update(id, input);
      expect(answer.errors).toEqual([]);
      expect(answer.data?.updateEmployee).toEqual(before);
    }
    expect(await read(id)).toEqual(before);
  });

  it('takes null for the manager only, and names every field that is null', async () => {
    const id = await hire({ managerId: await hire() });
    const nulls = { name: null, email: null, age: null, jobTitle: null, jobLevel: null, hiredOn: null, salary: null, departmentId: null };
    const answer = await refused(() => update(id, { ...nulls, managerId: null }));
    expect(fieldsOf(answer)).toEqual(Object.keys(nulls).sort());
    expect(answer.errors[0]?.extensions.fields?.every((problem) => problem.message === 'must not be null')).toBe(true);

    expect((await update(id, { managerId: null })).errors).toEqual([]);
    expect((await read(id)).manager).toBeNull();
  });

  it('meant for an older version is refused', async () => {
    const id = await hire();
    expect((await update(id, { age: 31, expectedVersion: 1 })).errors).toEqual([]);
    const answer = await refused(() => update(id, { age: 32, expectedVersion: 1 }), 'CONFLICT');
    expect(answer.errors[0]?.message).toMatch(/read it again/);
    await refused(() => update(id, { age: 32, expectedVersion: 3 }), 'CONFLICT');
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
      const answer = await refused(() => update(top, { managerId }));
      expect(fieldsOf(answer)).toEqual(['managerId']);
    }
    await refused(() => update(middle, { managerId: lower }));
    expect((await update(lower, { managerId: top })).errors).toEqual([]);
    expect((await update(middle, { managerId: lower })).errors).toEqual([]);
    await refused(() => update(lower, { managerId: middle }));
  });
});

describe('the removal of an employee', () => {
  it('answers the id, and the employee is gone', async () => {
    const id = await hire();
    const before = await everyone();
    const answer = await remove(id);
    expect(answer).toMatchObject({ errors: [], data: { deleteEmployee: id } });
    expect(await read(id)).toBeNull();
    expect(await everyone()).toEqual(before.filter((row) => encodeId('employee', row.id) !== id));
    await refused(() => remove(id), 'NOT_FOUND');
  });

  it('is refused for a manager with the number of reports, and works once they have another', async () => {
    const manager = await hire();
    const successor = await hire();
    const reports = [await hire({ managerId: manager }), await hire({ managerId: manager })];
    const two = await refused(() => remove(manager), 'CONFLICT');
    expect(two.errors[0]?.extensions.reports).toBe(2);
    expect(two.errors[0]?.message).toContain('2 employees');

    const [first = '', second = ''] = reports;
    await update(first, { managerId: successor });
    const one = await refused(() => remove(manager), 'CONFLICT');
    expect(one.errors[0]?.extensions.reports).toBe(1);
    expect(one.errors[0]?.message).toContain('1 employee;');
    await update(second, { managerId: null });
    expect((await remove(manager)).errors).toEqual([]);
    expect((await read(first)).manager).toEqual({ id: successor });
  });

  it('leaves the account of the employee, with no employee', async () => {
    const id = await hire();
    const user = await gateway.db.selectFrom('user_account').selectAll().where('email', '=', 'user@example.com').executeTakeFirstOrThrow();
    const userId = encodeId('user', user.id);
    const linked = await ask('mutation ($userId: ID!, $id: ID!) { setUserEmployee(userId: $userId, employeeId: $id) { employee { id } } }', { userId, id });
    expect(linked.data?.setUserEmployee.employee.id).toBe(id);
    expect((await remove(id)).errors).toEqual([]);
    const answer = await ask('query ($userId: ID!) { user(id: $userId) { email isActive role employee { id } } }', { userId });
    expect(answer).toMatchObject({ errors: [], data: { user: { email: 'user@example.com', isActive: true, role: 'USER', employee: null } } });
  });
});

describe('several changes in one operation', () => {
  const document = `mutation ($id: ID!, $one: CreateEmployeeInput!, $two: CreateEmployeeInput!) {
    a: updateEmployee(id: $id, input: { age: 41, expectedVersion: 1 }) { age version }
    b: createEmployee(input: $one) { email }
    c: updateEmployee(id: $id, input: { age: 42, expectedVersion: 2 }) { age version }
    d: createEmployee(input: $two) { email }
    e: updateEmployee(id: $id, input: { age: 43, expectedVersion: 3 }) { age version }
  }`;

  it('are made one after the other, each seeing those before it', async () => {
    const id = await hire();
    const answer = await ask(document, { id, one: newcomer({ email: 'in.row.1@example.com' }), two: newcomer({ email: 'in.row.2@example.com' }) });
    expect(answer).toMatchObject({ errors: [], data: { a: { age: 41, version: 2 }, c: { age: 42, version: 3 }, e: { age: 43, version: 4 } } });
    expect(await read(id)).toMatchObject({ age: 43, version: 4 });
  });

  it('end at the first that fails: those before it stay, those after it are not tried', async () => {
    const id = await hire({ email: 'in.row.3@example.com' });
    const before = await everyone();
    const answer = await ask(document, { id, one: newcomer({ email: 'in.row.4@example.com' }), two: newcomer({ email: 'IN.ROW.4@example.com' }) });
    expect(answer.errors.map((error) => [error.path, error.extensions.code])).toEqual([[['d'], 'BAD_USER_INPUT']]);
    expect(answer.data ?? null).toBeNull();
    expect(await read(id)).toMatchObject({ age: 42, version: 3 });
    expect(await everyone()).toHaveLength(before.length + 1);
    expect((await update(id, { age: 44, expectedVersion: 3 })).errors).toEqual([]);
  });
});

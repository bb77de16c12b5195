import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { newId } from '../../src/database/base.entity.js';
import { decodeId, encodeId } from '../../src/graphql/relay/global-id.js';
import {
  codesOf,
  startGateway,
  type GraphQLResponse,
  type AnyData,
  type Caller,
  type TestGateway,
} from '../support/gateway.js';
import { statementsOf } from '../support/statements.js';
import { waitUntil } from '../support/wait-until.js';

let gateway: TestGateway;

/** Employee ids by their relation to the manager. */
interface Company {
  manager: string;
  /** The manager's own manager, in the same department. */
  boss: string;
  /** In the manager's department, but not a report. */
  peer: string;
  /** Each reports to the previous one, in other departments. */
  direct: string;
  indirect: string;
  deep: string;
  /** In another department, under someone else. */
  outsider: string;
  /** The employee of the account user@example.com. */
  user: string;
  ownDepartment: string;
  otherDepartment: string;
}
let company: Company;

beforeAll(async () => {
  gateway = await startGateway();
  const { db } = gateway;
  const employeeOf = async (email: string) =>
    db
      .selectFrom('employee')
      .selectAll('employee')
      .innerJoin('user_account', 'user_account.employee_id', 'employee.id')
      .where('user_account.email', '=', email)
      .executeTakeFirstOrThrow();
  const manager = await employeeOf('manager@example.com');
  const user = await employeeOf('user@example.com');
  const other = await db.selectFrom('department').select('id').where('name', '=', 'Sales').executeTakeFirstOrThrow();
  const third = await db.selectFrom('department').select('id').where('name', '=', 'Finance').executeTakeFirstOrThrow();
  const outsider = await db
    .selectFrom('employee')
    .selectAll()
    .where('department_id', '=', other.id)
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirstOrThrow();
  const add = async (name: string, departmentId: string, managerId: string | null) => {
    const id = newId();
    await db
      .insertInto('employee')
      .values({ ...outsider, id, name, email: `${id}@example.com`, department_id: departmentId, manager_id: managerId })
      .execute();
    return id;
  };
  const direct = await add('Direct', other.id, manager.id);
  const indirect = await add('Indirect', third.id, direct);
  const deep = await add('Deep', other.id, indirect);
  const peer = await add('Peer', manager.department_id, manager.manager_id);
  const ids = {
    manager: manager.id,
    boss: manager.manager_id ?? '',
    peer,
    direct,
    indirect,
    deep,
    outsider: outsider.id,
    user: user.id,
  };
  company = {
    ...(Object.fromEntries(Object.entries(ids).map(([name, id]) => [name, encodeId('employee', id)])) as Omit<
      Company,
      'ownDepartment' | 'otherDepartment'
    >),
    ownDepartment: encodeId('department', manager.department_id),
    otherDepartment: encodeId('department', other.id),
  };
});
afterAll(() => gateway.close());

const row = (id: string) =>
  gateway.db.selectFrom('employee').selectAll().where('id', '=', decodeId('employee', id)).executeTakeFirstOrThrow();
const everyone = () => gateway.db.selectFrom('employee').selectAll().orderBy('name').orderBy('id').execute();
const linkAccount = (account: string, employeeId: string | null) =>
  gateway.db
    .updateTable('user_account')
    .set({ employee_id: employeeId })
    .where('email', '=', `${account}@example.com`)
    .execute();

/** The ids of employees whose salary an account can read; every other salary must be rejected with its path. */
async function seenBy(caller: Caller): Promise<string[]> {
  const seen: string[] = [];
  let after: string | null = null;
  for (let pages = 0; pages < 10; pages++) {
    const document =
      'query ($after: String) { employees(first: 100, after: $after) { nodes { id name salary } pageInfo { hasNextPage endCursor } } }';
    const response: GraphQLResponse<AnyData> = await gateway.execute<AnyData>(caller, document, { after });
    expect(response.status).toBe(200);
    const nodes = response.data?.employees.nodes as { id: string; name: string; salary: number | null }[];
    const hidden = nodes.flatMap((node, position) =>
      node.salary === null ? [['employees', 'nodes', position, 'salary']] : [],
    );
    // The tenth error counts the others.
    expect(response.errors.map((error) => error.path)).toEqual(hidden.slice(0, 10));
    expect(new Set(codesOf(response))).toEqual(new Set(hidden.length > 0 ? ['FORBIDDEN'] : []));
    expect(nodes.every((node) => node.name !== '')).toBe(true);
    for (const node of nodes) {
      if (node.salary === null) continue;
      expect(node.salary).toBe((await row(node.id)).salary);
      seen.push(node.id);
    }
    const { hasNextPage, endCursor } = response.data?.employees.pageInfo as { hasNextPage: boolean; endCursor: string };
    if (!hasNextPage) return seen.sort();
    after = endCursor;
  }
  throw new Error('The walk does not end.');
}

describe('the salary', () => {
  it('is visible to an ADMIN for everyone', async () => {
    expect(await seenBy('admin')).toEqual(
      (await everyone()).map((employee) => encodeId('employee', employee.id)).sort(),
    );
  });

  it('is visible to a MANAGER for their department and all direct and indirect reports only', async () => {
    const rows = await everyone();
    const own = decodeId('department', company.ownDepartment);
    const line = new Set([decodeId('employee', company.manager)]);
    for (let size = 0; size !== line.size;) {
      size = line.size;
      for (const employee of rows)
        if (employee.manager_id !== null && line.has(employee.manager_id)) line.add(employee.id);
    }
    const expected = rows
      .filter((employee) => employee.department_id === own || line.has(employee.id))
      .map((employee) => encodeId('employee', employee.id));
    const { direct, indirect, deep, peer, boss, manager } = company;
    expect(expected).toEqual(expect.arrayContaining([direct, indirect, deep, peer, boss, manager]));
    expect(expected).not.toContain(company.outsider);
    expect(await seenBy('manager')).toEqual(expected.sort());
  });

  it('is visible to a USER for themselves only', async () => {
    expect(await seenBy('user')).toEqual([company.user]);
  });

  it('is not visible to an account without an employee, except an ADMIN', async () => {
    const { employee_id: before } = await gateway.db
      .selectFrom('user_account')
      .select('employee_id')
      .where('email', '=', 'manager@example.com')
      .executeTakeFirstOrThrow();
    await linkAccount('manager', null);
    try {
      expect(await seenBy({ token: await gateway.tokenOf('manager') })).toEqual([]);
    } finally {
      await linkAccount('manager', before);
    }
  });

  it('is not visible with a token of an employee who has left, which is rejected', async () => {
    const { employee_id: before } = await gateway.db
      .selectFrom('user_account')
      .select('employee_id')
      .where('email', '=', 'manager@example.com')
      .executeTakeFirstOrThrow();
    const leaver = { ...(await row(company.peer)), id: newId(), email: 'leaver@example.com' };
    await gateway.db.insertInto('employee').values(leaver).execute();
    await linkAccount('manager', leaver.id);
    const token = await gateway.tokenOf('manager');
    expect(await seenBy({ token })).toContain(company.peer);
    await linkAccount('manager', before);
    await gateway.db.deleteFrom('employee').where('id', '=', leaver.id).execute();
    await waitUntil(async () => codesOf(await gateway.execute({ token }, '{ me { id } }'))[0] === 'UNAUTHENTICATED');
  });

  it('is null at any depth if rejected, with the rest of the response', async () => {
    const document = `query ($id: ID!) {
      employee(id: $id) { name salary manager { name salary } reports { nodes { name salary } } }
      departments { name employees(first: 1) { nodes { name salary } } }
    }`;
    const response = await gateway.execute<AnyData>('user', document, { id: company.user });
    const own = await row(company.user);
    expect(response.status).toBe(200);
    expect(response.data?.employee).toMatchObject({ name: own.name, salary: own.salary, manager: { salary: null } });
    expect(response.data?.employee.manager.name).not.toBe('');
    expect(response.data?.departments).toHaveLength(8);
    expect(new Set(codesOf(response))).toEqual(new Set(['FORBIDDEN']));
    expect(response.errors).toHaveLength(9);
    expect(response.errors.map((error) => error.path?.join('.'))).toContain('employee.manager.salary');
    expect(response.errors.map((error) => error.path?.join('.'))).toContain('departments.7.employees.nodes.0.salary');
  });

  it('is rejected under an alias and in a fragment', async () => {
    const document =
      'query ($id: ID!) { employee(id: $id) { pay: salary ...more ... on Employee { third: salary } } } fragment more on Employee { again: salary }';
    const response = await gateway.execute<AnyData>('user', document, { id: company.outsider });
    expect(response.data?.employee).toEqual({ pay: null, again: null, third: null });
    expect(response.errors.map((error) => error.path?.[1]).sort()).toEqual(['again', 'pay', 'third']);
  });

  it('is null without an error for lists with onForbidden: NULL, and canSeeSalary identifies the hidden ones', async () => {
    const document =
      '{ employees(first: 100) { nodes { id canSeeSalary salary(onForbidden: NULL) reports(first: 1) { nodes { canSeeSalary salary(onForbidden: NULL) } } } } }';
    for (const caller of ['user', 'manager', 'admin'] as const) {
      const { data, errors } = await gateway.execute<AnyData>(caller, document);
      expect(errors).toEqual([]);
      const nodes = (data.employees.nodes as AnyData[]).flatMap((node) => [node, ...node.reports.nodes]);
      expect(nodes.filter((node: AnyData) => node.canSeeSalary !== (node.salary !== null))).toEqual([]);
      const visible = (data.employees.nodes as AnyData[])
        .filter(({ canSeeSalary }) => canSeeSalary)
        .map(({ id }) => id);
      const seen = await seenBy(caller);
      expect(visible.filter((id) => !seen.includes(id as string))).toEqual([]);
      expect(visible).toHaveLength(
        (data.employees.nodes as AnyData[]).filter(({ id }) => seen.includes(id as string)).length,
      );
    }
  });

  it('takes two more statements for a MANAGER for any page size', async () => {
    const count = async (selection: string, first: number) => {
      const statements = await statementsOf(() =>
        gateway.execute('manager', `{ employees(first: ${first}) { nodes { ${selection} } } }`),
      );
      return statements.length;
    };
    await count('name', 1); // the test gateway looks up the account once
    expect(await count('name', 50)).toBe(1);
    expect(await count('name salary', 5)).toBe(3);
    expect(await count('name salary', 50)).toBe(3);
    expect(await count('name canSeeSalary salary(onForbidden: NULL)', 50)).toBe(3);
    expect(await count('name salary manager { salary }', 50)).toBe(3);
  });
});

describe('an anonymous caller', () => {
  it.each([
    '{ employees { nodes { name } } }',
    '{ employees { totalCount } }',
    '{ employee(id: "employee_00000000000000000000000000") { name } }',
    '{ departments { name employees { nodes { name } } } }',
    'mutation { deleteEmployee(id: "employee_00000000000000000000000000") { deletedEmployeeId } }',
    'mutation { updateEmployee(id: "nonsense", input: {}) { name } }',
    'mutation { createEmployee(input: { name: "x", email: "x@example.com", age: 30, jobTitle: "x", jobLevel: 1, hiredOn: "2024-01-01", salary: 1, departmentId: "x" }) { id } }',
  ])('is rejected: %s', async (document) => {
    const before = await everyone();
    const response = await gateway.execute(null, document);
    expect(response.status).toBe(response.data == null ? 401 : 200);
    expect(codesOf(response)).toEqual(['UNAUTHENTICATED']);
    expect(Object.values(response.data ?? {}).filter((value) => value !== null)).toEqual([]);
    expect(await everyone()).toEqual(before);
  });
});

const update = (caller: Caller, id: string, input: object, selection = 'id') =>
  gateway.execute<AnyData>(
    caller,
    `mutation ($id: ID!, $input: UpdateEmployeeInput!) { updateEmployee(id: $id, input: $input) { ${selection} } }`,
    { id, input },
  );

/** Asserts that a request is rejected and leaves the table unchanged. */
async function rejected(attempt: () => Promise<GraphQLResponse<AnyData>>, code = 'FORBIDDEN'): Promise<void> {
  const before = await everyone();
  const response = await attempt();
  expect(codesOf(response)).toEqual([code]);
  expect(Object.values((response.data ?? {}) as object).filter((value) => value !== null)).toEqual([]);
  expect(await everyone()).toEqual(before);
}

const newcomer = () => ({
  name: 'N',
  email: `${newId()}@example.com`,
  age: 30,
  jobTitle: 'N',
  jobLevel: 1,
  hiredOn: '2024-01-01',
  salary: 1,
  departmentId: company.ownDepartment,
});
const create = (caller: Caller) =>
  gateway.execute<AnyData>(caller, 'mutation ($input: CreateEmployeeInput!) { createEmployee(input: $input) { id } }', {
    input: newcomer(),
  });
const remove = (caller: Caller, id: string) =>
  gateway.execute<AnyData>(caller, 'mutation ($id: ID!) { deleteEmployee(id: $id) { deletedEmployeeId } }', { id });

describe('changes by a MANAGER', () => {
  /** Restores the company. */
  let rows: Awaited<ReturnType<typeof everyone>> = [];
  beforeAll(async () => {
    rows = await everyone();
  });
  beforeEach(async () => {
    for (const name of ['peer', 'direct', 'indirect', 'deep'] as const) {
      const before = rows.find((employee) => encodeId('employee', employee.id) === company[name]);
      if (before) await gateway.db.updateTable('employee').set(before).where('id', '=', before.id).execute();
    }
  });

  it.each(['direct', 'indirect', 'deep'] as const)(
    'are permitted for every direct and indirect report: %s',
    async (who) => {
      const response = await update('manager', company[who], { jobTitle: `Seen as ${who}` }, 'jobTitle salary');
      expect(response.errors).toEqual([]);
      expect(response.data?.updateEmployee).toEqual({
        jobTitle: `Seen as ${who}`,
        salary: (await row(company[who])).salary,
      });
      expect((await row(company[who])).job_title).toBe(`Seen as ${who}`);
    },
  );

  it.each(['peer', 'boss', 'outsider'] as const)('are rejected for other employees, for any input: %s', async (who) => {
    for (const input of [
      { jobTitle: 'X' },
      {},
      { managerId: company.manager },
      { departmentId: company.ownDepartment },
      { age: 1 },
      { salary: 1, email: 'changed@example.com', jobLevel: 1 },
      { managerId: 'nonsense' },
    ]) {
      await rejected(() => update('manager', company[who], input));
    }
  });

  it('are rejected for their own record', async () => {
    for (const input of [{ salary: 1_000_000 }, { managerId: null }, { departmentId: company.otherDepartment }])
      await rejected(() => update('manager', company.manager, input));
  });

  it('return NOT_FOUND for an unknown employee and BAD_USER_INPUT for a malformed id', async () => {
    await rejected(() => update('manager', encodeId('employee', newId()), { age: 30 }), 'NOT_FOUND');
    await rejected(() => update('manager', 'nonsense', { age: 30 }), 'BAD_USER_INPUT');
  });

  it('may move a report out of reach, whose salary is then hidden', async () => {
    expect((await update('manager', company.deep, { managerId: company.direct })).errors).toEqual([]);
    const response = await update('manager', company.deep, { managerId: company.outsider }, 'name salary');
    expect(codesOf(response)).toEqual(['FORBIDDEN']);
    expect(response.errors[0]?.path).toEqual(['updateEmployee', 'salary']);
    expect(response.data?.updateEmployee).toEqual({ name: 'Deep', salary: null });
    expect(encodeId('employee', (await row(company.deep)).manager_id ?? '')).toBe(company.outsider);
    await rejected(() => update('manager', company.deep, { age: 40 }));
  });

  it('are authorized for each field of an operation', async () => {
    const document = `mutation ($id: ID!, $outsider: ID!) {
      moved: updateEmployee(id: $id, input: { managerId: $outsider }) { name }
      again: updateEmployee(id: $id, input: { salary: 1 }) { name }
    }`;
    const response = await gateway.execute<AnyData>('manager', document, {
      id: company.deep,
      outsider: company.outsider,
    });
    expect(response.errors.map((error) => [error.path?.[0], error.extensions.code])).toEqual([['again', 'FORBIDDEN']]);
    const after = await row(company.deep);
    expect(encodeId('employee', after.manager_id ?? '')).toBe(company.outsider);
    expect(after.salary).not.toBe(1);
  });

  it('may move a report to another department, but not create a cycle', async () => {
    expect((await update('manager', company.direct, { departmentId: company.ownDepartment })).errors).toEqual([]);
    await rejected(() => update('manager', company.direct, { managerId: company.deep }), 'BAD_USER_INPUT');
  });

  it('do not include hiring and deletion', async () => {
    await rejected(() => create('manager'));
    await rejected(() => remove('manager', company.deep));
  });
});

describe('changes by a USER', () => {
  it('are all rejected, including their record', async () => {
    await rejected(() => update('user', company.user, { name: 'X' }));
    await rejected(() => update('user', company.outsider, { name: 'X' }));
    await rejected(() => create('user'));
    await rejected(() => remove('user', company.deep));
  });
});

describe('an API key', () => {
  async function keyOf(caller: Caller, scopes: string[]): Promise<Caller> {
    const response = await gateway.execute<AnyData>(
      caller,
      'mutation ($scopes: [String!]) { createApiKey(name: "test", scopes: $scopes) { secret } }',
      { scopes },
    );
    expect(response.errors).toEqual([]);
    return { apiKey: response.data?.createApiKey.secret as string };
  }

  it('with only the read scope cannot write, even for an ADMIN', async () => {
    const key = await keyOf('admin', ['employees:read', 'predict']);
    expect((await gateway.execute(key, '{ employees { nodes { name salary } } }')).errors).toEqual([]);
    await rejected(() => update(key, company.deep, { name: 'X' }));
    await rejected(() => create(key));
    await rejected(() => remove(key, company.deep));
  });

  it('with only the write scope does not return a salary from a mutation', async () => {
    const key = await keyOf('admin', ['employees:write']);
    const silent = await update(key, company.deep, {}, 'salary(onForbidden: NULL) canSeeSalary');
    expect([silent.errors, silent.data?.updateEmployee]).toEqual([[], { salary: null, canSeeSalary: false }]);
    const response = await update(key, company.deep, {}, 'id salary');
    expect(codesOf(response)).toEqual(['FORBIDDEN']);
    expect(response.errors[0]?.path).toEqual(['updateEmployee', 'salary']);
    expect(response.data?.updateEmployee.salary).toBeNull();
  });

  it('without the read scope cannot read employees', async () => {
    const key = await keyOf('admin', ['employees:write']);
    for (const document of [
      '{ employees { nodes { name } } }',
      '{ departments { name } }',
      `{ employee(id: "${company.deep}") { name } }`,
    ]) {
      await rejected(() => gateway.execute(key, document));
    }
  });

  it('with the write scope is limited by the role of its owner', async () => {
    const key = await keyOf('manager', ['employees:read', 'employees:write']);
    expect((await update(key, company.direct, { jobTitle: 'By key' })).errors).toEqual([]);
    expect((await row(company.direct)).job_title).toBe('By key');
    await rejected(() => update(key, company.outsider, { jobTitle: 'By key' }));
    await rejected(() => remove(key, company.deep));
  });
});

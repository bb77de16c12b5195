import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { newId } from '../../src/database/base.entity.js';
import { decodeId, encodeId } from '../../src/graphql/id.js';
import { codesOf, startGateway, type Answer, type Any, type Asker, type TestGateway } from '../kit/gateway.js';
import { statementsOf } from '../kit/statements.js';

let gateway: TestGateway;

/** Who stands where, seen from the manager: each an employee's id. */
interface Company {
  manager: string;
  /** The manager's own manager, in the same department. */
  boss: string;
  /** In the manager's department, but no report. */
  peer: string;
  /** Each reports to the one before, all in other departments. */
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
    db.selectFrom('employee').selectAll('employee').innerJoin('user_account', 'user_account.employee_id', 'employee.id').where('user_account.email', '=', email).executeTakeFirstOrThrow();
  const manager = await employeeOf('manager@example.com');
  const user = await employeeOf('user@example.com');
  const other = await db.selectFrom('department').select('id').where('name', '=', 'Sales').executeTakeFirstOrThrow();
  const third = await db.selectFrom('department').select('id').where('name', '=', 'Finance').executeTakeFirstOrThrow();
  const outsider = await db.selectFrom('employee').selectAll().where('department_id', '=', other.id).orderBy('id', 'desc').limit(1).executeTakeFirstOrThrow();
  const add = async (name: string, departmentId: string, managerId: string | null) => {
    const id = newId();
    await db.insertInto('employee').values({ ...outsider, id, name, email: `${id}@example.com`, department_id: departmentId, manager_id: managerId }).execute();
    return id;
  };
  const direct = await add('Direct', other.id, manager.id);
  const indirect = await add('Indirect', third.id, direct);
  const deep = await add('Deep', other.id, indirect);
  const peer = await add('Peer', manager.department_id, manager.manager_id);
  const ids = { manager: manager.id, boss: manager.manager_id ?? '', peer, direct, indirect, deep, outsider: outsider.id, user: user.id };
  company = {
    ...(Object.fromEntries(Object.entries(ids).map(([name, id]) => [name, encodeId('employee', id)])) as Omit<Company, 'ownDepartment' | 'otherDepartment'>),
    ownDepartment: encodeId('department', manager.department_id),
    otherDepartment: encodeId('department', other.id),
  };
});
afterAll(() => gateway.close());

const row = (id: string) => gateway.db.selectFrom('employee').selectAll().where('id', '=', decodeId('employee', id)).executeTakeFirstOrThrow();
const everyone = () => gateway.db.selectFrom('employee').selectAll().orderBy('name').orderBy('id').execute();
const linkAccount = (account: string, employeeId: string | null) =>
  gateway.db.updateTable('user_account').set({ employee_id: employeeId }).where('email', '=', `${account}@example.com`).execute();

/** The ids of those whose salaries an account sees, of all employees; what it does not see must be refused by path. */
async function seenBy(asker: Asker): Promise<string[]> {
  const seen: string[] = [];
  let after: string | null = null;
  for (let pages = 0; pages < 10; pages++) {
    const document = 'query ($after: String) { employees(first: 100, after: $after) { nodes { id name salary } pageInfo { hasNextPage endCursor } } }';
    const answer: Answer<Any> = await gateway.ask<Any>(asker, document, { after });
    expect(answer.status).toBe(200);
    const nodes = answer.data?.employees.nodes as { id: string; name: string; salary: number | null }[];
    const hidden = nodes.flatMap((node, position) => (node.salary === null ? [['employees', 'nodes', position, 'salary']] : []));
    expect(answer.errors.map((error) => error.path)).toEqual(hidden);
    expect(new Set(codesOf(answer))).toEqual(new Set(hidden.length > 0 ? ['FORBIDDEN'] : []));
    expect(nodes.every((node) => node.name !== '')).toBe(true);
    for (const node of nodes) {
      if (node.salary === null) continue;
      expect(node.salary).toBe((await row(node.id)).salary);
      seen.push(node.id);
    }
    const { hasNextPage, endCursor } = answer.data?.employees.pageInfo as { hasNextPage: boolean; endCursor: string };
    if (!hasNextPage) return seen.sort();
    after = endCursor;
  }
  throw new Error('The walk does not end.');
}

describe('the salary', () => {
  it('is seen by an ADMIN for all', async () => {
    expect(await seenBy('admin')).toEqual((await everyone()).map((employee) => encodeId('employee', employee.id)).sort());
  });

  it('is seen by a MANAGER for the own department and all direct and indirect reports, and for nobody else', async () => {
    const rows = await everyone();
    const own = decodeId('department', company.ownDepartment);
    const line = new Set([decodeId('employee', company.manager)]);
    for (let size = 0; size !== line.size; ) {
      size = line.size;
      for (const employee of rows) if (employee.manager_id !== null && line.has(employee.manager_id)) line.add(employee.id);
    }
    const expected = rows.filter((employee) => employee.department_id === own || line.has(employee.id)).map((employee) => encodeId('employee', employee.id));
    const { direct, indirect, deep, peer, boss, manager } = company;
    expect(expected).toEqual(expect.arrayContaining([direct, indirect, deep, peer, boss, manager]));
    expect(expected).not.toContain(company.outsider);
    expect(await seenBy('manager')).toEqual(expected.sort());
  });

  it('is seen by a USER for the own only', async () => {
    expect(await seenBy('user')).toEqual([company.user]);
  });

  it('is seen by nobody through an account that is no employee, but by an ADMIN', async () => {
    const { employee_id: before } = await gateway.db.selectFrom('user_account').select('employee_id').where('email', '=', 'manager@example.com').executeTakeFirstOrThrow();
    await linkAccount('manager', null);
    try {
      expect(await seenBy({ token: await gateway.tokenOf('manager') })).toEqual([]);
    } finally {
      await linkAccount('manager', before);
    }
  });

  it('is seen by nobody through a token whose employee has left since', async () => {
    const { employee_id: before } = await gateway.db.selectFrom('user_account').select('employee_id').where('email', '=', 'manager@example.com').executeTakeFirstOrThrow();
    const leaver = { ...(await row(company.peer)), id: newId(), email: 'leaver@example.com' };
    await gateway.db.insertInto('employee').values(leaver).execute();
    await linkAccount('manager', leaver.id);
    const token = await gateway.tokenOf('manager');
    expect(await seenBy({ token })).toContain(company.peer);
    await linkAccount('manager', before);
    await gateway.db.deleteFrom('employee').where('id', '=', leaver.id).execute();
    expect(await seenBy({ token })).toEqual([]);
  });

  it('that is refused leaves the rest of the answer, however deep it lies', async () => {
    const document = `query ($id: ID!) {
      employee(id: $id) { name salary manager { name salary } reports { nodes { name salary } } }
      departments { name employees(first: 1) { nodes { name salary } } }
    }`;
    const answer = await gateway.ask<Any>('user', document, { id: company.user });
    const own = await row(company.user);
    expect(answer.status).toBe(200);
    expect(answer.data?.employee).toMatchObject({ name: own.name, salary: own.salary, manager: { salary: null } });
    expect(answer.data?.employee.manager.name).not.toBe('');
    expect(answer.data?.departments).toHaveLength(8);
    expect(new Set(codesOf(answer))).toEqual(new Set(['FORBIDDEN']));
    expect(answer.errors).toHaveLength(9);
    expect(answer.errors.map((error) => error.path?.join('.'))).toContain('employee.manager.salary');
    expect(answer.errors.map((error) => error.path?.join('.'))).toContain('departments.7.employees.nodes.0.salary');
  });

  it('is refused under an alias and in a fragment as well', async () => {
    const document = 'query ($id: ID!) { employee(id: $id) { pay: salary ...more ... on Employee { third: salary } } } fragment more on Employee { again: salary }';
    const answer = await gateway.ask<Any>('user', document, { id: company.outsider });
    expect(answer.data?.employee).toEqual({ pay: null, again: null, third: null });
    expect(answer.errors.map((error) => error.path?.[1]).sort()).toEqual(['again', 'pay', 'third']);
  });

  it('costs a MANAGER two statements more, however long the page', async () => {
    const count = async (selection: string, first: number) => {
      const statements = await statementsOf(() => gateway.ask('manager', `{ employees(first: ${first}) { nodes { ${selection} } } }`));
      return statements.length;
    };
    await count('name', 1); // the kit looks the account up once
    expect(await count('name', 50)).toBe(1);
    expect(await count('name salary', 5)).toBe(3);
    expect(await count('name salary', 50)).toBe(3);
    expect(await count('name salary manager { salary }', 50)).toBe(3);
  });
});

describe('a stranger', () => {
  it.each([
    '{ employees { nodes { name } } }',
    '{ employees { totalCount } }',
    '{ employee(id: "employee_00000000000000000000000000") { name } }',
    '{ departments { name employees { nodes { name } } } }',
    'mutation { deleteEmployee(id: "employee_00000000000000000000000000") }',
    'mutation { updateEmployee(id: "nonsense", input: {}) { name } }',
    'mutation { createEmployee(input: { name: "x", email: "x@example.com", age: 30, jobTitle: "x", jobLevel: 1, hiredOn: "2024-01-01", salary: 1, departmentId: "x" }) { id } }',
  ])('is told to sign in, with status 401: %s', async (document) => {
    const before = await everyone();
    const answer = await gateway.ask(null, document);
    expect(answer.status).toBe(401);
    expect(codesOf(answer)).toEqual(['UNAUTHENTICATED']);
    expect(Object.values(answer.data ?? {}).filter((value) => value !== null)).toEqual([]);
    expect(await everyone()).toEqual(before);
  });
});

const update = (asker: Asker, id: string, input: object, selection = 'id') =>
  gateway.ask<Any>(asker, `mutation ($id: ID!, $input: UpdateEmployeeInput!) { updateEmployee(id: $id, input: $input) { ${selection} } }`, { id, input });

/** An attempt that must be refused and must leave the table as it was. */
async function refused(attempt: () => Promise<Answer<Any>>, code = 'FORBIDDEN'): Promise<void> {
  const before = await everyone();
  const answer = await attempt();
  expect(codesOf(answer)).toEqual([code]);
  expect(Object.values((answer.data ?? {}) as object).filter((value) => value !== null)).toEqual([]);
  expect(await everyone()).toEqual(before);
}

const newcomer = () => ({ name: 'N', email: `${newId()}@example.com`, age: 30, jobTitle: 'N', jobLevel: 1, hiredOn: '2024-01-01', salary: 1, departmentId: company.ownDepartment });
const create = (asker: Asker) => gateway.ask<Any>(asker, 'mutation ($input: CreateEmployeeInput!) { createEmployee(input: $input) { id } }', { input: newcomer() });
const remove = (asker: Asker, id: string) => gateway.ask<Any>(asker, 'mutation ($id: ID!) { deleteEmployee(id: $id) }', { id });

describe('changes by a MANAGER', () => {
  /** Puts the company back as it was. */
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

  it.each(['peer', 'boss', 'direct', 'indirect', 'deep'] as const)('are made for the own department and every report: %s', async (who) => {
    const answer = await update('manager', company[who], { jobTitle: `Seen as ${who}` }, 'jobTitle salary');
    expect(answer.errors).toEqual([]);
    expect(answer.data?.updateEmployee).toEqual({ jobTitle: `Seen as ${who}`, salary: (await row(company[who])).salary });
    expect((await row(company[who])).job_title).toBe(`Seen as ${who}`);
  });

  it('are refused for others, whatever the change', async () => {
    for (const input of [{ jobTitle: 'X' }, {}, { managerId: company.manager }, { departmentId: company.ownDepartment }, { age: 1 }]) {
      await refused(() => update('manager', company.outsider, input));
    }
  });

  it('are refused for the own record', async () => {
    for (const input of [{ salary: 1_000_000 }, { managerId: null }, { departmentId: company.otherDepartment }]) await refused(() => update('manager', company.manager, input));
  });

  it('are told of an unknown employee and of a malformed id as everyone is', async () => {
    await refused(() => update('manager', encodeId('employee', newId()), { age: 30 }), 'NOT_FOUND');
    await refused(() => update('manager', 'nonsense', { age: 30 }), 'BAD_USER_INPUT');
  });

  it('do not bring a non-report under another manager, nor take theirs away', async () => {
    for (const managerId of [company.manager, company.outsider, company.direct, null, 'nonsense']) {
      await refused(() => update('manager', company.peer, { managerId, jobTitle: 'X' }));
    }
    const boss = company.boss;
    expect(encodeId('employee', (await row(company.peer)).manager_id ?? '')).toBe(boss);
    expect((await update('manager', company.peer, { managerId: boss, jobTitle: 'Kept' })).errors).toEqual([]);
    expect((await row(company.peer)).job_title).toBe('Kept');
  });

  it('move reports, and once one is out of reach it can be neither seen nor changed', async () => {
    expect((await update('manager', company.deep, { managerId: company.direct })).errors).toEqual([]);
    const answer = await update('manager', company.deep, { managerId: company.outsider }, 'name salary');
    expect(codesOf(answer)).toEqual(['FORBIDDEN']);
    expect(answer.errors[0]?.path).toEqual(['updateEmployee', 'salary']);
    expect(answer.data?.updateEmployee).toEqual({ name: 'Deep', salary: null });
    expect(encodeId('employee', (await row(company.deep)).manager_id ?? '')).toBe(company.outsider);
    await refused(() => update('manager', company.deep, { age: 40 }));
  });

  it('are decided anew for each field of an operation', async () => {
    const document = `mutation ($id: ID!, $outsider: ID!) {
      away: updateEmployee(id: $id, input: { managerId: $outsider }) { name }
      again: updateEmployee(id: $id, input: { salary: 1 }) { name }
    }`;
    const answer = await gateway.ask<Any>('manager', document, { id: company.deep, outsider: company.outsider });
    expect(answer.errors.map((error) => [error.path?.[0], error.extensions.code])).toEqual([['again', 'FORBIDDEN']]);
    const after = await row(company.deep);
    expect(encodeId('employee', after.manager_id ?? '')).toBe(company.outsider);
    expect(after.salary).not.toBe(1);
  });

  it('take a move out of the department, and not a cycle', async () => {
    expect((await update('manager', company.direct, { departmentId: company.ownDepartment })).errors).toEqual([]);
    await refused(() => update('manager', company.direct, { managerId: company.deep }), 'BAD_USER_INPUT');
  });

  it('are not hiring and not removal', async () => {
    await refused(() => create('manager'));
    await refused(() => remove('manager', company.deep));
  });
});

describe('changes by a USER', () => {
  it('are all refused, the own record too', async () => {
    await refused(() => update('user', company.user, { name: 'X' }));
    await refused(() => update('user', company.outsider, { name: 'X' }));
    await refused(() => create('user'));
    await refused(() => remove('user', company.deep));
  });
});

describe('an API key', () => {
  async function keyOf(asker: Asker, scopes: string[]): Promise<Asker> {
    const answer = await gateway.ask<Any>(asker, 'mutation ($scopes: [String!]) { createApiKey(name: "test", scopes: $scopes) { secret } }', { scopes });
    expect(answer.errors).toEqual([]);
    return { apiKey: answer.data?.createApiKey.secret as string };
  }

  it('that may only read changes nothing, even for an ADMIN', async () => {
    const key = await keyOf('admin', ['employees:read', 'predict']);
    expect((await gateway.ask(key, '{ employees { nodes { name salary } } }')).errors).toEqual([]);
    await refused(() => update(key, company.deep, { name: 'X' }));
    await refused(() => create(key));
    await refused(() => remove(key, company.deep));
  });

  it('that may only write does not read a salary by what a change answers', async () => {
    const key = await keyOf('admin', ['employees:write']);
    const answer = await update(key, company.deep, {}, 'id salary');
    expect(codesOf(answer)).toEqual(['FORBIDDEN']);
    expect(answer.errors[0]?.path).toEqual(['updateEmployee', 'salary']);
    expect(answer.data?.updateEmployee.salary).toBeNull();
  });

  it('that may not read sees no employee', async () => {
    const key = await keyOf('admin', ['employees:write']);
    for (const document of ['{ employees { nodes { name } } }', '{ departments { name } }', `{ employee(id: "${company.deep}") { name } }`]) {
      await refused(() => gateway.ask(key, document));
    }
  });

  it('that may write does so within the role of its owner', async () => {
    const key = await keyOf('manager', ['employees:read', 'employees:write']);
    expect((await update(key, company.direct, { jobTitle: 'By key' })).errors).toEqual([]);
    expect((await row(company.direct)).job_title).toBe('By key');
    await refused(() => update(key, company.outsider, { jobTitle: 'By key' }));
    await refused(() => remove(key, company.deep));
  });
});

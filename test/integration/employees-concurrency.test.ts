import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { sql, type Transaction } from 'kysely';
import { newId } from '../../src/database/base.entity.js';
import type { Tables } from '../../src/database/tables.js';
import { decodeId, encodeId } from '../../src/graphql/relay/global-id.js';
import {
  codesOf,
  fieldsOf,
  startGateway,
  type GraphQLResponse,
  type AnyData,
  type Caller,
  type TestGateway,
} from '../support/gateway.js';

let gateway: TestGateway;
let departmentId: string;
beforeAll(async () => {
  // Fewer connections than concurrent requests, to detect a deadlock on the pool.
  gateway = await startGateway({ DATABASE_POOL_SIZE: '4' });
  const department = await gateway.db
    .selectFrom('department')
    .select('id')
    .where('name', '=', 'People')
    .executeTakeFirstOrThrow();
  departmentId = encodeId('department', department.id);
});
afterAll(() => gateway.close());

const create = (input: object) =>
  gateway.execute<AnyData>(
    'admin',
    'mutation ($input: CreateEmployeeInput!) { createEmployee(input: $input) { id } }',
    {
      input,
    },
  );
const update = (id: string, input: object, caller: Caller = 'admin') =>
  gateway.execute<AnyData>(
    caller,
    'mutation ($id: ID!, $input: UpdateEmployeeInput!) { updateEmployee(id: $id, input: $input) { id version } }',
    { id, input },
  );
const remove = (id: string) =>
  gateway.execute<AnyData>('admin', 'mutation ($id: ID!) { deleteEmployee(id: $id) { deletedEmployeeId } }', { id });
const row = (id: string) =>
  gateway.db.selectFrom('employee').selectAll().where('id', '=', decodeId('employee', id)).executeTakeFirst();

const newcomer = (values: object = {}) => ({
  name: 'Racer',
  email: `${newId()}@example.com`,
  age: 30,
  jobTitle: 'Racer',
  jobLevel: 1,
  hiredOn: '2024-05-06',
  salary: 50_000,
  departmentId,
  ...values,
});

async function hire(values: object = {}): Promise<string> {
  const response = await create(newcomer(values));
  expect(response.errors).toEqual([]);
  return response.data.createEmployee.id as string;
}

/** Sends requests while a transaction blocks them until all of them wait. @returns the responses */
async function whileHeld<T>(
  hold: (transaction: Transaction<Tables>) => Promise<unknown>,
  requests: (() => Promise<T>)[],
): Promise<T[]> {
  let responses: Promise<T[]> = Promise.resolve([]);
  await gateway.db.transaction().execute(async (transaction) => {
    await hold(transaction);
    responses = Promise.all(requests.map((request) => request()));
    const deadline = Date.now() + 5_000;
    for (;;) {
      const { rows } = await sql<{ waiting: number }>`
        select count(*)::integer as waiting from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`.execute(
        gateway.db,
      );
      if ((rows[0]?.waiting ?? 0) >= requests.length) return;
      if (Date.now() > deadline) throw new Error('The requests do not wait for the transaction.');
      await sleep(5);
    }
  });
  return responses;
}

const lockRow = (id: string) => (transaction: Transaction<Tables>) =>
  transaction.selectFrom('employee').select('id').where('id', '=', decodeId('employee', id)).forUpdate().execute();

const insertReport = (managerId: string) => async (transaction: Transaction<Tables>) => {
  const manager = await transaction
    .selectFrom('employee')
    .selectAll()
    .where('id', '=', decodeId('employee', managerId))
    .executeTakeFirstOrThrow();
  const id = newId();
  await transaction
    .insertInto('employee')
    .values({ ...manager, id, email: `${id}@example.com`, manager_id: manager.id })
    .execute();
};

const deleteRow = (id: string) => (transaction: Transaction<Tables>) =>
  transaction.deleteFrom('employee').where('id', '=', decodeId('employee', id)).execute();

/** The error codes of all responses; '' without an error. */
const outcomes = (responses: GraphQLResponse<unknown>[]): string[] =>
  responses.map((response) => codesOf(response).join() || '').sort();

describe('concurrent updates of one employee', () => {
  it('apply one of two based on the same row and return CONFLICT to the other', async () => {
    const id = await hire();
    const [one, two] = await whileHeld(lockRow(id), [() => update(id, { age: 31 }), () => update(id, { jobLevel: 5 })]);
    expect([one, two].map((response) => response?.errors.length)).toContain(0);
    expect(outcomes([one, two].filter((response) => response !== undefined))).toEqual(['', 'CONFLICT']);
    const isOneMade = one?.errors.length === 0;
    expect(await row(id)).toMatchObject({ age: isOneMade ? 31 : 30, job_level: isOneMade ? 1 : 5, version: 2 });
  });

  it('are each applied or rejected', async () => {
    const [first, second] = [await hire(), await hire()];
    for (let round = 0; round < 8; round++) {
      const id = await hire();
      const changes = [
        { age: 31 },
        { name: 'Other' },
        { jobTitle: 'Other' },
        { jobLevel: 4 },
        { salary: 1 },
        { managerId: first },
        { managerId: second },
      ];
      const responses = await Promise.all(changes.map((change) => update(id, change)));
      const made = responses.map((response) => response.errors.length === 0);
      expect(new Set(outcomes(responses))).toEqual(made.every(Boolean) ? new Set(['']) : new Set(['', 'CONFLICT']));
      const after = await row(id);
      expect(after?.version).toBe(1 + made.filter(Boolean).length);
      expect(after).toMatchObject({
        age: made[0] ? 31 : 30,
        name: made[1] ? 'Other' : 'Racer',
        job_title: made[2] ? 'Other' : 'Racer',
        job_level: made[3] ? 4 : 1,
        salary: made[4] ? 1 : 50_000,
      });
      if (!made[5] && !made[6]) expect(after?.manager_id).toBeNull();
      if (made[5] !== made[6]) expect(after?.manager_id).toBe(decodeId('employee', made[5] ? first : second));
    }
  });

  it('of one expected version are applied once', async () => {
    const id = await hire();
    const responses = await Promise.all([31, 32, 33, 34].map((age) => update(id, { age, expectedVersion: 1 })));
    expect(outcomes(responses)).toEqual(['', 'CONFLICT', 'CONFLICT', 'CONFLICT']);
    expect((await row(id))?.age).toBe(31 + responses.findIndex((response) => response.errors.length === 0));
    expect((await row(id))?.version).toBe(2);
  });

  it('of the manager apply the first and return CONFLICT to the second', async () => {
    const [first, second, id] = [await hire(), await hire(), await hire()];
    const responses = await whileHeld(lockRow(id), [
      () => update(id, { managerId: first }),
      () => update(id, { managerId: second }),
    ]);
    expect(outcomes(responses)).toEqual(['', 'CONFLICT']);
    expect((await row(id))?.manager_id).toBe(decodeId('employee', responses[0]?.errors.length === 0 ? first : second));
  });

  it('who is being deleted return CONFLICT and do not restore the row', async () => {
    const id = await hire();
    const responses = await whileHeld(deleteRow(id), [() => update(id, { age: 31 })]);
    expect(outcomes(responses)).toEqual(['CONFLICT']);
    expect(await row(id)).toBeUndefined();
  });
});

describe('concurrent changes of managers', () => {
  it('never create a cycle of two: exactly one fails', async () => {
    for (let round = 0; round < 8; round++) {
      const [a, b] = [await hire(), await hire()];
      const responses = await Promise.all([update(a, { managerId: b }), update(b, { managerId: a })]);
      expect(outcomes(responses)).toEqual(['', 'BAD_USER_INPUT']);
      expect(responses.flatMap(fieldsOf)).toEqual(['managerId']);
      expect([(await row(a))?.manager_id, (await row(b))?.manager_id].filter((id) => id === null)).toHaveLength(1);
    }
  });

  it('never create a cycle of three: exactly one fails', async () => {
    for (let round = 0; round < 5; round++) {
      const [a, b, c] = [await hire(), await hire(), await hire()];
      const responses = await Promise.all([
        update(a, { managerId: b }),
        update(b, { managerId: c }),
        update(c, { managerId: a }),
      ]);
      expect(outcomes(responses)).toEqual(['', '', 'BAD_USER_INPUT']);
      const managers = await Promise.all([a, b, c].map(async (id) => (await row(id))?.manager_id));
      expect(managers.filter((id) => id === null)).toHaveLength(1);
    }
  });
});

describe('deleting an employee', () => {
  it('is rejected with the number of reports if a report is created concurrently', async () => {
    const manager = await hire();
    const [response] = await whileHeld(insertReport(manager), [() => remove(manager)]);
    expect(response?.errors[0]?.extensions).toEqual({ code: 'CONFLICT', reports: 1 });
    expect(await row(manager)).toBeDefined();
  });

  it('and hiring a report never both succeed', async () => {
    for (let round = 0; round < 8; round++) {
      const manager = await hire();
      const [removal, hiring] = await Promise.all([remove(manager), create(newcomer({ managerId: manager }))]);
      if (removal.errors.length === 0) {
        expect(['CONFLICT', 'BAD_USER_INPUT']).toContain(codesOf(hiring)[0]);
        expect(await row(manager)).toBeUndefined();
      } else {
        expect(removal.errors[0]?.extensions).toEqual({ code: 'CONFLICT', reports: 1 });
        expect((await row(hiring.data?.createEmployee.id as string))?.manager_id).toBe(decodeId('employee', manager));
      }
    }
  });

  it('rejects the concurrent hiring of a report', async () => {
    const manager = await hire();
    const email = `${newId()}@example.com`;
    const [response] = await whileHeld(deleteRow(manager), [() => create(newcomer({ managerId: manager, email }))]);
    expect(codesOf(response ?? fail())).toEqual(['CONFLICT']);
    expect(response?.errors[0]?.message).toMatch(/removed meanwhile/);
    expect(await gateway.db.selectFrom('employee').select('id').where('email', '=', email).execute()).toEqual([]);
  });

  it('succeeds once for concurrent deletions; the other gets NOT_FOUND', async () => {
    const id = await hire();
    const responses = await whileHeld(lockRow(id), [() => remove(id), () => remove(id)]);
    expect(outcomes(responses)).toEqual(['', 'NOT_FOUND']);
    expect(await row(id)).toBeUndefined();
  });

  it('succeeds despite a concurrent update', async () => {
    const id = await hire();
    const responses = await Promise.all([update(id, { age: 31 }), remove(id)]);
    expect(outcomes(responses.slice(1))).toEqual(['']);
    expect(['', 'CONFLICT', 'NOT_FOUND']).toContain(outcomes(responses.slice(0, 1))[0]);
    expect(await row(id)).toBeUndefined();
  });
});

describe('one e-mail address in two concurrent requests', () => {
  it('is accepted once; the other request gets the invalid field', async () => {
    const email = `${newId()}@example.com`;
    const manager = await hire();
    const hold = async (transaction: Transaction<Tables>) => {
      const one = await transaction
        .selectFrom('employee')
        .selectAll()
        .where('id', '=', decodeId('employee', manager))
        .executeTakeFirstOrThrow();
      await transaction
        .insertInto('employee')
        .values({ ...one, id: newId(), email })
        .execute();
    };
    const id = await hire();
    const responses = await whileHeld(hold, [
      () => create(newcomer({ email: email.toUpperCase() })),
      () => update(id, { email, age: 99 }),
    ]);
    expect(outcomes(responses)).toEqual(['BAD_USER_INPUT', 'BAD_USER_INPUT']);
    expect(responses.map(fieldsOf)).toEqual([['email'], ['email']]);
    expect(await row(id)).toMatchObject({ age: 30, version: 1 });
    expect(await gateway.db.selectFrom('employee').select('id').where('email', '=', email).execute()).toHaveLength(1);
  });
});

describe('more concurrent updates than connections', () => {
  it('all succeed, also for a manager, whose permission requires a lookup', async () => {
    const user = await gateway.db
      .selectFrom('user_account')
      .select('employee_id')
      .where('email', '=', 'manager@example.com')
      .executeTakeFirstOrThrow();
    const managerId = encodeId('employee', user.employee_id ?? '');
    const reports: string[] = [];
    for (let count = 0; count < 12; count++) reports.push(await hire({ managerId }));
    const [chief = ''] = reports;

    const changes = reports.map((id, position) =>
      update(id, position % 2 === 0 || id === chief ? { age: 40 } : { age: 40, managerId: chief }, 'manager'),
    );
    const responses = await Promise.all(changes);
    expect(responses.flatMap(codesOf)).toEqual([]);
    for (const [position, id] of reports.entries()) {
      expect(await row(id)).toMatchObject({
        age: 40,
        manager_id: decodeId('employee', position % 2 === 0 ? managerId : chief),
      });
    }
  });
});

function fail(): never {
  throw new Error('There is no response.');
}

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Role } from '../../src/auth/viewer.js';
import { newId } from '../../src/database/base.entity.js';
import { encodeId } from '../../src/graphql/relay/global-id.js';
import { startGateway, type AnyData, type Caller, type TestGateway } from '../support/gateway.js';
import { addPerson } from '../support/people.js';
import { statementsOf } from '../support/statements.js';
import { waitUntil } from '../support/wait-until.js';

let gateway: TestGateway;
/** A gateway without caches, for the expected results. */
let plain: TestGateway;
beforeAll(async () => {
  gateway = await startGateway({ RESPONSE_CACHE: 'false' });
  plain = await startGateway({ RESPONSE_CACHE: 'false', QUERY_CACHE: 'false', DATABASE_URL: gateway.databaseUrl });
  for (const caller of ['admin', 'manager', 'user'] as const) {
    // The test gateway looks up the account once.
    await gateway.execute(caller, '{ __typename }');
    await plain.execute(caller, '{ __typename }');
  }
});
afterAll(async () => {
  await plain.close();
  await gateway.close();
});

/** Counts the statements of an operation, which must succeed. */
async function count(caller: Caller, document: string): Promise<number> {
  const statements = await statementsOf(async () => {
    const response = await gateway.execute<AnyData>(caller, document);
    expect(response.errors).toEqual([]);
  });
  return statements.length;
}

/** Invalidates everything cached of employees, and changes nothing. */
const invalidateEmployees = async (): Promise<void> => {
  await gateway.execute(
    'admin',
    `mutation { deleteEmployee(id: "${encodeId('employee', newId())}") { deletedEmployeeId } }`,
  );
};

const headcounts = async (of: TestGateway, caller: Caller = 'admin'): Promise<Record<string, number>> => {
  const { data, errors } = await of.execute<AnyData>(caller, '{ departments { name headcount } }');
  expect(errors).toEqual([]);
  return Object.fromEntries(
    (data.departments as { name: string; headcount: number }[]).map(({ name, headcount }) => [name, headcount]),
  );
};

const hire = (departmentId: string, email: string, selection = 'id'): string =>
  `mutation { createEmployee(input: { name: "New", email: "${email}", age: 30, jobTitle: "x", jobLevel: 1, hiredOn: "2020-01-01", salary: 1, departmentId: "${departmentId}" }) { ${selection} } }`;

describe('cached rows', () => {
  it('take no statement on a second read by any caller', async () => {
    await invalidateEmployees();
    const document = '{ departments { name employees { totalCount } } }';
    expect(await count('admin', document)).toBeGreaterThan(0);
    expect(await count('user', document)).toBe(0);
    expect(await count('manager', document)).toBe(0);
  });

  it('are shared by different operations', async () => {
    await invalidateEmployees();
    await count('admin', '{ departments { name employees { totalCount } } }');
    expect(await count('user', '{ departments { id headcount } }')).toBe(0);
    const { data } = await gateway.execute<AnyData>('user', '{ departments { id } }');
    const node = `{ node(id: "${data.departments[0].id as string}") { ... on Department { name headcount } } }`;
    expect(await count('admin', node)).toBe(1);
    expect(await count('user', node)).toBe(0);
  });

  it('give every role, key and anonymous caller the same result as without a cache', async () => {
    const person = await addPerson(gateway, Role.USER);
    const keyOf = async (scopes: string[]): Promise<Caller> => {
      const made = await gateway.execute<AnyData>(
        'user',
        'mutation ($scopes: [String!]) { createApiKey(name: "any", scopes: $scopes) { secret } }',
        { scopes },
      );
      return { apiKey: made.data.createApiKey.secret as string };
    };
    const callers: Caller[] = [
      'admin',
      'manager',
      'user',
      { token: person.token },
      await keyOf(['employees:read']),
      await keyOf(['predict']),
      null,
    ];
    const { data } = await plain.execute<AnyData>('admin', '{ departments { id } }');
    const id = data.departments[0].id as string;
    const documents = [
      '{ departments { id name headcount employees { totalCount } } }',
      `{ node(id: "${id}") { id ... on Department { name headcount } } }`,
      '{ employees(first: 3) { nodes { name manager { manager { department { id name headcount } } } } } }',
    ];
    const whole = ({ data: reported, errors }: AnyData) => ({
      data: reported,
      errors: errors.map(({ path, extensions }: AnyData) => ({ path, code: extensions.code })),
    });
    for (const document of documents) {
      const rows = new Set<string>();
      for (const turn of [1, 2]) {
        for (const caller of callers) {
          const response = await gateway.execute<AnyData>(caller, document);
          expect([turn, whole(response)]).toEqual([turn, whole(await plain.execute(caller, document))]);
          if (response.errors.length === 0) rows.add(JSON.stringify(response.data));
        }
      }
      // All callers with access get the same data.
      expect(rows.size).toBe(1);
    }
  });

  it('are read again after a change, by its author and by others', async () => {
    const { data } = await gateway.execute<AnyData>('admin', '{ departments { id name } }');
    const { id, name } = data.departments[0] as { id: string; name: string };
    const before = (await headcounts(gateway, 'user'))[name] ?? 0;
    const hired = await gateway.execute<AnyData>('admin', hire(id, 'new.one@example.com'));
    expect((await headcounts(gateway, 'user'))[name]).toBe(before + 1);
    expect((await headcounts(gateway, 'admin'))[name]).toBe(before + 1);
    await gateway.execute(
      'admin',
      `mutation { deleteEmployee(id: "${hired.data.createEmployee.id as string}") { deletedEmployeeId } }`,
    );
    expect((await headcounts(gateway, 'user'))[name]).toBe(before);
  });

  it('are not used in the response to a mutation', async () => {
    const { data } = await gateway.execute<AnyData>('admin', '{ departments { id name headcount } }');
    const { id, headcount } = data.departments[0] as { id: string; headcount: number };
    const { data: hired, errors } = await gateway.execute<AnyData>(
      'admin',
      hire(id, 'new.two@example.com', 'id department { headcount }'),
    );
    expect(errors).toEqual([]);
    expect(hired.createEmployee.department.headcount).toBe(headcount + 1);
    await gateway.execute(
      'admin',
      `mutation { deleteEmployee(id: "${hired.createEmployee.id as string}") { deletedEmployeeId } }`,
    );
  });

  it('have metrics of hits, misses and invalidations', async () => {
    await invalidateEmployees();
    await headcounts(gateway);
    const before = await metrics();
    await headcounts(gateway);
    await invalidateEmployees();
    await headcounts(gateway);
    const after = await metrics();
    const grown = (name: string): number => (after.get(name) ?? 0) - (before.get(name) ?? 0);
    const departments = Object.keys(await headcounts(gateway)).length;
    expect(grown('auspex_query_cache_hits_total{query="headcount"}')).toBe(departments);
    expect(grown('auspex_query_cache_misses_total{query="headcount"}')).toBe(departments);
    expect(grown('auspex_query_cache_hits_total{query="departments"}')).toBe(2);
    expect(grown('auspex_query_cache_misses_total{query="departments"}')).toBe(0);
    expect(grown('auspex_query_cache_invalidations_total')).toBe(1);
  });

  it('are read once for concurrent requests', async () => {
    await invalidateEmployees();
    const statements = await statementsOf(async () => {
      await Promise.all(Array.from({ length: 40 }, () => headcounts(gateway)));
    });
    // Concurrent requests share one read.
    expect(statements.filter((text) => text.includes('count(*)'))).toHaveLength(1);
  });

  it('are invalidated together with cached responses', async () => {
    const both = await startGateway({ DATABASE_URL: gateway.databaseUrl });
    try {
      const { data } = await both.execute<AnyData>('admin', '{ departments { id name } }');
      const { id, name } = data.departments[0] as { id: string; name: string };
      for (let turn = 0; turn < 10; turn += 1) {
        const before = (await headcounts(both, 'user'))[name] ?? 0;
        expect((await headcounts(both, 'user'))[name]).toBe(before);
        const hired = await both.execute<AnyData>('admin', hire(id, `both${turn}@example.com`));
        expect((await headcounts(both, 'user'))[name]).toBe(before + 1);
        await both.execute(
          'admin',
          `mutation { deleteEmployee(id: "${hired.data.createEmployee.id as string}") { deletedEmployeeId } }`,
        );
        expect((await headcounts(both, 'user'))[name]).toBe(before);
      }
    } finally {
      await both.close();
    }
  });

  it('expire after their TTL if another program changes the database', async () => {
    const short = await startGateway({
      RESPONSE_CACHE: 'false',
      QUERY_CACHE_TTL_SECONDS: '1',
      DATABASE_URL: gateway.databaseUrl,
    });
    try {
      const names = async (): Promise<string[]> =>
        (await short.execute<AnyData>('user', '{ departments { name } }')).data.departments.map(
          ({ name }: { name: string }) => name,
        );
      const [first] = await names();
      await gateway.db
        .updateTable('department')
        .set({ name: 'Aaa renamed' })
        .where('name', '=', first ?? '')
        .execute();
      const startedAt = Date.now();
      await waitUntil(async () => (await names())[0] === 'Aaa renamed');
      expect(Date.now() - startedAt).toBeLessThan(3000);
      await gateway.db
        .updateTable('department')
        .set({ name: first ?? '' })
        .where('name', '=', 'Aaa renamed')
        .execute();
    } finally {
      await short.close();
    }
  });
});

/** The samples of the gateway's metrics by series. */
async function metrics(): Promise<Map<string, number>> {
  const text = await (await fetch(gateway.metricsUrl ?? '')).text();
  return new Map(
    text
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]),
  );
}

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Role } from '../../src/auth/viewer.js';
import { newId } from '../../src/database/base.entity.js';
import { encodeId } from '../../src/graphql/id.js';
import { startGateway, type Any, type Asker, type TestGateway } from '../kit/gateway.js';
import { addPerson } from '../kit/people.js';
import { statementsOf } from '../kit/statements.js';
import { until } from '../kit/until.js';

let gateway: TestGateway;
/** Keeps nothing: what it answers is the truth. */
let plain: TestGateway;
beforeAll(async () => {
  gateway = await startGateway({ RESPONSE_CACHE: 'false' });
  plain = await startGateway({ RESPONSE_CACHE: 'false', QUERY_CACHE: 'false', DATABASE_URL: gateway.databaseUrl });
  for (const asker of ['admin', 'manager', 'user'] as const) {
    // The kit looks the account up once.
    await gateway.ask(asker, '{ __typename }');
    await plain.ask(asker, '{ __typename }');
  }
});
afterAll(async () => {
  await plain.close();
  await gateway.close();
});

/** How many statements the operation sends; it must answer without an error. */
async function count(asker: Asker, document: string): Promise<number> {
  const statements = await statementsOf(async () => {
    const answer = await gateway.ask<Any>(asker, document);
    expect(answer.errors).toEqual([]);
  });
  return statements.length;
}

/** Writes that make all that is kept of employees old, and change nothing. */
const forgetEmployees = async (): Promise<void> => {
  await gateway.ask('admin', `mutation { deleteEmployee(id: "${encodeId('employee', newId())}") }`);
};

const headcounts = async (of: TestGateway, asker: Asker = 'admin'): Promise<Record<string, number>> => {
  const { data, errors } = await of.ask<Any>(asker, '{ departments { name headcount } }');
  expect(errors).toEqual([]);
  return Object.fromEntries((data.departments as { name: string; headcount: number }[]).map(({ name, headcount }) => [name, headcount]));
};

const hire = (departmentId: string, email: string, selection = 'id'): string =>
  `mutation { createEmployee(input: { name: "New", email: "${email}", age: 30, jobTitle: "x", jobLevel: 1, hiredOn: "2020-01-01", salary: 1, departmentId: "${departmentId}" }) { ${selection} } }`;

describe('rows that are kept', () => {
  it('cost no statement the second time, whoever asks', async () => {
    await forgetEmployees();
    const document = '{ departments { name employees { totalCount } } }';
    expect(await count('admin', document)).toBeGreaterThan(0);
    expect(await count('user', document)).toBe(0);
    expect(await count('manager', document)).toBe(0);
  });

  it('are shared by other operations that need them', async () => {
    await forgetEmployees();
    await count('admin', '{ departments { name employees { totalCount } } }');
    expect(await count('user', '{ departments { id headcount } }')).toBe(0);
    const { data } = await gateway.ask<Any>('user', '{ departments { id } }');
    const node = `{ node(id: "${data.departments[0].id as string}") { ... on Department { name headcount } } }`;
    expect(await count('admin', node)).toBe(1);
    expect(await count('user', node)).toBe(0);
  });

  it('are the same for every role, key and stranger as where nothing is kept', async () => {
    const person = await addPerson(gateway, Role.USER);
    const keyOf = async (scopes: string[]): Promise<Asker> => {
      const made = await gateway.ask<Any>('user', 'mutation ($scopes: [String!]) { createApiKey(name: "any", scopes: $scopes) { secret } }', { scopes });
      return { apiKey: made.data.createApiKey.secret as string };
    };
    const askers: Asker[] = ['admin', 'manager', 'user', { token: person.token }, await keyOf(['employees:read']), await keyOf(['predict']), null];
    const { data } = await plain.ask<Any>('admin', '{ departments { id } }');
    const id = data.departments[0].id as string;
    const documents = [
      '{ departments { id name headcount employees { totalCount } } }',
      `{ node(id: "${id}") { id ... on Department { name headcount } } }`,
      '{ employees(first: 3) { nodes { name manager { manager { department { id name headcount } } } } } }',
    ];
    const whole = ({ data: told, errors }: Any) => ({ told, errors: errors.map(({ path, extensions }: Any) => ({ path, code: extensions.code })) });
    for (const document of documents) {
      const rows = new Set<string>();
      for (const turn of [1, 2]) {
        for (const asker of askers) {
          const answer = await gateway.ask<Any>(asker, document);
          expect([turn, whole(answer)]).toEqual([turn, whole(await plain.ask(asker, document))]);
          if (answer.errors.length === 0) rows.add(JSON.stringify(answer.data));
        }
      }
      // Who is given them is given the same.
      expect(rows.size).toBe(1);
    }
  });

  it('are read anew after a change, by who made it and by everyone else', async () => {
    const { data } = await gateway.ask<Any>('admin', '{ departments { id name } }');
    const { id, name } = data.departments[0] as { id: string; name: string };
    const before = (await headcounts(gateway, 'user'))[name] ?? 0;
    const hired = await gateway.ask<Any>('admin', hire(id, 'new.one@example.com'));
    expect((await headcounts(gateway, 'user'))[name]).toBe(before + 1);
    expect((await headcounts(gateway, 'admin'))[name]).toBe(before + 1);
    await gateway.ask('admin', `mutation { deleteEmployee(id: "${hired.data.createEmployee.id as string}") }`);
    expect((await headcounts(gateway, 'user'))[name]).toBe(before);
  });

  it('are not what the answer to a change is made of', async () => {
    const { data } = await gateway.ask<Any>('admin', '{ departments { id name headcount } }');
    const { id, headcount } = data.departments[0] as { id: string; headcount: number };
    const { data: hired, errors } = await gateway.ask<Any>('admin', hire(id, 'new.two@example.com', 'id department { headcount }'));
    expect(errors).toEqual([]);
    expect(hired.createEmployee.department.headcount).toBe(headcount + 1);
    await gateway.ask('admin', `mutation { deleteEmployee(id: "${hired.createEmployee.id as string}") }`);
  });

  it('are counted by query, and so are the changes that made them old', async () => {
    await forgetEmployees();
    await headcounts(gateway);
    const before = await metrics();
    await headcounts(gateway);
    await forgetEmployees();
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

  it('are asked of the database once where many ask at the same time', async () => {
    await forgetEmployees();
    const statements = await statementsOf(async () => {
      await Promise.all(Array.from({ length: 40 }, () => headcounts(gateway)));
    });
    // The one reading; a request that comes before it has begun could not know of it.
    expect(statements.filter((text) => text.includes('count(*)'))).toHaveLength(1);
  });

  it('are kept beside answers, which are forgotten with them', async () => {
    const both = await startGateway({ DATABASE_URL: gateway.databaseUrl });
    try {
      const { data } = await both.ask<Any>('admin', '{ departments { id name } }');
      const { id, name } = data.departments[0] as { id: string; name: string };
      for (let turn = 0; turn < 10; turn += 1) {
        const before = (await headcounts(both, 'user'))[name] ?? 0;
        expect((await headcounts(both, 'user'))[name]).toBe(before);
        const hired = await both.ask<Any>('admin', hire(id, `both${turn}@example.com`));
        expect((await headcounts(both, 'user'))[name]).toBe(before + 1);
        await both.ask('admin', `mutation { deleteEmployee(id: "${hired.data.createEmployee.id as string}") }`);
        expect((await headcounts(both, 'user'))[name]).toBe(before);
      }
    } finally {
      await both.close();
    }
  });

  it('grow as old as was said where somebody writes to the database beside the gateway, and no older', async () => {
    const short = await startGateway({ RESPONSE_CACHE: 'false', QUERY_CACHE_TTL_SECONDS: '1', DATABASE_URL: gateway.databaseUrl });
    try {
      const names = async (): Promise<string[]> => (await short.ask<Any>('user', '{ departments { name } }')).data.departments.map(({ name }: { name: string }) => name);
      const [first] = await names();
      await gateway.db.updateTable('department').set({ name: 'Aaa renamed' }).where('name', '=', first ?? '').execute();
      const startedAt = Date.now();
      await until(async () => (await names())[0] === 'Aaa renamed');
      expect(Date.now() - startedAt).toBeLessThan(3000);
      await gateway.db.updateTable('department').set({ name: first ?? '' }).where('name', '=', 'Aaa renamed').execute();
    } finally {
      await short.close();
    }
  });
});

/** The samples of the gateway's metrics, by what stands before their value. */
async function metrics(): Promise<Map<string, number>> {
  const text = await (await fetch(gateway.metricsUrl ?? '')).text();
  return new Map(text.split('\n').filter((line) => line !== '' && !line.startsWith('#')).map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]));
}

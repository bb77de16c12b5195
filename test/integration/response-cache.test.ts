import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Role } from '../../src/auth/viewer.js';
import { encodeId } from '../../src/graphql/id.js';
import { codesOf, startGateway, type Any, type Asker, type TestGateway } from '../kit/gateway.js';
import { makeIrisStore, type IrisStore } from '../kit/iris-store.js';
import { addPerson } from '../kit/people.js';
import { statementsOf } from '../kit/statements.js';

let store: IrisStore;
let gateway: TestGateway;
beforeAll(async () => {
  store = await makeIrisStore({ versions: [1, 2] });
  gateway = await startGateway({ MODEL_STORE: store.dir, CORS_ORIGINS: 'https://app.example.com' });
});
afterAll(async () => {
  await gateway.close();
  await store.remove();
});

/** A query by GET. */
async function get(asker: 'admin' | 'user' | null, query: string, { variables, headers = {}, of = gateway }: { variables?: object; headers?: Record<string, string>; of?: TestGateway } = {}) {
  const search = new URLSearchParams({ query, ...(variables ? { variables: JSON.stringify(variables) } : {}) });
  const credentials: Record<string, string> = asker === null ? {} : { authorization: `Bearer ${await of.tokenOf(asker)}` };
  const response = await fetch(`${of.url}?${search.toString()}`, { headers: { 'apollo-require-preflight': 'true', ...credentials, ...headers } });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text };
}

const cacheControl = async (asker: 'admin' | 'user' | null, query: string): Promise<string | null> => (await get(asker, query)).headers.get('cache-control');
const isHit = ({ headers }: { headers: Headers }): boolean => headers.has('age');

describe('Cache-Control', () => {
  it.each([
    ['{ departments { id name } }', 'max-age=60, private'],
    ['{ departments { name headcount } }', 'max-age=10, private'],
    ['{ departments { employees(first: 2) { nodes { name manager { name } } } } }', 'max-age=10, private'],
    ['{ employees(first: 2) { totalCount edges { cursor node { name department { name } } } pageInfo { endCursor } } }', 'max-age=10, private'],
    ['{ me { email employee { name } } }', 'max-age=10, private'],
    ['{ models { name current { inputs { name } } } departments { name } }', 'max-age=10, private'],
    ['query ($no: Boolean = false) { departments { name headcount @include(if: $no) } }', 'max-age=10, private'],
  ])('of %s is the shortest of its hints', async (query, expected) => {
    expect(await cacheControl('user', query)).toBe(expected);
  });

  it.each([
    ['a prediction, which is recorded', '{ predict(model: "iris", inputs: [{ petal_length: 4.0, petal_width: 1.3 }]) { output } }'],
    ['a prediction by a field of its own', '{ predictIris(inputs: [{ petalLength: 4.0, petalWidth: 1.3 }]) { species } }'],
    ['predictions beside what could be kept', '{ departments { name } predictions(first: 1) { totalCount } }'],
    ['predictions below what could be kept', '{ me { predictions(first: 1) { totalCount } } }'],
    ['what operators watch', '{ models { problems } }'],
    ['statistics', '{ models { current { statistics { rows } } } }'],
    ['API keys, which tell when they were used', '{ apiKeys { name lastUsedAt } }'],
    ['nothing but __typename', '{ __typename }'],
    ['a part that is forbidden', '{ departments { name } users { totalCount } }'],
    ['a salary that is forbidden', '{ employees(first: 1) { nodes { salary } } }'],
    ['an operation that is wrong', '{ departments { nothing } }'],
    ['input that is wrong', '{ employee(id: "x") { name } departments { name } }'],
  ])('forbids to keep %s', async (_what, query) => {
    const { headers } = await get('user', query);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.has('etag')).toBe(false);
    expect(isHit(await get('user', query))).toBe(false);
  });

  it('forbids to keep what a stranger is refused, and what a mutation answers', async () => {
    expect(await cacheControl(null, '{ departments { name } }')).toBe('no-store');
    const { headers } = await gateway.ask('user', 'mutation { logout }');
    expect(headers.get('cache-control')).toBe('no-store');
  });

  it('makes the schema itself public, and nothing else', async () => {
    expect(await cacheControl(null, '{ __schema { queryType { name } } }')).toBe('max-age=60, public');
    expect(await cacheControl('user', '{ __schema { queryType { name } } __typename }')).toBe('max-age=60, public');
    expect(await cacheControl('user', '{ __schema { queryType { name } } departments { name } }')).toBe('max-age=60, private');
  });

  it('says by Vary what makes answers differ, and keeps what CORS says there', async () => {
    const vary = async (query: string) => (await get('user', query, { headers: { origin: 'https://app.example.com' } })).headers.get('vary')?.split(/, */).sort();
    expect(await vary('{ departments { name } }')).toEqual(['Accept', 'Authorization', 'Origin', 'X-Api-Key']);
    expect(await vary('{ __schema { queryType { name } } }')).toEqual(['Accept', 'Origin']);
  });
});

describe('an ETag', () => {
  const query = '{ departments { id name } }';

  it('lets a caller who has the answer already have none: 304', async () => {
    const first = await get('user', query);
    const etag = first.headers.get('etag') ?? '';
    expect(etag).toMatch(/^W\/"[\w-]{27}"$/);
    for (const sent of [etag, etag.slice(2), `"other", ${etag}`, '*']) {
      const again = await get('user', query, { headers: { 'if-none-match': sent } });
      expect([sent, again.status, again.text]).toEqual([sent, 304, '']);
      expect(again.headers.get('etag')).toBe(etag);
      expect(again.headers.get('cache-control')).toBe('max-age=60, private');
      expect(again.headers.get('vary')).toContain('Authorization');
      expect(again.headers.has('content-type')).toBe(false);
    }
  });

  it('gives the answer to a caller who has another', async () => {
    const first = await get('user', query);
    for (const sent of ['"other"', 'W/"other", "another"', 'nonsense', '']) {
      const again = await get('user', query, { headers: { 'if-none-match': sent } });
      expect([again.status, again.text]).toEqual([200, first.text]);
    }
  });

  it('is never confirmed to another viewer, or where the answer has changed', async () => {
    const mine = await get('user', '{ me { email } }');
    const theirs = await get('admin', '{ me { email } }', { headers: { 'if-none-match': mine.headers.get('etag') ?? '' } });
    expect(theirs.status).toBe(200);
    expect(theirs.text).toContain('admin@example.com');

    const count = '{ employees(first: 1, filter: { search: "Etagsson" }) { totalCount } }';
    const before = await get('user', count);
    await hire('Etagsson');
    const after = await get('user', count, { headers: { 'if-none-match': before.headers.get('etag') ?? '' } });
    expect([after.status, JSON.parse(after.text)]).toEqual([200, { data: { employees: { totalCount: 1 } } }]);
  });

  it('is not given to POST', async () => {
    expect((await gateway.ask('user', query)).headers.has('etag')).toBe(false);
  });
});

let hired = 0;
async function hire(name: string, at = gateway): Promise<string> {
  const department = await at.ask<Any>('admin', '{ departments { id } }');
  const input = { name, email: `hired${(hired += 1)}@example.com`, age: 30, jobTitle: 'Engineer', jobLevel: 2, hiredOn: '2026-01-05', salary: 50_000, departmentId: department.data.departments[0].id };
  const answer = await at.ask<Any>('admin', 'mutation ($input: CreateEmployeeInput!) { createEmployee(input: $input) { id } }', { input });
  expect(answer.errors).toEqual([]);
  return answer.data.createEmployee.id as string;
}

describe('an answer that is kept', () => {
  it('is given again without a statement, tells its age, and is the same to the byte', async () => {
    const query = '{ employees(first: 5) { nodes { id name hiredOn createdAt department { name } } pageInfo { endCursor } totalCount } }';
    const first = await get('user', query);
    expect(isHit(first)).toBe(false);
    await gateway.ask('user', query);
    expect(await statementsOf(async () => expect(isHit(await gateway.ask('user', query))).toBe(true))).toEqual([]);
    const again = await get('user', query);
    expect(Number(again.headers.get('age'))).toBeLessThan(10);
    expect(again.text).toBe(first.text);
    expect(again.headers.get('etag')).toBe(first.headers.get('etag'));
    expect(again.headers.get('content-type')).toBe(first.headers.get('content-type'));
  });

  it('is given by POST as by GET, and for variables that mean the same', async () => {
    const query = 'query ($first: Int, $filter: EmployeeFilter) { employees(first: $first, filter: $filter) { nodes { name } } }';
    await gateway.ask('user', query, { first: 3, filter: { minAge: 30, maxAge: 60 } });
    expect(isHit(await get('user', query, { variables: { filter: { maxAge: 60, minAge: 30 }, first: 3 } }))).toBe(true);
    for (const variables of [{ first: 4, filter: { minAge: 30, maxAge: 60 } }, { first: 3, filter: { minAge: 60, maxAge: 30 } }, { first: 3, filter: null }, { first: 3 }]) {
      expect(isHit(await get('user', query, { variables }))).toBe(false);
    }
  });

  it('is not given for a variable that JSON reads as no number', async () => {
    const query = 'query ($first: Int) { employees(first: $first) { nodes { name } } }';
    await gateway.ask('user', query, { first: null });
    const { text } = await (async () => {
      const response = await fetch(gateway.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${await gateway.tokenOf('user')}` },
        body: `{"query":${JSON.stringify(query)},"variables":{"first":1e999}}`,
      });
      return { text: await response.text() };
    })();
    expect(JSON.parse(text).errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT' } }]);
  });

  it('is another for each operation of a document', async () => {
    const document = 'query A { departments { name } } query B { departments { id } }';
    const ask = async (operationName: string) => {
      const response = await fetch(gateway.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${await gateway.tokenOf('user')}` },
        body: JSON.stringify({ query: document, operationName }),
      });
      return Object.keys(((await response.json())).data.departments[0]);
    };
    expect([await ask('A'), await ask('B'), await ask('A'), await ask('B')]).toEqual([['name'], ['id'], ['name'], ['id']]);
  });

  it('is logged and counted as such', async () => {
    const counted = async (): Promise<Record<string, number>> => {
      const text = await (await fetch(new URL('/metrics', gateway.url))).text();
      return Object.fromEntries([...text.matchAll(/^auspex_response_cache_(\w+)_total (\d+)$/gm)].map(([, name, value]) => [name, Number(value)]));
    };
    const query = 'query Logged { departments { name headcount } }';
    const before = await counted();
    await get('user', query, { headers: { 'x-request-id': 'kept-1' } });
    await get('user', query, { headers: { 'x-request-id': 'kept-2' } });
    const line = (id: string) => gateway.logs.find((entry) => entry.requestId === id && entry.msg === 'operation');
    expect(line('kept-1')).not.toHaveProperty('isKept');
    expect(line('kept-2')).toMatchObject({ operation: 'Logged', isKept: true });
    await gateway.ask('admin', 'mutation { deleteEmployee(id: "none") }');
    const after = await counted();
    expect({ hits: after.hits, misses: after.misses, invalidations: after.invalidations }).toEqual({
      hits: (before.hits ?? 0) + 1,
      misses: (before.misses ?? 0) + 1,
      invalidations: (before.invalidations ?? 0) + 1,
    });
  });
});

describe('a viewer', () => {
  const salaries = '{ employees(first: 20) { nodes { id salary } } }';

  it('never gets a salary that was kept for another', async () => {
    const { data } = await gateway.ask<Any>('admin', salaries);
    expect(data.employees.nodes[0].salary).toEqual(expect.any(Number));
    expect(isHit(await gateway.ask('admin', salaries))).toBe(true);
    for (const asker of ['user', { token: (await addPerson(gateway, Role.USER)).token }] as Asker[]) {
      const answer = await gateway.ask<Any>(asker, salaries);
      expect(isHit(answer)).toBe(false);
      expect(new Set(answer.data.employees.nodes.map((node: Any) => node.salary as unknown)).has(data.employees.nodes[0].salary)).toBe(false);
      expect(codesOf(answer)).toContain('FORBIDDEN');
    }
    const stranger = await gateway.ask(null, salaries);
    expect(codesOf(stranger)).toContain('UNAUTHENTICATED');
  });

  it('with an API key gets nothing that a session, or a key with more scopes, was given', async () => {
    const keyWith = async (scopes: string[]): Promise<Asker> => {
      const made = await gateway.ask<Any>('user', 'mutation ($scopes: [String!]) { createApiKey(name: "cache", scopes: $scopes) { secret } }', { scopes });
      return { apiKey: made.data.createApiKey.secret as string };
    };
    const [reads, predicts] = [await keyWith(['employees:read']), await keyWith(['predict'])];
    const query = '{ departments { name } me { email employee { name } } }';
    for (const asker of ['user', reads] as Asker[]) {
      await gateway.ask(asker, query);
      expect(isHit(await gateway.ask(asker, query))).toBe(true);
    }
    const refused = await gateway.ask(predicts, query);
    expect(isHit(refused)).toBe(false);
    expect(codesOf(refused)).toContain('FORBIDDEN');
    expect(isHit(await gateway.ask(predicts, '{ me { email } }'))).toBe(false);
  });

  it('whose role or employee changes gets what the new one may see, and no more', async () => {
    const person = await addPerson(gateway, Role.ADMIN);
    const made = await gateway.ask<Any>({ token: person.token }, 'mutation { createApiKey(name: "role", scopes: ["employees:read"]) { secret } }');
    const key = { apiKey: made.data.createApiKey.secret as string };
    const before = await gateway.ask<Any>(key, salaries);
    expect(before.errors).toEqual([]);
    expect(isHit(await gateway.ask(key, salaries))).toBe(true);
    await gateway.ask('admin', 'mutation ($id: ID!) { setUserRole(userId: $id, role: USER) { id } }', { id: person.id });
    const after = await gateway.ask<Any>(key, salaries);
    expect(after.data.employees.nodes.every((node: Any) => node.salary === null)).toBe(true);

    const employee = before.data.employees.nodes[0].id as string;
    await gateway.ask('admin', 'mutation ($id: ID!, $employee: ID) { setUserEmployee(userId: $id, employeeId: $employee) { id } }', { id: person.id, employee });
    const own = await gateway.ask<Any>(key, salaries);
    expect(own.data.employees.nodes.filter((node: Any) => node.salary !== null)).toEqual([before.data.employees.nodes[0]]);
  });

  it('who is switched off gets nothing more by a key, kept or not', async () => {
    const person = await addPerson(gateway);
    const made = await gateway.ask<Any>({ token: person.token }, 'mutation { createApiKey(name: "off") { secret } }');
    const key = { apiKey: made.data.createApiKey.secret as string };
    await gateway.ask(key, '{ departments { name } }');
    expect(isHit(await gateway.ask(key, '{ departments { name } }'))).toBe(true);
    await gateway.ask('admin', 'mutation ($id: ID!) { setUserActive(userId: $id, isActive: false) { id } }', { id: person.id });
    expect(codesOf(await gateway.ask(key, '{ departments { name } }'))).toEqual(['UNAUTHENTICATED']);
  });
});

describe('a mutation makes old at once', () => {
  /** Asks until the answer is kept, changes, and asks again. */
  async function changes(query: string, variables: object, change: () => Promise<unknown>): Promise<{ before: Any; after: Any }> {
    await gateway.ask('admin', query, { ...variables });
    const before = await gateway.ask<Any>('admin', query, { ...variables });
    expect(isHit(before)).toBe(true);
    await change();
    const after = await gateway.ask<Any>('admin', query, { ...variables });
    expect(isHit(after)).toBe(false);
    expect(after.data).not.toEqual(before.data);
    return { before: before.data, after: after.data };
  }
  const done = async (document: string, variables: object = {}): Promise<Any> => {
    const { data, errors } = await gateway.ask<Any>('admin', document, { ...variables });
    expect(errors).toEqual([]);
    return data;
  };

  it('createEmployee: lists, counts and headcounts', async () => {
    await changes('{ employees(filter: { search: "Newman" }) { nodes { name } } }', {}, () => hire('Newman One'));
    await changes('{ employees(filter: { search: "Newman" }) { totalCount } }', {}, () => hire('Newman Two'));
    await changes('{ departments { headcount } }', {}, () => hire('Newman Three'));
  });

  it('updateEmployee: the employee wherever it stands', async () => {
    const id = await hire('Changed Person');
    const update = (input: object) => done('mutation ($id: ID!, $input: UpdateEmployeeInput!) { updateEmployee(id: $id, input: $input) { id } }', { id, input });
    await changes('query ($id: ID!) { employee(id: $id) { name } }', { id }, () => update({ name: 'Once Changed' }));
    await changes('query ($id: ID!) { a: employee(id: $id) { ...F } } fragment F on Employee { ... { salary } }', { id }, () => update({ salary: 51_000 }));
    await changes('{ departments { name employees(first: 20) { edges { node { jobTitle } } } } }', {}, () => update({ name: 'Aaron First', jobTitle: 'Poet' }));
  });

  it('deleteEmployee: the employee, and the user who was it', async () => {
    const id = await hire('Leaving Person');
    const person = await addPerson(gateway);
    await done('mutation ($u: ID!, $e: ID) { setUserEmployee(userId: $u, employeeId: $e) { id } }', { u: person.id, e: id });
    const { after } = await changes('query ($id: ID!) { user(id: $id) { employee { name } } }', { id: person.id }, () => done('mutation ($id: ID!) { deleteEmployee(id: $id) }', { id }));
    expect(after).toEqual({ user: { employee: null } });
  });

  it('setUserRole, setUserActive and setUserEmployee: the user', async () => {
    const person = await addPerson(gateway);
    const id = await hire('Linked Person');
    const query = 'query ($id: ID!) { user(id: $id) { role isActive employee { name } } }';
    await changes(query, { id: person.id }, () => done('mutation ($id: ID!) { setUserRole(userId: $id, role: MANAGER) { id } }', { id: person.id }));
    await changes(query, { id: person.id }, () => done('mutation ($id: ID!) { setUserActive(userId: $id, isActive: false) { id } }', { id: person.id }));
    await changes(query, { id: person.id }, () => done('mutation ($u: ID!, $e: ID) { setUserEmployee(userId: $u, employeeId: $e) { id } }', { u: person.id, e: id }));
  });

  it('promoteModel and rollbackModel: the model', async () => {
    const query = '{ model(name: "iris") { current { version } } }';
    const { after } = await changes(query, {}, () => done('mutation { promoteModel(name: "iris", version: 2) { name } }'));
    expect(after).toEqual({ model: { current: { version: 2 } } });
    await changes('{ models { current { version } } }', {}, () => done('mutation { rollbackModel(name: "iris") { name } }'));
  });

  it('also where it failed, since a part of it may have been done', async () => {
    const id = await hire('Half Changed');
    const query = 'query ($id: ID!) { employee(id: $id) { name } }';
    const { after } = await changes(query, { id }, async () => {
      const document = 'mutation ($id: ID!) { updateEmployee(id: $id, input: { name: "Now Changed" }) { id } deleteEmployee(id: "none") }';
      expect(codesOf(await gateway.ask('admin', document, { id }))).toEqual(['BAD_USER_INPUT']);
    });
    expect(after).toEqual({ employee: { name: 'Now Changed' } });
  });

  it('and leaves what it does not touch', async () => {
    const ask = () => gateway.ask('admin', '{ departments { name } }');
    await ask();
    await hire('Somebody Else');
    expect(isHit(await ask())).toBe(true);
    const models = () => gateway.ask('admin', '{ models { name } }');
    await models();
    await hire('Somebody More');
    expect(isHit(await models())).toBe(true);
  });
});

describe('a model store that changes while serving', () => {
  it('is told of at once', async () => {
    const query = '{ model(name: "iris") { title versions { version } } }';
    const asked = async (): Promise<number[]> => (await gateway.ask<Any>('user', query)).data.model.versions.map((one: Any) => one.version as number);
    expect(await asked()).toEqual([1, 2]);
    expect(isHit(await gateway.ask('user', query))).toBe(true);
    await store.addVersion(3);
    // The answer would be good for ten seconds; the store is looked at every second.
    const deadline = Date.now() + 8_000;
    while ((await asked()).length < 3) expect(Date.now()).toBeLessThan(deadline);
    expect(await asked()).toEqual([1, 2, 3]);
  });
});

describe('RESPONSE_CACHE=false', () => {
  it('keeps nothing, and says to callers what they may keep all the same', async () => {
    const off = await startGateway({ RESPONSE_CACHE: 'false' });
    await get('user', '{ departments { name } }', { of: off });
    const again = await get('user', '{ departments { name } }', { of: off });
    expect(again.headers.has('age')).toBe(false);
    expect(again.headers.get('cache-control')).toBe('max-age=60, private');
    expect(again.headers.get('etag')).toMatch(/^W\//);
    await off.close();
  });
});

describe('TRUSTED_DOCUMENTS=enforce', () => {
  it('makes even the schema private: not everyone may read it there', async () => {
    const strict = await startGateway({ TRUSTED_DOCUMENTS: 'enforce' });
    const { headers } = await get('admin', '{ __schema { queryType { name } } }', { of: strict });
    expect(headers.get('cache-control')).toBe('max-age=60, private');
    await strict.close();
  });
});

it('keeps no answer for one who names an employee by another id', async () => {
  const [one, other] = (await gateway.db.selectFrom('employee').select('id').orderBy('name').limit(2).execute()).map(({ id }) => encodeId('employee', id));
  const query = 'query ($id: ID!) { employee(id: $id) { id } }';
  expect((await gateway.ask<Any>('user', query, { id: one })).data.employee.id).toBe(one);
  expect((await gateway.ask<Any>('user', query, { id: other })).data.employee.id).toBe(other);
});

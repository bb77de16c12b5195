import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Role } from '../../src/auth/viewer.js';
import { encodeId } from '../../src/graphql/relay/global-id.js';
import { codesOf, startGateway, type AnyData, type Caller, type TestGateway } from '../support/gateway.js';
import { makeIrisStore, type IrisStore } from '../support/iris-store.js';
import { addPerson } from '../support/people.js';
import { statementsOf } from '../support/statements.js';

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

/** Sends a query by GET. */
async function get(
  caller: 'admin' | 'user' | null,
  query: string,
  {
    variables,
    headers = {},
    of = gateway,
  }: { variables?: object; headers?: Record<string, string>; of?: TestGateway } = {},
) {
  const search = new URLSearchParams({ query, ...(variables ? { variables: JSON.stringify(variables) } : {}) });
  const credentials: Record<string, string> =
    caller === null ? {} : { authorization: `Bearer ${await of.tokenOf(caller)}` };
  const response = await fetch(`${of.url}?${search.toString()}`, {
    headers: { 'apollo-require-preflight': 'true', ...credentials, ...headers },
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text };
}

const cacheControl = async (caller: 'admin' | 'user' | null, query: string): Promise<string | null> =>
  (await get(caller, query)).headers.get('cache-control');
const isHit = ({ headers }: { headers: Headers }): boolean => headers.has('age');

describe('Cache-Control', () => {
  it.each([
    '{ departments { id name } }',
    '{ departments { employees(first: 2) { nodes { name manager { name } } } } }',
    '{ employees(first: 2) { totalCount edges { cursor node { name department { name } } } pageInfo { endCursor } } }',
    '{ employeesAggregate(groupBy: [DEPARTMENT_ID]) { key { department { name } } count avg { age } } }',
    '{ me { email employee { name } } }',
    '{ models { name current { inputs { name } } } departments { name } }',
    'query ($no: Boolean = false) { departments { name headcount @include(if: $no) } }',
  ])('of %s makes browsers revalidate the data of a viewer', async (query) => {
    const { headers } = await get('user', query);
    expect([headers.get('cache-control'), headers.has('etag')]).toEqual(['private, no-cache', true]);
  });

  it.each([
    [
      'a prediction, which is recorded',
      '{ predict(model: "iris", inputs: [{ petal_length: 4.0, petal_width: 1.3 }]) { output } }',
    ],
    ['a prediction by a typed field', '{ predictIris(inputs: [{ petalLength: 4.0, petalWidth: 1.3 }]) { species } }'],
    ['predictions beside a cacheable field', '{ departments { name } predictions(first: 1) { totalCount } }'],
    ['predictions below a cacheable field', '{ me { predictions(first: 1) { totalCount } } }'],
    ['operational data', '{ models { problems } }'],
    ['statistics', '{ models { current { statistics { rows } } } }'],
    ['API keys, which include their last use', '{ apiKeys { name lastUsedAt } }'],
    ['nothing but __typename', '{ __typename }'],
    ['a forbidden field', '{ departments { name } users { totalCount } }'],
    ['a forbidden salary', '{ employees(first: 1) { nodes { salary } } }'],
    ['an invalid operation', '{ departments { nothing } }'],
    ['invalid input', '{ employee(id: "x") { name } departments { name } }'],
  ])('is no-store for %s', async (_what, query) => {
    const { headers } = await get('user', query);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.has('etag')).toBe(false);
    expect(isHit(await get('user', query))).toBe(false);
  });

  it('is no-store for a rejected anonymous caller and for a mutation', async () => {
    expect(await cacheControl(null, '{ departments { name } }')).toBe('no-store');
    const { headers } = await gateway.execute('user', 'mutation { logout { signedOutUserId } }');
    expect(headers.get('cache-control')).toBe('no-store');
  });

  it('is public only for introspection', async () => {
    expect(await cacheControl(null, '{ __schema { queryType { name } } }')).toBe('max-age=60, public');
    expect(await cacheControl('user', '{ __schema { queryType { name } } __typename }')).toBe('max-age=60, public');
    expect(await cacheControl('user', '{ __schema { queryType { name } } departments { name } }')).toBe(
      'private, no-cache',
    );
  });

  it('comes with a Vary header that includes the one of CORS', async () => {
    const vary = async (query: string) =>
      (await get('user', query, { headers: { origin: 'https://app.example.com' } })).headers
        .get('vary')
        ?.split(/, */)
        .sort();
    expect(await vary('{ departments { name } }')).toEqual(['Accept', 'Authorization', 'Origin', 'X-Api-Key']);
    expect(await vary('{ __schema { queryType { name } } }')).toEqual(['Accept', 'Origin']);
  });
});

describe('an ETag', () => {
  const query = '{ departments { id name } }';

  it('returns 304 without a body if it matches If-None-Match', async () => {
    const first = await get('user', query);
    const etag = first.headers.get('etag') ?? '';
    expect(etag).toMatch(/^W\/"[\w-]{43}"$/);
    for (const sent of [etag, etag.slice(2), `"other", ${etag}`, '*']) {
      const again = await get('user', query, { headers: { 'if-none-match': sent } });
      expect([sent, again.status, again.text]).toEqual([sent, 304, '']);
      expect(again.headers.get('etag')).toBe(etag);
      expect(again.headers.get('cache-control')).toBe('private, no-cache');
      expect(again.headers.get('vary')).toContain('Authorization');
      expect(again.headers.has('content-type')).toBe(false);
    }
  });

  it('returns a changed response to a browser that revalidates right after its mutation', async () => {
    const person = await addPerson(gateway);
    const query = `{ user(id: "${person.id}") { email role } }`;
    const admin = await gateway.tokenOf('admin');
    const read = async (etag: string) => {
      const response = await fetch(`${gateway.url}?query=${encodeURIComponent(query)}`, {
        headers: { authorization: `Bearer ${admin}`, 'if-none-match': etag },
      });
      return { status: response.status, etag: response.headers.get('etag') ?? '', text: await response.text() };
    };
    const first = await read('"none"');
    expect(await read(first.etag)).toEqual({ status: 304, etag: first.etag, text: '' });
    const change = 'mutation ($id: ID!) { setUserRole(userId: $id, role: MANAGER) { role } }';
    expect((await gateway.execute('admin', change, { id: person.id })).errors).toEqual([]);
    const changed = await read(first.etag);
    expect([changed.status, changed.text]).toEqual([200, expect.stringContaining('MANAGER')]);
  });

  it('returns the response if it does not match', async () => {
    const first = await get('user', query);
    for (const sent of ['"other"', 'W/"other", "another"', 'nonsense', '']) {
      const again = await get('user', query, { headers: { 'if-none-match': sent } });
      expect([again.status, again.text]).toEqual([200, first.text]);
    }
  });

  it('does not match for another viewer or after a change', async () => {
    const mine = await get('user', '{ me { email } }');
    const theirs = await get('admin', '{ me { email } }', {
      headers: { 'if-none-match': mine.headers.get('etag') ?? '' },
    });
    expect(theirs.status).toBe(200);
    expect(theirs.text).toContain('admin@example.com');

    const count = '{ employees(first: 1, filter: { search: "Etagsson" }) { totalCount } }';
    const before = await get('user', count);
    await hire('Etagsson');
    const after = await get('user', count, { headers: { 'if-none-match': before.headers.get('etag') ?? '' } });
    expect([after.status, JSON.parse(after.text)]).toEqual([200, { data: { employees: { totalCount: 1 } } }]);
  });

  it('is not sent for POST', async () => {
    expect((await gateway.execute('user', query)).headers.has('etag')).toBe(false);
  });
});

let hired = 0;
async function hire(name: string, at = gateway): Promise<string> {
  const department = await at.execute<AnyData>('admin', '{ departments { id } }');
  const input = {
    name,
    email: `hired${(hired += 1)}@example.com`,
    age: 30,
    jobTitle: 'Engineer',
    jobLevel: 2,
    hiredOn: '2026-01-05',
    salary: 50_000,
    departmentId: department.data.departments[0].id,
  };
  const response = await at.execute<AnyData>(
    'admin',
    'mutation ($input: CreateEmployeeInput!) { createEmployee(input: $input) { id } }',
    { input },
  );
  expect(response.errors).toEqual([]);
  return response.data.createEmployee.id as string;
}

describe('a cached response', () => {
  it('is served without a statement, with its age, and with identical bytes', async () => {
    const query =
      '{ employees(first: 5) { nodes { id name hiredOn createdAt department { name } } pageInfo { endCursor } totalCount } }';
    const first = await get('user', query);
    expect(isHit(first)).toBe(false);
    await gateway.execute('user', query);
    expect(await statementsOf(async () => expect(isHit(await gateway.execute('user', query))).toBe(true))).toEqual([]);
    const again = await get('user', query);
    expect(Number(again.headers.get('age'))).toBeLessThan(10);
    expect(again.text).toBe(first.text);
    expect(again.headers.get('etag')).toBe(first.headers.get('etag'));
    expect(again.headers.get('content-type')).toBe(first.headers.get('content-type'));
  });

  it('is shared by POST and GET and by equivalent variables', async () => {
    const query =
      'query ($first: Int, $filter: EmployeeFilter) { employees(first: $first, filter: $filter) { nodes { name } } }';
    await gateway.execute('user', query, { first: 3, filter: { minAge: 30, maxAge: 60 } });
    expect(isHit(await get('user', query, { variables: { filter: { maxAge: 60, minAge: 30 }, first: 3 } }))).toBe(true);
    for (const variables of [
      { first: 4, filter: { minAge: 30, maxAge: 60 } },
      { first: 3, filter: { minAge: 60, maxAge: 30 } },
      { first: 3, filter: null },
      { first: 3 },
    ]) {
      expect(isHit(await get('user', query, { variables }))).toBe(false);
    }
  });

  it('is not served for a variable that is not a finite number', async () => {
    const query = 'query ($first: Int) { employees(first: $first) { nodes { name } } }';
    await gateway.execute('user', query, { first: null });
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

  it('is separate for each operation of a document', async () => {
    const document = 'query A { departments { name } } query B { departments { id } }';
    const execute = async (operationName: string) => {
      const response = await fetch(gateway.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${await gateway.tokenOf('user')}` },
        body: JSON.stringify({ query: document, operationName }),
      });
      return Object.keys((await response.json()).data.departments[0]);
    };
    expect([await execute('A'), await execute('B'), await execute('A'), await execute('B')]).toEqual([
      ['name'],
      ['id'],
      ['name'],
      ['id'],
    ]);
  });

  it('is logged and counted as a hit', async () => {
    const counted = async (): Promise<Record<string, number>> => {
      const text = await (await fetch(new URL('/metrics', gateway.url))).text();
      return Object.fromEntries(
        [...text.matchAll(/^auspex_response_cache_(\w+)_total (\d+)$/gm)].map(([, name, value]) => [
          name,
          Number(value),
        ]),
      );
    };
    const query = 'query Logged { departments { name headcount } }';
    const before = await counted();
    await get('user', query, { headers: { 'x-request-id': 'kept-1' } });
    await get('user', query, { headers: { 'x-request-id': 'kept-2' } });
    const line = (id: string) => gateway.logs.find((entry) => entry.requestId === id && entry.msg === 'operation');
    expect(line('kept-1')).not.toHaveProperty('isCached');
    expect(line('kept-2')).toMatchObject({ operation: 'Logged', isCached: true });
    await gateway.execute('admin', 'mutation { deleteEmployee(id: "none") { deletedEmployeeId } }');
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

  it('never receives a salary that was cached for another', async () => {
    const { data } = await gateway.execute<AnyData>('admin', salaries);
    expect(data.employees.nodes[0].salary).toEqual(expect.any(Number));
    expect(isHit(await gateway.execute('admin', salaries))).toBe(true);
    for (const caller of ['user', { token: (await addPerson(gateway, Role.USER)).token }] as Caller[]) {
      const response = await gateway.execute<AnyData>(caller, salaries);
      expect(isHit(response)).toBe(false);
      expect(
        new Set(response.data.employees.nodes.map((node: AnyData) => node.salary as unknown)).has(
          data.employees.nodes[0].salary,
        ),
      ).toBe(false);
      expect(codesOf(response)).toContain('FORBIDDEN');
    }
    const anonymous = await gateway.execute(null, salaries);
    expect(codesOf(anonymous)).toContain('UNAUTHENTICATED');
  });

  it('with an API key receives no response of a session or of a key with other scopes', async () => {
    const keyWith = async (scopes: string[]): Promise<Caller> => {
      const made = await gateway.execute<AnyData>(
        'user',
        'mutation ($scopes: [String!]) { createApiKey(name: "cache", scopes: $scopes) { secret } }',
        { scopes },
      );
      return { apiKey: made.data.createApiKey.secret as string };
    };
    const [reads, predicts] = [await keyWith(['employees:read']), await keyWith(['predict'])];
    const query = '{ departments { name } me { email employee { name } } }';
    for (const caller of ['user', reads] as Caller[]) {
      await gateway.execute(caller, query);
      expect(isHit(await gateway.execute(caller, query))).toBe(true);
    }
    const rejected = await gateway.execute(predicts, query);
    expect(isHit(rejected)).toBe(false);
    expect(codesOf(rejected)).toContain('FORBIDDEN');
    expect(isHit(await gateway.execute(predicts, '{ me { email } }'))).toBe(false);
  });

  it('whose role or employee changes receives only what the new one permits', async () => {
    const person = await addPerson(gateway, Role.ADMIN);
    const made = await gateway.execute<AnyData>(
      { token: person.token },
      'mutation { createApiKey(name: "role", scopes: ["employees:read"]) { secret } }',
    );
    const key = { apiKey: made.data.createApiKey.secret as string };
    const before = await gateway.execute<AnyData>(key, salaries);
    expect(before.errors).toEqual([]);
    expect(isHit(await gateway.execute(key, salaries))).toBe(true);
    await gateway.execute('admin', 'mutation ($id: ID!) { setUserRole(userId: $id, role: USER) { id } }', {
      id: person.id,
    });
    const after = await gateway.execute<AnyData>(key, salaries);
    expect(after.data.employees.nodes.every((node: AnyData) => node.salary === null)).toBe(true);

    const employee = before.data.employees.nodes[0].id as string;
    await gateway.execute(
      'admin',
      'mutation ($id: ID!, $employee: ID) { setUserEmployee(userId: $id, employeeId: $employee) { id } }',
      { id: person.id, employee },
    );
    const own = await gateway.execute<AnyData>(key, salaries);
    expect(own.data.employees.nodes.filter((node: AnyData) => node.salary !== null)).toEqual([
      before.data.employees.nodes[0],
    ]);
  });

  it('who is deactivated receives no cached response by API key', async () => {
    const person = await addPerson(gateway);
    const made = await gateway.execute<AnyData>(
      { token: person.token },
      'mutation { createApiKey(name: "off") { secret } }',
    );
    const key = { apiKey: made.data.createApiKey.secret as string };
    await gateway.execute(key, '{ departments { name } }');
    expect(isHit(await gateway.execute(key, '{ departments { name } }'))).toBe(true);
    await gateway.execute('admin', 'mutation ($id: ID!) { setUserActive(userId: $id, isActive: false) { id } }', {
      id: person.id,
    });
    expect(codesOf(await gateway.execute(key, '{ departments { name } }'))).toEqual(['UNAUTHENTICATED']);
  });
});

describe('a mutation invalidates immediately', () => {
  /** Caches a response, makes a change, and asserts that the next response is new. */
  async function changes(
    query: string,
    variables: object,
    change: () => Promise<unknown>,
  ): Promise<{ before: AnyData; after: AnyData }> {
    await gateway.execute('admin', query, { ...variables });
    const before = await gateway.execute<AnyData>('admin', query, { ...variables });
    expect(isHit(before)).toBe(true);
    await change();
    const after = await gateway.execute<AnyData>('admin', query, { ...variables });
    expect(isHit(after)).toBe(false);
    expect(after.data).not.toEqual(before.data);
    return { before: before.data, after: after.data };
  }
  const done = async (document: string, variables: object = {}): Promise<AnyData> => {
    const { data, errors } = await gateway.execute<AnyData>('admin', document, { ...variables });
    expect(errors).toEqual([]);
    return data;
  };

  it('createEmployee: lists, counts and headcounts', async () => {
    await changes('{ employees(filter: { search: "Newman" }) { nodes { name } } }', {}, () => hire('Newman One'));
    await changes('{ employees(filter: { search: "Newman" }) { totalCount } }', {}, () => hire('Newman Two'));
    await changes('{ departments { headcount } }', {}, () => hire('Newman Three'));
    await changes('{ employeesAggregate { count } }', {}, () => hire('Newman Four'));
  });

  it('updateEmployee: the employee in every response', async () => {
    const id = await hire('Changed Person');
    const update = (input: object) =>
      done('mutation ($id: ID!, $input: UpdateEmployeeInput!) { updateEmployee(id: $id, input: $input) { id } }', {
        id,
        input,
      });
    await changes('query ($id: ID!) { employee(id: $id) { name } }', { id }, () => update({ name: 'Once Changed' }));
    await changes(
      'query ($id: ID!) { a: employee(id: $id) { ...F } } fragment F on Employee { ... { salary } }',
      { id },
      () => update({ salary: 51_000 }),
    );
    await changes('{ departments { name employees(first: 20) { edges { node { jobTitle } } } } }', {}, () =>
      update({ name: 'Aaron First', jobTitle: 'Poet' }),
    );
  });

  it('deleteEmployee: the employee and the linked user', async () => {
    const id = await hire('Leaving Person');
    const person = await addPerson(gateway);
    await done('mutation ($u: ID!, $e: ID) { setUserEmployee(userId: $u, employeeId: $e) { id } }', {
      u: person.id,
      e: id,
    });
    const { after } = await changes('query ($id: ID!) { user(id: $id) { employee { name } } }', { id: person.id }, () =>
      done('mutation ($id: ID!) { deleteEmployee(id: $id) { deletedEmployeeId } }', { id }),
    );
    expect(after).toEqual({ user: { employee: null } });
  });

  it('setUserRole, setUserActive and setUserEmployee: the user', async () => {
    const person = await addPerson(gateway);
    const id = await hire('Linked Person');
    const query = 'query ($id: ID!) { user(id: $id) { role isActive employee { name } } }';
    await changes(query, { id: person.id }, () =>
      done('mutation ($id: ID!) { setUserRole(userId: $id, role: MANAGER) { id } }', { id: person.id }),
    );
    await changes(query, { id: person.id }, () =>
      done('mutation ($id: ID!) { setUserActive(userId: $id, isActive: false) { id } }', { id: person.id }),
    );
    await changes(query, { id: person.id }, () =>
      done('mutation ($u: ID!, $e: ID) { setUserEmployee(userId: $u, employeeId: $e) { id } }', {
        u: person.id,
        e: id,
      }),
    );
  });

  it('promoteModel and rollbackModel: the model', async () => {
    const query = '{ model(name: "iris") { current { version } } }';
    const { after } = await changes(query, {}, () =>
      done('mutation { promoteModel(name: "iris", version: 2) { name } }'),
    );
    expect(after).toEqual({ model: { current: { version: 2 } } });
    await changes('{ models { current { version } } }', {}, () =>
      done('mutation { rollbackModel(name: "iris") { name } }'),
    );
  });

  it('also if it fails, because it may have been executed partially', async () => {
    const id = await hire('Half Changed');
    const query = 'query ($id: ID!) { employee(id: $id) { name } }';
    const { after } = await changes(query, { id }, async () => {
      const document =
        'mutation ($id: ID!) { updateEmployee(id: $id, input: { name: "Now Changed" }) { id } deleteEmployee(id: "none") { deletedEmployeeId } }';
      expect(codesOf(await gateway.execute('admin', document, { id }))).toEqual(['BAD_USER_INPUT']);
    });
    expect(after).toEqual({ employee: { name: 'Now Changed' } });
  });

  it('but not unrelated responses', async () => {
    const execute = () => gateway.execute('admin', '{ departments { name } }');
    await execute();
    await hire('Somebody Else');
    expect(isHit(await execute())).toBe(true);
    const models = () => gateway.execute('admin', '{ models { name } }');
    await models();
    await hire('Somebody More');
    expect(isHit(await models())).toBe(true);
  });
});

describe('a change of the model store', () => {
  it('invalidates cached responses', async () => {
    const query = '{ model(name: "iris") { title versions { version } } }';
    const requested = async (): Promise<number[]> =>
      (await gateway.execute<AnyData>('user', query)).data.model.versions.map((one: AnyData) => one.version as number);
    expect(await requested()).toEqual([1, 2]);
    expect(isHit(await gateway.execute('user', query))).toBe(true);
    await store.addVersion(3);
    // The cached response would expire after 10 s; the store is polled every second.
    const deadline = Date.now() + 8_000;
    while ((await requested()).length < 3) expect(Date.now()).toBeLessThan(deadline);
    expect(await requested()).toEqual([1, 2, 3]);
  });
});

describe('RESPONSE_CACHE=false', () => {
  it('stores nothing, and still sends cache headers to clients', async () => {
    const off = await startGateway({ RESPONSE_CACHE: 'false' });
    await get('user', '{ departments { name } }', { of: off });
    const again = await get('user', '{ departments { name } }', { of: off });
    expect(again.headers.has('age')).toBe(false);
    expect(again.headers.get('cache-control')).toBe('private, no-cache');
    expect(again.headers.get('etag')).toMatch(/^W\//);
    await off.close();
  });
});

describe('restricted introspection', () => {
  it.each([{ TRUSTED_DOCUMENTS: 'enforce' }, { INTROSPECTION: 'false' }])('is private with %o', async (env) => {
    const strict = await startGateway(env);
    const { headers } = await get('admin', '{ __schema { queryType { name } } }', { of: strict });
    expect(headers.get('cache-control')).toBe('private, no-cache');
    await strict.close();
  });
});

it('does not share a cached response between different ids', async () => {
  const [one, other] = (await gateway.db.selectFrom('employee').select('id').orderBy('name').limit(2).execute()).map(
    ({ id }) => encodeId('employee', id),
  );
  const query = 'query ($id: ID!) { employee(id: $id) { id } }';
  expect((await gateway.execute<AnyData>('user', query, { id: one })).data.employee.id).toBe(one);
  expect((await gateway.execute<AnyData>('user', query, { id: other })).data.employee.id).toBe(other);
});

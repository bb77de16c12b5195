import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { yearsSince } from '../../src/bindings/feature-kinds.js';
import { Role } from '../../src/auth/viewer.js';
import { deploymentChannel } from '../../src/domains/deployment/deployment.service.js';
import { decodeId } from '../../src/graphql/relay/global-id.js';
import { codesOf, startGateway, type AnyData, type Caller, type TestGateway } from '../support/gateway.js';
import { expectedPay, makePayStore, payBinding, type PayStore } from '../support/pay-store.js';
import { addApiKey, addPerson, withEmployee } from '../support/people.js';
import { statementsOf } from '../support/statements.js';
import { listen, socketClient } from '../support/streams.js';
import { waitUntil } from '../support/wait-until.js';

let store: PayStore;
let gateway: TestGateway;
beforeAll(async () => {
  store = await makePayStore([1, 2], { current: 1 });
  gateway = await startGateway({ MODEL_STORE: store.dir, MODEL_STORE_POLL_MS: '20' });
});
afterAll(async () => {
  await gateway.close();
  await store.remove();
});

const execute = (caller: Caller, document: string, variables?: Record<string, unknown>) =>
  gateway.execute<AnyData>(caller, document, variables);

const features = 'age jobLevel hiredOn department { name }';
const expectedOf = ({ age, jobLevel, hiredOn, department }: AnyData, version = 1): number =>
  expectedPay(version, { age, jobLevel, years: yearsSince(hiredOn, new Date()), department: department.name });
const valuesIn = (nodes: AnyData[]): number[] => nodes.map((node) => node.expectedSalary.value as number);

/** The runs of the graph so far. */
const runs = async (): Promise<number> => {
  const { data } = await execute('admin', '{ model(name: "pay") { versions { statistics { runs } } } }');
  const counts = (data.model.versions as AnyData[]).map(({ statistics }) => Number(statistics.runs));
  return counts.reduce((sum, count) => sum + count, 0);
};

/** Gives each employee another age, so that no prediction is cached. */
const olderBy = (years: number) =>
  gateway.db
    .updateTable('employee')
    .set({ age: sql<number>`16 + (age + ${years}) % 80` })
    .execute();

describe('a bound field', () => {
  it('is the prediction for each object of a page, computed by one run', async () => {
    const before = await runs();
    const { data, errors } = await execute(
      'admin',
      `{ employees(first: 50) { nodes { ${features} expectedSalary { value version source computedAt warnings { field } } } } }`,
    );
    expect(errors).toEqual([]);
    const nodes = data.employees.nodes as AnyData[];
    expect(nodes.length).toBeGreaterThan(20);
    for (const node of nodes)
      expect(node.expectedSalary).toEqual({
        value: expectedOf(node),
        version: 1,
        source: 'MODEL',
        computedAt: expect.any(String),
        warnings: null,
      });
    expect((await runs()) - before).toBe(1);
  });

  it('reads what it needs, whatever else is selected', async () => {
    const alone = await execute('admin', '{ employees(first: 50) { nodes { expectedSalary { value } } } }');
    const beside = await execute('admin', `{ employees(first: 50) { nodes { ${features} } } }`);
    expect(alone.errors).toEqual([]);
    expect(valuesIn(alone.data.employees.nodes)).toEqual(
      (beside.data.employees.nodes as AnyData[]).map((node) => expectedOf(node)),
    );
  });

  it('is there wherever the object is: nested, aliased, by id, in fragments and after a mutation', async () => {
    const page = await execute(
      'admin',
      `{ employees(first: 5, filter: { jobLevel: { lt: 5 } }) { nodes { id ${features} pay: expectedSalary { value } ...Pay
           manager { ${features} expectedSalary { value } } reports(first: 2) { nodes { ${features} expectedSalary { value } } } } } }
       fragment Pay on Employee { expectedSalary { value } }`,
    );
    expect(page.errors).toEqual([]);
    const nodes = page.data.employees.nodes as AnyData[];
    for (const node of nodes) {
      expect(node.expectedSalary.value).toBe(expectedOf(node));
      expect(node.pay).toEqual(node.expectedSalary);
      if (node.manager) expect(node.manager.expectedSalary.value).toBe(expectedOf(node.manager));
      for (const report of node.reports.nodes) expect(report.expectedSalary.value).toBe(expectedOf(report));
    }
    const [first] = nodes;
    const byId = await execute(
      'admin',
      `query ($id: ID!) { employee(id: $id) { expectedSalary { value } } node(id: $id) { ... on Employee { expectedSalary { value } } } }`,
      { id: first.id },
    );
    expect(byId.errors).toEqual([]);
    expect(byId.data.employee).toEqual({ expectedSalary: { value: expectedOf(first) } });
    expect(byId.data.node).toEqual(byId.data.employee);
    const departments = await execute(
      'admin',
      `{ departments { employees(first: 3) { nodes { ${features} expectedSalary { value } } } } }`,
    );
    expect(departments.errors).toEqual([]);
    for (const { employees } of departments.data.departments)
      for (const node of employees.nodes) expect(node.expectedSalary.value).toBe(expectedOf(node));
    const changed = await execute(
      'admin',
      `mutation ($id: ID!) { updateEmployee(id: $id, input: { age: 60 }) { ${features} expectedSalary { value } } }`,
      { id: first.id },
    );
    expect(changed.errors).toEqual([]);
    expect(changed.data.updateEmployee).toMatchObject({ age: 60 });
    expect(changed.data.updateEmployee.expectedSalary.value).toBe(expectedOf(changed.data.updateEmployee));
  });

  it('costs no SQL, and one run for all concurrent pages and aliases', async () => {
    const page = (fields: string) => `{ employees(first: 50) { nodes { name salary ${fields} } } }`;
    const count = async (document: string) =>
      (await statementsOf(async () => expect((await execute('admin', document)).errors).toEqual([]))).length;
    expect(await count(page('expectedSalary { value } again: expectedSalary { version }'))).toBe(await count(page('')));
    await olderBy(7);
    const before = await runs();
    const responses = await Promise.all(
      ['a', 'b', 'c'].map((alias) =>
        execute('admin', page(`${alias}: expectedSalary { value } other: expectedSalary { value }`)),
      ),
    );
    expect(responses.flatMap(({ errors }) => errors)).toEqual([]);
    // The first call runs at once; rows of the others are the same rows.
    expect((await runs()) - before).toBeLessThanOrEqual(2);
  });

  it('follows the values of the object, and nothing else changes', async () => {
    const document = '{ employees(first: 50) { nodes { id age expectedSalary { value source } } } }';
    const before = (await execute('admin', document)).data.employees.nodes as AnyData[];
    const [chosen] = before;
    await execute('admin', 'mutation ($id: ID!, $age: Int!) { updateEmployee(id: $id, input: { age: $age }) { id } }', {
      id: chosen.id,
      age: chosen.age === 40 ? 41 : 40,
    });
    const after = (await execute('admin', document)).data.employees.nodes as AnyData[];
    const changed = after.filter((node, index) => node.expectedSalary.value !== before[index].expectedSalary.value);
    expect(changed.map(({ id }) => id)).toEqual([chosen.id]);
    // The rows of all others are cached by their features.
    expect(after.filter(({ expectedSalary }) => expectedSalary.source === 'MODEL').length).toBeLessThanOrEqual(1);
  });

  it('is in the events of subscriptions', async () => {
    const client = socketClient(gateway.url, { authorization: `Bearer ${await gateway.tokenOf('admin')}` });
    const events = listen(
      client,
      `subscription { employeeChanged { employee { ${features} expectedSalary { value } } } }`,
    );
    const { data } = await execute('admin', '{ employees(first: 1) { nodes { id } } }');
    let age = 20;
    await waitUntil(async () => {
      age = age === 60 ? 20 : age + 1;
      await execute(
        'admin',
        'mutation ($id: ID!, $age: Int!) { updateEmployee(id: $id, input: { age: $age }) { id } }',
        {
          id: data.employees.nodes[0].id,
          age,
        },
      );
      return events.results.length > 0;
    }, 'An event');
    const { employee } = (await events.next()).data.employeeChanged;
    expect(employee.expectedSalary.value).toBe(expectedOf(employee));
    events.stop();
    await client.dispose();
  });
});

describe('the cost of a bound field', () => {
  const costOf = async (query: string): Promise<AnyData> => {
    const response = await fetch(gateway.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${await gateway.tokenOf('admin')}` },
      body: JSON.stringify({ query, extensions: { cost: true } }),
    });
    const { extensions, errors }: AnyData = await response.json();
    expect(errors).toBeUndefined();
    return extensions.cost;
  };
  const page = (fields: string) => `{ employees(first: 50) { nodes { id ${fields} } } }`;

  it('counts the time of the model, and what was cached is refunded', async () => {
    const plain = await costOf(page('name'));
    expect(plain).toEqual({ requested: 51, actual: 51, maximum: 5000 });
    await olderBy(13);
    const bound = page('expectedSalary { value }');
    const first = await costOf(bound);
    // An object for each prediction, and what the model takes.
    expect(first.requested).toBeGreaterThanOrEqual(101);
    expect(first).toMatchObject({ actual: first.requested });
    const cached = await costOf(`${bound} # not from the response cache`);
    expect(cached.actual).toBeLessThanOrEqual(101);
  });

  it('is in the response only if the request has extensions.cost', async () => {
    const response = await fetch(gateway.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${await gateway.tokenOf('admin')}` },
      body: JSON.stringify({ query: page('age') }),
    });
    expect(await response.json()).not.toHaveProperty('extensions');
  });
});

describe('the lineage of a bound field', () => {
  const document = '{ employees(first: 50) { nodes { id name salary expectedSalary { value } } } }';

  it.each<[string, Caller]>([
    ['an ADMIN', 'admin'],
    ['a MANAGER', 'manager'],
    ['a USER', 'user'],
  ])('hides it from %s exactly where the salary that it estimates is hidden', async (_who, caller) => {
    const response = await execute(caller, document);
    const nodes = response.data.employees.nodes as AnyData[];
    expect(nodes.map(({ expectedSalary }) => expectedSalary === null)).toEqual(
      nodes.map(({ salary }) => salary === null),
    );
    expect(nodes.every(({ name }) => typeof name === 'string')).toBe(true);
    const hidden = nodes.filter(({ salary }) => salary === null).length;
    expect(hidden > 0).toBe(caller !== 'admin');
    expect(new Set(codesOf(response))).toEqual(new Set(caller === 'admin' ? [] : ['FORBIDDEN']));
  });

  it('shows it to employees for themselves', async () => {
    const { data } = await execute('admin', '{ employees(last: 1) { nodes { id } } }');
    const id = data.employees.nodes[0].id as string;
    const person = await withEmployee(gateway, await addPerson(gateway), Role.USER, decodeId('employee', id));
    const own = await execute(
      { token: person.token },
      'query ($id: ID!) { employee(id: $id) { expectedSalary { value } } }',
      { id },
    );
    expect(own.errors).toEqual([]);
    expect(own.data.employee.expectedSalary.value).toBeGreaterThan(0);
  });

  it('is null without errors with onForbidden: NULL', async () => {
    const { data, errors } = await execute(
      'user',
      '{ employees(first: 50) { nodes { salary(onForbidden: NULL) expectedSalary(onForbidden: NULL) { value } } } }',
    );
    expect(errors).toEqual([]);
    for (const { salary, expectedSalary } of data.employees.nodes)
      expect(expectedSalary === null).toBe(salary === null);
  });

  it('runs nothing for what it hides', async () => {
    await olderBy(11);
    const before = await runs();
    const outsider = await addPerson(gateway);
    const { data } = await execute({ token: outsider.token }, document);
    expect(data.employees.nodes.every((node: AnyData) => node.expectedSalary === null)).toBe(true);
    expect(await runs()).toBe(before);
  });

  it('is rejected for an anonymous caller and an API key without the scope', async () => {
    const key = await addApiKey(gateway, (await addPerson(gateway, Role.ADMIN)).uuid, ['employees:write']);
    expect(codesOf(await execute(null, document))).toEqual(['UNAUTHENTICATED']);
    expect(codesOf(await execute({ apiKey: key }, document))).toEqual(['FORBIDDEN']);
    const [first] = (await execute('admin', '{ employees(first: 1) { nodes { id } } }')).data.employees
      .nodes as AnyData[];
    const written = await execute(
      { apiKey: key },
      'mutation ($id: ID!) { updateEmployee(id: $id, input: { age: 33 }) { id expectedSalary { value } } }',
      { id: first.id },
    );
    expect(written.data.updateEmployee).toEqual({ id: first.id, expectedSalary: null });
    expect(codesOf(written)).toEqual(['FORBIDDEN']);
  });
});

describe('a model with bindings', () => {
  afterEach(async () => {
    await gateway.db.deleteFrom('model_deployment').execute();
    await sql`select pg_notify(${deploymentChannel}, '')`.execute(gateway.db);
    await store.write({ current: 1 });
    await waitUntil(async () => (await versions()).every((version) => version === 1), 'Version 1');
  });
  const page = '{ employees(first: 5) { nodes { expectedSalary { version } } } }';
  const versions = async () =>
    ((await execute('admin', page)).data?.employees?.nodes as AnyData[] | undefined)?.map(
      ({ expectedSalary }) => expectedSalary?.version as number,
    ) ?? [0];
  const fieldsOfEmployee = async () =>
    (await execute('admin', '{ __type(name: "Employee") { fields { name } } }')).data.__type.fields.map(
      ({ name }: AnyData) => name as string,
    ) as string[];
  const problems = async () =>
    (await execute('admin', '{ model(name: "pay") { problems } }')).data.model.problems as string[];

  it('serves a promoted version at once, also instead of cached responses', async () => {
    await execute('admin', page);
    const { errors } = await execute('admin', 'mutation { promoteModel(name: "pay", version: 2) { name } }');
    expect(errors).toEqual([]);
    expect(new Set(await versions())).toEqual(new Set([2]));
  });

  it('nulls the field alone where the model rejects a value or fails', async () => {
    const inputs = { level: { integer: true, minimum: 1, maximum: 3 }, age: {}, years: {}, department: {} };
    await store.write({ current: 1, inputs });
    const document = '{ employees(first: 50) { nodes { name jobLevel expectedSalary { value } } } }';
    await waitUntil(async () => (await execute('admin', document)).errors.length > 0, 'The stricter manifest');
    const response = await execute('admin', document);
    const nodes = response.data.employees.nodes as AnyData[];
    for (const { name, jobLevel, expectedSalary } of nodes) {
      expect(name).toEqual(expect.any(String));
      expect(expectedSalary === null).toBe(jobLevel > 3);
    }
    expect(new Set(codesOf(response))).toEqual(new Set(['PREDICTION_UNAVAILABLE']));
    expect(response.errors[0]?.extensions).toMatchObject({ model: 'pay', reason: 'BAD_USER_INPUT' });
    expect(response.errors[0]?.message).toMatch(
      /^The model pay has no prediction for this object: Invalid input: level must be from 1 to 3, not [45]\.$/,
    );
  });

  it('adds, changes and removes fields while the gateway serves', async () => {
    await store.write({ current: 1, bind: [payBinding, { ...payBinding, field: 'fairSalary', target: undefined }] });
    await waitUntil(async () => (await fieldsOfEmployee()).includes('fairSalary'), 'The added field');
    // Without a target, its features are what everyone may read.
    const { data, errors } = await execute('user', '{ employees(first: 3) { nodes { fairSalary { value } } } }');
    expect(errors).toEqual([]);
    expect(data.employees.nodes).toHaveLength(3);
    await store.write({ current: 1 });
    await waitUntil(async () => !(await fieldsOfEmployee()).includes('fairSalary'), 'The removed field');
    expect(await fieldsOfEmployee()).toContain('expectedSalary');
  });

  it('keeps serving as it was if a changed binding does not fit', async () => {
    await store.write({ current: 1, bind: [{ ...payBinding, inputs: { ...payBinding.inputs, level: 'jobTitle' } }] });
    await waitUntil(async () => (await problems()).length > 0, 'A problem');
    expect(await problems()).toEqual([
      expect.stringMatching(/^pay\/model\.json:\d+: inputs\.level takes integer; jobTitle is string$/),
    ]);
    expect(await versions()).toEqual([1, 1, 1, 1, 1]);
  });
});

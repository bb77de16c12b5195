import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Role } from '../../src/auth/viewer.js';
import { newId } from '../../src/database/base.entity.js';
import { domains } from '../../src/domains/index.js';
import type { Domain } from '../../src/graphql/domain.js';
import { encodeId, type IdType } from '../../src/graphql/id.js';
import { NodeResolver, type NodeSources } from '../../src/graphql/node.js';
import { domainSchema } from '../../src/graphql/schema.js';
import { codesOf, fieldsOf, startGateway, type Any, type Asker, type TestGateway } from '../kit/gateway.js';
import { addPerson } from '../kit/people.js';
import { statementsOf } from '../kit/statements.js';

const gateways: Partial<Record<string, TestGateway>> = {};
beforeAll(async () => {
  [gateways.jit, gateways['graphql-js']] = await Promise.all([startGateway({ QUERY_CACHE: 'false', EXECUTOR: 'jit' }), startGateway({ QUERY_CACHE: 'false', EXECUTOR: 'graphql-js' })]);
});
afterAll(async () => {
  for (const gateway of Object.values(gateways)) await gateway?.close();
});

function at(executor: string): TestGateway {
  const gateway = gateways[executor];
  if (!gateway) throw new Error('The gateway did not start.');
  return gateway;
}

/** The root field that reads each type otherwise: by the id, or as a list. */
const typed: Record<IdType, (id: string) => string> = {
  employee: (id) => `{ found: employee(id: "${id}") { id __typename } }`,
  department: () => '{ found: departments { id __typename } }',
  user: (id) => `{ found: user(id: "${id}") { id __typename } }`,
  apikey: () => '{ found: apiKeys { id __typename } }',
  prediction: (id) => `{ found: prediction(id: "${id}") { id __typename } }`,
  release: () => '{ found: documentReleases(first: 100) { nodes { id __typename } } }',
  document: () => '{ found: documentReleases(first: 10) { nodes { documents(first: 10) { nodes { id __typename } } } } }',
  documentuse: () => '{ found: documentUsage(first: 100) { nodes { id __typename } } }',
};

/** What has the id, wherever in an answer it is; null where nothing has. */
function thingIn(answer: Any, id: string): Any {
  if (typeof answer !== 'object' || answer === null) return null;
  if (answer.id === id) return answer;
  for (const inside of Object.values(answer)) {
    const thing = thingIn(inside, id);
    if (thing) return thing;
  }
  return null;
}

describe.each(['jit', 'graphql-js'])('node, executed by %s', (executor) => {
  const ask = (asker: Asker, document: string, variables?: Record<string, unknown>) => at(executor).ask<Any>(asker, document, variables);

  /** A thing of each type: the user's own where it belongs to someone. */
  async function things(): Promise<Record<IdType, string>> {
    const { data } = await ask('user', `mutation { createApiKey(name: "of the user") { apiKey { id } } }`);
    const read = await ask('user', '{ me { id } employees(first: 1) { nodes { id department { id } } } predictIris(inputs: [{ petalLength: 1.4, petalWidth: 0.2 }]) { id } }');
    const [employee] = read.data.employees.nodes;
    await ask('admin', 'mutation ($manifest: JSONObject!) { publishDocuments(client: "web", version: "1", manifest: $manifest) { id } }', { manifest: { me: '{ me { id } }' } });
    const { documentReleases, documentUsage } = (await ask('admin', '{ documentReleases(first: 1) { nodes { id documents { nodes { id } } } } documentUsage(first: 1) { nodes { id } } }')).data;
    const [release] = documentReleases.nodes;
    return {
      apikey: data.createApiKey.apiKey.id,
      user: read.data.me.id,
      employee: employee.id,
      department: employee.department.id,
      prediction: read.data.predictIris[0].id,
      release: release.id,
      document: release.documents.nodes[0].id,
      documentuse: documentUsage.nodes[0].id,
    };
  }

  const keyOf = async (asker: Asker, scopes: string[]): Promise<Asker> => {
    const { data } = await ask(asker, 'mutation ($scopes: [String!]) { createApiKey(name: "key", scopes: $scopes) { secret } }', { scopes });
    return { apiKey: data.createApiKey.secret };
  };

  it('gives each viewer of each type exactly what the field of the type gives', async () => {
    const ids = await things();
    const other = await addPerson(at(executor));
    const otherAdmin = await addPerson(at(executor), Role.ADMIN);
    const viewers: Record<string, Asker> = {
      stranger: null,
      owner: 'user',
      manager: 'manager',
      admin: 'admin',
      other: { token: other.token },
      otherAdmin: { token: otherAdmin.token },
      ownerKeyOfEmployees: await keyOf('user', ['employees:read']),
      ownerKeyOfModels: await keyOf('user', ['predict']),
      adminKeyOfModels: await keyOf('admin', ['predict']),
      adminKeyOfEmployees: await keyOf('admin', ['employees:read', 'employees:write']),
    };
    const outcomes: string[] = [];
    for (const [viewer, asker] of Object.entries(viewers)) {
      for (const [type, id] of Object.entries(ids) as [IdType, string][]) {
        const expected = await ask(asker, typed[type](id));
        const thing = thingIn(expected.data, id);
        // Variables: documents with texts in them are not compiled.
        const node = await ask(asker, 'query ($id: ID!) { node(id: $id) { id __typename } }', { id });
        const nodes = await ask(asker, 'query ($ids: [ID!]!) { nodes(ids: $ids) { id __typename } }', { ids: [id] });
        const told = { viewer, type, codes: codesOf(expected), messages: expected.errors.map(({ message }) => message) };
        expect({ ...told, codes: codesOf(node), messages: node.errors.map(({ message }) => message) }).toEqual(told);
        expect({ ...told, codes: codesOf(nodes), messages: nodes.errors.map(({ message }) => message) }).toEqual(told);
        expect({ ...told, thing: node.data?.node ?? null }).toEqual({ ...told, thing });
        expect({ ...told, thing: nodes.data?.nodes?.[0] ?? null }).toEqual({ ...told, thing });
        outcomes.push(`${viewer} ${type} ${codesOf(node)[0] ?? (thing ? 'yes' : 'null')}`);
      }
    }
    // The table itself, so that a rule that both ways lost would be noticed.
    const verdicts = (viewer: string) => outcomes.filter((outcome) => outcome.startsWith(`${viewer} `)).map((outcome) => outcome.slice(viewer.length + 1)).sort();
    const anyone = ['department yes', 'employee yes'];
    const ofDocuments = (verdict: string) => ['document', 'documentuse', 'release'].map((type) => `${type} ${verdict}`);
    const table: Record<string, string[]> = {
      stranger: Object.keys(typed).map((type) => `${type} UNAUTHENTICATED`),
      owner: ['apikey yes', ...anyone, 'prediction yes', 'user yes', ...ofDocuments('FORBIDDEN')],
      manager: ['apikey null', ...anyone, 'prediction null', 'user null', ...ofDocuments('FORBIDDEN')],
      other: ['apikey null', ...anyone, 'prediction null', 'user null', ...ofDocuments('FORBIDDEN')],
      admin: ['apikey null', ...anyone, 'prediction yes', 'user yes', ...ofDocuments('yes')],
      otherAdmin: ['apikey null', ...anyone, 'prediction yes', 'user yes', ...ofDocuments('yes')],
      ownerKeyOfEmployees: ['apikey FORBIDDEN', ...anyone, 'prediction FORBIDDEN', 'user yes', ...ofDocuments('FORBIDDEN')],
      ownerKeyOfModels: ['apikey FORBIDDEN', 'department FORBIDDEN', 'employee FORBIDDEN', 'prediction yes', 'user yes', ...ofDocuments('FORBIDDEN')],
      adminKeyOfModels: ['apikey FORBIDDEN', 'department FORBIDDEN', 'employee FORBIDDEN', 'prediction yes', 'user null', ...ofDocuments('FORBIDDEN')],
      adminKeyOfEmployees: ['apikey FORBIDDEN', ...anyone, 'prediction FORBIDDEN', 'user null', ...ofDocuments('FORBIDDEN')],
    };
    for (const [viewer, expected] of Object.entries(table)) expect([viewer, ...verdicts(viewer)]).toEqual([viewer, ...expected.sort()]);
    expect(Object.keys(table).sort()).toEqual(Object.keys(viewers).sort());
  });

  it('guards the fields of what it gives as elsewhere', async () => {
    const { data } = await ask('admin', '{ employees(first: 3, orderBy: { field: SALARY, direction: DESC }) { nodes { id salary } } }');
    const [employee] = data.employees.nodes;
    const answer = await ask('user', 'query ($id: ID!) { node(id: $id) { ... on Employee { name salary department { name } } } }', { id: employee.id });
    expect(codesOf(answer)).toEqual(['FORBIDDEN']);
    expect(answer.data.node).toMatchObject({ name: expect.any(String), salary: null, department: { name: expect.any(String) } });
    expect((await ask('admin', `{ node(id: "${employee.id}") { ... on Employee { salary } } }`)).data.node).toEqual({ salary: employee.salary });
  });

  it('gives many in the order of their ids, each type in one statement, and null for what is not there', async () => {
    const ids = await things();
    const employees = (await ask('admin', '{ employees(first: 40) { nodes { id } } }')).data.employees.nodes.map(({ id }: Any) => id);
    const asked = [ids.department, employees[3], encodeId('employee', newId()), ids.user, employees[1], employees[3], ids.prediction, encodeId('user', newId()), ...employees];
    const document = 'query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id ... on Employee { name } ... on Department { name } ... on User { email } ... on Prediction { version } } }';
    const before = await ask('admin', document, { ids: asked });
    expect(before.errors).toEqual([]);
    expect(before.data.nodes.map((node: Any) => node?.id ?? null)).toEqual(asked.map((id, position) => (position === 2 || position === 7 ? null : id)));
    expect(before.data.nodes.slice(0, 7).map((node: Any) => node?.__typename)).toEqual(['Department', 'Employee', undefined, 'User', 'Employee', 'Employee', 'Prediction']);
    const statements = await statementsOf(() => ask('admin', document, { ids: asked }));
    const reads = statements.filter((statement) => /^select .* from "(employee|department|prediction|user_account)"/.test(statement));
    const tables = reads.map((statement) => /from "(\w+)"/.exec(statement)?.[1]);
    expect(tables.sort()).toEqual(['department', 'employee', 'prediction', 'user_account']);
  });

  it('refuses one type and gives the others, where an API key may read only these', async () => {
    const ids = await things();
    const answer = await ask(await keyOf('user', ['predict']), 'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', {
      ids: [ids.prediction, ids.employee, ids.user, ids.department],
    });
    expect(answer.data.nodes).toEqual([{ id: ids.prediction }, null, { id: ids.user }, null]);
    expect(answer.errors.map(({ path, extensions, message }) => [path, extensions.code, message])).toEqual([
      [['nodes', 1], 'FORBIDDEN', 'This API key lacks the scope employees:read.'],
      [['nodes', 3], 'FORBIDDEN', 'This API key lacks the scope employees:read.'],
    ]);
  });

  it.each(['', 'employee', 'employee_', 'model_01h455vb4pex5vsknk084sn02q', '01h455vb4pex5vsknk084sn02q', 'employee_01h455vb4pex5vsknk084sn02', 'EMPLOYEE_01h455vb4pex5vsknk084sn02q', 'employee_81h455vb4pex5vsknk084sn02q', '__proto___01h455vb4pex5vsknk084sn02q'])(
    'refuses %j, which is no id, and names its position',
    async (id) => {
      const { employee } = await things();
      const one = await ask('user', 'query ($id: ID!) { node(id: $id) { id } }', { id });
      expect([codesOf(one), fieldsOf(one), one.data]).toEqual([['BAD_USER_INPUT'], ['id'], { node: null }]);
      const many = await ask('user', 'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', { ids: [employee, id, employee, id] });
      expect([codesOf(many), fieldsOf(many)]).toEqual([['BAD_USER_INPUT'], ['ids[1]', 'ids[3]']]);
      expect(many.data).toBeFalsy();
    },
  );

  it('takes 100 ids and no more, and counts them by their number', async () => {
    const ids = Array.from({ length: 101 }, () => encodeId('employee', newId()));
    const document = 'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }';
    expect((await ask('user', document, { ids: ids.slice(1) })).data.nodes).toHaveLength(100);
    const tooMany = await ask('user', document, { ids });
    expect([codesOf(tooMany), fieldsOf(tooMany)]).toEqual([['BAD_USER_INPUT'], ['ids']]);
    const costly = await ask('user', 'query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Employee { reports(first: 100) { nodes { id } } } } }', { ids: ids.slice(1) });
    expect(costly.errors[0]?.extensions).toMatchObject({ code: 'QUERY_TOO_LARGE', limit: 'cost' });
    expect((await ask('user', 'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', { ids: [] })).data.nodes).toEqual([]);
  });
});

describe('the sources of nodes', () => {
  const opened = (changed: Record<string, NodeSources> = {}) =>
    domains.map((domain) => ({ ...domain, nodes: changed[domain.name] ?? sourcesOf(domain) }));
  /** What the gateway's own domains say, without opening them. */
  const sourcesOf = ({ name }: Domain): NodeSources => {
    const read = () => Promise.resolve([]);
    if (name === 'employee') return { employee: { type: 'Employee', readAs: 'employee', read }, department: { type: 'Department', readAs: 'departments', read } };
    if (name === 'document') {
      return {
        release: { type: 'DocumentRelease', readAs: 'documentReleases', read },
        document: { type: 'PublishedDocument', readAs: 'documentReleases', read },
        documentuse: { type: 'DocumentUsage', readAs: 'documentUsage', read },
      };
    }
    if (name === 'user') return { user: { type: 'User', readAs: 'user', read }, apikey: { type: 'ApiKey', readAs: 'apiKeys', read } };
    return { prediction: { type: 'Prediction', readAs: 'prediction', read } };
  };
  const read = () => Promise.resolve([]);
  const schema = domainSchema(domains);

  it('are complete, or the gateway does not start', () => {
    expect(() => new NodeResolver(opened(), schema)).not.toThrow();
    expect(() => new NodeResolver(opened({ prediction: {} }), schema)).toThrow('No domain says how to fetch Prediction');
  });

  it('do not share a prefix', () => {
    const prediction = { prediction: { type: 'Prediction', readAs: 'prediction', read }, user: { type: 'User', readAs: 'predictions', read } };
    expect(() => new NodeResolver(opened({ prediction }), schema)).toThrow('The domains user and prediction both have ids that begin with user_');
  });

  it('name types that are nodes, and a field that has a rule', () => {
    expect(() => new NodeResolver(opened({ prediction: { prediction: { type: 'Model', readAs: 'model', read } } }), schema)).toThrow(/Prediction/);
    expect(() => new NodeResolver(opened({ prediction: { prediction: { type: 'Prediction', readAs: 'forecast', read } } }), schema)).toThrow('Query.forecast');
  });

});

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Role } from '../../src/auth/viewer.js';
import { newId } from '../../src/database/base.entity.js';
import { domains } from '../../src/domains/index.js';
import type { DomainModule } from '../../src/graphql/module.js';
import { encodeId, type IdType } from '../../src/graphql/relay/global-id.js';
import { NodeResolver, type NodeSources } from '../../src/graphql/relay/node.js';
import { domainSchema } from '../../src/graphql/schema/build-schema.js';
import { codesOf, fieldsOf, startGateway, type AnyData, type Caller, type TestGateway } from '../support/gateway.js';
import { addPerson } from '../support/people.js';
import { statementsOf } from '../support/statements.js';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway({ QUERY_CACHE: 'false' });
});
afterAll(() => gateway.close());

/** The user who owns the tested objects. */
let ownerId = '';
/** What a user owns. An administrator's API key does not see the owner, so it reads its user instead. */
const ofOwner = (field: string) => (_id: string, viewer: string) =>
  viewer.startsWith('adminKey')
    ? `{ found: me { ${field} { id __typename } } }`
    : `{ found: user(id: "${ownerId}") { ${field} { id __typename } } }`;

/** The root field that also reads each type, by id or as a list. */
const typed = {
  employee: (id) => `{ found: employee(id: "${id}") { id __typename } }`,
  department: () => '{ found: departments { id __typename } }',
  user: (id) => `{ found: user(id: "${id}") { id __typename } }`,
  apikey: ofOwner('apiKeys'),
  session: ofOwner('sessions'),
  prediction: (id) => `{ found: prediction(id: "${id}") { id __typename } }`,
  release: () => '{ found: documentReleases(first: 100) { nodes { id __typename } } }',
  document: () =>
    '{ found: documentReleases(first: 10) { nodes { documents(first: 10) { nodes { id __typename } } } } }',
  documentuse: () => '{ found: documentUsage(first: 100) { nodes { id __typename } } }',
  model: () => '{ found: models { id __typename } }',
  modelversion: () => '{ found: models { versions { id __typename } } }',
  deployment: () => '{ found: model(name: "iris") { deployment { id __typename } } }',
} satisfies Partial<Record<IdType, (id: string, viewer: string) => string>>;

type TestedType = keyof typeof typed;

/** Finds the object with this id anywhere in a response. @returns null if there is none */
function objectIn(response: AnyData, id: string): AnyData {
  if (typeof response !== 'object' || response === null) return null;
  if (response.id === id) return response;
  for (const inside of Object.values(response)) {
    const object = objectIn(inside, id);
    if (object) return object;
  }
  return null;
}

describe('node', () => {
  const execute = (caller: Caller, document: string, variables?: Record<string, unknown>) =>
    gateway.execute<AnyData>(caller, document, variables);

  /** Creates or finds an object of each type, owned by the user if the type has an owner. @returns the ids */
  async function objectIds(): Promise<Record<TestedType, string>> {
    const { data } = await execute('user', `mutation { createApiKey(name: "of the user") { apiKey { id } } }`);
    const read = await execute(
      'user',
      '{ me { id sessions { id } } employees(first: 1) { nodes { id department { id } } } predictIris(inputs: [{ petalLength: 1.4, petalWidth: 0.2 }]) { predictionId } }',
    );
    const [employee] = read.data.employees.nodes;
    // Waits until the prediction is recorded: reads of other viewers do not wait for it.
    await execute('user', '{ predictions(first: 1) { nodes { id } } }');
    const { promoteModel } = (
      await execute(
        'admin',
        'mutation { promoteModel(name: "iris", version: 1) { id current { id } deployment { id } } }',
      )
    ).data;
    await execute(
      'admin',
      'mutation ($manifest: JSONObject!) { publishDocuments(client: "web", version: "1", manifest: $manifest) { id } }',
      { manifest: { me: '{ me { id } }' } },
    );
    const { documentReleases, documentUsage } = (
      await execute(
        'admin',
        '{ documentReleases(first: 1) { nodes { id documents { nodes { id } } } } documentUsage(first: 1) { nodes { id } } }',
      )
    ).data;
    const [release] = documentReleases.nodes;
    ownerId = read.data.me.id;
    return {
      session: read.data.me.sessions[0].id,
      apikey: data.createApiKey.apiKey.id,
      user: read.data.me.id,
      employee: employee.id,
      department: employee.department.id,
      prediction: read.data.predictIris[0].predictionId,
      release: release.id,
      document: release.documents.nodes[0].id,
      documentuse: documentUsage.nodes[0].id,
      model: promoteModel.id,
      modelversion: promoteModel.current.id,
      deployment: promoteModel.deployment.id,
    };
  }

  const keyOf = async (caller: Caller, scopes: string[]): Promise<Caller> => {
    const { data } = await execute(
      caller,
      'mutation ($scopes: [String!]) { createApiKey(name: "key", scopes: $scopes) { secret } }',
      { scopes },
    );
    return { apiKey: data.createApiKey.secret };
  };

  it('returns for each viewer and type exactly what the root field of the type returns', async () => {
    const ids = await objectIds();
    const other = await addPerson(gateway);
    const otherAdmin = await addPerson(gateway, Role.ADMIN);
    const viewers: Record<string, Caller> = {
      anonymous: null,
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
    for (const [viewer, caller] of Object.entries(viewers)) {
      for (const [type, id] of Object.entries(ids) as [TestedType, string][]) {
        const expected = await execute(caller, typed[type](id, viewer));
        const object = objectIn(expected.data, id);
        // Variables, because documents with literals are not compiled.
        const node = await execute(caller, 'query ($id: ID!) { node(id: $id) { id __typename } }', { id });
        const nodes = await execute(caller, 'query ($ids: [ID!]!) { nodes(ids: $ids) { id __typename } }', {
          ids: [id],
        });
        const reported = {
          viewer,
          type,
          codes: codesOf(expected),
          messages: expected.errors.map(({ message }) => message),
        };
        expect({ ...reported, codes: codesOf(node), messages: node.errors.map(({ message }) => message) }).toEqual(
          reported,
        );
        expect({ ...reported, codes: codesOf(nodes), messages: nodes.errors.map(({ message }) => message) }).toEqual(
          reported,
        );
        expect({ ...reported, object: node.data?.node ?? null }).toEqual({ ...reported, object });
        expect({ ...reported, object: nodes.data?.nodes?.[0] ?? null }).toEqual({ ...reported, object });
        outcomes.push(`${viewer} ${type} ${codesOf(node)[0] ?? (object ? 'yes' : 'null')}`);
      }
    }
    // The expected verdicts detect a rule that is missing for both fields.
    const verdicts = (viewer: string) =>
      outcomes
        .filter((outcome) => outcome.startsWith(`${viewer} `))
        .map((outcome) => outcome.slice(viewer.length + 1))
        .sort();
    const anyone = ['department yes', 'employee yes'];
    const ofDocuments = (verdict: string) => ['document', 'documentuse', 'release'].map((type) => `${type} ${verdict}`);
    const ofModels = (verdict: string) => [`model ${verdict}`, `modelversion ${verdict}`];
    const operates = ['deployment yes', ...ofModels('yes')];
    const reads = ['deployment FORBIDDEN', ...ofModels('yes')];
    const reachesNone = ['deployment FORBIDDEN', ...ofModels('FORBIDDEN')];
    const table: Record<string, string[]> = {
      anonymous: Object.keys(typed).map((type) => `${type} UNAUTHENTICATED`),
      owner: [
        'apikey yes',
        'session yes',
        ...anyone,
        ...reads,
        'prediction yes',
        'user yes',
        ...ofDocuments('FORBIDDEN'),
      ],
      manager: [
        'apikey null',
        'session null',
        ...anyone,
        ...reads,
        'prediction null',
        'user null',
        ...ofDocuments('FORBIDDEN'),
      ],
      other: [
        'apikey null',
        'session null',
        ...anyone,
        ...reads,
        'prediction null',
        'user null',
        ...ofDocuments('FORBIDDEN'),
      ],
      admin: ['apikey yes', 'session yes', ...anyone, ...operates, 'prediction yes', 'user yes', ...ofDocuments('yes')],
      otherAdmin: [
        'apikey yes',
        'session yes',
        ...anyone,
        ...operates,
        'prediction yes',
        'user yes',
        ...ofDocuments('yes'),
      ],
      ownerKeyOfEmployees: [
        'apikey FORBIDDEN',
        'session FORBIDDEN',
        ...reachesNone,
        ...anyone,
        'prediction FORBIDDEN',
        'user yes',
        ...ofDocuments('FORBIDDEN'),
      ],
      ownerKeyOfModels: [
        'apikey FORBIDDEN',
        'session FORBIDDEN',
        ...reads,
        'department FORBIDDEN',
        'employee FORBIDDEN',
        'prediction yes',
        'user yes',
        ...ofDocuments('FORBIDDEN'),
      ],
      adminKeyOfModels: [
        'apikey FORBIDDEN',
        'session FORBIDDEN',
        ...operates,
        'department FORBIDDEN',
        'employee FORBIDDEN',
        'prediction yes',
        'user null',
        ...ofDocuments('FORBIDDEN'),
      ],
      adminKeyOfEmployees: [
        'apikey FORBIDDEN',
        'session FORBIDDEN',
        ...reachesNone,
        ...anyone,
        'prediction FORBIDDEN',
        'user null',
        ...ofDocuments('FORBIDDEN'),
      ],
    };
    for (const [viewer, expected] of Object.entries(table))
      expect([viewer, ...verdicts(viewer)]).toEqual([viewer, ...expected.sort()]);
    expect(Object.keys(table).sort()).toEqual(Object.keys(viewers).sort());
  });

  it('applies the rules of the fields it returns', async () => {
    const { data } = await execute(
      'admin',
      '{ employees(first: 3, orderBy: { field: SALARY, direction: DESC }) { nodes { id salary } } }',
    );
    const [employee] = data.employees.nodes;
    const response = await execute(
      'user',
      'query ($id: ID!) { node(id: $id) { ... on Employee { name salary department { name } } } }',
      { id: employee.id },
    );
    expect(codesOf(response)).toEqual(['FORBIDDEN']);
    expect(response.data.node).toMatchObject({
      name: expect.any(String),
      salary: null,
      department: { name: expect.any(String) },
    });
    expect((await execute('admin', `{ node(id: "${employee.id}") { ... on Employee { salary } } }`)).data.node).toEqual(
      {
        salary: employee.salary,
      },
    );
  });

  it('returns objects in the order of their ids, with null for unknown ids and one statement per type', async () => {
    const ids = await objectIds();
    const employees = (await execute('admin', '{ employees(first: 40) { nodes { id } } }')).data.employees.nodes.map(
      ({ id }: AnyData) => id,
    );
    const requested = [
      ids.department,
      employees[3],
      encodeId('employee', newId()),
      ids.user,
      employees[1],
      employees[3],
      ids.prediction,
      encodeId('user', newId()),
      ...employees,
    ];
    const document =
      'query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id ... on Employee { name } ... on Department { name } ... on User { email } ... on Prediction { version } } }';
    const before = await execute('admin', document, { ids: requested });
    expect(before.errors).toEqual([]);
    expect(before.data.nodes.map((node: AnyData) => node?.id ?? null)).toEqual(
      requested.map((id, position) => (position === 2 || position === 7 ? null : id)),
    );
    expect(before.data.nodes.slice(0, 7).map((node: AnyData) => node?.__typename)).toEqual([
      'Department',
      'Employee',
      undefined,
      'User',
      'Employee',
      'Employee',
      'Prediction',
    ]);
    const statements = await statementsOf(() => execute('admin', document, { ids: requested }));
    const reads = statements.filter((statement) =>
      /^select .* from "\w+"\."(employee|department|prediction|user_account)"/.test(statement),
    );
    const tables = reads.map((statement) => /from "\w+"\."(\w+)"/.exec(statement)?.[1]);
    expect(tables.sort()).toEqual(['department', 'employee', 'prediction', 'user_account']);
  });

  it('rejects only the types that an API key may not read', async () => {
    const ids = await objectIds();
    const response = await execute(
      await keyOf('user', ['predict']),
      'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }',
      {
        ids: [ids.prediction, ids.employee, ids.user, ids.department],
      },
    );
    expect(response.data.nodes).toEqual([{ id: ids.prediction }, null, { id: ids.user }, null]);
    expect(response.errors.map(({ path, extensions, message }) => [path, extensions.code, message])).toEqual([
      [['nodes', 1], 'FORBIDDEN', 'This API key lacks the scope employees:read.'],
      [['nodes', 3], 'FORBIDDEN', 'This API key lacks the scope employees:read.'],
    ]);
  });

  it.each([
    '',
    'employee',
    'employee_',
    'engine_01h455vb4pex5vsknk084sn02q',
    '01h455vb4pex5vsknk084sn02q',
    'employee_01h455vb4pex5vsknk084sn02',
    'EMPLOYEE_01h455vb4pex5vsknk084sn02q',
    'employee_81h455vb4pex5vsknk084sn02q',
    '__proto___01h455vb4pex5vsknk084sn02q',
  ])('rejects the invalid id %j with its position', async (id) => {
    const { employee } = await objectIds();
    const one = await execute('user', 'query ($id: ID!) { node(id: $id) { id } }', { id });
    expect([codesOf(one), fieldsOf(one), one.data]).toEqual([['BAD_USER_INPUT'], ['id'], { node: null }]);
    const many = await execute('user', 'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', {
      ids: [employee, id, employee, id],
    });
    expect(many.errors.map(({ path, extensions }) => [path, extensions.code, extensions.fields?.[0]?.field])).toEqual([
      [['nodes', 1], 'BAD_USER_INPUT', 'ids[1]'],
      [['nodes', 3], 'BAD_USER_INPUT', 'ids[3]'],
    ]);
    expect(many.data.nodes).toEqual([{ id: employee }, null, { id: employee }, null]);
  });

  it('accepts up to 100 ids, each of which adds to the cost', async () => {
    const ids = Array.from({ length: 101 }, () => encodeId('employee', newId()));
    const document = 'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }';
    expect((await execute('user', document, { ids: ids.slice(1) })).data.nodes).toHaveLength(100);
    const tooMany = await execute('user', document, { ids });
    expect([codesOf(tooMany), fieldsOf(tooMany)]).toEqual([['BAD_USER_INPUT'], ['ids']]);
    const costly = await execute(
      'user',
      'query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Employee { reports(first: 100) { nodes { id } } } } }',
      { ids: ids.slice(1) },
    );
    expect(costly.errors[0]?.extensions).toMatchObject({ code: 'QUERY_TOO_LARGE', limit: 'cost' });
    expect((await execute('user', 'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', { ids: [] })).data.nodes).toEqual(
      [],
    );
  });
});

describe('node sources', () => {
  const opened = (changed: Record<string, NodeSources> = {}) =>
    domains.map((domain) => ({ ...domain, nodes: changed[domain.name] ?? sourcesOf(domain) }));
  /** The node sources of a domain; those of the built-in domains without loading them. */
  const sourcesOf = (domain: DomainModule): NodeSources => {
    if (domain.existingTables) return domain.load({} as never).nodes ?? {};
    const { name } = domain;
    const read = () => Promise.resolve([]);
    if (name === 'employee')
      return {
        employee: { type: 'Employee', readAs: 'employee', read },
        department: { type: 'Department', readAs: 'departments', read },
      };
    if (name === 'document') {
      return {
        release: { type: 'DocumentRelease', readAs: 'documentReleases', read },
        document: { type: 'PublishedDocument', readAs: 'documentReleases', read },
        documentuse: { type: 'DocumentUsage', readAs: 'documentUsage', read },
      };
    }
    if (name === 'user')
      return {
        user: { type: 'User', readAs: 'user', read },
        apikey: { type: 'ApiKey', readAs: 'apiKeys', read },
        session: { type: 'UserSession', readAs: 'User.sessions', read },
      };
    if (name === 'audit') return { auditevent: { type: 'AuditEvent', readAs: 'auditLog', read } };
    if (name === 'prediction') return { prediction: { type: 'Prediction', readAs: 'prediction', read } };
    if (name === 'deployment') return { deployment: { type: 'ModelDeployment', readAs: 'Model.deployment', read } };
    if (name === 'model')
      return {
        model: { type: 'Model', readAs: 'models', read },
        modelversion: { type: 'ModelVersion', readAs: 'models', read },
      };
    return {};
  };
  const read = () => Promise.resolve([]);
  const schema = domainSchema(domains);

  it('fail the start if a type has none', () => {
    expect(() => new NodeResolver(opened(), schema)).not.toThrow();
    expect(() => new NodeResolver(opened({ prediction: {} }), schema)).toThrow('No domain fetches Prediction');
  });

  it('fail the start if two share a prefix', () => {
    const prediction = {
      prediction: { type: 'Prediction', readAs: 'prediction', read },
      user: { type: 'User', readAs: 'predictions', read },
    };
    expect(() => new NodeResolver(opened({ prediction }), schema)).toThrow(
      'The domains user and prediction both use the ID prefix user_',
    );
  });

  it('fail the start for a type that is not a node or a field without a rule', () => {
    expect(
      () => new NodeResolver(opened({ prediction: { prediction: { type: 'Model', readAs: 'model', read } } }), schema),
    ).toThrow('Model is read as Query.model');
    expect(
      () =>
        new NodeResolver(
          opened({ prediction: { prediction: { type: 'Prediction', readAs: 'forecast', read } } }),
          schema,
        ),
    ).toThrow('Query.forecast');
  });
});

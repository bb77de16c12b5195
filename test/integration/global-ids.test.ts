import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { buildSchema, getNamedType, isObjectType, type GraphQLField, type GraphQLObjectType } from 'graphql';
import { readFileSync } from 'node:fs';
import { startGateway, type AnyData, type TestGateway } from '../support/gateway.js';
import { openEvents } from '../support/streams.js';

const schema = buildSchema(readFileSync(new URL('../../schema/schema.graphql', import.meta.url), 'utf8'));

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway({ MAX_QUERY_COST: '100000000', MAX_QUERY_TOKENS: '1000000' });
});
afterAll(() => gateway.close());

/** Arguments without which a root field returns nothing. */
const calls: Record<string, string> = {
  predict: '(model: "iris", inputs: [{ petal_length: 1.4, petal_width: 0.2 }])',
  predictIris: '(inputs: [{ petalLength: 1.5, petalWidth: 0.2 }])',
  predictCarPrice: '(inputs: [{ company: "Maruti", year: 2014, kmDriven: 90000 }])',
  predictDigits: `(inputs: [{ pixels: ${JSON.stringify(Array(8).fill(Array(8).fill(1)))} }])`,
  predictSalaryBenchmark: '(inputs: [{ age: 40, jobLevel: 3, yearsAtCompany: 8 }])',
  predictSmsSpam: '(inputs: [{ message: "Call now to claim your prize" }])',
  model: '(name: "iris")',
};

/** Root fields that take an id; `node` reads the same objects. */
const isReadById = ({ args }: GraphQLField<unknown, unknown>): boolean =>
  args.some(({ name, type }) => name === 'id' && type.toString() === 'ID!');

/** Every field that needs no arguments, to a depth of objects, with `__typename`. */
function selection(type: GraphQLObjectType, depth: number): string {
  const fields = Object.values(type.getFields()).flatMap((field) => {
    if (
      field.args.some(({ type: given, defaultValue }) => given.toString().endsWith('!') && defaultValue === undefined)
    )
      return [];
    const named = getNamedType(field.type);
    if (!isObjectType(named)) return [field.name];
    const page = field.args.some(({ name }) => name === 'first') ? '(first: 2)' : '';
    return depth === 0 ? [] : [`${field.name}${page} { ${selection(named, depth - 1)} }`];
  });
  return ['__typename', ...fields].join(' ');
}

/** The type names of every object with an id in a response, by id. */
function collect(value: unknown, found: Map<string, Set<string>>): void {
  if (typeof value !== 'object' || value === null) return;
  const { id, __typename: type } = value as { id?: unknown; __typename?: unknown };
  if (typeof id === 'string') found.set(id, (found.get(id) ?? new Set()).add(String(type)));
  for (const inside of Object.values(value)) collect(inside, found);
}

/** The types that implement Node. */
const nodeTypes = Object.values(schema.getTypeMap())
  .filter((type) => isObjectType(type))
  .filter((type) => type.getInterfaces().some(({ name }) => name === 'Node'))
  .map(({ name }) => name);

const change = schema.getType('EmployeeChange') as GraphQLObjectType;

describe('ids', () => {
  it('belong to one object of one type, which node returns, in every response of the schema', async () => {
    const manifest = { me: '{ me { id } }' };
    await gateway.execute(
      'admin',
      'mutation ($manifest: JSONObject!) { publishDocuments(client: "web", version: "1", manifest: $manifest) { id } createApiKey(name: "key") { secret } promoteModel(name: "iris", version: 1) { id } }',
      { manifest },
    );
    const { received, rejection } = await openEvents(gateway.url, {
      headers: { authorization: `Bearer ${(await gateway.signIn('admin')).token}` },
      body: { query: `subscription { employeeChanged { ${selection(change, 2)} } }` },
    });
    expect(rejection).toBeNull();
    const found = new Map<string, Set<string>>();
    const roots = Object.values(schema.getQueryType()?.getFields() ?? {}).filter((field) => !isReadById(field));
    for (const field of roots) {
      const type = getNamedType(field.type);
      if (!isObjectType(type)) continue;
      const { data, errors } = await gateway.execute<AnyData>(
        'admin',
        `{ ${field.name}${calls[field.name] ?? ''} { ${selection(type, 3)} } }`,
      );
      expect(errors).toEqual([]);
      collect(data, found);
    }
    const { employees } = (await gateway.execute<AnyData>('admin', '{ employees(first: 1) { nodes { id } } }')).data;
    await gateway.execute(
      'admin',
      'mutation ($id: ID!) { updateEmployee(id: $id, input: { jobTitle: "Changed in this test" }) { id } }',
      {
        id: employees.nodes[0].id,
      },
    );
    collect((await received.next()).data, found);
    received.stop();

    const pairs = [...found].map(([id, types]) => [id, [...types]] as const);
    expect(pairs.filter(([, types]) => types.length > 1)).toEqual([]);
    expect(new Set(pairs.flatMap(([, types]) => types))).toEqual(new Set(nodeTypes));
    for (const [id, [type]] of pairs) {
      const { data } = await gateway.execute<AnyData>('admin', 'query ($id: ID!) { node(id: $id) { id __typename } }', {
        id,
      });
      expect(data.node).toEqual({ id, __typename: type });
    }
  });
});

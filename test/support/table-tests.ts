import { readFileSync } from 'node:fs';
import { expect } from '@jest/globals';
import { buildSchema, getNamedType, isObjectType, type GraphQLObjectType } from 'graphql';
import { Role } from '../../src/auth/viewer.js';
import { rowCount } from './existing-tables.js';
import { codesOf, type AnyData, type TestGateway } from './gateway.js';
import { addApiKey, addPerson } from './people.js';

/** The names of a type: `{ type: 'Customer', one: 'customer', many: 'customers' }`. */
export interface TableFields {
  type: string;
  one: string;
  many: string;
}

/** The committed schema, which `npm run drift` compares with the code. */
const schema = buildSchema(readFileSync(new URL('../../schema/schema.graphql', import.meta.url), 'utf8'));

/** Selects every field, and the IDs of related rows. */
function selectionOf(name: string): string {
  const type = schema.getType(name);
  if (!isObjectType(type)) throw new Error(`The schema has no type ${name}.`);
  return Object.values(type.getFields())
    .map((field) => {
      const related = getNamedType(field.type);
      if (!isObjectType(related)) return field.name;
      return `${field.name} { ${isConnection(related) ? 'totalCount nodes { id }' : 'id'} }`;
    })
    .join(' ');
}

/** Selects every value of aggregates. */
function aggregateSelectionOf(name: string): string {
  const type = schema.getType(name);
  if (!isObjectType(type)) throw new Error(`The schema has no type ${name}.`);
  return Object.values(type.getFields())
    .map((field) => {
      const part = getNamedType(field.type);
      return isObjectType(part) ? `${field.name} { ${Object.keys(part.getFields()).join(' ')} }` : field.name;
    })
    .join(' ');
}

const isConnection = ({ name }: GraphQLObjectType): boolean => name.endsWith('Connection');

/** Expects an ADMIN to read all rows by page, by ID and as nodes, with all fields, and pages to follow each other. */
export async function expectReads(gateway: TestGateway, { type, one, many }: TableFields): Promise<void> {
  const selection = selectionOf(type);
  const run = async (text: string, variables = {}): Promise<AnyData> => {
    const { data, errors } = await gateway.execute<AnyData>('admin', text, variables);
    expect(errors).toEqual([]);
    return data;
  };
  const page = `query ($after: String) { page: ${many}(first: 2, after: $after) { totalCount nodes { ${selection} } pageInfo { hasNextPage endCursor } } }`;
  const first = (await run(page)).page;
  const second = (await run(page, { after: first.pageInfo.endCursor })).page;
  expect(first.totalCount).toBe(rowCount);
  expect([first.nodes.length, second.nodes.length, second.pageInfo.hasNextPage]).toEqual([2, 1, false]);
  for (const row of [...first.nodes, ...second.nodes]) {
    const text = `query ($id: ID!) { one: ${one}(id: $id) { ${selection} } node(id: $id) { __typename id } }`;
    expect(await run(text, { id: row.id })).toEqual({ one: row, node: { __typename: type, id: row.id } });
    // Values of the same row are equal, so that each relation finds a row.
    for (const value of Object.values<AnyData>(row))
      if (value?.nodes) expect(value.totalCount).toBe(value.nodes.length);
  }
  const [group] = (await run(`{ groups: ${many}Aggregate { ${aggregateSelectionOf(`${type}Aggregate`)} } }`)).groups;
  expect(group.count).toBe(rowCount);
  const malformed = await gateway.execute('admin', `{ ${one}(id: "${one}_x") { id } }`);
  expect(codesOf(malformed)).toEqual(['BAD_USER_INPUT']);
}

/** Expects anonymous callers and API keys to read nothing. */
export async function expectNoAccess(gateway: TestGateway, { one, many }: TableFields): Promise<void> {
  const { data } = await gateway.execute<AnyData>('admin', `{ page: ${many}(first: 1) { nodes { id } } }`);
  const id = data.page.nodes[0].id as string;
  const key = { apiKey: await addApiKey(gateway, (await addPerson(gateway, Role.ADMIN)).uuid) };
  for (const [caller, code] of [
    [null, 'UNAUTHENTICATED'],
    [key, 'FORBIDDEN'],
  ] as const)
    for (const text of [
      `{ ${many} { totalCount } }`,
      `{ ${many}Aggregate { count } }`,
      `{ ${one}(id: "${id}") { id } }`,
      `{ node(id: "${id}") { id } }`,
    ]) {
      const response = await gateway.execute<AnyData>(caller, text);
      expect(codesOf(response)).toEqual([code]);
      expect(JSON.stringify(response.data ?? null)).not.toContain(id);
    }
}

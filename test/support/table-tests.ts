import { readFileSync } from 'node:fs';
import { expect } from '@jest/globals';
import {
  buildSchema,
  getNamedType,
  getNullableType,
  isEnumType,
  isInputObjectType,
  isListType,
  isObjectType,
  type GraphQLInputField,
  type GraphQLObjectType,
} from 'graphql';
import { Role } from '../../src/auth/viewer.js';
import { domains } from '../../src/domains/index.js';
import { tableOf, type TableColumn } from '../../src/graphql/tables/existing-table.js';
import { plausibleValue } from './access/schema.js';
import { rowCount, textOf } from './existing-tables.js';
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

/** Expects an ADMIN to create, change and delete rows, and other callers to change nothing. Does nothing for a type without mutations. */
export async function expectWrites(gateway: TestGateway, { type, one, many }: TableFields): Promise<void> {
  const create = mutationOf(`create${type}`);
  const update = mutationOf(`update${type}`);
  const remove = mutationOf(`delete${type}`);
  if (!remove) return;
  const fields = [...new Set([...(create?.fields ?? []), ...(update?.fields ?? [])])];
  const selection = ['id', ...fields].join(' ');
  const run = async (text: string, variables = {}): Promise<AnyData> => {
    const { data, errors } = await gateway.execute<AnyData>('admin', text, variables);
    expect(errors).toEqual([]);
    return data;
  };
  const readAll = () => run(`{ page: ${many}(first: 100) { nodes { ${selection} } } }`);
  const before = await readAll();
  const { id: known, ...values } = before.page.nodes[0];
  const keys = keyValuesOf(type, fields);
  const created = { ...values, ...keys };
  const changes = Object.fromEntries((update?.fields ?? []).map((name) => [name, values[name]]));
  const key = { apiKey: await addApiKey(gateway, (await addPerson(gateway, Role.ADMIN)).uuid) };
  for (const [caller, code] of [
    [null, 'UNAUTHENTICATED'],
    ['user', 'FORBIDDEN'],
    ['manager', 'FORBIDDEN'],
    [key, 'FORBIDDEN'],
  ] as const)
    for (const [mutation, variables] of [
      [create, { input: created }],
      [update, { id: known, input: changes }],
      [remove, { id: known }],
    ] as const) {
      if (!mutation) continue;
      const response = await gateway.execute<AnyData>(caller, mutation.text('__typename'), variables);
      expect(codesOf(response)).toEqual([code]);
    }
  expect(await readAll()).toEqual(before);

  let id = known as string;
  if (create) {
    const { row } = await run(create.text(selection), { input: created });
    expect(row).toMatchObject(created);
    id = row.id as string;
    expect((await run(`query ($id: ID!) { row: ${one}(id: $id) { ${selection} } }`, { id })).row).toEqual(row);
  }
  if (update) expect((await run(update.text(selection), { id, input: changes })).row).toMatchObject({ id, ...changes });
  expect(await run(remove.text(`deleted${type}Id`), { id })).toEqual({ row: { [`deleted${type}Id`]: id } });
  expect((await run(`query ($id: ID!) { row: ${one}(id: $id) { id } }`, { id })).row).toBeNull();
  const again = await gateway.execute<AnyData>('admin', remove.text('__typename'), { id });
  expect(codesOf(again)).toEqual(['NOT_FOUND']);
}

/** A mutation by its name, with the fields of its input; null if the schema has none. */
function mutationOf(name: string): { fields: string[]; text: (selection: string) => string } | null {
  const field = schema.getMutationType()?.getFields()[name];
  if (!field) return null;
  const args = field.args.filter((arg) => arg.name !== 'expectedVersion');
  const input = args.map((arg) => getNamedType(arg.type)).find(isInputObjectType);
  const declared = args.map((arg) => `$${arg.name}: ${String(arg.type)}`).join(', ');
  const given = args.map((arg) => `${arg.name}: $${arg.name}`).join(', ');
  return {
    fields: Object.keys(input?.getFields() ?? {}),
    text: (selection) => `mutation (${declared}) { row: ${name}(${given}) { ${selection} } }`,
  };
}

/** Values of the key that no row has. */
function keyValuesOf(type: string, fields: readonly string[]): Record<string, unknown> {
  const entity = domains.flatMap(({ existingTables = [] }) => existingTables).find(({ name }) => name === type);
  if (!entity) throw new Error(`No domain has the existing table of ${type}.`);
  const input = schema.getType(`Create${type}Input`);
  const inputs = isInputObjectType(input) ? input.getFields() : {};
  return Object.fromEntries(
    tableOf(entity)
      .key.filter(({ property }) => fields.includes(property))
      .map((column) => [column.property, newValue(column, inputs[column.property])]),
  );
}

function newValue(column: TableColumn, field: GraphQLInputField | undefined): unknown {
  if (!field) return undefined;
  const type = getNullableType(field.type);
  if (isListType(type)) return [];
  if (isEnumType(type)) return type.getValues().at(-1)?.name;
  return getNamedType(type).name === 'String' ? textOf(column, rowCount + 1) : plausibleValue(getNamedType(type).name);
}

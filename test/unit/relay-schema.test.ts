import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import {
  buildSchema,
  getNamedType,
  getNullableType,
  isListType,
  isNonNullType,
  isObjectType,
  isInterfaceType,
  isScalarType,
  isSpecifiedScalarType,
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLSchema,
} from 'graphql';

/**
 * What the schema breaks of the Relay specifications, as https://relay.dev/graphql/connections.htm (sections 2 to 5)
 * and https://relay.dev/graphql/objectidentification.htm (sections 3 to 5) say it.
 */
function relayProblems(schema: GraphQLSchema): string[] {
  const objects = Object.values(schema.getTypeMap()).filter(
    (type) => isObjectType(type) && !type.name.startsWith('__'),
  ) as GraphQLObjectType[];
  const fields = objects.flatMap((type) =>
    Object.values(type.getFields()).map((field) => ({ place: `${type.name}.${field.name}`, field })),
  );
  return [
    ...objects.filter(({ name }) => name.endsWith('Connection')).flatMap(connectionProblems),
    ...fields
      .filter(({ field }) => getNamedType(field.type).name.endsWith('Connection'))
      .flatMap(({ place, field }) => pagingProblems(place, field)),
    ...pageInfoProblems(schema),
    ...nodeProblems(schema),
  ];
}

const typeOf = (type: GraphQLObjectType, field: string): string | undefined => type.getFields()[field]?.type.toString();

function connectionProblems(connection: GraphQLObjectType): string[] {
  const { edges } = connection.getFields();
  const list = edges && getNullableType(edges.type);
  if (!isListType(list)) return [`${connection.name}.edges is no list`];
  const edge = getNamedType(list);
  if (!isObjectType(edge)) return [`${connection.name}.edges has no objects`];
  const { node, cursor } = edge.getFields();
  return [
    ...(typeOf(connection, 'pageInfo') === 'PageInfo!' ? [] : [`${connection.name}.pageInfo is not a PageInfo!`]),
    ...(edge.name.endsWith('Edge') ? [] : [`${edge.name} does not end in Edge`]),
    ...(!node || isListType(getNullableType(node.type)) ? [`${edge.name}.node is no single thing`] : []),
    ...(cursor && getNullableType(cursor.type).toString() === 'String' ? [] : [`${edge.name}.cursor is no String`]),
  ];
}

function pagingProblems(place: string, { type, args }: GraphQLField<unknown, unknown>): string[] {
  const given = new Map(args.map((argument) => [argument.name, argument.type.toString()]));
  const forward = given.has('first') && given.has('after');
  const backward = given.has('last') && given.has('before');
  const expected: [string, string][] = [
    ['first', 'Int'],
    ['last', 'Int'],
    ['after', 'String'],
    ['before', 'String'],
  ];
  return [
    ...(isListType(getNullableType(type)) ? [`${place} gives a list of connections`] : []),
    ...(forward || backward ? [] : [`${place} can be paged neither forwards nor backwards`]),
    ...(given.has('first') === given.has('after') && given.has('last') === given.has('before')
      ? []
      : [`${place} has half a pair of arguments`]),
    ...expected
      .filter(([name, is]) => given.has(name) && given.get(name) !== is)
      .map(([name, is]) => `${place}(${name}:) is not ${is}`),
  ];
}

function pageInfoProblems(schema: GraphQLSchema): string[] {
  const info = schema.getType('PageInfo');
  if (!isObjectType(info)) return ['there is no PageInfo'];
  const expected = { hasPreviousPage: 'Boolean!', hasNextPage: 'Boolean!', startCursor: 'String', endCursor: 'String' };
  return Object.entries(expected).flatMap(([field, type]) =>
    typeOf(info, field) === type ? [] : [`PageInfo.${field} is not ${type}`],
  );
}

const argumentsOf = ({ args }: GraphQLField<unknown, unknown>): string =>
  args.map(({ name, type }) => `${name}: ${type.toString()}`).join();

function nodeProblems(schema: GraphQLSchema): string[] {
  const node = schema.getType('Node');
  const query = schema.getQueryType();
  if (!isInterfaceType(node) || !query) return ['there is no Node'];
  const { node: one, nodes: many } = query.getFields();
  const [id, ...others] = Object.values(node.getFields());
  return [
    ...(id?.name === 'id' && id.type.toString() === 'ID!' && others.length === 0
      ? []
      : ['Node has not one field, id: ID!']),
    ...(one?.type.toString() === 'Node' && argumentsOf(one) === 'id: ID!' ? [] : ['node is not node(id: ID!): Node']),
    ...(many &&
    !isNonNullType((getNullableType(many.type) as { ofType?: unknown }).ofType) &&
    argumentsOf(many) === 'ids: [ID!]!'
      ? []
      : ['nodes is not nodes(ids: [ID!]!): [Node]!']),
  ];
}

const good = `
  type Query { things(first: Int, after: String, last: Int, before: String): ThingConnection node(id: ID!): Node nodes(ids: [ID!]!): [Node]! }
  interface Node { id: ID! }
  type Thing implements Node { id: ID! }
  type ThingConnection { edges: [ThingEdge] pageInfo: PageInfo! }
  type ThingEdge { cursor: String! node: Thing }
  type PageInfo { hasNextPage: Boolean! hasPreviousPage: Boolean! startCursor: String endCursor: String }`;

describe('the schema', () => {
  const schema = buildSchema(readFileSync(new URL('../../schema/schema.graphql', import.meta.url), 'utf8'));

  it('complies with the Relay specifications', () => {
    expect(
      Object.keys(schema.getTypeMap()).filter((name) => name.endsWith('Connection')).length,
    ).toBeGreaterThanOrEqual(3);
    expect(relayProblems(schema)).toEqual([]);
  });

  it('has a field `id` only in types that implement Node: clients store objects by it', () => {
    const types = Object.values(schema.getTypeMap()).filter((type) => isObjectType(type) || isInterfaceType(type));
    const withId = types.filter((type) => type.getFields().id !== undefined);
    expect(withId.length).toBeGreaterThan(10);
    expect(withId.filter((type) => type.getFields().id?.type.toString() !== 'ID!')).toEqual([]);
    const lone = withId.filter((type) => !type.getInterfaces().some(({ name }) => name === 'Node'));
    expect(lone.map(({ name }) => name)).toEqual(['Node']);
  });

  it('has nullable objects as results of mutations, so that one failure leaves the results of the others', () => {
    const mutations = Object.values(schema.getMutationType()?.getFields() ?? {});
    expect(mutations.length).toBeGreaterThan(10);
    expect(mutations.filter(({ type }) => !isObjectType(type)).map(({ name }) => name)).toEqual([]);
  });

  it('specifies every custom scalar', () => {
    const scalars = Object.values(schema.getTypeMap())
      .filter((type) => isScalarType(type))
      .filter((type) => !isSpecifiedScalarType(type));
    // Types of existing tables add others.
    const names = scalars.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['Base64', 'Currency', 'Date', 'DateTime', 'JSONObject', 'SafeInt']));
    expect(scalars.filter(({ specifiedByURL }) => !specifiedByURL?.startsWith('http'))).toEqual([]);
  });
});

describe('the check of the schema', () => {
  it('accepts valid schemas', () => {
    expect(relayProblems(buildSchema(good))).toEqual([]);
  });

  it.each([
    ['first: Int, after', 'first: Float, after', 'Query.things(first:) is not Int'],
    ['after: String', 'after: ID', 'Query.things(after:) is not String'],
    ['first: Int, after: String, last', 'first: Int, last', 'Query.things has half a pair of arguments'],
    [
      '(first: Int, after: String, last: Int, before: String)',
      '',
      'Query.things can be paged neither forwards nor backwards',
    ],
    ['edges: [ThingEdge]', 'edges: ThingEdge', 'ThingConnection.edges is no list'],
    ['pageInfo: PageInfo!', 'pageInfo: PageInfo', 'ThingConnection.pageInfo is not a PageInfo!'],
    ['cursor: String!', 'cursor: Int!', 'ThingEdge.cursor is no String'],
    ['node: Thing }', 'node: [Thing] }', 'ThingEdge.node is no single thing'],
    ['hasNextPage: Boolean!', 'hasNextPage: Boolean', 'PageInfo.hasNextPage is not Boolean!'],
    ['startCursor: String', 'startCursor: String!', 'PageInfo.startCursor is not String'],
    ['node(id: ID!): Node', 'node(id: String!): Node', 'node is not node(id: ID!): Node'],
    ['[Node]!', '[Node!]!', 'nodes is not nodes(ids: [ID!]!): [Node]!'],
  ])('rejects a schema in which %s becomes %s', (from, to, problem) => {
    expect(relayProblems(buildSchema(good.replace(from, to)))).toEqual([problem]);
  });
});

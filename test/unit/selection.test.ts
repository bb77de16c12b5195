import { describe, expect, it } from '@jest/globals';
import { buildSchema, graphqlSync, isObjectType, Kind, parse, type GraphQLResolveInfo } from 'graphql';
import { operationReads } from '../../src/graphql/context/operation-reads.js';
import { lookAhead } from '../../src/graphql/context/selection.js';
import { declareReads } from '../../src/graphql/schema/reads.js';

const schema = declareReads(
  buildSchema(`
    type Query { things(kind: String): Things node: Node }
    type Things { nodes: [Thing] edges: [Edge] totalCount: Int }
    type Edge { node: Thing cursor: String }
    interface Node { name: String }
    type Thing implements Node { name: String size: Int secret: String owner: Owner friend: Thing }
    type Owner implements Node { name: String home: Home }
    type Home { name: String }
  `),
);
const thing = schema.getType('Thing');
const secret = isObjectType(thing) ? thing.getFields().secret : undefined;
if (!secret) throw new Error('The schema has no secret.');

/** Calls back with the info of each field `things` or `node`. */
function resolveInfos(source: string, use: (info: GraphQLResolveInfo) => void, variableValues = {}): void {
  const resolve = (_args: unknown, _context: unknown, info: GraphQLResolveInfo) => {
    use(info);
    return null;
  };
  const rootValue = { things: resolve, node: resolve };
  expect(graphqlSync({ schema, source, rootValue, variableValues }).errors).toBeUndefined();
}

/** The fields that a document selects of the rows of `things`; null if it selects no rows. */
function selected(document: string, variables: Record<string, unknown> = {}): string[] | null {
  const found: (string[] | null)[] = [];
  const names = lookAhead((things) => {
    const rows = things.at('nodes', 'edges.node');
    return rows && ['name', 'size', 'secret', 'owner', 'friend', '__typename'].filter((field) => rows.has(field));
  });
  resolveInfos(document, (info) => found.push(names(info)), variables);
  expect(found).toHaveLength(1);
  return found[0] ?? null;
}

describe('looking ahead', () => {
  it.each([
    ['nodes', '{ things { nodes { owner { name } } } }'],
    ['nodes of edges', '{ things { edges { node { owner { name } } } } }'],
    ['aliases', '{ all: things { them: nodes { its: owner { name } } } }'],
    ['an alias of the other path', '{ things { nodes: edges { node: node { owner { name } } } } }'],
    ['inline fragments with a type', '{ things { ... on Things { nodes { ... on Thing { owner { name } } } } } }'],
    ['inline fragments without a type', '{ things { ... { nodes { ... { owner { name } } } } } }'],
    ['fragments on an interface', '{ things { nodes { ... on Node { ... on Thing { owner { name } } } } } }'],
    [
      'fragments within fragments',
      '{ things { ...outer } } fragment outer on Things { ... on Things { ...inner } } fragment inner on Things { edges { ... { node { ...thing } } } } fragment thing on Thing { owner { name } }',
    ],
  ])('looks through %s', (_what, document) => {
    expect(selected(document)).toEqual(['owner']);
  });

  it('merges all selections of a field', () => {
    expect(selected('{ things { nodes { name } nodes { size } edges { node { owner { name } } } } }')).toEqual([
      'name',
      'size',
      'owner',
    ]);
    expect(selected('{ things { nodes { name } } things { edges { node { size } } } }')).toEqual(['name', 'size']);
  });

  it.each([
    ['another place', '{ things { nodes { friend { size } } } }', ['friend']],
    ['an alias of another field', '{ things { nodes { size: name } } }', ['name']],
    [
      'a fragment that is spread elsewhere',
      '{ things { nodes { friend { ...sized } } } } fragment sized on Thing { size }',
      ['friend'],
    ],
  ])('does not take %s for the field', (_what, document, expected) => {
    expect(selected(document)).toEqual(expected);
  });

  it('finds no rows where none are selected', () => {
    expect(selected('{ things { totalCount edges { cursor } __typename } }')).toBeNull();
  });

  it('evaluates @skip and @include, with the variables of each request', () => {
    const document =
      'query ($yes: Boolean!) { things { nodes { name @skip(if: $yes) ... @include(if: $yes) { size } secret @include(if: false) owner @skip(if: false) { name } } } }';
    expect(selected(document, { yes: true })).toEqual(['size', 'owner']);
    expect(selected(document, { yes: false })).toEqual(['name', 'owner']);
  });

  it('derives once for each document and each value of its conditions', () => {
    let derived = 0;
    const names = lookAhead((things) => {
      derived += 1;
      return things.at('nodes')?.has('name') ?? false;
    });
    const infoOf = (yes: boolean): GraphQLResolveInfo => {
      const [operation] = document.definitions;
      if (operation?.kind !== Kind.OPERATION_DEFINITION) throw new Error('It has no operation.');
      const [field] = operation.selectionSet.selections;
      const { things } = schema.getQueryType()?.getFields() ?? {};
      if (field?.kind !== Kind.FIELD || !things) throw new Error('It selects no field.');
      // As an executor does: the nodes of a parsed document, in a new array.
      const info = { schema, operation, fragments: {}, fieldNodes: [field], returnType: things.type };
      return { ...info, variableValues: { yes } } as unknown as GraphQLResolveInfo;
    };
    const document = parse('query ($yes: Boolean!) { things { nodes { name @include(if: $yes) } } }');
    expect([true, false, true, false].map((yes) => names(infoOf(yes)))).toEqual([true, false, true, false]);
    expect(derived).toBe(2);
  });

  it('follows a fragment that is spread many times in linear time', () => {
    const depth = 40;
    const fragments = Array.from(
      { length: depth },
      (_, level) => `fragment f${level} on Thing { ...f${level + 1} ... { ...f${level + 1} } }`,
    );
    const document = `{ things { nodes { ...f0 } } } ${fragments.join(' ')} fragment f${depth} on Thing { size }`;
    expect(selected(document)).toEqual(['size']);
  });
});

describe('the reads of fields', () => {
  const reads = lookAhead((things) => {
    const properties = things.at('nodes')?.reads;
    return properties && [...properties].sort();
  });
  const readsIn = (document: string): string[] | null | undefined => {
    let found: string[] | null | undefined;
    resolveInfos(document, (info) => (found = reads(info)));
    return found;
  };

  it('are the properties of plain fields and those that a resolver declares', () => {
    secret.extensions = { reads: ['secret', 'size'] };
    expect(readsIn('{ things { nodes { __typename title: name secret } } }')).toEqual(['name', 'secret', 'size']);
  });

  it('are all properties if a field with a resolver declares none', () => {
    secret.extensions = {};
    expect(readsIn('{ things { nodes { name secret } } }')).toBeNull();
    expect(readsIn('{ things { nodes { name } } }')).toEqual(['name']);
  });
});

describe('the reads of an operation', () => {
  const readsOf = (document: string, type: string): string[] | null => {
    const found: (string[] | null)[] = [];
    resolveInfos(document, (info) => {
      const reads = operationReads(info, type);
      found.push(reads && [...reads].sort());
    });
    return found[0] ?? null;
  };

  it('are those of all fields of a type, wherever they are selected', () => {
    secret.extensions = { reads: ['secret'] };
    const document =
      '{ things { nodes { name friend { size ...more } } } node { ... on Thing { friend { name } } } } fragment more on Thing { secret @include(if: false) owner { home { name } } }';
    expect(readsOf(document, 'Thing')).toEqual(['friend', 'name', 'owner', 'secret', 'size']);
    expect(readsOf(document, 'Owner')).toEqual(['home']);
    expect(readsOf(document, 'Edge')).toEqual([]);
  });

  it('include fields of an interface for all its types', () => {
    expect(readsOf('{ node { name } }', 'Thing')).toEqual(['name']);
    expect(readsOf('{ node { name } }', 'Owner')).toEqual(['name']);
  });

  it('are all properties if a field declares none', () => {
    secret.extensions = {};
    expect(readsOf('{ things { nodes { name } } node { ... on Thing { secret } } }', 'Thing')).toBeNull();
  });
});

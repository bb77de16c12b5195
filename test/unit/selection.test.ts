import { describe, expect, it } from '@jest/globals';
import { buildSchema, graphqlSync, type GraphQLResolveInfo } from 'graphql';
import { selects } from '../../src/graphql/context/selection.js';

const schema = buildSchema(`
  type Query { things: Things }
  type Things { nodes: [Thing] edges: [Edge] totalCount: Int }
  type Edge { node: Thing cursor: String }
  type Thing { name: String owner: Owner friend: Thing }
  type Owner { name: String home: Home }
  type Home { name: String }
`);

/** Whether a document selects the path below `things`. */
function hasSelected(document: string, ...path: string[]): boolean {
  const found: boolean[] = [];
  const things = (_args: unknown, _context: unknown, info: GraphQLResolveInfo) => {
    found.push(selects(info, ...path));
    return null;
  };
  const { errors } = graphqlSync({ schema, source: document, rootValue: { things }, variableValues: { yes: true } });
  expect(errors).toBeUndefined();
  expect(found).toHaveLength(1);
  return found[0] ?? false;
}

const node = 'nodes|edges.node';

describe('a selection', () => {
  it.each([
    ['a field of the first alternative', '{ things { nodes { owner { name } } } }'],
    ['a field of the second alternative, two steps down', '{ things { edges { node { owner { name } } } } }'],
    ['both alternatives, the field in one of them', '{ things { nodes { name } edges { node { owner { name } } } } }'],
    ['under aliases', '{ all: things { them: nodes { its: owner { name } } } }'],
    ['under an alias of the other alternative', '{ things { nodes: edges { node: node { owner { name } } } } }'],
    ['in an inline fragment with a type', '{ things { ... on Things { nodes { ... on Thing { owner { name } } } } } }'],
    ['in an inline fragment without a type', '{ things { ... { nodes { ... { owner { name } } } } } }'],
    [
      'in a named fragment',
      '{ things { ...page } } fragment page on Things { nodes { ...thing } } fragment thing on Thing { owner { name } }',
    ],
    [
      'in a fragment within a fragment',
      '{ things { ...outer } } fragment outer on Things { ... on Things { ...inner } } fragment inner on Things { edges { ... { node { owner { name } } } } }',
    ],
    [
      'in the second of two selections of one field',
      '{ things { nodes { name } } things { nodes { owner { name } } } }',
    ],
    ['in the second of two selections below', '{ things { nodes { name } nodes { owner { name } } } }'],
    ['where a directive may drop it', 'query ($yes: Boolean!) { things { nodes { owner @skip(if: $yes) { name } } } }'],
    [
      'where a directive may drop the fragment',
      'query ($yes: Boolean!) { things { ... @include(if: $yes) { nodes { owner { name } } } } }',
    ],
  ])('is found: %s', (_what, document) => {
    expect(hasSelected(document, node, 'owner')).toBe(true);
  });

  it.each([
    ['another field', '{ things { nodes { name } edges { cursor } totalCount } }'],
    ['the field at another place', '{ things { nodes { friend { owner { name } } } } }'],
    ['another field with the name as its alias', '{ things { nodes { owner: friend { name } } } }'],
    ['half of an alternative', '{ things { edges { cursor } } }'],
    ['nothing but __typename', '{ things { __typename } }'],
    [
      'a fragment that is spread at another place',
      '{ things { nodes { friend { ...thing } } } } fragment thing on Thing { owner { name } }',
    ],
  ])('is not found: %s', (_what, document) => {
    expect(hasSelected(document, node, 'owner')).toBe(false);
  });

  it('is found at every step of the path, and not beyond', () => {
    const document = '{ things { nodes { owner { home { name } } friend { name } } } }';
    expect(hasSelected(document, node)).toBe(true);
    expect(hasSelected(document, node, 'owner', 'home')).toBe(true);
    expect(hasSelected(document, node, 'owner', 'home', 'name')).toBe(true);
    expect(hasSelected(document, node, 'friend', 'home')).toBe(false);
    expect(hasSelected(document, node, 'owner', 'name')).toBe(false);
    expect(hasSelected(document, 'totalCount')).toBe(false);
    expect(hasSelected('{ things { totalCount } }', 'totalCount')).toBe(true);
    expect(hasSelected('{ things { totalCount } }', 'totalCount', 'more')).toBe(false);
  });

  it('is found with every combination of alternatives', () => {
    const document = '{ things { edges { node { friend { owner { name } } } } } }';
    expect(hasSelected(document, node, 'friend.owner|owner')).toBe(true);
    expect(hasSelected(document, node, 'owner|friend.owner', 'name')).toBe(true);
    expect(hasSelected(document, node, 'owner|friend.friend')).toBe(false);
  });
});

import 'reflect-metadata';
import { describe, expect, it } from '@jest/globals';
import { buildSchema, getOperationAST, GraphQLError, parse } from 'graphql';
import { measure, sizeRefusal, type OperationSize } from '../../src/graphql/query-limits.js';

const schema = buildSchema(`
  interface Named { name: String teams(first: Int): TeamConnection }
  type Person implements Named { name: String boss: Person teams(first: Int): TeamConnection friends: [Person!]! }
  type Team implements Named { name: String teams(first: Int): TeamConnection }
  union Thing = Person | Team
  type TeamEdge { node: Team }
  type TeamConnection { nodes: [Team!]! edges: [TeamEdge!]! totalCount: Int }
  type Query { me: Person anything: Thing named: Named teams(first: Int, last: Int): TeamConnection tags(first: Int): [String!] }
`);

/** The size of the one operation in the document. */
function sizeOf(text: string, variables: Record<string, unknown> = {}): OperationSize {
  const document = parse(text);
  const operation = getOperationAST(document);
  if (!operation) throw new Error('There is no operation.');
  return measure(schema, document, operation, variables);
}

describe('the size of an operation', () => {
  it('is nothing for nothing but __typename', () => {
    expect(sizeOf('{ __typename }')).toMatchObject({ depth: 1, aliases: 0, rootFields: 1, fields: 1, cost: 0 });
  });

  it('counts each object once', () => {
    expect(sizeOf('{ me { name boss { name boss { name } } } }')).toMatchObject({ depth: 4, cost: 3, fields: 6 });
  });

  it('counts the items of a page, asked by nodes or by edges', () => {
    expect(sizeOf('{ teams(first: 10) { nodes { name } } }').cost).toBe(11);
    expect(sizeOf('{ teams(first: 10) { edges { node { name } } } }').cost).toBe(21);
    expect(sizeOf('{ teams(last: 10) { totalCount } }').cost).toBe(11);
    expect(sizeOf('{ teams(first: 3, last: 10) { totalCount } }').cost).toBe(11);
    expect(sizeOf('{ teams { nodes { name } } }').cost).toBe(21);
  });

  it('counts a list without pages as five', () => {
    expect(sizeOf('{ me { friends { name } } }').cost).toBe(6);
    expect(sizeOf('{ me { friends { friends { name } } } }').cost).toBe(31);
  });

  it('looks into the types that a fragment on a union or an interface names', () => {
    expect(sizeOf('{ anything { __typename ... on Person { teams(first: 10) { totalCount } } ... on Team { teams(first: 20) { totalCount } } } }').cost).toBe(33);
    expect(sizeOf('{ named { teams(first: 10) { totalCount } } }').cost).toBe(12);
    expect(sizeOf('{ anything { ...P } } fragment P on Person { boss { name } }')).toMatchObject({ depth: 3, cost: 2 });
  });

  it('takes a page size from wherever it stands', () => {
    expect(sizeOf('query ($n: Int) { teams(first: $n) { totalCount } }', { n: 30 }).cost).toBe(31);
    expect(sizeOf('query ($n: Int = 40) { teams(first: $n) { totalCount } }').cost).toBe(41);
    expect(sizeOf('query ($n: Int = 40) { teams(first: $n) { totalCount } }', { n: null }).cost).toBe(21);
    expect(sizeOf('query ($n: Int = 40) { teams(first: $n) { totalCount } }', { n: undefined }).cost).toBe(41);
    expect(sizeOf('query ($n: Int) { teams(first: $n) { totalCount } }', { n: '90' }).cost).toBe(21);
  });

  it.each([
    ['1000000', 101],
    ['99999999999999999999999999', 101],
    ['0', 2],
    ['-5', 2],
    ['null', 21],
  ])('takes first: %s as a page that costs %d', (first, cost) => {
    expect(sizeOf(`{ teams(first: ${first}) { totalCount } }`).cost).toBe(cost);
  });

  it('is never less than it was by another page inside', () => {
    for (const first of [-1, 0, 1, 50, 1000]) {
      expect(sizeOf(`{ teams(first: 10) { nodes { teams(first: ${first}) { nodes { name } } } } }`).cost).toBeGreaterThan(sizeOf('{ teams(first: 10) { nodes { name } } }').cost);
    }
  });

  it('counts fragments at each spread, and takes milliseconds for what doubles a thousand times', () => {
    const chain = Array.from({ length: 1000 }, (_none, level) => `fragment F${level} on Person { x: name boss { ...F${level + 1} ...F${level + 1} } }`).join(' ');
    const document = `{ me { ...F0 } } ${chain} fragment F1000 on Person { name }`;
    const started = performance.now();
    const size = sizeOf(document);
    expect(performance.now() - started).toBeLessThan(200);
    expect(size.depth).toBe(1002);
    expect(size.cost).toBeGreaterThan(1e100);
    expect(size.aliases).toBeGreaterThan(1e100);
  });

  it('is without bound, not nothing, where numbers end', () => {
    const chain = Array.from({ length: 1200 }, (_none, level) => `fragment F${level} on Person { boss { ...F${level + 1} ...F${level + 1} } }`).join(' ');
    const size = sizeOf(`{ me { teams(first: 0) { totalCount } ...F0 } } ${chain} fragment F1200 on Person { a: name }`);
    expect(size).toMatchObject({ cost: Infinity, fields: Infinity });
  });

  it('counts introspection as one object, with its fields and aliases', () => {
    expect(sizeOf('{ __schema { a: types { fields { type { ofType { ofType { ofType { name } } } } } } } }')).toMatchObject({ depth: 1, cost: 1, aliases: 1, fields: 8 });
  });

  it('counts the root fields of all that is spread at the root', () => {
    expect(sizeOf('{ me { name } ...R ... on Query { ...R } } fragment R on Query { anything { __typename } me { name } }').rootFields).toBe(5);
  });
});

describe('a refusal before measuring', () => {
  it('is known by the words of the parser', () => {
    const thrown = (): unknown => {
      try {
        return parse('{ a b c d e f g h i j }', { maxTokens: 5 });
      } catch (error) {
        return error;
      }
    };
    expect(sizeRefusal(thrown() as GraphQLError)).toBe('The document has more than 5 tokens; ask in several operations.');
  });

  it('is not seen in other errors, whatever they quote', () => {
    expect(sizeRefusal(new GraphQLError('Syntax Error: Unexpected "Document contains more than 5 tokens."'))).toBeNull();
    expect(sizeRefusal(new GraphQLError('Cannot query field "x". Validation aborted.'))).toBeNull();
  });
});

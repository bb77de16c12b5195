import 'reflect-metadata';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  buildSchema,
  getOperationAST,
  isObjectType,
  parse,
  type DocumentNode,
  type OperationDefinitionNode,
} from 'graphql';
import { documentSize, type DocumentSize } from '../../src/graphql/server/document-limits.js';
import { measure, type OperationSize } from '../../src/graphql/server/operation-size.js';

const schema = buildSchema(`
  interface Named { name: String teams(first: Int): TeamConnection }
  type Person implements Named { name: String boss: Person teams(first: Int): TeamConnection friends: [Person!]! }
  type Team implements Named { name: String teams(first: Int): TeamConnection }
  union Thing = Person | Team
  type TeamEdge { node: Team }
  type TeamConnection { nodes: [Team!]! edges: [TeamEdge!]! totalCount: Int }
  type Query { me: Person anything: Thing named: Named teams(first: Int, last: Int): TeamConnection tags(first: Int): [String!] }
`);

function operationOf(document: DocumentNode): OperationDefinitionNode {
  const operation = getOperationAST(document);
  if (!operation) throw new Error('There is no operation.');
  return operation;
}

/** What the only operation in the document requests. */
function requestOf(text: string, variables: Record<string, unknown> = {}): OperationSize {
  const document = parse(text);
  return measure(schema, document, operationOf(document), variables);
}

/** The size of a document with one operation, and what the operation requests. */
const sizeOf = (text: string, variables: Record<string, unknown> = {}): DocumentSize & OperationSize => ({
  ...documentSize(parse(text)),
  ...requestOf(text, variables),
});

describe('the size of an operation', () => {
  it('is 0 for a document with only __typename', () => {
    expect(sizeOf('{ __typename }')).toMatchObject({ depth: 1, aliases: 0, rootFields: 1, fields: 1, cost: 0 });
  });

  it('counts each object once', () => {
    expect(sizeOf('{ me { name boss { name boss { name } } } }')).toMatchObject({ depth: 4, cost: 3, fields: 6 });
  });

  it('counts the items of a page, selected by nodes or by edges', () => {
    expect(sizeOf('{ teams(first: 10) { nodes { name } } }').cost).toBe(11);
    expect(sizeOf('{ teams(first: 10) { edges { node { name } } } }').cost).toBe(21);
    expect(sizeOf('{ teams(last: 10) { totalCount } }').cost).toBe(11);
    expect(sizeOf('{ teams(first: 3, last: 10) { totalCount } }').cost).toBe(11);
    expect(sizeOf('{ teams { nodes { name } } }').cost).toBe(21);
  });

  it('counts each condition on a column of a filter, from literals and variables', () => {
    const filtered = buildSchema(
      'scalar Filter type Team { name: String } type Query { teams(first: Int, filter: Filter): TeamConnection } type TeamConnection { nodes: [Team] }',
    );
    const costOf = (filter: string, variables: Record<string, unknown> = {}): number => {
      const document = parse(`query ($v: Filter) { teams(first: 10, filter: ${filter}) { nodes { name } } }`);
      return measure(filtered, document, operationOf(document), variables).cost - 11;
    };
    expect(costOf('{ search: "a", minAge: 3 }')).toBe(0);
    expect(costOf('{ age: { gt: 3, in: [1, 2, 3] }, or: [{ not: { age: { eq: 3 } } }, { name: { eq: $v } }] }')).toBe(
      4,
    );
    expect(costOf('{ age: $v }', { v: { gt: 3, lt: 4 } })).toBe(2);
    expect(
      costOf('$v', { v: { minAge: 3, and: [{ age: { gt: 3, in: [1, 2] } }, { department: { name: { eq: 'x' } } }] } }),
    ).toBe(3);
    expect(costOf('$v')).toBe(0);
    let nested: unknown = [];
    for (let level = 0; level < 100_000; level++) nested = [nested];
    expect(costOf('$v', { v: nested })).toBe(0);
  });

  it('counts a list without pages as five', () => {
    expect(sizeOf('{ me { friends { name } } }').cost).toBe(6);
    expect(sizeOf('{ me { friends { friends { name } } } }').cost).toBe(31);
  });

  it('counts the rows of a model, wide outputs as an object for each 256 elements', () => {
    const models = buildSchema(
      'type Result { output: Int } type Query { predict(model: String!, inputs: [Int!]!): [Result] predictNarrow(inputs: [Int!]!): [Result] }',
    );
    const fields = models.getQueryType()?.getFields() ?? {};
    Object.assign(fields.predict?.extensions ?? {}, { listSize: { lengthOf: 'inputs', modelOf: 'model' } });
    Object.assign(fields.predictNarrow?.extensions ?? {}, { listSize: { lengthOf: 'inputs', model: 'narrow' } });
    const outputElements = (model: string): number => ({ wide: 768, narrow: 255 })[model] ?? 0;
    const costOf = (text: string, variables: Record<string, unknown>): number => {
      const document = parse(text);
      const operation = getOperationAST(document);
      if (!operation) throw new Error('There is no operation.');
      return measure(models, document, operation, variables, { outputElements, rowMs: () => 0 }).cost;
    };
    const inputs = new Array(100).fill(1);
    const byVariable = 'query ($m: String!, $r: [Int!]!) { predict(model: $m, inputs: $r) { output } }';

    expect(costOf(byVariable, { m: 'wide', r: inputs })).toBe(400);
    expect(costOf(byVariable, { m: 'narrow', r: inputs })).toBe(100);
    expect(costOf(byVariable, { m: 'unknown', r: inputs })).toBe(100);
    expect(costOf('{ predict(model: "wide", inputs: [1, 2]) { output } }', {})).toBe(8);
    expect(costOf('query ($m: String = "wide") { predict(model: $m, inputs: [1]) { output } }', {})).toBe(4);
    expect(costOf('query ($r: [Int!]!) { predictNarrow(inputs: $r) { output } }', { r: inputs })).toBe(100);
  });

  it('counts what a model takes for the fields that it computes', () => {
    const people = buildSchema(
      'type Pay { value: Int } type Person { pay: Pay } type PersonConnection { nodes: [Person] } type Query { people(first: Int): PersonConnection }',
    );
    const [Person, document] = [people.getType('Person'), parse('{ people(first: 50) { nodes { pay { value } } } }')];
    const operation = getOperationAST(document);
    if (!isObjectType(Person) || !operation) throw new Error('The schema or the document is incomplete.');
    Object.assign(Person.getFields().pay?.extensions ?? {}, { computedBy: 'pay' });
    let ms = 0;
    const models = { outputElements: () => 0, rowMs: (model: string) => (model === 'pay' ? ms : 1000) };
    const cost = (): number => measure(people, document, operation, {}, models).cost;

    const withoutTime = cost();
    ms = 0.2;
    expect(cost()).toBe(withoutTime + 50 * 20);
    ms = 0.001;
    expect(cost()).toBe(withoutTime);
  });

  it('counts fragments on members of a union or an interface', () => {
    expect(
      sizeOf(
        '{ anything { __typename ... on Person { teams(first: 10) { totalCount } } ... on Team { teams(first: 20) { totalCount } } } }',
      ).cost,
    ).toBe(33);
    expect(sizeOf('{ named { teams(first: 10) { totalCount } } }').cost).toBe(12);
    expect(sizeOf('{ anything { ...P } } fragment P on Person { boss { name } }')).toMatchObject({ depth: 3, cost: 2 });
  });

  it('reads a page size from a literal, a variable or its default', () => {
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
  ])('counts first: %s as a page with cost %d', (first, cost) => {
    expect(sizeOf(`{ teams(first: ${first}) { totalCount } }`).cost).toBe(cost);
  });

  it('never decreases with a nested page', () => {
    for (const first of [-1, 0, 1, 50, 1000]) {
      expect(
        sizeOf(`{ teams(first: 10) { nodes { teams(first: ${first}) { nodes { name } } } } }`).cost,
      ).toBeGreaterThan(sizeOf('{ teams(first: 10) { nodes { name } } }').cost);
    }
  });

  it('counts fragments at each spread, in milliseconds even for exponential expansion', () => {
    const chain = Array.from(
      { length: 250 },
      (_none, level) => `fragment F${level} on Person { x: name boss { ...F${level + 1} ...F${level + 1} } }`,
    ).join(' ');
    const document = `{ me { ...F0 } } ${chain} fragment F250 on Person { name }`;
    const started = performance.now();
    const size = sizeOf(document);
    expect(performance.now() - started).toBeLessThan(200);
    expect(size.depth).toBe(252);
    expect(size.cost).toBeGreaterThan(1e70);
    expect(size.aliases).toBeGreaterThan(1e70);
  });

  it('is Infinity on overflow', () => {
    const chain = Array.from(
      { length: 300 },
      (_none, level) => `fragment F${level} on Person { boss { ${`...F${level + 1} `.repeat(16)} } }`,
    ).join(' ');
    const size = sizeOf(`{ me { teams(first: 0) { totalCount } ...F0 } } ${chain} fragment F300 on Person { a: name }`);
    expect(size).toMatchObject({ cost: Infinity, fields: Infinity });
  });

  it('counts introspection as one object, with its fields and aliases', () => {
    expect(
      sizeOf('{ __schema { a: types { fields { type { ofType { ofType { ofType { name } } } } } } } }'),
    ).toMatchObject({ depth: 1, cost: 1, aliases: 1, fields: 8 });
  });

  it.each([
    'me @skip(if: true) { a: name boss { name } }',
    'me @include(if: false) { a: name boss { name } }',
    '... @skip(if: true) { me { a: name } }',
    '... on Query @include(if: false) { a: me { name } }',
    '...F @skip(if: true)',
    'me @skip(if: $yes) { a: name boss { name } }',
    'me @include(if: $no) { a: name boss { name } }',
    '...F @include(if: $no)',
    'teams(first: 100) @skip(if: $default) { nodes { a: name } }',
    'me @include(if: true) @skip(if: true) { a: name }',
    '__schema @skip(if: $yes) { a: types { name } }',
  ])('does not count what a directive excludes: %s', (selection) => {
    const fragment = selection.includes('...F') ? 'fragment F on Query { a: me { boss { name } } }' : '';
    const variables = 'query ($yes: Boolean!, $no: Boolean!, $default: Boolean! = true)';
    expect(requestOf(`${variables} { __typename ${selection} } ${fragment}`, { yes: true, no: false })).toEqual(
      requestOf('{ __typename }'),
    );
  });

  it.each([
    ['@skip(if: false)', {}],
    ['@include(if: true)', {}],
    ['@skip(if: $condition)', { condition: false }],
    ['@skip(if: $condition)', { condition: null }],
    ['@skip(if: $condition)', { condition: 'true' }],
    ['@skip(if: $condition)', { condition: 1 }],
    ['@skip(if: $condition)', {}],
    ['@include(if: $condition)', { condition: true }],
    ['@include(if: $condition)', { condition: '' }],
    ['@include(if: $condition)', {}],
    ['@deprecated(if: true)', {}],
  ])('counts a field with %s and %o', (directive, variables) => {
    expect(requestOf(`query ($condition: Boolean!) { me ${directive} { a: name boss { name } } }`, variables)).toEqual(
      requestOf('{ me { a: name boss { name } } }'),
    );
  });

  it('knows whether it introspects, also in fragments', () => {
    expect(sizeOf('{ me { __typename } }').introspects).toBe(false);
    expect(sizeOf('{ ...F } fragment F on Query { a: __type(name: "Person") { name } }').introspects).toBe(true);
    expect(sizeOf('{ me { name } ... on Query { __schema { types { name } } } }').introspects).toBe(true);
  });

  it('counts the root fields of fragments at the root', () => {
    expect(
      sizeOf('{ me { name } ...R ... on Query { ...R } } fragment R on Query { anything { __typename } me { name } }')
        .rootFields,
    ).toBe(5);
  });

  it('does not depend on the names of variables', () => {
    const names = fc.oneof(
      fc.constantFrom('constructor', '__proto__', 'toString', 'valueOf', 'hasOwnProperty', 'isPrototypeOf'),
      fc.stringMatching(/^[_a-zA-Z]\w{0,20}$/),
    );
    const sizes = fc.option(fc.oneof(fc.integer({ min: -5, max: 200 }), fc.constant('70')), { nil: undefined });
    fc.assert(
      fc.property(names, sizes, fc.boolean(), sizes, (name, sent, isSkipped, fallback) => {
        const costWith = (first: string, second: string): number => {
          const byDefault = typeof fallback === 'number' ? ` = ${fallback}` : '';
          // As JSON has it: `__proto__` is a key like any other.
          const variables = Object.fromEntries([
            ...(sent === undefined ? [] : [[first, sent]]),
            [second, isSkipped],
          ]) as Record<string, unknown>;
          const text = `query ($${first}: Int${byDefault}, $${second}: Boolean = true) {
            me @include(if: $${second}) { name } teams(first: $${first}) { nodes { teams(first: $${first}) { totalCount } } } }`;
          return requestOf(text, variables).cost;
        };
        expect(costWith(name, 'a__second')).toBe(costWith('n', 'a__second'));
        expect(costWith('a__first', name)).toBe(costWith('a__first', 'n'));
      }),
      { numRuns: 500 },
    );
  });
});

describe('the size of a document', () => {
  it('is that of its largest operation, and the fields and directives of all', () => {
    const one = 'query A @a { me { a: name boss @a { name } } }';
    const two = 'query B($n: Int @a) { me { name } anything { __typename } }';
    expect(documentSize(parse(`${one} ${two}`))).toMatchObject({
      depth: 3,
      aliases: 1,
      rootFields: 2,
      fields: 4 + 4,
      directives: 3,
      directivesAtOneLocation: 1,
    });
  });

  it('includes fragments that are unused or repeat a name', () => {
    const fragment = 'fragment F on Person { name boss { name } }';
    expect(documentSize(parse(`{ me { name } } ${fragment}`)).fields).toBe(2 + 3);
    expect(documentSize(parse(`{ me { ...F } } ${fragment} ${fragment}`)).fields).toBe(2 + 3 + 3);
  });

  it('ends on cycles of fragments', () => {
    const cycle = 'fragment F on Person { boss { ...G ...G } } fragment G on Person { boss { ...F ...F ...G } }';
    expect(documentSize(parse(`{ me { ...F } } ${cycle}`)).isCyclic).toBe(true);
    expect(documentSize(parse(`{ me { name } } ${cycle}`)).isCyclic).toBe(true);
    expect(documentSize(parse('{ me { ...F ...F } } fragment F on Person { name }')).isCyclic).toBe(false);
  });
});

import { describe, expect, it } from '@jest/globals';
import {
  buildSchema,
  getOperationAST,
  isInputObjectType,
  isInterfaceType,
  isObjectType,
  parse,
  validate,
  type GraphQLSchema,
} from 'graphql';
import type { CacheExtensions } from '../../src/graphql/schema/cache-control.js';
import {
  assertCacheHints,
  CachePolicies,
  entitiesChangedBy,
  type CachePolicy,
} from '../../src/graphql/caching/cache-policy.js';
import { guardSchema } from '../../src/graphql/permissions/guard-schema.js';
import { allow, isSignedIn } from '../../src/graphql/permissions/rules.js';

const sdl = `
  type Query { hinted: String short: String plain: String news: News unhinted: News public: News item: Item thing: Thing count: Int
    found(filter: NewsFilter, size: Int): News }
  input NewsFilter { author: String }
  type Mutation { change: String other: String silent: String }
  type News { title: String secret: String author: Author inherited: Author list: [Author!] mine: String }
  type Author { name: String news: News }
  interface Item { id: ID link: Author next: Item }
  type Book implements Item { id: ID link: Author next: Item pages: Int }
  type Film implements Item { id: ID link: Author next: Item }
  union Thing = Book | Film
`;

/** A schema with these hints: by type, or by type and field. */
function schemaWith(hints: Record<string, CacheExtensions>): GraphQLSchema {
  const schema = buildSchema(sdl);
  for (const [at, extensions] of Object.entries(hints)) {
    const [typeName = '', fieldName] = at.split('.');
    const type = schema.getType(typeName);
    if (!isObjectType(type) && !isInterfaceType(type) && !isInputObjectType(type))
      throw new Error(`There is no type ${typeName}.`);
    const target = fieldName === undefined ? type : type.getFields()[fieldName];
    if (!target) throw new Error(`There is no field ${at}.`);
    target.extensions = { ...target.extensions, ...extensions };
  }
  return schema;
}

const hint = (cacheControl: CacheExtensions['cacheControl'] = {}): CacheExtensions => ({ cacheControl });
const open: Record<string, CacheExtensions> = {
  'Query.hinted': hint({ maxAge: 100 }),
  'Query.short': hint({ maxAge: 5 }),
  'Query.news': hint({ maxAge: 60 }),
  'Query.public': hint({ maxAge: 60, scope: 'PUBLIC' }),
  'Query.item': hint({ maxAge: 50 }),
  'Query.thing': hint({ maxAge: 50 }),
  'Query.count': hint({ maxAge: 40, of: ['Book'] }),
  'Query.found': hint({ maxAge: 60 }),
  NewsFilter: hint({ of: ['Author'] }),
  'News.inherited': hint({ inheritMaxAge: true }),
  'News.list': hint({ inheritMaxAge: true }),
  'News.mine': hint({ scope: 'PRIVATE' }),
  'Book.pages': hint({ maxAge: 20 }),
  'Item.link': hint({ inheritMaxAge: true }),
  'Book.link': hint({ inheritMaxAge: true }),
  'Film.link': hint({ maxAge: 15 }),
};

function policyOf(
  query: string,
  schema = schemaWith(open),
  policies = new CachePolicies({ maxAge: 30, scope: 'PUBLIC' }),
): CachePolicy {
  const document = parse(query);
  expect(validate(schema, document)).toEqual([]);
  const operation = getOperationAST(document);
  if (!operation) throw new Error('There is no operation.');
  return policies.of(schema, document, operation);
}
const age = (query: string): number => policyOf(query).maxAgeSeconds;

describe('an argument', () => {
  it('makes a response depend on the types that its filter has conditions on', () => {
    expect(policyOf('{ found(size: 3) { title } }').entities).toEqual(['News']);
    expect(policyOf('{ found(filter: { author: "a" }) { title } }').entities).toEqual(['Author', 'News']);
    expect(policyOf('query ($filter: NewsFilter) { found(filter: $filter) { title } }').entities).toEqual([
      'Author',
      'News',
    ]);
  });
});

describe('the maximum age of an operation', () => {
  it('is the shortest of its fields', () => {
    expect(age('{ hinted }')).toBe(100);
    expect(age('{ hinted short }')).toBe(5);
    expect(age('{ news { title } hinted }')).toBe(60);
  });

  it('is 0 with a root field or an object field without a hint', () => {
    expect(age('{ plain hinted }')).toBe(0);
    expect(age('{ unhinted { title } }')).toBe(0);
    expect(age('{ news { title author { name } } }')).toBe(0);
  });

  it('is inherited from the parent by leaf fields and with inheritMaxAge', () => {
    expect(age('{ news { title inherited { name } list { name } } }')).toBe(60);
    expect(age('{ news { inherited { news { title } } } }')).toBe(0);
  });

  it('is that of the field, otherwise that of its type', () => {
    const schema = schemaWith({ ...open, News: hint({ maxAge: 10 }) });
    expect(policyOf('{ unhinted { title } }', schema).maxAgeSeconds).toBe(10);
    expect(policyOf('{ news { title } }', schema).maxAgeSeconds).toBe(60);
  });

  it('includes fields of fragments and fields with @skip and @include', () => {
    expect(
      age(
        '{ ...A ...A hinted } fragment A on Query { news { ...B } } fragment B on News { title ... { author { name } } }',
      ),
    ).toBe(0);
    expect(age('query ($no: Boolean!) { hinted short @include(if: $no) }')).toBe(5);
    expect(age('query ($no: Boolean!) { hinted ... @skip(if: $no) { plain } }')).toBe(0);
  });

  it('includes the hints of all possible types of an interface or a union', () => {
    expect(age('{ item { id } }')).toBe(50);
    expect(age('{ item { ... on Book { pages } } }')).toBe(20);
    expect(age('{ thing { ... on Book { pages } } }')).toBe(20);
    expect(age('{ item { link { name } } }')).toBe(15);
    expect(age('{ item { ... on Book { link { name } } } }')).toBe(50);
  });

  it('is 0 for only __typename, for mutations, and for a hint of 0', () => {
    expect(age('{ __typename }')).toBe(0);
    expect(age('mutation { change }')).toBe(0);
    expect(
      policyOf('{ hinted short }', schemaWith({ ...open, 'Query.short': hint({ maxAge: 0 }) })).maxAgeSeconds,
    ).toBe(0);
  });

  it('is that of introspection for introspection queries', () => {
    expect(policyOf('{ __schema { queryType { name } } }')).toEqual({
      maxAgeSeconds: 30,
      isPublic: true,
      entities: [],
    });
    expect(policyOf('{ __type(name: "News") { name } }', schemaWith(open), new CachePolicies({})).maxAgeSeconds).toBe(
      0,
    );
  });

  it('is computed once per document and schema', () => {
    const policies = new CachePolicies({});
    const schema = schemaWith(open);
    const document = parse('{ hinted }');
    const operation = getOperationAST(document);
    if (!operation) throw new Error('There is no operation.');
    const first = policies.of(schema, document, operation);
    expect(policies.of(schema, document, operation)).toBe(first);
    expect(policies.of(schemaWith({ 'Query.hinted': hint({ maxAge: 1 }) }), document, operation).maxAgeSeconds).toBe(1);
  });

  it('is computed fast for nested abstract types', () => {
    const inherits = Object.fromEntries(
      ['Item', 'Book', 'Film'].map((type) => [`${type}.next`, hint({ inheritMaxAge: true })]),
    );
    const nested = (depth: number): string => (depth === 0 ? 'link { name }' : `next { ${nested(depth - 1)} }`);
    const start = performance.now();
    // A walk of every possible type at every level would take 3 ** 40 steps.
    expect(policyOf(`{ item { ${nested(40)} } }`, schemaWith({ ...open, ...inherits })).maxAgeSeconds).toBe(15);
    expect(performance.now() - start).toBeLessThan(5000);
  });
});

describe('the scope of an operation', () => {
  const isPublic = (query: string, schema = schemaWith(open)): boolean => policyOf(query, schema).isPublic;

  it('is public only if each root field is public', () => {
    expect(isPublic('{ public { title } }')).toBe(true);
    expect(isPublic('{ hinted }')).toBe(false);
    expect(isPublic('{ public { title } hinted }')).toBe(false);
    expect(isPublic('{ public { title } __schema { queryType { name } } }')).toBe(true);
  });

  it('is not public with a PRIVATE or guarded field at any level', () => {
    const guarded = guardSchema(schemaWith(open), [
      {
        Query: Object.fromEntries(
          ['hinted', 'short', 'plain', 'news', 'unhinted', 'public', 'item', 'thing', 'count', 'found'].map((name) => [
            name,
            allow,
          ]),
        ),
      },
      { Mutation: { change: allow, other: allow, silent: allow }, News: { secret: isSignedIn } },
    ]);
    expect(isPublic('{ public { mine } }', guarded)).toBe(false);
    expect(isPublic('{ public { title } }', guarded)).toBe(true);
    expect(isPublic('{ public { secret } }', guarded)).toBe(false);
    expect(
      isPublic('{ public { ...A } } fragment A on News { inherited { name } ... on News { secret } }', guarded),
    ).toBe(false);
  });
});

describe('the entities of an operation', () => {
  it('are the types that it selects, and those in hints', () => {
    expect(policyOf('{ news { title inherited { name } } }').entities).toEqual(['Author', 'News']);
    expect(policyOf('{ count }').entities).toEqual(['Book']);
    expect(policyOf('{ item { id } }').entities).toEqual(['Book', 'Film', 'Item']);
    expect(policyOf('{ thing { ... on Film { id } } }').entities).toEqual(['Book', 'Film', 'Thing']);
  });

  it('changed by a mutation are those in the hints of its fields', () => {
    const schema = schemaWith({
      'Mutation.change': { invalidates: ['News'] },
      'Mutation.other': { invalidates: ['Author', 'News'] },
      'Mutation.silent': { invalidates: [] },
    });
    const changed = (query: string): string[] => {
      const document = parse(query);
      const operation = getOperationAST(document);
      return operation ? entitiesChangedBy(schema, document, operation).sort() : [];
    };
    expect(changed('mutation { change }')).toEqual(['News']);
    expect(changed('mutation { silent }')).toEqual([]);
    expect(
      changed(
        'mutation { a: silent ...A } fragment A on Mutation { ... { other } ...B } fragment B on Mutation { change }',
      ),
    ).toEqual(['Author', 'News']);
    expect(changed('{ hinted }')).toEqual([]);
  });
});

describe('the check of cache hints', () => {
  const silent = {
    'Mutation.change': { invalidates: [] },
    'Mutation.other': { invalidates: ['News'] },
    'Mutation.silent': { invalidates: [] },
  };

  it('accepts a schema in which every mutation declares its changes', () => {
    expect(() => assertCacheHints(schemaWith({ ...open, ...silent }))).not.toThrow();
  });

  it('names each mutation without a declaration', () => {
    expect(() => assertCacheHints(schemaWith({ 'Mutation.other': { invalidates: [] } }))).toThrow(
      /mutations without @Invalidates.*: Mutation\.change, Mutation\.silent/,
    );
  });

  it('names entities that are not types', () => {
    expect(() =>
      assertCacheHints(
        schemaWith({
          ...silent,
          'Mutation.change': { invalidates: ['Newz'] },
          'Query.count': hint({ maxAge: 1, of: ['Nobody'] }),
        }),
      ),
    ).toThrow(/not types of the schema: Nobody \(Query\.count\), Newz \(Mutation\.change\)/);
  });

  it.each([
    ['by its own hint', { 'Query.public': hint({ maxAge: 60, scope: 'PUBLIC' }) }],
    ['by the hint of its type', { News: hint({ maxAge: 60, scope: 'PUBLIC' }) }],
  ] as [string, Record<string, CacheExtensions>][])(
    'rejects a guarded field that is made public %s',
    (_what, hints) => {
      const rules = { Query: { public: isSignedIn } };
      const others = Object.fromEntries(
        ['hinted', 'short', 'plain', 'news', 'unhinted', 'item', 'thing', 'count', 'found'].map((name) => [
          name,
          allow,
        ]),
      );
      const guard = (schema: GraphQLSchema) =>
        guardSchema(schema, [rules, { Query: others, Mutation: { change: allow, other: allow, silent: allow } }]);
      expect(() => assertCacheHints(guard(schemaWith({ ...silent, ...hints })))).toThrow(
        /guarded fields with a PUBLIC hint: Query\.public/,
      );
      expect(() =>
        assertCacheHints(guard(schemaWith({ ...silent, 'Query.public': hint({ maxAge: 60 }) }))),
      ).not.toThrow();
    },
  );
});

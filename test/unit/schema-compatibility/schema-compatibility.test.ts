import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { buildSchema, parse, validate } from 'graphql';
import {
  checkCompatibility,
  countLiveDocuments,
  describeAffected,
} from '../../../src/schema-compatibility/schema-compatibility.js';
import type { LiveDocument } from '../../../src/persisted-documents/trusted-documents.js';
import { usageOf } from '../../../src/schema-compatibility/field-usage.js';

const released = `
  directive @slow(limit: Int) on FIELD | QUERY
  type Query {
    employees(filter: Filter, first: Int, color: Color = RED): [Employee!]!
    employee(id: ID!): Employee
    search(text: String): [Found!]!
    thing: Thing
    odd: String
  }
  interface Thing { id: ID! }
  type Employee implements Thing { id: ID! name: String! nick: String age: Int! color: Color boss: Employee }
  type Team implements Thing { id: ID! title(short: Boolean): String }
  union Found = Employee | Team
  input Filter { name: String age: Int inner: Inner colors: [Color!] }
  input Inner { deep: String other: Int }
  enum Color { RED GREEN }
`;

const document = (text: string, id = 'd1'): LiveDocument => ({ client: 'web', version: '1.2.0', id, text });

/** Checks the documents against the released schema with `from` replaced by `to`. */
async function change(from: string, to: string, ...texts: string[]) {
  expect(released).toContain(from);
  return checkCompatibility(
    buildSchema(released),
    buildSchema(released.replace(from, to)),
    texts.map((text, at) => document(text, `d${at + 1}`)),
  );
}

const all = (fields: string) => `query All($filter: Filter) {\n  employees(filter: $filter) {\n    ${fields}\n  }\n}`;

describe('a breaking change', () => {
  it('affects documents that use a removed field, with the position, and no others', async () => {
    const { affected, unaffected } = await change('nick: String', '', all('name'), all('id nick'));
    expect(affected).toMatchObject([
      { document: { id: 'd2' }, operation: 'All', line: 3, column: 8, coordinate: 'Employee.nick' },
    ]);
    expect(unaffected).toEqual([]);
    expect(affected.map(describeAffected)).toEqual([
      "client web 1.2.0, document d2 (All), line 3, column 8: Field 'nick' was removed from object type 'Employee'.",
    ]);
  });

  it('is reported without affected documents if no document uses it', async () => {
    const { affected, unaffected, dangerous } = await change('odd: String', '', all('name'), '{ thing { id } }');
    expect([affected, dangerous]).toEqual([[], []]);
    expect(unaffected).toEqual([
      { coordinate: 'Query.odd', message: "Field 'odd' was removed from object type 'Query'" },
    ]);
  });

  // Name of the change, text before and after, an affected document, and an unaffected one.
  const named = 'query Q { thing { id } }';
  it.each([
    ['a field’s type', 'age: Int!', 'age: String!', '{ employee(id: 1) { age } }', '{ employee(id: 1) { name } }'],
    [
      'a field that becomes nullable',
      'name: String!',
      'name: String',
      '{ employee(id: 1) { name } }',
      '{ employee(id: 1) { age } }',
    ],
    [
      'a field that becomes a list',
      'nick: String',
      'nick: [String]',
      '{ employee(id: 1) { nick } }',
      '{ employee(id: 1) { name } }',
    ],
    [
      'a field of a fragment',
      'nick: String',
      '',
      '{ employee(id: 1) { ...F } } fragment F on Employee { nick }',
      '{ employee(id: 1) { ...F } } fragment F on Employee { name }',
    ],
    ['a removed argument', 'employees(filter: Filter, ', 'employees(', all('id'), '{ employees(first: 1) { id } }'],
    [
      'an argument of another type',
      'first: Int',
      'first: String',
      '{ employees(first: 1) { id } }',
      '{ employees { id } }',
    ],
    [
      'an argument that becomes required',
      'search(text: String)',
      'search(text: String!)',
      '{ search { __typename } }',
      '{ thing { id } }',
    ],
    [
      'a new required argument',
      'search(text: String)',
      'search(text: String, size: Int!)',
      '{ search(text: "a") { __typename } }',
      '{ thing { id } }',
    ],
    [
      'a new required input field in a variable',
      'input Filter { name: String',
      'input Filter { name: String must: Int!',
      all('id'),
      '{ employees(first: 1) { id } }',
    ],
    [
      'a new required input field in a literal',
      'input Inner { deep: String',
      'input Inner { deep: String must: Int!',
      '{ employees(filter: { inner: { deep: "a" } }) { id } }',
      '{ employees(filter: { age: 3 }) { id } }',
    ],
    [
      'a removed input field in a variable',
      'other: Int',
      '',
      all('id'),
      '{ employees(filter: { inner: { deep: "a" } }) { id } }',
    ],
    [
      'a removed input field in a literal',
      'age: Int inner',
      'inner',
      '{ employees(filter: { age: 3 }) { id } }',
      '{ employees(filter: { name: "a" }) { id } }',
    ],
    [
      'an input field of another type',
      'deep: String',
      'deep: Int',
      all('id'),
      '{ employees(filter: { inner: { other: 1 } }) { id } }',
    ],
    [
      'an input field that becomes required',
      'input Filter { name: String ',
      'input Filter { name: String! ',
      '{ employees(filter: { age: 3 }) { id } }',
      '{ employees { id } }',
    ],
    [
      'a removed enum value in a literal',
      'RED GREEN',
      'RED',
      '{ employees(color: GREEN) { id } }',
      '{ employees(color: RED) { id } }',
    ],
    [
      'a removed enum value in a variable',
      'RED GREEN',
      'RED',
      'query ($c: Color) { employees(color: $c) { id } }',
      '{ employees { color } }',
    ],
    [
      'a removed enum value in an input variable',
      'RED GREEN',
      'RED',
      all('id'),
      '{ employees(filter: { name: "a" }) { id } }',
    ],
    [
      'a removed member of a union',
      'Found = Employee | Team',
      'Found = Employee',
      '{ search(text: "a") { ... on Team { id } } }',
      named,
    ],
    [
      'a removed interface of a type',
      'Team implements Thing',
      'Team',
      '{ thing { ... on Team { id } } }',
      '{ search { ... on Team { id } } }',
    ],
    ['a removed directive', 'directive @slow(limit: Int) on FIELD | QUERY', '', 'query @slow { thing { id } }', named],
    [
      'a removed argument of a directive',
      '@slow(limit: Int)',
      '@slow',
      '{ thing @slow(limit: 3) { id } }',
      '{ thing @slow { id } }',
    ],
    ['a removed location of a directive', 'FIELD | QUERY', 'FIELD', 'query @slow { thing { id } }', named],
    ['a required argument of a directive', '@slow(limit: Int)', '@slow(limit: Int!)', '{ thing @slow { id } }', named],
    [
      'a type that becomes another kind',
      'union Found = Employee | Team',
      'type Found { id: ID! }',
      '{ search { ... on Team { id } } }',
      named,
    ],
  ])('affects documents that use %s, and no others', async (_what, from, to, uses, doesNot) => {
    const { affected } = await change(from, to, uses, doesNot);
    expect(new Set(affected.map(({ document: { id } }) => id))).toEqual(new Set(['d1']));
    for (const { line, message } of affected) {
      expect(line).toBeLessThanOrEqual(2);
      expect(message).not.toBe('');
    }
    const { affected: none, unaffected } = await change(from, to, doesNot);
    expect(none).toEqual([]);
    expect(unaffected.length).toBeGreaterThan(0);
  });

  it('affects documents that use a removed type', async () => {
    const without = released.replace(/type Team [^}]*}/, '').replace('Employee | Team', 'Employee');
    const { affected } = await checkCompatibility(buildSchema(released), buildSchema(without), [
      document('{ search { ... on Team { id } } }', 'a'),
      document(all('id'), 'b'),
    ]);
    expect(new Set(affected.map(({ document: { id } }) => id))).toEqual(new Set(['a']));
  });

  it('names the operation that spreads the fragment, or null if it is unnamed', async () => {
    const two =
      'query A { thing { id } }\nquery B { employee(id: 1) { ...Outer } }\nfragment Outer on Employee { ...Inner }\nfragment Inner on Employee { nick }';
    const { affected } = await change('nick: String', '', two, '{ employee(id: 1) { nick } }');
    expect(affected.map(({ operation, line, column }) => [operation, line, column])).toEqual([
      ['B', 4, 30],
      [null, 1, 21],
    ]);
    expect(countLiveDocuments(affected)).toBe('2 live documents');
  });
});

describe('a compatible change', () => {
  it('affects no document', async () => {
    expect(await change('nick: String', 'nick: String extra: Int', all('nick'))).toEqual({
      affected: [],
      unaffected: [],
      dangerous: [],
    });
    expect(await checkCompatibility(buildSchema(released), buildSchema(released), [document(all('nick'))])).toEqual({
      affected: [],
      unaffected: [],
      dangerous: [],
    });
  });

  it('is reported as dangerous if clients may behave differently', async () => {
    const { affected, unaffected, dangerous } = await change('RED GREEN', 'RED GREEN BLUE', all('color'));
    expect([affected, unaffected]).toEqual([[], []]);
    expect(dangerous).toEqual([{ coordinate: 'Color.BLUE', message: "Enum value 'BLUE' was added to enum 'Color'" }]);
  });

  it('affects a document that it makes invalid', async () => {
    // A stricter type breaks nothing by itself, but two fields with the same alias then have different types.
    const same = '{ search { ... on Employee { label: nick } ... on Team { label: title } } }';
    const { affected, unaffected } = await change(
      'nick: String',
      'nick: String!',
      same,
      '{ employee(id: 1) { nick } }',
    );
    expect(unaffected).toEqual([]);
    expect(affected).toMatchObject([{ document: { id: 'd1' }, line: 1, message: expect.stringContaining('label') }]);
  });
});

describe('a document', () => {
  it('is ignored if it was invalid before or cannot be parsed', async () => {
    expect((await change('odd: String', 'odd: Int', '{ nothing }', 'not a document', '')).affected).toEqual([]);
  });

  it('has only fields of its schema in its usage, not later ones', () => {
    expect([...usageOf(buildSchema(released), parse('{ newer { id } employee(id: 1) { newer } }')).keys()]).toEqual([
      'Query',
      'Query.employee',
      'Employee',
      'Query.employee.id',
    ]);
  });
});

describe('a random change', () => {
  const coordinates = [
    'nick: String',
    'age: Int!',
    'odd: String',
    'title(short: Boolean): String',
    'deep: String',
    'other: Int',
    'RED ',
    ' GREEN',
    'boss: Employee',
    ', first: Int',
    'inner: Inner',
    '| Team',
  ];
  const selections = [
    'odd',
    'thing { id }',
    'employee(id: 1) { nick }',
    'employee(id: 1) { age boss { name } }',
    'employees(first: 2) { id }',
    'employees(filter: $f) { id }',
    'employees(color: GREEN) { color }',
    'employees(filter: { inner: { deep: "a" } }) { id }',
    'search { ... on Team { title(short: true) } }',
  ];

  it('affects documents that become invalid or use removed fields, and no others', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...coordinates),
        fc.subarray(selections, { minLength: 1 }),
        async (gone, selected) => {
          const [before, after] = [
            buildSchema(released),
            buildSchema(
              released
                .replace(gone, '')
                .replace(/input Inner \{ *\}/, 'input Inner { x: Int }')
                .replace(' = RED', gone === 'RED ' ? '' : ' = RED'),
            ),
          ];
          const fields = selected.map((selection, at) => `f${at}: ${selection}`).join(' ');
          const text = fields.includes('$f') ? `query ($f: Filter) { ${fields} }` : `{ ${fields} }`;
          expect(validate(before, parse(text))).toEqual([]);
          const { affected, unaffected } = await checkCompatibility(before, after, [document(text)]);
          const usage = usageOf(before, parse(text));
          const uses = [...affected, ...unaffected].some(({ coordinate }) => usage.has(coordinate));
          expect(affected.length > 0).toBe(uses || validate(after, parse(text)).length > 0);
          for (const { coordinate } of unaffected) expect(usage.has(coordinate)).toBe(false);
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('the check of many documents', () => {
  it('yields to the event loop', async () => {
    const bosses = Array.from({ length: 20 }, (_, at) => `boss${at}: boss { name boss { name } }`).join(' ');
    const texts = Array.from({ length: 1_000 }, (_, at) =>
      document(`query Q${at} { employees(first: ${at}) { id name nick color ${bosses} } }`, `d${at}`),
    );
    let turns = 0;
    const turn = (): void => {
      turns += 1;
      handle = setImmediate(turn);
    };
    let handle = setImmediate(turn);
    const { affected } = await checkCompatibility(
      buildSchema(released),
      buildSchema(released.replace('nick: String', '')),
      texts,
    );
    clearImmediate(handle);
    expect(countLiveDocuments(affected)).toBe('1000 live documents');
    expect(turns).toBeGreaterThan(2);
  });
});

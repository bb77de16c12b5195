import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { buildSchema, parse, validate } from 'graphql';
import { contractProblems } from '../../../src/contract/contract.js';
import type { LiveDocument } from '../../../src/documents/trusted-documents.js';
import { usageOf } from '../../../src/contract/usage.js';
import { inWords, liveDocumentsIn } from '../../../src/contract/words.js';

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

/** What the documents feel where, in the released schema, `from` becomes `to`. */
async function change(from: string, to: string, ...texts: string[]) {
  expect(released).toContain(from);
  return contractProblems(buildSchema(released), buildSchema(released.replace(from, to)), texts.map((text, at) => document(text, `d${at + 1}`)));
}

const all = (fields: string) => `query All($filter: Filter) {\n  employees(filter: $filter) {\n    ${fields}\n  }\n}`;

describe('a breaking change', () => {
  it('is felt by who uses a field that goes, with the place, and not by who does not', async () => {
    const { felt, unfelt } = await change('nick: String', '', all('name'), all('id nick'));
    expect(felt).toMatchObject([{ document: { id: 'd2' }, operation: 'All', line: 3, column: 8, coordinate: 'Employee.nick' }]);
    expect(unfelt).toEqual([]);
    expect(felt.map(inWords)).toEqual(["client web 1.2.0, document d2 (All), line 3, column 8: Field 'nick' was removed from object type 'Employee'."]);
  });

  it('that nobody uses is told, and felt by nobody', async () => {
    const { felt, unfelt, dangerous } = await change('odd: String', '', all('name'), '{ thing { id } }');
    expect([felt, dangerous]).toEqual([[], []]);
    expect(unfelt).toEqual([{ coordinate: 'Query.odd', message: "Field 'odd' was removed from object type 'Query'" }]);
  });

  // What changes, how; a document that feels it, at the line and column; one that does not.
  const named = 'query Q { thing { id } }';
  it.each([
    ['a field’s type', 'age: Int!', 'age: String!', '{ employee(id: 1) { age } }', '{ employee(id: 1) { name } }'],
    ['a field that may be null', 'name: String!', 'name: String', '{ employee(id: 1) { name } }', '{ employee(id: 1) { age } }'],
    ['a field that becomes a list', 'nick: String', 'nick: [String]', '{ employee(id: 1) { nick } }', '{ employee(id: 1) { name } }'],
    ['a field of a fragment', 'nick: String', '', '{ employee(id: 1) { ...F } } fragment F on Employee { nick }', '{ employee(id: 1) { ...F } } fragment F on Employee { name }'],
    ['an argument that goes', 'employees(filter: Filter, ', 'employees(', all('id'), '{ employees(first: 1) { id } }'],
    ['an argument of another type', 'first: Int', 'first: String', '{ employees(first: 1) { id } }', '{ employees { id } }'],
    ['an argument that must be given', 'search(text: String)', 'search(text: String!)', '{ search { __typename } }', '{ thing { id } }'],
    ['a new argument that must be given', 'search(text: String)', 'search(text: String, size: Int!)', '{ search(text: "a") { __typename } }', '{ thing { id } }'],
    ['a new input field that must be given, of a variable', 'input Filter { name: String', 'input Filter { name: String must: Int!', all('id'), '{ employees(first: 1) { id } }'],
    ['a new input field that must be given, of a literal', 'input Inner { deep: String', 'input Inner { deep: String must: Int!', '{ employees(filter: { inner: { deep: "a" } }) { id } }', '{ employees(filter: { age: 3 }) { id } }'],
    ['an input field that goes, reached by a variable', 'other: Int', '', all('id'), '{ employees(filter: { inner: { deep: "a" } }) { id } }'],
    ['an input field that goes, of a literal', 'age: Int inner', 'inner', '{ employees(filter: { age: 3 }) { id } }', '{ employees(filter: { name: "a" }) { id } }'],
    ['an input field of another type', 'deep: String', 'deep: Int', all('id'), '{ employees(filter: { inner: { other: 1 } }) { id } }'],
    ['an input field that becomes required', 'input Filter { name: String ', 'input Filter { name: String! ', '{ employees(filter: { age: 3 }) { id } }', '{ employees { id } }'],
    ['an enum value of a literal', 'RED GREEN', 'RED', '{ employees(color: GREEN) { id } }', '{ employees(color: RED) { id } }'],
    ['an enum value that a variable may have', 'RED GREEN', 'RED', 'query ($c: Color) { employees(color: $c) { id } }', '{ employees { color } }'],
    ['an enum value in an input that a variable has', 'RED GREEN', 'RED', all('id'), '{ employees(filter: { name: "a" }) { id } }'],
    ['a member of a union', 'Found = Employee | Team', 'Found = Employee', '{ search(text: "a") { ... on Team { id } } }', named],
    ['an interface of a type', 'Team implements Thing', 'Team', '{ thing { ... on Team { id } } }', '{ search { ... on Team { id } } }'],
    ['a directive that goes', 'directive @slow(limit: Int) on FIELD | QUERY', '', 'query @slow { thing { id } }', named],
    ['an argument of a directive that goes', '@slow(limit: Int)', '@slow', '{ thing @slow(limit: 3) { id } }', '{ thing @slow { id } }'],
    ['a place of a directive', 'FIELD | QUERY', 'FIELD', 'query @slow { thing { id } }', named],
    ['an argument of a directive that must be given', '@slow(limit: Int)', '@slow(limit: Int!)', '{ thing @slow { id } }', named],
    ['a type that becomes another kind', 'union Found = Employee | Team', 'type Found { id: ID! }', '{ search { ... on Team { id } } }', named],
  ])('is felt by who uses %s, and by nobody else', async (_what, from, to, uses, doesNot) => {
    const { felt } = await change(from, to, uses, doesNot);
    expect(new Set(felt.map(({ document: { id } }) => id))).toEqual(new Set(['d1']));
    for (const { line, message } of felt) {
      expect(line).toBeLessThanOrEqual(2);
      expect(message).not.toBe('');
    }
    const { felt: none, unfelt } = await change(from, to, doesNot);
    expect(none).toEqual([]);
    expect(unfelt.length).toBeGreaterThan(0);
  });

  it('of a whole type is felt by who reaches it', async () => {
    const without = released.replace(/type Team [^}]*}/, '').replace('Employee | Team', 'Employee');
    const { felt } = await contractProblems(buildSchema(released), buildSchema(without), [document('{ search { ... on Team { id } } }', 'a'), document(all('id'), 'b')]);
    expect(new Set(felt.map(({ document: { id } }) => id))).toEqual(new Set(['a']));
  });

  it('names the operation that spreads the fragment, and none where it has no name', async () => {
    const two = 'query A { thing { id } }\nquery B { employee(id: 1) { ...Outer } }\nfragment Outer on Employee { ...Inner }\nfragment Inner on Employee { nick }';
    const { felt } = await change('nick: String', '', two, '{ employee(id: 1) { nick } }');
    expect(felt.map(({ operation, line, column }) => [operation, line, column])).toEqual([
      ['B', 4, 30],
      [null, 1, 21],
    ]);
    expect(liveDocumentsIn(felt)).toBe('2 live documents');
  });
});

describe('a change that breaks nothing', () => {
  it('is felt by nobody', async () => {
    expect(await change('nick: String', 'nick: String extra: Int', all('nick'))).toEqual({ felt: [], unfelt: [], dangerous: [] });
    expect(await contractProblems(buildSchema(released), buildSchema(released), [document(all('nick'))])).toEqual({ felt: [], unfelt: [], dangerous: [] });
  });

  it('is told where a client may behave otherwise for it', async () => {
    const { felt, unfelt, dangerous } = await change('RED GREEN', 'RED GREEN BLUE', all('color'));
    expect([felt, unfelt]).toEqual([[], []]);
    expect(dangerous).toEqual([{ coordinate: 'Color.BLUE', message: "Enum value 'BLUE' was added to enum 'Color'" }]);
  });

  it('is felt all the same by a document that it makes invalid', async () => {
    // Stricter is no break by itself, but two members that are asked for one name then differ.
    const same = '{ search { ... on Employee { label: nick } ... on Team { label: title } } }';
    const { felt, unfelt } = await change('nick: String', 'nick: String!', same, '{ employee(id: 1) { nick } }');
    expect(unfelt).toEqual([]);
    expect(felt).toMatchObject([{ document: { id: 'd1' }, line: 1, message: expect.stringContaining('label') }]);
  });
});

describe('a document', () => {
  it('that was not valid before, or is none, does not count', async () => {
    expect((await change('odd: String', 'odd: Int', '{ nothing }', 'this is no document', '')).felt).toEqual([]);
  });

  it('is looked at by the schema that it was written for: what came later is none of its use', () => {
    expect([...usageOf(buildSchema(released), parse('{ newer { id } employee(id: 1) { newer } }')).keys()]).toEqual(['Query', 'Query.employee', 'Employee', 'Query.employee.id']);
  });
});

describe('a change at random', () => {
  const coordinates = ['nick: String', 'age: Int!', 'odd: String', 'title(short: Boolean): String', 'deep: String', 'other: Int', 'RED ', ' GREEN', 'boss: Employee', ', first: Int', 'inner: Inner', '| Team'];
  const selections = ['odd', 'thing { id }', 'employee(id: 1) { nick }', 'employee(id: 1) { age boss { name } }', 'employees(first: 2) { id }', 'employees(filter: $f) { id }', 'employees(color: GREEN) { color }', 'employees(filter: { inner: { deep: "a" } }) { id }', 'search { ... on Team { title(short: true) } }'];

  it('is felt by a document that it makes invalid, and by one that uses what it takes away, and else by none', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...coordinates), fc.subarray(selections, { minLength: 1 }), async (gone, selected) => {
        const [before, after] = [buildSchema(released), buildSchema(released.replace(gone, '').replace(/input Inner \{ *\}/, 'input Inner { x: Int }').replace(' = RED', gone === 'RED ' ? '' : ' = RED'))];
        const fields = selected.map((selection, at) => `f${at}: ${selection}`).join(' ');
        const text = fields.includes('$f') ? `query ($f: Filter) { ${fields} }` : `{ ${fields} }`;
        expect(validate(before, parse(text))).toEqual([]);
        const { felt, unfelt } = await contractProblems(before, after, [document(text)]);
        const usage = usageOf(before, parse(text));
        const uses = [...felt, ...unfelt].some(({ coordinate }) => usage.has(coordinate));
        expect(felt.length > 0).toBe(uses || validate(after, parse(text)).length > 0);
        for (const { coordinate } of unfelt) expect(usage.has(coordinate)).toBe(false);
      }),
      { numRuns: 300 },
    );
  });
});

describe('the check of many documents', () => {
  it('lets other work pass', async () => {
    const texts = Array.from({ length: 1_000 }, (_, at) => document(`query Q${at} { employees(first: ${at}) { id name nick color boss { name boss { name } } } }`, `d${at}`));
    let turns = 0;
    const turn = (): void => {
      turns += 1;
      handle = setImmediate(turn);
    };
    let handle = setImmediate(turn);
    const { felt } = await contractProblems(buildSchema(released), buildSchema(released.replace('nick: String', '')), texts);
    clearImmediate(handle);
    expect(liveDocumentsIn(felt)).toBe('1000 live documents');
    expect(turns).toBeGreaterThan(2);
  });
});

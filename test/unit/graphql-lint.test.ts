import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { Linter } from 'eslint';
import { graphqlLint } from '../../lint/graphql.js';
import { deprecated } from '../../src/graphql/schema/deprecation.js';

const schema = readFileSync(new URL('../../schema/schema.graphql', import.meta.url), 'utf8');

/** The rules that a schema breaks. */
const broken = (text: string): string[] =>
  new Linter()
    .verify(text, graphqlLint, { filename: 'schema/schema.graphql' })
    .map(({ ruleId, message }) => ruleId?.replace('@graphql-eslint/', '') ?? message);

/** The schema with more fields of Employee. */
const withFields = (fields: string): string =>
  schema.replace('type Employee implements Node {', (line) => `${line}\n${fields}\n`);
const described = (field: string): string => `  """A field."""\n  ${field}`;

describe('lint of the schema', () => {
  it('accepts the committed schema', () => {
    expect(broken(schema)).toEqual([]);
  });

  it.each([
    ['without a reason', '@deprecated', ['deprecation-date', 'require-deprecation-reason']],
    ['without a date', '@deprecated(reason: "Use name.")', ['deprecation-date']],
    ['with an invalid date', '@deprecated(reason: "Use name; removed on or after 2027-13-01.")', ['deprecation-date']],
    [
      'with text after the date',
      '@deprecated(reason: "Use name; removed on or after 2027-03-01. Really.")',
      ['deprecation-date'],
    ],
    ['as it should be', `@deprecated(reason: "${deprecated('Use name', '2027-03-01')}")`, []],
  ])('checks a deprecation %s', (_how, directive, rules) => {
    expect(broken(withFields(described(`old: String ${directive}`))).sort()).toEqual(rules);
  });

  it.each([
    ['a field without a description', '  label: String', 'require-description'],
    ['an argument without a description', described('label(short: Boolean): String'), 'require-description'],
    ['a field in another case', described('full_name: String'), 'naming-convention'],
    ['a field that repeats its type', described('employeeName: String'), 'no-typename-prefix'],
  ])('rejects %s', (_what, fields, rule) => {
    expect(broken(withFields(fields))).toEqual([rule]);
  });

  it('rejects an object type without an id', () => {
    const type = `\n"""A thing."""\ntype Thing {\n${described('label: String')}\n}\n`;
    expect(broken(withFields(described('thing: Thing')) + type)).toContain('strict-id-in-types');
  });

  it.each([
    ['that is never null', 'approve: Employee!', 'no-restricted-syntax'],
    ['that returns a scalar', 'approve: Boolean', 'no-scalar-result-type-on-mutation'],
  ])('rejects a mutation %s', (_what, field, rule) => {
    const withMutation = (line: string) => `${line}\n${described(field)}\n`;
    expect(broken(schema.replace('type Mutation {', withMutation))).toEqual([rule]);
  });

  it('rejects a connection that can be paged in one direction only', () => {
    const after = '"""A bound.""" after: String';
    const field = described(`people("""A bound.""" first: Int, ${after}): EmployeeConnection`);
    expect(new Set(broken(withFields(field)))).toEqual(new Set(['relay-arguments']));
  });

  it('accepts enum values of models unchanged, and requires others in upper case', () => {
    expect(schema).toContain('  Diesel\n');
    expect(broken(schema.replace(/\n {2}ADMIN\n/, '\n  Admin\n'))).toEqual(['naming-convention']);
  });
});

describe('the reason of a deprecation', () => {
  it('names the replacement and the removal date', () => {
    expect(deprecated('Use name', '2027-03-01')).toBe('Use name; removed on or after 2027-03-01.');
  });

  it.each(['soon', '2027-02-30', '2027-3-1', '', '2027-03-01T00:00:00Z'])('rejects the date %j', (day) => {
    expect(() => deprecated('Use name', day)).toThrow('is not a day');
  });
});

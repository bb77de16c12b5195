import 'reflect-metadata';
import { describe, expect, it } from '@jest/globals';
import { bindingProblems } from '../../../src/bindings/bound-fields.js';
import { yearsSince } from '../../../src/bindings/feature-kinds.js';
import { features } from '../../../src/domains/features.js';
import { domains } from '../../../src/domains/index.js';
import { domainSchema } from '../../../src/graphql/schema/build-schema.js';
import type {
  Binding,
  InputField,
  Model,
  ModelVersion,
  OutputField,
} from '../../../src/inference/serving/predictor.js';

const base = domainSchema(domains);

const input = (name: string, parts: Partial<InputField> = {}) =>
  ({ name, type: 'float', rowShape: [], required: true, isClosed: false, ...parts }) as InputField;
const output = (name: string, parts: Partial<OutputField> = {}) =>
  ({ name, type: 'float', rowShape: [], required: true, labels: null, ...parts }) as OutputField;

const sound: Omit<Binding, 'places'> = {
  type: 'Employee',
  field: 'expectedSalary',
  output: 'pay',
  inputs: { age: { feature: 'age' } },
};

function problemsOf(
  binding: Partial<Omit<Binding, 'places'>>,
  { inputs = [input('age')], outputs = [output('pay')], versions = [] as ModelVersion[], isTyped = true } = {},
): string[] {
  const keys = Object.keys({ ...sound.inputs, ...binding.inputs }).map((name) => `inputs.${name}`);
  const paths = ['type', 'field', 'output', 'target', ...keys];
  const places = Object.fromEntries(paths.map((path) => [path, `pay/model.yaml(${path})`]));
  const current = { version: 1, inputs, outputs } as unknown as ModelVersion;
  const bindings = [{ ...sound, ...binding, places }];
  const model = { name: 'pay', versions: [current, ...versions], current, bindings, isTyped } as unknown as Model;
  return bindingProblems([model], base, features).flatMap(({ problems }) => [...problems]);
}

describe('the problems of a binding', () => {
  it('are none if it fits', () => {
    expect(problemsOf({})).toEqual([]);
    expect(problemsOf({ target: 'salary' })).toEqual([]);
    expect(problemsOf({ inputs: { age: { yearsSince: 'hiredOn' } } })).toEqual([]);
    const named = [input('age', { type: 'string' })];
    expect(problemsOf({ inputs: { age: { feature: 'department.name' } } }, { inputs: named })).toEqual([]);
  });

  it.each<[string, Partial<Binding>, Parameters<typeof problemsOf>[1], string]>([
    ['an unknown type', { type: 'Unicorn' }, {}, '(type): type Unicorn has no features; types with features: Employee'],
    ['a type without features', { type: 'User' }, {}, '(type): type User has no features'],
    ['an existing field', { field: 'salary' }, {}, '(field): field Employee.salary exists in the schema'],
    ['an unknown output', { output: 'wage' }, {}, '(output): output wage is no output of version 1, which has pay'],
    [
      'an output with labels',
      {},
      { outputs: [output('pay', { rowShape: [3], labels: ['a', 'b', 'c'] })] },
      '(output): output pay is a vector with labels',
    ],
    [
      'an unknown input',
      { inputs: { age: { feature: 'age' }, height: { feature: 'age' } } },
      {},
      '(inputs.height): inputs.height is no input of version 1, which has age',
    ],
    [
      'an unknown feature',
      { inputs: { age: { feature: 'email' } } },
      {},
      '(inputs.age): email is no feature of Employee; its features: age,',
    ],
    [
      'an inherited name',
      { inputs: { age: { feature: 'constructor' } } },
      {},
      '(inputs.age): constructor is no feature of Employee',
    ],
    ['an unknown target', { target: 'wage' }, {}, '(target): wage is no feature of Employee'],
    [
      'a target of another type',
      { target: 'jobTitle' },
      {},
      '(output): output pay is float; the target jobTitle is string',
    ],
    [
      'a list for a target',
      { target: 'salary' },
      { outputs: [output('pay', { rowShape: [2] })] },
      '(output): output pay is float in a list; the target salary is integer',
    ],
    [
      'a text for a number',
      { inputs: { age: { feature: 'jobTitle' } } },
      {},
      '(inputs.age): inputs.age takes float or integer; jobTitle is string',
    ],
    [
      'a day for a number',
      { inputs: { age: { feature: 'hiredOn' } } },
      {},
      'needs a date for yearsSince; hiredOn is date',
    ],
    [
      'years since a number',
      { inputs: { age: { yearsSince: 'jobLevel' } } },
      {},
      '(inputs.age): inputs.age needs a date for yearsSince; jobLevel is integer',
    ],
    [
      'another unit',
      {},
      { inputs: [input('age', { unit: 'month' })] },
      '(inputs.age): inputs.age has the unit month; age has year',
    ],
    ['a list', {}, { inputs: [input('age', { rowShape: [2] })] }, '(inputs.age): inputs.age is a list'],
    [
      'a missing input',
      {},
      { inputs: [input('age'), input('tenure')] },
      '(field): inputs lacks tenure, which version 1 requires',
    ],
  ])('name %s with file and place', (_what, binding, signature, problem) => {
    const problems = problemsOf(binding, signature);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain('pay/model.yaml(');
    expect(problems[0]).toContain(problem);
  });

  it('include names that allow no typed field', () => {
    expect(problemsOf({}, { isTyped: false })).toEqual([
      'pay/model.yaml(type): bind needs a typed field, which the names of the model do not allow',
    ]);
  });

  it('include those of each served version, since each may become current', () => {
    const other = { version: 2, inputs: [input('years')], outputs: [output('pay')] } as unknown as ModelVersion;
    expect(problemsOf({}, { versions: [other] })).toEqual([
      'pay/model.yaml(inputs.age): inputs.age is no input of version 2, which has years',
      'pay/model.yaml(field): inputs lacks years, which version 2 requires',
    ]);
  });

  it('name the other model that binds the same field', () => {
    const current = { version: 1, inputs: [input('age')], outputs: [output('pay')] };
    const models = ['a', 'b'].map((name) => ({
      ...{ name, versions: [current], current, isTyped: true },
      bindings: [{ ...sound, places: { field: `${name}/model.yaml:7` } }],
    })) as unknown as Model[];
    expect(bindingProblems(models, base, features)).toEqual([
      { model: 'b', problems: ['b/model.yaml:7: field Employee.expectedSalary is bound by a, too; rename one'] },
    ]);
  });
});

describe('the years since a day', () => {
  it('are 0 for a year of five digits', () => expect(yearsSince('10000-01-01', new Date())).toBe(0));

  it.each([
    ['2020-11-28', '2026-11-28T00:00:00Z', 6],
    ['2020-11-29', '2026-11-28T23:59:59Z', 5],
    ['2020-02-29', '2021-02-28T12:00:00Z', 0],
    ['2020-02-29', '2021-03-01T00:00:00Z', 1],
    ['2027-01-01', '2026-11-28T00:00:00Z', 0],
    ['2026-12-01', '2026-11-28T00:00:00Z', 0],
    ['1999-12-31', '2026-01-01T00:00:00Z', 26],
  ])('%s are, on %s, %i', (day, today, years) => {
    expect(yearsSince(day, new Date(today))).toBe(years);
    expect(yearsSince(new Date(day), new Date(today))).toBe(years);
    expect(yearsSince(`${day}T23:30:00.123456Z`, new Date(today))).toBe(years);
  });
});

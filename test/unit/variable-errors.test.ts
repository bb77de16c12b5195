import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { buildSchema, getOperationAST, getVariableValues, type GraphQLError, parse, type GraphQLSchema } from 'graphql';
import { variableError } from '../../src/graphql/errors/variable-errors.js';

const schema: GraphQLSchema = buildSchema(`
  enum Fuel { Diesel Petrol }
  input Car { year: Int! fuel: Fuel pixels: [[Float!]!] owner: Owner price: Float = 1 }
  input Owner { name: String! tags: [ID!] }
  type Query { cars(inputs: [Car!], one: Car, id: ID, flag: Boolean, fuels: [Fuel!]): Int }
`);
const source =
  'query ($inputs: [Car!]!, $one: Car, $id: ID!, $flag: Boolean! = true, $fuels: [Fuel!]) { cars(inputs: $inputs, one: $one, id: $id, flag: $flag, fuels: $fuels) }';
const document = parse(source);
const operation = getOperationAST(document);
if (!operation) throw new Error('The document has no operation.');

const errorOf = (variables: Record<string, unknown>): GraphQLError | null =>
  variableError(schema, operation, variables, { hidesSuggestions: false });
const fieldsOf = (variables: Record<string, unknown>): unknown => errorOf(variables)?.extensions.fields;

describe('the error of invalid variables', () => {
  it('names each invalid field with its row', () => {
    const inputs = [
      { year: 2014 },
      { year: '2014', fuel: 'Electric', colour: 'red' },
      { pixels: [[1], [2, 'x']] },
      null,
    ];
    expect(fieldsOf({ inputs, id: '1' })).toEqual([
      { row: 1, field: 'year', message: 'must be of type Int, not a string' },
      { row: 1, field: 'fuel', message: 'must be a value of Fuel' },
      { row: 1, field: 'colour', message: 'is not a field of Car' },
      { row: 2, field: 'year', message: 'is required' },
      {
        row: 2,
        field: 'pixels[1][1]',
        message: 'must be of type Float, not a string',
      },
      { row: 3, field: 'inputs', message: 'must not be null' },
    ]);
  });

  it('names nested fields, and the variable itself', () => {
    expect(fieldsOf({ inputs: null, one: { year: 1, owner: { tags: ['a', null] } }, flag: 'yes' })).toEqual([
      { field: 'inputs', message: 'must not be null' },
      { field: 'owner.name', message: 'is required' },
      { field: 'owner.tags[1]', message: 'must not be null' },
      { field: 'id', message: 'is required' },
      { field: 'flag', message: 'must be of type Boolean, not a string' },
    ]);
  });

  it('suggests known names, unless they are hidden', () => {
    const variables = { inputs: [{ year: 1, fuel: 'Diesl', owners: null }], id: '1' };
    const messages = (hidesSuggestions: boolean) =>
      variableError(schema, operation, variables, { hidesSuggestions })?.message;
    expect(messages(false)).toBe(
      'Invalid input: row 0: fuel must be a value of Fuel; did you mean Diesel?; row 0: owners is not a field of Car; did you mean owner?.',
    );
    expect(messages(true)).toBe(
      'Invalid input: row 0: fuel must be a value of Fuel; row 0: owners is not a field of Car.',
    );
  });

  it('is bounded for many and for long values', () => {
    const long = 'x'.repeat(100_000);
    const inputs = Array.from({ length: 1000 }, () => ({ year: long, fuel: long, [long]: 1 }));
    const error = errorOf({ inputs, id: '1' });
    expect(error?.extensions.fields).toHaveLength(100);
    expect(JSON.stringify(error).length).toBeLessThan(60_000);
  });

  it('lists more problems than the 50 of graphql-js', () => {
    const error = errorOf({ inputs: Array.from({ length: 60 }, () => ({ year: 'x' })), id: '1' });
    expect(error?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', fields: expect.any(Array) as unknown });
    expect(error?.extensions.fields).toHaveLength(60);
  });

  it('exists exactly if graphql-js rejects the variables', () => {
    const value = fc.jsonValue({ depthSize: 'small' });
    const car = fc.record(
      {
        year: fc.oneof(fc.integer(), value),
        fuel: fc.oneof(fc.constant('Diesel'), value),
        pixels: value,
        owner: value,
      },
      { requiredKeys: [] },
    );
    const variables = fc.record(
      { inputs: fc.oneof(fc.array(car), car, value), one: fc.oneof(car, value), id: value, flag: value, fuels: value },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(variables, (sent) => {
        const { errors } = getVariableValues(schema, operation.variableDefinitions ?? [], sent, { maxErrors: 1000 });
        expect(errorOf(sent) !== null).toBe(errors !== undefined);
      }),
      { numRuns: 500 },
    );
  });
});

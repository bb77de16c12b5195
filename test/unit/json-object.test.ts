import { describe, expect, it } from '@jest/globals';
import {
  GraphQLError,
  GraphQLInt,
  GraphQLList,
  GraphQLNonNull,
  GraphQLObjectType,
  GraphQLSchema,
  parse,
  parseValue,
  validate,
} from 'graphql';
import fc from 'fast-check';
import { JSONObject } from '../../src/graphql/schema/json-object.js';

const keys = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,8}$/);
const { objects } = fc.letrec((tie) => ({
  objects: fc.dictionary(keys, tie('values'), { maxKeys: 4 }),
  values: fc.oneof(
    { depthSize: 'small' },
    fc.string({ unit: 'grapheme' }),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => number + 0),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('values'), { maxLength: 3 }),
    tie('objects'),
  ),
}));

const literal = (text: string, variables?: Record<string, unknown>): unknown =>
  JSONObject.parseLiteral(parseValue(text), variables);

describe('a literal of JSONObject', () => {
  it('equals the JSON of the same text', () => {
    fc.assert(
      fc.property(objects, (object) => {
        expect(JSON.stringify(literal(graphqlText(object)))).toBe(JSON.stringify(object));
      }),
    );
  });

  it.each(['{ fuel: Diesel }', '{ a: [{ b: Diesel }] }', '{ a: undefined }', '{ a: NaN }', '{ a: [True] }'])(
    'is rejected with an unquoted word: %s',
    (text) => {
      expect(() => literal(text)).toThrow(/write "\w+" instead of \w+\./);
    },
  );

  it.each(['5', '"text"', '[{ a: 1 }]', 'null', 'Diesel', 'true'])('is rejected if it is no object: %s', (text) => {
    expect(() => literal(text)).toThrow('must be an object');
  });

  it('bounds the error', () => {
    const { message } = thrown(() => literal(`{ a: ${'x'.repeat(100_000)} }`));
    expect(message.length).toBeLessThan(300);
  });

  it('resolves variables; an absent one is an absent key, and null in a list', () => {
    expect(JSON.stringify(literal('{ a: $a, b: $b, c: [$a, $b], d: { e: $b } }', { a: 'x' }))).toBe(
      '{"a":"x","c":["x",null],"d":{}}',
    );
  });

  it('has keys of prototypes as its own', () => {
    const object = literal('{ __proto__: 1, constructor: 2 }') as Record<string, unknown>;
    expect(Object.keys(object)).toEqual(['__proto__', 'constructor']);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  it('with an unquoted word fails validation at the position of the word', () => {
    const inputs = { type: new GraphQLList(new GraphQLNonNull(JSONObject)) };
    const schema = new GraphQLSchema({
      query: new GraphQLObjectType({ name: 'Query', fields: { predict: { type: GraphQLInt, args: { inputs } } } }),
    });
    const errors = validate(schema, parse('{ predict(inputs: [{ fuel: Diesel }, { fuel: "Diesel" }]) }'));
    expect(errors.map(({ message, locations }) => ({ message, locations }))).toEqual([
      {
        message: 'JSON has no unquoted words: write "Diesel" instead of Diesel.',
        locations: [{ line: 1, column: 28 }],
      },
    ]);
  });
});

describe('a value of JSONObject', () => {
  it.each([[5], ['text'], [null], [[]], [[{}]]])('is rejected if it is no object: %j', (value) => {
    expect(() => JSONObject.parseValue(value)).toThrow('must be an object');
  });
});

function thrown(action: () => unknown): GraphQLError {
  try {
    action();
  } catch (error) {
    if (error instanceof GraphQLError) return error;
  }
  throw new Error('no GraphQLError was thrown');
}

/** JSON as a literal of GraphQL: keys of objects are unquoted, and strings have the escapes that both know. */
function graphqlText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(graphqlText).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  return `{${Object.entries(value)
    .map(([key, inner]) => `${key}: ${graphqlText(inner)}`)
    .join(', ')}}`;
}

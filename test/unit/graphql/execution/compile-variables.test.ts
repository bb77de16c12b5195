import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  getOperationAST,
  getVariableValues,
  GraphQLBoolean,
  GraphQLEnumType,
  GraphQLFloat,
  GraphQLID,
  GraphQLInputObjectType,
  GraphQLInt,
  GraphQLList,
  GraphQLNonNull,
  GraphQLObjectType,
  GraphQLScalarType,
  GraphQLSchema,
  GraphQLString,
  isInputObjectType,
  isListType,
  isNonNullType,
  isRequiredInputField,
  parse,
  typeFromAST,
  type GraphQLInputType,
  type GraphQLNamedType,
  type NamedTypeNode,
  type OperationDefinitionNode,
} from 'graphql';
import { compileVariables } from '../../../../src/graphql/execution/compile-variables.js';

/** A field or variable: its type with wrappers from the inside out, `!` for non-null and `[` for a list. */
interface RandomInput {
  named: string;
  wrappers: string;
  /** Whether it has a default value, if its type has one. */
  hasDefault: boolean;
}

const leafNames = ['Int', 'Float', 'String', 'Boolean', 'ID', 'Color', 'Even', 'Odd'];
const inputArbitrary: fc.Arbitrary<RandomInput> = fc.record({
  named: fc.constantFrom(...leafNames, 'A', 'B', 'Choice'),
  wrappers: fc.constantFrom('', '', '!', '!', '[', '[!', '![', '![!', '[[', '![![!'),
  hasDefault: fc.constantFrom(true, true, false),
});
const inputsArbitrary = fc.array(inputArbitrary, { minLength: 1, maxLength: 4 });
const fieldNames = ['a', 'b', 'c', 'd'];

/** Defaults as literals, and as the values that fields have. */
const defaults: Readonly<Record<string, readonly [literal: string, value: unknown]>> = {
  Int: ['7', 7],
  'Int!': ['8', 8],
  String: ['"text"', 'text'],
  'Boolean!': ['true', true],
  'Float[': ['[1.5, null]', [1.5, null]],
  Color: ['RED', 1],
};

function schemaOf(a: readonly RandomInput[], b: readonly RandomInput[]): GraphQLSchema {
  const color = new GraphQLEnumType({ name: 'Color', values: { RED: { value: 1 }, BLUE: { value: { blue: true } } } });
  const even = new GraphQLScalarType({
    name: 'Even',
    parseValue: (value) => {
      if (typeof value !== 'number' || value % 2 !== 0) throw new TypeError('must be even');
      return { half: value / 2 };
    },
  });
  // Rejects by returning undefined.
  const odd = new GraphQLScalarType({ name: 'Odd', parseValue: (value) => (value === 3 ? 'three' : undefined) });
  const byName = new Map<string, GraphQLInputType & GraphQLNamedType>(
    [GraphQLInt, GraphQLFloat, GraphQLString, GraphQLBoolean, GraphQLID, color, even, odd].map((type) => [
      type.name,
      type,
    ]),
  );
  const typeOf = ({ named, wrappers }: RandomInput): GraphQLInputType => {
    let type: GraphQLInputType = byName.get(named) ?? GraphQLString;
    for (const wrapper of wrappers)
      type = wrapper === '[' ? new GraphQLList(type) : new GraphQLNonNull(type as typeof GraphQLInt);
    return type;
  };
  const objectOf = (name: string, inputs: readonly RandomInput[], isOneOf = false): void => {
    const fields = () =>
      Object.fromEntries(
        inputs.map((input, index) => {
          const fallback = isOneOf || !input.hasDefault ? undefined : defaults[input.named + input.wrappers]?.[1];
          return [fieldNames[index] ?? '', { type: typeOf(input), defaultValue: fallback }];
        }),
      );
    byName.set(name, new GraphQLInputObjectType({ name, isOneOf, fields }));
  };
  objectOf('A', a);
  objectOf('B', b);
  const choices = ['Int', 'A', 'Color'].map((named) => ({ named, wrappers: '', hasDefault: false }));
  objectOf('Choice', choices, true);
  const query = new GraphQLObjectType({ name: 'Query', fields: { ok: { type: GraphQLBoolean } } });
  return new GraphQLSchema({ query, types: [...byName.values()] });
}

const textOf = ({ named, wrappers }: RandomInput): string =>
  [...wrappers].reduce((text, wrapper) => (wrapper === '[' ? `[${text}]` : `${text}!`), named);

function operationOf(variables: readonly RandomInput[]): OperationDefinitionNode {
  const definitions = variables.map((variable, index) => {
    const fallback = variable.hasDefault ? defaults[variable.named + variable.wrappers]?.[0] : undefined;
    return `$${fieldNames[index] ?? ''}: ${textOf(variable)}${fallback ? ` = ${fallback}` : ''}`;
  });
  const operation = getOperationAST(parse(`query (${definitions.join()}) { ok }`));
  if (!operation) throw new Error('The document has no operation.');
  return operation;
}

/** Mostly valid values of the types, and some of other types, with names that objects inherit. */
const { variables: variablesArbitrary } = fc.letrec<{ value: unknown; object: object; variables: object }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom<unknown>(0, 1, 2, 3, 4, 2 ** 31, -0, 1.5, 'RED', 'BLUE', 'text', '', true, null),
    fc.integer({ min: 0, max: 9 }),
    fc.array(tie('value'), { maxLength: 3 }),
    tie('object'),
    tie('object'),
  ),
  object: fc.dictionary(
    fc.oneof(
      { weight: 30, arbitrary: fc.constantFrom(...fieldNames) },
      { weight: 1, arbitrary: fc.constantFrom('e', '__proto__', 'constructor', 'toString') },
    ),
    tie('value'),
    { maxKeys: 4 },
  ),
  variables: fc.dictionary(fc.constantFrom(...fieldNames, '__proto__'), tie('value'), { maxKeys: 4 }),
}));

/** Values of valid leaves. */
const leaves: Readonly<Record<string, readonly [unknown, unknown]>> = {
  Int: [1, -0],
  Float: [1, 1.5],
  String: ['text', ''],
  Boolean: [true, false],
  ID: ['id', 1],
  Color: ['RED', 'BLUE'],
  Even: [0, 2],
  Odd: [3, 3],
};

/** The random value made valid for a type, as far as types that require themselves allow. */
function fitted(type: GraphQLInputType, random: unknown, depth = 0): unknown {
  if (depth > 8) return random;
  if (isNonNullType(type)) return fitted(type.ofType, random ?? {}, depth + 1);
  if (random === null) return null;
  if (isListType(type)) {
    const fittedItem = (item: unknown) => fitted(type.ofType, item, depth + 1);
    return Array.isArray(random) ? random.map(fittedItem) : fittedItem(random);
  }
  if (!isInputObjectType(type)) return leaves[type.name]?.[typeof random === 'object' ? 0 : 1];
  if (type.isOneOf) return { c: 'RED' };
  const given = random as Record<string, unknown>;
  return Object.fromEntries(
    Object.values(type.getFields())
      .filter((field) => Object.hasOwn(given, field.name) || isRequiredInputField(field))
      .map((field) => [field.name, fitted(field.type, given[field.name] ?? {}, depth + 1)]),
  );
}

const fittedVariables = (schema: GraphQLSchema, operation: OperationDefinitionNode, random: object): object =>
  Object.fromEntries(
    (operation.variableDefinitions ?? []).flatMap(({ variable, type }) => {
      const name = variable.name.value;
      const inputType = typeFromAST(schema, type as NamedTypeNode);
      return inputType
        ? [[name, fitted(inputType as GraphQLInputType, (random as Record<string, unknown>)[name] ?? {})]]
        : [];
    }),
  );

/** The values with the order of their keys, which JSON shows; its numbers lack the sign of zero. */
const described = (values: unknown): string =>
  JSON.stringify(values, (_key, value: unknown) => (Object.is(value, -0) ? '-0' : value === undefined ? '-' : value));

const coerced = (document: string, schema: GraphQLSchema, sent: Record<string, unknown>): unknown => {
  const operation = getOperationAST(parse(document));
  return operation && compileVariables(schema, operation)(sent);
};

describe('compiled variables', () => {
  it('have the values of graphql-js, and are undecided where graphql-js has errors', () => {
    const seen = { valid: 0, invalid: 0, nested: 0 };
    fc.assert(
      fc.property(
        inputsArbitrary,
        inputsArbitrary,
        inputsArbitrary,
        variablesArbitrary,
        fc.boolean(),
        (a, b, inputs, random, isFitted) => {
          const schema = schemaOf(a, b);
          const operation = operationOf(inputs);
          const given = isFitted ? fittedVariables(schema, operation, random) : random;
          const sent = JSON.parse(JSON.stringify(given)) as Record<string, unknown>;
          const expected = getVariableValues(schema, operation.variableDefinitions ?? [], sent);
          const values = compileVariables(schema, operation)(sent);
          if (!expected.coerced) {
            expect(values).toBeNull();
            seen.invalid += 1;
            return;
          }
          expect(values).toStrictEqual(expected.coerced);
          expect(described(values)).toBe(described(expected.coerced));
          seen.valid += 1;
          if (Object.values(values ?? {}).some((value) => typeof value === 'object' && value !== null))
            seen.nested += 1;
        },
      ),
      { numRuns: Number(process.env.NUM_RUNS ?? 2_000) },
    );
    expect(seen.valid).toBeGreaterThan(500);
    expect(seen.invalid).toBeGreaterThan(500);
    expect(seen.nested).toBeGreaterThan(250);
  });

  const schema = schemaOf(
    [{ named: 'Int', wrappers: '', hasDefault: false }],
    [{ named: 'A', wrappers: '![', hasDefault: false }],
  );

  it.each([
    ['an unknown field', { e: 1 }],
    ['a field named __proto__', JSON.parse('{ "__proto__": { "a": 1 } }') as object],
    ['an inherited field', Object.create({ a: 1 }) as object],
    ['an unknown field beside an inherited one', Object.assign(Object.create({ a: 1 }) as object, { e: 1 })],
    ['a set', new Set([1])],
  ])('leave %s to graphql-js', (_name, value) => {
    expect(coerced('query ($v: A) { ok }', schema, { v: value })).toBeNull();
    expect(coerced('query ($v: [Int]) { ok }', schema, { v: value })).toBeNull();
  });

  it('leave types with a field that objects inherit to graphql-js', () => {
    const type = new GraphQLInputObjectType({ name: 'In', fields: { constructor: { type: GraphQLInt } } });
    const query = new GraphQLObjectType({ name: 'Query', fields: { ok: { type: GraphQLBoolean } } });
    const inherited = new GraphQLSchema({ query, types: [type] });
    expect(coerced('query ($v: In) { ok }', inherited, { v: { constructor: 1 } })).toBeNull();
    expect(coerced('query ($v: In) { ok }', inherited, { v: null })).toStrictEqual({ v: null });
  });

  it('are copies, so that a resolver changes nothing that was sent', () => {
    const sent = { v: { a: [{ a: 1 }] } };
    const values = coerced('query ($v: B) { ok }', schema, sent) as typeof sent;
    expect(values).toStrictEqual(sent);
    expect(values.v).not.toBe(sent.v);
    expect(values.v.a).not.toBe(sent.v.a);
    expect(values.v.a[0]).not.toBe(sent.v.a[0]);
  });

  it('evaluate a default for each execution', () => {
    const document = 'query ($v: [Float] = [1, 2]) { ok }';
    const operation = getOperationAST(parse(document));
    if (!operation) throw new Error('The document has no operation.');
    const coerce = compileVariables(schema, operation);
    expect(coerce({})).toStrictEqual({ v: [1, 2] });
    expect(coerce({})?.v).not.toBe(coerce({})?.v);
  });
});

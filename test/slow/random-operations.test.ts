import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  buildSchema,
  getNamedType,
  isEnumType,
  isInputObjectType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  isInterfaceType,
  isRequiredArgument,
  type GraphQLField,
  type GraphQLInputType,
  type GraphQLOutputType,
} from 'graphql';
import { startGateway, type Caller, type ResponseError, type TestGateway } from '../support/gateway.js';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.close());

const schema = buildSchema(readFileSync(new URL('../../schema/schema.graphql', import.meta.url), 'utf8'));

type Field = GraphQLField<unknown, unknown>;
interface RootField {
  operation: 'query' | 'mutation';
  field: Field;
}
const rootFields: RootField[] = [
  ...Object.values(schema.getQueryType()?.getFields() ?? {}).map((field) => ({ operation: 'query' as const, field })),
  ...Object.values(schema.getMutationType()?.getFields() ?? {}).map((field) => ({
    operation: 'mutation' as const,
    field,
  })),
];

/** A value as the text of a literal and as JSON, which lacks enum values. */
interface Value {
  literal: string;
  json: string;
}
const both = (text: string): Value => ({ literal: text, json: text });
const textValue = (text: string): Value => both(JSON.stringify(text));
const listOf = (items: readonly Value[]): Value => ({
  literal: `[${items.map(({ literal }) => literal).join(', ')}]`,
  json: `[${items.map(({ json }) => json).join(', ')}]`,
});
const objectOf = (fields: readonly (readonly [string, Value])[]): Value => {
  const distinct = [...new Map(fields)];
  return {
    literal: `{ ${distinct.map(([name, { literal }]) => `${name}: ${literal}`).join(', ')} }`,
    json: `{ ${distinct.map(([name, { json }]) => `${JSON.stringify(name)}: ${json}`).join(', ')} }`,
  };
};
const word = (name: string): Value => ({ literal: name, json: JSON.stringify(name) });

const strange = fc.constantFrom(
  ...['0', '-1', '3.5', '1e39', '1e999', '-0.0', '2147483648', '9007199254740993', '9'.repeat(400), 'null', 'true'].map(
    both,
  ),
  ...['', '\0', '\ud800', '😀', "' or 1=1 --", '%_\\', 'x'.repeat(2000), '2024-02-30', '2024-01-01T00:00:00Z'].map(
    textValue,
  ),
  ...['iris', 'car-price', 'employee_01h455vb4pex5vsknk084sn02q', 'user_', 'prediction_01h455vb4pex5vsknk084sn02q'].map(
    textValue,
  ),
  ...['Diesel', 'undefined', 'NaN', 'FAIL'].map(word),
);
const keys = fc.constantFrom(
  'km_driven',
  'kmDriven',
  'petal_length',
  'petalWidth',
  'company',
  '_proto',
  'constructor',
  'a',
);
const { anything } = fc.letrec<{ anything: Value }>((tie) => ({
  anything: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    strange,
    fc.array(tie('anything'), { maxLength: 4 }).map(listOf),
    fc.array(fc.tuple(keys, tie('anything')), { maxLength: 4 }).map(objectOf),
  ),
}));

const plausibleLeaves: Record<string, fc.Arbitrary<Value>> = {
  Int: fc.integer({ min: -5, max: 2020 }).map((number) => both(String(number))),
  Float: fc.double({ min: -10, max: 100, noNaN: true }).map((number) => both(String(number))),
  Boolean: fc.boolean().map((value) => both(String(value))),
  Date: fc.constantFrom('2024-01-31', '0001-01-01', '9999-12-31').map(textValue),
  DateTime: fc.constantFrom('2024-01-31T10:00:00Z', '0001-01-01T00:00:00Z', '9999-12-31T23:59:59.999Z').map(textValue),
  JSONObject: fc.oneof(
    fc.array(fc.tuple(keys, anything), { maxLength: 4 }).map(objectOf),
    fc.integer({ min: 1, max: 12 }).map((cm) =>
      objectOf([
        ['petal_length', both(String(cm))],
        ['petalWidth', both('0.5')],
      ]),
    ),
  ),
};

/** A value that may be valid for the type, and often is nearly so. */
function valueOf(type: GraphQLInputType, depth = 0): fc.Arbitrary<Value> {
  if (isNonNullType(type)) return valueOf(type.ofType, depth);
  const plausible = plausibleOf(type, depth);
  return fc.oneof({ arbitrary: plausible, weight: 6 }, { arbitrary: anything, weight: 1 });
}

function plausibleOf(type: GraphQLInputType, depth: number): fc.Arbitrary<Value> {
  if (isListType(type)) return fc.array(valueOf(type.ofType, depth), { maxLength: 8 }).map(listOf);
  if (isEnumType(type)) return fc.constantFrom(...type.getValues().map(({ name }) => word(name)));
  if (!isInputObjectType(type)) return plausibleLeaves[getNamedType(type).name] ?? strange;
  if (depth > 2) return anything;
  const fields = Object.values(type.getFields()).map((field) =>
    fc.option(
      valueOf(field.type, depth + 1).map((value) => [field.name, value] as const),
      { freq: isNonNullType(field.type) ? 10 : 1 },
    ),
  );
  return fc.tuple(...fields).map((some) => objectOf(some.filter((field) => field !== null)));
}

/** Every leaf without arguments, and those of the objects inside. */
function selectionOf(type: GraphQLOutputType, depth = 0): string {
  const named = getNamedType(type);
  if (!isObjectType(named) && !isInterfaceType(named)) return '';
  const fields = Object.values(named.getFields()).filter(({ args }) => !args.some(isRequiredArgument));
  const selected = fields.flatMap(({ name, type: inner }) => {
    if (isLeafType(getNamedType(inner))) return [name];
    return depth < 2 ? [`${name}${selectionOf(inner, depth + 1)}`] : [];
  });
  return ` { __typename ${selected.join(' ')} }`;
}

/** An operation with values for some arguments, as variables or in the document. */
function operationOf({ operation, field }: RootField): fc.Arbitrary<{ query: string; variables: string }> {
  const args = field.args.map((arg) =>
    fc.option(fc.record({ arg: fc.constant(arg), value: valueOf(arg.type), isVariable: fc.boolean() }), {
      freq: isRequiredArgument(arg) ? 20 : 2,
    }),
  );
  return fc.tuple(...args).map((some) => {
    const given = some.filter((one) => one !== null);
    const variables = given.filter(({ isVariable }) => isVariable);
    const declared = variables.map(({ arg }) => `$${arg.name}: ${String(arg.type)}`).join(', ');
    const passed = given.map(
      ({ arg, value, isVariable }) => `${arg.name}: ${isVariable ? `$${arg.name}` : value.literal}`,
    );
    const root = `${field.name}${passed.length > 0 ? `(${passed.join(', ')})` : ''}${selectionOf(field.type)}`;
    return {
      query: `${operation}${declared ? ` (${declared})` : ''} { ${root} }`,
      variables: `{${variables.map(({ arg, value }) => `"${arg.name}": ${value.json}`).join(', ')}}`,
    };
  });
}

const callers: Caller[] = ['admin', 'manager', 'user', null];

async function send(caller: Caller, { query, variables }: { query: string; variables: string }) {
  const token = typeof caller === 'string' ? await gateway.tokenOf(caller) : null;
  const response = await fetch(gateway.url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/graphql-response+json',
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    },
    body: `{ "query": ${JSON.stringify(query)}, "variables": ${variables} }`,
  });
  return (await response.json()) as { data?: unknown; errors?: ResponseError[] };
}

describe('random values', () => {
  it.each(rootFields.map((root) => [`${root.operation} ${root.field.name}`, root] as const))(
    'in %s never cause an internal error, an error in the log, or an unbounded response',
    async (_name, root) => {
      await fc.assert(
        fc.asyncProperty(fc.constantFrom(...callers), operationOf(root), async (caller, operation) => {
          const logged = gateway.logs.length;
          const { errors = [] } = await send(caller, operation);
          const codes = errors.map(({ extensions }) => extensions.code);
          expect(codes.filter((code) => code === 'INTERNAL_SERVER_ERROR')).toEqual([]);
          expect(errors.filter(({ message }) => message.length > 5000)).toEqual([]);
          expect(gateway.logs.slice(logged).filter(({ level }) => level === 'error' || level === 'fatal')).toEqual([]);
        }),
        { numRuns: 25 },
      );
    },
    60_000,
  );
});

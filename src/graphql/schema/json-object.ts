import { ownValue } from '../../errors/own-value.js';
import { GraphQLScalarType, Kind, type ObjectValueNode, type ValueNode } from 'graphql';
import { shortened } from '../../errors/input-validation.js';
import { InvalidScalar } from './invalid-scalar.js';

type Variables = Readonly<Record<string, unknown>> | null | undefined;

/**
 * A JSON object. Unlike the scalar of graphql-scalars, a literal that JSON cannot represent, such as an unquoted word, is an
 * error instead of an absent value.
 */
export const JSONObject = new GraphQLScalarType<Record<string, unknown>, Record<string, unknown>>({
  name: 'JSONObject',
  description:
    'A JSON object. In the text of a document its keys are unquoted and its strings quoted: { fuel: "Diesel" }.',
  specifiedByURL: 'https://www.rfc-editor.org/rfc/rfc8259',
  serialize: objectOf,
  parseValue: objectOf,
  parseLiteral(node, variables) {
    if (node.kind === Kind.OBJECT) return objectIn(node, variables);
    throw new InvalidScalar(`must be an object such as { name: "value" }, not ${kindNames[node.kind]}.`, {
      nodes: node,
    });
  },
});

/** Any JSON value. */
export const JSONValue = new GraphQLScalarType<unknown, unknown>({
  name: 'JSON',
  description: 'Any JSON value. In the text of a document the keys of objects are unquoted: { fuel: "Diesel" }.',
  specifiedByURL: 'https://www.rfc-editor.org/rfc/rfc8259',
  serialize: (value) => value,
  parseValue: (value) => value,
  parseLiteral: (node, variables) => valueIn(node, variables) ?? null,
});

const kindNames: Record<ValueNode['kind'], string> = {
  [Kind.VARIABLE]: 'a variable',
  [Kind.INT]: 'a number',
  [Kind.FLOAT]: 'a number',
  [Kind.STRING]: 'a string',
  [Kind.BOOLEAN]: 'a boolean',
  [Kind.NULL]: 'null',
  [Kind.ENUM]: 'an unquoted word',
  [Kind.LIST]: 'a list',
  [Kind.OBJECT]: 'an object',
};

function objectOf(value: unknown): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new InvalidScalar(`must be an object, not ${Array.isArray(value) ? 'a list' : `a ${typeof value}`}.`);
}

function objectIn({ fields }: ObjectValueNode, variables: Variables): Record<string, unknown> {
  // Without a prototype, so that `__proto__` is a key like any other.
  const entries = fields.flatMap(({ name, value }): [string, unknown][] => {
    const held = valueIn(value, variables);
    return held === undefined ? [] : [[name.value, held]];
  });
  return Object.assign(Object.create(null) as Record<string, unknown>, Object.fromEntries(entries));
}

/** Undefined for an absent variable: an object then lacks the key, as in input objects. */
function valueIn(node: ValueNode, variables: Variables): unknown {
  switch (node.kind) {
    case Kind.STRING:
    case Kind.BOOLEAN:
      return node.value;
    case Kind.INT:
    case Kind.FLOAT:
      return Number(node.value);
    case Kind.NULL:
      return null;
    case Kind.LIST:
      return node.values.map((item) => valueIn(item, variables) ?? null);
    case Kind.OBJECT:
      return objectIn(node, variables);
    case Kind.VARIABLE:
      return ownValue(variables ?? {}, node.name.value);
    case Kind.ENUM: {
      const word = shortened(node.value);
      throw new InvalidScalar(`JSON has no unquoted words: write "${word}" instead of ${word}.`, { nodes: node });
    }
  }
}

import {
  GraphQLBoolean,
  GraphQLFloat,
  GraphQLID,
  GraphQLInt,
  GraphQLString,
  isEnumType,
  type GraphQLLeafType,
} from 'graphql';
import { inspect } from 'graphql/jsutils/inspect.js';

/** Writes the values of a scalar or enum as JSON. */
export interface LeafWriter {
  /** @throws Error if the type does not serialize the value */
  write: (value: unknown) => string;
  /** Whether `JSON.stringify` writes the value as the type does; null if it never is certain. */
  isPlain: ((value: unknown) => boolean) | null;
}

const writers = new WeakMap<GraphQLLeafType, LeafWriter>();

export function leafWriter(type: GraphQLLeafType): LeafWriter {
  const known = writers.get(type) ?? createWriter(type);
  writers.set(type, known);
  return known;
}

function createWriter(type: GraphQLLeafType): LeafWriter {
  const serialized = (value: unknown): string => serialize(type, value);
  if (isEnumType(type)) {
    const texts = new Map<unknown, string>(type.getValues().map(({ value, name }) => [value, `"${name}"`]));
    return { write: (value) => texts.get(value) ?? serialized(value), isPlain: null };
  }
  const isPlain = plainValues.get(type);
  if (!isPlain) return { write: serialized, isPlain: null };
  return { write: (value) => (isPlain(value) ? plainText(value) : serialized(value)), isPlain };
}

/** Values that the scalars of the specification serialize to themselves. */
const plainValues = new Map<GraphQLLeafType, (value: unknown) => boolean>([
  [GraphQLString, (value) => typeof value === 'string'],
  [GraphQLID, (value) => typeof value === 'string'],
  [GraphQLInt, (value) => typeof value === 'number' && (value | 0) === value],
  [GraphQLFloat, (value) => typeof value === 'number' && Number.isFinite(value)],
  [GraphQLBoolean, (value) => typeof value === 'boolean'],
]);

const plainText = (value: unknown): string => (typeof value === 'string' ? quoted(value) : String(value));

function serialize(type: GraphQLLeafType, value: unknown): string {
  const serialized: unknown = type.serialize(value);
  if (serialized === null || serialized === undefined)
    throw new Error(
      `Expected \`${inspect(type)}.serialize(${inspect(value)})\` to return non-nullable value, returned: ${inspect(serialized)}`,
    );
  if (typeof serialized === 'string') return quoted(serialized);
  const text = JSON.stringify(serialized) as string | undefined;
  if (text === undefined) throw new Error(`${type.name} serialized a value to what JSON cannot contain.`);
  return text;
}

/** `JSON.stringify` takes longer than checking a text of this length. */
const shortLength = 64;
const space = 0x20;
const quote = 0x22;
const backslash = 0x5c;
const firstSurrogate = 0xd800;
const lastSurrogate = 0xdfff;

/** A string as JSON. */
export function quoted(text: string): string {
  if (text.length > shortLength) return JSON.stringify(text);
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    const isEscaped =
      code < space || code === quote || code === backslash || (code >= firstSurrogate && code <= lastSurrogate);
    if (isEscaped) return JSON.stringify(text);
  }
  return `"${text}"`;
}

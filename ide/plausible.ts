import { getNamedType, getNullableType, isEnumType, isListType, isNonNullType, type GraphQLInputField, type GraphQLInputObjectType, type GraphQLInputType } from 'graphql';
import { fieldNameOf } from '../src/domains/prediction/typed-models/names.js';

/** An input of a model as the gateway tells it: `ModelField`. */
export interface ModelInput {
  name: string;
  /** float, integer, string or boolean. */
  type: string;
  shape: (number | null)[];
  minimum: number | null;
  maximum: number | null;
  values: string[] | null;
}

export interface PlausibleRow {
  value: Record<string, unknown>;
  /** Inputs that the model fills in by itself, with values that it would take. */
  optional: Record<string, unknown>;
  /** Single numbers and texts in it, inside of all lists. */
  valueCount: number;
}

/** Where a shape leaves the size open. */
const openSize = 3;

/**
 * A row that the model takes: each input within its limits, at a value that is not far-fetched.
 * @param maxValues null is answered where a row has more
 */
export function plausibleRow(type: GraphQLInputObjectType, inputs: readonly ModelInput[], maxValues: number): PlausibleRow | null {
  const known = new Map(inputs.map((input) => [fieldNameOf(input.name), input]));
  const fields = Object.values(type.getFields()).map((field) => ({ field, input: known.get(field.name), sizes: sizesOf(field, known.get(field.name)) }));
  const required = fields.filter(({ field }) => isNonNullType(field.type));
  // A row needs something in it.
  const chosen = required.length > 0 ? required : fields;
  const valueCount = chosen.reduce((sum, { sizes }) => sum + sizes.reduce((product, size) => product * size, 1), 0);
  if (valueCount > maxValues) return null;
  const valuesOf = (some: typeof fields) => Object.fromEntries(some.map(({ field, input, sizes }) => [field.name, nested(field, input, sizes)]));
  return { value: valuesOf(chosen), optional: valuesOf(fields.filter((one) => !chosen.includes(one) && one.sizes.length === 0)), valueCount };
}

/** How many values each level of lists has, the outermost first. */
function sizesOf(field: GraphQLInputField, input: ModelInput | undefined): number[] {
  const depth = depthOf(field.type);
  const shape = input?.shape.slice(-depth) ?? [];
  return Array.from({ length: depth }, (_none, level) => shape[level] ?? openSize);
}

function depthOf(type: GraphQLInputType): number {
  const inner = getNullableType(type);
  return isListType(inner) ? 1 + depthOf(inner.ofType) : 0;
}

/** The input's value; lists have the high one in the middle and the low one around it, so that a picture shows something. */
function nested(field: GraphQLInputField, input: ModelInput | undefined, sizes: readonly number[]): unknown {
  const [size, ...inner] = sizes;
  if (size === undefined) return single(field, input);
  if (inner.length > 0) return Array.from({ length: size }, () => nested(field, input, inner));
  const { minimum, maximum } = input ?? {};
  const isBounded = typeof minimum === 'number' && typeof maximum === 'number';
  return Array.from({ length: size }, (_none, position) => (isBounded ? (isMiddle(position, size) ? maximum : minimum) : single(field, input)));
}

/** The middle third; of 8 the two in the middle. */
const isMiddle = (position: number, size: number): boolean => Math.abs(position + 0.5 - size / 2) < size / 6;

function single({ type }: GraphQLInputField, input: ModelInput | undefined): unknown {
  const named = getNamedType(type);
  if (isEnumType(named)) return aThirdIn(named.getValues().map(({ name }) => name));
  if (named.name === 'Boolean') return true;
  const isWhole = named.name === 'Int' || named.name === 'SafeInt';
  if (input?.values?.length) return input.type === 'string' ? aThirdIn(input.values) : Number(aThirdIn(input.values));
  if (isWhole || named.name === 'Float') return plausibleNumber(input?.minimum ?? null, input?.maximum ?? null, isWhole);
  return 'some text';
}

/** Neither the first, which is often a rare one, nor an arbitrary one. */
const aThirdIn = <Value>(values: readonly Value[]): Value | undefined => values[Math.floor(values.length / 3)];

/**
 * Between wide limits most values lie low: a car has driven 100 000 km, not the half of 3 000 000. So it is the geometric
 * mean where both limits are positive, and a small part of the highest where the lowest is 0.
 */
export function plausibleNumber(minimum: number | null, maximum: number | null, isWhole: boolean): number {
  const low = minimum ?? Math.min(0, maximum ?? 0);
  const high = maximum ?? Math.max(low * 2, low + 10);
  const between = low > 0 ? Math.sqrt(low * high) : low === 0 && high > 1000 ? high / 30 : (low + high) / 2;
  const rounded = isWhole ? Math.round(between) : Number(between.toPrecision(3));
  // Rounded, it may lie outside narrow limits.
  return Math.min(Math.max(rounded, isWhole ? Math.ceil(low) : low), isWhole ? Math.floor(high) : high);
}

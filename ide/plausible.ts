import {
  coerceInputValue,
  getNamedType,
  getNullableType,
  isEnumType,
  isListType,
  isNonNullType,
  type GraphQLInputField,
  type GraphQLInputObjectType,
  type GraphQLInputType,
} from 'graphql';
import { fieldNameOf } from '../src/typed-models/names.js';

/** An input of a model: `ModelField` in the schema. */
export interface ModelInput {
  name: string;
  /** float, integer, string or boolean. */
  type: string;
  required: boolean;
  shape: (number | null)[];
  minimum: number | null;
  maximum: number | null;
  values: string[] | null;
}

/** What the examples use of a version of a model. */
export interface ExampleVersion {
  inputs: ModelInput[];
  /** A row by the names in the model; null if the version has none. */
  exampleInput: Record<string, unknown> | null;
}

export interface PlausibleRow {
  value: Record<string, unknown>;
  /** Plausible values of optional inputs. */
  optional: Record<string, unknown>;
  /** Number of scalar values, including those in lists. */
  valueCount: number;
}

/** Size used for dynamic dimensions. */
const openSize = 3;

/**
 * Generates a valid row: the example row of the model if it has one, and realistic values for required inputs without one.
 * @param isShort omits optional inputs
 * @returns null if the row would have more than `maxValues` values
 */
export function plausibleRow(
  type: GraphQLInputObjectType,
  { inputs, exampleInput }: ExampleVersion,
  { maxValues, isShort }: { maxValues: number; isShort: boolean },
): PlausibleRow | null {
  const known = new Map(inputs.map((input) => [fieldNameOf(input.name), input]));
  // An input has a second field if its name in the model differs; an example has the one in camelCase.
  const others = new Set(inputs.map(({ name }) => name).filter((name) => fieldNameOf(name) !== name));
  const shown = Object.values(type.getFields()).filter(({ name }) => !others.has(name));
  const fields = shown.map((field) => {
    const input = known.get(field.name);
    const example = input && exampleInput?.[input.name];
    return { field, input, sizes: sizesOf(field, input), example: accepts(field, example) ? example : undefined };
  });
  const required = fields.filter(
    ({ field, input, example }) =>
      isNonNullType(field.type) || input?.required === true || (example !== undefined && !isShort),
  );
  // A row must not be empty.
  const chosen = required.length > 0 ? required : fields;
  const valueCount = chosen.reduce((sum, { sizes }) => sum + sizes.reduce((product, size) => product * size, 1), 0);
  if (valueCount > maxValues) return null;
  const valuesOf = (some: typeof fields) =>
    Object.fromEntries(
      some.map(({ field, input, sizes, example }) => [field.name, example ?? nested(field, input, sizes)]),
    );
  return {
    value: valuesOf(chosen),
    optional: isShort ? {} : valuesOf(fields.filter((one) => !chosen.includes(one) && one.sizes.length === 0)),
    valueCount,
  };
}

/** Whether a value of the example row is one of the field's type. */
function accepts({ type }: GraphQLInputField, value: unknown): boolean {
  if (value === null || value === undefined) return false;
  let isValid = true;
  coerceInputValue(value, type, () => (isValid = false));
  return isValid;
}

/** Size of each list level, outermost first. */
function sizesOf(field: GraphQLInputField, input: ModelInput | undefined): number[] {
  const depth = depthOf(field.type);
  const shape = input?.shape.slice(-depth) ?? [];
  return Array.from({ length: depth }, (_none, level) => shape[level] ?? openSize);
}

function depthOf(type: GraphQLInputType): number {
  const inner = getNullableType(type);
  return isListType(inner) ? 1 + depthOf(inner.ofType) : 0;
}

/** Value of an input. Lists have the maximum in the middle and the minimum around it, so that an image shows a shape. */
function nested(field: GraphQLInputField, input: ModelInput | undefined, sizes: readonly number[]): unknown {
  const [size, ...inner] = sizes;
  if (size === undefined) return single(field, input);
  if (inner.length > 0) return Array.from({ length: size }, () => nested(field, input, inner));
  const { minimum, maximum } = input ?? {};
  const isBounded = typeof minimum === 'number' && typeof maximum === 'number';
  return Array.from({ length: size }, (_none, position) =>
    isBounded ? (isMiddle(position, size) ? maximum : minimum) : single(field, input),
  );
}

/** Whether a position is in the middle third; for a size of 8, the two in the middle. */
const isMiddle = (position: number, size: number): boolean => Math.abs(position + 0.5 - size / 2) < size / 6;

function single({ type }: GraphQLInputField, input: ModelInput | undefined): unknown {
  const named = getNamedType(type);
  if (isEnumType(named)) return oneThirdIn(named.getValues().map(({ name }) => name));
  if (named.name === 'Boolean') return true;
  const isWhole = named.name === 'Int' || named.name === 'SafeInt';
  if (input?.values?.length)
    return input.type === 'string' ? oneThirdIn(input.values) : Number(oneThirdIn(input.values));
  if (isWhole || named.name === 'Float')
    return plausibleNumber(input?.minimum ?? null, input?.maximum ?? null, isWhole);
  return 'some text';
}

/** Skips the first values, which are often rare. */
const oneThirdIn = <Value>(values: readonly Value[]): Value | undefined => values[Math.floor(values.length / 3)];

/**
 * In wide ranges typical values are low: a car has driven 100,000 km rather than half of 3,000,000. Returns the geometric mean
 * if both limits are positive, and a small fraction of the maximum if the minimum is 0.
 */
export function plausibleNumber(minimum: number | null, maximum: number | null, isWhole: boolean): number {
  const low = minimum ?? Math.min(0, maximum ?? 0);
  const high = maximum ?? Math.max(low * 2, low + 10);
  const between = low > 0 ? Math.sqrt(low * high) : low === 0 && high > 1000 ? high / 30 : (low + high) / 2;
  const rounded = isWhole ? Math.round(between) : Number(between.toPrecision(3));
  // Rounding may leave a narrow range.
  return Math.min(Math.max(rounded, isWhole ? Math.ceil(low) : low), isWhole ? Math.floor(high) : high);
}

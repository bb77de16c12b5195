import { ownValue } from '../../errors/own-value.js';
import type { OutputField } from './types.js';

/** How far two floats may differ and still count as equal: within either bound, as in `math.isclose` of Python. */
export interface Tolerance {
  /** Of the larger magnitude of the two. */
  relative: number;
  absolute: number;
}

/** The tolerance of an output whose manifest declares none; processors round differently. */
export const defaultTolerance: Tolerance = { relative: 1e-3, absolute: 1e-6 };

/** Two scalars at the same place of two outputs. */
export type ScalarPair =
  | { kind: 'float'; one: number; other: number; tolerance: Tolerance }
  /** Integers, booleans, strings, and values of different structure; undefined where one output has none. */
  | { kind: 'exact'; one: unknown; other: unknown; isEqual: boolean };

/** A difference of two outputs; `one` or `other` is undefined where that output has no value. */
export interface Difference {
  /** Such as `probabilities.setosa` or `boxes.0.3`. */
  place: string;
  one: unknown;
  other: unknown;
}

/** Whether two floats are equal within a tolerance. */
function areClose(one: number, other: number, { relative, absolute }: Tolerance): boolean {
  const allowed = Math.max(relative * Math.max(Math.abs(one), Math.abs(other)), absolute);
  return one === other || Math.abs(one - other) <= allowed;
}

/** Whether two scalars are equal: floats within their tolerance, others exactly. */
export function areEqual(pair: ScalarPair): boolean {
  return pair.kind === 'float' ? areClose(pair.one, pair.other, pair.tolerance) : pair.isEqual;
}

/**
 * The first difference of two outputs of a model: floats within the tolerance of their output, everything else exactly.
 * @param fallback the tolerance of outputs that declare none
 */
export function firstDifference(
  outputs: readonly OutputField[],
  one: Readonly<Record<string, unknown>>,
  other: Readonly<Record<string, unknown>>,
  fallback: Tolerance = defaultTolerance,
): Difference | null {
  let found: Difference | null = null;
  forEachPair(
    outputs,
    one,
    other,
    (pair, path) => {
      if (!areEqual(pair)) found = { place: path.join('.'), one: pair.one, other: pair.other };
      return found === null;
    },
    fallback,
  );
  return found;
}

/**
 * Visits the scalars of two outputs of a model in pairs. Lists of different lengths and missing keys are one exact pair.
 * @param visit returns false to stop; `path` is reused between visits
 * @param fallback the tolerance of outputs that declare none
 */
export function forEachPair(
  outputs: readonly OutputField[],
  one: Readonly<Record<string, unknown>>,
  other: Readonly<Record<string, unknown>>,
  visit: (pair: ScalarPair, path: readonly (string | number)[]) => boolean,
  fallback: Tolerance = defaultTolerance,
): void {
  const fields = new Map(outputs.map((output) => [output.name, output]));
  for (const name of new Set([...Object.keys(one), ...Object.keys(other)])) {
    const { type = 'string', tolerance = fallback } = fields.get(name) ?? {};
    const pairOf = (a: unknown, b: unknown): ScalarPair => {
      if (type === 'float' && isNumber(a) && isNumber(b))
        return { kind: 'float', one: Number(a), other: Number(b), tolerance };
      return { kind: 'exact', one: a, other: b, isEqual: type === 'integer' ? isSameInteger(a, b) : a === b };
    };
    if (!visitPairs(ownValue(one, name), ownValue(other, name), [name], pairOf, visit)) return;
  }
}

function visitPairs(
  one: unknown,
  other: unknown,
  path: (string | number)[],
  pairOf: (one: unknown, other: unknown) => ScalarPair,
  visit: (pair: ScalarPair, path: readonly (string | number)[]) => boolean,
): boolean {
  const inner = (key: string | number, a: unknown, b: unknown): boolean => {
    path.push(key);
    const goesOn = visitPairs(a, b, path, pairOf, visit);
    path.pop();
    return goesOn;
  };
  if (Array.isArray(one) && Array.isArray(other) && one.length === other.length)
    return one.every((element, index) => inner(index, element, other[index]));
  if (isObject(one) && isObject(other)) {
    const others = new Map(Object.entries(other));
    const entries = Object.entries(one);
    const missing = [...others.keys()].filter((key) => !Object.hasOwn(one, key));
    return (
      entries.every(([key, value]) => inner(key, value, others.get(key))) &&
      missing.every((key) => inner(key, undefined, others.get(key)))
    );
  }
  return visit(pairOf(one, other), path);
}

/** Integers beyond 2^53 are strings of digits. */
function isSameInteger(one: unknown, other: unknown): boolean {
  return one === other || (isInteger(one) && isInteger(other) && BigInt(one) === BigInt(other));
}

/** Golden rows may have a float with more digits than a number holds. */
const isNumber = (value: unknown): boolean => typeof value === 'number' || isInteger(value);

const isInteger = (value: unknown): value is number | string =>
  Number.isSafeInteger(value) || (typeof value === 'string' && /^-?\d{1,20}$/.test(value));

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

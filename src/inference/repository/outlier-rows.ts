import { elementTypes } from '../signature/element-types.js';
import type { EncodedRow, InputField, Signature } from '../signature/types.js';
import { defaultMaxLength } from '../signature/types.js';
import { chosenShape } from './trial-runs.js';

/** Magnitude of a float without limits, far beyond usual values. */
const largeFloat = 1e6;

/** The largest integer without a maximum; it may be an index into a table. */
const largeInteger = 1000;

/** Characters of a long text. */
const longText = 200;

type Extreme = 'low' | 'high';

/**
 * Rows with extreme values that the manifest allows: the lowest and the highest of every input, a mixture of both, and one
 * without what may be missing. The graph may fail on them.
 * @param like a row whose sizes of free dimensions they have, since rows of other sizes run apart
 */
export function outlierRows({ inputs }: Signature, like?: EncodedRow): Record<string, unknown>[] {
  const row = (extremeOf: (column: number, element: number) => Extreme | null) =>
    Object.fromEntries(
      inputs.flatMap((input, column) => {
        let element = 0;
        const scalar = () => scalarOf(input, extremeOf(column, element++));
        const value = nested(shapeOf(input, like?.[column]), scalar);
        return value === null ? [] : [[input.name, value]];
      }),
    );
  const hasMissing = inputs.some(({ required, hasNullableElements }) => !required || hasNullableElements === true);
  return [
    row(() => 'high'),
    row(() => 'low'),
    row((column, element) => ((column + element) % 2 === 0 ? 'high' : 'low')),
    ...(hasMissing ? [row((_, element) => (element % 2 === 0 ? null : 'low'))] : []),
  ];
}

const shapeOf = (input: InputField, value: EncodedRow[number] | undefined): readonly number[] =>
  typeof value === 'object' && value !== null ? value.shape : chosenShape(input);

function nested([length, ...inner]: readonly number[], scalar: () => unknown): unknown {
  return length === undefined ? scalar() : Array.from({ length }, () => nested(inner, scalar));
}

/** @param extreme null for a missing value, where there may be one */
function scalarOf(input: InputField, extreme: Extreme | null): unknown {
  const { type, values, isClosed, rowShape, required, hasNullableElements } = input;
  if (extreme === null && (rowShape.length === 0 ? !required : hasNullableElements === true)) return null;
  const isHigh = extreme === 'high';
  if (type === 'boolean') return isHigh;
  const known = isHigh ? values?.at(-1) : values?.[0];
  if (type === 'string') return known ?? (isHigh ? text(input) : 'a');
  if (isClosed && known !== undefined) return Number(known);
  return limited(input, isHigh);
}

/** Words up to the maximum length. */
const text = ({ maxLength = defaultMaxLength }: InputField): string =>
  'word '.repeat(longText / 5).slice(0, Math.min(maxLength, longText));

function limited({ type, tensorType, minimum, maximum }: InputField, isHigh: boolean): number {
  const [, highest] = elementTypes[tensorType].range ?? [];
  const large = Math.min(type === 'integer' ? largeInteger : largeFloat, highest ?? Infinity);
  const high = maximum ?? Math.max(large, minimum ?? 0);
  const low = minimum ?? Math.min(type === 'integer' ? 0 : -large, maximum ?? 0);
  // Limits of an integer need not be integers.
  if (type === 'integer') return isHigh ? Math.floor(high) : Math.ceil(low);
  return isHigh ? high : low;
}

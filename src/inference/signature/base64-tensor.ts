import type { TensorData } from '../onnx/tensor.js';
import { ownValue } from '../../errors/own-value.js';
import { elementTypes } from './element-types.js';
import { isPlainObject } from './json.js';
import { sizeOf, type InputField } from './types.js';

/** A list input as the graph gets it. */
export interface EncodedTensor {
  /** Its dimensions in this row. */
  shape: readonly number[];
  data: TensorData;
}

/** Whether a list input is given as `{ "base64": "..." }`: the bytes of its elements, little-endian, row-major. */
export const isBase64Tensor = (value: unknown): value is Record<string, unknown> =>
  isPlainObject(value) && Object.hasOwn(value, 'base64');

/** Decodes a list input. @returns its problem as a text if it is invalid */
export function base64Tensor(
  { rowShape, tensorType }: Pick<InputField, 'rowShape' | 'tensorType'>,
  value: Record<string, unknown>,
  maxBytes: number,
): EncodedTensor | string {
  const { fromBytes, bytes: elementBytes } = elementTypes[tensorType];
  if (!fromBytes) return 'must be lists of strings; base64 is for numbers and booleans';
  const unknown = Object.keys(value).find((key) => key !== 'base64' && key !== 'shape');
  if (unknown !== undefined) return 'must have the keys base64 and shape only';
  const shape = shapeOf(rowShape, ownValue(value, 'shape'));
  if (typeof shape === 'string') return shape;
  const expected = sizeOf(shape) * elementBytes;
  if (expected > maxBytes) return tooLarge(expected, maxBytes);
  const text = ownValue(value, 'base64');
  if (typeof text !== 'string') return 'must have base64 as a string';
  // Compared before decoding; white space and other characters that decoders skip make it longer.
  const bytes = text.length === 4 * Math.ceil(expected / 3) ? Buffer.from(text, 'base64') : null;
  if (bytes?.length !== expected) {
    return `must be ${expected} bytes in base64, ${elementBytes} for each of ${sizeOf(shape)} ${tensorType} (little-endian), without line breaks`;
  }
  // A copy, since typed arrays need an aligned buffer.
  const data = fromBytes(Uint8Array.from(bytes).buffer);
  if (tensorType === 'bool' && (data as Uint8Array).some((byte) => byte > 1)) return 'must have bytes of 0 or 1';
  return { shape, data: withoutNegativeZero(data) };
}

export const tooLarge = (bytes: number, maxBytes: number): string =>
  `has ${bytes} bytes; serving.max_row_bytes of the model is ${maxBytes}`;

/** The shape of the value: given, or that of the graph if it has no free dimension. */
function shapeOf(rowShape: readonly (number | null)[], given: unknown): number[] | string {
  const text = `[${rowShape.map((size) => size ?? '?').join(', ')}]`;
  if (given === undefined || given === null) {
    const fixed = rowShape.filter((size) => size !== null);
    return fixed.length === rowShape.length ? fixed : `needs its shape beside base64, such as ${text} with numbers`;
  }
  const matches =
    Array.isArray(given) &&
    given.length === rowShape.length &&
    given.every((size: unknown) => Number.isSafeInteger(size) && Number(size) >= 1) &&
    rowShape.every((size, axis) => size === null || size === given[axis]);
  return matches ? (given as number[]) : `must have the shape ${text}`;
}

/** 0 and -0 are equal, also for a graph that divides by them. */
function withoutNegativeZero(data: TensorData): TensorData {
  if (data instanceof Float32Array || data instanceof Float64Array)
    for (let index = 0; index < data.length; index += 1) data[index] = (data[index] ?? 0) + 0;
  return data;
}

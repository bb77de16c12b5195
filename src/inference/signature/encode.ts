import type { Tensor, TensorData, Tensors, TensorType } from '../onnx/tensor.js';
import { elementsOf } from './json.js';
import { inputValue, spellingsOf } from './spellings.js';
import type { EncodedRow, Scalar, Signature } from './types.js';

/** Encodes a valid row in the order of the signature. Absent and null are equal, and so are 0 and -0. */
export function encodeRow(signature: Signature, row: Record<string, unknown>): EncodedRow {
  const spellings = spellingsOf(signature);
  return signature.inputs.map(({ name, rowShape, hasNullableElements }) => {
    const value = inputValue(row, name, spellings);
    return rowShape.length === 0
      ? encoded(value)
      : elementsOf(value, rowShape.length).map(
          (element) => encoded(element) ?? (hasNullableElements === true ? null : 0),
        );
  });
}

/** Builds one tensor per input with the number of rows as the first dimension. A missing number is NaN, a missing string empty. */
export function toTensors({ inputs }: Signature, rows: readonly EncodedRow[]): Tensors {
  return Object.fromEntries(
    inputs.map(({ name, tensorType, shape }, column): [string, Tensor] => {
      const dims = [rows.length, ...shape.slice(1).map((size) => size ?? 1)];
      return [name, { type: tensorType, dims, data: dataOf[tensorType](elementsOfColumn(rows, column)) }];
    }),
  );
}

/** The elements of a tensor column. A missing number is NaN, a missing string empty. */
const dataOf: Record<TensorType, (values: (Scalar | null)[]) => TensorData> = {
  float32: (values) => new Float32Array(values.map(numberOrNaN)),
  float64: (values) => new Float64Array(values.map(numberOrNaN)),
  int64: (values) => new BigInt64Array(values.map((value) => BigInt(value ?? 0))),
  int32: (values) => new Int32Array(values.map(Number)),
  bool: (values) => new Uint8Array(values.map(Number)),
  string: (values) => values.map((value) => (typeof value === 'string' ? value : '')),
};

function elementsOfColumn(rows: readonly EncodedRow[], column: number): (Scalar | null)[] {
  const values = rows.map((row) => row[column] ?? null);
  // Testing is faster than flattening a flat list.
  return values.some(Array.isArray) ? values.flat() : (values as (Scalar | null)[]);
}

function numberOrNaN(value: Scalar | null): number {
  return typeof value === 'number' ? value : NaN;
}

function encoded(value: unknown): Scalar | null {
  // -0 + 0 is 0.
  if (typeof value === 'number') return value + 0;
  return typeof value === 'string' || typeof value === 'boolean' ? value : null;
}

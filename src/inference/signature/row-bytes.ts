import { elementTypes } from './element-types.js';
import { sizeOf, type EncodedRow, type Signature } from './types.js';

/** Bytes of the fields in one row of a run; a free dimension counts as 1. */
export function fixedBytes(fields: Signature['inputs'] | Signature['outputs']): number {
  return fields.reduce((sum, { rowShape, tensorType }) => {
    const size = sizeOf(rowShape.map((dimension) => dimension ?? 1));
    return sum + size * elementTypes[tensorType].bytes;
  }, 0);
}

/** Bytes of the inputs of a row. */
export function bytesOfRow(row: EncodedRow): number {
  return row.reduce<number>((sum, value) => {
    if (typeof value === 'string') return sum + value.length;
    if (typeof value !== 'object' || value === null) return sum + 8;
    const { data } = value;
    return sum + (Array.isArray(data) ? data.reduce((length, text) => length + text.length, 0) : data.byteLength);
  }, 0);
}

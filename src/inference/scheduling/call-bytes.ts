import type { Signature } from '../signature/types.js';

/** Estimated memory of an object or list, beside its values, and of a value. */
const containerBytes = 48;
const valueBytes = 16;

/** Estimates the memory of the inputs and outputs of a call, in time linear in the size of the rows. */
export function bytesOfCall(rows: readonly unknown[], { outputs }: Pick<Signature, 'outputs'>): number {
  const outputValues = outputs.reduce((sum, { rowShape }) => sum + rowShape.reduce<number>(times, 1), 0);
  return bytesOf(rows) + rows.length * (containerBytes + valueBytes * outputValues);
}

/** A dimension that is not known counts as one. */
const times = (product: number, size: number | null): number => product * (size ?? 1);

/** Without recursion: rows may be nested deeply. */
function bytesOf(rows: readonly unknown[]): number {
  const left: unknown[] = [...rows];
  let bytes = 0;
  while (left.length > 0) {
    const value = left.pop();
    bytes += valueBytes;
    if (typeof value === 'string') bytes += 2 * value.length;
    if (typeof value !== 'object' || value === null) continue;
    bytes += containerBytes;
    if (Array.isArray(value)) for (const inner of value as unknown[]) left.push(inner);
    // eslint-disable-next-line auspex/own-names -- a key of the value; a list of its values would take more than the sum
    else for (const key in value) left.push((value as Record<string, unknown>)[key]);
  }
  return bytes;
}

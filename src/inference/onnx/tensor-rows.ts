// With its extension on disk, since test threads run the sources.
import { ownValue } from '../../errors/own-value.ts';
import type { Tensor, TensorData, Tensors } from './tensor.js';

/** Copies the rows from `start` (inclusive) to `end` (exclusive) of `rowCount` rows. */
export function sliceRows(tensors: Tensors, rowCount: number, start: number, end: number): Tensors {
  return Object.fromEntries(
    Object.entries(tensors).map(([name, { type, dims, data }]) => {
      const width = data.length / rowCount;
      return [name, { type, dims: [end - start, ...dims.slice(1)], data: data.slice(start * width, end * width) }];
    }),
  );
}

/**
 * Concatenates partial outputs by rows.
 * @throws Error if a part has other tensors or row shapes than the first
 */
export function joinRows(parts: readonly Tensors[]): Tensors {
  const [first = {}, ...others] = parts;
  if (others.length === 0) return first;
  return Object.fromEntries(
    Object.entries(first).map(
      ([
        name,
        {
          type,
          dims: [, ...rowDims],
        },
      ]) => {
        const pieces = parts.map((part) => pieceOf(part, name, type, rowDims));
        const rows = pieces.reduce((sum, { dims: [count = 0] }) => sum + count, 0);
        return [name, { type, dims: [rows, ...rowDims], data: joined(pieces.map(({ data }) => data)) }];
      },
    ),
  );
}

function pieceOf(part: Tensors, name: string, type: Tensor['type'], rowDims: readonly number[]): Tensor {
  const piece = ownValue(part, name);
  if (
    piece?.type !== type ||
    piece.dims.length !== rowDims.length + 1 ||
    rowDims.some((size, index) => piece.dims[index + 1] !== size)
  ) {
    throw new Error(
      `The output ${name} has another shape in one part of the rows than in another; its rows are not independent.`,
    );
  }
  return piece;
}

function joined(pieces: readonly TensorData[]): TensorData {
  const [first] = pieces;
  if (first === undefined || Array.isArray(first)) return pieces.flatMap((piece) => piece as string[]);
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const whole = new (first.constructor as new (length: number) => { set(piece: TensorData, offset: number): void })(
    length,
  );
  let offset = 0;
  for (const piece of pieces) {
    whole.set(piece, offset);
    offset += piece.length;
  }
  return whole as TensorData;
}

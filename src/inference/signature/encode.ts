import type { Tensor, TensorData, Tensors, TensorType } from '../onnx/tensor.js';
import { base64Tensor, isBase64Tensor, type EncodedTensor } from './base64-tensor.js';
import { elementTypes } from './element-types.js';
import { elementsOf, shapeOfLists } from './json.js';
import { inputValue, spellingsOf } from './spellings.js';
import { PreparedTensor } from './prepared-tensor.js';
import { sizeOf, type EncodedRow, type InputField, type Scalar, type Signature } from './types.js';

/** Encodes a valid row in the order of the signature. Absent and null are equal, and so are 0 and -0. */
export function encodeRow(signature: Signature, row: Record<string, unknown>): EncodedRow {
  const spellings = spellingsOf(signature);
  return (signature.tensors ?? signature.inputs).map((input) => {
    const value = inputValue(row, input.name, spellings);
    if (value instanceof PreparedTensor) return value.of(input.tensorType);
    return input.rowShape.length === 0 ? encoded(input.tensorType, value) : encodedTensor(input, value, signature);
  });
}

function encodedTensor(input: InputField, value: unknown, { maxRowBytes }: Signature): EncodedTensor {
  const { tensorType, rowShape, hasNullableElements } = input;
  if (isBase64Tensor(value)) {
    const tensor = base64Tensor(input, value, maxRowBytes);
    if (typeof tensor === 'string') throw new Error(`${input.name} ${tensor}`);
    return tensor;
  }
  const filler = hasNullableElements === true ? null : 0;
  const elements = elementsOf(value, rowShape.length).map((element) => encoded(tensorType, element) ?? filler);
  return { shape: shapeOfLists(value, rowShape), data: elementTypes[tensorType].toData(elements) };
}

/**
 * Builds one tensor per input with the number of rows as the first dimension. A missing number is NaN, a missing string empty.
 * @param rows whose lists have the same shapes; see `groupsOfEqualShape`
 */
export function toTensors({ inputs, tensors = inputs }: Signature, rows: readonly EncodedRow[]): Tensors {
  return Object.fromEntries(
    tensors.map(({ name, tensorType, shape, rowShape }, column): [string, Tensor] => {
      const values = rows.map((row) => row[column] ?? null);
      if (rowShape.length === 0) {
        const dims = [rows.length, ...shape.slice(1).map((size) => size ?? 1)];
        return [name, { type: tensorType, dims, data: elementTypes[tensorType].toData(values as (Scalar | null)[]) }];
      }
      const tensors = values as EncodedTensor[];
      const rowDims = tensors[0]?.shape ?? [];
      return [name, { type: tensorType, dims: [rows.length, ...rowDims], data: joined(tensorType, tensors) }];
    }),
  );
}

function joined(type: TensorType, tensors: readonly EncodedTensor[]): TensorData {
  const [first] = tensors;
  if (first === undefined || type === 'string') return tensors.flatMap(({ data }) => data as string[]);
  const size = sizeOf(first.shape);
  const whole = elementTypes[type].toData([]).constructor as new (length: number) => WritableData;
  const data = new whole(size * tensors.length);
  for (const [index, tensor] of tensors.entries()) data.set(tensor.data, index * size);
  return data as unknown as TensorData;
}

interface WritableData {
  set(part: TensorData, offset: number): void;
}

/**
 * Groups rows that can be in one run: those whose lists have the same shapes. Rows are not padded, since a graph may take the
 * filling for data.
 * @returns the positions of the rows of each group; null if all rows are in one
 */
export function groupsOfEqualShape(
  { inputs, tensors = inputs }: Signature,
  rows: readonly EncodedRow[],
): number[][] | null {
  const free = tensors.flatMap(({ rowShape }, column) => (rowShape.includes(null) ? [column] : []));
  if (free.length === 0) return null;
  const groups = new Map<string, number[]>();
  for (const [index, row] of rows.entries()) {
    const shape = free.map((column) => (row[column] as EncodedTensor).shape.join()).join(';');
    const group = groups.get(shape);
    if (group) group.push(index);
    else groups.set(shape, [index]);
  }
  return groups.size > 1 ? [...groups.values()] : null;
}

function encoded(type: TensorType, value: unknown): Scalar | null {
  // -0 + 0 is 0.
  if (typeof value === 'number') return value + 0;
  if (typeof value === 'string') return elementTypes[type].field === 'integer' ? integerOf(value) : value;
  return typeof value === 'boolean' ? value : null;
}

/** An integer that is given as digits: a number if that is exact, so that both forms share a cached result. */
function integerOf(digits: string): Scalar {
  const value = BigInt(digits);
  return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
}

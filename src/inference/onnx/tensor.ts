/** The element types that models are served with. */
export const tensorTypes = [
  'float32',
  'float64',
  'float16',
  'bfloat16',
  'int8',
  'int16',
  'int32',
  'int64',
  'uint8',
  'uint16',
  'uint32',
  'uint64',
  'bool',
  'string',
] as const;
export type TensorType = (typeof tensorTypes)[number];

/** The elements of a tensor, row by row; a boolean is 0 or 1, and the 16-bit floats are float32. */
export type TensorData =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array
  | string[];

/** A tensor as plain data, which crosses threads and knows no runtime. */
export interface Tensor {
  type: TensorType;
  /** The first is the number of rows. */
  dims: readonly number[];
  data: TensorData;
}

/** One tensor for each input or output, by its name. */
export type Tensors = Record<string, Tensor>;

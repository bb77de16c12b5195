/** The element types that models are served with. */
export const tensorTypes = ['float32', 'float64', 'int64', 'int32', 'bool', 'string'] as const;
export type TensorType = (typeof tensorTypes)[number];

/** The elements of a tensor, row by row; a boolean is 0 or 1. */
export type TensorData = Float32Array | Float64Array | BigInt64Array | Int32Array | Uint8Array | string[];

/** A tensor as plain data, which crosses threads and knows no runtime. */
export interface Tensor {
  type: TensorType;
  /** The first is the number of rows. */
  dims: readonly number[];
  data: TensorData;
}

/** One tensor for each input or output, by its name. */
export type Tensors = Record<string, Tensor>;

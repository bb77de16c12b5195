import type { TensorType } from '../onnx/tensor.js';
import type { Preprocessor } from '../preprocessing/preprocessor.js';
import type { Tolerance } from './compare.js';
import type { EncodedTensor } from './base64-tensor.js';

/** An input or output of a model, as described to callers. */
export interface ModelField {
  /** The name in a row. */
  name: string;
  type: FieldType;
  /** The dimensions; null for a dynamic one. The first is the number of rows. */
  shape: (number | null)[];
  /** Whether a row must have it; always true for outputs. */
  required: boolean;
  description?: string;
  unit?: string;
  /** Inclusive limits of a number. */
  minimum?: number;
  maximum?: number;
  /** Known values; for a labelled vector, its labels. */
  values?: string[];
}

/** `float` is any finite number. */
export type FieldType = 'float' | 'integer' | 'string' | 'boolean';

export interface InputField extends ModelField {
  tensorType: TensorType;
  /**
   * The dimensions of the value in one row: [] for a scalar, [4] for a list of 4, [8, 8] for 8 lists of 8; null for a dimension
   * that each row chooses.
   */
  rowShape: (number | null)[];
  /** The names of the dimensions in `rowShape`, where the graph names them; in one row, equal names have equal sizes. */
  symbols?: (string | null)[];
  /** Whether values outside `values` are rejected. */
  isClosed: boolean;
  /** Whether the elements of a list may be null, which the graph gets as NaN. */
  hasNullableElements?: boolean;
  /** What a string is made into for the graph; absent if it is given to the graph as it is. */
  media?: 'image' | 'text';
  /** Maximum characters of a string; by default `defaultMaxLength`. */
  maxLength?: number;
}

export interface OutputField extends ModelField {
  tensorType: TensorType;
  /** The dimensions of the value in one row: [] for a scalar, [4] for a list of 4; null for a dynamic one. */
  rowShape: (number | null)[];
  /** Keys of the object that represents the vector; null for a plain list. */
  labels: string[] | null;
  /** How far floats of equal predictions may differ, if the manifest declares it. */
  tolerance?: Tolerance;
}

/** Inputs and outputs of a version, from its graph and manifest, in the order of the graph. */
export interface Signature {
  /** What callers give. */
  inputs: InputField[];
  /** What the graph takes, where preprocessing makes it from the inputs. */
  tensors?: InputField[];
  preprocessor?: Preprocessor;
  outputs: OutputField[];
  /** Maximum bytes of the value of one input or output in one row. */
  maxRowBytes: number;
}

/** An encoded row with one entry per input: a scalar, the tensor of nested lists, or null if missing. */
export type EncodedRow = (Scalar | EncodedTensor | null)[];

export type Scalar = number | string | boolean;

/** The result of a row, or the output whose value JSON cannot represent. */
export type RowResult = { kind: 'ok'; output: Record<string, unknown> } | { kind: 'not-finite'; field: string };

/** Maximum characters of a string, unless the manifest sets another. */
export const defaultMaxLength = 1000;

/** Maximum bytes of a value in a row, unless the manifest sets another. */
export const defaultMaxRowBytes = 16 * 1024 * 1024;

export function sizeOf(rowShape: readonly number[]): number {
  return rowShape.reduce((product, size) => product * size, 1);
}

/** The elements of a row in all outputs; free dimensions count as one. */
export const elementsPerRow = (outputs: readonly Pick<OutputField, 'rowShape'>[]): number =>
  outputs.reduce((sum, { rowShape }) => sum + sizeOf(rowShape.map((size) => size ?? 1)), 0);

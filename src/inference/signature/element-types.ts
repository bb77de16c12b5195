import type { TensorData, TensorType } from '../onnx/tensor.js';
import type { FieldType, Scalar } from './types.js';

/** What is known of the elements of a tensor, by their type in the graph. */
export interface ElementType {
  field: FieldType;
  /** Bytes of an element in the graph; for a string, an estimate. */
  bytes: number;
  /** The range of the type, as far as a JSON number is exact. */
  range?: readonly [minimum: number, maximum: number];
  /** The range of an integer of 64 bits, which may also be given as a string of digits. */
  wideRange?: readonly [minimum: bigint, maximum: bigint];
  /** A missing value is NaN in float tensors and empty in string tensors; other types cannot represent it. */
  canBeMissing: boolean;
  toData(values: readonly (Scalar | null)[]): TensorData;
  /** Elements of 0; null for types whose elements are no JavaScript numbers. */
  newData: ((length: number) => NumberArray) | null;
  /** The elements of little-endian bytes; null for strings. */
  fromBytes: ((bytes: ArrayBuffer) => TensorData) | null;
}

/** Elements that are JavaScript numbers; a boolean is 0 or 1. */
type NumberArray = Exclude<TensorData, string[] | BigInt64Array | BigUint64Array>;

const max = { float32: 3.4028234663852886e38, float16: 65_504, bfloat16: 3.3895313892515355e38 };

const float = { field: 'float', canBeMissing: true } as const;
const integer = { field: 'integer', canBeMissing: false } as const;

const float32 = numbers((length) => new Float32Array(length), NaN);

/** The types by their names in ONNX Runtime. */
export const elementTypes: Record<TensorType, ElementType> = {
  float32: {
    ...float,
    bytes: 4,
    range: [-max.float32, max.float32],
    ...float32,
    fromBytes: (bytes) => new Float32Array(bytes),
  },
  float64: {
    ...float,
    bytes: 8,
    ...numbers((length) => new Float64Array(length), NaN),
    fromBytes: (bytes) => new Float64Array(bytes),
  },
  float16: {
    ...float,
    bytes: 2,
    range: [-max.float16, max.float16],
    ...float32,
    fromBytes: (bytes) => Float32Array.from(new Uint16Array(bytes), float16Of),
  },
  bfloat16: {
    ...float,
    bytes: 2,
    range: [-max.bfloat16, max.bfloat16],
    ...float32,
    // The upper half of a float32.
    fromBytes: (bytes) => new Float32Array(Uint32Array.from(new Uint16Array(bytes), (bits) => bits * 65_536).buffer),
  },
  int8: small(1, -128, 127, Int8Array),
  int16: small(2, -32_768, 32_767, Int16Array),
  int32: small(4, -(2 ** 31), 2 ** 31 - 1, Int32Array),
  uint8: small(1, 0, 255, Uint8Array),
  uint16: small(2, 0, 65_535, Uint16Array),
  uint32: small(4, 0, 2 ** 32 - 1, Uint32Array),
  int64: {
    ...integer,
    bytes: 8,
    range: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
    wideRange: [-(2n ** 63n), 2n ** 63n - 1n],
    toData: (values) => BigInt64Array.from(values, bigint),
    newData: null,
    fromBytes: (bytes) => new BigInt64Array(bytes),
  },
  uint64: {
    ...integer,
    bytes: 8,
    range: [0, Number.MAX_SAFE_INTEGER],
    wideRange: [0n, 2n ** 64n - 1n],
    toData: (values) => BigUint64Array.from(values, bigint),
    newData: null,
    fromBytes: (bytes) => new BigUint64Array(bytes),
  },
  bool: {
    field: 'boolean',
    bytes: 1,
    canBeMissing: false,
    ...numbers((length) => new Uint8Array(length), 0),
    fromBytes: (bytes) => new Uint8Array(bytes),
  },
  string: {
    field: 'string',
    bytes: 8,
    canBeMissing: true,
    toData: (values) => values.map((value) => (typeof value === 'string' ? value : '')),
    newData: null,
    fromBytes: null,
  },
};

type SmallArray = Int8Array | Int16Array | Int32Array | Uint8Array | Uint16Array | Uint32Array;

/** An integer of up to 32 bits. */
function small(
  bytes: number,
  minimum: number,
  maximum: number,
  array: new (content: ArrayBuffer | number) => SmallArray,
): ElementType {
  return {
    ...integer,
    bytes,
    range: [minimum, maximum],
    ...numbers((length) => new array(length), 0),
    fromBytes: (content) => new array(content),
  };
}

/** Filled by index: a typed array of another array is several times slower. */
function numbers(newData: (length: number) => NumberArray, missing: number): Pick<ElementType, 'toData' | 'newData'> {
  return {
    newData,
    toData(values) {
      const data = newData(values.length);
      for (let index = 0; index < data.length; index += 1) {
        const value = values[index] ?? null;
        data[index] = value === null ? missing : Number(value);
      }
      return data;
    },
  };
}

const bigint = (value: Scalar | null): bigint => BigInt(value ?? 0);

/** The value of a float16: 1 bit of sign, 5 of exponent, 10 of fraction (IEEE 754). */
function float16Of(bits: number): number {
  const sign = bits >= 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = (bits & 1023) / 1024;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return exponent === 0 ? sign * 2 ** -14 * fraction : sign * 2 ** (exponent - 15) * (1 + fraction);
}

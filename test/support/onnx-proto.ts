/** The part of onnx.proto that tests need to write models. Each function returns the bytes of a message or a field. */

/** Element types as ONNX numbers them (TensorProto.DataType). */
export const elementTypes = { float: 1, int32: 6, int64: 7, string: 8, bool: 9, double: 11 } as const;

/** A model with IR version 8, operator set 17 and that of machine learning, 3. */
export function modelOf(graph: number[]): Uint8Array {
  return Uint8Array.from([
    ...intField(1, 8),
    ...bytesField(7, graph),
    ...bytesField(8, intField(2, 17)),
    ...bytesField(8, [...bytesField(1, text('ai.onnx.ml')), ...intField(2, 3)]),
  ]);
}

/** @param output its name, or the names of several */
export function node(
  operator: string,
  inputs: string[],
  output: string | string[],
  ...attributes: number[][]
): number[] {
  return [
    ...inputs.flatMap((input) => bytesField(1, text(input))),
    ...[output].flat().flatMap((name) => bytesField(2, text(name))),
    ...bytesField(4, text(operator)),
    ...attributes.flatMap((attribute) => bytesField(5, attribute)),
  ];
}

/** A field of a graph: a constant of float or int64. @param elementType one of `elementTypes` */
export function initializer(name: string, elementType: number, dims: number[], values: (number | bigint)[]): number[] {
  const data =
    elementType === elementTypes.float ? Float32Array.from(values, Number) : BigInt64Array.from(values, BigInt);
  return bytesField(5, [
    ...dims.flatMap((size) => intField(1, size)),
    ...intField(2, elementType),
    ...bytesField(8, text(name)),
    ...bytesField(9, [...Buffer.from(data.buffer)]),
  ]);
}

/** @param dims a string is the name of a dynamic dimension */
export function valueInfo(name: string, elementType: number, dims: (string | number)[]): number[] {
  const shape = dims.flatMap((dim) =>
    bytesField(1, typeof dim === 'string' ? bytesField(2, text(dim)) : intField(1, dim)),
  );
  return [
    ...bytesField(1, text(name)),
    ...bytesField(2, bytesField(1, [...intField(1, elementType), ...bytesField(2, shape)])),
  ];
}

export function text(value: string): number[] {
  return [...Buffer.from(value)];
}

export function intField(field: number, value: number): number[] {
  return [...varint(field << 3), ...varint(value)];
}

export function bytesField(field: number, bytes: number[]): number[] {
  return [...varint((field << 3) | 2), ...varint(bytes.length), ...bytes];
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...varint(value >> 7)];
}

/**
 * A model that works for as long as it is told: `steps`, of type int64 and dimensions [N, 1], is how often it goes round, and
 * `done` is the same again. onnx.proto written by hand.
 */
export function loopingModel(): Uint8Array {
  const body = [
    ...bytesField(1, node('Identity', ['go'], 'go_on')),
    ...bytesField(1, node('Identity', ['value'], 'next')),
    ...bytesField(2, text('body')),
    ...[valueInfo('turn', int64, []), valueInfo('go', bool, []), valueInfo('value', int64, ['N', 1])].flatMap((input) => bytesField(11, input)),
    ...[valueInfo('go_on', bool, []), valueInfo('next', int64, ['N', 1])].flatMap((output) => bytesField(12, output)),
  ];
  const graph = [
    ...bytesField(1, node('ReduceMax', ['steps'], 'turns', [...bytesField(1, text('keepdims')), ...intField(3, 0), ...intField(20, 2)])),
    ...bytesField(1, node('Loop', ['turns', '', 'steps'], 'done', [...bytesField(1, text('body')), ...bytesField(6, body), ...intField(20, 5)])),
    ...bytesField(2, text('looping')),
    ...bytesField(11, valueInfo('steps', int64, ['N', 1])),
    ...bytesField(12, valueInfo('done', int64, ['N', 1])),
  ];
  return Uint8Array.from([...intField(1, 8), ...bytesField(7, graph), ...bytesField(8, intField(2, 17))]);
}

/** Element types as ONNX numbers them (TensorProto.DataType). */
const int64 = 7;
const bool = 9;

function node(operator: string, inputs: string[], output: string, attribute?: number[]): number[] {
  return [
    ...inputs.flatMap((input) => bytesField(1, text(input))),
    ...bytesField(2, text(output)),
    ...bytesField(4, text(operator)),
    ...(attribute ? bytesField(5, attribute) : []),
  ];
}

function valueInfo(name: string, elementType: number, dims: (string | number)[]): number[] {
  const shape = dims.flatMap((dim) => bytesField(1, typeof dim === 'string' ? bytesField(2, text(dim)) : intField(1, dim)));
  return [...bytesField(1, text(name)), ...bytesField(2, bytesField(1, [...intField(1, elementType), ...bytesField(2, shape)]))];
}

function text(value: string): number[] {
  return [...Buffer.from(value)];
}

function intField(field: number, value: number): number[] {
  return [...varint(field << 3), ...varint(value)];
}

function bytesField(field: number, bytes: number[]): number[] {
  return [...varint((field << 3) | 2), ...varint(bytes.length), ...bytes];
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...varint(value >> 7)];
}

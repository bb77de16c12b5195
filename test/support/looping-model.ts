import { bytesField, elementTypes, intField, modelOf, node, text, valueInfo } from './onnx-proto.js';

/**
 * A model with a configurable run time: `steps`, of type int64 and dimensions [N, 1], is the number of iterations, and
 * `done` returns it.
 */
export function loopingModel(): Uint8Array {
  const body = [
    ...bytesField(1, node('Identity', ['condition'], 'next_condition')),
    ...bytesField(1, node('Identity', ['value'], 'next')),
    ...bytesField(2, text('body')),
    ...[
      valueInfo('turn', elementTypes.int64, []),
      valueInfo('condition', elementTypes.bool, []),
      valueInfo('value', elementTypes.int64, ['N', 1]),
    ].flatMap((input) => bytesField(11, input)),
    ...[valueInfo('next_condition', elementTypes.bool, []), valueInfo('next', elementTypes.int64, ['N', 1])].flatMap(
      (output) => bytesField(12, output),
    ),
  ];
  const graph = [
    ...bytesField(
      1,
      node('ReduceMax', ['steps'], 'turns', [
        ...bytesField(1, text('keepdims')),
        ...intField(3, 0),
        ...intField(20, 2),
      ]),
    ),
    ...bytesField(
      1,
      node('Loop', ['turns', '', 'steps'], 'done', [
        ...bytesField(1, text('body')),
        ...bytesField(6, body),
        ...intField(20, 5),
      ]),
    ),
    ...bytesField(2, text('looping')),
    ...bytesField(11, valueInfo('steps', elementTypes.int64, ['N', 1])),
    ...bytesField(12, valueInfo('done', elementTypes.int64, ['N', 1])),
  ];
  return modelOf(graph);
}

import { bytesField, elementTypes, intField, modelOf, node, text, valueInfo } from './onnx-proto.js';

/**
 * A model that works for as long as it is told: `steps`, of type int64 and dimensions [N, 1], is how often it goes round, and
 * `done` is the same again.
 */
export function loopingModel(): Uint8Array {
  const body = [
    ...bytesField(1, node('Identity', ['go'], 'go_on')),
    ...bytesField(1, node('Identity', ['value'], 'next')),
    ...bytesField(2, text('body')),
    ...[valueInfo('turn', elementTypes.int64, []), valueInfo('go', elementTypes.bool, []), valueInfo('value', elementTypes.int64, ['N', 1])].flatMap((input) => bytesField(11, input)),
    ...[valueInfo('go_on', elementTypes.bool, []), valueInfo('next', elementTypes.int64, ['N', 1])].flatMap((output) => bytesField(12, output)),
  ];
  const graph = [
    ...bytesField(1, node('ReduceMax', ['steps'], 'turns', [...bytesField(1, text('keepdims')), ...intField(3, 0), ...intField(20, 2)])),
    ...bytesField(1, node('Loop', ['turns', '', 'steps'], 'done', [...bytesField(1, text('body')), ...bytesField(6, body), ...intField(20, 5)])),
    ...bytesField(2, text('looping')),
    ...bytesField(11, valueInfo('steps', elementTypes.int64, ['N', 1])),
    ...bytesField(12, valueInfo('done', elementTypes.int64, ['N', 1])),
  ];
  return modelOf(graph);
}

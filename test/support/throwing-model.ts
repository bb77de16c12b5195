import { bytesField, elementTypes, modelOf, node, text, valueInfo } from './onnx-proto.js';

/**
 * A model whose run throws unless `step`, of type int64 and dimensions [N, 1], is 0 in each row: `step` is used as an
 * index, which is out of bounds.
 */
export function throwingModel(): Uint8Array {
  const graph = [
    ...bytesField(1, node('GatherElements', ['step', 'step'], 'done')),
    ...bytesField(2, text('throwing')),
    ...bytesField(11, valueInfo('step', elementTypes.int64, ['N', 1])),
    ...bytesField(12, valueInfo('done', elementTypes.int64, ['N', 1])),
  ];
  return modelOf(graph);
}

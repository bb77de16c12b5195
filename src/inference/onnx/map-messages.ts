/**
 * Walks the nested messages of an ONNX graph without its schema.
 * Field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
 */
// With its extension on disk, since test threads run the sources.
import { FieldReader, fieldHeader, lengthDelimited, malformed } from './protobuf.ts';

type MessageType =
  | 'model'
  | 'training'
  | 'function'
  | 'graph'
  | 'node'
  | 'attribute'
  | 'sparseTensor'
  | 'tensor'
  | 'value'
  | 'type'
  | 'tensorType'
  | 'elementType'
  | 'mapType';

/** The fields of each message that contain messages with tensors, nodes or types. */
const innerMessages: Record<MessageType, Partial<Record<number, MessageType>>> = {
  model: { 7: 'graph', 20: 'training', 25: 'function' },
  training: { 1: 'graph', 2: 'graph' },
  function: { 7: 'node', 11: 'attribute', 12: 'value' },
  graph: { 1: 'node', 5: 'tensor', 11: 'value', 12: 'value', 13: 'value', 15: 'sparseTensor' },
  node: { 5: 'attribute' },
  attribute: {
    5: 'tensor',
    6: 'graph',
    10: 'tensor',
    11: 'graph',
    14: 'type',
    15: 'type',
    22: 'sparseTensor',
    23: 'sparseTensor',
  },
  sparseTensor: { 1: 'tensor', 2: 'tensor' },
  tensor: {},
  value: { 2: 'type' },
  type: { 1: 'tensorType', 4: 'elementType', 5: 'mapType', 8: 'tensorType', 9: 'elementType' },
  tensorType: {},
  elementType: { 1: 'type' },
  mapType: { 2: 'type' },
};

/** The limit of protobuf. */
const maxDepth = 100;

/**
 * Replaces a message by another or by several; the same object stays.
 * @param message the message, in which the inner messages are replaced already
 * @param original the message before that
 */
type Change = (message: Buffer, type: MessageType, original: Buffer) => Buffer | readonly Buffer[];

/** The model with its messages replaced; the same object if none was. @throws Error if the bytes are no ONNX graph */
export const mapMessages = (model: Buffer, change: Change): Buffer => withMapped(model, 'model', change, 0);

function withMapped(message: Buffer, type: MessageType, change: Change, depth: number): Buffer {
  if (depth > maxDepth) throw malformed();
  const pieces: Buffer[] = [];
  let copied = 0;
  const fields = new FieldReader(message);
  while (fields.next()) {
    const { number, start, end } = fields;
    const inner = innerMessages[type][number];
    if (inner === undefined || fields.wireType !== lengthDelimited) continue;
    const before = fields.bytes;
    const after = change(withMapped(before, inner, change, depth + 1), inner, before);
    if (after === before) continue;
    pieces.push(message.subarray(copied, start));
    for (const each of [after].flat()) pieces.push(fieldHeader(number, each.length), each);
    copied = end;
  }
  return pieces.length === 0 ? message : Buffer.concat([...pieces, message.subarray(copied)]);
}

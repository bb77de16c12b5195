/**
 * Makes a graph of bfloat16 one of float32, since ONNX Runtime has nearly no operators for bfloat16 on the CPU:
 * - weights are widened, which is exact: a bfloat16 is the upper half of a float32;
 * - the types of values become float32;
 * - a `Cast` to bfloat16 still rounds to the nearest, and is followed by one to float32.
 * Field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
 */
// With its extension on disk, since test threads run the sources.
import { mapMessages } from './map-messages.ts';
import { bytesField, FieldReader, intField, textIn, varintsIn } from './protobuf.ts';

/** TensorProto.DataType */
const dataTypes = { float: 1, bfloat16: 16 } as const;

const tensorFields = { type: 2, int32Data: 5, rawData: 9 } as const;
const tensorElementType = 1;
const nodeFields = { input: 1, output: 2, operator: 4 } as const;
const attributeFields = { name: 1, integer: 3 } as const;

/** Attributes that are element types. */
const typeAttributes = ['to', 'dtype', 'output_dtype', 'stash_type', 'softmax_precision'];

/** The model with float32 in place of bfloat16; the same object if it has none. @throws Error if the bytes are no ONNX graph */
export function widenBfloat16(model: Buffer): Buffer {
  return mapMessages(model, (message, type, original) => {
    if (type === 'tensor') return widenedTensor(message);
    if (type === 'tensorType') return withFloat(message, tensorElementType);
    if (type === 'attribute' && typeAttributes.includes(textIn(message, attributeFields.name)))
      return withFloat(message, attributeFields.integer);
    const isChangedCast = type === 'node' && message !== original && textIn(message, nodeFields.operator) === 'Cast';
    return isChangedCast ? roundingCasts(message, original) : message;
  });
}

/** A cast to bfloat16 and one from there to float32. */
function roundingCasts(toFloat: Buffer, toBfloat16: Buffer): Buffer[] {
  const rounded = Buffer.from(`auspex/bfloat16/${textIn(toFloat, nodeFields.output)}`);
  return [
    Buffer.concat([without(toBfloat16, [nodeFields.output]), bytesField(nodeFields.output, rounded)]),
    Buffer.concat([without(toFloat, [nodeFields.input]), bytesField(nodeFields.input, rounded)]),
  ];
}

function widenedTensor(tensor: Buffer): Buffer {
  const typed = withFloat(tensor, tensorFields.type);
  if (typed === tensor) return tensor;
  const data = Buffer.concat(halves(tensor));
  return Buffer.concat([
    without(typed, [tensorFields.int32Data, tensorFields.rawData]),
    bytesField(tensorFields.rawData, widened(data)),
  ]);
}

/** The elements of a tensor, of two bytes each. */
function halves(tensor: Buffer): Buffer[] {
  const found: Buffer[] = [];
  const fields = new FieldReader(tensor);
  while (fields.next()) {
    const { number, bytes } = fields;
    if (number === tensorFields.rawData) found.push(bytes);
    if (number !== tensorFields.int32Data) continue;
    const values = Uint16Array.from(varintsIn(bytes), Number);
    found.push(Buffer.from(values.buffer));
  }
  return found;
}

/** Puts two zero bytes before every two: ONNX is little-endian. */
function widened(data: Buffer): Buffer {
  const floats = Buffer.alloc(2 * data.length);
  for (let index = 0; index < data.length; index += 2) {
    floats[2 * index + 2] = data[index] ?? 0;
    floats[2 * index + 3] = data[index + 1] ?? 0;
  }
  return floats;
}

/** The message with a field that is bfloat16 set to float32; the same object if it is not. */
function withFloat(message: Buffer, number: number): Buffer {
  const fields = new FieldReader(message);
  while (fields.next()) {
    if (fields.number !== number || fields.wireType !== 0 || fields.bytes[0] !== dataTypes.bfloat16) continue;
    return Buffer.concat([
      message.subarray(0, fields.start),
      intField(number, dataTypes.float),
      message.subarray(fields.end),
    ]);
  }
  return message;
}

/** The message without some of its fields. */
function without(message: Buffer, numbers: readonly number[]): Buffer {
  const kept: Buffer[] = [];
  const fields = new FieldReader(message);
  while (fields.next()) if (!numbers.includes(fields.number)) kept.push(message.subarray(fields.start, fields.end));
  return Buffer.concat(kept);
}

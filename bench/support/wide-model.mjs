/* A model with one input and a wide output, which takes almost no time to run, so that a benchmark measures what is done with its output. */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';

/** Writes the model `wide` into a model repository: the products of an input `x` with `width` numbers. */
export async function writeWideModel(repository, width) {
  const weights = Float32Array.from({ length: width }, (_, index) => Math.sin(index + 1));
  const graph = [
    field(1, [field(1, 'x'), field(1, 'weights'), field(2, 'embedding'), field(4, 'Mul')]),
    field(2, 'wide'),
    field(5, [
      field(1, 1),
      field(1, width),
      field(2, float32),
      field(8, 'weights'),
      field(9, Buffer.from(weights.buffer)),
    ]),
    field(11, tensorInfo('x', 1)),
    field(12, tensorInfo('embedding', width)),
  ];
  const model = [field(1, irVersion), field(7, graph), field(8, [field(2, opset)])];
  await mkdir(path.join(repository, 'wide/1'), { recursive: true });
  await writeFile(path.join(repository, 'wide/1/model.onnx'), Buffer.concat(model));
  await writeFile(
    path.join(repository, 'wide/model.yaml'),
    'title: Wide\ninputs:\n  x: {}\noutputs:\n  embedding: {}\n',
  );
}

/** Of onnx.proto. */
const [irVersion, opset, float32] = [9, 17, 1];

/** A field of a Protocol Buffers message: an integer, a text, bytes or the fields of a message. */
function field(number, value) {
  if (typeof value === 'number') return Buffer.concat([varint(number << 3), varint(value)]);
  const bytes = Array.isArray(value) ? Buffer.concat(value) : Buffer.from(value);
  return Buffer.concat([varint((number << 3) | 2), varint(bytes.length), bytes]);
}

function varint(value) {
  const bytes = [];
  for (; value > 127; value >>>= 7) bytes.push((value & 127) | 128);
  return Buffer.from([...bytes, value]);
}

/** A tensor of float32 with a row for each prediction. */
const tensorInfo = (name, width) => [
  field(1, name),
  field(2, [field(1, [field(1, float32), field(2, [field(1, [field(2, 'rows')]), field(1, [field(1, width)])])])]),
];

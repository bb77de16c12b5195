/**
 * External data of ONNX graphs: tensors that the graph stores in other files, by path. ONNX Runtime would open any path, relative
 * to the working directory, so it never sees one: the data is read by the gateway and put into the graph.
 * Field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
 */
// With its extension on disk, since test threads run the sources.
import { mapMessages } from './map-messages.ts';
import { FieldReader, fieldHeader, lengthDelimited, malformed } from './protobuf.ts';

/** A tensor that is stored in another file. */
export interface ExternalTensor {
  name: string;
  /** The path as the graph names it; untrusted. */
  location: string;
  /** First byte in the file. */
  offset: number;
  /** Bytes in the file; null: all up to its end. */
  length: number | null;
}

const tensorFields = { name: 8, rawData: 9, externalData: 13, dataLocation: 14 } as const;
const entryFields = { key: 1, value: 2 } as const;

/**
 * Lists the tensors that are stored in other files.
 * @throws Error if the bytes are no ONNX graph
 */
export function externalTensors(model: Uint8Array): ExternalTensor[] {
  const found: ExternalTensor[] = [];
  withEmbeddedData(model, (tensor) => {
    found.push(tensor);
    return null;
  });
  return found;
}

/**
 * Puts external data into the graph.
 * @param dataOf returns the bytes of a tensor; null leaves the tensor as it is
 * @throws Error if the bytes are no ONNX graph
 */
export function withEmbeddedData(model: Uint8Array, dataOf: (tensor: ExternalTensor) => Buffer | null): Uint8Array {
  const bytes = Buffer.from(model.buffer, model.byteOffset, model.byteLength);
  // Every path has this key. Finding no key is much faster than walking a large graph.
  if (!bytes.includes('location')) return model;
  return mapMessages(bytes, (message, type) => (type === 'tensor' ? embedded(message, dataOf) : message));
}

/** The tensor with its external data as `raw_data`; the same object if it has none. */
function embedded(tensor: Buffer, dataOf: (tensor: ExternalTensor) => Buffer | null): Buffer {
  const kept: Buffer[] = [];
  const external = { name: '', location: '', offset: 0, length: null as number | null };
  let isExternal = false;
  const fields = new FieldReader(tensor);
  while (fields.next()) {
    const { number, wireType } = fields;
    if (number === tensorFields.externalData && wireType === lengthDelimited) readEntry(external, fields.bytes);
    else if (number === tensorFields.dataLocation && wireType === 0) isExternal ||= !fields.isZero;
    else if (number !== tensorFields.rawData) kept.push(tensor.subarray(fields.start, fields.end));
    if (number === tensorFields.name && wireType === lengthDelimited) external.name = fields.bytes.toString();
  }
  const data = isExternal ? dataOf(external) : null;
  return data === null ? tensor : Buffer.concat([...kept, fieldHeader(tensorFields.rawData, data.length), data]);
}

/** Reads a key and its value, such as `location`; unknown keys are ignored. */
function readEntry(external: ExternalTensor, entry: Buffer): void {
  let key = '';
  let value = '';
  const fields = new FieldReader(entry);
  while (fields.next()) {
    if (fields.wireType !== lengthDelimited) continue;
    if (fields.number === entryFields.key) key = fields.bytes.toString();
    if (fields.number === entryFields.value) value = fields.bytes.toString();
  }
  if (key === 'location') external.location = value;
  if (key === 'offset') external.offset = bytesOf(value);
  if (key === 'length') external.length = bytesOf(value);
}

function bytesOf(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw malformed();
  return Number(text);
}

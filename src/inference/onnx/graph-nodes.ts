// With its extension on disk, since test threads run the sources.
import { FieldReader, lengthDelimited, varintsIn } from './protobuf.ts';

/** Field numbers of onnx.proto. */
const modelGraph = 7;
const graphNode = 1;
const nodeFields = { input: 1, output: 2, operator: 4, attribute: 5 } as const;
const attributeFields = { name: 1, ints: 8, strings: 9 } as const;

/** A node of the main graph. */
export interface GraphNode {
  inputs: string[];
  /** The encoded node. */
  bytes: Buffer;
}

/** The type of the operator that produces a value of the graph, such as `ZipMap`; null if there is none. */
export function producerOf(model: Uint8Array, value: string): string | null {
  for (const node of nodeMessages(model)) {
    const isProducer = messages(node, nodeFields.output).some((output) => output.toString() === value);
    if (isProducer) return messages(node, nodeFields.operator).at(-1)?.toString() ?? null;
  }
  return null;
}

/** The nodes of the main graph. @throws Error if the bytes are no ONNX graph */
export function nodesOf(model: Uint8Array): GraphNode[] {
  return nodeMessages(model).map((bytes) => ({
    inputs: messages(bytes, nodeFields.input).map(String),
    bytes,
  }));
}

/** The lists of strings or integers of the attributes with these names; integers as text. */
export function attributesOf({ bytes }: GraphNode, names: readonly string[]): string[][] {
  return messages(bytes, nodeFields.attribute)
    .filter((attribute) => names.includes(String(firstField(attribute, attributeFields.name))))
    .map((attribute) => [
      ...messages(attribute, attributeFields.strings).map(String),
      ...fieldValues(attribute, attributeFields.ints).flatMap(varintsIn).map(String),
    ]);
}

function nodeMessages(model: Uint8Array): Buffer[] {
  const bytes = Buffer.from(model.buffer, model.byteOffset, model.byteLength);
  return messages(bytes, modelGraph).flatMap((graph) => messages(graph, graphNode));
}

/** The contents of a length-delimited field. */
function messages(message: Buffer, number: number): Buffer[] {
  return fieldValues(message, number, lengthDelimited);
}

/** The contents of a field, of one wire type or of any. */
function fieldValues(message: Buffer, number: number, wireType?: number): Buffer[] {
  const found: Buffer[] = [];
  const fields = new FieldReader(message);
  while (fields.next()) {
    if (fields.number === number && (wireType === undefined || fields.wireType === wireType)) found.push(fields.bytes);
  }
  return found;
}

/** Without walking the rest: an attribute of a tree ensemble has millions of values. */
function firstField(message: Buffer, number: number): Buffer | undefined {
  const fields = new FieldReader(message);
  while (fields.next()) if (fields.number === number) return fields.bytes;
  return undefined;
}

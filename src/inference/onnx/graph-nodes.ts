// With its extension on disk, since test threads run the sources.
import { FieldReader, lengthDelimited, varintsIn } from './protobuf.ts';

/** Field numbers of onnx.proto. */
const modelGraph = 7;
const graphNode = 1;
const nodeFields = { input: 1, output: 2, operator: 4, attribute: 5 } as const;
const attributeFields = { name: 1, ints: 8, strings: 9 } as const;

/** A node of the main graph. */
export interface GraphNode {
  /** The type of its operator, such as `ZipMap`. */
  operator: string;
  inputs: string[];
  outputs: string[];
  /** The encoded node. */
  bytes: Buffer;
  /** Where its field starts and ends in the encoded graph. */
  start: number;
  end: number;
}

/** The type of the operator that produces a value of the graph, such as `ZipMap`; null if there is none. */
export function producerOf(model: Uint8Array, value: string): string | null {
  return nodesOf(model).find(({ outputs }) => outputs.includes(value))?.operator ?? null;
}

/** The nodes of the main graph. @throws Error if the bytes are no ONNX graph */
export function nodesOf(model: Uint8Array): GraphNode[] {
  const bytes = Buffer.from(model.buffer, model.byteOffset, model.byteLength);
  return messages(bytes, modelGraph).flatMap((graph) => nodesIn(graph));
}

function nodesIn(graph: Buffer): GraphNode[] {
  const nodes: GraphNode[] = [];
  const fields = new FieldReader(graph);
  while (fields.next()) {
    if (fields.number !== graphNode || fields.wireType !== lengthDelimited) continue;
    const { bytes, start, end } = fields;
    nodes.push({
      operator: messages(bytes, nodeFields.operator).at(-1)?.toString() ?? '',
      inputs: messages(bytes, nodeFields.input).map(String),
      outputs: messages(bytes, nodeFields.output).map(String),
      ...{ bytes, start, end },
    });
  }
  return nodes;
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

/**
 * Edits the signature of a graph so that ONNX Runtime's interface for JavaScript can serve it. That interface has no 16-bit
 * floats and no sequences or maps:
 * - an input or output of float16 or bfloat16 becomes float32, with a `Cast` behind or before it, which rounds to the nearest;
 * - the sequence of maps that a `ZipMap` returns becomes the tensor of which it was made, with the keys as labels;
 * - a sequence of a fixed number of tensors becomes one output for each.
 * Field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
 */
// With its extension on disk, since test threads run the sources.
import { attributesOf, nodesOf, type GraphNode } from './graph-nodes.ts';
import { bytesField, FieldReader, intField, lengthDelimited } from './protobuf.ts';
import type { TensorType } from './tensor.js';

/** A graph that ONNX Runtime can serve, and how its values differ from those of the original. */
export interface AdaptedGraph {
  /** The same bytes if nothing had to change. */
  model: Uint8Array;
  /** What the original says of a value, by its name in the adapted graph. */
  values: ReadonlyMap<string, AdaptedValue>;
}

/** A value as the original graph has it. */
export interface AdaptedValue {
  name: string;
  /** The type of the original, if the adapted graph has another. */
  type?: TensorType;
  /** The names of the elements of each row. */
  labels?: string[];
}

const modelFields = { graph: 7, opsetImport: 8 } as const;
const graphFields = { node: 1, initializer: 5, input: 11, output: 12 } as const;
const tensorName = 8;
const valueFields = { name: 1, type: 2 } as const;
const typeFields = { tensor: 1, sequence: 4 } as const;
const elementType = 1;

/** TensorProto.DataType */
const dataTypes = { float: 1, float16: 10, bfloat16: 16 } as const;

/** Enumerators of AttributeProto.AttributeType. */
const integerAttribute = 2;

/** The operator set of `Cast` and `Identity` in a graph that imports none. */
const addedOpset = 13;

/** More labels are no names to show to people. */
const maxLabels = 1000;

/** A field of the graph, and what it is replaced with. */
interface Replacement {
  start: number;
  end: number;
  by: Buffer;
}

/** Adapts a graph. Bytes that are no ONNX graph stay as they are: the runtime rejects them with its reason. */
export function adaptGraph(model: Uint8Array): AdaptedGraph {
  try {
    return adapted(model);
  } catch {
    return { model, values: new Map() };
  }
}

function adapted(model: Uint8Array): AdaptedGraph {
  const bytes = Buffer.from(model.buffer, model.byteOffset, model.byteLength);
  const graphs = fieldsOf(bytes).filter(({ number }) => number === modelFields.graph);
  const [graph] = graphs;
  if (graph === undefined || graphs.length > 1) return { model, values: new Map() };
  const edits = editsOf(graph.bytes, bytes);
  if (edits.replacements.length === 0) return { model, values: new Map() };
  const content = Buffer.concat([...edits.first, replaced(graph.bytes, edits.replacements), ...edits.last]);
  const edited = Buffer.from(bytesField(modelFields.graph, content));
  return {
    model: Buffer.concat([bytes.subarray(0, graph.start), edited, bytes.subarray(graph.end), opsetFor(bytes)]),
    values: edits.values,
  };
}

interface Edits {
  replacements: Replacement[];
  /** Fields before and behind those of the graph. Nodes are in the order in which they run. */
  first: Buffer[];
  last: Buffer[];
  values: Map<string, AdaptedValue>;
}

function editsOf(graph: Buffer, model: Buffer): Edits {
  const edits: Edits = { replacements: [], first: [], last: [], values: new Map() };
  const fields = fieldsOf(graph);
  const initializers = new Set(
    fields
      .filter(({ number }) => number === graphFields.initializer)
      .map(({ bytes }) => lastBytes(bytes, tensorName)?.toString()),
  );
  for (const field of fields) {
    const isOutput = field.number === graphFields.output;
    if (!isOutput && field.number !== graphFields.input) continue;
    const value = valueOf(field.bytes);
    if (!isOutput && initializers.has(value.name)) continue;
    const half = halfFloat(value);
    if (half) castEdit(edits, field, value, half);
    else if (isOutput && value.sequence) sequenceEdit(edits, field, value, model);
  }
  return edits;
}

/** An input or output of a 16-bit float: the graph takes or returns float32, under another name. */
function castEdit(edits: Edits, { number, start, end }: Field, value: Value, half: 'float16' | 'bfloat16'): void {
  const { name } = value;
  const isInput = number === graphFields.input;
  const served = `auspex/${isInput ? 'input' : 'output'}/${name}`;
  const info = valueInfo(served, tensorType(dataTypes.float, value.shape));
  edits.replacements.push({ start, end, by: bytesField(number, info) });
  edits.values.set(served, { name, type: half });
  if (isInput) edits.first.push(nodeField('Cast', served, name, castTo(dataTypes[half])));
  else {
    // The graph may compute bfloat16 in float32 (widen-bfloat16.ts).
    const rounded = `auspex/rounded/${name}`;
    edits.last.push(nodeField('Cast', name, rounded, castTo(dataTypes[half])));
    edits.last.push(nodeField('Cast', rounded, served, castTo(dataTypes.float)));
  }
}

/** A sequence that a node makes of tensors which are there anyway; others stay, and are rejected later. */
function sequenceEdit(edits: Edits, { number, start, end }: Field, { name, sequence }: Value, model: Buffer): void {
  const nodes = nodesOf(model);
  const producer = nodes.find(({ outputs }) => outputs.includes(name));
  const isUsed = nodes.some(({ inputs }) => inputs.includes(name));
  if (!producer || isUsed || !['ZipMap', 'SequenceConstruct'].includes(producer.operator)) return;
  const remove = { start: producer.start, end: producer.end, by: Buffer.alloc(0) };
  if (producer.operator === 'ZipMap') {
    const [source = ''] = producer.inputs;
    edits.replacements.push(remove, {
      start,
      end,
      by: bytesField(number, valueInfo(name, tensorType(dataTypes.float))),
    });
    edits.last.push(nodeField('Identity', source, name));
    const labels = labelsOf(producer);
    edits.values.set(name, { name, ...(labels === null ? {} : { labels }) });
    return;
  }
  const element = sequence === null ? null : elementTypeOf(sequence);
  if (element === null) return;
  const parts = producer.inputs.map((source, index) => ({ source, part: `${name}_${index}` }));
  const infos = parts.map(({ part }) => bytesField(number, valueInfo(part, tensorType(element))));
  edits.replacements.push(remove, { start, end, by: Buffer.concat(infos) });
  for (const { source, part } of parts) edits.last.push(nodeField('Identity', source, part));
}

/** The keys of the maps; null if they cannot be names. */
function labelsOf(zipMap: GraphNode): string[] | null {
  const [labels = []] = attributesOf(zipMap, ['classlabels_strings', 'classlabels_int64s']).filter(
    (list) => list.length > 0,
  );
  const areNames = labels.every((label) => label !== '') && new Set(labels).size === labels.length;
  return areNames && labels.length > 0 && labels.length <= maxLabels ? labels : null;
}

/** The import of the standard operators, if the graph has none. */
function opsetFor(model: Buffer): Buffer {
  const hasDefault = fieldsOf(model).some(
    ({ number, bytes }) => number === modelFields.opsetImport && ['', 'ai.onnx'].includes(domainOf(bytes)),
  );
  return hasDefault ? Buffer.alloc(0) : bytesField(modelFields.opsetImport, intField(2, addedOpset));
}

const domainOf = (opset: Buffer): string => lastBytes(opset, 1)?.toString() ?? '';

/** An input or output of the graph. */
interface Value {
  name: string;
  /** TensorProto.DataType; null if it is no tensor. */
  element: number | null;
  /** The encoded shape of a tensor; null if it has none. */
  shape: Buffer | null;
  /** The encoded type of the elements of a sequence; null if it is none. */
  sequence: Buffer | null;
}

function valueOf(info: Buffer): Value {
  const type = lastBytes(info, valueFields.type) ?? Buffer.alloc(0);
  const tensor = lastBytes(type, typeFields.tensor);
  const sequence = lastBytes(type, typeFields.sequence);
  return {
    name: lastBytes(info, valueFields.name)?.toString() ?? '',
    element: tensor ? elementOf(tensor) : null,
    shape: (tensor && lastBytes(tensor, 2)) ?? null,
    sequence: (sequence && lastBytes(sequence, 1)) ?? null,
  };
}

function elementTypeOf(type: Buffer): number | null {
  const tensor = lastBytes(type, typeFields.tensor);
  return tensor ? elementOf(tensor) : null;
}

function elementOf(tensor: Buffer): number | null {
  const field = fieldsOf(tensor).findLast(({ number, wireType }) => number === elementType && wireType === 0);
  return field?.bytes[0] ?? null;
}

function halfFloat({ element }: Value): 'float16' | 'bfloat16' | null {
  if (element === dataTypes.float16) return 'float16';
  return element === dataTypes.bfloat16 ? 'bfloat16' : null;
}

function nodeField(operator: string, input: string, output: string, ...attributes: Buffer[]): Buffer {
  return bytesField(
    graphFields.node,
    Buffer.concat([
      bytesField(1, Buffer.from(input)),
      bytesField(2, Buffer.from(output)),
      bytesField(4, Buffer.from(operator)),
      ...attributes.map((attribute) => bytesField(5, attribute)),
    ]),
  );
}

const castTo = (type: number): Buffer =>
  Buffer.concat([bytesField(1, Buffer.from('to')), intField(3, type), intField(20, integerAttribute)]);

const valueInfo = (name: string, type: Buffer): Buffer =>
  Buffer.concat([bytesField(valueFields.name, Buffer.from(name)), bytesField(valueFields.type, type)]);

const tensorType = (element: number, shape: Buffer | null = null): Buffer =>
  bytesField(
    typeFields.tensor,
    Buffer.concat([intField(elementType, element), ...(shape === null ? [] : [bytesField(2, shape)])]),
  );

function replaced(message: Buffer, replacements: readonly Replacement[]): Buffer {
  const pieces: Buffer[] = [];
  let copied = 0;
  for (const { start, end, by } of replacements.toSorted((one, other) => one.start - other.start)) {
    pieces.push(message.subarray(copied, start), by);
    copied = end;
  }
  return Buffer.concat([...pieces, message.subarray(copied)]);
}

interface Field {
  number: number;
  wireType: number;
  start: number;
  end: number;
  bytes: Buffer;
}

/** The fields of a message, without those inside them. */
function fieldsOf(message: Buffer): Field[] {
  const found: Field[] = [];
  const fields = new FieldReader(message);
  while (fields.next()) {
    const { number, wireType, start, end, bytes } = fields;
    found.push({ number, wireType, start, end, bytes });
  }
  return found;
}

/** The content of a field that occurs once; the last one counts, as in protobuf. */
function lastBytes(message: Buffer, number: number): Buffer | undefined {
  return fieldsOf(message).findLast((field) => field.number === number && field.wireType === lengthDelimited)?.bytes;
}

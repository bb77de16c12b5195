import type { FieldProblem } from '../shared/errors.js';
import { ModelStoreError, type Manifest, type ManifestField, type ManifestInput, type ManifestOutput } from './manifest.js';
import { Tensor, type GraphValue } from './onnx-session.js';

/** One input or output of a model, for those who ask what it takes and gives. */
export interface ModelField {
  /** The name in a row. */
  name: string;
  type: FieldType;
  /** The tensor's dimensions; null for one that is free: the first is the number of rows. */
  shape: (number | null)[];
  /** Whether a row must have it; an output always is there. */
  required: boolean;
  description?: string;
  unit?: string;
  /** Limits of a number, both included. */
  minimum?: number;
  maximum?: number;
  /** The values that the model knows; for a vector with names, the names. */
  values?: string[];
}

/** `float` is any finite number, `integer` a whole one. */
export type FieldType = 'float' | 'integer' | 'string' | 'boolean';

export interface InputField extends ModelField {
  tensorType: TensorType;
  /** Only `values` are taken. */
  isClosed: boolean;
}

export interface OutputField extends ModelField {
  tensorType: TensorType;
  /** A vector is answered as an object with these keys, or as a list where it has none; null: it is a single value. */
  vector: { labels: string[] | null } | null;
}

/** What a version takes and gives, from its graph and its manifest together. The graph's order is the order of the fields. */
export interface Signature {
  inputs: InputField[];
  outputs: OutputField[];
}

/** A row as the model is fed: one value per input, in the signature's order; null where an optional one is missing. */
export type EncodedRow = (number | string | boolean | null)[];

/** The answer to a row, or the output that has no value which JSON could hold. */
export type RowAnswer = { kind: 'answered'; output: Record<string, unknown> } | { kind: 'unanswerable'; field: string };

/** Problems told at once; a caller with more has made one mistake many times. */
export const maxProblems = 100;

/** Characters of one string. */
export const maxTextLength = 1000;

/**
 * Joins what the graph tells and what the manifest tells.
 * @param label the version as told in messages: `iris/1`
 * @throws ModelStoreError that names every field on which the two disagree
 */
export function createSignature(label: string, graph: { inputs: GraphValue[]; outputs: GraphValue[] }, manifest: Manifest): Signature {
  const problems = [
    ...unmatched(`${label}: input`, graph.inputs, manifest.inputs),
    ...unmatched(`${label}: output`, graph.outputs, manifest.outputs),
  ];
  const inputs = graph.inputs.flatMap((value) => {
    const told = ownValue(manifest.inputs, value.name);
    return told ? inputField(value, told, (problem) => problems.push(`${label}: input ${value.name} ${problem}`)) : [];
  });
  const outputs = graph.outputs.flatMap((value) => {
    const told = ownValue(manifest.outputs, value.name);
    return told ? outputField(value, told, (problem) => problems.push(`${label}: output ${value.name} ${problem}`)) : [];
  });
  if (problems.length > 0) throw new ModelStoreError(problems);
  return { inputs, outputs };
}

/** Everything that is wrong with the rows, field by field, up to 100 problems; an empty list where they can be fed. */
export function validateRows(signature: Signature, rows: readonly unknown[]): FieldProblem[] {
  const problems: FieldProblem[] = [];
  const names = new Set(signature.inputs.map(({ name }) => name));
  for (const [row, value] of rows.entries()) {
    if (problems.length >= maxProblems) break;
    if (!isPlainObject(value)) {
      problems.push({
        row,
        field: 'inputs',
        message: `must be an object such as {"${signature.inputs[0]?.name ?? 'name'}": ...}, not ${kindOf(value)}`,
      });
      continue;
    }
    for (const input of signature.inputs) {
      const message = problemWith(input, ownValue(value, input.name));
      if (message !== null) problems.push({ row, field: input.name, message });
    }
    for (const key of Object.keys(value)) {
      if (problems.length >= maxProblems) break;
      if (!names.has(key))
        problems.push({ row, field: shortened(key), message: `is not an input of this model${suggestion(key, [...names])}` });
    }
  }
  return problems.slice(0, maxProblems);
}

/** The values of a valid row in the signature's order: absent and null become the same, and so do 0 and -0. */
export function encodeRow({ inputs }: Signature, row: Record<string, unknown>): EncodedRow {
  return inputs.map(({ name }) => {
    const value = ownValue(row, name);
    if (typeof value === 'number') return value + 0;
    return typeof value === 'string' || typeof value === 'boolean' ? value : null;
  });
}

/** One tensor per input: n rows become dimensions [n] or [n, 1]. A missing number is NaN, a missing string is empty. */
export function toTensors({ inputs }: Signature, rows: readonly EncodedRow[]): Record<string, Tensor> {
  return Object.fromEntries(
    inputs.map(({ name, tensorType, shape }, column) => {
      const dims = [rows.length, ...shape.slice(1).map(() => 1)];
      return [
        name,
        tensorOf[tensorType](
          rows.map((row) => row[column] ?? null),
          dims,
        ),
      ];
    }),
  );
}

/**
 * The answers to n rows, in their order.
 * @throws Error where a tensor has not one element, or one vector, for each row
 */
export function fromTensors({ outputs }: Signature, tensors: Record<string, Tensor>, rowCount: number): RowAnswer[] {
  const columns = outputs.map((output) => ({ output, ...elementsPerRow(output, tensors[output.name], rowCount) }));
  return Array.from({ length: rowCount }, (_, row): RowAnswer => {
    const answer: [string, unknown][] = [];
    for (const { output, data, width } of columns) {
      const value = rowValue(output, data, row, width);
      if (value === undefined) return { kind: 'unanswerable', field: output.name };
      answer.push([output.name, value]);
    }
    return { kind: 'answered', output: Object.fromEntries(answer) };
  });
}

/** Whether a value has the shape of this version's answers; what comes out of a shared cache may not. */
export function isOutput({ outputs }: Signature, value: unknown): value is Record<string, unknown> {
  return (
    isPlainObject(value) &&
    Object.keys(value).length === outputs.length &&
    outputs.every((output) => hasOutputShape(output, ownValue(value, output.name)))
  );
}

/** A caller's text as messages repeat it. */
export function shortened(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}...` : text;
}

// ---------------------------------------------------------------- types of a graph

const tensorTypes = ['float32', 'float64', 'int64', 'int32', 'bool', 'string'] as const;
type TensorType = (typeof tensorTypes)[number];

type Scalar = EncodedRow[number];

const fieldTypes: Record<TensorType, FieldType> = {
  float32: 'float',
  float64: 'float',
  int64: 'integer',
  int32: 'integer',
  bool: 'boolean',
  string: 'string',
};

/** What the type can hold beside the manifest's limits. JSON's own numbers are exact up to 2^53. */
const typeLimits: Partial<Record<TensorType, [minimum: number, maximum: number]>> = {
  float32: [-3.4028234663852886e38, 3.4028234663852886e38],
  int64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  int32: [-(2 ** 31), 2 ** 31 - 1],
};

/** Float graphs know a missing number by NaN, text graphs by an empty string; the others have no sign for it. */
const canBeMissing: Record<TensorType, boolean> = { float32: true, float64: true, string: true, int64: false, int32: false, bool: false };

const tensorOf: Record<TensorType, (values: Scalar[], dims: number[]) => Tensor> = {
  float32: (values, dims) => new Tensor('float32', Float32Array.from(values, numberOrNaN), dims),
  float64: (values, dims) => new Tensor('float64', Float64Array.from(values, numberOrNaN), dims),
  int64: (values, dims) =>
    new Tensor(
      'int64',
      BigInt64Array.from(values, (value) => BigInt(value ?? 0)),
      dims,
    ),
  int32: (values, dims) => new Tensor('int32', Int32Array.from(values, Number), dims),
  bool: (values, dims) => new Tensor('bool', Uint8Array.from(values, Number), dims),
  string: (values, dims) =>
    new Tensor(
      'string',
      values.map((value) => (typeof value === 'string' ? value : '')),
      dims,
    ),
};

function numberOrNaN(value: Scalar): number {
  return typeof value === 'number' ? value : NaN;
}

// ---------------------------------------------------------------- graph and manifest

function unmatched(what: string, graph: readonly GraphValue[], manifest: Record<string, unknown>): string[] {
  const inGraph = graph.map(({ name }) => name);
  return [
    ...inGraph
      .filter((name) => !Object.hasOwn(manifest, name))
      .map((name) => `${what} ${name} of the graph is not in the manifest; describe it there`),
    ...Object.keys(manifest)
      .filter((name) => !inGraph.includes(name))
      .map((name) => `${what} ${name} of the manifest is not in the graph, which has ${inGraph.join(', ')}`),
  ];
}

type Report = (problem: string) => void;

function inputField(value: GraphValue, told: ManifestInput, report: Report): InputField[] {
  const tensorType = servedType(value, report);
  if (!tensorType) return [];
  const isNumber = tensorType !== 'string' && tensorType !== 'bool';
  const isSingle = value.shape.length === 1 || (value.shape.length === 2 && value.shape[1] === 1);
  if (!isSingle) report(`has the shape ${shapeText(value.shape)}; an input takes one value for each row: [N, 1] or [N]`);
  if (!isNumber && (told.integer || told.minimum !== undefined || told.maximum !== undefined)) {
    report(`is ${fieldTypes[tensorType]}; integer, minimum and maximum are for numbers`);
  }
  if (!isNumber && tensorType === 'bool' && told.values) report('is boolean; it needs no list of values');
  if (!told.required && !canBeMissing[tensorType]) report(`is ${tensorType}, which has no sign for a missing value; set required: true`);
  const type = isNumber && told.integer ? 'integer' : fieldTypes[tensorType];
  return [
    {
      ...describedField(value, told, type),
      required: told.required,
      tensorType,
      isClosed: told.closed,
      ...(told.minimum === undefined ? {} : { minimum: told.minimum }),
      ...(told.maximum === undefined ? {} : { maximum: told.maximum }),
    },
  ];
}

function outputField(value: GraphValue, told: ManifestOutput, report: Report): OutputField[] {
  const tensorType = servedType(value, report);
  if (!tensorType) return [];
  const width = value.shape[1];
  if (value.shape.length > 2) {
    report(`has the shape ${shapeText(value.shape)}; an output gives a value or a vector for each row: [N], [N, 1] or [N, k]`);
  }
  if (told.labels && told.values) report('has both values and labels; a vector has labels, a single value has values');
  if (told.labels && value.shape.length !== 2) report(`has labels, but is no vector: its shape is ${shapeText(value.shape)}`);
  if (told.labels && typeof width === 'number' && width !== told.labels.length) {
    report(`has ${told.labels.length} labels for ${width} elements`);
  }
  const isVector = value.shape.length === 2 && (told.labels !== undefined || width !== 1);
  const values = told.labels ?? told.values;
  return [
    {
      ...describedField(value, { ...told, values }, fieldTypes[tensorType]),
      required: true,
      tensorType,
      vector: isVector ? { labels: told.labels ?? null } : null,
    },
  ];
}

function describedField({ name, shape }: GraphValue, { description, unit, values }: ManifestField, type: FieldType): ModelField {
  return {
    name,
    type,
    shape,
    required: true,
    ...(description === undefined ? {} : { description }),
    ...(unit === undefined ? {} : { unit }),
    ...(values === undefined ? {} : { values }),
  };
}

function servedType({ type, shape }: GraphValue, report: Report): TensorType | undefined {
  const served = tensorTypes.find((known) => known === type);
  if (type === null) report('is no tensor; export the model without ZipMap');
  else if (!served) report(`has the type ${type}; served are ${tensorTypes.join(', ')}`);
  else if (shape[0] !== null) report(`has the shape ${shapeText(shape)}; the first dimension must be free, since it is the number of rows`);
  return served;
}

function shapeText(shape: readonly (number | null)[]): string {
  return `[${shape.map((dimension) => dimension ?? 'N').join(', ')}]`;
}

// ---------------------------------------------------------------- values of a row

/** What is wrong with a value, or null. */
function problemWith(input: InputField, value: unknown): string | null {
  if (value === undefined || value === null) return input.required ? 'is required' : null;
  switch (input.type) {
    case 'boolean':
      return typeof value === 'boolean' ? null : `must be true or false, not ${kindOf(value)}`;
    case 'string':
      return typeof value === 'string' ? problemWithText(input, value) : `must be a string, not ${kindOf(value)}`;
    case 'float':
    case 'integer':
      return typeof value === 'number' ? problemWithNumber(input, value) : `must be a number, not ${kindOf(value)}`;
  }
}

function problemWithText(input: InputField, value: string): string | null {
  if (value === '') return 'must not be empty; leave it out where it is not known';
  if (value.length > maxTextLength) return `must have ${maxTextLength} characters or fewer; it has ${value.length}`;
  // Neither JSON in PostgreSQL nor a UTF-8 tensor can hold these.
  if (value.includes('\0') || !value.isWellFormed()) return 'must be well-formed text without NUL characters';
  return problemWithChoice(input, value);
}

function problemWithNumber(input: InputField, value: number): string | null {
  if (!Number.isFinite(value)) return 'must be a finite number';
  const { minimum, maximum, unit } = input;
  if (input.type === 'integer' && !Number.isInteger(value)) return `must be a whole number, not ${value}`;
  const isOutside = (minimum !== undefined && value < minimum) || (maximum !== undefined && value > maximum);
  if (isOutside) return `must be ${rangeText(minimum, maximum)}${unit === undefined ? '' : ` ${unit}`}, not ${value}`;
  const [lowest, highest] = typeLimits[input.tensorType] ?? [-Infinity, Infinity];
  if (value < lowest || value > highest) return `must be ${rangeText(lowest, highest)}, not ${value}`;
  return problemWithChoice(input, value);
}

function problemWithChoice({ isClosed, values }: InputField, value: string | number): string | null {
  if (!isClosed || !values || values.includes(String(value))) return null;
  return `must be one of ${values.slice(0, 20).map(quoted).join(', ')}${values.length > 20 ? ', ...' : ''}, not ${quoted(String(value))}`;
}

function rangeText(minimum: number | undefined, maximum: number | undefined): string {
  if (minimum === undefined) return `${maximum} or less`;
  if (maximum === undefined) return `${minimum} or more`;
  return `from ${minimum} to ${maximum}`;
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (value === undefined) return 'undefined';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'an object';
  return `a ${typeof value}`;
}

/** An object of JSON. Its prototype may be none at all, or that of another realm. */
function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** A field may be called `constructor`: only what the object itself has counts. */
function ownValue<Value>(record: Record<string, Value>, name: string): Value | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}

function quoted(text: string): string {
  return `"${shortened(text)}"`;
}

/** The known name that was most likely meant: spelt otherwise, or two letters off. */
function suggestion(name: string, known: readonly string[]): string {
  if (name.length > 100) return '';
  const [nearest] = known
    .map((candidate) => ({ candidate, distance: editDistance(lettersOf(name), lettersOf(candidate)) }))
    .filter(({ candidate, distance }) => distance <= Math.min(2, candidate.length / 3))
    .sort((a, b) => a.distance - b.distance);
  return nearest ? `; did you mean ${nearest.candidate}?` : '';
}

function lettersOf(name: string): string {
  return name.toLowerCase().replace(/[^\p{L}\p{N}]/gu, '');
}

/** Letters to put in, take out or exchange (Levenshtein). */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [row, letter] of [...a].entries()) {
    const current = [row + 1];
    for (const [column, other] of [...b].entries()) {
      const exchanged = (previous[column] ?? 0) + (letter === other ? 0 : 1);
      current.push(Math.min(exchanged, (previous[column + 1] ?? 0) + 1, (current[column] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}

// ---------------------------------------------------------------- values of an answer

function elementsPerRow(output: OutputField, tensor: Tensor | undefined, rowCount: number): { data: ArrayLike<unknown>; width: number } {
  const width = tensor ? tensor.size / rowCount : NaN;
  const expected = output.vector ? (output.vector.labels?.length ?? width) : 1;
  if (tensor?.dims[0] !== rowCount || width !== expected || !Number.isInteger(width)) {
    throw new Error(`The output ${output.name} has the shape [${tensor?.dims.join(', ') ?? 'nothing'}] for ${rowCount} rows.`);
  }
  return { data: tensor.data, width };
}

/** Undefined where the graph gave something that is no JSON, such as NaN. */
function rowValue({ vector, tensorType }: OutputField, data: ArrayLike<unknown>, row: number, width: number): unknown {
  if (!vector) return jsonScalar(tensorType, data[row]);
  const elements = Array.from({ length: width }, (_, index) => jsonScalar(tensorType, data[row * width + index]));
  if (elements.includes(undefined)) return undefined;
  return vector.labels ? Object.fromEntries(vector.labels.map((label, index) => [label, elements[index]])) : elements;
}

function jsonScalar(tensorType: TensorType, value: unknown): number | string | boolean | undefined {
  if (tensorType === 'bool') return Boolean(value);
  if (typeof value === 'string') return value;
  // Past 2^53 a JSON number would be another number.
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

function hasOutputShape({ vector, type }: OutputField, value: unknown): boolean {
  if (!vector) return isScalarOf(type, value);
  const { labels } = vector;
  if (!labels) return Array.isArray(value) && value.every((element) => isScalarOf(type, element));
  return (
    isPlainObject(value) && Object.keys(value).length === labels.length && labels.every((label) => isScalarOf(type, ownValue(value, label)))
  );
}

function isScalarOf(type: FieldType, value: unknown): boolean {
  if (type === 'integer') return Number.isSafeInteger(value) || (typeof value === 'string' && /^-?\d+$/.test(value));
  if (type === 'float') return typeof value === 'number' && Number.isFinite(value);
  return typeof value === type;
}

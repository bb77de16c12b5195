import type { FieldProblem } from '../shared/errors.js';
import type { GraphValue } from './backend/backend.js';
import { ModelStoreError, type Manifest, type ManifestField, type ManifestInput, type ManifestOutput } from './manifest.js';
import { tensorTypes, type Tensor, type TensorData, type Tensors, type TensorType } from './tensor.js';

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
  /** The dimensions of one row's value: none for a single value, [4] for a list of 4, [8, 8] for 8 lists of 8. */
  rowShape: number[];
  /** Only `values` are taken. */
  isClosed: boolean;
}

export interface OutputField extends ModelField {
  tensorType: TensorType;
  /** The dimensions of one row's value: none for a single value, [4] for a list of 4; null for one that each answer decides. */
  rowShape: (number | null)[];
  /** A list of values is answered as an object with these keys; null: as a list. */
  labels: string[] | null;
}

/** What a version takes and gives, from its graph and its manifest together. The graph's order is the order of the fields. */
export interface Signature {
  inputs: InputField[];
  outputs: OutputField[];
}

/** A row as the model is fed, one entry per input: a value, all elements of nested lists in one list, or null where it is missing. */
export type EncodedRow = (Scalar | Scalar[] | null)[];

type Scalar = number | string | boolean;

/** The answer to a row, or the output that has no value which JSON could hold. */
export type RowAnswer = { kind: 'answered'; output: Record<string, unknown> } | { kind: 'unanswerable'; field: string };

/** Problems told at once; a caller with more has made one mistake many times. */
export const maxProblems = 100;

/** Problems told of one input's elements. */
const maxElementProblems = 5;

/** Elements of one row's value. */
const maxElements = 100_000;

/** Characters of one string. */
export const maxTextLength = 1000;

/**
 * Joins what the graph tells and what the manifest tells.
 * @param label the version as told in messages: `iris/1`
 * @throws ModelStoreError that names every field on which the two disagree
 */
export function createSignature(
  label: string,
  graph: { inputs: GraphValue[]; outputs: GraphValue[] },
  manifest: Pick<Manifest, 'inputs' | 'outputs'>,
): Signature {
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
      const told = ownValue(value, input.name);
      if (input.rowShape.length > 0) {
        problems.push(...problemsWithLists(input, told).map((problem) => ({ row, ...problem })));
        continue;
      }
      const message = problemWith(input, told);
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
  return inputs.map(({ name, rowShape }) => {
    const value = ownValue(row, name);
    return rowShape.length === 0 ? encoded(value) : elementsOf(value, rowShape.length).map((element) => encoded(element) ?? 0);
  });
}

/** One tensor per input: the first dimension is the number of rows. A missing number is NaN, a missing string is empty. */
export function toTensors({ inputs }: Signature, rows: readonly EncodedRow[]): Tensors {
  return Object.fromEntries(
    inputs.map(({ name, tensorType, shape }, column): [string, Tensor] => {
      const dims = [rows.length, ...shape.slice(1).map((size) => size ?? 1)];
      return [name, { type: tensorType, dims, data: dataOf[tensorType](elementsOfColumn(rows, column)) }];
    }),
  );
}

/**
 * The answers to n rows, in their order.
 * @throws Error where a tensor has another shape than the signature tells
 */
export function fromTensors({ outputs }: Signature, tensors: Tensors, rowCount: number): RowAnswer[] {
  const columns = outputs.map((output) => ({ output, ...valuesPerRow(output, tensors[output.name], rowCount) }));
  return Array.from({ length: rowCount }, (_, row): RowAnswer => {
    const answer: [string, unknown][] = [];
    for (const { output, data, rowShape } of columns) {
      const value = rowValue(output, data, row, rowShape);
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

/** The elements of a column of a tensor. A missing number is NaN, a missing string is empty. */
const dataOf: Record<TensorType, (values: (Scalar | null)[]) => TensorData> = {
  float32: (values) => new Float32Array(values.map(numberOrNaN)),
  float64: (values) => new Float64Array(values.map(numberOrNaN)),
  int64: (values) => new BigInt64Array(values.map((value) => BigInt(value ?? 0))),
  int32: (values) => new Int32Array(values.map(Number)),
  bool: (values) => new Uint8Array(values.map(Number)),
  string: (values) => values.map((value) => (typeof value === 'string' ? value : '')),
};

function elementsOfColumn(rows: readonly EncodedRow[], column: number): (Scalar | null)[] {
  const values = rows.map((row) => row[column] ?? null);
  // The test is quicker than to flatten what is flat.
  return values.some(Array.isArray) ? values.flat() : (values as (Scalar | null)[]);
}

function numberOrNaN(value: Scalar | null): number {
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
  const rowShape = rowShapeOf(value).map((size) => size ?? 0);
  if (rowShape.includes(0)) report(`has the shape ${shapeText(value.shape)}; only the first dimension of an input may be free: export it with the others fixed`);
  if (sizeOf(rowShape) > maxElements) report(`has ${sizeOf(rowShape)} elements for each row; it may have ${maxElements}`);
  if (rowShape.length > 0 && !told.required) report('takes lists, which have no sign for a missing value; set required: true');
  if (!isNumber && (told.integer || told.minimum !== undefined || told.maximum !== undefined)) {
    report(`is ${fieldTypes[tensorType]}; integer, minimum and maximum are for numbers`);
  }
  if (!isNumber && tensorType === 'bool' && told.values) report('is boolean; it needs no list of values');
  else if (!told.required && !canBeMissing[tensorType]) report(`is ${tensorType}, which has no sign for a missing value; set required: true`);
  const type = isNumber && told.integer ? 'integer' : fieldTypes[tensorType];
  return [
    {
      ...describedField(value, told, type),
      required: told.required,
      tensorType,
      rowShape,
      isClosed: told.closed,
      ...(told.minimum === undefined ? {} : { minimum: told.minimum }),
      ...(told.maximum === undefined ? {} : { maximum: told.maximum }),
    },
  ];
}

function outputField(value: GraphValue, told: ManifestOutput, report: Report): OutputField[] {
  const tensorType = servedType(value, report);
  if (!tensorType) return [];
  const { labels } = told;
  const rowShape = labels ? value.shape.slice(1) : rowShapeOf(value);
  const [size] = rowShape;
  if (labels && told.values) report('has both values and labels; a vector has labels, a single value has values');
  if (labels && rowShape.length !== 1) report(`has labels, but is no vector: its shape is ${shapeText(value.shape)}`);
  else if (labels && typeof size === 'number' && size !== labels.length) report(`has ${labels.length} labels for ${size} elements`);
  return [
    {
      ...describedField(value, { ...told, values: labels ?? told.values }, fieldTypes[tensorType]),
      required: true,
      tensorType,
      rowShape: labels ? [labels.length] : rowShape,
      labels: labels ?? null,
    },
  ];
}

/** [N] and [N, 1] are single values. */
function rowShapeOf({ shape }: GraphValue): (number | null)[] {
  const rowShape = shape.slice(1);
  return rowShape.length === 1 && rowShape[0] === 1 ? [] : rowShape;
}

function sizeOf(rowShape: readonly number[]): number {
  return rowShape.reduce((product, size) => product * size, 1);
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
  return `[${shape.map((size, index) => size ?? (index === 0 ? 'N' : '?')).join(', ')}]`;
}

// ---------------------------------------------------------------- values of a row

/** What is wrong with a single value, or null. */
function problemWith(input: InputField, value: unknown): string | null {
  if (value === undefined || value === null) return input.required ? 'is required' : null;
  return problemWithElement(input, value);
}

function problemWithElement(input: InputField, value: unknown): string | null {
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

/** What is wrong with nested lists: their shape, or else some of their elements. */
function problemsWithLists(input: InputField, value: unknown): Omit<FieldProblem, 'row'>[] {
  const { name, rowShape } = input;
  if (value === undefined || value === null) return [{ field: name, message: 'is required' }];
  const misshapen = wrongShape(name, value, rowShape);
  if (misshapen !== null) return [{ field: name, message: `must be ${listsText(input)}; ${misshapen}` }];
  const problems: Omit<FieldProblem, 'row'>[] = [];
  for (const [index, element] of elementsOf(value, rowShape.length).entries()) {
    const message = problemWithElement(input, element);
    if (message !== null) problems.push({ field: `${name}${placeOf(index, rowShape)}`, message });
    if (problems.length === maxElementProblems) break;
  }
  return problems;
}

/** The first list that is none or has another length, such as `pixels[3] has 7`; null where all are right. */
function wrongShape(place: string, value: unknown, [size, ...inner]: readonly number[]): string | null {
  if (size === undefined) return null;
  if (!Array.isArray(value)) return `${place} is ${kindOf(value)}`;
  if (value.length !== size) return `${place} has ${value.length}`;
  if (inner.length === 0) return null;
  for (const [index, element] of value.entries()) {
    const wrong = wrongShape(`${place}[${index}]`, element, inner);
    if (wrong !== null) return wrong;
  }
  return null;
}

/** Such as `8 lists of 8 numbers`. */
function listsText({ rowShape, type }: InputField): string {
  const [innermost, ...outer] = rowShape.toReversed();
  return [...outer.toReversed().map((size) => `${size} lists of `), `${innermost} ${elementsText[type]}`].join('');
}

const elementsText: Record<FieldType, string> = { float: 'numbers', integer: 'numbers', string: 'strings', boolean: 'booleans' };

/** The indices of an element, such as `[3][5]`. */
function placeOf(index: number, rowShape: readonly number[]): string {
  let rest = index;
  return rowShape
    .toReversed()
    .map((size) => {
      const place = `[${rest % size}]`;
      rest = Math.floor(rest / size);
      return place;
    })
    .toReversed()
    .join('');
}

/** The elements of lists that are nested `depth` deep. */
function elementsOf(value: unknown, depth: number): unknown[] {
  return (value as unknown[]).flat(depth - 1);
}

function encoded(value: unknown): Scalar | null {
  // -0 + 0 is 0.
  if (typeof value === 'number') return value + 0;
  return typeof value === 'string' || typeof value === 'boolean' ? value : null;
}

function problemWithText(input: InputField, value: string): string | null {
  if (value === '') return input.required ? 'must not be empty' : 'must not be empty; leave it out where it is not known';
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

function valuesPerRow(output: OutputField, tensor: Tensor | undefined, rowCount: number): { data: TensorData; rowShape: number[] } {
  const told = output.rowShape;
  const [rows, ...inner] = tensor?.dims ?? [];
  const rowShape = told.length === 0 ? [] : inner;
  const isAsTold = rowShape.length === told.length && told.every((size, index) => size === null || size === rowShape[index]);
  const size = sizeOf(rowShape);
  if (!tensor || rows !== rowCount || !isAsTold || size > maxElements || tensor.data.length !== rowCount * size) {
    throw new Error(`The output ${output.name} has the shape [${tensor?.dims.join(', ') ?? 'nothing'}] for ${rowCount} rows.`);
  }
  return { data: tensor.data, rowShape };
}

/** Undefined where the graph gave something that is no JSON, such as NaN. */
function rowValue({ labels, tensorType }: OutputField, data: TensorData, row: number, rowShape: readonly number[]): unknown {
  if (rowShape.length === 0) return jsonScalar(tensorType, data[row]);
  const size = sizeOf(rowShape);
  const elements = Array.from({ length: size }, (_, index) => jsonScalar(tensorType, data[row * size + index]));
  if (elements.includes(undefined)) return undefined;
  return labels ? Object.fromEntries(labels.map((label, index) => [label, elements[index]])) : nested(elements, rowShape);
}

function nested(elements: unknown[], [length = 0, ...inner]: readonly number[]): unknown[] {
  if (inner.length === 0) return elements;
  const size = sizeOf(inner);
  return Array.from({ length }, (_, index) => nested(elements.slice(index * size, (index + 1) * size), inner));
}

function jsonScalar(tensorType: TensorType, value: unknown): number | string | boolean | undefined {
  if (tensorType === 'bool') return Boolean(value);
  if (typeof value === 'string') return value;
  // Past 2^53 a JSON number would be another number.
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

function hasOutputShape({ rowShape, labels, type }: OutputField, value: unknown): boolean {
  if (!labels) return hasShape(type, rowShape, value);
  return (
    isPlainObject(value) && Object.keys(value).length === labels.length && labels.every((label) => isScalarOf(type, ownValue(value, label)))
  );
}

function hasShape(type: FieldType, [size, ...inner]: readonly (number | null)[], value: unknown): boolean {
  if (size === undefined) return isScalarOf(type, value);
  return Array.isArray(value) && (size === null || value.length === size) && value.every((element) => hasShape(type, inner, element));
}

function isScalarOf(type: FieldType, value: unknown): boolean {
  if (type === 'integer') return Number.isSafeInteger(value) || (typeof value === 'string' && /^-?\d+$/.test(value));
  if (type === 'float') return typeof value === 'number' && Number.isFinite(value);
  return typeof value === type;
}

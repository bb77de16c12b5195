import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Tensor, TensorData, Tensors, TensorType } from '../onnx/tensor.js';
import { ownValue, setOwn } from '../../errors/own-value.js';
import { isPlainObject } from './json.js';
import { elementTypes } from './element-types.js';
import { sizeOf, type FieldType, type OutputField, type RowResult, type Signature } from './types.js';

/** Elements that are converted in one turn of the event loop: one to three milliseconds. */
const elementsPerTurn = 32_768;

/** Rows of this width that are converted in one turn. */
export const rowsPerTurn = (elementsPerRow: number): number =>
  Math.max(1, Math.floor(elementsPerTurn / Math.max(1, elementsPerRow)));

/**
 * Decodes the outputs of a run, wide ones in several turns of the event loop. @returns one result per row
 * @throws Error if a tensor does not match the signature
 */
export async function fromTensors(
  { outputs, maxRowBytes }: Signature,
  tensors: Tensors,
  rowCount: number,
): Promise<RowResult[]> {
  const columns = outputs.map((output) => ({
    output,
    ...valuesPerRow(output, ownValue(tensors, output.name), { rowCount, maxRowBytes }),
  }));
  const rowsAtOnce = rowsPerTurn(columns.reduce((sum, { rowShape }) => sum + sizeOf(rowShape), 0));
  const results: RowResult[] = [];
  for (let row = 0; row < rowCount; row += 1) {
    if (row > 0 && row % rowsAtOnce === 0) await nextTurn();
    results.push(rowResult(columns, row));
  }
  return results;
}

/** The values of an output for all rows. */
interface Column {
  output: OutputField;
  data: TensorData;
  rowShape: number[];
}

function rowResult(columns: readonly Column[], row: number): RowResult {
  const response: Record<string, unknown> = {};
  for (const column of columns) {
    const value = rowValue(column, row);
    if (value === undefined) return { kind: 'not-finite', field: column.output.name };
    setOwn(response, column.output.name, value);
  }
  return { kind: 'ok', output: response };
}

/** Whether a value is an output of this version; an entry of a shared cache may not be. */
export function isOutput({ outputs }: Signature, value: unknown): value is Record<string, unknown> {
  return (
    isPlainObject(value) &&
    Object.keys(value).length === outputs.length &&
    outputs.every((output) => hasOutputShape(output, ownValue(value, output.name)))
  );
}

function valuesPerRow(
  output: OutputField,
  tensor: Tensor | undefined,
  { rowCount, maxRowBytes }: { rowCount: number; maxRowBytes: number },
): { data: TensorData; rowShape: number[] } {
  const expected = output.rowShape;
  const [rows, ...inner] = tensor?.dims ?? [];
  const rowShape = expected.length === 0 ? [] : inner;
  const matchesSignature =
    rowShape.length === expected.length && expected.every((size, index) => size === null || size === rowShape[index]);
  const size = sizeOf(rowShape);
  if (!tensor || rows !== rowCount || !matchesSignature || tensor.data.length !== rowCount * size) {
    throw new Error(
      `The output ${output.name} has the shape [${tensor?.dims.join(', ') ?? 'nothing'}] for ${rowCount} rows.`,
    );
  }
  const bytes = size * elementTypes[output.tensorType].bytes;
  if (bytes > maxRowBytes) {
    throw new Error(
      `The output ${output.name} has ${bytes} bytes for a row; serving.max_row_bytes is ${maxRowBytes}; raise it, or return less.`,
    );
  }
  return { data: tensor.data, rowShape };
}

/** Undefined if the value is not JSON, such as NaN. */
function rowValue({ output: { labels, tensorType }, data, rowShape }: Column, row: number): unknown {
  if (rowShape.length === 0) return jsonScalar(tensorType, data[row]);
  const size = sizeOf(rowShape);
  const elements = new Array<unknown>(size);
  for (let index = 0; index < size; index += 1) {
    const element = jsonScalar(tensorType, data[row * size + index]);
    if (element === undefined) return undefined;
    elements[index] = element;
  }
  if (!labels) return nested(elements, rowShape);
  const byLabel: Record<string, unknown> = {};
  for (const [index, label] of labels.entries()) setOwn(byLabel, label, elements[index]);
  return byLabel;
}

function nested(elements: unknown[], [length = 0, ...inner]: readonly number[]): unknown[] {
  if (inner.length === 0) return elements;
  const size = sizeOf(inner);
  return Array.from({ length }, (_, index) => nested(elements.slice(index * size, (index + 1) * size), inner));
}

function jsonScalar(tensorType: TensorType, value: unknown): number | string | boolean | undefined {
  if (tensorType === 'bool') return Boolean(value);
  if (typeof value === 'string') return value;
  // Beyond 2^53 a JSON number is inexact.
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

function hasOutputShape({ rowShape, labels, type }: OutputField, value: unknown): boolean {
  if (!labels) return hasShape(type, rowShape, value);
  return (
    isPlainObject(value) &&
    Object.keys(value).length === labels.length &&
    labels.every((label) => isScalarOf(type, ownValue(value, label)))
  );
}

function hasShape(type: FieldType, [size, ...inner]: readonly (number | null)[], value: unknown): boolean {
  if (size === undefined) return isScalarOf(type, value);
  return (
    Array.isArray(value) &&
    (size === null || value.length === size) &&
    value.every((element) => hasShape(type, inner, element))
  );
}

function isScalarOf(type: FieldType, value: unknown): boolean {
  if (type === 'integer') return Number.isSafeInteger(value) || (typeof value === 'string' && /^-?\d+$/.test(value));
  if (type === 'float') return typeof value === 'number' && Number.isFinite(value);
  return typeof value === type;
}

import type { FieldProblem } from '../../errors/app-error.js';
import { shortened } from '../../errors/input-validation.js';
import type { TensorData } from '../onnx/tensor.js';
import { base64Tensor, isBase64Tensor, tooLarge } from './base64-tensor.js';
import { elementTypes } from './element-types.js';
import { elementsOf, shapeOfLists } from './json.js';
import { kindOf, scalarProblem } from './scalar-problem.js';
import { sizeOf, type FieldType, type InputField } from './types.js';

/** Maximum problems per list input. */
const maxElementProblems = 5;

/** A problem of a row. */
export type RowProblem = Omit<FieldProblem, 'row'>;

/** The sizes of named dimensions in a row, each with the input that has it. */
export type NamedSizes = Map<string, { size: number; field: string }>;

export interface ListContext {
  sizes: NamedSizes;
  maxRowBytes: number;
}

/** Problems of nested lists, or of their bytes in base64: their shape, or else of their elements. */
export function problemsWithLists(
  input: InputField,
  name: string,
  value: unknown,
  { sizes, maxRowBytes }: ListContext,
): RowProblem[] {
  if (value === undefined || value === null) return input.required ? [{ field: name, message: 'is required' }] : [];
  const tensor = isBase64Tensor(value) ? base64Tensor(input, value, maxRowBytes) : null;
  if (typeof tensor === 'string') return [{ field: name, message: tensor }];
  const shape = tensor?.shape ?? shapeOfLists(value, input.rowShape);
  const message =
    (tensor ? null : problemWithShape(input, name, value, { shape, maxRowBytes })) ?? otherSize(input, shape, sizes);
  if (message !== null) return [{ field: name, message }];
  for (const [axis, symbol] of (input.symbols ?? []).entries())
    if (symbol !== null && !sizes.has(symbol)) sizes.set(symbol, { size: shape[axis] ?? 0, field: name });
  const elements = tensor ? jsonElements(input, tensor.data) : elementsOf(value, shape.length);
  return problemsWithElements(input, name, elements, shape);
}

function problemsWithElements(
  input: InputField,
  name: string,
  elements: Iterable<unknown>,
  shape: readonly number[],
): RowProblem[] {
  const problems: RowProblem[] = [];
  let index = 0;
  for (const element of elements) {
    const message = element === null && input.hasNullableElements === true ? null : scalarProblem(input, element);
    if (message !== null) problems.push({ field: `${name}${placeOf(index, shape)}`, message });
    if (problems.length === maxElementProblems) break;
    index += 1;
  }
  return problems;
}

/** The elements of bytes as they would be in JSON; a missing one is NaN there. */
function* jsonElements({ type, hasNullableElements }: InputField, data: TensorData): Generator {
  for (const element of data) {
    if (typeof element === 'bigint') yield String(element);
    else if (type === 'boolean') yield element === 1;
    else yield hasNullableElements === true && Number.isNaN(element) ? null : element;
  }
}

function problemWithShape(
  input: InputField,
  name: string,
  value: unknown,
  { shape, maxRowBytes }: { shape: readonly number[]; maxRowBytes: number },
): string | null {
  // A free dimension has the size of the first list.
  const expected = input.rowShape.map((size, axis) => size ?? shape[axis] ?? 1);
  const misshapen = wrongShape(name, value, expected);
  if (misshapen !== null) return `must be ${listsText(input)}; ${misshapen}`;
  const bytes = sizeOf(expected) * elementTypes[input.tensorType].bytes;
  return bytes > maxRowBytes ? tooLarge(bytes, maxRowBytes) : null;
}

/** The problem of a dimension that another input has with another size. */
function otherSize({ symbols = [] }: InputField, shape: readonly number[], sizes: NamedSizes): string | null {
  for (const [axis, symbol] of symbols.entries()) {
    const other = symbol === null ? undefined : sizes.get(symbol);
    if (other && other.size !== shape[axis])
      return `must have the size of ${other.field} in the dimension ${shortened(symbol ?? '')}: ${other.size}, not ${shape[axis] ?? 0}`;
  }
  return null;
}

/** The first misshapen list, such as `pixels[3] has 7`; null if there is none. */
function wrongShape(place: string, value: unknown, [size, ...inner]: readonly number[]): string | null {
  if (size === undefined) return null;
  if (!Array.isArray(value)) return `${place} is ${kindOf(value)}`;
  if (value.length !== size) return `${place} has ${value.length}`;
  if (value.length === 0) return `${place} is empty`;
  if (inner.length === 0) return null;
  for (const [index, element] of value.entries()) {
    const wrong = wrongShape(`${place}[${index}]`, element, inner);
    if (wrong !== null) return wrong;
  }
  return null;
}

/** For example `8 lists of 8 numbers`. */
function listsText({ rowShape, type }: InputField): string {
  const [innermost, ...outer] = rowShape.toReversed();
  const lists = outer.toReversed().map((size) => `${size ?? 'any number of'} lists of `);
  return `${lists.join('')}${innermost ?? 'any number of'} ${elementsText[type]}`;
}

const elementsText: Record<FieldType, string> = {
  float: 'numbers',
  integer: 'numbers',
  string: 'strings',
  boolean: 'booleans',
};

/** The indices of an element: `[3][5]`. */
function placeOf(index: number, shape: readonly number[]): string {
  let rest = index;
  return shape
    .toReversed()
    .map((size) => {
      const place = `[${rest % size}]`;
      rest = Math.floor(rest / size);
      return place;
    })
    .toReversed()
    .join('');
}

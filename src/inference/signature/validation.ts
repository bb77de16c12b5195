import type { FieldProblem } from '../../errors/app-error.js';
import { shortened } from '../../errors/input-validation.js';
import type { TensorData } from '../onnx/tensor.js';
import { ownValue } from '../../errors/own-value.js';
import { base64Tensor, isBase64Tensor, tooLarge } from './base64-tensor.js';
import { elementTypes } from './element-types.js';
import { elementsOf, isPlainObject, shapeOfLists } from './json.js';
import { givenName, inputValue, spellingsOf, type Spellings } from './spellings.js';
import { defaultMaxLength, sizeOf, type FieldType, type InputField, type Signature } from './types.js';

/** Maximum problems per error. */
export const maxProblems = 100;

/** Maximum problems per list input. */
const maxElementProblems = 5;

/** Validates rows. @returns up to 100 problems by field */
export function validateRows(signature: Signature, rows: readonly unknown[]): FieldProblem[] {
  const problems: FieldProblem[] = [];
  for (const [row, value] of rows.entries()) {
    if (problems.length >= maxProblems) break;
    problems.push(
      ...validateRow(signature, value, maxProblems - problems.length).map((problem) => ({ row, ...problem })),
    );
  }
  return problems;
}

/** Validates a row. @returns up to `max` problems by field, in the spelling of the row */
export function validateRow(signature: Signature, row: unknown, max: number): RowProblem[] {
  if (!isPlainObject(row)) {
    const example = `{"${signature.inputs[0]?.name ?? 'name'}": ...}`;
    return [{ field: 'inputs', message: `must be an object such as ${example}, not ${kindOf(row)}` }];
  }
  const spellings = spellingsOf(signature);
  const problems: RowProblem[] = [];
  const sizes: NamedSizes = new Map();
  for (const input of signature.inputs) {
    if (problems.length >= max) break;
    problems.push(...problemsWithInput(input, row, { spellings, sizes, maxRowBytes: signature.maxRowBytes }));
  }
  for (const key of Object.keys(row)) {
    if (problems.length >= max) break;
    const problem = problemWithKey(key, row, spellings);
    if (problem !== null) problems.push({ field: shortened(key), message: problem });
  }
  return problems.slice(0, max);
}

type RowProblem = Omit<FieldProblem, 'row'>;

/** The sizes of named dimensions in a row, each with the input that has it. */
type NamedSizes = Map<string, { size: number; field: string }>;

interface RowContext {
  spellings: Spellings;
  sizes: NamedSizes;
  maxRowBytes: number;
}

function problemsWithInput(input: InputField, row: Record<string, unknown>, context: RowContext): RowProblem[] {
  const value = inputValue(row, input.name, context.spellings);
  const field = givenName(row, input.name, context.spellings);
  if (input.rowShape.length > 0) return problemsWithLists(input, field, value, context);
  const message = problemWith(input, value);
  return message === null ? [] : [{ field, message }];
}

/** The problem of a key that gives no input, or one that another key gives as well; null for others. */
function problemWithKey(key: string, row: Record<string, unknown>, { names, manifestName }: Spellings): string | null {
  if (names.has(key)) return null;
  const name = manifestName.get(key);
  if (name === undefined) return `is not an input of this model${suggestion(key, [...names])}`;
  const areBothGiven = ownValue(row, key) != null && ownValue(row, name) != null;
  return areBothGiven ? `is the same input as ${name}; send one of them` : null;
}

/** The problem of a scalar; null if it is valid. */
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
      if (typeof value === 'string' && elementTypes[input.tensorType].wideRange) return problemWithDigits(input, value);
      return typeof value === 'number' ? problemWithNumber(input, value) : `must be a number, not ${kindOf(value)}`;
  }
}

/** Problems of nested lists, or of their bytes in base64: their shape, or else of their elements. */
function problemsWithLists(
  input: InputField,
  name: string,
  value: unknown,
  { sizes, maxRowBytes }: RowContext,
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
    const message = element === null && input.hasNullableElements === true ? null : problemWithElement(input, element);
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

function problemWithText(input: InputField, value: string): string | null {
  const { maxLength = defaultMaxLength, values, required } = input;
  // Free text may be empty; the empty string is no category.
  if (value === '' && values) return required ? 'must not be empty' : 'must not be empty; omit it if it is unknown';
  if (value.length > maxLength) return `must have ${maxLength} characters or fewer; it has ${value.length}`;
  // JSON in PostgreSQL and UTF-8 tensors cannot hold these.
  if (value.includes('\0') || !value.isWellFormed()) return 'must be well-formed text without NUL characters';
  return problemWithChoice(input, value);
}

function problemWithNumber(input: InputField, value: number): string | null {
  if (!Number.isFinite(value)) return 'must be a finite number';
  const { minimum, maximum, unit } = input;
  if (input.type === 'integer' && !Number.isInteger(value)) return `must be a whole number, not ${value}`;
  const isOutside = (minimum !== undefined && value < minimum) || (maximum !== undefined && value > maximum);
  if (isOutside)
    return `must be ${rangeText(minimum, maximum)}${unit === undefined ? '' : ` (unit: ${unit})`}, not ${value}`;
  const { range: [lowest, highest] = [-Infinity, Infinity], wideRange } = elementTypes[input.tensorType];
  if (value < lowest || value > highest) {
    const isExact = wideRange === undefined || value < wideRange[0];
    const range = isExact && wideRange ? rangeText(...wideRange) : rangeText(lowest, highest);
    return `must be ${range}, not ${value}${isExact ? '' : '; send it as a string of digits, since JSON numbers are exact up to 2^53'}`;
  }
  return problemWithChoice(input, value);
}

/** An integer of 64 bits as a string, since a JSON number beyond 2^53 is inexact. */
function problemWithDigits(input: InputField, value: string): string | null {
  if (!/^-?\d{1,20}$/.test(value)) return 'must be a number, or a string of digits';
  const { minimum, maximum } = input;
  const integer = BigInt(value);
  const [lowest, highest] = elementTypes[input.tensorType].wideRange ?? [integer, integer];
  if (integer < lowest || integer > highest) return `must be from ${lowest} to ${highest}, not ${value}`;
  // Exact: JavaScript compares integers with numbers by their value.
  if ((minimum !== undefined && integer < minimum) || (maximum !== undefined && integer > maximum))
    return `must be ${rangeText(minimum, maximum)}, not ${value}`;
  return problemWithChoice(input, value);
}

function problemWithChoice({ isClosed, values }: InputField, value: string | number): string | null {
  if (!isClosed || !values || values.includes(String(value))) return null;
  return `must be one of ${values.slice(0, 20).map(quoted).join(', ')}${values.length > 20 ? ', ...' : ''}${typeof value === 'number' ? `, not ${value}` : ''}`;
}

function rangeText(minimum: number | bigint | undefined, maximum: number | bigint | undefined): string {
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

function quoted(text: string): string {
  return `"${shortened(text)}"`;
}

/** Longer names are no misspellings, and the comparison takes quadratic time. */
const maxSuggestedLength = 100;

const maxEdits = 2;

/** Suggests the closest known name within two edits. */
function suggestion(name: string, known: readonly string[]): string {
  if (name.length > maxSuggestedLength) return '';
  const letters = lettersOf(name);
  const [nearest] = known
    .map((candidate) => ({ candidate, letters: lettersOf(candidate) }))
    .filter((other) => Math.abs(other.letters.length - letters.length) <= maxEdits)
    .map((other) => ({ candidate: other.candidate, distance: editDistance(letters, other.letters) }))
    .filter(({ candidate, distance }) => distance <= Math.min(maxEdits, candidate.length / 3))
    .sort((a, b) => a.distance - b.distance);
  return nearest ? `; did you mean ${nearest.candidate}?` : '';
}

function lettersOf(name: string): string {
  return name.toLowerCase().replace(/[^\p{L}\p{N}]/gu, '');
}

/** Levenshtein distance. */
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

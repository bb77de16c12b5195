import { shortened } from '../../errors/input-validation.js';
import { elementTypes } from './element-types.js';
import { defaultMaxLength, type InputField } from './types.js';

/** The problem of a scalar, or of an element of a list; null if it is valid. */
export function scalarProblem(input: InputField, value: unknown): string | null {
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

export function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (value === undefined) return 'undefined';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'an object';
  return `a ${typeof value}`;
}

function quoted(text: string): string {
  return `"${shortened(text)}"`;
}

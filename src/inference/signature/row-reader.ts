import { setOwn } from '../../errors/own-value.js';
import type { EncodedTensor } from './base64-tensor.js';
import { elementTypes } from './element-types.js';
import { isPlainObject } from './json.js';
import { spellingsOf } from './spellings.js';
import { defaultMaxLength, sizeOf, type EncodedRow, type InputField, type Scalar, type Signature } from './types.js';

/**
 * Validates and encodes rows that are valid beyond doubt, which almost all rows are: one comparison of their keys with those of the
 * row before, and one check per value. What it does not accept may still be valid; `validateRow` decides and has the messages.
 */
export interface RowReader {
  /** @returns the row as `encodeRow` returns it, or null if it is not valid beyond doubt */
  read(row: unknown): EncodedRow | null;
  /** The row that was read last, with the names in the manifest. */
  named(row: Record<string, unknown>): Record<string, unknown>;
}

/** Memoized: every call needs it. */
const readers = new WeakMap<Signature, RowReader | 'none'>();

/** @returns null for a signature whose rows need more than one look at each value */
export function rowReaderOf(signature: Signature): RowReader | null {
  let reader = readers.get(signature);
  if (!reader) readers.set(signature, (reader = createReader(signature) ?? 'none'));
  return reader === 'none' ? null : reader;
}

/** What rows with certain keys give, in this order. */
interface Layout {
  keys: readonly string[];
  columns: readonly Column[];
  /** The names in the manifest; null if the keys are these. */
  names: readonly string[] | null;
  /** Whether every required input is among the keys. */
  isComplete: boolean;
}

/** An input as the position in an encoded row, and the check of its values. */
interface Column {
  position: number;
  isRequired: boolean;
  /** Undefined if the value is not valid beyond doubt. It is called with values other than null and undefined. */
  accept: (value: unknown) => Scalar | EncodedTensor | undefined;
}

function createReader(signature: Signature): RowReader | null {
  const { inputs, preprocessor } = signature;
  const hasNamedSizes = inputs.some(({ symbols }) => symbols?.some((symbol) => symbol !== null));
  if (preprocessor || hasNamedSizes) return null;
  const columns = new Map(
    inputs.map((input, position): [string, Column] => [
      input.name,
      { position, isRequired: input.required, accept: checkOf(input, signature.maxRowBytes) },
    ]),
  );
  const missing: EncodedRow = inputs.map(() => null);
  let layout = layoutOf(signature, columns, []);

  return {
    read(row) {
      if (!isPlainObject(row)) return null;
      if (!layout || !hasKeys(row, layout.keys)) layout = layoutOf(signature, columns, Object.keys(row));
      if (!layout?.isComplete) return null;
      const encoded: EncodedRow = missing.slice();
      let next = 0;
      for (const key in row) {
        const column = layout.columns[next++];
        if (!column) return null;
        // eslint-disable-next-line auspex/own-names -- a key of the row
        const value = row[key];
        if (value === null || value === undefined) {
          if (column.isRequired) return null;
          continue;
        }
        const accepted = column.accept(value);
        if (accepted === undefined) return null;
        encoded[column.position] = accepted;
      }
      return encoded;
    },
    named(row) {
      const names = layout?.names;
      if (!names) return row;
      const named: Record<string, unknown> = {};
      let next = 0;
      for (const key in row) {
        const name = names[next++];
        // eslint-disable-next-line auspex/own-names -- a key of the row
        if (name !== undefined) setOwn(named, name, row[key]);
      }
      return named;
    },
  };
}

/** Null if a key is unknown, or an input is given in both spellings. */
function layoutOf(signature: Signature, columns: ReadonlyMap<string, Column>, keys: readonly string[]): Layout | null {
  const { manifestName } = spellingsOf(signature);
  const names = keys.map((key) => manifestName.get(key) ?? key);
  const given = names.flatMap((name) => columns.get(name) ?? []);
  if (given.length < keys.length || new Set(given).size < given.length) return null;
  const isComplete = [...columns.values()].every((column) => !column.isRequired || given.includes(column));
  return { keys, columns: given, names: haveSameElements(names, keys) ? null : names, isComplete };
}

/** Whether the keys of a row are these, in this order. Without a list of them, which takes more than the comparison. */
function hasKeys(row: Readonly<Record<string, unknown>>, keys: readonly string[]): boolean {
  let next = 0;
  for (const key in row) if (key !== keys[next++]) return false;
  return next === keys.length;
}

function haveSameElements(one: readonly string[], other: readonly string[]): boolean {
  if (one.length !== other.length) return false;
  for (let index = 0; index < one.length; index += 1) if (one[index] !== other[index]) return false;
  return true;
}

function checkOf(input: InputField, maxRowBytes: number): Column['accept'] {
  return input.rowShape.length === 0 ? scalarCheck(input) : listCheck(input, maxRowBytes);
}

function scalarCheck(input: InputField): (value: unknown) => Scalar | undefined {
  switch (input.type) {
    case 'boolean':
      return (value) => (typeof value === 'boolean' ? value : undefined);
    case 'string':
      return textCheck(input);
    case 'float':
    case 'integer':
      return numberCheck(input);
  }
}

function textCheck({
  values,
  isClosed,
  maxLength = defaultMaxLength,
}: InputField): (value: unknown) => string | undefined {
  const isSound = (text: string): boolean =>
    text.length <= maxLength && text.isWellFormed() && !text.includes('\0') && (text !== '' || !values);
  const known = new Set(values?.filter(isSound));
  return (value) => {
    if (typeof value !== 'string') return undefined;
    if (known.has(value)) return value;
    return (!isClosed || !values) && isSound(value) ? value : undefined;
  };
}

function numberCheck(input: InputField): (value: unknown) => number | undefined {
  const [lowest, highest] = elementTypes[input.tensorType].range ?? [-Number.MAX_VALUE, Number.MAX_VALUE];
  const least = Math.max(lowest, input.minimum ?? -Infinity);
  const most = Math.min(highest, input.maximum ?? Infinity);
  const isInteger = input.type === 'integer';
  const known = input.isClosed && input.values ? new Set(input.values) : null;
  return (value) => {
    // NaN is in no range.
    if (typeof value !== 'number' || !(value >= least && value <= most)) return undefined;
    if ((isInteger && !Number.isInteger(value)) || (known && !known.has(String(value)))) return undefined;
    // -0 + 0 is 0.
    return value + 0;
  };
}

/** Nested lists of numbers and booleans in the shape of the input; strings, and bytes in base64, take the other way. */
function listCheck(input: InputField, maxRowBytes: number): (value: unknown) => EncodedTensor | undefined {
  const { rowShape, tensorType, hasNullableElements } = input;
  const { bytes, newData } = elementTypes[tensorType];
  if (!newData) return () => undefined;
  const accept = scalarCheck(input);

  return (value) => {
    const shape = shapeLike(value, rowShape);
    const size = shape ? sizeOf(shape) : 0;
    if (!shape || size === 0 || size * bytes > maxRowBytes) return undefined;
    const data = newData(size);
    let next = 0;
    const fill = (list: unknown, axis: number): boolean => {
      if (!Array.isArray(list) || list.length !== shape[axis]) return false;
      if (axis < shape.length - 1) return list.every((inner) => fill(inner, axis + 1));
      for (const element of list as unknown[]) {
        const accepted = element === null && hasNullableElements === true ? NaN : accept(element);
        if (accepted === undefined) return false;
        data[next++] = Number(accepted);
      }
      return true;
    };
    return fill(value, 0) ? { shape, data } : undefined;
  };
}

/** The shape of nested lists by the first element of each; null if it is not that of the input. */
function shapeLike(value: unknown, rowShape: readonly (number | null)[]): number[] | null {
  const shape: number[] = [];
  let list = value;
  for (const size of rowShape) {
    if (!Array.isArray(list) || (size !== null && list.length !== size)) return null;
    shape.push(list.length);
    list = list[0];
  }
  return shape;
}

import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createSignature } from '../../../src/inference/signature/create-signature.js';
import { encodeRow } from '../../../src/inference/signature/encode.js';
import { rowReaderOf } from '../../../src/inference/signature/row-reader.js';
import { withManifestNames } from '../../../src/inference/signature/spellings.js';
import { validateRow } from '../../../src/inference/signature/validation.js';

const optional = { required: false, integer: false, closed: false };
const required = { ...optional, required: true };
const column = (name: string, type: string, ...inner: (number | null)[]) => ({
  name,
  type,
  shape: [null, ...(inner.length > 0 ? inner : [1])],
});

const signature = createSignature(
  'test/1',
  {
    inputs: [
      column('fuel_kind', 'string'),
      column('free', 'string'),
      column('year', 'float32'),
      column('ratio', 'float64'),
      column('count', 'int64'),
      column('small', 'uint8'),
      column('is_new', 'bool'),
      column('grid', 'float32', 2, 2),
      column('gaps', 'float32', 3),
      column('any', 'int16', null),
      column('__proto__', 'float32'),
      column('constructor', 'float32'),
    ],
    outputs: [column('price', 'float32')],
  },
  {
    inputs: Object.fromEntries([
      ['fuel_kind', { ...optional, closed: true, values: ['Diesel', 'Petrol', ''] }],
      ['free', { ...optional, max_length: 40 }],
      ['year', { ...required, integer: true, minimum: 1980, maximum: 2030 }],
      ['ratio', optional],
      ['count', { ...required, integer: true, minimum: 0 }],
      ['small', { ...required, closed: true, values: ['1', '2', '7'] }],
      ['is_new', required],
      ['grid', required],
      ['gaps', { ...required, nullable_elements: true }],
      ['any', required],
      ['__proto__', optional],
      ['constructor', optional],
    ]),
    outputs: { price: {} },
  },
);

const base64 = Buffer.from(new Float32Array([1, 2, 3, 4]).buffer).toString('base64');
const valid: [string, unknown][] = [
  ['fuelKind', 'Diesel'],
  ['free', 'any text'],
  ['year', 2014],
  ['ratio', -0],
  ['count', 3],
  ['small', 7],
  ['isNew', true],
  [
    'grid',
    [
      [1, 2.5],
      [-0, 4],
    ],
  ],
  ['gaps', [1, null, 3]],
  ['any', [1, 2]],
  ['__proto__', 1],
  ['constructor', 2],
];

/** Values of all kinds: valid for some input, at a limit, or for none. */
const value = fc.oneof(
  fc.constantFrom<unknown>(...valid.map(([, each]) => each), null, undefined, '', 'Petrol', 'Gas', '9007199254740993'),
  fc.constantFrom<unknown>(0, -1, 1979.5, 1980, 2030, 2031, 255, 256, 1e300, -(2 ** 63), 2 ** 53, 0.5, NaN, Infinity),
  fc.constantFrom<unknown>(
    'x'.repeat(41),
    'a\0b',
    '\ud800',
    'true',
    {},
    [],
    [[]],
    { base64 },
    { base64, shape: [2, 2] },
  ),
  fc.constantFrom<unknown>(
    [[1, 2]],
    [[1, 2], [3]],
    [
      [1, 2],
      [3, '4'],
    ],
    [1, 2, NaN],
    [null, null, null],
    [1, 2, 3, 4],
  ),
  fc.constantFrom<unknown>([1.5], [40_000], [true], ['1'], [[1], [2]], [1, null], [1e39, 1, 1]),
  fc.string(),
  fc.double(),
);
const name = fc.constantFrom(...valid.flatMap(([key]) => [key, key]), 'fuel_kind', 'is_new', 'unknown', 'toString');
const changes = fc.array(fc.record({ name, value, isRemoved: fc.boolean() }), { maxLength: 4 });

function changed(parts: readonly { name: string; value: unknown; isRemoved: boolean }[]): Record<string, unknown> {
  const entries = new Map(valid);
  for (const { name, value, isRemoved } of parts)
    if (isRemoved) entries.delete(name);
    else entries.set(name, value);
  return Object.fromEntries(entries);
}

describe('a row reader', () => {
  const reader = rowReaderOf(signature);

  it('reads a valid row as the row-by-row code does', () => {
    const row = Object.fromEntries(valid);
    expect(reader?.read(row)).toEqual(encodeRow(signature, row));
    expect(reader?.named(row)).toEqual(withManifestNames(signature, row));
  });

  it('accepts valid rows only, in a sequence of rows with any keys and values', () => {
    let accepted = 0;
    fc.assert(
      fc.property(fc.array(changes, { minLength: 1, maxLength: 5 }), (rows) => {
        for (const row of rows.map(changed)) {
          const read = reader?.read(row) ?? null;
          if (read === null) continue;
          accepted += 1;
          expect(validateRow(signature, row, 100)).toEqual([]);
          expect(read).toEqual(encodeRow(signature, row));
          expect(Object.is((read[3] ?? 1) as number, -0)).toBe(false);
          const named = reader?.named(row) ?? {};
          expect(named).toEqual(withManifestNames(signature, row));
          expect(Object.keys(named)).toEqual(Object.keys(withManifestNames(signature, row)));
        }
      }),
      { numRuns: 2_000 },
    );
    // Otherwise the test says nothing.
    expect(accepted).toBeGreaterThan(500);
  });

  it.each<[string, unknown]>([
    ['no object', 'row'],
    ['a list', [1]],
    ['an object that inherits its values', Object.create(Object.fromEntries(valid))],
    ['null', null],
  ])('does not accept %s', (_, row) => {
    expect(reader?.read(row)).toBeNull();
  });
});

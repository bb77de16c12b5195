import { describe, expect, it } from '@jest/globals';
import { typicalRow } from '../../../src/inference/repository/typical-row.js';
import type { GoldenRow } from '../../../src/inference/repository/version-folder.js';
import type { InputField, Signature } from '../../../src/inference/signature/types.js';

const field = (name: string, parts: Partial<InputField> = {}): InputField => ({
  name,
  type: 'float',
  shape: [null, 1],
  required: false,
  tensorType: 'float32',
  rowShape: [],
  isClosed: false,
  ...parts,
});

const rowsOf = (...inputs: GoldenRow['input'][]): GoldenRow[] =>
  inputs.map((input, index) => ({ line: index + 1, input, output: {} }));

const signatureOf = (...inputs: InputField[]): Signature => ({ inputs, outputs: [], maxRowBytes: 1_000_000 });

const car = signatureOf(
  field('year', { minimum: 1980, maximum: 2030 }),
  field('fuel', { type: 'string', values: ['CNG', 'Diesel'] }),
  field('seats'),
);

describe('the typical row', () => {
  it('is complete, known, and not at the limits', () => {
    const typical = { year: 2014, fuel: 'Diesel', seats: 5 };
    const rows = rowsOf(
      { year: 2014 },
      { year: 1980, fuel: 'CNG', seats: 1 },
      { year: 2014, fuel: 'Coal', seats: 5 },
      typical,
      { year: 2015, fuel: 'Diesel', seats: 4 },
    );
    expect(typicalRow(rows, car)).toEqual(typical);
  });

  it('omits missing values', () => {
    expect(typicalRow(rowsOf({ year: 2014, fuel: null }), car)).toEqual({ year: 2014 });
  });

  it('is an image with a shape rather than a test pattern', () => {
    const shape = [0, 1, 2, 3, 4, 5, 6, 7, 8];
    const image = signatureOf(field('pixels', { rowShape: [9] }));
    expect(typicalRow(rowsOf({ pixels: shape.map(() => 0) }, { pixels: shape }), image)).toEqual({ pixels: shape });
  });

  it('is a text of several words rather than an empty or a repeated one', () => {
    const message = signatureOf(field('message', { type: 'string' }));
    const rows = rowsOf(
      { message: '' },
      { message: 'call '.repeat(50) },
      { message: 'You have won a prize, call now' },
    );
    expect(typicalRow(rows, message)).toEqual({ message: 'You have won a prize, call now' });
  });

  it('accepts known values of an integer', () => {
    const level = signatureOf(field('level', { type: 'integer', values: ['1', '2'] }));
    expect(typicalRow(rowsOf({ level: 7 }, { level: 2 }), level)).toEqual({ level: 2 });
  });

  it('is null without golden rows, or if the row is large', () => {
    expect(typicalRow([], car)).toBeNull();
    expect(typicalRow(rowsOf({ year: Array.from({ length: 10_001 }, () => 1) }), car)).toBeNull();
  });
});

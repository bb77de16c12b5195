import { describe, expect, it } from '@jest/globals';
import { encodeRow } from '../../../src/inference/signature/encode.js';
import { withManifestNames } from '../../../src/inference/signature/spellings.js';
import { validateRows } from '../../../src/inference/signature/validation.js';
import type { InputField, Signature } from '../../../src/inference/signature/types.js';

const input = (name: string, more: Partial<InputField> = {}): InputField => ({
  name,
  type: 'float',
  shape: [null, 1],
  rowShape: [],
  required: true,
  tensorType: 'float32',
  isClosed: false,
  ...more,
});

const signature: Signature = {
  inputs: [input('km_driven'), input('age', { required: false }), input('seat-count', { required: false })],
  outputs: [],
  maxRowBytes: 1000,
};
const problems = (row: unknown, of = signature) =>
  validateRows(of, [row]).map(({ field, message }) => `${field} ${message}`);

describe('the inputs of a row', () => {
  it('have the name in the manifest or in camelCase, with equal results', () => {
    for (const row of [
      { km_driven: 5, 'seat-count': 4 },
      { kmDriven: 5, seatCount: 4 },
      { kmDriven: 5, km_driven: null, 'seat-count': 4, seatCount: null },
    ]) {
      expect(problems(row)).toEqual([]);
      expect(encodeRow(signature, row)).toEqual([5, null, 4]);
      expect(withManifestNames(signature, row)).toEqual({ km_driven: 5, 'seat-count': 4 });
    }
  });

  it('may not be given twice', () => {
    expect(problems({ km_driven: 5, kmDriven: 5 })).toEqual([
      'kmDriven is the same input as km_driven; send one of them',
    ]);
  });

  it('are named in problems as they were sent', () => {
    expect(problems({ kmDriven: 'x' })).toEqual(['kmDriven must be a number, not a string']);
    expect(problems({ km_driven: 'x' })).toEqual(['km_driven must be a number, not a string']);
    expect(problems({})).toEqual(['km_driven is required']);
    expect(problems({ kmDriven: null })).toEqual(['kmDriven is required']);
  });

  it('have one spelling if the other is the name of another input, or of two', () => {
    const distinct: Signature = { inputs: [input('km_driven'), input('kmDriven')], outputs: [], maxRowBytes: 1000 };
    expect(encodeRow(distinct, { km_driven: 1, kmDriven: 2 })).toEqual([1, 2]);
    const ambiguous: Signature = { inputs: [input('x_y'), input('x-y')], outputs: [], maxRowBytes: 1000 };
    expect(problems({ x_y: 1, xY: 2 }, ambiguous)).toEqual([
      'x-y is required',
      expect.stringMatching('^xY is not an input'),
    ]);
  });

  it('are the same object if no key needs another name', () => {
    const row = { km_driven: 5 };
    expect(withManifestNames(signature, row)).toBe(row);
  });
});

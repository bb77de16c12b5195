import { areEqual, defaultTolerance, firstDifference, forEachPair } from '../../../src/inference/signature/compare.js';
import type { FieldType, OutputField } from '../../../src/inference/signature/types.js';

const output = (name: string, type: FieldType, more: Partial<OutputField> = {}): OutputField => ({
  ...{ name, type, shape: [null, 1], required: true, rowShape: [], labels: null },
  tensorType: type === 'integer' ? 'int64' : 'float32',
  ...more,
});

const id = output('id', 'integer');
const y = output('y', 'float');

describe('the comparison of outputs', () => {
  it.each([
    [50321, 50322],
    [0, 1],
    ['9007199254740993', '9007199254740992'],
    ['9007199254740993', 9007199254740992],
    [3, 3.0001],
    [3, null],
  ])('reports the integers %p and %p as different', (one, other) => {
    expect(firstDifference([id], { id: one }, { id: other })).toEqual({ place: 'id', one, other });
  });

  it.each([
    [50321, 50321],
    ['9007199254740993', '9007199254740993'],
    [7, '7'],
  ])('takes the integers %p and %p as equal', (one, other) => {
    expect(firstDifference([id], { id: one }, { id: other })).toBeNull();
  });

  it('compares integers in lists exactly', () => {
    const ids = { ...id, rowShape: [2] };
    expect(firstDifference([ids], { id: [1, 100000] }, { id: [1, 100001] })).toEqual({
      ...{ place: 'id.1', one: 100000, other: 100001 },
    });
  });

  it('compares booleans and strings exactly', () => {
    const fields = [output('isFraud', 'boolean'), output('label', 'string')];
    expect(firstDifference(fields, { isFraud: true, label: 'a' }, { isFraud: 1, label: 'a' })?.place).toBe('isFraud');
    expect(firstDifference(fields, { isFraud: true, label: 'a' }, { isFraud: true, label: 'A' })?.place).toBe('label');
  });

  it.each([
    [1, 1.0009, true],
    [1, 1.0011, false],
    [1e-12, 3e-12, true],
    [0, 1e-30, true],
    [0, 2e-6, false],
    [-5, 5, false],
  ])('compares the floats %p and %p by relative and absolute tolerance', (one, other, isEqual) => {
    expect(firstDifference([y], { y: one }, { y: other }) === null).toBe(isEqual);
  });

  it('prefers the tolerance of the output to that of the caller', () => {
    const loose = { ...y, tolerance: { relative: 0, absolute: 0.5 } };
    expect(firstDifference([loose], { y: 1 }, { y: 1.5 }, { relative: 0, absolute: 0 })).toBeNull();
    expect(firstDifference([y], { y: 1 }, { y: 1.0000001 }, { relative: 0, absolute: 0 })).not.toBeNull();
  });

  it('reports missing keys and lists of other lengths', () => {
    const vector = output('p', 'float', { labels: ['a', 'b'], rowShape: [2] });
    expect(firstDifference([vector], { p: { a: 1 } }, { p: { a: 1, b: 2 } })).toEqual({
      ...{ place: 'p.b', one: undefined, other: 2 },
    });
    expect(firstDifference([y], { y: 1 }, {})).toEqual({ place: 'y', one: 1, other: undefined });
    expect(firstDifference([y], { y: [1, 2] }, { y: [1] })).toEqual({ place: 'y', one: [1, 2], other: [1] });
  });

  it('visits floats apart from exact values, and stops when the visitor does', () => {
    const seen: unknown[] = [];
    forEachPair([id, y], { id: 1, y: [0.5, 0.6] }, { id: 2, y: [0.5, 0.7] }, (pair, path) => {
      seen.push([path.join('.'), pair.kind, areEqual(pair)]);
      return seen.length < 2;
    });
    expect(seen).toEqual([
      ['id', 'exact', false],
      ['y.0', 'float', true],
    ]);
    expect(defaultTolerance.relative).toBeLessThan(0.01);
  });
});

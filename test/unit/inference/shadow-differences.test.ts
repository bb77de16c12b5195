import { ShadowDifferences } from '../../../src/inference/rollout/shadow-differences.js';
import type { OutputField } from '../../../src/inference/signature/types.js';

const output = (name: string, type: OutputField['type'], labels: string[] | null = null): OutputField => ({
  name,
  type,
  labels,
  shape: [null],
  rowShape: labels ? [labels.length] : [],
  required: true,
  tensorType: type === 'integer' ? 'int64' : type === 'string' ? 'string' : 'float32',
});

const compared = (
  fields: OutputField[],
  pairs: readonly [current: Record<string, unknown>, shadow: Record<string, unknown>][],
): ShadowDifferences => {
  const differences = new ShadowDifferences(fields);
  for (const [current, shadow] of pairs) differences.add(current, shadow);
  return differences;
};

describe('the differences of a shadow', () => {
  it('have mean and 95th percentile, absolute and relative', () => {
    const prices = Array.from({ length: 100 }, (_, index): [{ price: number }, { price: number }] => [
      { price: 1000 },
      { price: 1000 + index + 1 },
    ]);
    const { rows, differences, largest, outputs } = compared([output('price', 'float')], prices);
    expect([rows, differences, largest]).toEqual([100, 99, 0.1]);
    expect(outputs).toEqual([
      {
        name: 'price',
        meanAbsoluteDifference: 50.5,
        p95AbsoluteDifference: expect.any(Number),
        meanRelativeDifference: expect.closeTo(0.0505),
        p95RelativeDifference: expect.any(Number),
        labelAgreement: null,
      },
    ]);
    expect((outputs[0]?.p95AbsoluteDifference ?? 0) / 95).toBeCloseTo(1, 1);
    expect((outputs[0]?.p95RelativeDifference ?? 0) / 0.095).toBeCloseTo(1, 1);
  });

  it('of tiny numbers beside ordinary ones are small', () => {
    const probabilities = output('probabilities', 'float', ['a', 'b']);
    const pairs: [object, object][] = [
      [
        { a: 1, b: 1e-12 },
        { a: 1, b: 3e-12 },
      ],
      [
        { a: 1, b: 0 },
        { a: 1, b: 1e-30 },
      ],
    ];
    const { differences, largest, outputs } = compared(
      [probabilities],
      pairs.map(([current, shadow]) => [{ probabilities: current }, { probabilities: shadow }]),
    );
    expect(differences).toBe(0);
    expect(largest).toBeLessThan(1e-9);
    expect(outputs[0]?.labelAgreement).toBe(1);
  });

  it('are exact for integers and strings', () => {
    const fields = [output('product', 'integer'), output('species', 'string')];
    const { differences, outputs } = compared(fields, [
      [
        { product: 50321, species: 'setosa' },
        { product: 50322, species: 'setosa' },
      ],
      [
        { product: '9007199254740993', species: 'setosa' },
        { product: '9007199254740992', species: 'virginica' },
      ],
      [
        { product: 7, species: 'setosa' },
        { product: 7, species: 'setosa' },
      ],
    ]);
    expect(differences).toBe(2);
    expect(outputs.map(({ name, labelAgreement }) => [name, labelAgreement])).toEqual([
      ['product', 1 / 3],
      ['species', 2 / 3],
    ]);
    expect(outputs[0]?.meanAbsoluteDifference).toBeNull();
  });

  it('show whether the most probable class is the same', () => {
    const scores = output('scores', 'float', ['a', 'b']);
    const { outputs } = compared(
      [scores],
      [
        [{ scores: { a: 0.6, b: 0.4 } }, { scores: { a: 0.9, b: 0.1 } }],
        [{ scores: { a: 0.6, b: 0.4 } }, { scores: { a: 0.4, b: 0.6 } }],
      ],
    );
    expect(outputs[0]?.labelAgreement).toBe(0.5);
  });

  it('are finite if all values of the current version are zero', () => {
    const { outputs } = compared([output('y', 'float')], [[{ y: 0 }, { y: 5 }]]);
    expect(outputs[0]).toMatchObject({ meanRelativeDifference: 1, meanAbsoluteDifference: 5 });
  });

  it('count rows without a result, and have statistics of 50 outputs at most', () => {
    const many = new ShadowDifferences(Array.from({ length: 60 }, (_, index) => output(`y${index}`, 'float')));
    many.addMissing();
    many.add({ y0: 1, y59: 1 }, { y0: 1, y59: 2 });
    expect([many.rows, many.differences, many.outputs.length]).toEqual([2, 2, 50]);
  });
});

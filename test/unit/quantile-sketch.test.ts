import { QuantileSketch } from '../../src/telemetry/quantile-sketch.js';

const sketchOf = (values: Iterable<number>): QuantileSketch => {
  const sketch = new QuantileSketch();
  for (const value of values) sketch.observe(value);
  return sketch;
};

describe('a quantile sketch', () => {
  it('finds quantiles within 2.5 %, from tiny to large values', () => {
    for (const unit of [1e-9, 1, 1e9]) {
      const sketch = sketchOf(Array.from({ length: 10_000 }, (_, index) => (index + 1) * unit));
      for (const share of [0.01, 0.5, 0.95, 1])
        expect(Math.abs((sketch.quantile(share) ?? 0) / (share * 10_000 * unit) - 1)).toBeLessThan(0.025);
      expect(sketch.mean).toBeCloseTo(5000.5 * unit);
    }
  });

  it('counts zeros, and values below 10^-12 as zero', () => {
    const sketch = sketchOf([0, 0, 1e-30, 5]);
    expect([sketch.quantile(0.5), sketch.quantile(0.75)]).toEqual([0, 0]);
    expect(sketch.quantile(1)).toBeCloseTo(5, 0);
  });

  it('has finite results without values and for values beyond its range', () => {
    expect([new QuantileSketch().mean, new QuantileSketch().quantile(0.95)]).toEqual([null, null]);
    const sketch = sketchOf([Infinity, Number.MAX_VALUE]);
    expect([sketch.mean, Number.isFinite(sketch.quantile(1))]).toEqual([1e15, true]);
  });
});

import { describe, expect, it } from '@jest/globals';
import { growthOf } from '../../../bench/load/growth.ts';

const noise = (index: number): number => ((index * 7919) % 5) - 2;

describe('growthOf', () => {
  it('considers only the last two thirds', () => {
    const filling = Array.from({ length: 20 }, (_none, index) => index * 10);
    expect(growthOf([...filling, ...Array<number>(40).fill(200)])).toBe(0);
  });

  it('detects a leak in noisy values', () => {
    const leak = Array.from({ length: 60 }, (_none, index) => 100 + index * 0.5 + noise(index));
    expect(growthOf(leak)).toBeGreaterThan(17);
    expect(growthOf(leak)).toBeLessThan(23);
  });

  it('ignores noise, single peaks and outliers at the end', () => {
    const steady = Array.from({ length: 60 }, (_none, index) => 100 + noise(index));
    expect(Math.abs(growthOf(steady))).toBeLessThan(3);
    expect(Math.abs(growthOf(steady.with(45, 400).with(59, 250)))).toBeLessThan(3);
  });

  it('is 0 without enough values', () => {
    expect([growthOf([]), growthOf([1])]).toEqual([0, 0]);
  });
});

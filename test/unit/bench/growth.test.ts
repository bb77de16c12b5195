import { describe, expect, it } from '@jest/globals';
import { growthOf } from '../../../bench/load/growth.ts';

const noise = (place: number): number => ((place * 7919) % 5) - 2;

describe('the growth of what a soak looks at', () => {
  it('is that of the last two thirds, whatever was filled before', () => {
    const filling = Array.from({ length: 20 }, (_none, place) => place * 10);
    expect(growthOf([...filling, ...Array<number>(40).fill(200)])).toBe(0);
  });

  it('is seen through noise', () => {
    const leak = Array.from({ length: 60 }, (_none, place) => 100 + place * 0.5 + noise(place));
    expect(growthOf(leak)).toBeGreaterThan(17);
    expect(growthOf(leak)).toBeLessThan(23);
  });

  it('is not made by noise, by single peaks, or by where the last value lies', () => {
    const steady = Array.from({ length: 60 }, (_none, place) => 100 + noise(place));
    expect(Math.abs(growthOf(steady))).toBeLessThan(3);
    expect(Math.abs(growthOf(steady.with(45, 400).with(59, 250)))).toBeLessThan(3);
  });

  it('is none where nothing was seen', () => {
    expect([growthOf([]), growthOf([1])]).toEqual([0, 0]);
  });
});

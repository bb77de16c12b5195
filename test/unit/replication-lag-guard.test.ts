import { describe, expect, it } from '@jest/globals';
import { SettledVersions } from '../../src/graphql/caching/settled-versions.js';

describe('versions', () => {
  it('are settled once they are older than the maximum replica lag', () => {
    const settled = new SettledVersions(1000);
    expect(settled.areSettled(['Employee'], ['a'], 5000)).toBe(false);
    expect(settled.areSettled(['Employee'], ['a'], 5999)).toBe(false);
    expect(settled.areSettled(['Employee'], ['a'], 6000)).toBe(true);
    expect(settled.areSettled(['Employee'], ['b'], 6001)).toBe(false);
    expect(settled.areSettled(['Employee'], ['b'], 7001)).toBe(true);
  });

  it('are settled together once each is, counted from its first use', () => {
    const settled = new SettledVersions(1000);
    expect(settled.areSettled(['Employee', 'User'], ['a', 'x'], 0)).toBe(false);
    expect(settled.areSettled(['User'], ['x'], 1000)).toBe(true);
    expect(settled.areSettled(['Employee', 'User'], ['a', 'y'], 1000)).toBe(false);
    expect(settled.areSettled(['Employee', 'User'], ['a', 'y'], 2000)).toBe(true);
  });

  it('are settled at once without replicas', () => {
    expect(new SettledVersions(0).areSettled(['Employee'], ['a'])).toBe(true);
  });
});

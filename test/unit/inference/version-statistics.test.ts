import { describe, expect, it } from '@jest/globals';
import { VersionCounters } from '../../../src/inference/serving/version-statistics.js';

describe('the time of a row', () => {
  it('is unknown until ten runs were measured, then that of the fastest run', () => {
    const counters = new VersionCounters();
    // The first run of a session, and single rows on a busy machine.
    counters.countRun(1, 40);
    for (let run = 0; run < 7; run += 1) counters.countRun(1, 1.3);
    counters.countRun(50, 2);
    expect(counters.rowMs).toBe(0);
    counters.countRun(1, 5);
    expect(counters.rowMs).toBe(0.04);
    counters.countRun(50, 500);
    expect(counters.rowMs).toBe(0.04);
  });
});

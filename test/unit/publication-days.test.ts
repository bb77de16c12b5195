import { describe, expect, it } from '@jest/globals';
import { areOutdated } from '../../src/integrations/exchange-rates/publication-days.js';

describe('rates of a date', () => {
  it.each([
    // [date of the rates, now, outdated]
    ['2026-11-26', '2026-11-27T23:59:00Z', false], // Thursday's rates on Friday, before or after the publication
    ['2026-11-26', '2026-11-28T00:00:00Z', true], // Friday's were published
    ['2026-11-27', '2026-11-29T12:00:00Z', false], // Friday's rates on Sunday
    ['2026-11-27', '2026-11-30T23:59:00Z', false], // and on Monday
    ['2026-11-27', '2026-12-01T00:00:00Z', true], // not on Tuesday
    ['2026-04-02', '2026-04-07T20:00:00Z', false], // Maundy Thursday's rates hold over Easter, until Tuesday
    ['2026-04-02', '2026-04-08T00:00:00Z', true],
    ['2024-03-28', '2024-04-02T20:00:00Z', false], // Easter in March
    ['2024-03-28', '2024-04-03T00:00:00Z', true],
    ['2025-04-30', '2025-05-02T12:00:00Z', false], // 1 May
    ['2025-04-30', '2025-05-03T00:00:00Z', true],
    ['2026-12-24', '2026-12-28T20:00:00Z', false], // Christmas and a weekend
    ['2026-12-24', '2026-12-29T00:00:00Z', true],
    ['2026-12-31', '2027-01-04T20:00:00Z', false], // New Year and a weekend
    ['2026-11-02', '2026-11-27T12:00:00Z', true], // 25 days old, as a fetch of today may return
    ['2026-11-28', '2026-11-27T12:00:00Z', false], // ahead of UTC
  ])('%s at %s: outdated %s', (date, now, isOutdated) => {
    expect(areOutdated(date, Date.parse(now))).toBe(isOutdated);
  });
});

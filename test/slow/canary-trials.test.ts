import { describe, expect, it } from '@jest/globals';
import { promotedTrials, stoppedTrials } from '../support/canary-trials.js';

const { exp, log } = Math;

/** The largest number of `trials` that a rate of 1 % exceeds with a probability of 0.1 % only, by the normal distribution. */
const mostStopped = (trials: number): number => 0.01 * trials + 3.1 * Math.sqrt(0.01 * 0.99 * trials);

describe('trials of canaries', () => {
  // A trial takes as many calls as the share is small.
  it.each(
    [
      { share: 0.01, trials: 50 },
      { share: 0.05, trials: 200 },
      { share: 0.25, trials: 600 },
      { share: 0.5, trials: 1500 },
    ].flatMap((of) => [0.005, 0.05].map((rate) => ({ ...of, rate }))),
  )(
    'stop one as good as the current version in at most 1 %% of runs of 10,000 of its calls: %j',
    ({ share, trials, rate }) => {
      const stopped = stoppedTrials({ current: rate, canary: rate, calls: 10_000, share }, trials);
      expect(stopped).toBeLessThanOrEqual(mostStopped(trials));
    },
    120_000,
  );

  it.each([
    { share: 0.01, trials: 300 },
    { share: 0.05, trials: 1000 },
    { share: 0.25, trials: 2000 },
    { share: 0.4, trials: 2000 },
    { share: 0.5, trials: 10_000 },
  ])(
    'stop one that fails on 10 %% instead of 5 %% within 1,000 of its calls in at least 90 %%: %j',
    ({ share, trials }) => {
      const stopped = stoppedTrials({ current: 0.05, canary: 0.1, calls: 1000, share }, trials);
      expect(stopped / trials).toBeGreaterThanOrEqual(0.9);
    },
    120_000,
  );

  it('promote one as good as the current version in nearly all runs of all steps, and one that fails twice as often in none', () => {
    const steps = [1, 5, 25, 50, 100];
    expect(promotedTrials({ current: 0.05, canary: 0.05 }, steps, 60)).toBeGreaterThanOrEqual(60 - mostStopped(60));
    expect(promotedTrials({ current: 0.05, canary: 0.1 }, steps, 200)).toBe(0);
  }, 120_000);
});

/**
 * The probability with which the best test of its level finds failure rates of 5 and 10 %, by the lemma of Neyman and Pearson. It is
 * that against one null hypothesis, a common rate of `common`; a test against all common rates is no better, nor is one that may stop
 * earlier.
 */
function bestPower(currentCalls: number, canaryCalls: number, common: number): number {
  const level = 0.01;
  const cells = binomial(currentCalls, 0.05, common).flatMap(([current, currentNull]) =>
    binomial(canaryCalls, 0.1, common).map(
      ([canary, canaryNull]) => [current * canary, currentNull * canaryNull] as const,
    ),
  );
  cells.sort(([one, oneNull], [other, otherNull]) => other / otherNull - one / oneNull);
  let [used, power] = [0, 0];
  for (const [alternative, nullHypothesis] of cells) {
    if (used + nullHypothesis > level) return power + (alternative * (level - used)) / nullHypothesis;
    used += nullHypothesis;
    power += alternative;
  }
  return power;
}

/** The probabilities of 0, 1, … failures with two failure rates, as far as they matter. */
function binomial(calls: number, rate: number, other: number): (readonly [number, number])[] {
  const probabilities: (readonly [number, number])[] = [];
  let logChoices = 0;
  for (let failures = 0; failures <= Math.min(calls, 220); failures += 1) {
    const of = (value: number): number => exp(logChoices + failures * log(value) + (calls - failures) * log(1 - value));
    probabilities.push([of(rate), of(other)]);
    logChoices += log((calls - failures) / (failures + 1));
  }
  return probabilities;
}

describe('the best possible test of 1 %', () => {
  it('cannot find twice the failure rate in 90 % within 1,000 calls of both versions together, at any share', () => {
    expect(bestPower(500, 500, 0.075)).toBeLessThan(0.77);
    expect(bestPower(750, 250, 0.0625)).toBeLessThan(0.65);
    expect(bestPower(990, 10, 0.05)).toBeLessThan(0.07);
  });

  it('cannot find it in 90 % within 1,000 calls of the canary at a share of 75 %, but at 50 %', () => {
    expect(bestPower(333, 1000, 0.0875)).toBeLessThan(0.76);
    expect(bestPower(1000, 1000, 0.0725)).toBeGreaterThan(0.97);
  });
});

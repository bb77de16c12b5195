/**
 * A fixed-sample test of failure rates, stratified by blocks of calls (Cochran, Mantel and Haenszel). With equal rates, each of the
 * failures of a block is one of the tested version with a probability that depends on the numbers of calls only, even if the rate
 * differs from block to block. It finds small differences sooner than a test that may be evaluated after every block.
 */

import type { CallCount } from './sequential-test.js';

const { exp, log } = Math;

/** Failures of the tested version, with their expected value and variance under equal rates. */
export interface FailureExcess {
  failures: number;
  expected: number;
  variance: number;
}

export const noExcess: FailureExcess = { failures: 0, expected: 0, variance: 0 };

/** Adds a block of calls: given its failures, those of the tested version follow a hypergeometric distribution. */
export function withFailures(excess: FailureExcess, tested: CallCount, other: CallCount): FailureExcess {
  const calls = tested.calls + other.calls;
  const failures = tested.failures + other.failures;
  if (tested.calls === 0 || other.calls === 0 || failures === 0) return excess;
  const expected = (failures * tested.calls) / calls;
  return {
    failures: excess.failures + tested.failures,
    expected: excess.expected + expected,
    variance: excess.variance + (expected * other.calls * (calls - failures)) / (calls * (calls - 1)),
  };
}

/**
 * The probability of at least as many failures under equal rates. It is that of a binomial distribution with the same mean and at
 * least the variance: hypergeometric counts are sums of independent Bernoulli trials.
 */
export function pValueOf({ failures, expected, variance }: FailureExcess): number {
  // With a very small share, one failure in a thousand calls would suffice.
  if (failures <= Math.max(expected, 1)) return 1;
  // The variance is smaller than the mean, since both versions have calls in each block.
  const trials = Math.max(failures, Math.ceil(expected ** 2 / (expected - variance)));
  const probability = expected / trials;
  let sum = 0;
  for (let count = failures; count <= trials; count += 1) {
    const logChoices = logFactorial(trials) - logFactorial(count) - logFactorial(trials - count);
    const term = exp(logChoices + count * log(probability) + (trials - count) * log(1 - probability));
    sum += term;
    if (term < sum * 1e-9) break;
  }
  return sum;
}

/** The logarithm of a factorial, by Stirling's series from 10 on. */
function logFactorial(of: number): number {
  let [shifted, below] = [of + 1, 0];
  for (; shifted < 10; shifted += 1) below += log(shifted);
  return (shifted - 0.5) * log(shifted) - shifted + log(2 * Math.PI) / 2 + 1 / (12 * shifted) - below;
}

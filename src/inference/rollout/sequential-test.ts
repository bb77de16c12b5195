/**
 * An anytime-valid test of failure rates: it may be evaluated after every block of calls, and its false-alarm rate holds however long
 * it runs. It multiplies the E-variables of Turner, Ly and Grünwald, "Generic E-variables for exact sequential k-sample tests that
 * allow for optional stopping" (2022), over blocks of calls, mixes them over several odds ratios, and mixes over the block at which
 * the rate begins to differ, so that a version that turns bad after many good calls is found as well.
 */

const { exp, log, log1p } = Math;

/** Calls, and those of them that failed. */
export interface CallCount {
  calls: number;
  failures: number;
}

export const sumOf = (one: CallCount, other: CallCount): CallCount => ({
  calls: one.calls + other.calls,
  failures: one.failures + other.failures,
});

/** Odds ratios of the alternatives, with their weights, which add up to one. */
const alternatives = [
  { odds: 1.4, weight: 0.1 },
  { odds: 2, weight: 0.65 },
  { odds: 4, weight: 0.12 },
  { odds: 12, weight: 0.06 },
  { odds: 100, weight: 0.04 },
  { odds: 3000, weight: 0.03 },
];

/** The false-alarm rate is stated for this number of calls. */
export const horizonCalls = 10_000;

/** Share of the error budget for a difference from the first call; the rest is for one that begins later. */
const shareOfStart = 0.9;

/** Rates below this are equal: a version that fails once in thousands of calls is not stopped for it. */
const smallestRate = 0.001;

/** Pseudo-calls of the prior of the current version's failure rate, and their failures. */
const prior: CallCount = { calls: 50, failures: 0.5 };

/** Natural logarithms of the E-values of each alternative. JSON has no `-Infinity`: none of them is zero. */
export type LogEvidence = readonly number[];

export const noEvidence: LogEvidence = alternatives.map(() => log(shareOfStart));

/**
 * Adds a block of calls to the evidence that the tested version fails more often than the other. The block must be cut
 * independently of which calls failed. Without calls of one version it changes nothing.
 * @param before calls of the other version before this block
 */
export function compareRates(
  evidence: LogEvidence,
  tested: CallCount,
  other: CallCount,
  before: CallCount,
): LogEvidence {
  if (tested.calls === 0 || other.calls === 0) return evidence;
  const rate = estimatedRate(before);
  return added(evidence, tested.calls, (odds) => {
    const raised = withOdds(rate, odds);
    // Under equal rates, the expected value of the factor is at most one for this pooled rate, whatever the true rate is.
    const pooled = (other.calls * rate + tested.calls * raised) / (other.calls + tested.calls);
    return logRatio(other, rate, pooled) + logRatio(tested, raised, pooled);
  });
}

/** Adds a block of calls to the evidence that the tested version fails more often than `limit`, between 0 and 1. */
export function compareWithLimit(evidence: LogEvidence, tested: CallCount, limit: number): LogEvidence {
  if (tested.calls === 0 || limit >= 1) return evidence;
  const rate = Math.max(limit, smallestRate);
  return added(evidence, tested.calls, (odds) => logRatio(tested, withOdds(rate, odds), rate));
}

/** Whether the evidence rejects, with at most this probability of a false alarm within `horizonCalls` calls of the tested version. */
export function isSignificant(evidence: LogEvidence, falseAlarmRate: number): boolean {
  const mixture = alternatives.reduce((sum, { weight }, index) => sum + weight * exp(evidence[index] ?? 0), 0);
  return mixture >= 1 / falseAlarmRate;
}

/** The most recent evidence counts fully even after long agreement: each call gets a share of the budget as the first bad one. */
function added(evidence: LogEvidence, calls: number, logFactor: (odds: number) => number): LogEvidence {
  const logRestart = log(((1 - shareOfStart) * calls) / horizonCalls);
  return alternatives.map(({ odds }, index) => logSum(evidence[index] ?? 0, logRestart) + logFactor(odds));
}

function logSum(one: number, other: number): number {
  const [low, high] = one < other ? [one, other] : [other, one];
  return high + log1p(exp(low - high));
}

const estimatedRate = ({ calls, failures }: CallCount): number =>
  // Predictable: it uses no call of the block, so the test is valid even if the estimate is poor.
  Math.min(0.99, Math.max(smallestRate, (failures + prior.failures) / (calls + prior.calls)));

/** The rate whose odds are `odds` times those of another rate. */
const withOdds = (rate: number, odds: number): number => (odds * rate) / (1 - rate + odds * rate);

/** The logarithm of the likelihood ratio of two rates. */
const logRatio = ({ calls, failures }: CallCount, rate: number, reference: number): number =>
  failures * log(rate / reference) + (calls - failures) * log((1 - rate) / (1 - reference));

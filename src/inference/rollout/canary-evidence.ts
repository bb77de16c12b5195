import { z } from 'zod';
import type { CanaryRule } from '../repository/rollout-rules.js';
import {
  compareRates,
  compareWithLimit,
  horizonCalls,
  isSignificant,
  noEvidence,
  sumOf,
  type CallCount,
  type LogEvidence,
} from './sequential-test.js';
import { noExcess, pValueOf, withFailures, type FailureExcess } from './stratified-test.js';

/** Calls of both versions between two looks at the evidence. Its end does not depend on which calls failed. */
export interface CanaryBlock {
  /** Share of the canary during the block, in percent. */
  percent: number;
  current: CallCount;
  canary: CallCount;
  /** Calls of the canary above the latency limit. */
  slow: number;
}

/** What all replicas know of a canary. Plain JSON, which the database stores. */
export interface CanaryEvidence {
  /** Calls since the canary started. */
  current: CallCount;
  canary: CallCount;
  slow: number;
  /** The step with the largest share so far, and the calls that the canary computed at it. */
  percent: number;
  stepCalls: number;
  /** Evidence that the canary fails more often than the current version, fails above its limit, and is slow above its limit. */
  worse: LogEvidence;
  failing: LogEvidence;
  slower: LogEvidence;
  /** Failures of the canary beyond those of the current version, for the fixed-sample test; fixed once it has been made. */
  excess: FailureExcess;
}

/** Probability that a canary as good as the current version, and within its limits, is stopped within 10,000 of its calls. */
const falseAlarmRate = 0.01;

/** Calls of the canary at which the fixed-sample test is made: before 1,000 calls, even if a block of both versions ends late. */
const fixedSampleCalls = 960;

/** Shares of the false-alarm rate of the comparison; the rest is for the approximation of the distribution in the fixed-sample test. */
const sequentialShare = 0.7;
const fixedSampleShare = 0.25;

/** Share of the calls that may take longer than `max_p95_ms`. */
const slowShare = 0.05;

const none: CallCount = { calls: 0, failures: 0 };

export const emptyBlock = (percent: number): CanaryBlock => ({
  percent,
  current: { ...none },
  canary: { ...none },
  slow: 0,
});

export const emptyEvidence: CanaryEvidence = {
  current: none,
  canary: none,
  slow: 0,
  percent: 0,
  stepCalls: 0,
  worse: noEvidence,
  failing: noEvidence,
  slower: noEvidence,
  excess: noExcess,
};

/** Halves the number of blocks by merging neighbours. */
export function mergedPairs(blocks: readonly CanaryBlock[]): CanaryBlock[] {
  const first = blocks.filter((_, index) => index % 2 === 0);
  return first.map((one, index) => {
    const other = blocks[2 * index + 1] ?? emptyBlock(one.percent);
    return {
      percent: Math.max(one.percent, other.percent),
      current: sumOf(one.current, other.current),
      canary: sumOf(one.canary, other.canary),
      slow: one.slow + other.slow,
    };
  });
}

/** Adds a block to the evidence. */
export function withBlock(evidence: CanaryEvidence, block: CanaryBlock, rule: CanaryRule): CanaryEvidence {
  const { current, canary, slow } = block;
  // A replica that has not applied a step yet adds to the evidence, but not to the calls of the step.
  const isNewStep = block.percent > evidence.percent;
  const ofStep = block.percent < evidence.percent ? 0 : canary.calls;
  return {
    current: sumOf(evidence.current, current),
    canary: sumOf(evidence.canary, canary),
    slow: evidence.slow + slow,
    percent: Math.max(evidence.percent, block.percent),
    stepCalls: (isNewStep ? 0 : evidence.stepCalls) + ofStep,
    worse: compareRates(evidence.worse, canary, current, evidence.current),
    excess: isSampled(evidence) ? evidence.excess : withFailures(evidence.excess, canary, current),
    failing: compareWithLimit(evidence.failing, canary, rule.maxErrorRate),
    slower: compareWithLimit(
      evidence.slower,
      { calls: canary.calls, failures: slow },
      rule.maxP95Ms === undefined ? 1 : slowShare,
    ),
  };
}

/** Whether the fixed-sample test has all its calls. */
const isSampled = ({ canary }: CanaryEvidence): boolean => canary.calls >= fixedSampleCalls;

/** Whether the canary fails more often than the current version: by the test of every block, or by the fixed-sample test. */
const isWorse = (evidence: CanaryEvidence, falseAlarms: number): boolean =>
  isSignificant(evidence.worse, falseAlarms * sequentialShare) ||
  (isSampled(evidence) && pValueOf(evidence.excess) <= falseAlarms * fixedSampleShare);

/** Why the canary has to stop; null if the evidence does not suffice. */
export function reasonToStop(evidence: CanaryEvidence, rule: CanaryRule): string | null {
  const { canary, current, slow } = evidence;
  const { maxErrorRate, maxP95Ms } = rule;
  const tests = 1 + (maxErrorRate < 1 ? 1 : 0) + (maxP95Ms === undefined ? 0 : 1);
  const isProven = (of: LogEvidence): boolean => isSignificant(of, falseAlarmRate / tests);
  const failed = `${canary.failures} of ${canary.calls} calls failed`;
  const certainty = `less than ${falseAlarmRate * 100} % of good canaries are stopped within ${horizonCalls} calls`;
  if (isWorse(evidence, falseAlarmRate / tests))
    return `${failed}, and ${current.failures} of ${current.calls} of the current version meanwhile; ${certainty}`;
  if (maxErrorRate < 1 && isProven(evidence.failing))
    return `${failed}; max_error_rate is ${maxErrorRate}; ${certainty}`;
  if (maxP95Ms !== undefined && isProven(evidence.slower))
    return `${slow} of ${canary.calls} calls took longer than max_p95_ms, ${maxP95Ms}; ${certainty}`;
  return null;
}

const count = z.strictObject({ calls: z.number().min(0), failures: z.number().min(0) });
const logs = z.array(z.number()).length(noEvidence.length);
const stored = z.strictObject({
  current: count,
  canary: count,
  slow: z.number().min(0),
  percent: z.number().min(0),
  stepCalls: z.number().min(0),
  worse: logs,
  failing: logs,
  slower: logs,
  excess: z.strictObject({ failures: z.number().min(0), expected: z.number().min(0), variance: z.number().min(0) }),
});

/** Reads stored evidence. @returns null if another release wrote it in another form: the canary then starts without evidence */
export function parseEvidence(value: unknown): CanaryEvidence | null {
  const parsed = stored.safeParse(value);
  return parsed.success ? parsed.data : null;
}

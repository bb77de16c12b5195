import type { CanaryRule } from '../../src/inference/repository/rollout-rules.js';
import { Canary } from '../../src/inference/rollout/canary.js';
import type { VersionRuntime } from '../../src/inference/serving/version-runtime.js';

/** All that a canary reads of a version. */
export const versionOf = (digest: string): VersionRuntime => ({ model: 'iris', version: { digest } }) as VersionRuntime;

export const canaryOf = (rule: Partial<CanaryRule> = {}, percent: number | null = null): Canary =>
  new Canary(
    versionOf('b'),
    versionOf('a'),
    { version: 2, steps: [25], by: 'request', maxErrorRate: 1, minCalls: 1000, ...rule },
    { stopped: null, percent, restarts: 0 },
  );

// Looked up once: in the realm of jest each look-up of a global is slow.
const { imul } = Math;

/** Numbers from 0 to 1 that are the same in each test run (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** True failure rates of both versions. */
interface Rates {
  current: number;
  canary: number;
}

export interface Trial extends Rates {
  /** Calls of the canary. */
  calls: number;
  /** Share of the calls that the canary gets. */
  share?: number;
  rule?: Partial<CanaryRule>;
  /** True share of the calls above the latency limit. */
  slow?: number;
}

/** Whether a canary stops within a number of its calls. */
function stops({ current, canary: rate, calls, share = 0.25, rule, slow = 0 }: Trial, random: () => number): boolean {
  const canary = canaryOf(rule);
  const durationMs = (): number => (slow > 0 && random() < slow ? 100 : 1);
  for (let call = 0; call < calls;) {
    const isCanary = random() < share;
    if (isCanary) call += 1;
    const isFailure = random() < (isCanary ? rate : current);
    if (canary.record(isCanary ? 'canary' : 'current', { isFailure, durationMs: durationMs() }) !== null) return true;
  }
  return false;
}

/** Whether a canary with steps is promoted in the end, or stops. */
function isPromoted({ current, canary: rate }: Rates, steps: readonly number[], random: () => number): boolean {
  const canary = canaryOf({ steps });
  for (;;) {
    const isCanary = random() * 100 < canary.percent;
    const isFailure = random() < (isCanary ? rate : current);
    if (canary.record(isCanary ? 'canary' : 'current', { isFailure, durationMs: 1 }) !== null) return false;
    const step = canary.nextStep;
    if (step?.to === 100) return true;
    if (step) canary.state = { ...canary.state, percent: step.to };
  }
}

/** The number of trials in which a canary with steps is promoted. */
export function promotedTrials(rates: Rates, steps: readonly number[], trials: number): number {
  const random = randomFrom(20_261_128);
  return Array.from({ length: trials }, () => isPromoted(rates, steps, random)).filter(Boolean).length;
}

/** The number of trials in which the canary stops. */
export function stoppedTrials(trial: Trial, trials: number): number {
  const random = randomFrom(20_261_127);
  let stopped = 0;
  for (let index = 0; index < trials; index += 1) if (stops(trial, random)) stopped += 1;
  return stopped;
}

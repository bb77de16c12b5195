import { Overloaded, TimedOut } from '../../errors/app-error.js';
import { PendingPredictionFailed, type Outcome } from './request-coalescing.js';
import type { VersionCounters } from './version-statistics.js';

/** What a call says about the version that it ran on. */
export interface CallOutcome {
  /** `unjudged`: the version computed nothing, because all rows were cached or the queue was full. */
  kind: 'success' | 'failure' | 'unjudged';
  durationMs: number;
}

/** Share of the deadline beyond which a call is late, although it has a result. */
export const lateShare = 0.5;

/** Counts a call with results. A stale or invalid result, or one that is late, is a failure of the version. */
export function countResults(
  counters: VersionCounters,
  outcomes: readonly Outcome[],
  { durationMs, deadlineMs }: { durationMs: number; deadlineMs: number },
): CallOutcome {
  let computed = 0;
  let stale = 0;
  let invalid = 0;
  for (const { source, result } of outcomes) {
    if (source === 'MODEL') computed += 1;
    if (source === 'STALE') stale += 1;
    if (result.kind === 'not-finite') invalid += 1;
  }
  const isLate = computed > 0 && durationMs > lateShare * deadlineMs;
  counters.staleRows += stale;
  counters.invalidRows += invalid;
  if (isLate) counters.lateCalls += 1;
  const isFailure = isLate || stale > 0 || invalid > 0;
  if (isFailure) counters.failures += 1;
  else counters.successes += 1;
  return { kind: isFailure ? 'failure' : computed > 0 ? 'success' : 'unjudged', durationMs };
}

/** Counts a call without results, unless its caller cancelled it. */
export function countError(counters: VersionCounters, error: unknown, durationMs: number): CallOutcome {
  counters.failures += 1;
  const cause = error instanceof PendingPredictionFailed ? error.cause : error;
  if (cause instanceof TimedOut) counters.lateCalls += 1;
  // A full queue is about the load, not about the version.
  return { kind: cause instanceof Overloaded ? 'unjudged' : 'failure', durationMs };
}

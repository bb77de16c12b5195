import { expect } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Callers } from './callers.js';

/** An outage that is over, and the effects on callers that are allowed. */
export interface OutageExpectation {
  /** Name of the outage in the output. */
  outage: string;
  /** Start and end of the outage, from `performance.now()`. */
  sinceMs: number;
  overMs: number;
  /** Error codes that callers may get. */
  codes: readonly string[];
  /** Upper limit of the duration of a call. */
  longestMs: number;
  /** Time after the end of the outage within which all callers must be served again. */
  recoveryMs?: number;
  /** Runs a query on the database. */
  rows: <Row extends Record<string, unknown>>(statement: string, values?: unknown[]) => Promise<Row[]>;
  /** Checks served predictions that are missing in the history; by default there must be none. */
  checkMissing?: (ids: readonly string[]) => void;
}

/** The objective is 2 s. The limit is higher for slow machines; the measured time is printed. */
const defaultRecoveryMs = 3_500;
/** Load continues for this time after the outage, to find late errors. */
const loadAfterMs = 2_500;
/** The history must be complete after this time. */
const historyMs = 5_000;

/**
 * Keeps the callers running for a while after an outage, prints a summary, and expects: no response to another request,
 * no unexpected error code, no call that takes too long, recovery within seconds, all changes as reported, and all
 * served predictions in the history.
 */
export async function expectResilience(
  callers: Callers,
  { outage, sinceMs, overMs, codes, longestMs, recoveryMs = defaultRecoveryMs, rows, checkMissing }: OutageExpectation,
): Promise<void> {
  await callers.served();
  await sleep(loadAfterMs);
  await callers.stop();
  const measuredMs = callers.recoveryMs(overMs);
  process.stdout.write(`${callers.summary(outage, sinceMs, measuredMs)}\n`);

  const employees = await rows<{ email: string }>('select email from employee');
  expect(callers.problems(codes)).toEqual([]);
  expect(callers.contradictedWrites(new Set(employees.map(({ email }) => email)))).toEqual([]);
  expect(measuredMs).toBeLessThan(recoveryMs);
  expect(Math.max(...callers.calls.map(({ startMs, endMs }) => endMs - startMs))).toBeLessThan(longestMs);
  const missing = await missingInHistory(callers, rows);
  if (checkMissing) checkMissing(missing);
  else expect(missing).toEqual([]);
}

async function missingInHistory(callers: Callers, rows: OutageExpectation['rows']): Promise<string[]> {
  const deadlineMs = performance.now() + historyMs;
  let missing = callers.predicted.flatMap(({ ids }) => ids);
  while (missing.length > 0 && performance.now() < deadlineMs) {
    const found = await rows<{ id: string }>('select id from prediction where id = any($1)', [missing]);
    const present = new Set(found.map(({ id }) => id));
    missing = missing.filter((id) => !present.has(id));
    if (missing.length > 0) await sleep(50);
  }
  return missing;
}

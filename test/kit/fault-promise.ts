import { expect } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Callers } from './callers.js';

/** A fault that is over, and what callers may have felt of it. */
export interface Felt {
  fault: string;
  /** When it began, and when what had failed was there again, by `performance.now()`. */
  sinceMs: number;
  overMs: number;
  /** Codes that callers may have got. */
  codes: readonly string[];
  /** The longest that any call may have taken. */
  longestMs: number;
  /** How soon all must be served again, where that is not what is promised. */
  recoveryMs?: number;
  /** Asks the database. */
  rows: <Row extends Record<string, unknown>>(statement: string, values?: unknown[]) => Promise<Row[]>;
  /** Predictions that were answered and may be missing in the history. */
  mayBeLost?: (ids: readonly string[]) => void;
}

/** Promised are 2 seconds. What is asserted leaves a busy machine some room; what was measured is printed. */
const promisedMs = 3_500;
/** Load goes on so long after a fault, for errors that come late. */
const afterwardsMs = 2_500;
/** By then the history is written again. */
const historyMs = 5_000;

/**
 * Lets the callers go on for a while after a fault, prints in one line what they felt, and holds it against the promise: no
 * answer to somebody else, no error but those that say what to do, none that takes longer than it may, service again within
 * seconds, every change as it was answered, and every prediction in the history.
 */
export async function expectPromiseKept(callers: Callers, { fault, sinceMs, overMs, codes, longestMs, recoveryMs = promisedMs, rows, mayBeLost }: Felt): Promise<void> {
  await callers.served();
  await sleep(afterwardsMs);
  await callers.stop();
  const took = callers.recoveryMs(overMs);
  process.stdout.write(`${callers.told(fault, sinceMs, took)}\n`);

  const employees = await rows<{ email: string }>('select email from employee');
  expect(callers.problems(codes)).toEqual([]);
  expect(callers.brokenPromises(new Set(employees.map(({ email }) => email)))).toEqual([]);
  expect(took).toBeLessThan(recoveryMs);
  expect(Math.max(...callers.calls.map(({ startMs, endMs }) => endMs - startMs))).toBeLessThan(longestMs);
  const missing = await missingInHistory(callers, rows);
  if (mayBeLost) mayBeLost(missing);
  else expect(missing).toEqual([]);
}

async function missingInHistory(callers: Callers, rows: Felt['rows']): Promise<string[]> {
  const deadlineMs = performance.now() + historyMs;
  let missing = callers.predicted.flatMap(({ ids }) => ids);
  while (missing.length > 0 && performance.now() < deadlineMs) {
    const found = await rows<{ id: string }>('select id from prediction where id = any($1)', [missing]);
    const there = new Set(found.map(({ id }) => id));
    missing = missing.filter((id) => !there.has(id));
    if (missing.length > 0) await sleep(50);
  }
  return missing;
}

import 'reflect-metadata';
import { describe, expect, it } from '@jest/globals';
import {
  BoundPredictions,
  unlimited,
  type ComputedRowQuota,
  type FieldPredictor,
} from '../../../src/bindings/bound-predictions.js';
import { BadUserInput, Overloaded, ServiceUnavailable, TooManyAttempts } from '../../../src/errors/app-error.js';
import type { Context } from '../../../src/graphql/context/context.js';
import type { PredictCall, PredictionSet } from '../../../src/inference/serving/predictor.js';
import { OperationCost } from '../../../src/telemetry/operation-cost.js';

type Row = Record<string, unknown>;

const contextOf = (signal = new AbortController().signal): Context =>
  ({ viewer: { kind: 'session', userId: 'u' }, signal, cost: new OperationCost() }) as unknown as Context;

/** A predictor of `y = 2 x` that is cached for even numbers, invalid for negative ones, and fails as `fail` says. */
function setUp(
  fail: (xs: readonly number[]) => Error | null = () => null,
  { quota = unlimited, freshMs = 0 }: { quota?: ComputedRowQuota; freshMs?: number } = {},
) {
  const calls: number[][] = [];
  const listeners: (() => void)[] = [];
  let hits = 0;
  const predictor = {
    model: () => ({ current: { version: 3, digest: 'd' } }),
    rowMs: () => 0.05,
    freshMs: () => freshMs,
    countCacheHits: (_model: string, rows: number) => void (hits += rows),
    onChange: (listener: () => void) => {
      listeners.push(listener);
      return () => undefined;
    },
    predict: ({ rows, version }: PredictCall): Promise<PredictionSet> => {
      const xs = (rows as Row[]).map(({ x }) => Number(x));
      calls.push(xs);
      const error = fail(xs);
      if (error) return Promise.reject(error);
      const invalid = new Map(
        xs.flatMap((x, index) => (x < 0 ? [[index, new BadUserInput(`x is ${x}`)] as const] : [])),
      );
      const predicted = xs
        .filter((x) => x >= 0)
        .map((x) => ({ output: { y: 2 * x }, source: x % 2 === 0 ? 'CACHE' : 'MODEL', ageSeconds: 0, warnings: null }));
      return Promise.resolve({ version: { version }, rows: predicted, invalid } as unknown as PredictionSet);
    },
  } as unknown as FieldPredictor;
  const predictions = new BoundPredictions(predictor, quota);
  const predict = (xs: readonly number[], context = contextOf()) =>
    Promise.allSettled(xs.map(async (x) => predictions.predict('pay', ['x'], [x], context)));
  return { calls, predict, hits: () => hits, change: () => listeners.forEach((listener) => listener()) };
}

const outcomes = (settled: PromiseSettledResult<{ output: Row }>[]): unknown[] =>
  settled.map((one) => (one.status === 'fulfilled' ? one.value.output.y : (one.reason as { code: string }).code));

describe('bound predictions', () => {
  it('are one call for all rows of an operation', async () => {
    const { calls, predict } = setUp();
    expect(outcomes(await predict([1, 2, 3]))).toEqual([2, 4, 6]);
    expect(calls).toEqual([[1, 2, 3]]);
  });

  it('are several calls for more rows than a call may have', async () => {
    const { calls, predict } = setUp();
    const rows = Array.from({ length: 2500 }, (_row, index) => index);
    expect(outcomes(await predict(rows))).toEqual(rows.map((x) => 2 * x));
    expect(calls.map((call) => call.length)).toEqual([1000, 1000, 500]);
  });

  it('fail for the rows alone that the model rejects', async () => {
    const { predict } = setUp();
    const settled = await predict([1, -1, 2]);
    expect(outcomes(settled)).toEqual([2, 'PREDICTION_UNAVAILABLE', 4]);
    expect(settled[1]).toMatchObject({ reason: { extensions: { model: 'pay', reason: 'BAD_USER_INPUT' } } });
  });

  it('fail for the row alone that the model fails on', async () => {
    const { calls, predict } = setUp((xs) => (xs.includes(5) ? new ServiceUnavailable('failed') : null));
    expect(outcomes(await predict([1, 5, 2]))).toEqual([2, 'PREDICTION_UNAVAILABLE', 4]);
    expect(calls).toEqual([[1, 5, 2], [1], [5], [2]]);
  });

  it('are not repeated if the model is overloaded', async () => {
    const { calls, predict } = setUp(() => new Overloaded('full'));
    expect(new Set(outcomes(await predict([1, 2])))).toEqual(new Set(['PREDICTION_UNAVAILABLE']));
    expect(calls).toHaveLength(1);
  });

  it('are not repeated for a caller that has disconnected', async () => {
    const abort = new AbortController();
    const { calls, predict } = setUp(() => {
      abort.abort(new Error('gone'));
      return new ServiceUnavailable('failed');
    });
    const settled = await predict([1, 2], contextOf(abort.signal));
    expect(settled.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(calls).toHaveLength(1);
  });

  it('charge the rows that were computed, and refund the others in the cost', async () => {
    const charged: number[] = [];
    const quota = { assertLeft: () => {}, chargeComputed: (_user: string, rows: number) => void charged.push(rows) };
    const { predict } = setUp(() => null, { quota });
    const context = contextOf();
    await predict([1, 2, 3, 4, 6], context);
    expect(charged).toEqual([2]);
    expect(context.cost.refunded).toBe(3 * 5);
  });

  it('are unavailable once the quota is used up', async () => {
    const rejecting: ComputedRowQuota = {
      assertLeft: () => {
        throw new TooManyAttempts('used up', 7);
      },
      chargeComputed: () => {},
    };
    const { calls, predict } = setUp(() => null, { quota: rejecting });
    const [outcome] = await predict([1]);
    expect(outcome).toMatchObject({
      reason: { code: 'PREDICTION_UNAVAILABLE', extensions: { reason: 'TOO_MANY_REQUESTS' } },
    });
    expect(calls).toEqual([]);
  });

  it('are known at once after the first time, until the models change or the result expires', async () => {
    const { calls, predict, hits, change } = setUp(() => null, { freshMs: 60_000 });
    const context = contextOf();
    expect(outcomes(await predict([1, -1, 2], context))).toEqual([2, 'PREDICTION_UNAVAILABLE', 4]);
    expect(outcomes(await predict([1, -1, 2], context))).toEqual([2, 'PREDICTION_UNAVAILABLE', 4]);
    expect(calls).toEqual([[1, -1, 2], [-1]]);
    expect(hits()).toBe(2);
    change();
    await predict([1], context);
    expect(calls).toEqual([[1, -1, 2], [-1], [1]]);
    const expiring = setUp(() => null, { freshMs: 0 });
    await expiring.predict([1]);
    await expiring.predict([1]);
    expect(expiring.calls).toEqual([[1], [1]]);
  });
});

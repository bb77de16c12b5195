import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import type { PredictCall } from '../../../src/inference/serving/predictor.js';
import { openFakePredictor, TestStore } from '../../support/models.js';

let store: TestStore;

beforeAll(async () => {
  store = await TestStore.create();
  for (const [name, factor] of [
    ['double', 2],
    ['triple', 3],
  ] as const) {
    await store.manifest(name, { serving: { max_batch: 5 } });
    await store.version(name, 1, { factor });
  }
});

afterAll(() => store.close());

type Step =
  { kind: 'call'; model: 'double' | 'triple'; xs: number[]; isCancelled: boolean } | { kind: 'turn'; turns: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('call' as const),
      model: fc.constantFrom('double' as const, 'triple' as const),
      xs: fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 1, maxLength: 8 }),
      isCancelled: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('turn' as const), turns: fc.integer({ min: 1, max: 4 }) }) },
);

it('returns the same for each call as if it ran alone, for any interleaving of calls, cancellations and model errors', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 25 }),
      fc.uniqueArray(fc.integer({ min: 0, max: 12 }), { maxLength: 3 }),
      fc.nat(3),
      async (steps, bad, pace) => {
        const { predictor, backend, close } = await openFakePredictor(store);
        backend.freeRows = pace;
        backend.before = async (xs) => {
          for (let turn = 0; turn < pace; turn++) await nextTurn();
          if (xs.some((x) => bad.includes(x))) throw new Error('a bad row');
        };

        const calls: {
          call: PredictCall;
          xs: number[];
          isCancelled: boolean;
          cancel: AbortController;
          result: Promise<unknown>;
        }[] = [];
        for (const one of steps) {
          if (one.kind === 'turn') for (let turn = 0; turn < one.turns; turn++) await nextTurn();
          if (one.kind !== 'call') continue;
          const cancel = new AbortController();
          const call = { model: one.model, rows: one.xs.map((x) => ({ x })), signal: cancel.signal };
          const result = predictor.predict(call).then(
            ({ rows }) => rows.map(({ output }) => output.y),
            (error: unknown) => (error as Error).name,
          );
          calls.push({ call, xs: one.xs, isCancelled: one.isCancelled, cancel, result });
          const cancelled = calls.find((candidate) => candidate.isCancelled && !candidate.cancel.signal.aborted);
          if (cancelled && calls.length % 3 === 0) cancelled.cancel.abort();
        }

        for (const { call, xs, cancel, result } of calls) {
          const factor = call.model === 'double' ? 2 : 3;
          const alone = xs.some((x) => bad.includes(x)) ? 'ServiceUnavailable' : xs.map((x) => factor * x);
          const response = await result;
          if (cancel.signal.aborted && response === 'AbortError') continue;
          expect(response).toEqual(alone);
        }
        await close();
        for (const run of backend.runs) {
          expect(run.length).toBeLessThanOrEqual(5);
          // A row that is requested twice concurrently runs once.
          expect(new Set(run).size).toBe(run.length);
        }
        expect(backend.loaded).toBe(0);
      },
    ),
    { numRuns: 120 },
  );
});

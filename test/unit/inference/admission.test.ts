import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { Admission, type AdmissionRequest } from '../../../src/inference/scheduling/admission.js';
import { bytesOfCall } from '../../../src/inference/scheduling/call-bytes.js';
import type { Predictor } from '../../../src/inference/serving/predictor.js';
import { openFakePredictor, TestStore, type FakeBackend } from '../../support/models.js';
import { waitUntil } from '../../support/wait-until.js';

const limits = {
  caller: { rows: 30, bytes: 1000 },
  model: { rows: 60, bytes: 2000 },
  waitingBytes: 5000,
  smallRows: 2,
};

/** An admission with small limits, and what happened to each call, in order. */
function gate(maxQueue = 1000) {
  const admission = new Admission(limits);
  const admitted: string[] = [];
  const rejected: [string, unknown][] = [];
  const leave = new Map<string, () => void>();
  const enter = (name: string, parts: Partial<AdmissionRequest> = {}): Promise<void> =>
    Promise.resolve()
      .then(() =>
        admission.enter({
          model: 'm',
          caller: name[0] ?? '',
          rows: 10,
          bytes: 10,
          maxBatch: 1,
          maxQueue,
          waitMs: 60_000,
          ...parts,
        }),
      )
      .then(
        (leaveIt) => {
          admitted.push(name);
          leave.set(name, leaveIt);
        },
        (error: unknown) => void rejected.push([name, error]),
      );
  const end = async (name: string): Promise<void> => {
    leave.get(name)?.();
    leave.delete(name);
    await nextTurn();
  };
  return { admission, admitted, rejected, leave, enter, end };
}

describe('admission', () => {
  it('limits what a caller has in progress, and admits others beside it', async () => {
    const { enter, end, admitted } = gate();
    for (const name of ['a1', 'a2', 'a3', 'a4', 'a5', 'b1']) void enter(name);
    await nextTurn();
    expect(admitted).toEqual(['a1', 'a2', 'a3', 'b1']);
    await end('a2');
    expect(admitted.at(-1)).toBe('a4');
  });

  it('admits callers in turn, by rows, when the model is at its limit', async () => {
    const { enter, end, admitted, admission } = gate();
    for (const name of ['a1', 'a2', 'a3', 'b1', 'b2', 'b3', 'a4', 'a5', 'a6', 'c1', 'c2', 'd1']) void enter(name);
    await nextTurn();
    expect(admitted.splice(0)).toEqual(['a1', 'a2', 'a3', 'b1', 'b2', 'b3']);
    expect(admission.statistics('m')).toMatchObject({ runningRows: 60, waitingRows: 60 });
    for (const name of ['a1', 'a2', 'b1', 'b2']) await end(name);
    // The calls of a wait for the second turn of each caller.
    expect(admitted.slice(0, 3).sort()).toEqual(['a4', 'c1', 'd1']);
  });

  it('lets small calls pass, up to some rows of a caller', async () => {
    const { enter, admitted } = gate();
    for (const name of ['a1', 'a2', 'a3', 'b1', 'b2', 'b3', 'c1', 'a4']) void enter(name);
    await enter('d1', { rows: 1 });
    await enter('d2', { rows: 1 });
    void enter('d3', { rows: 1 });
    void enter('a5', { rows: 1 });
    await nextTurn();
    expect(admitted.slice(6)).toEqual(['d1', 'd2']);
  });

  it('admits one call that is larger than every limit, alone', async () => {
    const { enter, end, admitted } = gate();
    await enter('a1', { rows: 500, bytes: 100_000 });
    void enter('a2');
    void enter('b1');
    await nextTurn();
    expect(admitted).toEqual(['a1']);
    await end('a1');
    expect(admitted.slice(1).sort()).toEqual(['a2', 'b1']);
  });

  it('limits bytes as it limits rows', async () => {
    const { enter, admitted, rejected } = gate();
    for (const name of ['a1', 'a2']) void enter(name, { bytes: 600 });
    for (const name of ['b1', 'c1', 'd1']) void enter(name, { bytes: 900 });
    await nextTurn();
    expect(admitted).toEqual(['a1', 'b1']);
    for (const name of ['e1', 'f1', 'g1', 'h1']) void enter(name, { bytes: 900 });
    await nextTurn();
    expect(rejected.map(([name]) => name)).toEqual(['g1', 'h1']);
  });

  it('rejects at once with Retry-After what a full queue has no room for', async () => {
    const { enter, rejected, admission } = gate(20);
    for (const name of ['a1', 'a2', 'a3', 'a4', 'a5', 'a6']) void enter(name);
    await nextTurn();
    expect(rejected).toMatchObject([['a6', { code: 'OVERLOADED', retryAfterSeconds: 1 }]]);
    expect(admission.statistics('m')).toMatchObject({ waitingRows: 20, rejections: { queue_full: 1, wait: 0 } });
  });

  it('makes room for others by rejecting the newest call of the caller with most waiting rows', async () => {
    const { enter, end, rejected, admitted } = gate(40);
    for (const name of ['a1', 'a2', 'a3', 'b1', 'b2', 'b3']) void enter(name);
    for (const name of ['a4', 'a5', 'a6', 'a7']) void enter(name);
    for (const name of ['c1', 'd1', 'c2']) void enter(name);
    await nextTurn();
    expect(rejected.map(([name]) => name).sort()).toEqual(['a6', 'a7', 'c2']);
    for (const name of ['b1', 'b2']) await end(name);
    expect(admitted.slice(6).sort()).toEqual(['c1', 'd1']);
  });

  it('rejects a call that waited too long, and frees its place', async () => {
    const { enter, rejected, admission } = gate();
    for (const name of ['a1', 'a2', 'a3']) void enter(name);
    await enter('a4', { waitMs: 5 });
    expect(rejected).toMatchObject([['a4', { code: 'OVERLOADED' }]]);
    expect(admission.statistics('m')).toMatchObject({ waitingRows: 0, rejections: { queue_full: 0, wait: 1 } });
  });

  it('frees the place of a caller that disconnected', async () => {
    const { enter, end, rejected, admitted } = gate();
    const gone = new AbortController();
    for (const name of ['a1', 'a2', 'a3']) void enter(name);
    void enter('a4', { signal: gone.signal });
    void enter('a5');
    gone.abort();
    await nextTurn();
    expect(rejected).toMatchObject([['a4', { name: 'AbortError' }]]);
    await end('a1');
    expect(admitted.at(-1)).toBe('a5');
  });

  it('never exceeds its limits, and admits every call in the end, for any calls', async () => {
    const call = fc.record({
      caller: fc.constantFrom('a', 'b', 'c', 'd'),
      rows: fc.integer({ min: 1, max: 40 }),
      bytes: fc.integer({ min: 1, max: 1200 }),
      endsOthers: fc.nat(3),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(call, { minLength: 1, maxLength: 40 }), async (calls) => {
        const { enter, end, leave, admission, admitted, rejected } = gate();
        const rowsOf = new Map<string, number>();
        const check = (): void => {
          const byCaller = Map.groupBy(leave.keys(), (name) => name[0]);
          for (const [, names] of byCaller) {
            const rows = names.reduce((sum, name) => sum + (rowsOf.get(name) ?? 0), 0);
            expect(names.length === 1 || rows <= limits.caller.rows).toBe(true);
          }
          // Small calls come on top.
          const { runningRows = 0 } = admission.statistics('m') ?? {};
          expect(leave.size === 1 || runningRows <= limits.model.rows + 4 * limits.smallRows).toBe(true);
        };
        for (const [index, { caller, rows, bytes, endsOthers }] of calls.entries()) {
          const name = `${caller}${index}`;
          rowsOf.set(name, rows);
          void enter(name, { rows, bytes: Math.min(bytes, 100) });
          await nextTurn();
          check();
          for (const other of [...leave.keys()].slice(0, endsOthers)) await end(other);
          check();
        }
        while (leave.size > 0) for (const name of [...leave.keys()]) await end(name);
        expect(rejected).toEqual([]);
        expect(admitted).toHaveLength(calls.length);
        expect(admission.statistics('m')).toMatchObject({ runningRows: 0, waitingRows: 0 });
      }),
      { numRuns: 60 },
    );
  });
});

it('estimates the bytes of a call by its values and the outputs of the model', () => {
  const outputs = [{ rowShape: [768] }, { rowShape: [null, 2] }] as never;
  const rows = [{ a: 1, b: 'text' }, { a: [[1, 2], [3]] }];
  expect(bytesOfCall(rows, { outputs })).toBeGreaterThan(2 * 770 * 8);
  expect(bytesOfCall([{ b: 'x'.repeat(1000) }], { outputs: [] })).toBeGreaterThan(2000);
  let deep: unknown = 1;
  for (let depth = 0; depth < 100_000; depth += 1) deep = [deep];
  expect(bytesOfCall([{ deep }], { outputs: [] })).toBeGreaterThan(100_000);
});

describe('a model that one caller floods', () => {
  let store: TestStore;
  let predictor: Predictor;
  let backend: FakeBackend;
  let close: () => Promise<void>;

  beforeEach(async () => {
    store = await TestStore.create();
    await store.manifest('double', { serving: { deadline_ms: 60_000 } });
    await store.version('double', 1, { factor: 2 });
    ({ predictor, backend, close } = await openFakePredictor(store));
  });

  afterEach(async () => {
    await close();
    await store.close();
  });

  it('serves the single rows of another caller within few runs, and all rows of the flood', async () => {
    backend.before = () => nextTurn();
    let lastX = 0;
    const predict = async (caller: string, rows: number): Promise<number> => {
      const call = { model: 'double', caller, rows: Array.from({ length: rows }, () => ({ x: (lastX += 1) })) };
      return (await predictor.predict(call)).rows.length;
    };
    const flood = Promise.all(Array.from({ length: 64 }, () => predict('mallory', 1000)));
    const runsForOne: number[] = [];
    const pending: number[] = [];
    let isFlooding = true;
    void flood.finally(() => (isFlooding = false));
    await waitUntil(() => backend.runs.length > 0);
    const isOver = (): boolean => !isFlooding;
    while (!isOver()) {
      const before = backend.runs.length;
      await predict('anna', 1);
      runsForOne.push(backend.runs.length - before);
      pending.push(predictor.model('double')?.current.statistics.pending ?? 0);
    }
    expect((await flood).every((rows) => rows === 1000)).toBe(true);
    expect(runsForOne.length).toBeGreaterThan(5);
    expect(Math.max(...runsForOne)).toBeLessThanOrEqual(6);
    expect(Math.max(...pending)).toBeLessThanOrEqual(3001);
    expect(predictor.admission('double')).toEqual({
      waitingRows: 0,
      runningRows: 0,
      rejections: { queue_full: 0, wait: 0 },
    });
  });

  it('rejects what exceeds max_queue before it is validated', async () => {
    await store.manifest('small', { serving: { max_queue: 1000, deadline_ms: 60_000 } });
    await store.version('small', 1, { factor: 2 });
    const small = await openFakePredictor(store);
    const gate = Promise.withResolvers<undefined>();
    small.backend.before = () => gate.promise;
    const call = (from: number) =>
      small.predictor
        .predict({
          model: 'small',
          caller: 'mallory',
          rows: Array.from({ length: 1000 }, (_, row) => ({ x: from + row })),
        })
        .catch((error: unknown) => (error as { code: string }).code);
    const calls = [0, 1000, 2000, 3000].map(call);
    const invalid = small.predictor
      .predict({ model: 'small', caller: 'mallory', rows: Array.from({ length: 1000 }, () => ({ x: 'text' })) })
      .catch((error: unknown) => error);
    expect(await invalid).toMatchObject({ code: 'OVERLOADED', retryAfterSeconds: 1 });
    gate.resolve(undefined);
    await Promise.all(calls);
    await small.close();
  });
});

import { setImmediate as nextTurn } from 'node:timers/promises';
import { FailedRows } from '../../../src/inference/serving/failed-rows.js';
import type { Predictor } from '../../../src/inference/serving/predictor.js';
import { VersionBreaker } from '../../../src/inference/serving/version-breaker.js';
import { openFakePredictor, TestStore, type FakeBackend } from '../../support/models.js';
import { waitUntil } from '../../support/wait-until.js';

let store: TestStore;
let predictor: Predictor;
let backend: FakeBackend;
let close: () => Promise<void>;

/** Rows from here on fail the graph. */
const firstBad = 1_000_000;

beforeEach(async () => {
  store = await TestStore.create();
  await store.manifest('double');
  await store.version('double', 1, { factor: 2 });
  ({ predictor, backend, close } = await openFakePredictor(store));
  backend.before = (xs) =>
    xs.some((x) => x >= firstBad) ? Promise.reject(new Error('index out of range')) : undefined;
});

afterEach(async () => {
  await close();
  await store.close();
});

const predict = async (caller: string, xs: readonly number[]): Promise<string> =>
  predictor.predict({ model: 'double', rows: xs.map((x) => ({ x })), caller }).then(
    ({ rows }) => rows.map(({ output }) => String(output.y)).join(),
    (error: unknown) => (error as { code: string }).code,
  );

let lastX = 0;
const good = (count: number): number[] => Array.from({ length: count }, () => (lastX += 1));
const bad = (count: number): number[] => good(count).map((x) => firstBad + x);

const statistics = () => predictor.model('double')?.current.statistics;
const idle = () => waitUntil(() => statistics()?.pending === 0);

describe('rows that fail the graph', () => {
  it('cost few runs, and no rows that no call waits for', async () => {
    expect(await predict('mallory', bad(1000))).toBe('SERVICE_UNAVAILABLE');
    await idle();
    expect(backend.runs.length).toBeLessThanOrEqual(11);
    expect(backend.runs.flat().length).toBeLessThan(2020);
    expect(statistics()?.droppedRows).toBe(999);
  });

  it('do not delay other callers: these need the same number of runs as without them', async () => {
    const runsOf = async (floods: number): Promise<number> => {
      backend.clearRuns();
      let own = 0;
      for (let round = 0; round < 20; round += 1) {
        const attacks = Array.from({ length: floods }, (_, index) => predict(`mallory ${index}`, bad(100)));
        const x = good(1);
        expect(await predict('anna', x)).toBe(String(2 * (x[0] ?? 0)));
        own += backend.runs.filter((run) => run.includes(x[0] ?? 0)).length;
        expect(await Promise.all(attacks)).toEqual(attacks.map(() => 'SERVICE_UNAVAILABLE'));
        await idle();
      }
      return own;
    };
    expect(await runsOf(0)).toBe(20);
    // The first batch is joined with the rows of callers that are not known yet.
    expect(await runsOf(4)).toBeLessThanOrEqual(20 + 7);
  });

  it('are remembered, and fail at once without a run', async () => {
    const [x = 0] = bad(1);
    expect(await predict('mallory', [x])).toBe('SERVICE_UNAVAILABLE');
    await idle();
    backend.clearRuns();
    for (let round = 0; round < 10; round += 1) {
      expect(await predict('mallory', [x])).toBe('SERVICE_UNAVAILABLE');
      expect(await predict('anna', [...good(10), x, ...good(10)])).toBe('SERVICE_UNAVAILABLE');
    }
    expect(backend.runs).toEqual([]);
    expect(await predict('anna', [7])).toBe('14');
  });

  it('are remembered without a cache too', async () => {
    await store.manifest('other', { serving: { cache: false } });
    await store.version('other', 1, { factor: 2 });
    const uncached = await openFakePredictor(store);
    uncached.backend.before = () => Promise.reject(new Error('broken'));
    const call = { model: 'other', rows: [{ x: 1 }] };
    await expect(uncached.predictor.predict(call)).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
    await expect(uncached.predictor.predict(call)).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
    expect(uncached.backend.runs).toEqual([[1]]);
    await uncached.close();
  });

  it('are run again after some seconds', async () => {
    const rows = new FailedRows(20);
    rows.add('key', new Error('broken'));
    expect(rows.errorOf('key')).toMatchObject({ cause: new Error('broken') });
    expect(rows.errorOf('other')).toBeUndefined();
    await waitUntil(() => rows.errorOf('key') === undefined);
  });

  it('do not open the circuit breaker, since the version runs a row that is known to be good', async () => {
    for (const x of bad(30)) expect(await predict('mallory', [x])).toBe('SERVICE_UNAVAILABLE');
    await idle();
    expect(predictor.model('double')?.problems).toEqual([]);
    expect(await predict('anna', [7])).toBe('14');
  });
});

describe('a version that fails on every row', () => {
  it('is not run, is a problem of its model, and serves again once a probe succeeds', async () => {
    let isBroken = true;
    backend.before = () => (isBroken ? Promise.reject(new Error('broken')) : undefined);
    const changes: number[] = [];
    predictor.onChange(() => changes.push(predictor.model('double')?.problems.length ?? 0));
    for (const x of good(5)) expect(await predict('anna', [x])).toBe('SERVICE_UNAVAILABLE');
    await waitUntil(() => changes.length === 1);
    expect(predictor.model('double')?.problems).toEqual([
      'double: version 1 fails on every row, also on one that it is known to run; calls fail at once until it works again',
    ]);
    backend.clearRuns();
    for (const x of good(20)) expect(await predict('anna', [x])).toBe('SERVICE_UNAVAILABLE');
    // A probe may be due, and runs the golden row.
    expect(backend.runs.every((run) => run.join() === '2')).toBe(true);
    expect(backend.runs.length).toBeLessThan(20);

    isBroken = false;
    await waitUntil(async () => (await predict('anna', [7])) === '14');
    expect(predictor.model('double')?.problems).toEqual([]);
    expect(changes.at(-1)).toBe(0);
  });

  it('still serves what is cached', async () => {
    expect(await predict('anna', [7])).toBe('14');
    await nextTurn();
    backend.before = () => Promise.reject(new Error('broken'));
    for (const x of good(5)) await predict('anna', [x]);
    await waitUntil(() => predictor.model('double')?.problems.length === 1);
    expect(await predict('anna', [7])).toBe('14');
  });
});

describe('a circuit breaker', () => {
  it('probes after the failures in a row that it is set to, and again after each pause', async () => {
    let probes = 0;
    let isBroken = true;
    const breaker = new VersionBreaker(
      () => {
        probes += 1;
        return isBroken ? Promise.reject(new Error('broken')) : Promise.resolve();
      },
      { failuresToProbe: 3, firstPauseMs: 1, longestPauseMs: 10 },
    );
    const changes: boolean[] = [];
    breaker.onChange = (isOpen) => changes.push(isOpen);
    breaker.countFailure();
    breaker.countFailure();
    breaker.countSuccess();
    breaker.countFailure();
    breaker.countFailure();
    await nextTurn();
    expect([probes, breaker.isOpen]).toEqual([0, false]);
    await breaker.check();
    breaker.countFailure();
    await waitUntil(() => breaker.isOpen);
    await expect(breaker.check()).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE', retryAfterSeconds: 5 });
    await waitUntil(async () => {
      await breaker.check().catch(() => undefined);
      return probes >= 3;
    });
    isBroken = false;
    await waitUntil(() =>
      breaker.check().then(
        () => true,
        () => false,
      ),
    );
    expect(changes).toEqual([true, false]);
  });
});

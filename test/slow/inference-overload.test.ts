import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { Predictor } from '../../src/inference/serving/predictor.js';
import { openFakePredictor, TestStore, type FakeBackend, type ManifestParts } from '../support/models.js';

let store: TestStore;
let backend: FakeBackend;
const opened: { close(): Promise<void> }[] = [];

beforeEach(async () => {
  store = await TestStore.create();
});

afterEach(async () => {
  backend.before = () => undefined;
  for (const one of opened.splice(0).reverse()) await one.close();
  await store.close();
});

/** Opens a predictor of the model `double` with these manifest fields. */
async function open(parts: ManifestParts, cacheTtlSeconds = 3600): Promise<Predictor> {
  await store.manifest('double', parts);
  await store.version('double', 1, { factor: 2 });
  const fake = await openFakePredictor(store, { cacheTtlSeconds });
  opened.push(fake);
  backend = fake.backend;
  return fake.predictor;
}

const execute = (predictor: Predictor, xs: readonly number[], signal?: AbortSignal) =>
  predictor.predict({ model: 'double', rows: xs.map((x) => ({ x })), ...(signal ? { signal } : {}) });

const statistics = (predictor: Predictor) => predictor.model('double')?.current.statistics;

/** Runs hang until the returned function is called. */
function hang(): () => void {
  const gate = Promise.withResolvers<undefined>();
  backend.before = async () => {
    await gate.promise;
  };
  return () => gate.resolve(undefined);
}

describe('a full queue', () => {
  it('rejects a call at once with Retry-After, and accepts the next one once there is room', async () => {
    const predictor = await open({ serving: { max_queue: 2 } });
    const resume = hang();
    const running = execute(predictor, [1]);
    await backend.started(1);
    const waiting = execute(predictor, [2, 3]);
    while (statistics(predictor)?.pending !== 3) await sleep(1);

    await expect(execute(predictor, [4])).rejects.toMatchObject({
      code: 'OVERLOADED',
      httpStatus: 503,
      retryAfterSeconds: 1,
    });
    expect(statistics(predictor)).toMatchObject({ failures: 1, pending: 3 });
    resume();
    await Promise.all([running, waiting]);
    expect((await execute(predictor, [4])).rows[0]?.output).toEqual({ y: 8 });
    expect(backend.runs).toEqual([[1], [2, 3], [4]]);
  });

  it('still returns cached results', async () => {
    const predictor = await open({ serving: { max_queue: 1 } });
    await execute(predictor, [1]);
    await nextTurn();
    const resume = hang();
    const busy = [execute(predictor, [2])];
    await backend.started(2);
    busy.push(execute(predictor, [3]));
    while (statistics(predictor)?.pending !== 2) await sleep(1);
    expect((await execute(predictor, [1])).rows[0]?.source).toBe('CACHE');
    resume();
    await Promise.all(busy);
  });
});

describe('a deadline', () => {
  it('aborts a call, frees its place, and does not run rows that have not started', async () => {
    const predictor = await open({ serving: { deadline_ms: 200, max_queue: 1 } });
    const resume = hang();
    const running = execute(predictor, [1]).catch((error: unknown) => error);
    await backend.started(1);
    await expect(execute(predictor, [2])).rejects.toMatchObject({
      code: 'TIMEOUT',
      httpStatus: 504,
      extensions: { afterMs: expect.any(Number) as number },
    });
    expect(await running).toMatchObject({ code: 'TIMEOUT' });

    backend.before = () => undefined;
    resume();
    expect((await execute(predictor, [3])).rows[0]?.output).toEqual({ y: 6 });
    expect(backend.runs).toEqual([[1], [3]]);
    expect(statistics(predictor)).toMatchObject({ failures: 2, successes: 1, pending: 0 });
  });

  it('caches the late result of a run for later calls', async () => {
    const predictor = await open({ serving: { deadline_ms: 200 } });
    const resume = hang();
    await expect(execute(predictor, [1])).rejects.toMatchObject({ code: 'TIMEOUT' });
    resume();
    while (statistics(predictor)?.pending !== 0) await sleep(1);
    expect((await execute(predictor, [1])).rows[0]).toMatchObject({ output: { y: 2 }, source: 'CACHE' });
    expect(backend.runs).toEqual([[1]]);
  });
});

describe('a disconnected caller', () => {
  it('causes no run that has not started', async () => {
    const predictor = await open({});
    const resume = hang();
    const running = execute(predictor, [1]);
    await backend.started(1);
    const gone = new AbortController();
    const waiting = execute(predictor, [2], gone.signal).catch((error: unknown) => error);
    while (statistics(predictor)?.pending !== 2) await sleep(1);
    gone.abort();
    expect(await waiting).toMatchObject({ name: 'AbortError' });
    resume();
    await running;
    await sleep(5);
    expect(backend.runs).toEqual([[1]]);
    expect(statistics(predictor)).toMatchObject({ successes: 1, failures: 0, pending: 0 });
  });

  it('causes no run if it disconnected before the call', async () => {
    const predictor = await open({});
    await expect(execute(predictor, [2], AbortSignal.abort())).rejects.toMatchObject({ name: 'AbortError' });
    await sleep(5);
    expect(backend.runs).toEqual([]);
  });
});

describe('an expired cached response', () => {
  const withStale = { serving: { stale_seconds: 60, deadline_ms: 200 } };

  /** A predictor whose cached response for 1 has expired. */
  async function openExpired(parts: ManifestParts): Promise<Predictor> {
    const predictor = await open(parts, 0.03);
    await execute(predictor, [1]);
    await sleep(50);
    backend.clearRuns();
    return predictor;
  }

  it('is served with its age if the model fails', async () => {
    const predictor = await openExpired(withStale);
    backend.before = () => Promise.reject(new Error('broken'));
    const { rows } = await execute(predictor, [1]);
    expect(rows[0]).toMatchObject({ output: { y: 2 }, source: 'STALE' });
    expect(rows[0]?.ageSeconds).toBeGreaterThan(0.03);
    expect(rows[0]?.ageSeconds).toBeLessThan(60);
  });

  it('is served if the model misses its deadline', async () => {
    const predictor = await openExpired(withStale);
    const resume = hang();
    expect((await execute(predictor, [1])).rows[0]).toMatchObject({ output: { y: 2 }, source: 'STALE' });
    resume();
  });

  it('is not available for a row that was never served', async () => {
    const predictor = await openExpired(withStale);
    backend.before = () => Promise.reject(new Error('broken'));
    await expect(execute(predictor, [1, 2])).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
  });

  it('is not served if the model responds, or if the manifest does not allow it', async () => {
    const predictor = await openExpired(withStale);
    expect((await execute(predictor, [1])).rows[0]).toMatchObject({ source: 'MODEL', ageSeconds: 0 });
    const strict = await openExpired({});
    backend.before = () => Promise.reject(new Error('broken'));
    await expect(execute(strict, [1])).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
  });
});

it('names the row that failed, and serves concurrent calls', async () => {
  const predictor = await open({});
  backend.before = (xs) => (xs.includes(13) ? Promise.reject(new Error('broken by 13')) : undefined);
  const [good, bad] = await Promise.allSettled([execute(predictor, [1, 2]), execute(predictor, [3, 13, 4])]);
  expect(good).toMatchObject({ status: 'fulfilled' });
  expect(bad).toMatchObject({
    status: 'rejected',
    reason: {
      code: 'SERVICE_UNAVAILABLE',
      message:
        'The model double, version 1, failed on row 1. Try again; if it persists, report it to the owner of the model.',
    },
  });
});

it('closes while an abandoned run hangs', async () => {
  const predictor = await open({ serving: { deadline_ms: 20 } });
  hang();
  await expect(execute(predictor, [1])).rejects.toMatchObject({ code: 'TIMEOUT' });
  await predictor.close();
  expect(backend.isClosed).toBe(true);
});

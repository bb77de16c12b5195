import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { Predictor } from '../../../src/inference/predictor.js';
import { openFakePredictor, TestStore, type FakeBackend, type ManifestParts } from '../../kit/models.js';

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

/** The model `double` with the manifest's parts given. */
async function open(parts: ManifestParts, cacheTtlSeconds = 3600): Promise<Predictor> {
  await store.manifest('double', parts);
  await store.version('double', 1, { factor: 2 });
  const fake = await openFakePredictor(store, { cacheTtlSeconds });
  opened.push(fake);
  backend = fake.backend;
  return fake.predictor;
}

const ask = (predictor: Predictor, xs: readonly number[], signal?: AbortSignal) =>
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
  it('refuses a call at once, says when to come back, and takes the next once there is room', async () => {
    const predictor = await open({ serving: { max_queue: 2 } });
    const goOn = hang();
    const running = ask(predictor, [1]);
    await backend.begun(1);
    const waiting = ask(predictor, [2, 3]);
    while (statistics(predictor)?.pending !== 3) await sleep(1);

    await expect(ask(predictor, [4])).rejects.toMatchObject({ code: 'OVERLOADED', httpStatus: 503, retryAfterSeconds: 1 });
    expect(statistics(predictor)).toMatchObject({ failures: 1, pending: 3 });
    goOn();
    await Promise.all([running, waiting]);
    expect((await ask(predictor, [4])).rows[0]?.output).toEqual({ y: 8 });
    expect(backend.runs).toEqual([[1], [2, 3], [4]]);
  });

  it('still answers what the cache knows', async () => {
    const predictor = await open({ serving: { max_queue: 1 } });
    await ask(predictor, [1]);
    await nextTurn();
    const goOn = hang();
    const busy = [ask(predictor, [2])];
    await backend.begun(2);
    busy.push(ask(predictor, [3]));
    while (statistics(predictor)?.pending !== 2) await sleep(1);
    expect((await ask(predictor, [1])).rows[0]?.source).toBe('CACHE');
    goOn();
    await Promise.all(busy);
  });
});

describe('a deadline', () => {
  it('gives a call up, frees its place, and does not run what has not begun', async () => {
    const predictor = await open({ serving: { deadline_ms: 200, max_queue: 1 } });
    const goOn = hang();
    const running = ask(predictor, [1]).catch((error: unknown) => error);
    await backend.begun(1);
    await expect(ask(predictor, [2])).rejects.toMatchObject({ code: 'TIMEOUT', httpStatus: 504, extensions: { afterMs: expect.any(Number) as number } });
    expect(await running).toMatchObject({ code: 'TIMEOUT' });

    backend.before = () => undefined;
    goOn();
    expect((await ask(predictor, [3])).rows[0]?.output).toEqual({ y: 6 });
    expect(backend.runs).toEqual([[1], [3]]);
    expect(statistics(predictor)).toMatchObject({ failures: 2, successes: 1, pending: 0 });
  });

  it('keeps the answer of a run that came late for the next who asks', async () => {
    const predictor = await open({ serving: { deadline_ms: 200 } });
    const goOn = hang();
    await expect(ask(predictor, [1])).rejects.toMatchObject({ code: 'TIMEOUT' });
    goOn();
    while (statistics(predictor)?.pending !== 0) await sleep(1);
    expect((await ask(predictor, [1])).rows[0]).toMatchObject({ output: { y: 2 }, source: 'CACHE' });
    expect(backend.runs).toEqual([[1]]);
  });
});

describe('a caller who has gone', () => {
  it('costs no run that has not begun', async () => {
    const predictor = await open({});
    const goOn = hang();
    const running = ask(predictor, [1]);
    await backend.begun(1);
    const gone = new AbortController();
    const waiting = ask(predictor, [2], gone.signal).catch((error: unknown) => error);
    while (statistics(predictor)?.pending !== 2) await sleep(1);
    gone.abort();
    expect(await waiting).toMatchObject({ name: 'AbortError' });
    goOn();
    await running;
    await sleep(5);
    expect(backend.runs).toEqual([[1]]);
    expect(statistics(predictor)).toMatchObject({ successes: 1, failures: 0, pending: 0 });
  });

  it('is not asked for anything where it had gone before', async () => {
    const predictor = await open({});
    await expect(ask(predictor, [2], AbortSignal.abort())).rejects.toMatchObject({ name: 'AbortError' });
    await sleep(5);
    expect(backend.runs).toEqual([]);
  });
});

describe('an expired answer', () => {
  const withStale = { serving: { stale_seconds: 60, deadline_ms: 200 } };

  /** A predictor whose answer to 1 has expired. */
  async function openExpired(parts: ManifestParts): Promise<Predictor> {
    const predictor = await open(parts, 0.03);
    await ask(predictor, [1]);
    await sleep(50);
    backend.forgetRuns();
    return predictor;
  }

  it('stands in where the model fails, with its age', async () => {
    const predictor = await openExpired(withStale);
    backend.before = () => Promise.reject(new Error('broken'));
    const { rows } = await ask(predictor, [1]);
    expect(rows[0]).toMatchObject({ output: { y: 2 }, source: 'STALE' });
    expect(rows[0]?.ageSeconds).toBeGreaterThan(0.03);
    expect(rows[0]?.ageSeconds).toBeLessThan(60);
  });

  it('stands in where the model is late', async () => {
    const predictor = await openExpired(withStale);
    const goOn = hang();
    expect((await ask(predictor, [1])).rows[0]).toMatchObject({ output: { y: 2 }, source: 'STALE' });
    goOn();
  });

  it('does not stand in for a row that was never answered', async () => {
    const predictor = await openExpired(withStale);
    backend.before = () => Promise.reject(new Error('broken'));
    await expect(ask(predictor, [1, 2])).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
  });

  it('is not given where the model answers, nor where the manifest does not allow it', async () => {
    const predictor = await openExpired(withStale);
    expect((await ask(predictor, [1])).rows[0]).toMatchObject({ source: 'MODEL', ageSeconds: 0 });
    const strict = await openExpired({});
    backend.before = () => Promise.reject(new Error('broken'));
    await expect(ask(strict, [1])).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
  });
});

it('names the row on which the model failed, and answers its neighbours', async () => {
  const predictor = await open({});
  backend.before = (xs) => (xs.includes(13) ? Promise.reject(new Error('broken by 13')) : undefined);
  const [good, bad] = await Promise.allSettled([ask(predictor, [1, 2]), ask(predictor, [3, 13, 4])]);
  expect(good).toMatchObject({ status: 'fulfilled' });
  expect(bad).toMatchObject({ status: 'rejected', reason: { code: 'SERVICE_UNAVAILABLE', message: 'The model double, version 1, failed on row 1; ask again, and tell its owner if it goes on.' } });
});

it('closes although a run hangs for which nobody waits any more', async () => {
  const predictor = await open({ serving: { deadline_ms: 20 } });
  hang();
  await expect(ask(predictor, [1])).rejects.toMatchObject({ code: 'TIMEOUT' });
  await predictor.close();
  expect(backend.isClosed).toBe(true);
});

import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { PredictCall, Predictor } from '../../../src/inference/serving/predictor.js';
import type { Cache, CacheEntry, ValueOrClaim } from '../../../src/cache/cache.js';
import { openFakePredictor, TestStore, type FakeBackend } from '../../support/models.js';
import { waitUntil } from '../../support/wait-until.js';

/** A cache shared by replicas: values and expiring claims, as in Redis. */
class SharedCache implements Cache {
  readonly isShared = true;
  static readonly values = new Map<string, unknown>();
  static readonly claims = new Map<string, { owner: Cache; until: number }>();

  getMany(keys: readonly string[]): Promise<unknown[]> {
    return Promise.resolve(keys.map((key) => structuredClone(SharedCache.values.get(key))));
  }

  setMany(entries: readonly CacheEntry[]): Promise<boolean> {
    for (const { key, value } of entries) SharedCache.values.set(key, value);
    return Promise.resolve(true);
  }

  claimMany(keys: readonly string[], ttlMs: number): Promise<boolean[]> {
    return Promise.resolve(
      keys.map((key) => {
        const held = SharedCache.claims.get(key);
        if (held && held.owner !== this && held.until > Date.now()) return false;
        SharedCache.claims.set(key, { owner: this, until: Date.now() + ttlMs });
        return true;
      }),
    );
  }

  async readOrClaimMany(keys: readonly string[], ttlMs: number): Promise<ValueOrClaim[]> {
    const values = await this.getMany(keys);
    const claims = await this.claimMany(
      keys.filter((_, index) => values[index] === undefined),
      ttlMs,
    );
    return values.map((value) =>
      value === undefined ? { kind: 'missing', isClaimed: claims.shift() === true } : { kind: 'value', value },
    );
  }

  releaseMany(keys: readonly string[]): Promise<void> {
    for (const key of keys) if (SharedCache.claims.get(key)?.owner === this) SharedCache.claims.delete(key);
    return Promise.resolve();
  }

  health() {
    return { kind: 'memory' } as const;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** Drops what exceeds the maximum of a write, as Redis does. */
class BoundedCache extends SharedCache {
  override setMany(entries: readonly CacheEntry[]): Promise<boolean> {
    return super.setMany(entries.slice(0, 2000));
  }
}

let store: TestStore;
const opened: { close(): Promise<void> }[] = [];

beforeEach(async () => {
  store = await TestStore.create();
  await store.manifest('double');
  await store.version('double', 1, { factor: 2 });
  SharedCache.values.clear();
  SharedCache.claims.clear();
});

afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close();
  await store.close();
});

/** Opens one replica: its predictor, its backend and the recorded runs. */
async function open(cache?: Cache) {
  const fake = await openFakePredictor(store, cache ? { cache } : {});
  opened.push(fake);
  return { predictor: fake.predictor, backend: fake.backend, runs: fake.backend.runs };
}

const call = (...xs: number[]): PredictCall => ({ model: 'double', rows: xs.map((x) => ({ x })) });

const responses = async (predictor: Predictor, ...xs: number[]) =>
  (await predictor.predict(call(...xs))).rows.map(({ output, source }) => [output.y, source]);

/** Blocks every run until the returned function is called. */
function blockRuns(backend: FakeBackend): () => void {
  const gate = Promise.withResolvers<undefined>();
  backend.before = async () => {
    await gate.promise;
  };
  return () => gate.resolve(undefined);
}

describe('in one process', () => {
  it('computes a row of several concurrent calls once', async () => {
    const { predictor, runs } = await open();
    const all = await Promise.all([responses(predictor, 1, 2), responses(predictor, 2, 3), responses(predictor, 1)]);
    expect(all).toEqual([
      [
        [2, 'MODEL'],
        [4, 'MODEL'],
      ],
      [
        [4, 'MODEL'],
        [6, 'MODEL'],
      ],
      [[2, 'MODEL']],
    ]);
    expect(runs).toEqual([[1, 2, 3]]);
    expect(predictor.model('double')?.current.statistics).toMatchObject({
      successes: 3,
      failures: 0,
      rows: 3 + 0,
      runs: 1,
      cacheHits: 0,
      cacheMisses: 3,
      pending: 0,
    });
  });

  it('joins a row that is already running', async () => {
    const { predictor, backend, runs } = await open();
    const resume = blockRuns(backend);
    const first = responses(predictor, 5);
    await backend.started(1);
    const second = responses(predictor, 5);
    await sleep(5);
    resume();
    expect(await Promise.all([first, second])).toEqual([[[10, 'MODEL']], [[10, 'MODEL']]]);
    expect(runs).toEqual([[5]]);
  });

  it('runs only rows that are not cached, and a repeated row once', async () => {
    const { predictor, runs } = await open();
    await responses(predictor, 1, 2);
    await nextTurn();
    expect(await responses(predictor, 3, 1, 3, 2)).toEqual([
      [6, 'MODEL'],
      [2, 'CACHE'],
      [6, 'MODEL'],
      [4, 'CACHE'],
    ]);
    expect(runs).toEqual([[1, 2], [3]]);
  });

  it('serves callers that joined if the first caller disconnects', async () => {
    const { predictor, backend, runs } = await open();
    const resume = blockRuns(backend);
    const busy = responses(predictor, 1);
    await backend.started(1);
    const gone = new AbortController();
    const first = predictor
      .predict({ ...call(7), signal: gone.signal })
      .catch((error: unknown) => (error as Error).name);
    const second = responses(predictor, 7);
    await sleep(5);
    gone.abort();
    expect(await first).toBe('AbortError');
    resume();
    expect(await second).toEqual([[14, 'MODEL']]);
    await busy;
    expect(runs).toEqual([[1], [7]]);
  });

  it('computes each row on its own without a cache', async () => {
    await store.manifest('double', { serving: { cache: false } });
    const { predictor, runs } = await open();
    expect(await responses(predictor, 1, 1)).toEqual([
      [2, 'MODEL'],
      [2, 'MODEL'],
    ]);
    const all = await Promise.all([responses(predictor, 1), responses(predictor, 1)]);
    expect(all).toEqual([[[2, 'MODEL']], [[2, 'MODEL']]]);
    expect(runs.flat()).toEqual([1, 1, 1, 1]);
    expect(predictor.model('double')?.current.statistics).toMatchObject({ cacheHits: 0, cacheMisses: 0 });
  });

  it('computes a row again after the TTL of its model', async () => {
    await store.manifest('double', { serving: { ttl_seconds: 1 } });
    const { predictor, runs } = await open();
    await responses(predictor, 1);
    await nextTurn();
    expect(await responses(predictor, 1)).toEqual([[2, 'CACHE']]);
    await waitUntil(async () => (await responses(predictor, 1))[0]?.[1] === 'MODEL');
    expect(runs).toEqual([[1], [1]]);
  });
});

describe('across replicas', () => {
  it('computes a row of two concurrent calls once', async () => {
    const [one, other] = [await open(new SharedCache()), await open(new SharedCache())];
    const resume = blockRuns(one.backend);
    const first = responses(one.predictor, 1, 2);
    await one.backend.started(1);
    const second = responses(other.predictor, 2, 3);
    await other.backend.started(1);
    resume();
    expect(await first).toEqual([
      [2, 'MODEL'],
      [4, 'MODEL'],
    ]);
    expect(await second).toEqual([
      [4, 'CACHE'],
      [6, 'MODEL'],
    ]);
    expect([one.runs, other.runs]).toEqual([[[1, 2]], [[3]]]);
  });

  it('computes a row again if the replica that claimed it does not respond', async () => {
    const [one, other] = [await open(new SharedCache()), await open(new SharedCache())];
    const resume = blockRuns(one.backend);
    const first = responses(one.predictor, 1);
    await one.backend.started(1);
    expect(await responses(other.predictor, 1)).toEqual([[2, 'MODEL']]);
    expect(other.runs).toEqual([[1]]);
    resume();
    expect(await first).toEqual([[2, 'MODEL']]);
  });

  it('lets another replica compute a row at once after a failure', async () => {
    const [one, other] = [await open(new SharedCache()), await open(new SharedCache())];
    one.backend.before = () => Promise.reject(new Error('broken'));
    await expect(one.predictor.predict(call(1))).rejects.toThrow();
    await nextTurn();
    expect(SharedCache.claims.size).toBe(0);
    expect(await responses(other.predictor, 1)).toEqual([[2, 'MODEL']]);
  });

  it('waits for another replica for a part of its deadline only', async () => {
    await store.manifest('double', { serving: { deadline_ms: 600 } });
    const [one, other] = [await open(new SharedCache()), await open(new SharedCache())];
    const resume = blockRuns(one.backend);
    const first = responses(one.predictor, 1).catch((error: unknown) => (error as Error).name);
    await one.backend.started(1);
    expect(await responses(other.predictor, 1)).toEqual([[2, 'MODEL']]);
    expect(other.runs).toEqual([[1]]);
    resume();
    expect(['TimedOut', [[2, 'MODEL']]]).toContainEqual(await first);
  });

  it('shares every result of a large run', async () => {
    await store.manifest('double', { serving: { max_batch: 5000 } });
    const [one, other] = [await open(new BoundedCache()), await open(new BoundedCache())];
    const resume = blockRuns(one.backend);
    const busy = responses(one.predictor, -1);
    await one.backend.started(1);
    const xs = Array.from({ length: 5000 }, (_, x) => x);
    const calls = [0, 1, 2, 3, 4].map((part) => responses(one.predictor, ...xs.slice(part * 1000, (part + 1) * 1000)));
    await waitUntil(() => one.predictor.model('double')?.current.statistics.pending === 5001);
    resume();
    await Promise.all([busy, ...calls]);
    await waitUntil(() => SharedCache.values.size === 5001);
    expect(one.runs.map(({ length }) => length)).toEqual([1, 5000]);
    expect((await responses(other.predictor, 0, 2500, 4999)).map(([, source]) => source)).toEqual(
      Array<string>(3).fill('CACHE'),
    );
  });

  it('releases the claims of results that were not written', async () => {
    const cache = new SharedCache();
    const { predictor } = await open(cache);
    cache.setMany = () => Promise.resolve(false);
    await responses(predictor, 1, 2);
    await waitUntil(() => SharedCache.claims.size === 0);
  });
});

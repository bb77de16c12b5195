import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from '@redis/client';
import { openPredictor } from '../../src/inference/predictor.js';
import { openCache, type Cache } from '../../src/shared/cache.js';
import { createLogger, type Logger } from '../../src/shared/logger.js';
import { freePort, reasonToSkipRedis, startRedis, type TestRedis } from '../kit/redis.js';

const storeDir = path.resolve('model-store');

const reasonToSkip = reasonToSkipRedis();
const suite = reasonToSkip === null ? describe : describe.skip;
const why = reasonToSkip === null ? '' : ` (skipped: ${reasonToSkip})`;

const flower = (petal_length: number) => ({ petal_length, petal_width: 1.3 });

suite(`the cache in Redis${why}`, () => {
  let redis: TestRedis;
  let lines: LogLines;
  const opened: (() => Promise<void>)[] = [];

  const open = (url: string, namespace = 'test'): Cache => {
    const cache = openCache({ redisUrl: url, namespace, maxEntries: 1000, maxBytes: 1_000_000, logger: lines.logger });
    opened.push(() => cache.close());
    return cache;
  };

  const openWithPredictor = async (url: string) => {
    const cache = open(url);
    const predictor = await openPredictor({ storeDir, cache, logger: lines.logger });
    opened.push(() => predictor.close());
    const predict = async (...petals: number[]) => {
      const { rows } = await predictor.predict({ model: 'iris', rows: petals.map(flower) });
      return rows.map(({ source }) => source);
    };
    return { cache, predictor, predict };
  };

  beforeEach(async () => {
    lines = new LogLines();
    redis = await startRedis();
  });

  afterEach(async () => {
    for (const close of opened.splice(0).reverse()) await close();
    await redis.stop();
  });

  it('reads any number of keys with one MGET and writes any number of entries in one transaction', async () => {
    const cache = open(redis.url);
    await isUp(cache);
    const client = await createClient({ url: redis.url }).connect();
    await client.configResetStat();
    const entries = Array.from({ length: 1000 }, (_, index) => ({ key: `key ${index}`, value: { index } }));

    await cache.setMany(entries, 60_000);
    const values = await cache.getMany([...entries.map(({ key }) => key), 'another']);

    const calls = await callsByCommand(client);
    await client.close();
    expect(values).toEqual([...entries.map(({ value }) => value), undefined]);
    expect(calls).toMatchObject({ mget: 1, set: 1000, multi: 1, exec: 1 });
    expect(calls).not.toHaveProperty('get');
  });

  it('puts its namespace before each key once and lets each entry expire', async () => {
    const cache = open(redis.url, 'auspex:prediction');
    await isUp(cache);
    const client = await createClient({ url: redis.url }).connect();

    await cache.setMany([{ key: 'a', value: 1 }], 60_000);

    expect(await client.keys('*')).toEqual(['auspex:prediction:a']);
    const ttlMs = await client.pTTL('auspex:prediction:a');
    await client.close();
    expect(ttlMs).toBeGreaterThan(30_000);
    expect(ttlMs).toBeLessThanOrEqual(60_000);
  });

  it('takes a damaged or foreign entry for a miss and leaves its neighbours alone', async () => {
    const cache = open(redis.url);
    await isUp(cache);
    await cache.setMany([{ key: 'sound', value: { one: 1 } }], 60_000);
    const client = await createClient({ url: redis.url }).connect();
    await client.set('test:cut', '{"value":{"one"');
    await client.set('test:number', '7');
    await client.set('test:null', 'null');
    await client.close();

    expect(await cache.getMany(['cut', 'sound', 'number', 'null'])).toEqual([undefined, { one: 1 }, undefined, undefined]);
  });

  it('answers a row again from Redis, also for another process, and predicts anew what was damaged there', async () => {
    const first = await openWithPredictor(redis.url);
    await isUp(first.cache);
    await first.predict(4, 5);
    await first.predictor.close();
    const second = await openWithPredictor(redis.url);
    await isUp(second.cache);

    expect(await second.predict(4, 5, 6)).toEqual(['CACHE', 'CACHE', 'MODEL']);

    const client = await createClient({ url: redis.url }).connect();
    const keys = (await client.keys('test:*')).filter((key) => !key.startsWith('test:claim:'));
    for (const key of keys) await client.set(key, JSON.stringify({ value: { species: 'setosa', probabilities: { setosa: 'much' } } }));
    await client.close();
    expect(keys).toHaveLength(3);
    expect(await second.predict(4, 5, 6)).toEqual(['MODEL', 'MODEL', 'MODEL']);
  });

  it('gives a claim to one process at a time, until it is released or its time is up', async () => {
    const [one, other] = [open(redis.url), open(redis.url)];
    await Promise.all([isUp(one), isUp(other)]);

    expect(await one.claimMany(['a', 'b'], 60_000)).toEqual([true, true]);
    expect(await other.claimMany(['b', 'c'], 60_000)).toEqual([false, true]);
    expect(await one.claimMany(['a', 'c'], 60_000)).toEqual([true, false]);
    await other.releaseMany(['a', 'c']);
    expect(await one.claimMany(['a', 'c'], 60_000)).toEqual([true, true]);
    expect(await other.claimMany(['a'], 60_000)).toEqual([false]);

    expect(await other.claimMany(['short'], 30)).toEqual([true]);
    await sleep(60);
    expect(await one.claimMany(['short'], 30)).toEqual([true]);
  });

  it('gives every claim where Redis is away', async () => {
    const cache = open(`redis://127.0.0.1:${await freePort()}`);
    expect(await cache.claimMany(['a', 'b'], 60_000)).toEqual([true, true]);
    await cache.releaseMany(['a']);
  });

  it('lets two processes compute a row once that both want at the same moment', async () => {
    const [one, other] = [await openWithPredictor(redis.url), await openWithPredictor(redis.url)];
    await Promise.all([isUp(one.cache), isUp(other.cache)]);
    const petals = Array.from({ length: 200 }, (_, index) => 1 + index / 100);

    const sources = await Promise.all(Array.from({ length: 8 }, (_, turn) => (turn % 2 === 0 ? one : other).predict(...petals)));

    expect(sources.flat()).toHaveLength(1600);
    const rowsRun = [one, other].reduce((sum, { predictor }) => sum + (predictor.model('iris')?.current.statistics.rows ?? 0), 0);
    expect(rowsRun).toBe(200);
  });

  it('starts and answers without Redis, and uses it as soon as it is there', async () => {
    await redis.kill();
    const { cache, predict } = await openWithPredictor(redis.url);

    expect(await bounded(() => predict(4))).toEqual(['MODEL']);
    expect(await bounded(() => predict(4))).toEqual(['MODEL']);
    expect(cache.health()).toEqual({ kind: 'redis', isUp: false });

    await redis.restart();
    await isUp(cache);
    await predict(4);
    await hit(() => predict(4));
  });

  it('keeps answering while Redis is killed and comes back', async () => {
    const { cache, predict } = await openWithPredictor(redis.url);
    await isUp(cache);
    await predict(4);
    await hit(() => predict(4));

    await redis.kill();
    for (let call = 0; call < 20; call += 1) expect(await bounded(() => predict(4))).toEqual(['MODEL']);
    expect(cache.health()).toEqual({ kind: 'redis', isUp: false });

    await redis.restart();
    await isUp(cache);
    await predict(4);
    await hit(() => predict(4));
  });

  it('keeps answering while Redis hangs, pays for it a few times only, and hits again when it goes on', async () => {
    const { cache, predict } = await openWithPredictor(redis.url);
    await isUp(cache);
    await predict(4);
    await hit(() => predict(4));

    redis.pause();
    const start = performance.now();
    for (let call = 0; call < 100; call += 1) expect(await bounded(() => predict(4))).toEqual(['MODEL']);
    const together = await bounded(() => Promise.all(Array.from({ length: 100 }, (_, index) => predict(4 + index / 100))));
    expect(together.flat()).toEqual(Array<string>(100).fill('MODEL'));
    // Each at its deadline would be 10 s.
    expect(performance.now() - start).toBeLessThan(5000);
    expect(cache.health()).toEqual({ kind: 'redis', isUp: false });
    // Past the connection's own timeout: it is given up while nobody writes to it.
    await sleep(3000);
    expect(await bounded(() => predict(4))).toEqual(['MODEL']);

    redis.resume();
    await isUp(cache);
    await hit(() => predict(4));
  });

  it('tells of Redis going and coming once each, and never the password', async () => {
    const guarded = await startRedis({ password: 'opensesame' });
    const { cache, predict } = await openWithPredictor(guarded.url);
    await isUp(cache);
    await guarded.kill();
    for (let call = 0; call < 10; call += 1) await predict(call + 1);
    await sleep(1000);
    await guarded.restart();
    await isUp(cache);
    await guarded.stop();

    const told = lines.messages.filter((message) => message.includes('Redis'));
    expect(told.slice(0, 3)).toEqual([
      expect.stringContaining('is up'),
      expect.stringContaining('is down'),
      expect.stringContaining('is up'),
    ]);
    expect(lines.text).toContain(new URL(guarded.url).host);
    expect(lines.text).not.toContain('opensesame');
  });

  it('treats a Redis that refuses the password as one that is down', async () => {
    const guarded = await startRedis({ password: 'opensesame' });
    const { cache, predict } = await openWithPredictor(guarded.url.replace('opensesame', 'wrong'));
    await sleep(300);

    expect(await bounded(() => predict(4))).toEqual(['MODEL']);
    expect(cache.health()).toEqual({ kind: 'redis', isUp: false });
    expect(lines.messages.filter((message) => message.includes('is down'))).toHaveLength(1);
    await guarded.stop();
  });
});

it('closes at once while nothing listens where Redis should be', async () => {
  const cache = openCache({
    redisUrl: `redis://127.0.0.1:${await freePort()}`,
    namespace: 'test',
    maxEntries: 10,
    maxBytes: 1000,
    logger: createLogger('silent'),
  });
  await sleep(100);

  await bounded(() => cache.close());

  expect(await cache.getMany(['a'])).toEqual([undefined]);
});

/** A call has 2 s, which is generous: what is to be seen is that it does not hang. */
async function bounded<T>(call: () => Promise<T>): Promise<T> {
  const start = performance.now();
  const result = await call();
  expect(performance.now() - start).toBeLessThan(2000);
  return result;
}

async function isUp(cache: Cache): Promise<void> {
  await eventually(() => expect(cache.health()).toEqual({ kind: 'redis', isUp: true }));
}

/** Answers are written behind the caller's back, so the next question may come too soon. */
async function hit(predict: () => Promise<string[]>): Promise<void> {
  await eventually(async () => expect(await predict()).toEqual(['CACHE']));
}

async function eventually(check: () => unknown): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    try {
      await check();
      return;
    } catch {
      await sleep(50);
    }
  }
  await check();
}

async function callsByCommand(client: { info: (section: string) => Promise<string> }): Promise<Record<string, number>> {
  const stats = await client.info('commandstats');
  return Object.fromEntries([...stats.matchAll(/cmdstat_(\w+):calls=(\d+)/g)].map(([, command, calls]) => [command ?? '', Number(calls)]));
}

class LogLines {
  text = '';
  readonly logger: Logger = createLogger('info', { write: (line) => void (this.text += line) });

  get messages(): string[] {
    return this.text
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { msg: string }).msg);
  }
}

import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from '@redis/client';
import { z } from 'zod';
import { openCache, type Cache } from '../../src/cache/cache.js';
import { openPubSub, type Topic } from '../../src/events/pub-sub.js';
import { openPredictor } from '../../src/inference/serving/open-predictor.js';
import { keyPrefix, RedisConnection } from '../../src/redis/connection.js';
import { openRateCounters } from '../../src/redis/rate-counters.js';
import { createLogger, type Logger } from '../../src/telemetry/logger.js';
import { describeWithRedis } from '../support/describe-with-redis.js';
import { freePort, startRedis, type TestRedis } from '../support/redis.js';
import { startProxy } from '../support/tcp-proxy.js';

const storeDir = path.resolve('model-store');

const established = 'Redis connection established';
const lost = 'Redis connection lost; using in-process fallbacks';

const flower = (petal_length: number) => ({ petal_length, petal_width: 1.3 });

describeWithRedis('a cache in Redis', () => {
  let redis: TestRedis;
  let lines: LogLines;
  const opened: (() => void | Promise<void>)[] = [];

  const connect = (url: string, deadlineMs = 100): RedisConnection => {
    const connection = new RedisConnection({ url, deadlineMs, logger: lines.logger });
    opened.push(() => connection.close());
    return connection;
  };

  const open = (url: string, namespace = 'test'): Cache =>
    openCache({ redis: connect(url), namespace, maxEntries: 1000, maxBytes: 1_000_000 });

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

  it('reads many keys with one MGET and writes many entries with one script', async () => {
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
    expect(calls).toMatchObject({ mget: 1, set: 1000 });
    expect(calls).not.toHaveProperty('get');
    expect((calls.evalsha ?? 0) + (calls.eval ?? 0)).toBeLessThanOrEqual(2);
  });

  it('prefixes each key with its namespace and expires each entry', async () => {
    const cache = open(redis.url, 'prediction');
    await isUp(cache);
    const client = await createClient({ url: redis.url }).connect();

    await cache.setMany([{ key: 'a', value: 1 }], 60_000);

    expect((await client.keys('*')).sort()).toEqual(['auspex:prediction:a', 'auspex:write-check']);
    const ttlMs = await client.pTTL('auspex:prediction:a');
    await client.close();
    expect(ttlMs).toBeGreaterThan(30_000);
    expect(ttlMs).toBeLessThanOrEqual(60_000);
  });

  it('shares neither entries nor messages with a gateway of another schema', async () => {
    const spoken: Topic<string> = { name: 'spoken', schema: z.string() };
    const gatewayOf = (schema: string) => {
      const connection = new RedisConnection({ url: redis.url, prefix: keyPrefix(schema), logger: lines.logger });
      opened.push(() => connection.close());
      const cache = openCache({ redis: connection, namespace: 'test', maxEntries: 10, maxBytes: 1000 });
      const pubSub = openPubSub({ redis: connection, logger: lines.logger });
      const received: string[] = [];
      pubSub.subscribe(spoken, (message) => received.push(message));
      return { cache, pubSub, received };
    };
    const [one, replica, other] = [gatewayOf('auspex'), gatewayOf('auspex'), gatewayOf('other')];
    await Promise.all([one, replica, other].map(({ cache }) => isUp(cache)));

    await one.cache.setMany([{ key: 'a', value: 1 }], 60_000);
    await eventually(() => {
      one.pubSub.publish(spoken, 'by one');
      expect(replica.received).toContain('by one');
      return Promise.resolve();
    });

    expect(await replica.cache.getMany(['a'])).toEqual([1]);
    expect(await other.cache.getMany(['a'])).toEqual([undefined]);
    expect(other.received).toEqual([]);
    const client = await createClient({ url: redis.url }).connect();
    const keys = await client.keys('*');
    await client.close();
    expect(keys.sort()).toEqual(['auspex:@auspex:test:a', 'auspex:@auspex:write-check', 'auspex:@other:write-check']);
  });

  it('reads a damaged or foreign entry as a miss and still reads the others', async () => {
    const cache = open(redis.url);
    await isUp(cache);
    await cache.setMany([{ key: 'sound', value: { one: 1 } }], 60_000);
    const client = await createClient({ url: redis.url }).connect();
    await client.set('auspex:test:cut', '{"value":{"one"');
    await client.set('auspex:test:number', '7');
    await client.set('auspex:test:null', 'null');
    await client.close();

    expect(await cache.getMany(['cut', 'sound', 'number', 'null'])).toEqual([
      undefined,
      { one: 1 },
      undefined,
      undefined,
    ]);
  });

  it('serves a row that another process cached, and predicts a damaged one again', async () => {
    const first = await openWithPredictor(redis.url);
    await isUp(first.cache);
    await first.predict(4, 5);
    await first.predictor.close();
    const second = await openWithPredictor(redis.url);
    await isUp(second.cache);

    expect(await second.predict(4, 5, 6)).toEqual(['CACHE', 'CACHE', 'MODEL']);

    const client = await createClient({ url: redis.url }).connect();
    const keys = (await client.keys('auspex:test:*')).filter((key) => !key.startsWith('auspex:test:claim:'));
    for (const key of keys)
      await client.set(key, JSON.stringify({ value: { species: 'setosa', probabilities: { setosa: 'much' } } }));
    await client.close();
    expect(keys).toHaveLength(3);
    expect(await second.predict(4, 5, 6)).toEqual(['MODEL', 'MODEL', 'MODEL']);
  });

  it('grants a claim to one process until it is released or expires', async () => {
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

  it('reads values and claims missing keys in one round trip', async () => {
    const [one, other] = [open(redis.url), open(redis.url)];
    await Promise.all([isUp(one), isUp(other)]);
    await eventually(async () => expect(await one.setMany([{ key: 'known', value: { price: 1 } }], 60_000)).toBe(true));
    const client = await createClient({ url: redis.url }).connect();
    await client.set('auspex:test:damaged', '{');
    await client.configResetStat();

    const ours = await one.readOrClaimMany(['a', 'known', 'damaged', 'b'], 60_000);

    expect(await callsByCommand(client)).toMatchObject({ eval: 1, mget: 1, set: 2 });
    expect(ours).toEqual([
      { kind: 'missing', isClaimed: true },
      { kind: 'value', value: { price: 1 } },
      { kind: 'missing', isClaimed: true },
      { kind: 'missing', isClaimed: true },
    ]);
    expect(await other.readOrClaimMany(['b', 'c'], 60_000)).toEqual([
      { kind: 'missing', isClaimed: false },
      { kind: 'missing', isClaimed: true },
    ]);
    expect(await other.claimMany(['a'], 60_000)).toEqual([false]);
    await one.releaseMany(['a']);
    expect(await other.claimMany(['a'], 60_000)).toEqual([true]);
    await client.close();
  });

  it('grants every claim while Redis is unavailable', async () => {
    const cache = open(`redis://127.0.0.1:${await freePort()}`);
    expect(await cache.claimMany(['a', 'b'], 60_000)).toEqual([true, true]);
    expect(await cache.readOrClaimMany(['a'], 60_000)).toEqual([{ kind: 'missing', isClaimed: true }]);
    await cache.releaseMany(['a']);
  });

  it('runs a row once that two processes request at the same time', async () => {
    const [one, other] = [await openWithPredictor(redis.url), await openWithPredictor(redis.url)];
    await Promise.all([isUp(one.cache), isUp(other.cache)]);
    const petals = Array.from({ length: 200 }, (_, index) => 1 + index / 100);

    const sources = await Promise.all(
      Array.from({ length: 8 }, (_, turn) => (turn % 2 === 0 ? one : other).predict(...petals)),
    );

    expect(sources.flat()).toHaveLength(1600);
    const rowsRun = [one, other].reduce(
      (sum, { predictor }) => sum + (predictor.model('iris')?.current.statistics.rows ?? 0),
      0,
    );
    expect(rowsRun).toBe(200);
  });

  it('starts without Redis and uses it once it is available', async () => {
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

  it('keeps responding while Redis is killed and restarted', async () => {
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

  it('keeps responding while Redis hangs, misses few deadlines, and recovers', async () => {
    const { cache, predict } = await openWithPredictor(redis.url);
    await isUp(cache);
    await predict(4);
    await hit(() => predict(4));

    redis.pause();
    const start = performance.now();
    for (let call = 0; call < 100; call += 1) expect(await bounded(() => predict(4))).toEqual(['MODEL']);
    const together = await bounded(() =>
      Promise.all(Array.from({ length: 100 }, (_, index) => predict(4 + index / 100))),
    );
    expect(together.flat()).toEqual(Array<string>(100).fill('MODEL'));
    // One deadline each would be 10 s.
    expect(performance.now() - start).toBeLessThan(5000);
    expect(cache.health()).toEqual({ kind: 'redis', isUp: false });
    // Past the socket timeout: the connection is closed while nothing is written to it.
    await sleep(3000);
    expect(await bounded(() => predict(4))).toEqual(['MODEL']);

    redis.resume();
    await isUp(cache);
    await hit(() => predict(4));
  });

  it('treats a rejected password as an unavailable Redis', async () => {
    const guarded = await startRedis({ password: 'opensesame' });
    const { cache, predict } = await openWithPredictor(guarded.url.replace('opensesame', 'wrong'));
    await sleep(300);

    expect(await bounded(() => predict(4))).toEqual(['MODEL']);
    expect(cache.health()).toEqual({ kind: 'redis', isUp: false });
    expect(lines.messages).toEqual(['Redis rejects the connection; using in-process fallbacks']);
    await guarded.stop();
  });

  describe('the connection', () => {
    it('is shared by caches, counters and pub/sub, and logs each change of health once, without the password', async () => {
      const guarded = await startRedis({ password: 'opensesame' });
      const connection = connect(guarded.url);
      const cache = openCache({ redis: connection, namespace: 'test', maxEntries: 1, maxBytes: 1 });
      const counters = openRateCounters(connection);
      const pubSub = openPubSub({ redis: connection, logger: lines.logger });
      const health = () => [cache.health(), counters.isShared, pubSub.isConnected(), connection.isHealthy];
      const healthy = [{ kind: 'redis', isUp: true }, true, true, true];
      const unhealthy = [{ kind: 'redis', isUp: false }, false, false, false];

      await eventually(() => expect(health()).toEqual(healthy));
      await guarded.kill();
      for (let call = 0; call < 10; call += 1) {
        await cache.getMany(['a']);
        await counters.add('a', 60_000);
      }
      await sleep(1000);
      expect(health()).toEqual(unhealthy);
      await guarded.restart();
      await eventually(() => expect(health()).toEqual(healthy));
      connection.close();
      await guarded.stop();

      expect(lines.messages).toEqual([established, lost, established]);
      expect(lines.text).toContain(new URL(guarded.url).host);
      expect(lines.text).not.toContain('opensesame');
    });

    it('ends a window of a rate counter in time although the clock of Redis was set back', async () => {
      const connection = connect(redis.url);
      const counters = openRateCounters(connection);
      await eventually(() => expect(connection.isHealthy).toBe(true));
      await counters.add('clock', 60_000);
      const client = createClient({ url: redis.url });
      await client.connect();
      // An expiry is a time of day: an hour later if the clock is set back by an hour.
      for (const key of await client.keys('auspex:count:*')) await client.pExpire(key, 3_660_000);
      client.destroy();
      const { count, resetInMs } = await counters.add('clock', 60_000);
      expect(count).toBe(2);
      expect(resetInMs).toBeLessThanOrEqual(60_000);
      expect((await counters.add('clock', 60_000)).resetInMs).toBeLessThanOrEqual(60_000);
    });

    it('is unhealthy as long as the circuit is open', async () => {
      const connection = connect(redis.url);
      const cache = openCache({ redis: connection, namespace: 'test', maxEntries: 1, maxBytes: 1 });
      await isUp(cache);

      redis.pause();
      for (let call = 0; call < 3; call += 1) await cache.getMany(['a']);
      expect(connection.isHealthy).toBe(false);
      const start = performance.now();
      for (let call = 0; call < 100; call += 1) await cache.getMany(['a']);
      expect(performance.now() - start).toBeLessThan(200);

      redis.resume();
      await isUp(cache);
      expect(lines.messages).toEqual([established, lost, established]);
    });

    it('completes every transaction while other consumers have many commands in flight', async () => {
      const connection = connect(redis.url, 20_000);
      const caches = Array.from({ length: 5 }, (_, index) =>
        openCache({ redis: connection, namespace: `test${index}`, maxEntries: 1, maxBytes: 1 }),
      );
      const counters = openRateCounters(connection);
      await eventually(() => expect(connection.isHealthy).toBe(true));
      const entries = Array.from({ length: 2000 }, (_, index) => ({ key: `key ${index}`, value: index }));

      // 100,000 commands at once: more than the bound of any one consumer.
      const writes = caches.flatMap((cache) => Array.from({ length: 10 }, () => cache.setMany(entries, 60_000)));
      const counts = Array.from({ length: 1000 }, (_, index) => counters.add(`key ${index}`, 60_000));

      expect(await Promise.all(writes)).toEqual(Array<boolean>(50).fill(true));
      expect(counters.isShared).toBe(true);
      expect((await Promise.all(counts)).every(({ count }) => count === 1)).toBe(true);
    }, 30_000);

    it('replaces a dead connection although messages are published all the time', async () => {
      const proxy = await startProxy(Number(new URL(redis.url).port));
      opened.push(() => proxy.close());
      const connection = connect(`redis://127.0.0.1:${proxy.port}`);
      const pubSub = openPubSub({ redis: connection, logger: lines.logger });
      const cache = openCache({ redis: connection, namespace: 'test', maxEntries: 1, maxBytes: 1 });
      await eventually(() => expect(pubSub.isConnected()).toBe(true));

      const publishing = setInterval(() => pubSub.publish({ name: 'test', schema: z.number() }, 1), 20);
      try {
        // New connections work; the existing ones stay open and silent.
        proxy.blackhole();
        proxy.restore();
        await eventually(async () => expect(await cache.setMany([{ key: 'a', value: 1 }], 60_000)).toBe(true));
      } finally {
        clearInterval(publishing);
      }
    }, 30_000);
  });
});

it('closes at once while nothing listens at the address of Redis', async () => {
  const connection = new RedisConnection({
    url: `redis://127.0.0.1:${await freePort()}`,
    logger: createLogger('silent'),
  });
  const cache = openCache({ redis: connection, namespace: 'test', maxEntries: 10, maxBytes: 1000 });
  await sleep(100);

  connection.close();

  expect(await bounded(() => cache.getMany(['a']))).toEqual([undefined]);
});

/** Fails a call that takes 2 s. The bound is generous: it shows that the call does not hang. */
async function bounded<T>(call: () => Promise<T>): Promise<T> {
  const start = performance.now();
  const result = await call();
  expect(performance.now() - start).toBeLessThan(2000);
  return result;
}

async function isUp(cache: Cache): Promise<void> {
  await eventually(() => expect(cache.health()).toEqual({ kind: 'redis', isUp: true }));
}

/** Predictions are cached in the background, so the next call may be too early. */
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
  return Object.fromEntries(
    [...stats.matchAll(/cmdstat_(\w+):calls=(\d+)/g)].map(([, command, calls]) => [command ?? '', Number(calls)]),
  );
}

class LogLines {
  text = '';
  readonly logger: Logger = createLogger('info', { write: (line) => void (this.text += line) });

  /** Messages about Redis. */
  get messages(): string[] {
    return this.text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => (JSON.parse(line) as { msg: string }).msg)
      .filter((message) => message.includes('Redis'));
  }
}

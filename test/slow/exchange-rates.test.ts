import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Writable } from 'node:stream';
import { ServiceUnavailable } from '../../src/errors/app-error.js';
import { openCache, type Cache } from '../../src/cache/cache.js';
import { RedisConnection } from '../../src/redis/connection.js';
import { createLogger } from '../../src/telemetry/logger.js';
import { ExchangeRates, type ExchangeRateOptions } from '../../src/integrations/exchange-rates/exchange-rates.js';
import {
  respondsWell,
  floods,
  goodRates,
  hangs,
  hangsHalfway,
  resets,
  sends,
  startRateService,
  today,
  type Behaviour,
  type TestRateService,
} from '../support/rate-service.js';
import { describeWithRedis } from '../support/describe-with-redis.js';
import { startRedis } from '../support/redis.js';
import { waitUntil } from '../support/wait-until.js';

let service: TestRateService;
let logs: string[] = [];
const sink = new Writable({
  write(chunk: Buffer, _encoding, done) {
    logs.push(chunk.toString());
    done();
  },
});
const logger = createLogger('info', sink);
const opened: (() => void | Promise<void>)[] = [];

beforeEach(async () => {
  service = await startRateService();
  logs = [];
});
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
  await service.close();
});

/** Short waits. Three attempts, and three failures until the breaker opens, as in production. */
const retryPolicy = { initialBackoffMs: 5, maxBackoffMs: 20, coolDownMs: 300 };

function open({ retryPolicy: overrides, ...options }: Partial<ExchangeRateOptions> = {}): ExchangeRates {
  const cache = options.cache ?? memory();
  const rates = new ExchangeRates({
    url: service.url,
    timeoutMs: 5000,
    ttlSeconds: 3600,
    maxStaleSeconds: 3600,
    cache,
    log: logger,
    retryPolicy: { ...retryPolicy, ...overrides },
    ...options,
  });
  opened.push(() => rates.close());
  return rates;
}

function memory(): Cache {
  const cache = openCache({ namespace: 'rates', maxEntries: 10, maxBytes: 1_000_000 });
  opened.push(() => cache.close());
  return cache;
}

/** Advances `Date.now` of this process, but not its timers. */
function advanceClock(seconds: number): void {
  const real = Date.now.bind(Date);
  const before = Date.now;
  const offset = before() - real();
  Date.now = () => real() + offset + seconds * 1000;
  opened.push(() => {
    Date.now = before;
  });
}

const good = { base: 'EUR', date: today(), rates: { ...goodRates().rates, EUR: 1 } };
const fresh = { ...good, isStale: false };
const stale = { ...good, isStale: true };

describe('exchange rates', () => {
  it('are fetched on the first call, once for concurrent callers, and cached while fresh', async () => {
    const rates = open();
    expect(service.requests).toHaveLength(0);
    expect(await Promise.all(Array.from({ length: 50 }, () => rates.current()))).toEqual(
      Array.from({ length: 50 }, () => fresh),
    );
    advanceClock(60);
    expect(await rates.current()).toEqual(fresh);
    expect(service.requests).toHaveLength(1);
    expect(rates.statistics).toMatchObject({
      requests: { succeeded: 1, failed: 0, rejected_by_breaker: 0 },
      isBreakerOpen: false,
    });
    expect(rates.statistics.ageSeconds).toBeGreaterThanOrEqual(60);
  });

  it('are refreshed in the background before they expire', async () => {
    const rates = open();
    await rates.current();
    service.behaviour = sends({ ...goodRates(), rates: { USD: 2 } });
    advanceClock(3000);
    expect(await rates.current()).toEqual(fresh);
    await waitUntil(async () => (await rates.current()).rates.USD === 2);
    expect(service.requests).toHaveLength(2);
  });

  it('are refreshed before the response if they have expired and the service is fast', async () => {
    const rates = open();
    await rates.current();
    service.behaviour = sends({ ...goodRates(), rates: { USD: 2 } });
    advanceClock(4000);
    expect(await rates.current()).toMatchObject({ rates: { USD: 2 }, isStale: false });
  });

  it('are requested with the credentials of the URL, which are not logged', async () => {
    const url = new URL(`${service.url}?key=secret-key`);
    url.username = 'us er';
    url.password = 'pass:word';
    const rates = open({ url: url.href });
    await rates.current();
    expect(service.requests).toEqual([
      { path: '/latest?key=secret-key', authorization: `Basic ${Buffer.from('us er:pass:word').toString('base64')}` },
    ]);
    service.behaviour = resets;
    advanceClock(4000);
    await rates.current();
    expect(logs.join('')).toContain('refresh failed');
    expect(logs.join('')).not.toMatch(/secret-key|pass|us%20er/);
  });

  it('are fetched through a redirect within the origin', async () => {
    service.behaviour = (request, response) =>
      request.url === '/latest'
        ? void response.writeHead(301, { location: '/v1/latest' }).end()
        : respondsWell(request, response);
    expect(await open().current()).toEqual(fresh);
    expect(service.requests.map(({ path }) => path)).toEqual(['/latest', '/v1/latest']);
  });

  it('are not fetched through a redirect to another origin', async () => {
    const other = await startRateService();
    opened.push(() => other.close());
    service.behaviour = (_request, response) => void response.writeHead(302, { location: other.url }).end();
    await expect(open().current()).rejects.toThrow(ServiceUnavailable);
    expect(other.requests).toEqual([]);
    expect(logs.join('')).toContain('redirects to another origin');
  });

  it('are not fetched through a redirect loop', async () => {
    service.behaviour = (_request, response) => void response.writeHead(302, { location: '/latest' }).end();
    await expect(open().current()).rejects.toThrow(ServiceUnavailable);
    expect(service.requests).toHaveLength(4);
  });
});

/** For services that hang. */
const shortTimeout = { timeoutMs: 200 };

/** Failures of the service, the number of requests one call sends (three if a retry may succeed, otherwise one), and options. */
const failures: [string, Behaviour, number, Partial<ExchangeRateOptions>][] = [
  ['hangs', hangs, 3, shortTimeout],
  ['hangs halfway', hangsHalfway, 3, shortTimeout],
  ['resets its connections', resets, 3, {}],
  ['responds with 500', sends('{"error":"broken"}', 500), 3, {}],
  ['responds with 503 and Retry-After: 0', sends('', 503, { 'retry-after': '0' }), 3, {}],
  ['responds with 404', sends('not here', 404), 1, {}],
  ['responds with 401', sends('unauthorized', 401), 1, {}],
  ['responds with 429 and Retry-After: 60', sends('', 429, { 'retry-after': '60' }), 1, {}],
  ['sends garbage', sends('<html>'), 1, {}],
  ['sends an empty body', sends(''), 1, {}],
  ['sends another format', sends({ result: 'success', conversion_rates: { USD: 1 } }), 1, {}],
  ['sends a rate of 0', sends({ ...goodRates(), rates: { USD: 0 } }), 1, {}],
  ['sends a wrong date', sends({ ...goodRates(), date: '2019-01-01' }), 1, {}],
  ['sends an endless body', floods, 1, {}],
];

describe('exchange rates of a service that', () => {
  it.each(failures)(
    '%s: sends a bounded number of requests and returns an error without details',
    async (_what, behaviour, requests, options) => {
      service.behaviour = behaviour;
      const rates = open(options);
      const error = await rates.current().catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(ServiceUnavailable);
      expect(String(error)).toBe('ServiceUnavailable: Exchange rates are unavailable; try again later.');
      expect(service.requests).toHaveLength(requests);
      expect(rates.health().isUp).toBe(false);
      expect(rates.statistics.requests).toMatchObject({ succeeded: 0, failed: requests });
    },
  );

  it.each(failures)(
    '%s: serves the last valid rates as stale until the service recovers',
    async (_what, behaviour, _requests, options) => {
      const rates = open(options);
      await rates.current();
      service.behaviour = behaviour;
      advanceClock(4000);
      expect(await rates.current()).toEqual(stale);
      // After one failure no caller waits for a refresh.
      expect(await Promise.race([rates.current(), fewTurns()])).toEqual(stale);
      await waitUntil(() => !rates.health().isUp);
      expect(rates.health()).toEqual({ isUp: false, detail: `rates of ${today()}, stale` });
      service.behaviour = respondsWell;
      // Past a Retry-After of a minute.
      advanceClock(61);
      await waitUntil(async () => !(await rates.current()).isStale);
      expect(await rates.current()).toEqual(fresh);
      expect(rates.health()).toEqual({ isUp: true, detail: `rates of ${today()}` });
      expect(logs.filter((line) => line.includes('refresh recovered'))).toHaveLength(1);
    },
  );

  it('is unavailable past the stale limit: returns an error', async () => {
    const rates = open();
    await rates.current();
    service.behaviour = resets;
    advanceClock(7100);
    expect(await rates.current()).toEqual(stale);
    advanceClock(200);
    await expect(rates.current()).rejects.toThrow(ServiceUnavailable);
  });

  it('fails once: retries at once', async () => {
    service.behaviour = (request, response) =>
      (service.requests.length === 1 ? resets : respondsWell)(request, response);
    expect(await open().current()).toEqual(fresh);
    expect(service.requests).toHaveLength(2);
  });

  it('sends a short Retry-After: waits and retries', async () => {
    service.behaviour = (request, response) =>
      (service.requests.length === 1 ? sends('', 429, { 'retry-after': '1' }) : respondsWell)(request, response);
    const startedAt = performance.now();
    expect(await open({ retryPolicy: { maxBackoffMs: 2000 } }).current()).toEqual(fresh);
    expect(performance.now() - startedAt).toBeGreaterThan(950);
    expect(service.requests).toHaveLength(2);
  });

  it('sends a long Retry-After: sends no request until it has passed', async () => {
    service.behaviour = sends('', 429, { 'retry-after': '600' });
    const rates = open();
    await expect(rates.current()).rejects.toMatchObject({
      extensions: { code: 'SERVICE_UNAVAILABLE', retryAfterSeconds: 600 },
    });
    service.behaviour = respondsWell;
    for (let turn = 0; turn < 5; turn += 1) await expect(rates.current()).rejects.toThrow(ServiceUnavailable);
    expect(service.requests).toHaveLength(1);
    advanceClock(601);
    expect(await rates.current()).toEqual(fresh);
  });

  it('keeps failing: opens the circuit breaker, and closes it after a recovery', async () => {
    service.behaviour = sends('', 500);
    // The calls below must end before the breaker tries again.
    const rates = open({ retryPolicy: { coolDownMs: 2000 } });
    for (let turn = 0; turn < 20; turn += 1) await expect(rates.current()).rejects.toThrow(ServiceUnavailable);
    expect(service.requests).toHaveLength(3);
    expect(rates.statistics).toMatchObject({
      requests: { succeeded: 0, failed: 3, rejected_by_breaker: 19 },
      isBreakerOpen: true,
      ageSeconds: null,
    });
    service.behaviour = respondsWell;
    await waitUntil(() =>
      rates.current().then(
        () => true,
        () => false,
      ),
    );
    expect(await rates.current()).toEqual(fresh);
    expect(service.requests).toHaveLength(4);
    expect(rates.statistics.isBreakerOpen).toBe(false);
  });

  it('is called while the gateway closes: aborts the request', async () => {
    service.behaviour = hangs;
    const rates = open({ timeoutMs: 60_000 });
    const pending = rates.current();
    await waitUntil(() => service.requests.length === 1);
    rates.close();
    await expect(pending).rejects.toThrow(ServiceUnavailable);
    expect(service.requests).toHaveLength(1);
  });
});

describeWithRedis('replicas with one Redis', () => {
  it('fetch rates once, share them with a new replica, and ignore damaged ones', async () => {
    const redis = await startRedis();
    opened.push(() => redis.stop());
    const shared = (): Cache => {
      const connection = new RedisConnection({ url: redis.url, deadlineMs: 1000, logger });
      opened.push(() => connection.close());
      return openCache({ redis: connection, namespace: 'rates', maxEntries: 10, maxBytes: 1_000_000 });
    };
    const caches = [shared(), shared(), shared()];
    await waitUntil(() => caches.every((cache) => isUp(cache)));
    const delay = Promise.withResolvers<undefined>();
    service.behaviour = (request, response) => void delay.promise.then(() => respondsWell(request, response));
    const replicas = caches.map((cache) => open({ cache, timeoutMs: 5000 }));
    const results = Promise.all(replicas.flatMap((rates) => [rates.current(), rates.current()]));
    await waitUntil(() => service.requests.length === 1);
    delay.resolve(undefined);
    expect(await results).toEqual(Array.from({ length: 6 }, () => fresh));
    expect(service.requests).toHaveLength(1);

    // A replica that restarts while the service is unavailable uses rates of the others.
    service.behaviour = resets;
    advanceClock(4000);
    const [first = memory()] = caches;
    expect(await open({ cache: first }).current()).toEqual(stale);

    // Another program wrote to the shared Redis.
    service.behaviour = respondsWell;
    await first.setMany(
      [{ key: await sharedKey(), value: { rates: { ...good, rates: { USD: -5 } }, fetchedAt: Date.now() } }],
      60_000,
    );
    expect(await open({ cache: first }).current()).toEqual(fresh);
  });
});

/** Resolves after a few turns of the event loop, before any network response. */
async function fewTurns(): Promise<string> {
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  return 'still pending';
}

function isUp(cache: Cache): boolean {
  const health = cache.health();
  return health.kind === 'redis' && health.isUp;
}

/** The cache key of the service's rates. */
async function sharedKey(): Promise<string> {
  const requested: string[] = [];
  const cache = memory();
  const getMany = cache.getMany.bind(cache);
  cache.getMany = (keys) => {
    requested.push(...keys);
    return getMany(keys);
  };
  await open({ cache }).current();
  return requested[0] ?? '';
}

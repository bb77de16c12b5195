import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Writable } from 'node:stream';
import { ServiceUnavailable } from '../../src/shared/errors.js';
import { openCache, type Cache } from '../../src/shared/cache.js';
import { createLogger } from '../../src/shared/logger.js';
import { ExchangeRates, type ExchangeRateOptions } from '../../src/sources/exchange-rates.js';
import { answersWell, floods, goodRates, hangs, hangsHalfway, resets, sends, startRateService, today, type Behaviour, type TestRateService } from '../kit/rate-service.js';
import { reasonToSkipRedis, startRedis } from '../kit/redis.js';
import { until } from '../kit/until.js';

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

/** Short waits: three attempts, and three failures until the breaker opens. */
const patience = { firstWaitMs: 5, longestWaitMs: 20, coolDownMs: 300 };

function open({ patience: more, ...options }: Partial<ExchangeRateOptions> = {}): ExchangeRates {
  const cache = options.cache ?? memory();
  const rates = new ExchangeRates({ url: service.url, timeoutMs: 5000, ttlSeconds: 3600, maxStaleSeconds: 3600, cache, log: logger, patience: { ...patience, ...more }, ...options });
  opened.push(() => rates.close());
  return rates;
}

function memory(): Cache {
  const cache = openCache({ namespace: 'rates', maxEntries: 10, maxBytes: 1_000_000, logger });
  opened.push(() => cache.close());
  return cache;
}

/** Lets the clock of this process go on; timers do not hear of it. */
function later(seconds: number): void {
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
  it('are fetched at the first question, once for all who ask, and not again while they are fresh', async () => {
    const rates = open();
    expect(service.requests).toHaveLength(0);
    expect(await Promise.all(Array.from({ length: 50 }, () => rates.current()))).toEqual(Array.from({ length: 50 }, () => fresh));
    later(60);
    expect(await rates.current()).toEqual(fresh);
    expect(service.requests).toHaveLength(1);
    expect(rates.statistics).toMatchObject({ requests: { answered: 1, failed: 0, refused_by_breaker: 0 }, isBreakerOpen: false });
    expect(rates.statistics.ageSeconds).toBeGreaterThanOrEqual(60);
  });

  it('are renewed behind the one who asks before their time is over', async () => {
    const rates = open();
    await rates.current();
    service.behaviour = sends({ ...goodRates(), rates: { USD: 2 } });
    later(3000);
    expect(await rates.current()).toEqual(fresh);
    await until(async () => (await rates.current()).rates.USD === 2);
    expect(service.requests).toHaveLength(2);
  });

  it('are renewed before the answer where their time is over and the service is quick', async () => {
    const rates = open();
    await rates.current();
    service.behaviour = sends({ ...goodRates(), rates: { USD: 2 } });
    later(4000);
    expect(await rates.current()).toMatchObject({ rates: { USD: 2 }, isStale: false });
  });

  it('are asked for with the credentials of the address, which stand in no log', async () => {
    const address = new URL(`${service.url}?key=secret-key`);
    address.username = 'us er';
    address.password = 'pass:word';
    const rates = open({ url: address.href });
    await rates.current();
    expect(service.requests).toEqual([{ path: '/latest?key=secret-key', authorization: `Basic ${Buffer.from('us er:pass:word').toString('base64')}` }]);
    service.behaviour = resets;
    later(4000);
    await rates.current();
    expect(logs.join('')).toContain('cannot be had');
    expect(logs.join('')).not.toMatch(/secret-key|pass|us%20er/);
  });

  it('follow a redirect within the service', async () => {
    service.behaviour = (request, response) => (request.url === '/latest' ? void response.writeHead(301, { location: '/v1/latest' }).end() : answersWell(request, response));
    expect(await open().current()).toEqual(fresh);
    expect(service.requests.map(({ path }) => path)).toEqual(['/latest', '/v1/latest']);
  });

  it('never follow one to another place', async () => {
    const other = await startRateService();
    opened.push(() => other.close());
    service.behaviour = (_request, response) => void response.writeHead(302, { location: other.url }).end();
    await expect(open().current()).rejects.toThrow(ServiceUnavailable);
    expect(other.requests).toEqual([]);
    expect(logs.join('')).toContain('sends to another place');
  });

  it('follow no circle of redirects for long', async () => {
    service.behaviour = (_request, response) => void response.writeHead(302, { location: '/latest' }).end();
    await expect(open().current()).rejects.toThrow(ServiceUnavailable);
    expect(service.requests).toHaveLength(4);
  });
});

/** So that tests of what takes time do not. */
const impatient = { timeoutMs: 200 };

/** Each way to misbehave, how many requests one question leads to (three where it may go well, one where it may not), and how long is waited. */
const misbehaviours: [string, Behaviour, number, Partial<ExchangeRateOptions>][] = [
  ['hangs', hangs, 3, impatient],
  ['hangs halfway', hangsHalfway, 3, impatient],
  ['resets its connections', resets, 3, {}],
  ['answers 500', sends('{"error":"broken"}', 500), 3, {}],
  ['answers 503 with a Retry-After of now', sends('', 503, { 'retry-after': '0' }), 3, {}],
  ['answers 404', sends('not here', 404), 1, {}],
  ['answers 401', sends('who are you', 401), 1, {}],
  ['answers 429 for a minute', sends('', 429, { 'retry-after': '60' }), 1, {}],
  ['sends garbage', sends('<html>'), 1, {}],
  ['sends nothing', sends(''), 1, {}],
  ['sends another shape', sends({ result: 'success', conversion_rates: { USD: 1 } }), 1, {}],
  ['sends a rate of 0', sends({ ...goodRates(), rates: { USD: 0 } }), 1, {}],
  ['sends a wrong date', sends({ ...goodRates(), date: '2019-01-01' }), 1, {}],
  ['sends a body without end', floods, 1, {}],
];

describe('a service that', () => {
  it.each(misbehaviours)('%s is asked a bounded number of times, and the error says no more than that there are no rates', async (_what, behaviour, requests, options) => {
    service.behaviour = behaviour;
    const rates = open(options);
    const error = await rates.current().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ServiceUnavailable);
    expect(String(error)).toBe('ServiceUnavailable: Exchange rates cannot be had at the moment; try again later.');
    expect(service.requests).toHaveLength(requests);
    expect(rates.health().isUp).toBe(false);
    expect(rates.statistics.requests).toMatchObject({ answered: 0, failed: requests });
  });

  it.each(misbehaviours)('%s leaves the last good rates standing, which say that they are stale, until it is well again', async (_what, behaviour, _requests, options) => {
    const rates = open(options);
    await rates.current();
    service.behaviour = behaviour;
    later(4000);
    expect(await rates.current()).toEqual(stale);
    // Nobody waits for what has failed once already.
    expect(await Promise.race([rates.current(), aMoment()])).toEqual(stale);
    await until(() => !rates.health().isUp);
    expect(rates.health()).toEqual({ isUp: false, detail: `rates of ${today()}, stale` });
    service.behaviour = answersWell;
    // Past a Retry-After of a minute.
    later(61);
    await until(async () => !(await rates.current()).isStale);
    expect(await rates.current()).toEqual(fresh);
    expect(rates.health()).toEqual({ isUp: true, detail: `rates of ${today()}` });
    expect(logs.filter((line) => line.includes('can be had again'))).toHaveLength(1);
  });

  it('is away for too long leaves no rates', async () => {
    const rates = open();
    await rates.current();
    service.behaviour = resets;
    later(7100);
    expect(await rates.current()).toEqual(stale);
    later(200);
    await expect(rates.current()).rejects.toThrow(ServiceUnavailable);
  });

  it('fails once is asked again at once', async () => {
    service.behaviour = (request, response) => (service.requests.length === 1 ? resets : answersWell)(request, response);
    expect(await open().current()).toEqual(fresh);
    expect(service.requests).toHaveLength(2);
  });

  it('asks for a moment’s patience is given it', async () => {
    service.behaviour = (request, response) => (service.requests.length === 1 ? sends('', 429, { 'retry-after': '1' }) : answersWell)(request, response);
    const startedAt = performance.now();
    expect(await open({ patience: { longestWaitMs: 2000 } }).current()).toEqual(fresh);
    expect(performance.now() - startedAt).toBeGreaterThan(950);
    expect(service.requests).toHaveLength(2);
  });

  it('asks to be left alone is, for as long as it says', async () => {
    service.behaviour = sends('', 429, { 'retry-after': '600' });
    const rates = open();
    await expect(rates.current()).rejects.toMatchObject({ extensions: { code: 'SERVICE_UNAVAILABLE', retryAfterSeconds: 600 } });
    service.behaviour = answersWell;
    for (let turn = 0; turn < 5; turn += 1) await expect(rates.current()).rejects.toThrow(ServiceUnavailable);
    expect(service.requests).toHaveLength(1);
    later(601);
    expect(await rates.current()).toEqual(fresh);
  });

  it('fails on and on is left alone by the breaker, and tried again after a while', async () => {
    service.behaviour = sends('', 500);
    const rates = open();
    for (let turn = 0; turn < 20; turn += 1) await expect(rates.current()).rejects.toThrow(ServiceUnavailable);
    expect(service.requests).toHaveLength(3);
    expect(rates.statistics).toMatchObject({ requests: { answered: 0, failed: 3, refused_by_breaker: 19 }, isBreakerOpen: true, ageSeconds: null });
    service.behaviour = answersWell;
    await until(() => rates.current().then(() => true, () => false));
    expect(await rates.current()).toEqual(fresh);
    expect(service.requests).toHaveLength(4);
    expect(rates.statistics.isBreakerOpen).toBe(false);
  });

  it('is being asked is let go of when the gateway closes', async () => {
    service.behaviour = hangs;
    const rates = open({ timeoutMs: 60_000 });
    const asked = rates.current();
    await until(() => service.requests.length === 1);
    rates.close();
    await expect(asked).rejects.toThrow(ServiceUnavailable);
    expect(service.requests).toHaveLength(1);
  });
});

const reason = reasonToSkipRedis();
const describeWithRedis = reason === null ? describe : describe.skip;

describeWithRedis(`replicas with one Redis${reason === null ? '' : ` (skipped: ${reason})`}`, () => {
  it('fetch rates once, a new one takes what there is, and nobody trusts what is damaged', async () => {
    const redis = await startRedis();
    opened.push(() => redis.stop());
    const shared = (): Cache => {
      const cache = openCache({ redisUrl: redis.url, namespace: 'rates', maxEntries: 10, maxBytes: 1_000_000, logger, deadlineMs: 1000 });
      opened.push(() => cache.close());
      return cache;
    };
    const caches = [shared(), shared(), shared()];
    await until(() => caches.every((cache) => isUp(cache)));
    const delay = Promise.withResolvers<undefined>();
    service.behaviour = (request, response) => void delay.promise.then(() => answersWell(request, response));
    const replicas = caches.map((cache) => open({ cache, timeoutMs: 5000 }));
    const asked = Promise.all(replicas.flatMap((rates) => [rates.current(), rates.current()]));
    await until(() => service.requests.length === 1);
    delay.resolve(undefined);
    expect(await asked).toEqual(Array.from({ length: 6 }, () => fresh));
    expect(service.requests).toHaveLength(1);

    // Restarted while the service is away: what the others had is good enough.
    service.behaviour = resets;
    later(4000);
    const [first = memory()] = caches;
    expect(await open({ cache: first }).current()).toEqual(stale);

    // Somebody else has written there.
    service.behaviour = answersWell;
    await first.setMany([{ key: await sharedKey(), value: { rates: { ...good, rates: { USD: -5 } }, fetchedAt: Date.now() } }], 60_000);
    expect(await open({ cache: first }).current()).toEqual(fresh);
  });
});

/** A few turns of the event loop: less than any answer takes that comes from elsewhere. */
async function aMoment(): Promise<string> {
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  return 'it was waited for';
}

function isUp(cache: Cache): boolean {
  const health = cache.health();
  return health.kind === 'redis' && health.isUp;
}

/** The key that rates of the service are shared under: the one that is asked for. */
async function sharedKey(): Promise<string> {
  const asked: string[] = [];
  const cache = memory();
  const getMany = cache.getMany.bind(cache);
  cache.getMany = (keys) => {
    asked.push(...keys);
    return getMany(keys);
  };
  await open({ cache }).current();
  return asked[0] ?? '';
}

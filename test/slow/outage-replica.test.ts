import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { Callers, post, signIn } from '../support/callers.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { startOutageGateway, type OutageGateway } from '../support/outage-gateway.js';
import { expectResilience } from '../support/outage-expectation.js';
import { fillOutageStore } from '../support/outage-store.js';
import type { AnyData } from '../support/gateway.js';
import { buildProgram, reachableFolder } from '../support/process.js';
import { describeWithRedis } from '../support/describe-with-redis.js';
import { startRedis, type TestRedis } from '../support/redis.js';

/** The claim of a killed replica expires after a second, and then another runs the row. */
const longestMs = 3_500;
/** The maximum age of served predictions that are not written yet: the history batches rows for 20 ms. */
const unwrittenMs = 1_000;

describeWithRedis('one of two replicas', () => {
  let dir: string;
  let modelStore: string;
  let database: TestDatabase;
  let client: pg.Client;
  let redis: TestRedis;
  const started: OutageGateway[] = [];

  const start = async (nodeArgs: string[] = []): Promise<OutageGateway> => {
    const gateway = await startOutageGateway({
      databaseUrl: database.url,
      modelStore,
      dir,
      env: { REDIS_URL: redis.url },
      nodeArgs,
    });
    started.push(gateway);
    return gateway;
  };
  const rows = async (statement: string, values?: unknown[]): Promise<AnyData[]> =>
    (await client.query(statement, values)).rows;

  beforeAll(async () => {
    buildProgram();
    dir = await reachableFolder();
    modelStore = path.join(dir, 'store');
    await fillOutageStore(modelStore, 10_000);
    database = await createTestDatabase();
    client = new pg.Client({ connectionString: database.url });
    await client.connect();
    redis = await startRedis();
  }, 60_000);

  afterAll(async () => {
    for (const { process } of started) process.signal('SIGKILL');
    await Promise.all(started.map(({ process }) => process.ended));
    await redis.stop();
    await client.end();
    await database.drop();
    await rm(dir, { recursive: true, force: true });
  }, 60_000);

  it('is killed: the other serves its callers and the rows that it had claimed', async () => {
    const [doomed, other] = [await start(), await start()];
    const callers = await Callers.start({ urls: [doomed.url, other.url], predictors: 12 });
    await callers.served(10);

    // A row that the killed replica has claimed but not finished.
    const token = await signIn(other.url, 'user');
    const row = { query: '{ predict(model: "echo", inputs: [{ steps: 700000 }]) { output source } }' };
    const lost = post(doomed.url, token, row.query).then(
      () => 'completed',
      () => 'lost',
    );
    await sleep(300);
    const sinceMs = performance.now();
    doomed.process.signal('SIGKILL');
    expect(await doomed.process.ended).toBe('SIGKILL');
    const overMs = performance.now();
    expect(await lost).toBe('lost');
    const { body } = await post(other.url, token, row.query);
    expect(body).toEqual({ data: { predict: [{ output: { done: 700_000 }, source: 'MODEL' }] } });
    process.stdout.write(
      `a replica killed: a row that it had claimed was served by the other after ${Math.round(performance.now() - overMs)} ms\n`,
    );

    await expectResilience(callers, {
      outage: 'a replica killed',
      sinceMs,
      overMs,
      codes: ['NO_RESPONSE'],
      longestMs,
      rows,
      checkMissing,
    });

    function checkMissing(ids: readonly string[]): void {
      const missing = new Set(ids);
      const ages = callers.predicted
        .filter((response) => response.ids.some((id) => missing.has(id)))
        .map(({ atMs, url }) => ({ url, ageMs: Math.round(sinceMs - atMs) }));
      process.stdout.write(
        `a replica killed: ${ids.length} predictions served and not written, the oldest ${Math.max(0, ...ages.map(({ ageMs }) => ageMs))} ms before its end\n`,
      );
      expect(ages.filter(({ url, ageMs }) => url !== doomed.url || ageMs > unwrittenMs)).toEqual([]);
    }
    await other.stop();
  }, 90_000);

  it.each([
    ['an uncaught exception', 'throw new Error("uncaught")'],
    ['an unhandled rejection', 'Promise.reject(new Error("uncaught"))'],
  ])(
    'logs %s, completes requests in flight and exits',
    async (what, error) => {
      const preload = `data:text/javascript,${encodeURIComponent(`process.on('SIGUSR2', () => { setImmediate(() => { ${error} }) })`)}`;
      const [doomed, other] = [await start(['--import', preload]), await start()];
      const callers = await Callers.start({ urls: [doomed.url, other.url] });
      await callers.served(10);
      const sinceMs = performance.now();
      doomed.process.signal('SIGUSR2');
      expect(await doomed.process.ended).toBe(1);
      expect(doomed.logs().find(({ msg }) => msg === 'uncaught exception')).toMatchObject({
        level: 'fatal',
        err: { message: 'uncaught' },
      });
      await expectResilience(callers, {
        outage: what,
        sinceMs,
        overMs: performance.now(),
        codes: ['NO_RESPONSE'],
        longestMs,
        rows,
      });
      await other.stop();
    },
    90_000,
  );
});

import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from '@redis/client';
import pg from 'pg';
import { Callers } from '../support/callers.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { startOutageGateway, type OutageGateway } from '../support/outage-gateway.js';
import { expectResilience } from '../support/outage-expectation.js';
import { fillOutageStore } from '../support/outage-store.js';
import { buildProgram, reachableFolder } from '../support/process.js';
import { describeWithRedis } from '../support/describe-with-redis.js';
import { startRedis, type TestRedis } from '../support/redis.js';
import { startProxy, type TcpProxy } from '../support/tcp-proxy.js';
import { waitUntil } from '../support/wait-until.js';

/** An unavailable cache costs its deadline of 0.1 s; rows claimed by a replica that cannot share them cost a second. */
const longestMs = 3_000;

describeWithRedis('Redis', () => {
  let dir: string;
  let database: TestDatabase;
  let client: pg.Client;
  let redis: TestRedis;
  let proxy: TcpProxy;
  let gateways: OutageGateway[] = [];
  let callers: Callers;

  beforeAll(async () => {
    buildProgram();
    dir = await reachableFolder();
    const modelStore = path.join(dir, 'store');
    await fillOutageStore(modelStore);
    database = await createTestDatabase();
    client = new pg.Client({ connectionString: database.url });
    await client.connect();
    redis = await startRedis();
    proxy = await startProxy(Number(new URL(redis.url).port));
    const env = { REDIS_URL: `redis://127.0.0.1:${proxy.port}`, RESPONSE_CACHE: 'true', QUERY_CACHE: 'true' };
    const start = (): Promise<OutageGateway> => startOutageGateway({ databaseUrl: database.url, modelStore, dir, env });
    gateways = [await start(), await start()];
  }, 120_000);

  afterAll(async () => {
    await Promise.all(gateways.map((gateway) => gateway.stop()));
    await proxy.close();
    await redis.stop();
    await client.end();
    await database.drop();
    await rm(dir, { recursive: true, force: true });
  }, 60_000);

  beforeEach(async () => {
    await waitUntil(cachesAreUp);
    callers = await Callers.start({ urls: gateways.map(({ url }) => url) });
    await callers.served();
  }, 30_000);

  afterEach(() => callers.stop());

  const cachesAreUp = async (): Promise<boolean> =>
    (await Promise.all(gateways.map((gateway) => gateway.isUp('cache')))).every(Boolean);

  /** Asserts that callers see no errors and that the cache is used again. */
  async function expectNoImpact(outage: string, sinceMs: number, overMs: number): Promise<void> {
    await waitUntil(cachesAreUp);
    process.stdout.write(`${outage}: the cache is used again after ${Math.round(performance.now() - overMs)} ms\n`);
    const rows = async <Row>(statement: string, values?: unknown[]): Promise<Row[]> =>
      (await client.query(statement, values)).rows as Row[];
    await expectResilience(callers, { outage, sinceMs, overMs, codes: [], longestMs, rows });
  }

  it('is killed and restarts empty without errors for callers', async () => {
    const sinceMs = performance.now();
    await redis.kill();
    await sleep(2_000);
    await redis.restart();
    await expectNoImpact('Redis killed for 2 s', sinceMs, performance.now());
  }, 60_000);

  it('hangs for 4 s without errors for callers', async () => {
    const sinceMs = performance.now();
    redis.pause();
    await sleep(4_000);
    redis.resume();
    await expectNoImpact('Redis stopped for 4 s', sinceMs, performance.now());
    expect(
      gateways[0]?.logs().filter(({ msg }) => msg === 'Redis connection lost; using in-process fallbacks').length,
    ).toBeLessThanOrEqual(8);
  }, 60_000);

  it('responds 500 ms late for 4 s without errors for callers', async () => {
    const sinceMs = performance.now();
    proxy.delay(500);
    await sleep(4_000);
    proxy.delay(0);
    await expectNoImpact('Redis slow by 500 ms for 4 s', sinceMs, performance.now());
  }, 60_000);

  it('has no memory left for 4 s without errors for callers', async () => {
    const admin = await createClient({ url: redis.url }).connect();
    const sinceMs = performance.now();
    await admin.configSet('maxmemory', '1');
    await sleep(4_000);
    await admin.configSet('maxmemory', '0');
    await admin.close();
    await expectNoImpact('Redis full for 4 s', sinceMs, performance.now());
  }, 60_000);

  it('hangs repeatedly without errors for callers', async () => {
    const sinceMs = performance.now();
    for (let round = 0; round < 8; round += 1) {
      redis.pause();
      await sleep(200);
      redis.resume();
      await sleep(200);
    }
    await expectNoImpact('Redis stopped 8 times in 3 s', sinceMs, performance.now());
  }, 60_000);
});

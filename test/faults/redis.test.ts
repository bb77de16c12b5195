import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { Callers } from '../kit/callers.js';
import { createTestDatabase, type TestDatabase } from '../kit/database.js';
import { startFaultGateway, type FaultGateway } from '../kit/fault-gateway.js';
import { expectPromiseKept } from '../kit/fault-promise.js';
import { fillFaultStore } from '../kit/fault-store.js';
import { buildProgram, reachableFolder } from '../kit/process.js';
import { reasonToSkipRedis, startRedis, type TestRedis } from '../kit/redis.js';
import { until } from '../kit/until.js';

const reasonToSkip = reasonToSkipRedis();
const suite = reasonToSkip === null ? describe : describe.skip;

/** A cache that is away costs its deadline of 0.1 s, and rows that another replica has claimed and cannot tell, a second. */
const longestMs = 3_000;

suite(`Redis${reasonToSkip === null ? '' : ` (skipped: ${reasonToSkip})`}`, () => {
  let dir: string;
  let database: TestDatabase;
  let client: pg.Client;
  let redis: TestRedis;
  let gateways: FaultGateway[] = [];
  let callers: Callers;

  beforeAll(async () => {
    buildProgram();
    dir = await reachableFolder();
    const modelStore = path.join(dir, 'store');
    await fillFaultStore(modelStore);
    database = await createTestDatabase();
    client = new pg.Client({ connectionString: database.url });
    await client.connect();
    redis = await startRedis();
    const env = { REDIS_URL: redis.url, RESPONSE_CACHE: 'true', QUERY_CACHE: 'true' };
    const start = (): Promise<FaultGateway> => startFaultGateway({ databaseUrl: database.url, modelStore, dir, env });
    gateways = [await start(), await start()];
  }, 120_000);

  afterAll(async () => {
    await Promise.all(gateways.map((gateway) => gateway.stop()));
    await redis.stop();
    await client.end();
    await database.drop();
    await rm(dir, { recursive: true, force: true });
  }, 60_000);

  beforeEach(async () => {
    await until(cachesAreUp);
    callers = await Callers.start({ urls: gateways.map(({ url }) => url) });
    await callers.served();
  }, 30_000);

  afterEach(() => callers.stop());

  const cachesAreUp = async (): Promise<boolean> => (await Promise.all(gateways.map((gateway) => gateway.isUp('cache')))).every(Boolean);

  /** What callers felt of a fault that is over: nothing. And the cache is used again. */
  async function expectUnfelt(fault: string, sinceMs: number, overMs: number): Promise<void> {
    await until(cachesAreUp);
    process.stdout.write(`${fault}: the cache is used again after ${Math.round(performance.now() - overMs)} ms\n`);
    const rows = async <Row>(statement: string, values?: unknown[]): Promise<Row[]> => (await client.query(statement, values)).rows as Row[];
    await expectPromiseKept(callers, { fault, sinceMs, overMs, codes: [], longestMs, rows });
  }

  it('is killed and comes back empty, and no caller feels it', async () => {
    const sinceMs = performance.now();
    await redis.kill();
    await sleep(2_000);
    await redis.restart();
    await expectUnfelt('Redis killed for 2 s', sinceMs, performance.now());
  }, 60_000);

  it('stops answering and goes on, and no caller feels it', async () => {
    const sinceMs = performance.now();
    redis.pause();
    await sleep(4_000);
    redis.resume();
    await expectUnfelt('Redis stopped for 4 s', sinceMs, performance.now());
    expect(gateways[0]?.logs().filter(({ msg }) => msg === 'the cache in Redis is down; all is computed until it is back').length).toBeLessThanOrEqual(8);
  }, 60_000);

  it('stops and goes on again and again, and no caller feels it', async () => {
    const sinceMs = performance.now();
    for (let round = 0; round < 8; round += 1) {
      redis.pause();
      await sleep(200);
      redis.resume();
      await sleep(200);
    }
    await expectUnfelt('Redis stopped 8 times in 3 s', sinceMs, performance.now());
  }, 60_000);
});

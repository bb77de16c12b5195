import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { Callers, post, signIn } from '../kit/callers.js';
import { createTestDatabase, type TestDatabase } from '../kit/database.js';
import { startFaultGateway, type FaultGateway } from '../kit/fault-gateway.js';
import { expectPromiseKept } from '../kit/fault-promise.js';
import { fillFaultStore } from '../kit/fault-store.js';
import type { Any } from '../kit/gateway.js';
import { buildProgram, reachableFolder } from '../kit/process.js';
import { reasonToSkipRedis, startRedis, type TestRedis } from '../kit/redis.js';

const reasonToSkip = reasonToSkipRedis();
const suite = reasonToSkip === null ? describe : describe.skip;

/** A claim of a replica that is gone ends after a second; then the row is run. */
const longestMs = 3_500;
/** What a replica has answered and not written yet is this old at the most: the history joins rows for 20 ms, and writes them. */
const unwrittenMs = 1_000;

suite(`one of two replicas${reasonToSkip === null ? '' : ` (skipped: ${reasonToSkip})`}`, () => {
  let dir: string;
  let modelStore: string;
  let database: TestDatabase;
  let client: pg.Client;
  let redis: TestRedis;
  const started: FaultGateway[] = [];

  const start = async (nodeArgs: string[] = []): Promise<FaultGateway> => {
    const gateway = await startFaultGateway({ databaseUrl: database.url, modelStore, dir, env: { REDIS_URL: redis.url }, nodeArgs });
    started.push(gateway);
    return gateway;
  };
  const rows = async (statement: string, values?: unknown[]): Promise<Any[]> => (await client.query(statement, values)).rows;

  beforeAll(async () => {
    buildProgram();
    dir = await reachableFolder();
    modelStore = path.join(dir, 'store');
    await fillFaultStore(modelStore, 10_000);
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

  it('is killed: its callers go on at the other, and what it had claimed is done there', async () => {
    const [doomed, other] = [await start(), await start()];
    const callers = await Callers.start({ urls: [doomed.url, other.url], predictors: 12 });
    await callers.served(10);

    // A row that takes the doomed one long enough to be claimed and never answered.
    const token = await signIn(other.url, 'user');
    const row = { query: '{ predict(model: "echo", inputs: [{ steps: 700000 }]) { output source } }' };
    const lost = post(doomed.url, token, row.query).then(() => 'answered', () => 'lost');
    await sleep(300);
    const sinceMs = performance.now();
    doomed.process.signal('SIGKILL');
    expect(await doomed.process.ended).toBe('SIGKILL');
    const overMs = performance.now();
    expect(await lost).toBe('lost');
    const { body } = await post(other.url, token, row.query);
    expect(body).toEqual({ data: { predict: [{ output: { done: 700_000 }, source: 'MODEL' }] } });
    process.stdout.write(`a replica killed: a row that it had claimed was answered by the other after ${Math.round(performance.now() - overMs)} ms\n`);

    await expectPromiseKept(callers, { fault: 'a replica killed', sinceMs, overMs, codes: ['NO_ANSWER'], longestMs, rows, mayBeLost });

    function mayBeLost(ids: readonly string[]): void {
      const missing = new Set(ids);
      const ages = callers.predicted.filter((answer) => answer.ids.some((id) => missing.has(id))).map(({ atMs, url }) => ({ url, ageMs: Math.round(sinceMs - atMs) }));
      process.stdout.write(`a replica killed: ${ids.length} predictions answered and not written, the oldest ${Math.max(0, ...ages.map(({ ageMs }) => ageMs))} ms before its end\n`);
      expect(ages.filter(({ url, ageMs }) => url !== doomed.url || ageMs > unwrittenMs)).toEqual([]);
    }
    await other.stop();
  }, 90_000);

  it.each([
    ['an error that nobody catches', 'throw new Error("nobody caught this")'],
    ['a rejection that nobody catches', 'Promise.reject(new Error("nobody caught this"))'],
  ])('meets %s: it says so, finishes what is under way, and ends', async (what, fault) => {
    const preload = `data:text/javascript,${encodeURIComponent(`process.on('SIGUSR2', () => { setImmediate(() => { ${fault} }) })`)}`;
    const [doomed, other] = [await start(['--import', preload]), await start()];
    const callers = await Callers.start({ urls: [doomed.url, other.url] });
    await callers.served(10);
    const sinceMs = performance.now();
    doomed.process.signal('SIGUSR2');
    expect(await doomed.process.ended).toBe(1);
    expect(doomed.logs().find(({ msg }) => msg === 'an error was not caught')).toMatchObject({ level: 60, err: { message: 'nobody caught this' } });
    await expectPromiseKept(callers, { fault: what, sinceMs, overMs: performance.now(), codes: ['NO_ANSWER'], longestMs, rows });
    await other.stop();
  }, 90_000);
});

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { chmod, readdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { Callers, post, signIn } from '../support/callers.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { startOutageGateway, type OutageGateway } from '../support/outage-gateway.js';
import { expectResilience, type OutageExpectation } from '../support/outage-expectation.js';
import { fillOutageStore, slowSteps } from '../support/outage-store.js';
import { buildProgram, reachableFolder } from '../support/process.js';
import { waitUntil } from '../support/wait-until.js';

/** The deadline of the models is 1 s, plus tolerance. */
const longestMs = 3_000;

let dir: string;
let store: string;
let database: TestDatabase;
let client: pg.Client;
let gateway: OutageGateway;
let callers: Callers;
let token: string;

beforeAll(async () => {
  buildProgram();
  dir = await reachableFolder();
  store = path.join(dir, 'store');
  await fillOutageStore(store);
  database = await createTestDatabase();
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
  gateway = await startOutageGateway({ databaseUrl: database.url, modelStore: store, dir });
  token = await signIn(gateway.url, 'user');
}, 120_000);

afterAll(async () => {
  // A thread that hangs in native code can only be killed together with the process, at the end of the shutdown.
  await gateway.stop([0, 'SIGKILL']);
  await client.end();
  await database.drop();
  await rm(dir, { recursive: true, force: true });
}, 60_000);

beforeEach(async () => {
  callers = await Callers.start({ urls: [gateway.url] });
  await callers.served();
}, 30_000);

afterEach(() => callers.stop());

const expectKept = (outage: string, affected: Pick<OutageExpectation, 'sinceMs' | 'overMs' | 'codes'>): Promise<void> =>
  expectResilience(callers, {
    outage,
    longestMs,
    rows: async (statement, values) => (await client.query(statement, values)).rows,
    ...affected,
  });

const predict = (model: string, inputs: object[]) =>
  post(
    gateway.url,
    token,
    'query ($model: String!, $inputs: [JSONObject!]!) { predict(model: $model, inputs: $inputs) { output } }',
    { model, inputs },
  );

const logged = (message: string): number => gateway.logs().filter(({ msg }) => msg === message).length;

/** All files and folders below, with the attributes that a write would change. */
async function inventory(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true });
  return Promise.all(
    ['.', ...names.sort()].map(async (name) => {
      const { size, mtimeMs, ctimeMs, mode } = await stat(path.join(folder, name));
      return [name, size, mtimeMs, ctimeMs, mode].join(' ');
    }),
  );
}

describe('the model store', () => {
  it('may be read-only, because the gateway never writes to it', async () => {
    const sinceMs = performance.now();
    for (const name of ['.', ...(await readdir(store, { recursive: true }))]) {
      const file = path.join(store, name);
      await chmod(file, (await stat(file)).isDirectory() ? 0o555 : 0o444);
    }
    const before = await inventory(store);
    await callers.served(20);
    expect(await inventory(store)).toEqual(before);
    for (const name of ['.', ...(await readdir(store, { recursive: true }))])
      await chmod(path.join(store, name), 0o755);
    await expectKept('the model store read-only', { sinceMs, overMs: performance.now(), codes: [] });
  }, 60_000);

  it('may be unavailable: current models keep serving', async () => {
    const sinceMs = performance.now();
    await rename(store, `${store}-renamed`);
    await waitUntil(() => logged('model repository unavailable; keeping current models') === 1);
    await callers.served(20);
    expect(await gateway.isUp('models')).toBe(true);
    await rename(`${store}-renamed`, store);
    const overMs = performance.now();
    await waitUntil(() => logged('model repository available again') === 1);
    await expectKept('the model store gone', { sinceMs, overMs, codes: [] });
  }, 60_000);
});

describe('a model run', () => {
  it('fails only the calls with the row that throws', async () => {
    const sinceMs = performance.now();
    const both = await Promise.all(
      Array.from({ length: 20 }, (_, turn) => predict('throws', [{ step: turn % 2 === 0 ? 0 : 1_000_000 + turn }])),
    );
    for (const [turn, { status, retryAfter, body }] of both.entries()) {
      if (turn % 2 === 0) expect(body).toEqual({ data: { predict: [{ output: { done: 0 } }] } });
      else expect([status, retryAfter, body.errors[0].extensions.code]).toEqual([503, '1', 'SERVICE_UNAVAILABLE']);
    }
    await expectKept('a model run throws', { sinceMs, overMs: performance.now(), codes: [] });
  }, 60_000);

  it('is aborted if it hangs in every thread: callers get TIMEOUT, then others run', async () => {
    const sinceMs = performance.now();
    // Not concurrently, because concurrent rows are batched in one thread.
    const hung = await Promise.all(
      [0, 1].map((turn) => sleep(turn * 300).then(() => predict('echo', [{ steps: slowSteps + turn }]))),
    );
    for (const { status, body } of hung) expect([status, body.errors[0].extensions.code]).toEqual([504, 'TIMEOUT']);
    const reportedMs = performance.now();
    expect(reportedMs - sinceMs).toBeLessThan(longestMs);
    // Both threads still hang, and are replaced after their callers have timed out.
    await waitUntil(
      async () => (await predict('echo', [{ steps: 1_000 + (Math.floor(performance.now()) % 1_000) }])).status === 200,
    );
    process.stdout.write(
      `a model run hangs in both threads: TIMEOUT after ${Math.round(reportedMs - sinceMs)} ms, other runs succeed after ${Math.round(performance.now() - sinceMs)} ms\n`,
    );
    await expectKept('a model run hangs in both threads', { sinceMs, overMs: performance.now(), codes: ['TIMEOUT'] });
    expect(callers.calls.filter(({ kind, codes }) => kind !== 'predict' && codes.length > 0)).toEqual([]);
  }, 60_000);
});

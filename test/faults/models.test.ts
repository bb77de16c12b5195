import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { chmod, readdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { Callers, post, signIn } from '../kit/callers.js';
import { createTestDatabase, type TestDatabase } from '../kit/database.js';
import { startFaultGateway, type FaultGateway } from '../kit/fault-gateway.js';
import { expectPromiseKept, type Felt } from '../kit/fault-promise.js';
import { fillFaultStore, stepsOfManySeconds } from '../kit/fault-store.js';
import { buildProgram, reachableFolder } from '../kit/process.js';
import { until } from '../kit/until.js';

/** The models' deadline is 1 s; nothing else may hold a call up. */
const longestMs = 3_000;

let dir: string;
let store: string;
let database: TestDatabase;
let client: pg.Client;
let gateway: FaultGateway;
let callers: Callers;
let token: string;

beforeAll(async () => {
  buildProgram();
  dir = await reachableFolder();
  store = path.join(dir, 'store');
  await fillFaultStore(store);
  database = await createTestDatabase();
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
  gateway = await startFaultGateway({ databaseUrl: database.url, modelStore: store, dir });
  token = await signIn(gateway.url, 'user');
}, 120_000);

afterAll(async () => {
  // A thread that is still stuck in native code can only be killed, and the process with it, once all else is done.
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

const expectKept = (fault: string, felt: Pick<Felt, 'sinceMs' | 'overMs' | 'codes'>): Promise<void> =>
  expectPromiseKept(callers, { fault, longestMs, rows: async (statement, values) => (await client.query(statement, values)).rows, ...felt });

const predict = (model: string, inputs: object[]) => post(gateway.url, token, 'query ($model: String!, $inputs: [JSONObject!]!) { predict(model: $model, inputs: $inputs) { output } }', { model, inputs });

const logged = (message: string): number => gateway.logs().filter(({ msg }) => msg === message).length;

/** Every file and folder below, with all that a write would change. */
async function inventory(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true });
  return Promise.all(['.', ...names.sort()].map(async (name) => {
    const { size, mtimeMs, ctimeMs, mode } = await stat(path.join(folder, name));
    return [name, size, mtimeMs, ctimeMs, mode].join(' ');
  }));
}

describe('the model store', () => {
  it('may be read-only: nothing in it is ever written', async () => {
    const sinceMs = performance.now();
    for (const name of ['.', ...(await readdir(store, { recursive: true }))]) {
      const file = path.join(store, name);
      await chmod(file, (await stat(file)).isDirectory() ? 0o555 : 0o444);
    }
    const before = await inventory(store);
    await callers.served(20);
    expect(await inventory(store)).toEqual(before);
    for (const name of ['.', ...(await readdir(store, { recursive: true }))]) await chmod(path.join(store, name), 0o755);
    await expectKept('the model store read-only', { sinceMs, overMs: performance.now(), codes: [] });
  }, 60_000);

  it('may be gone for a while: what serves goes on', async () => {
    const sinceMs = performance.now();
    await rename(store, `${store}-away`);
    await until(() => logged('the model store cannot be read; what serves goes on') === 1);
    await callers.served(20);
    expect(await gateway.isUp('models')).toBe(true);
    await rename(`${store}-away`, store);
    const overMs = performance.now();
    await until(() => logged('the model store can be read again') === 1);
    await expectKept('the model store gone', { sinceMs, overMs, codes: [] });
  }, 60_000);
});

describe('a model run', () => {
  it('that throws is told to those who asked for the row, and to nobody else', async () => {
    const sinceMs = performance.now();
    const both = await Promise.all(Array.from({ length: 20 }, (_, turn) => predict('throws', [{ step: turn % 2 === 0 ? 0 : 1_000_000 + turn }])));
    for (const [turn, { status, retryAfter, body }] of both.entries()) {
      if (turn % 2 === 0) expect(body).toEqual({ data: { predict: [{ output: { done: 0 } }] } });
      else expect([status, retryAfter, body.errors[0].extensions.code]).toEqual([503, '1', 'SERVICE_UNAVAILABLE']);
    }
    await expectKept('a model run throws', { sinceMs, overMs: performance.now(), codes: [] });
  }, 60_000);

  it('that hangs in every thread is given up: its caller at the deadline, others at theirs, and then others run', async () => {
    const sinceMs = performance.now();
    // One after the other: what comes at once is run at once, in one thread.
    const hung = await Promise.all([0, 1].map((turn) => sleep(turn * 300).then(() => predict('echo', [{ steps: stepsOfManySeconds + turn }]))));
    for (const { status, body } of hung) expect([status, body.errors[0].extensions.code]).toEqual([504, 'TIMEOUT']);
    const toldMs = performance.now();
    expect(toldMs - sinceMs).toBeLessThan(longestMs);
    // Both threads are at it still, and are replaced once it is clear that nobody waits for them.
    await until(async () => (await predict('echo', [{ steps: 1_000 + Math.floor(performance.now()) % 1_000 }])).status === 200);
    process.stdout.write(`a model run hangs in both threads: told after ${Math.round(toldMs - sinceMs)} ms, runs elsewhere after ${Math.round(performance.now() - sinceMs)} ms\n`);
    await expectKept('a model run hangs in both threads', { sinceMs, overMs: performance.now(), codes: ['TIMEOUT'] });
    expect(callers.calls.filter(({ kind, codes }) => kind !== 'predict' && codes.length > 0)).toEqual([]);
  }, 60_000);
});

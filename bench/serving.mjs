import { once } from 'node:events';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { openApp } from '../dist/app.js';
import { readConfig } from '../dist/config.js';
import { startEmbeddedPostgres } from '../dist/database/embedded-postgres.js';
import { createLogger } from '../dist/shared/logger.js';

// Whole requests to models: what joining rows gains over HTTP, and whether large calls or hot reloads hold up small ones.

const rounds = 3;
const seconds = 3;

const dir = await mkdtemp(path.join(tmpdir(), 'auspex-bench-'));
const postgres = await startEmbeddedPostgres({ dir, durable: false });
const environment = { HOST: '127.0.0.1', PORT: '0', DATABASE_URL: postgres.url, DATA_DIR: dir, DEMO_DATA: 'true', RATE_LIMIT_PER_VIEWER: '0', RATE_LIMIT_PER_ADDRESS: '0' };
const open = (more) => openApp(readConfig({ ...environment, ...more }), createLogger('silent'));
const joinedStore = await storeWith('');
const joined = await open({ MODEL_STORE: joinedStore, MODEL_STORE_POLL_MS: '50' });
const single = await open({ MODEL_STORE: await storeWith('serving:\n  max_batch: 1\n') });
const token = await signIn(joined.url);
const clients = [0, 1].map(() => new Worker(new URL('./load.mjs', import.meta.url)));

let kilometres = 0;
const freshCar = () => ({ company: 'Ford', year: 2012, km_driven: (kilometres += 1) % 3_000_000, fuel: 'Diesel' });
const query = 'query ($inputs: [JSONObject!]!) { predict(model: "car-price", inputs: $inputs) { output } }';
const priceOf = (rows) => JSON.stringify({ query, variables: { inputs: Array.from({ length: rows }, freshCar) } });
const cheap = JSON.stringify({ query: '{ __typename }' });

const table = {};
for (let round = -1; round < rounds; round++) {
  for (const [name, app] of Object.entries({ 'rows joined': joined, 'row by row': single })) {
    const bodies = Array.from({ length: 20_000 }, () => priceOf(1));
    note(round, `64 callers with a fresh row each, ${name}`, await load(0, { url: app.url, token, bodies, connections: 64, seconds }));
  }
  const few = { url: joined.url, token, bodies: Array.from({ length: 20_000 }, () => priceOf(1)), connections: 8, seconds };
  note(round, '8 callers with a fresh row each, nothing else', await watched(() => load(0, few)));
  const reloads = reloading();
  note(round, '8 callers with a fresh row each, beside hot reloads of the model', await watched(() => load(0, few)));
  await reloads.stop();
  note(round, 'a cheap query, nothing else', await watched(() => load(0, { url: joined.url, token, bodies: [cheap], connections: 1, seconds })));
  const bulk = { url: joined.url, token, bodies: Array.from({ length: 200 }, () => priceOf(1000)), connections: 2, seconds: seconds + 0.5 };
  const background = load(1, bulk);
  note(round, 'a cheap query beside 1000-row calls', await watched(() => load(0, { url: joined.url, token, bodies: [cheap], connections: 1, seconds })));
  note(round, '1000-row calls', await background);
}
console.table(table);

for (const client of clients) await client.terminate();
for (const app of [joined, single]) await app.close();
await postgres.stop();
await rm(dir, { recursive: true, force: true });

async function load(client, task) {
  clients[client].postMessage(task);
  const [measured] = await once(clients[client], 'message');
  if (measured.error) throw new Error(measured.error);
  return measured;
}

/** With the delay of the gateway's event loop while it was measured. */
async function watched(measure) {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const measured = await measure();
  delay.disable();
  return { ...measured, loopP99Ms: delay.percentile(99) / 1e6 };
}

/** The best round of each figure counts: what disturbs a shared machine only ever makes it worse. */
function note(round, name, { perSecond, p50Ms, p99Ms, loopP99Ms }) {
  if (round < 0) return;
  const row = (table[name] ??= { 'requests/s': 0, 'p50, ms': Infinity, 'p99, ms': Infinity });
  row['requests/s'] = Math.max(row['requests/s'], Math.round(perSecond));
  row['p50, ms'] = Math.min(row['p50, ms'], Number(p50Ms.toFixed(1)));
  row['p99, ms'] = Math.min(row['p99, ms'], Number(p99Ms.toFixed(1)));
  if (loopP99Ms !== undefined) row['loop p99, ms'] = Math.min(row['loop p99, ms'] ?? Infinity, Number(loopP99Ms.toFixed(1)));
}

/** Has the model taken up anew three times a second, until it is stopped: other golden rows are reason enough. */
function reloading() {
  const golden = path.join(joinedStore, 'car-price/1/golden.jsonl');
  let isOn = true;
  const going = (async () => {
    for (let time = 1; isOn; time++) {
      await writeFile(golden, `${(await readFile(golden, 'utf8')).trim()}\n${'\n'.repeat(time % 2)}`);
      await sleep(333);
    }
  })();
  return {
    stop: () => {
      isOn = false;
      return going;
    },
  };
}

/** A copy of the store with these lines in the manifest of car-price. */
async function storeWith(lines) {
  const copy = await mkdtemp(path.join(dir, 'store-'));
  await cp('model-store', copy, { recursive: true });
  const manifest = path.join(copy, 'car-price/model.yaml');
  await writeFile(manifest, `${await readFile(manifest, 'utf8')}\n${lines}`);
  return copy;
}

async function signIn(url) {
  const query = 'mutation { login(input: { email: "user@example.com", password: "auspex-demo-2026" }) { accessToken } }';
  const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ query }) });
  return (await response.json()).data.login.accessToken;
}

import { once } from 'node:events';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Worker } from 'node:worker_threads';
import { openApp } from '../dist/app.js';
import { readConfig } from '../dist/config.js';
import { startEmbeddedPostgres } from '../dist/database/embedded-postgres.js';
import { createLogger } from '../dist/shared/logger.js';

// Whole requests to models: what joining rows gains over HTTP, and whether large calls hold up small ones.

const rounds = 3;
const seconds = 3;

const dir = await mkdtemp(path.join(tmpdir(), 'auspex-bench-'));
const postgres = await startEmbeddedPostgres({ dir, durable: false });
const environment = { HOST: '127.0.0.1', PORT: '0', DATABASE_URL: postgres.url, DATA_DIR: dir, DEMO_DATA: 'true' };
const open = (more) => openApp(readConfig({ ...environment, ...more }), createLogger('silent'));
const joined = await open({});
const single = await open({ MODEL_STORE: await storeWithoutBatching() });
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

/** A copy of the store whose car-price runs every row by itself. */
async function storeWithoutBatching() {
  const copy = path.join(dir, 'row-by-row');
  await cp('model-store', copy, { recursive: true });
  const manifest = path.join(copy, 'car-price/model.yaml');
  await writeFile(manifest, `${await readFile(manifest, 'utf8')}\nserving:\n  max_batch: 1\n`);
  return copy;
}

async function signIn(url) {
  const query = 'mutation { login(input: { email: "user@example.com", password: "auspex-demo-2026" }) { accessToken } }';
  const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ query }) });
  return (await response.json()).data.login.accessToken;
}

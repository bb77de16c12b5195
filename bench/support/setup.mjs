/* Set-up and statistics shared by the benchmarks. */
import { once } from 'node:events';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { startEmbeddedPostgres } from '../../packages/embedded-postgres/src/index.ts';

/** A temporary folder, removed by the stack. */
export async function temporaryFolder(resources) {
  const dir = await mkdtemp(path.join(tmpdir(), 'auspex-bench-'));
  resources.defer(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** An embedded PostgreSQL in the folder, stopped by the stack. @returns its URL */
export async function startPostgres(resources, dir) {
  const postgres = await startEmbeddedPostgres({ dir, durable: false });
  resources.defer(() => postgres.stop());
  return postgres.url;
}

/** Environment of a gateway under test: demo data and no rate limits. */
export const gatewayEnvironment = (dir, databaseUrl) => ({
  HOST: '127.0.0.1',
  PORT: '0',
  DATABASE_URL: databaseUrl,
  DATA_DIR: dir,
  DEMO_DATA: 'true',
  RATE_LIMIT_PER_VIEWER: '0',
  RATE_LIMIT_PER_ADDRESS: '0',
  RATE_LIMIT_PREDICTION_ROWS: '0',
  MAX_CONNECTIONS_PER_ADDRESS: '0',
  MAX_PENDING_SOCKETS: '100000',
});

/** Starts a client in a thread. @returns a function that sends requests; that of `client.mjs` returns `{ perSecond, p50Ms, p99Ms }` */
export function startClient(resources, file = './client.mjs') {
  const worker = new Worker(new URL(file, import.meta.url));
  resources.defer(() => worker.terminate());
  return async (task) => {
    worker.postMessage(task);
    const [result] = await once(worker, 'message');
    if (result.error) throw new Error(result.error);
    return result;
  };
}

/** Signs in a demo user. @returns an access token */
export async function signIn(url, email = 'user@example.com') {
  const query = `mutation { login(input: { email: "${email}", password: "auspex-demo-2026" }) { accessToken } }`;
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query }),
  });
  return (await response.json()).data.login.accessToken;
}

/** A copy of the model repository with these lines added to the manifest of car-price. */
export async function copyModels(dir, manifestLines = '') {
  const copy = await mkdtemp(path.join(dir, 'models-'));
  await cp('model-store', copy, { recursive: true });
  const manifest = path.join(copy, 'car-price/model.yaml');
  await writeFile(manifest, `${await readFile(manifest, 'utf8')}\n${manifestLines}`);
  return copy;
}

let kilometres = 0;
/** An input row of car-price that was not used before. */
export const newCar = () => ({ company: 'Ford', year: 2012, km_driven: (kilometres += 1) % 3_000_000, fuel: 'Diesel' });

export const median = (values) => values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)];

/**
 * Measures two variants in alternating order, after a round that warms them up, and prints their best figures.
 * @param measure returns requests/s, latencies and `cpuMs`, the CPU time per request, of a variant
 * @returns the table by variant, and the figures of each round by variant
 */
export async function comparePairs([one, other], rounds, measure) {
  const pairs = [];
  const table = {};
  for (let round = -1; round < rounds; round++) {
    // Alternate the order, so that drift of the machine favors neither.
    const order = round % 2 === 0 ? [one, other] : [other, one];
    const figures = {};
    for (const name of order) figures[name] = await measure(name);
    if (round < 0) continue;
    for (const name of order) {
      const { cpuMs, ...rates } = figures[name];
      recordBest(table, name, { ...rates, 'CPU, ms per request': cpuMs });
    }
    pairs.push(figures);
  }
  console.table(table);
  return { table, pairs };
}

/** Keeps the best round of each figure: disturbances of a shared machine only make figures worse. */
export function recordBest(table, name, { perSecond, p50Ms, p99Ms, ...others }) {
  const row = (table[name] ??= { 'requests/s': 0 });
  row['requests/s'] = Math.max(row['requests/s'], Math.round(perSecond));
  for (const [label, value] of Object.entries({ 'p50, ms': p50Ms, 'p99, ms': p99Ms, ...others }))
    row[label] = Math.min(row[label] ?? Infinity, Number(value.toPrecision(3)));
}

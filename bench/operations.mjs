import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { openApp } from '../dist/app.js';
import { readConfig } from '../dist/config.js';
import { startEmbeddedPostgres } from '../dist/database/embedded-postgres.js';
import { OperationStatistics } from '../dist/graphql/operation-statistics.js';
import { RequestStatistics } from '../dist/http/request-statistics.js';
import { createLogger } from '../dist/shared/logger.js';

const rounds = 3;
const seconds = 2;
const connections = 32;

const page = '{ employees(first: 50) { nodes { id name email age jobTitle hiredOn department { name } manager { name } } } }';
// By variables, as clients that want speed send them: a document with text literals is not compiled.
const price = 'query ($model: String!, $inputs: [JSONObject!]!) { predict(model: $model, inputs: $inputs) { output source } }';
const askPrice = (car) => ask(price, { model: 'car-price', inputs: [car] });
const ask = (query, variables = {}) => JSON.stringify({ query, variables });

let kilometres = 0;
const operations = {
  'employees page': () => [ask(page)],
  'cached prediction': () => [askPrice({ company: 'Maruti', year: 2014, km_driven: 90_000 })],
  'fresh prediction': () => Array.from({ length: 20_000 }, () => askPrice({ company: 'Ford', year: 2012, km_driven: (kilometres += 1) })),
};

const dir = await mkdtemp(path.join(tmpdir(), 'auspex-bench-'));
const postgres = await startEmbeddedPostgres({ dir, durable: false });
const log = createLogger('silent');
// What is measured is the execution; answers that are kept are measured against it below.
const environment = { HOST: '127.0.0.1', PORT: '0', DATABASE_URL: postgres.url, DATA_DIR: dir, DEMO_DATA: 'true', RESPONSE_CACHE: 'false' };
const apps = {
  jit: await openApp(readConfig({ ...environment, EXECUTOR: 'jit' }), log),
  'graphql-js': await openApp(readConfig({ ...environment, EXECUTOR: 'graphql-js' }), log),
};
const token = await signIn(apps.jit.url);
const worker = new Worker(new URL('./load.mjs', import.meta.url));

const results = {};
for (let round = -1; round < rounds; round++) {
  for (const [name, bodies] of Object.entries(operations)) {
    for (const [executor, app] of Object.entries(apps)) {
      const measured = await measure({ url: app.url, token, bodies: bodies(), connections, seconds: round < 0 ? 1 : seconds });
      if (round >= 0) ((results[name] ??= {})[executor] ??= []).push(measured);
    }
  }
}

const median = (rounds, of) => rounds.map(of).toSorted((one, other) => one - other)[Math.floor(rounds.length / 2)];
const perSecond = (rounds) => median(rounds, (round) => round.perSecond);
const busyMs = (rounds) => median(rounds, (round) => round.busyMs);
console.table(
  Object.fromEntries(
    Object.entries(results).map(([name, { jit, 'graphql-js': reference }]) => [
      name,
      {
        'jit, requests/s': Math.round(perSecond(jit)),
        'graphql-js, requests/s': Math.round(perSecond(reference)),
        'ratio of requests/s': (perSecond(jit) / perSecond(reference)).toFixed(2),
        'ratio of busy time a request': (busyMs(jit) / busyMs(reference)).toFixed(2),
      },
    ]),
  ),
);
console.log(`cached against fresh prediction, requests/s: ${(perSecond(results['cached prediction'].jit) / perSecond(results['fresh prediction'].jit)).toFixed(2)}`);

const keeping = await openApp(readConfig({ ...environment, RESPONSE_CACHE: 'true' }), log);
let turn = 0;
const pages = {
  executed: () => ({ url: apps['graphql-js'].url, bodies: [ask(page)] }),
  kept: () => ({ url: keeping.url, bodies: [ask(page)] }),
  // A variable that nobody declared changes the key of an answer and nothing else: each is looked up, executed and kept.
  'kept in vain': () => ({ url: keeping.url, bodies: Array.from({ length: 20_000 }, () => ask(page, { turn: (turn += 1) })) }),
};
const measuredPages = {};
for (let round = -1; round < rounds; round++) {
  for (const [name, task] of Object.entries(pages)) {
    const measured = await measure({ ...task(), token, connections, seconds });
    if (round >= 0) (measuredPages[name] ??= []).push(measured);
  }
}
for (const name of ['kept', 'kept in vain']) {
  const ratio = (of) => (of(measuredPages[name]) / of(measuredPages.executed)).toFixed(2);
  console.log(`employees page, ${name} against executed: ${ratio(perSecond)} times the requests/s, ${ratio(busyMs)} of the busy time`);
}

// Kept answers are the fastest there are: what is counted beside them weighs most.
const uncounted = await openUncounted({ ...environment, RESPONSE_CACHE: 'true' });
const counting = { executed: [], kept: [], 'executed, uncounted': [], 'kept, uncounted': [] };
for (let round = -1; round < 4 * rounds; round++) {
  const tasks = { executed: apps['graphql-js'].url, kept: keeping.url, 'executed, uncounted': uncounted.executing.url, 'kept, uncounted': uncounted.keeping.url };
  for (const [name, url] of Object.entries(tasks)) {
    const measured = await measure({ url, bodies: [ask(page)], token, connections, seconds: 1 });
    if (round >= 0) counting[name].push(measured);
  }
}
for (const name of ['executed', 'kept']) {
  // The least of the rounds: what else the machine does only adds to it.
  const least = (of) => Math.min(...counting[of].map(({ cpuMs }) => cpuMs));
  const ratio = least(name) / least(`${name}, uncounted`);
  console.log(`employees page, ${name}, counted against uncounted: ${ratio.toFixed(3)} of the CPU time a request`);
}

await Promise.all(Object.values(uncounted).map((app) => app.close()));
await keeping.close();
await worker.terminate();
for (const app of Object.values(apps)) await app.close();
await postgres.stop();
await rm(dir, { recursive: true, force: true });

/** Gateways that count neither operations nor requests. */
async function openUncounted(environment) {
  const counted = { plugin: OperationStatistics.prototype.plugin, follow: RequestStatistics.prototype.follow };
  OperationStatistics.prototype.plugin = () => ({});
  RequestStatistics.prototype.follow = () => {};
  try {
    const executing = await openApp(readConfig({ ...environment, RESPONSE_CACHE: 'false' }), log);
    return { executing, keeping: await openApp(readConfig(environment), log) };
  } finally {
    OperationStatistics.prototype.plugin = counted.plugin;
    RequestStatistics.prototype.follow = counted.follow;
  }
}

/**
 * Requests a second, and for how long the gateway's own thread was busy with each: the database has other cores to itself.
 * Its CPU time is the steadier figure where the machine has other things to do.
 */
async function measure(task) {
  const before = performance.eventLoopUtilization();
  const cpuBefore = process.threadCpuUsage();
  worker.postMessage(task);
  const [{ perSecond, error }] = await once(worker, 'message');
  if (error) throw new Error(error);
  const { active, idle } = performance.eventLoopUtilization(before);
  const requests = perSecond * ((active + idle) / 1000);
  const cpu = process.threadCpuUsage(cpuBefore);
  return { perSecond, busyMs: active / requests, cpuMs: (cpu.user + cpu.system) / 1000 / requests };
}

async function signIn(url) {
  const query = 'mutation { login(input: { email: "user@example.com", password: "auspex-demo-2026" }) { accessToken } }';
  const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: ask(query) });
  return (await response.json()).data.login.accessToken;
}

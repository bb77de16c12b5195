/* Resident memory and start of the gateway as the image runs it, beside Fastify with graphql and ONNX Runtime alone. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { nodeOptions } from '../support/node-options.ts';
import { assertLinux, cpuMsOf, memoryMbOf } from '../support/processes.mjs';
import { employeesQuery } from '../support/queries.mjs';
import {
  gatewayEnvironment,
  median,
  newCar,
  signIn,
  startClient,
  startPostgres,
  temporaryFolder,
} from '../support/setup.mjs';

const rounds = 5;
const copies = 20;
/** An idle gateway has returned its memory by then. */
const restMs = 25_000;
const pollMs = 5;
const loadSeconds = 4;

/** The image's settings of the C library. */
const imageVariables = { MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '131072' };
const gateway = [...nodeOptions, path.join('dist', 'bundle', 'main.js')];
const floor = [
  '--input-type=module',
  '--eval',
  `await import("graphql");
  await import("onnxruntime-node");
  const { default: fastify } = await import("fastify");
  await fastify().get("/readyz", () => "ready").listen({ port: Number(process.env.PORT), host: "127.0.0.1" });`,
];

assertLinux();
await using resources = new AsyncDisposableStack();
const dir = await temporaryFolder(resources);
const environment = {
  ...gatewayEnvironment(dir, await startPostgres(resources, dir)),
  JWT_SECRET: randomBytes(48).toString('base64url'),
  METRICS_PORT: '0',
  MODEL_STORE: 'model-store',
};
// The first start migrates the database and loads the demo data.
await stop(await start(gateway, environment));

const withCopies = { ...environment, ...imageVariables, MODEL_STORE: await copiesOfModel() };
const runs = {
  'Fastify, graphql and onnxruntime-node': [floor, imageVariables],
  gateway: [gateway, { ...environment, ...imageVariables }],
  'gateway, without the variables of the image': [gateway, environment],
  [`gateway, with ${copies} copies of car-price more`]: [gateway, withCopies],
};
const table = {};
const running = [];
for (const [name, run] of Object.entries(runs)) {
  const starts = [];
  for (let round = 0; round < rounds; round++) {
    const started = await start(...run);
    starts.push(started);
    await stop(started);
  }
  running.push({ name, ...(await start(...run, { isPinned: false })) });
  for (const figure of ['ready, ms', 'CPU until ready, ms'])
    table[name] = { ...table[name], [figure]: Math.round(median(starts.map(({ figures }) => figures[figure]))) };
}
// All rest together: idle processes do not disturb each other.
await sleep(restMs);
for (const { name, child } of running) {
  const [rss, files, peak] = await memoryMbOf(child.pid, ['VmRSS', 'RssFile', 'VmHWM']);
  table[name]['RSS at rest, MB'] = Math.round(rss);
  table[name]['of it files, MB'] = Math.round(files);
  table[name]['peak RSS, MB'] = Math.round(peak);
}
const loaded = running.find(({ name }) => name === 'gateway');
await sendLoad(`${loaded.origin}/graphql`);
table.gateway['RSS after load, MB'] = Math.round((await memoryMbOf(loaded.child.pid, ['VmRSS']))[0]);
for (const started of running) await stop(started);
console.table(table);

/** Pages of employees, then single predictions, then calls of 100 rows: thousands of requests. */
async function sendLoad(url) {
  const token = await signIn(url);
  const client = startClient(resources);
  const predict = 'query ($inputs: [JSONObject!]!) { predict(model: "car-price", inputs: $inputs) { output } }';
  const calls = (count, rows) =>
    Array.from({ length: count }, () =>
      JSON.stringify({ query: predict, variables: { inputs: Array.from({ length: rows }, newCar) } }),
    );
  for (const bodies of [[JSON.stringify({ query: employeesQuery(50) })], calls(10_000, 1), calls(200, 100)])
    await client({ url, token, bodies, connections: 16, seconds: loadSeconds });
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

async function isReadyAt(origin) {
  return fetch(`${origin}/readyz`).then(
    ({ ok }) => ok,
    () => false,
  );
}

/** Starts a program, on one core unless it will rest. @returns it once `/readyz` is ready, and what the start took */
async function start(args, variables, { isPinned = true } = {}) {
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const startedAt = performance.now();
  const [program, ...programArgs] = [...(isPinned ? ['taskset', '--cpu-list', '1'] : []), process.execPath, ...args];
  const child = spawn(program, programArgs, {
    env: { PATH: process.env.PATH, NODE_ENV: 'production', ...variables, PORT: String(port) },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  resources.defer(() => child.kill('SIGKILL'));
  while (!(await isReadyAt(origin))) {
    if (child.exitCode !== null) throw new Error(`The program ended with exit code ${child.exitCode}.`);
    await sleep(pollMs);
  }
  const readyMs = performance.now() - startedAt;
  return {
    child,
    origin,
    figures: { 'ready, ms': readyMs, 'CPU until ready, ms': await cpuMsOf(child.pid) },
  };
}

async function stop({ child }) {
  const ended = once(child, 'exit');
  child.kill();
  await ended;
}

async function copiesOfModel() {
  const store = await mkdtemp(path.join(dir, 'models-'));
  await cp('model-store', store, { recursive: true });
  for (let copy = 1; copy <= copies; copy++) {
    const folder = path.join(store, `car-price-${copy}`);
    await cp('model-store/car-price', folder, { recursive: true });
    const manifest = path.join(folder, 'model.yaml');
    await writeFile(manifest, (await readFile(manifest, 'utf8')).replace(/^title:.*/, `title: Car ${copy}`));
  }
  return store;
}

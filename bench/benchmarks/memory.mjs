/* Resident memory and start of the gateway as the image runs it, beside Fastify with graphql and ONNX Runtime alone. */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  copiesOfModel,
  gatewayProgram,
  imageVariables,
  startProgram,
  stopProgram,
} from '../support/gateway-process.mjs';
import { assertLinux, memoryMbOf } from '../support/processes.mjs';
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
const loadSeconds = 4;

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
await stopProgram(await startProgram(resources, gatewayProgram, environment));

const withCopies = { ...environment, ...imageVariables, MODEL_STORE: await copiesOfModel(dir, copies) };
const runs = {
  'Fastify, graphql and onnxruntime-node': [floor, imageVariables],
  gateway: [gatewayProgram, { ...environment, ...imageVariables }],
  'gateway, without the variables of the image': [gatewayProgram, environment],
  [`gateway, with ${copies} copies of car-price more`]: [gatewayProgram, withCopies],
};
const table = {};
const running = [];
for (const [name, run] of Object.entries(runs)) {
  const starts = [];
  for (let round = 0; round < rounds; round++) {
    // On one core, since others may be free or not.
    const started = await startProgram(resources, ...run, { core: 1 });
    starts.push(started);
    await stopProgram(started);
  }
  running.push({ name, ...(await startProgram(resources, ...run)) });
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
for (const started of running) await stopProgram(started);
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

/* Resident memory and start of the gateway as the image runs it, beside Node.js with graphql and ONNX Runtime alone. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { assertLinux, cpuMsOf, memoryMbOf } from '../support/processes.mjs';
import { gatewayEnvironment, median, startPostgres, temporaryFolder } from '../support/setup.mjs';

const rounds = 3;
const copies = 20;
/** An idle gateway has returned its memory by then. */
const restMs = 20_000;

/** The image's settings of the C library. */
const imageVariables = { MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '131072' };
const gateway = ['--max-semi-space-size=16', path.join('dist', 'bundle', 'main.js')];
const floor = [
  '--input-type=module',
  '--eval',
  'await import("graphql"); await import("onnxruntime-node"); console.log("ready"); setInterval(() => {}, 1e6);',
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
  'Node.js, graphql and onnxruntime-node': [floor, {}],
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
    if (round === rounds - 1) running.push({ name, ...started });
    else await stop(started);
  }
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
  await stop({ child });
}
console.table(table);

/** Starts a program. @returns it once it is ready, and what the start took */
async function start(args, variables) {
  const startedAt = performance.now();
  const child = spawn(process.execPath, args, {
    env: { PATH: process.env.PATH, NODE_ENV: 'production', ...variables },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  resources.defer(() => child.kill('SIGKILL'));
  let output = '';
  const isReady = () => /"msg":"ready"|^ready$/m.test(output);
  for await (const text of child.stdout.setEncoding('utf8').iterator({ destroyOnReturn: false })) {
    output += text;
    if (isReady()) break;
  }
  if (!isReady()) throw new Error(`The program ended: ${output}`);
  child.stdout.resume();
  const readyMs = performance.now() - startedAt;
  return {
    child,
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

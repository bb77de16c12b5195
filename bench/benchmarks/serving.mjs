/* Predictions over HTTP: the gain of batching, and whether large requests or hot reloads delay small requests. */
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { openApp } from '../../dist/app/open-app.js';
import { readConfig } from '../../dist/config/config.js';
import { createLogger } from '../../dist/telemetry/logger.js';
import {
  copyModels,
  gatewayEnvironment,
  newCar,
  recordBest,
  signIn,
  startClient,
  startPostgres,
  temporaryFolder,
} from '../support/setup.mjs';

const rounds = 3;
const seconds = 3;
const reloadIntervalMs = 333;

await using resources = new AsyncDisposableStack();
const dir = await temporaryFolder(resources);
const environment = gatewayEnvironment(dir, await startPostgres(resources, dir));
const models = await copyModels(dir);
const batched = await openGateway({ MODEL_STORE: models, MODEL_STORE_POLL_MS: '50' });
const unbatched = await openGateway({ MODEL_STORE: await copyModels(dir, 'serving:\n  max_batch: 1\n') });
const token = await signIn(batched.url);
const send = startClient(resources);
const sendInBackground = startClient(resources);

const query = 'query ($inputs: [JSONObject!]!) { predict(model: "car-price", inputs: $inputs) { output } }';
const predictions = (count, rows) =>
  Array.from({ length: count }, () =>
    JSON.stringify({ query, variables: { inputs: Array.from({ length: rows }, newCar) } }),
  );
const { url } = batched;

const table = {};
for (let round = -1; round < rounds; round++) {
  const record = (name, figures) => round >= 0 && recordBest(table, name, figures);
  for (const [name, app] of Object.entries({ batched, unbatched })) {
    const bodies = predictions(20_000, 1);
    record(`64 callers, new rows, ${name}`, await send({ url: app.url, token, bodies, connections: 64, seconds }));
  }

  const small = { url, token, bodies: predictions(20_000, 1), connections: 8, seconds };
  record('8 callers, new rows', await withLoopDelay(() => send(small)));
  const reloads = startReloads();
  record('8 callers, new rows, during hot reloads', await withLoopDelay(() => send(small)));
  await reloads.stop();

  const trivial = { url, token, bodies: [JSON.stringify({ query: '{ __typename }' })], connections: 1, seconds };
  record('trivial query', await withLoopDelay(() => send(trivial)));
  const bulk = { url, token, bodies: predictions(200, 1000), connections: 2, seconds: seconds + 0.5 };
  const background = sendInBackground(bulk);
  record('trivial query, during 1000-row requests', await withLoopDelay(() => send(trivial)));
  record('1000-row requests', await background);
}
console.table(table);

async function openGateway(env) {
  const app = await openApp(readConfig({ ...environment, ...env }), createLogger('silent'));
  resources.defer(() => app.close());
  return app;
}

/** Adds the p99 event loop delay of the gateway to the figures. */
async function withLoopDelay(measure) {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const figures = await measure();
  delay.disable();
  return { ...figures, 'loop p99, ms': delay.percentile(99) / 1e6 };
}

/** Reloads the model three times per second until stopped, by changing whitespace in its golden rows. */
function startReloads() {
  const golden = path.join(models, 'car-price/1/golden.jsonl');
  let isStopped = false;
  const running = (async () => {
    for (let time = 1; !isStopped; time++) {
      await writeFile(golden, `${(await readFile(golden, 'utf8')).trim()}\n${'\n'.repeat(time % 2)}`);
      await sleep(reloadIntervalMs);
    }
  })();
  return {
    stop: () => {
      isStopped = true;
      return running;
    },
  };
}

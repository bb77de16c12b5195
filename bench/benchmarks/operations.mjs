/* Requests per second by operation, the gain of the caches, and the cost of metrics. */
import { openApp } from '../../dist/app/open-app.js';
import { readConfig } from '../../dist/config/config.js';
import { OperationStatistics } from '../../dist/graphql/server/stages/operation-statistics.js';
import { RequestStatistics } from '../../dist/http/hooks/request-statistics.js';
import { createLogger } from '../../dist/telemetry/logger.js';
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

const rounds = 3;
const seconds = 2;
const connections = 32;
const beginStatistics = OperationStatistics.prototype.begin;

const toBody = (query, variables = {}) => JSON.stringify({ query, variables });
const page = toBody(employeesQuery(50));
const predict = 'query ($inputs: [JSONObject!]!) { predict(model: "car-price", inputs: $inputs) { output source } }';
const prediction = (car) => toBody(predict, { inputs: [car] });
const operations = {
  'employees page': () => [page],
  'cached prediction': () => [prediction({ company: 'Maruti', year: 2014, km_driven: 90_000 })],
  'new prediction': () => Array.from({ length: 20_000 }, () => prediction(newCar())),
};

await using resources = new AsyncDisposableStack();
const dir = await temporaryFolder(resources);
const environment = gatewayEnvironment(dir, await startPostgres(resources, dir));
const withoutCache = await openGateway({ RESPONSE_CACHE: 'false' });
const withCache = await openGateway({ RESPONSE_CACHE: 'true' });
const token = await signIn(withoutCache.url);
const send = startClient(resources);

await compareOperations();
await compareResponseCache();
await compareMetrics();

async function compareOperations() {
  const results = await measureInTurns(
    rounds,
    Object.fromEntries(
      Object.entries(operations).map(([name, bodies]) => [name, () => ({ url: withoutCache.url, bodies: bodies() })]),
    ),
  );
  console.table(
    Object.fromEntries(
      Object.entries(results).map(([name, figures]) => [
        name,
        {
          'requests/s': Math.round(medianOf(figures, 'perSecond')),
          'event loop, ms per request': medianOf(figures, 'activeMs').toFixed(2),
        },
      ]),
    ),
  );
  const gain = medianOf(results['cached prediction'], 'perSecond') / medianOf(results['new prediction'], 'perSecond');
  console.log(`cached vs. new prediction: ${gain.toFixed(2)} times the requests/s`);
}

async function compareResponseCache() {
  let turn = 0;
  const results = await measureInTurns(rounds, {
    executed: () => ({ url: withoutCache.url, bodies: [page] }),
    hit: () => ({ url: withCache.url, bodies: [page] }),
    // An undeclared variable changes only the cache key, so that every request is looked up, executed and stored.
    miss: () => ({
      url: withCache.url,
      bodies: Array.from({ length: 20_000 }, () => toBody(JSON.parse(page).query, { turn: (turn += 1) })),
    }),
  });
  for (const name of ['hit', 'miss']) {
    const ratio = (figure) => (medianOf(results[name], figure) / medianOf(results.executed, figure)).toFixed(2);
    console.log(
      `response cache ${name} vs. no cache: ${ratio('perSecond')} times the requests/s, ${ratio('activeMs')} times the event loop time`,
    );
  }
}

/** Cache hits are the cheapest requests, so metrics weigh most there. */
async function compareMetrics() {
  const unmetered = await openUnmeteredGateways();
  const results = await measureInTurns(
    4 * rounds,
    Object.fromEntries(
      Object.entries({
        executed: { app: withoutCache, isMetered: true },
        hit: { app: withCache, isMetered: true },
        'executed without metrics': { app: unmetered.withoutCache, isMetered: false },
        'hit without metrics': { app: unmetered.withCache, isMetered: false },
      }).map(([name, { app, isMetered }]) => [name, () => ({ url: app.url, bodies: [page], seconds: 1, isMetered })]),
    ),
  );
  for (const name of ['executed', 'hit']) {
    // The minimum over the rounds: disturbances only add CPU time.
    const least = (of) => Math.min(...results[of].map(({ cpuMs }) => cpuMs));
    const ratio = least(name) / least(`${name} without metrics`);
    console.log(`metrics, ${name}: ${ratio.toFixed(3)} times the CPU time per request`);
  }
}

async function openGateway(env) {
  const app = await openApp(readConfig({ ...environment, ...env }), createLogger('silent'));
  resources.defer(() => app.close());
  return app;
}

/** Gateways that record no requests. `measure` stops the recording of operations. */
async function openUnmeteredGateways() {
  const { follow } = RequestStatistics.prototype;
  RequestStatistics.prototype.follow = () => {};
  try {
    return {
      withoutCache: await openGateway({ RESPONSE_CACHE: 'false' }),
      withCache: await openGateway({ RESPONSE_CACHE: 'true' }),
    };
  } finally {
    RequestStatistics.prototype.follow = follow;
  }
}

/** Measures the tasks alternately. The first round is a warm-up and not recorded. */
async function measureInTurns(count, tasks) {
  const results = {};
  for (let round = -1; round < count; round++) {
    for (const [name, task] of Object.entries(tasks)) {
      const figures = await measure({ token, connections, seconds, ...task() });
      if (round >= 0) (results[name] ??= []).push(figures);
    }
  }
  return results;
}

/** Requests per second, and event loop and CPU time per request of the gateway's thread. */
async function measure({ isMetered = true, ...task }) {
  OperationStatistics.prototype.begin = isMetered ? beginStatistics : () => null;
  const before = performance.eventLoopUtilization();
  const cpuBefore = process.threadCpuUsage();
  const { perSecond } = await send(task);
  const { active, idle } = performance.eventLoopUtilization(before);
  const requests = perSecond * ((active + idle) / 1000);
  const cpu = process.threadCpuUsage(cpuBefore);
  return { perSecond, activeMs: active / requests, cpuMs: (cpu.user + cpu.system) / 1000 / requests };
}

function medianOf(figures, name) {
  return median(figures.map((figure) => figure[name]));
}

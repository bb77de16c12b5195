/* One process beside two behind one port, which share PostgreSQL and Redis. */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { startRedis } from '../../test/support/redis.ts';
import { gatewayProgram, imageVariables, startProgram } from '../support/gateway-process.mjs';
import { nodeOptions } from '../support/node-options.ts';
import { assertLinux, cpuMsOf, memoryMbOf, processTree } from '../support/processes.mjs';
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
const seconds = 3;
const connections = 64;
/** Both processes are ready by then, not only the one that responded first. */
const startMs = 5_000;

const predict = 'query ($inputs: [JSONObject!]!) { predict(model: "car-price", inputs: $inputs) { output } }';
const prediction = (car) => JSON.stringify({ query: predict, variables: { inputs: [car] } });
const known = newCar();
const workloads = {
  'page of 50 employees': () => [JSON.stringify({ query: employeesQuery(50) })],
  'cached prediction': () => [prediction(known)],
  'new prediction': () => Array.from({ length: 30_000 }, () => prediction(newCar())),
};

assertLinux();
await using resources = new AsyncDisposableStack();
const dir = await temporaryFolder(resources);
const redis = await startRedis();
resources.defer(() => redis.stop());
const environment = {
  ...gatewayEnvironment(dir, await startPostgres(resources, dir)),
  ...imageVariables,
  JWT_SECRET: randomBytes(48).toString('base64url'),
  METRICS_PORT: '0',
  REDIS_URL: redis.url,
  RESPONSE_CACHE: 'false',
};
const send = startClient(resources);

const variants = {
  'one process': await start(gatewayProgram),
  'two processes': await start(['bench/support/cluster.mjs', '2', ...nodeOptions]),
};
await sleep(startMs);
const figures = {};
for (let round = -1; round < rounds; round++)
  for (const [workload, bodiesOf] of Object.entries(workloads))
    for (const name of round % 2 === 0 ? Object.keys(variants) : Object.keys(variants).toReversed()) {
      const measured = await measure(variants[name], bodiesOf());
      if (round >= 0) ((figures[workload] ??= {})[name] ??= []).push(measured);
    }
console.table(Object.fromEntries(Object.entries(figures).flatMap(([workload, by]) => rowsOf(workload, by))));
for (const [name, { pid }] of Object.entries(variants)) console.log(`${name}: ${await memoryOf(pid)}`);

async function start(program) {
  const { child, origin } = await startProgram(resources, program, environment);
  const url = `${origin}/graphql`;
  return { pid: child.pid, url, token: await signIn(url) };
}

async function measure({ pid, url, token }, bodies) {
  const before = await cpuMsOfTree(pid);
  const { perSecond, p50Ms, p99Ms } = await send({ url, token, bodies, connections, seconds });
  return { cpuMs: ((await cpuMsOfTree(pid)) - before) / (perSecond * seconds), perSecond, p50Ms, p99Ms };
}

async function cpuMsOfTree(pid) {
  const each = await Promise.all((await processTree(pid)).map(cpuMsOf));
  return each.reduce((sum, ms) => sum + ms, 0);
}

async function memoryOf(pid) {
  const each = await Promise.all((await processTree(pid)).map((one) => memoryMbOf(one, ['VmRSS'])));
  return `RSS ${each.map(([rss]) => Math.round(rss)).join(' + ')} MB`;
}

function rowsOf(workload, by) {
  return Object.entries(by).map(([name, each]) => {
    const of = (figure) => median(each.map((one) => one[figure]));
    return [
      `${workload}, ${name}`,
      {
        'CPU, ms per request': of('cpuMs').toFixed(3),
        'requests/s': Math.round(of('perSecond')),
        'p50, ms': of('p50Ms').toFixed(1),
        'p99, ms': of('p99Ms').toFixed(1),
      },
    ];
  });
}

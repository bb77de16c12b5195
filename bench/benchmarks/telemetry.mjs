/* The cost of tracing: two gateway processes, one of which exports a trace of every request. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { startGateway } from '../load/gateway.ts';
import { median, recordBest, signIn, startClient } from '../support/setup.mjs';

const rounds = 5;
const seconds = 4;
const connections = 16;

const query =
  'query EmployeesPage { employees(first: 50) { nodes { id name jobTitle department { name } manager { name } } } }';
const bodies = [JSON.stringify({ query })];

await using resources = new AsyncDisposableStack();
const collector = fork(new URL('../support/collector.mjs', import.meta.url));
resources.defer(() => collector.disconnect());
const [{ port }] = await once(collector, 'message');
const gateways = {
  'without traces': await openGateway({}),
  'with traces': await openGateway({
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
    OTEL_TRACES_SAMPLER: 'always_on',
  }),
};
const send = startClient(resources);

const pairs = [];
const table = {};
for (let round = -1; round < rounds; round++) {
  // Alternate the order, so that drift of the machine favors neither.
  const order = round % 2 === 0 ? ['without traces', 'with traces'] : ['with traces', 'without traces'];
  const figures = {};
  for (const name of order) figures[name] = await measure(gateways[name]);
  if (round < 0) continue;
  for (const name of order) {
    const { cpuMs, ...rates } = figures[name];
    recordBest(table, name, { ...rates, 'CPU, ms per request': cpuMs });
  }
  pairs.push({
    rate: figures['with traces'].perSecond / figures['without traces'].perSecond,
    cpu: figures['with traces'].cpuMs / figures['without traces'].cpuMs,
  });
}
console.table(table);
collector.send('count');
const [{ bytes }] = await once(collector, 'message');
console.log(
  `with traces: ${percent(median(pairs.map(({ rate }) => rate)))} of the requests/s, ` +
    `${percent(median(pairs.map(({ cpu }) => cpu)))} of the CPU time per request (median of ${rounds} pairs); ` +
    `${(bytes / 1e6).toFixed(1)} MB exported`,
);

async function openGateway(env) {
  const gateway = await startGateway({ ...env, RESPONSE_CACHE: 'false' });
  resources.defer(() => gateway.stop());
  return { ...gateway, token: await signIn(gateway.url) };
}

async function measure({ url, token, inspect }) {
  const before = await inspect({ kind: 'usage' });
  const figures = await send({ url, token, bodies, connections, seconds });
  const after = await inspect({ kind: 'usage' });
  return { ...figures, cpuMs: (after.cpuMs - before.cpuMs) / (figures.perSecond * seconds) };
}

function percent(share) {
  return `${(100 * share).toFixed(1)}%`;
}

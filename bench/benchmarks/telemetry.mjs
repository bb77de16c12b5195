/* The cost of tracing: two gateway processes, one of which exports a trace of every request. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { startGateway } from '../load/gateway.ts';
import { comparePairs, median, signIn, startClient } from '../support/setup.mjs';

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

const names = ['without traces', 'with traces'];
const { pairs } = await comparePairs(names, rounds, (name) => measure(gateways[name]));
const ratiosOf = (figure) => pairs.map((pair) => pair['with traces'][figure] / pair['without traces'][figure]);
collector.send('count');
const [{ bytes }] = await once(collector, 'message');
console.log(
  `with traces: ${percent(median(ratiosOf('perSecond')))} of the requests/s, ` +
    `${percent(median(ratiosOf('cpuMs')))} of the CPU time per request (median of ${rounds} pairs); ` +
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

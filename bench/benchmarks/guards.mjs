/* The cost of all guards on a page of employees: two gateway processes, one of which admits every request. */
import { startGateway } from '../load/gateway.ts';
import { employeesQuery } from '../support/queries.mjs';
import { comparePairs, median, signIn, startClient } from '../support/setup.mjs';

const rounds = 7;
const seconds = 3;
const connections = 16;

const bodies = [JSON.stringify({ query: employeesQuery(50) })];

/** Limits that are checked and never reached. */
const environment = {
  RESPONSE_CACHE: 'false',
  ALLOWED_HOSTS: '127.0.0.1',
  RATE_LIMIT_PER_VIEWER: '100000000',
  RATE_LIMIT_PER_ADDRESS: '100000000',
  MAX_CONNECTIONS_PER_ADDRESS: '10000',
};

await using resources = new AsyncDisposableStack();
const withoutGuards = new URL('../support/without-guards.mjs', import.meta.url).href;
const gateways = {
  'without guards': await openGateway({ NODE_OPTIONS: `--import ${withoutGuards}` }),
  'with guards': await openGateway({}),
};
await checkGuards();
const send = startClient(resources);

const names = ['without guards', 'with guards'];
const { table, pairs } = await comparePairs(names, rounds, (name) => measure(gateways[name]));
const ratios = pairs.map((pair) => pair['with guards'].cpuMs / pair['without guards'].cpuMs);
const [best, other] = ['with guards', 'without guards'].map((name) => table[name]['CPU, ms per request']);
console.log(
  `with guards: ${median(ratios).toFixed(3)} times the CPU time per request (median of ${rounds} pairs), ${(best / other).toFixed(3)} times by the best rounds`,
);

async function openGateway(env) {
  const gateway = await startGateway({ ...environment, ...env });
  resources.defer(() => gateway.stop());
  return { ...gateway, token: await signIn(gateway.url) };
}

/** @throws Error unless an anonymous caller is rejected by one gateway and admitted by the other */
async function checkGuards() {
  const admits = async ({ url }) => {
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(url, { method: 'POST', headers, body: bodies[0] });
    return (await response.json()).errors === undefined;
  };
  if (!(await admits(gateways['without guards'])) || (await admits(gateways['with guards'])))
    throw new Error('The gateways do not differ in their guards.');
}

async function measure({ url, token, inspect }) {
  const before = await inspect({ kind: 'usage' });
  const figures = await send({ url, token, bodies, connections, seconds });
  const after = await inspect({ kind: 'usage' });
  return { ...figures, cpuMs: (after.cpuMs - before.cpuMs) / (figures.perSecond * seconds) };
}

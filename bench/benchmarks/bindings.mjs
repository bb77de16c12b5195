/* CPU time of a page with a field that a model computes, beside what clients do without it: read the page, then call the model. */
import { Writable } from 'node:stream';
import { openApp } from '../../dist/app/open-app.js';
import { yearsSince } from '../../dist/bindings/feature-kinds.js';
import { readConfig } from '../../dist/config/config.js';
import { createLogger } from '../../dist/telemetry/logger.js';
import { gatewayEnvironment, median, signIn, startClient, startPostgres, temporaryFolder } from '../support/setup.mjs';

const rounds = 5;
const seconds = 1;
const connections = 16;

const page = (fields) => JSON.stringify({ query: `{ employees(first: 50) { nodes { id name ${fields} } } }` });
const features = 'age jobLevel hiredOn department { name }';

await using resources = new AsyncDisposableStack();
const dir = await temporaryFolder(resources);
const environment = gatewayEnvironment(dir, await startPostgres(resources, dir));
const log = createLogger('info', new Writable({ write: (_chunk, _encoding, done) => done() }));
const app = await openApp(readConfig({ ...environment, RESPONSE_CACHE: 'false' }), log);
resources.defer(() => app.close());
const token = await signIn(app.url, 'admin@example.com');
const send = startClient(resources);

const inputs = (await read(page(features))).employees.nodes.map(({ age, jobLevel, hiredOn, department }) => ({
  age,
  jobLevel,
  yearsAtCompany: yearsSince(hiredOn, new Date()),
  department: department.name,
}));
const predict = JSON.stringify({
  query: 'query ($inputs: [SalaryBenchmarkInput!]!) { predictSalaryBenchmark(inputs: $inputs) { salary } }',
  variables: { inputs },
});
/** The requests of a variant, one after the other. */
const variants = {
  'page with the field': [page('expectedSalary { value }')],
  page: [page('age')],
  'page, then call': [page(features), predict],
};
await checkEqual();

const figures = Object.fromEntries(Object.keys(variants).map((name) => [name, []]));
for (let round = -1; round < rounds; round++)
  for (const name of round % 2 === 0 ? Object.keys(variants) : Object.keys(variants).toReversed()) {
    const cpuMs = await cpuMsOf(variants[name]);
    if (round >= 0) figures[name].push(cpuMs);
  }
const [first] = Object.values(figures).map(median);
console.table(
  Object.fromEntries(
    Object.entries(figures).map(([name, each]) => [
      name,
      { 'CPU ms': median(each).toFixed(3), ratio: (median(each) / first).toFixed(2) },
    ]),
  ),
);

async function read(body) {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
  const response = await fetch(app.url, { method: 'POST', headers, body });
  const { data, errors } = await response.json();
  if (errors) throw new Error(JSON.stringify(errors));
  return data;
}

/** @throws Error unless the field and the call have equal results */
async function checkEqual() {
  const fields = (await read(variants['page with the field'][0])).employees.nodes.map(
    (node) => node.expectedSalary.value,
  );
  const calls = (await read(predict)).predictSalaryBenchmark.map(({ salary }) => salary);
  if (JSON.stringify(fields) !== JSON.stringify(calls)) throw new Error('The field and the call differ.');
}

/** CPU time of the gateway's thread for all requests of a variant. */
async function cpuMsOf(bodies) {
  let sum = 0;
  for (const body of bodies) {
    const before = process.threadCpuUsage();
    const startedAt = performance.now();
    const { perSecond } = await send({ url: app.url, token, connections, seconds, bodies: [body] });
    const { user, system } = process.threadCpuUsage(before);
    sum += (user + system) / 1000 / (perSecond * ((performance.now() - startedAt) / 1000));
  }
  return sum;
}

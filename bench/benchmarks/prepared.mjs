/* CPU time of requests whose operation is prepared, beside the same requests executed by Apollo Server. */
import { Writable } from 'node:stream';
import { openApp } from '../../dist/app/open-app.js';
import { readConfig } from '../../dist/config/config.js';
import { PreparedOperations } from '../../dist/graphql/prepared-operations/prepared-operations.js';
import { createLogger } from '../../dist/telemetry/logger.js';
import { gatewayEnvironment, median, signIn, startClient, startPostgres, temporaryFolder } from '../support/setup.mjs';

const rounds = 5;
const seconds = 1;
const connections = 16;

const page =
  '{ employees(first: 50) { nodes { id name email age jobTitle hiredOn department { name } manager { name } } } }';
const predict = 'query ($inputs: [CarPriceInput!]!) { predictCarPrice(inputs: $inputs) { sellingPrice source } }';
const operations = {
  __typename: { query: '{ __typename }' },
  me: { query: '{ me { id email } }' },
  'page of 50 employees': { query: page },
  'cached page': { query: page, isCached: true },
  'cached prediction': { query: predict, variables: { inputs: [{ company: 'Maruti', year: 2014, kmDriven: 90_000 }] } },
};

await using resources = new AsyncDisposableStack();
const dir = await temporaryFolder(resources);
const environment = gatewayEnvironment(dir, await startPostgres(resources, dir));
// The line of each operation is written, since it is part of every request.
const log = createLogger('info', new Writable({ write: (_chunk, _encoding, done) => done() }));
const open = async (cache) => {
  const app = await openApp(readConfig({ ...environment, RESPONSE_CACHE: cache }), log);
  resources.defer(() => app.close());
  return app;
};
const apps = { executing: await open('false'), caching: await open('true') };
const token = await signIn(apps.executing.url);
const send = startClient(resources);
const { find } = PreparedOperations.prototype;

const ways = { prepared: find, 'Apollo Server': () => null };
const figures = {};
for (let round = -1; round < rounds; round++) {
  for (const [name, operation] of Object.entries(operations)) {
    // Alternate the order, so that drift of the machine favors neither.
    const order = Object.keys(ways);
    for (const way of round % 2 === 0 ? order : order.toReversed()) {
      PreparedOperations.prototype.find = ways[way];
      const cpuMs = await measure(operation);
      if (round >= 0) ((figures[name] ??= {})[way] ??= []).push(cpuMs);
    }
  }
}
PreparedOperations.prototype.find = find;

console.table(
  Object.fromEntries(
    Object.entries(figures).map(([name, by]) => [
      name,
      {
        'prepared, CPU ms': median(by.prepared).toFixed(3),
        'Apollo Server, CPU ms': median(by['Apollo Server']).toFixed(3),
        ratio: (median(by.prepared) / median(by['Apollo Server'])).toFixed(2),
      },
    ]),
  ),
);

/** CPU time per request of the gateway's thread. */
async function measure({ isCached = false, query, variables }) {
  const before = process.threadCpuUsage();
  const startedAt = performance.now();
  const { perSecond } = await send({
    url: (isCached ? apps.caching : apps.executing).url,
    token,
    connections,
    seconds,
    bodies: [JSON.stringify({ query, variables })],
  });
  const cpu = process.threadCpuUsage(before);
  return (cpu.user + cpu.system) / 1000 / (perSecond * ((performance.now() - startedAt) / 1000));
}

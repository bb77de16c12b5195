/* CPU time of requests with the executor and with graphql-js, for pages of employees, also with rejected salaries. */
import { readConfig } from '../../dist/config/config.js';
import { openApp } from '../../dist/app/open-app.js';
import { OperationExecutor } from '../../dist/graphql/execution/operation-executor.js';
import { createLogger } from '../../dist/telemetry/logger.js';
import { gatewayEnvironment, median, signIn, startClient, startPostgres, temporaryFolder } from '../support/setup.mjs';

const rounds = 5;
const seconds = 1;
const connections = 16;

const nodes = (first, fields) => `{ employees(first: ${first}) { nodes { ${fields} } } }`;
const fields = 'id name email age jobTitle hiredOn department { name } manager { name }';
const operations = {
  'page of 50': nodes(50, fields),
  'page of 100': nodes(100, fields),
  'page of 50 with rejected salaries': nodes(50, `${fields} salary`),
  'page of 50 with hidden salaries': nodes(50, `${fields} salary(onForbidden: NULL)`),
  __typename: '{ __typename }',
};

await using resources = new AsyncDisposableStack();
const dir = await temporaryFolder(resources);
const environment = gatewayEnvironment(dir, await startPostgres(resources, dir));
const app = await openApp(readConfig({ ...environment, RESPONSE_CACHE: 'false' }), createLogger('silent'));
resources.defer(() => app.close());
const token = await signIn(app.url);
const send = startClient(resources);
const { compiled } = OperationExecutor.prototype;

const executors = { compiled, 'graphql-js': () => null };
const figures = {};
for (let round = -1; round < rounds; round++) {
  for (const [name, query] of Object.entries(operations)) {
    // Alternate the order, so that drift of the machine favors neither.
    const order = Object.keys(executors);
    for (const executor of round % 2 === 0 ? order : order.toReversed()) {
      OperationExecutor.prototype.compiled = executors[executor];
      const cpuMs = await measure(query);
      if (round >= 0) ((figures[name] ??= {})[executor] ??= []).push(cpuMs);
    }
  }
}
OperationExecutor.prototype.compiled = compiled;

console.table(
  Object.fromEntries(
    Object.entries(figures).map(([name, by]) => [
      name,
      {
        'compiled, CPU ms': median(by.compiled).toFixed(3),
        'graphql-js, CPU ms': median(by['graphql-js']).toFixed(3),
        ratio: (median(by.compiled) / median(by['graphql-js'])).toFixed(2),
      },
    ]),
  ),
);
const ratio = median(figures['page of 50 with rejected salaries'].compiled) / median(figures['page of 50'].compiled);
console.log(`rejected salaries vs. the page without them: ${ratio.toFixed(2)} times the CPU time`);

/** CPU time per request of the gateway's thread. */
async function measure(query) {
  const before = process.threadCpuUsage();
  const startedAt = performance.now();
  const { perSecond } = await send({
    url: app.url,
    token,
    connections,
    seconds,
    allowsErrors: true,
    bodies: [JSON.stringify({ query })],
  });
  const cpu = process.threadCpuUsage(before);
  return (cpu.user + cpu.system) / 1000 / (perSecond * ((performance.now() - startedAt) / 1000));
}

/* CPU time of requests with the executor and with graphql-js, for pages of employees, also with rejected salaries. */
import { readConfig } from '../../dist/config/config.js';
import { openApp } from '../../dist/app/open-app.js';
import { OperationExecutor } from '../../dist/graphql/execution/operation-executor.js';
import { createLogger } from '../../dist/telemetry/logger.js';
import { compareCpu } from '../support/compare-cpu.mjs';
import { employeesQuery } from '../support/queries.mjs';
import { gatewayEnvironment, signIn, startPostgres, temporaryFolder } from '../support/setup.mjs';

const queries = {
  'page of 50': employeesQuery(50),
  'page of 100': employeesQuery(100),
  'page of 50 with rejected salaries': employeesQuery(50, 'salary'),
  'page of 50 with hidden salaries': employeesQuery(50, 'salary(onForbidden: NULL)'),
  __typename: '{ __typename }',
};

await using resources = new AsyncDisposableStack();
const dir = await temporaryFolder(resources);
const environment = gatewayEnvironment(dir, await startPostgres(resources, dir));
const app = await openApp(readConfig({ ...environment, RESPONSE_CACHE: 'false' }), createLogger('silent'));
resources.defer(() => app.close());
const { compiled } = OperationExecutor.prototype;

const medians = await compareCpu(resources, {
  token: await signIn(app.url),
  allowsErrors: true,
  variants: {
    compiled: () => (OperationExecutor.prototype.compiled = compiled),
    'graphql-js': () => (OperationExecutor.prototype.compiled = () => null),
  },
  operations: Object.fromEntries(Object.entries(queries).map(([name, query]) => [name, { url: app.url, query }])),
});
const ratio = medians['page of 50 with rejected salaries'].compiled / medians['page of 50'].compiled;
console.log(`rejected salaries vs. the page without them: ${ratio.toFixed(2)} times the CPU time`);

/* CPU time of requests whose operation is prepared, beside the same requests executed by Apollo Server. */
import { Writable } from 'node:stream';
import { openApp } from '../../dist/app/open-app.js';
import { readConfig } from '../../dist/config/config.js';
import { PreparedOperations } from '../../dist/graphql/prepared-operations/prepared-operations.js';
import { createLogger } from '../../dist/telemetry/logger.js';
import { compareCpu } from '../support/compare-cpu.mjs';
import { employeesQuery } from '../support/queries.mjs';
import { gatewayEnvironment, signIn, startPostgres, temporaryFolder } from '../support/setup.mjs';

const predict = 'query ($inputs: [CarPriceInput!]!) { predictCarPrice(inputs: $inputs) { sellingPrice source } }';

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
const { url } = await open('false');
const caching = await open('true');
const { find } = PreparedOperations.prototype;

await compareCpu(resources, {
  token: await signIn(url),
  variants: {
    prepared: () => (PreparedOperations.prototype.find = find),
    'Apollo Server': () => (PreparedOperations.prototype.find = () => null),
  },
  operations: {
    __typename: { url, query: '{ __typename }' },
    me: { url, query: '{ me { id email } }' },
    'page of 50 employees': { url, query: employeesQuery(50) },
    'cached page': { url: caching.url, query: employeesQuery(50) },
    'cached prediction': {
      url,
      query: predict,
      variables: { inputs: [{ company: 'Maruti', year: 2014, kmDriven: 90_000 }] },
    },
  },
});

/* The longest turns of the event loop for calls with wide outputs and large inputs, beside graphql-js with JSON.stringify. */
import { createServer } from 'node:http';
import { once } from 'node:events';
import path from 'node:path';
import { json } from 'node:stream/consumers';
import { buildSchema, graphql } from 'graphql';
import { openApp } from '../../dist/app/open-app.js';
import { readConfig } from '../../dist/config/config.js';
import { createLogger } from '../../dist/telemetry/logger.js';
import { gatewayEnvironment, median, signIn, startClient, startPostgres, temporaryFolder } from '../support/setup.mjs';
import { writeWideModel } from '../support/wide-model.mjs';

const rounds = 2;
const calls = 4;
const rows = 1_000;
const width = 768;

await using resources = new AsyncDisposableStack();
const dir = await temporaryFolder(resources);
const models = path.join(dir, 'models');
await writeWideModel(models, width);
const environment = gatewayEnvironment(dir, await startPostgres(resources, dir));
const settings = { MODEL_STORE: models, MODEL_STORE_POLL_MS: '0' };
const app = await openApp(readConfig({ ...environment, ...settings }), createLogger('silent'));
resources.defer(() => app.close());
const token = await signIn(app.url);
const plainUrl = await startPlainServer();
const send = startClient(resources, './wide-client.mjs');

let sent = 0;
const newRows = (count) => Array.from({ length: count }, () => ({ x: (sent += 1) }));
const typed = 'query ($rows: [WideInput!]!) { predictWide(inputs: $rows) { embedding } }';
const untyped = 'query ($rows: [JSONObject!]!) { predict(model: "wide", inputs: $rows) { output } }';
const operation = (query) => () => JSON.stringify({ query, variables: { rows: newRows(rows) } });
/** Just below the default of `MAX_BODY_BYTES`, with one row that is computed. */
const largeBody = () => {
  const unused = Array.from({ length: 50_000 }, () => Math.random());
  return JSON.stringify({ query: typed, variables: { rows: newRows(1), unused } });
};
const modes = {
  'graphql-js, JSON.stringify': { url: plainUrl, body: operation('{ rows { embedding } }') },
  'HTTP, typed': { body: operation(typed) },
  'HTTP, predict': { body: operation(untyped) },
  'HTTP, gzip': { body: operation(typed), headers: { 'accept-encoding': 'gzip' } },
  'server-sent events': { body: operation(typed), headers: { accept: 'text/event-stream' } },
  WebSocket: { body: operation(typed), isWebsocket: true },
  'body of 1 MB': { body: largeBody },
};

const figures = {};
for (let round = -1; round < rounds; round++) {
  // Alternate the order, so that drift of the machine favors none.
  const names = Object.keys(modes);
  for (const name of round % 2 === 0 ? names : names.toReversed()) {
    const { url = app.url, body, ...mode } = modes[name];
    const task = { url, token, bodies: Array.from({ length: calls }, body), ...mode };
    const measured = await withTurns(() => send(task));
    if (round >= 0) (figures[name] ??= []).push(measured);
  }
}

console.log(
  `CPU time of turns of the event loop, ${rounds} rounds of ${calls} calls of ${rows} rows of ${width} numbers, one after the other.`,
);
console.table(
  Object.fromEntries(
    Object.entries(figures).map(([name, measured]) => {
      const of = (figure) => measured.map((one) => one[figure]);
      return [
        name,
        {
          'result, MB': (of('bytes')[0] / 1e6).toFixed(2),
          'longest, CPU ms': Math.min(...of('maxMs')).toFixed(1),
          'longest of all rounds': Math.max(...of('maxMs')).toFixed(1),
          'p99, CPU ms': median(of('p99Ms')).toFixed(1),
        },
      ];
    }),
  ),
);

/** The CPU time of this thread, which has the servers, between the ticks of a timer: on a shared machine, other processes do not count. */
async function withTurns(work) {
  const turns = [];
  let last = process.threadCpuUsage();
  const timer = setInterval(() => {
    const { user, system } = process.threadCpuUsage(last);
    turns.push((user + system) / 1000);
    last = process.threadCpuUsage();
  }, 1);
  const { bytes } = await work();
  clearInterval(timer);
  turns.sort((one, other) => one - other);
  return { bytes, maxMs: turns.at(-1), p99Ms: turns[Math.floor(turns.length * 0.99)] };
}

/** A server that returns as many numbers without computing, checking or recording anything. */
async function startPlainServer() {
  const schema = buildSchema('type Row { embedding: [Float!]! } type Query { rows: [Row!]! }');
  const rootValue = {
    rows: Array.from({ length: rows }, () => ({ embedding: Array.from({ length: width }, Math.random) })),
  };
  const server = createServer(async (request, response) => {
    const { query } = await json(request);
    const body = JSON.stringify(await graphql({ schema, source: query, rootValue }));
    response.setHeader('content-type', 'application/json').end(body);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  resources.defer(() => server.close().closeAllConnections());
  return `http://127.0.0.1:${server.address().port}/graphql`;
}

/* CPU time and size of encodings on real responses, and what compression adds to a request with and without the response cache. */
import { brotliCompressSync, constants, gzipSync, zstdCompressSync } from 'node:zlib';
import { getIntrospectionQuery } from 'graphql';
import { openApp } from '../../dist/app/open-app.js';
import { readConfig } from '../../dist/config/config.js';
import { createLogger } from '../../dist/telemetry/logger.js';
import { employeesQuery } from '../support/queries.mjs';
import { gatewayEnvironment, median, signIn, startClient, startPostgres, temporaryFolder } from '../support/setup.mjs';

const rounds = 5;
const seconds = 1;
const connections = 16;
const bytesPerMeasurement = 8_000_000;

const brotli = (quality) => (text) =>
  brotliCompressSync(text, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: quality,
      [constants.BROTLI_PARAM_MODE]: constants.BROTLI_MODE_TEXT,
    },
  });
const gzip = (level) => (text) => gzipSync(text, { level });
const zstd = (level) => (text) => zstdCompressSync(text, { params: { [constants.ZSTD_c_compressionLevel]: level } });
const encoders = {
  'br 1': brotli(1),
  'br 2': brotli(2),
  'br 4': brotli(4),
  'br 5': brotli(5),
  'br 9': brotli(9),
  'gzip 1': gzip(1),
  'gzip 2': gzip(2),
  'gzip 4': gzip(4),
  'gzip 6': gzip(6),
  'zstd 1': zstd(1),
  'zstd 3': zstd(3),
};

const page = employeesQuery(50);
const predictions =
  'query ($inputs: [JSONObject!]!) { predict(model: "car-price", inputs: $inputs) { id output source } }';
const companies = ['Maruti', 'Hyundai', 'Ford', 'Honda', 'Tata', 'Toyota', 'Mahindra'];
const cars = Array.from({ length: 1000 }, (_, index) => ({
  company: companies[index % companies.length],
  year: 2000 + (index % 20),
  km_driven: 1000 + ((index * 7919) % 200_000),
}));

await using resources = new AsyncDisposableStack();
const dir = await temporaryFolder(resources);
const environment = gatewayEnvironment(dir, await startPostgres(resources, dir));
const withoutCache = await openGateway({ RESPONSE_CACHE: 'false' });
const withCache = await openGateway({ RESPONSE_CACHE: 'true' });
const token = await signIn(withoutCache.url);
const send = startClient(resources);

compareEncoders({
  '10 employees': await responseOf(employeesQuery(10)),
  '50 employees': await responseOf(page),
  '1,000 predictions': await responseOf(predictions, { inputs: cars }),
  introspection: await responseOf(getIntrospectionQuery()),
});
await compareRequests();

function compareEncoders(texts) {
  for (const [name, text] of Object.entries(texts)) {
    const rows = Object.entries(encoders).map(([encoder, encode]) => {
      const bytes = encode(text).length;
      const figures = {
        'CPU, µs': Math.round(cpuOf(encode, text)),
        bytes,
        '%': Math.round((100 * bytes) / text.length),
      };
      return [encoder, figures];
    });
    console.log(`${name}: ${text.length} bytes`);
    console.table(Object.fromEntries(rows));
  }
}

/** The best of three: disturbances only add CPU time. */
function cpuOf(encode, text) {
  const times = Math.max(5, Math.round(bytesPerMeasurement / text.length));
  const round = () => {
    const start = process.threadCpuUsage();
    for (let turn = 0; turn < times; turn++) encode(text);
    const { user, system } = process.threadCpuUsage(start);
    return (user + system) / times;
  };
  return Math.min(round(), round(), round());
}

/** The CPU time per request of the gateway's thread, in alternating rounds. */
async function compareRequests() {
  const variants = Object.fromEntries(
    Object.entries({ computed: withoutCache, cached: withCache }).flatMap(([kind, { url }]) =>
      ['identity', 'gzip', 'br'].map((encoding) => [`${kind}, ${encoding}`, { url, encoding }]),
    ),
  );
  const results = {};
  for (let round = -1; round < rounds; round++) {
    for (const [name, { url, encoding }] of Object.entries(variants)) {
      const before = process.threadCpuUsage();
      const start = performance.now();
      const bodies = [JSON.stringify({ query: page })];
      const { perSecond } = await send({ url, token, bodies, connections, seconds, encoding });
      const requests = (perSecond * (performance.now() - start)) / 1000;
      const { user, system } = process.threadCpuUsage(before);
      if (round >= 0) (results[name] ??= []).push((user + system) / 1000 / requests);
    }
  }
  console.log('50 employees over HTTP');
  console.table(
    Object.fromEntries(
      Object.entries(results).map(([name, figures]) => [name, { 'CPU, ms per request': median(figures).toFixed(3) }]),
    ),
  );
}

async function openGateway(env) {
  const app = await openApp(readConfig({ ...environment, INTROSPECTION: 'true', ...env }), createLogger('silent'));
  resources.defer(() => app.close());
  return app;
}

/** @throws Error if the response has an error */
async function responseOf(query, variables = {}) {
  const response = await fetch(withoutCache.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query, variables }),
  });
  const text = await response.text();
  if (!response.ok || text.includes('"errors"')) throw new Error(text.slice(0, 500));
  return text;
}

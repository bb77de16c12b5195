import { fork, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { startEmbeddedPostgres } from '../dist/database/embedded-postgres.js';

// What traces cost: the employees page of a gateway that traces every request to a collector, against one that does not.

const rounds = 5;
const seconds = 4;
const connections = 16;
/** Of a clock tick, by which Linux counts a process's time. */
const tickMs = 10;

const dir = await mkdtemp(path.join(tmpdir(), 'auspex-bench-'));
const postgres = await startEmbeddedPostgres({ dir, durable: false });
const collector = fork(new URL('./collector.mjs', import.meta.url));
const [{ port }] = await once(collector, 'message');
// As in production, with a line in the log for each operation; every request is answered anew.
const secrets = { DATABASE_URL: postgres.url, JWT_SECRET: randomBytes(48).toString('base64url') };
const open = { RATE_LIMIT_PER_VIEWER: '0', RATE_LIMIT_PER_ADDRESS: '0', RESPONSE_CACHE: 'false' };
const environment = { NODE_ENV: 'production', HOST: '127.0.0.1', PORT: '0', DATA_DIR: dir, DEMO_DATA: 'true', SHUTDOWN_DELAY_SECONDS: '0', ...secrets, ...open };
const off = await start(environment);
const on = await start({ ...environment, OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`, OTEL_TRACES_SAMPLER: 'always_on' });
const token = await signIn(off.url);
const client = new Worker(new URL('./load.mjs', import.meta.url));

const query = 'query EmployeesPage { employees(first: 50) { nodes { id name jobTitle department { name } manager { name } } } }';
const body = JSON.stringify({ query });

const pairs = [];
const table = { 'without traces': row(), 'with traces': row() };
for (let round = -1; round < rounds; round++) {
  // Who goes first alternates: a machine that grows warm or busy favours neither.
  const order = round % 2 === 0 ? ['without traces', 'with traces'] : ['with traces', 'without traces'];
  const measured = {};
  for (const name of order) measured[name] = await measure(name === 'with traces' ? on : off);
  if (round < 0) continue;
  for (const name of order) note(table[name], measured[name]);
  pairs.push({ rate: measured['with traces'].perSecond / measured['without traces'].perSecond, cpu: measured['without traces'].cpuMs / measured['with traces'].cpuMs });
}
console.table(table);
collector.send('count');
const [{ bytes }] = await once(collector, 'message');
console.log(`With traces: ${percent(median(pairs.map(({ rate }) => rate)))} of the requests per second (the median of ${rounds} pairs), ${percent(median(pairs.map(({ cpu }) => cpu)))} by the processor's time of each. The collector got ${(bytes / 1e6).toFixed(1)} MB.`);

await client.terminate();
for (const { stop } of [off, on]) await stop();
collector.disconnect();
await postgres.stop();
await rm(dir, { recursive: true, force: true });

function row() {
  return { 'requests/s': 0, 'p50, ms': Infinity, 'p99, ms': Infinity, 'processor, ms a request': Infinity };
}

/** The best round of each figure counts: what disturbs a shared machine only ever makes it worse. */
function note(best, { perSecond, p50Ms, p99Ms, cpuMs }) {
  best['requests/s'] = Math.max(best['requests/s'], Math.round(perSecond));
  best['p50, ms'] = Math.min(best['p50, ms'], Number(p50Ms.toFixed(1)));
  best['p99, ms'] = Math.min(best['p99, ms'], Number(p99Ms.toFixed(1)));
  best['processor, ms a request'] = Math.min(best['processor, ms a request'], Number(cpuMs.toFixed(3)));
}

async function measure({ url, cpuTimeMs }) {
  const before = await cpuTimeMs();
  client.postMessage({ url, token, bodies: [body], connections, seconds });
  const [measured] = await once(client, 'message');
  if (measured.error) throw new Error(measured.error);
  return { ...measured, cpuMs: ((await cpuTimeMs()) - before) / (measured.perSecond * seconds) };
}

/** A gateway in a process of its own, as operators run it. */
async function start(more) {
  const gateway = spawn(process.execPath, ['--max-semi-space-size=64', 'dist/main.js'], { env: { PATH: process.env.PATH, ...more }, stdio: ['ignore', 'pipe', 'inherit'] });
  const url = await new Promise((resolve, reject) => {
    let printed = '';
    gateway.once('exit', () => reject(new Error(`The gateway did not start: ${printed}`)));
    // Read on to the end: a log that nobody reads holds its writer up.
    gateway.stdout.on('data', (part) => {
      if (printed.length < 10_000) printed += part;
      const [line] = /\{.*"msg":"ready"\}/.exec(printed) ?? [];
      if (line) resolve(JSON.parse(line).url);
    });
  });
  return {
    url,
    async cpuTimeMs() {
      // After the name in brackets, which may hold spaces: state is field 3, user and system time are 14 and 15.
      const fields = (await readFile(`/proc/${gateway.pid}/stat`, 'utf8')).split(') ')[1].split(' ');
      return (Number(fields[11]) + Number(fields[12])) * tickMs;
    },
    async stop() {
      gateway.kill();
      await once(gateway, 'exit');
    },
  };
}

async function signIn(url) {
  const query = 'mutation { login(input: { email: "user@example.com", password: "auspex-demo-2026" }) { accessToken } }';
  const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ query }) });
  return (await response.json()).data.login.accessToken;
}

function median(values) {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)];
}

function percent(share) {
  return `${(100 * share).toFixed(1)} %`;
}

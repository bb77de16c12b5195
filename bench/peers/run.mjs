/* `npm run bench:peers`: the gateway beside other servers on the same data, one core for the server and another for everything else. */
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { Agent } from 'node:http';
import { cpus } from 'node:os';
import path from 'node:path';
import { startRedis } from '../../test/support/redis.ts';
import { failUsage, parseCli } from '../../src/scripts/lib/cli.ts';
import { median, signIn, startPostgres, temporaryFolder } from '../support/setup.mjs';
import { send, sendRequests } from './client.mjs';
import { projectDir, servers } from './servers.mjs';
import { workloads } from './workloads.mjs';

const usage = `Usage: npm run bench:peers -- [options]

Measures the gateway and other servers in alternating rounds: CPU time per request, requests per second, latencies and memory.

Options:
  --servers <names>     by comma: ${Object.keys(servers).join(', ')} (default: all that are installed)
  --workloads <names>   by comma: ${Object.keys(workloads).join(', ')} (default: all)
  --rounds <n>          default: 3
  --share <factor>      of the requests of a round, such as 0.1 for a trial (default: 1)
  --help                this text

Workloads:
${Object.entries(workloads)
  .map(([name, { description }]) => `  ${name}  ${description}`)
  .join('\n')}
`;

const names = (value, known, what) => {
  const given = value === undefined ? Object.keys(known) : value.split(',');
  const unknown = given.filter((name) => !Object.hasOwn(known, name));
  if (unknown.length > 0) failUsage(usage, `Unknown ${what}: ${unknown.join(', ')}.`);
  return given;
};

const { values } = parseCli(usage, {
  options: {
    servers: { type: 'string' },
    workloads: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    share: { type: 'string', default: '1' },
  },
  maxPositionals: 0,
});
const chosenServers = names(values.servers, servers, 'server');
const chosenWorkloads = names(values.workloads, workloads, 'workload');
const rounds = positive(values.rounds, 'rounds');
const share = positive(values.share, 'share');

const ticksPerSecond = 100;
const serverCore = '0';
const isPinned = process.platform === 'linux' && cpus().length > 1;
if (process.platform !== 'linux') failUsage(usage, 'The benchmark reads /proc, which only Linux has.');
// The client and what it starts, such as the database, leave the first core to the server.
if (isPinned)
  execFileSync('taskset', ['-a', '-p', '-c', `1-${cpus().length - 1}`, String(process.pid)], { stdio: 'ignore' });

await using resources = new AsyncDisposableStack();
const dir = await temporaryFolder(resources);
const databaseUrl = await startPostgres(resources, dir);
const redis = await startRedis();
resources.defer(() => redis.stop());
const environment = {
  PATH: process.env.PATH,
  DATABASE_URL: databaseUrl,
  REDIS_URL: redis.url,
  MODEL_FILE: path.join(projectDir, 'model-store', 'car-price', '1', 'model.onnx'),
};
const gatewayVariables = {
  NODE_ENV: 'production',
  HOST: '127.0.0.1',
  PORT: '0',
  DATA_DIR: dir,
  DEMO_DATA: 'true',
  MODEL_STORE: path.join(projectDir, 'model-store'),
  JWT_SECRET: randomBytes(48).toString('base64url'),
  RESPONSE_CACHE: 'false',
  // In force, and never reached.
  RATE_LIMIT_PER_VIEWER: '100000000',
  RATE_LIMIT_PER_ADDRESS: '100000000',
  RATE_LIMIT_PREDICTION_ROWS: '1000000000',
  METRICS_PORT: '0',
};

const running = [];
for (const name of chosenServers) {
  const missing = servers[name].missing();
  if (missing === null) running.push(await start(name));
  else console.log(`${name} is skipped; to install it: ${missing}`);
}
let sent = 0;
const figures = {};
for (const workload of chosenWorkloads) {
  const measured = running.filter(({ name }) => servers[name].workloads.includes(workload));
  await compareResponses(workload, measured);
  for (let round = -1; round < rounds; round++) {
    // Alternate the order, so that drift of the machine favors none.
    for (const server of round % 2 === 0 ? measured : measured.toReversed()) {
      const figure = await measure(workload, server);
      if (round >= 0) ((figures[workload] ??= {})[server.name] ??= []).push(figure);
    }
  }
  print(workload);
}

/** Starts a server on its core. @returns it with its URL */
async function start(name) {
  const { command, variables } = servers[name];
  const env = { ...environment, ...variables, ...(name === 'auspex' ? gatewayVariables : {}) };
  const [program, ...args] = isPinned ? ['taskset', '-c', serverCore, ...command] : command;
  const child = spawn(program, args, { cwd: projectDir, env, stdio: ['ignore', 'pipe', 'pipe'] });
  resources.defer(async () => {
    if (child.exitCode !== null) return;
    child.kill('SIGTERM');
    await once(child, 'exit');
  });
  let output = '';
  const url = await new Promise((resolve, reject) => {
    const read = (chunk) => {
      output = `${output}${chunk}`.slice(-20_000);
      const found = /http:\/\/(?:127\.0\.0\.1|localhost):(\d+)/.exec(output)?.[1];
      if (found !== undefined && (name !== 'auspex' || output.includes('/graphql')))
        resolve(`http://127.0.0.1:${found}`);
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.once('exit', (code) => reject(new Error(`${name} exited with ${code}: ${output}`)));
  });
  const token = name === 'auspex' ? await signIn(`${url}/graphql`) : null;
  return { name, pid: child.pid, url, headers: token === null ? {} : { authorization: `Bearer ${token}` } };
}

/** The n-th request of a workload for a server. */
function requestFor(workload, { name, url, headers }, n) {
  const { kind } = servers[name];
  const { path: route = '/graphql', ...request } = workloads[workload].requestOf[kind](n);
  return { url: `${url}${route}`, headers, ...request };
}

/** @throws Error if a server does not respond like the first one */
async function compareResponses(workload, measured) {
  const { resultOf, isEqual } = workloads[workload];
  const agent = new Agent();
  const n = (sent += 1);
  const results = [];
  for (const server of measured)
    results.push(resultOf[servers[server.name].kind](await send(agent, requestFor(workload, server, n))));
  agent.destroy();
  for (const [index, result] of results.entries())
    if (!isEqual(results[0], result))
      throw new Error(
        `${measured[index].name} responds to ${workload} unlike ${measured[0].name}: ${JSON.stringify(result).slice(0, 300)}, not ${JSON.stringify(results[0]).slice(0, 300)}`,
      );
}

async function measure(workload, server) {
  const { count, connections, rows = 1 } = workloads[workload];
  const requests = Math.max(connections, Math.round(count * share));
  const first = sent;
  sent += requests;
  const before = await cpuSecondsOf(server.pid);
  const { seconds, latencies } = await sendRequests({
    count: requests,
    connections,
    requestOf: (n) => requestFor(workload, server, first + n),
  });
  const cpuMs = ((await cpuSecondsOf(server.pid)) - before) * 1000;
  const quantile = (part) => latencies[Math.min(latencies.length - 1, Math.floor(part * latencies.length))];
  return {
    cpuMs: cpuMs / requests,
    rowUs: (cpuMs * 1000) / (requests * rows),
    perSecond: requests / seconds,
    p50Ms: quantile(0.5),
    p99Ms: quantile(0.99),
    rssMb: await residentMbOf(server.pid),
  };
}

/** CPU time of all threads of a process. */
async function cpuSecondsOf(pid) {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8');
  const [, , , , , , , , , , , user, system] = text.slice(text.lastIndexOf(')')).split(' ');
  return (Number(user) + Number(system)) / ticksPerSecond;
}

async function residentMbOf(pid) {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)[1]) / 1024;
}

function print(workload) {
  const of = (name, figure) => median(figures[workload][name].map((round) => round[figure]));
  const { description, rows } = workloads[workload];
  const [reference] = Object.keys(figures[workload]);
  const header = [
    'server',
    'CPU ms/request',
    ...(rows ? ['CPU µs/row'] : []),
    'ratio',
    'requests/s',
    'p50 ms',
    'p99 ms',
    'RSS MB',
  ];
  const lines = Object.keys(figures[workload]).map((name) => [
    servers[name].title,
    of(name, 'cpuMs').toFixed(3),
    ...(rows ? [of(name, 'rowUs').toFixed(1)] : []),
    (of(name, 'cpuMs') / of(reference, 'cpuMs')).toFixed(2),
    Math.round(of(name, 'perSecond')),
    of(name, 'p50Ms').toFixed(1),
    of(name, 'p99Ms').toFixed(1),
    Math.round(of(name, 'rssMb')),
  ]);
  const row = (cells) => `| ${cells.join(' | ')} |`;
  console.log(
    `\n**${workload}: ${description}**\n\n${[row(header), row(header.map(() => '---')), ...lines.map(row)].join('\n')}`,
  );
}

function positive(text, name) {
  const number = Number(text);
  if (!(number > 0)) failUsage(usage, `--${name} must be a positive number.`);
  return number;
}

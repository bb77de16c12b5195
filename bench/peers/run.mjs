/* `npm run bench:peers`: the gateway beside other servers on the same data, one core for the server and another for everything else. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import path from 'node:path';
import { createClient } from '@redis/client';
import { build } from 'esbuild';
import { startRedis } from '../../test/support/redis.ts';
import { failUsage, parseCli } from '../../src/scripts/lib/cli.ts';
import { assertLinux } from '../support/processes.mjs';
import { temporaryFolder } from '../support/setup.mjs';
import { Measurement } from './measurement.mjs';
import { medians, startTable, workloadTable } from './report.mjs';
import { gatewayCommand, projectDir, servers, tutorialFile } from './servers.mjs';
import { loadShop, projectOfShop } from './shop.mjs';
import { startServer } from './start.mjs';
import { startCountingPostgres } from './statement-counter.mjs';
import { employeeDocument, employeeHash, workloads } from './workloads.mjs';

const usage = `Usage: npm run bench:peers -- [options]

Measures the gateway and other servers in alternating rounds: CPU time per request, requests per second, latencies, memory and start.

Options:
  --servers <names>     by comma (default: all that are installed)
  --workloads <names>   by comma (default: all)
  --rounds <n>          default: 3
  --share <factor>      of the requests of a round, such as 0.1 for a trial (default: 1)
  --json <file>         writes the figures of each round
  --help                this text

Servers:
${Object.entries(servers)
  .map(([name, { title }]) => `  ${name.padEnd(20)}  ${title}`)
  .join('\n')}

Workloads:
${Object.entries(workloads)
  .map(([name, { description }]) => `  ${name.padEnd(12)}  ${description}`)
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
    json: { type: 'string' },
  },
  maxPositionals: 0,
});
const chosenServers = names(values.servers, servers, 'server');
const chosenWorkloads = names(values.workloads, workloads, 'workload');
const rounds = positive(values.rounds, 'rounds');
const share = positive(values.share, 'share');

/** Before each round, until engines of JavaScript have compiled what is hot, which they also drop while others are measured. */
const warmUpMs = 8_000 * share;

assertLinux();
/** Of each server, so that all that run at once stay below PostgreSQL's limit of 100 connections. */
const poolSize = '8';
const core = cpus().length > 1 ? '0' : null;
// The client and what it starts, such as the database, leave the first core to the server.
if (core !== null)
  execFileSync('taskset', ['-a', '-p', '-c', `1-${cpus().length - 1}`, String(process.pid)], { stdio: 'ignore' });

await using resources = new AsyncDisposableStack();
const dir = await temporaryFolder(resources);
const database = await startCountingPostgres(resources, dir);
const redisServer = await startRedis();
resources.defer(() => redisServer.stop());
const redis = await createClient({ url: redisServer.url }).connect();
resources.defer(() => redis.close());
const environment = {
  PATH: process.env.PATH,
  DATABASE_URL: database.url,
  REDIS_URL: redisServer.url,
  MODEL_FILE: path.join(projectDir, 'model-store', 'car-price', '1', 'model.onnx'),
  WORK_DIR: dir,
  POOL_SIZE: poolSize,
};
const documents = path.join(dir, 'documents');
await mkdir(path.join(documents, 'bench'), { recursive: true });
await writeFile(
  path.join(documents, 'bench', '1.json'),
  JSON.stringify({ [`sha256:${employeeHash}`]: employeeDocument }),
);
const gatewayVariables = {
  NODE_ENV: 'production',
  HOST: '127.0.0.1',
  PORT: '0',
  DATA_DIR: dir,
  DEMO_DATA: 'true',
  MODEL_STORE: path.join(projectDir, 'model-store'),
  JWT_SECRET: randomBytes(48).toString('base64url'),
  TRUSTED_DOCUMENTS_DIR: documents,
  TRUSTED_DOCUMENTS: 'report',
  // In force, and never reached.
  RATE_LIMIT_PER_VIEWER: '100000000',
  RATE_LIMIT_PER_ADDRESS: '100000000',
  RATE_LIMIT_PREDICTION_ROWS: '1000000000',
  METRICS_PORT: '0',
  DATABASE_POOL_SIZE: poolSize,
};
// The servers written in TypeScript.
await build({
  entryPoints: [path.join(import.meta.dirname, 'servers', 'tutorial.ts')],
  outfile: tutorialFile,
  format: 'cjs',
  tsconfigRaw: { compilerOptions: { experimentalDecorators: true, useDefineForClassFields: false } },
  logLevel: 'error',
});

// The first start migrates the database and loads the demo data.
await (await start('auspex')).stop();
if (chosenWorkloads.some((name) => servers['auspex-tables'].workloads.includes(name))) {
  await loadShop(database.url);
  servers['auspex-tables'].command = gatewayCommand(projectOfShop(resources, database.url));
}
const measurement = new Measurement({ redis, database, share });
const starts = {};
const figures = {};
for (const workload of chosenWorkloads) {
  const chosen = chosenServers.filter((name) => servers[name].workloads.includes(workload));
  if (chosen.length === 0) continue;
  const failures = new Map();
  const attempt = async (name, step) => {
    if (failures.has(name)) return;
    try {
      await step();
    } catch (error) {
      console.error(`${workload}, ${name}: ${error.stack}`);
      failures.set(name, 'failed');
    }
  };
  // Only the servers of a workload run, so that others take no part of the core.
  const running = [];
  for (const name of chosen) {
    const missing = servers[name].missing();
    if (missing !== null) failures.set(name, `skipped; to install it: ${missing}`);
    await attempt(name, async () => {
      const server = await start(name);
      running.push(server);
      (starts[servers[name].title] ??= []).push(server.start);
    });
  }
  figures[workload] = await measure(workload, running, attempt);
  await Promise.all(running.map((server) => server.stop()));
  const results = Object.fromEntries(
    chosen.map((name) => [
      servers[name].title,
      failures.has(name) ? { failure: failures.get(name) } : medians(figures[workload][name]),
    ]),
  );
  console.log(
    `\n**${workload}: ${workloads[workload].description}**\n\n${workloadTable(workloads[workload], results)}`,
  );
}
console.log(
  `\n**Start**\n\n${startTable(Object.fromEntries(Object.entries(starts).map(([title, each]) => [title, medians(each)])))}`,
);
if (values.json) await writeFile(values.json, `${JSON.stringify({ starts, figures }, null, 2)}\n`);

/** Measures the servers in alternating rounds, each after some time to warm up. @returns the figures of each round by server */
async function measure(workload, running, attempt) {
  const results = Object.fromEntries(running.map(({ name }) => [name, []]));
  await measurement.compareResponses(workload, running, attempt);
  for (let round = 0; round < rounds; round++)
    // Alternate the order, so that drift of the machine favors none.
    for (const server of round % 2 === 0 ? running : running.toReversed())
      await attempt(server.name, async () => {
        const startMs = performance.now();
        do await measurement.measure(workload, server);
        while (performance.now() - startMs < warmUpMs);
        results[server.name].push(await measurement.measure(workload, server));
      });
  if (workloads[workload].countsStatements)
    for (const server of running)
      await attempt(server.name, async () => {
        results[server.name].at(-1).statements = await measurement.countStatements(workload, server);
      });
  if (workloads[workload].loadShare)
    for (const server of running)
      await attempt(server.name, async () => {
        const { perSecond } = medians(results[server.name]);
        results[server.name].at(-1).p99MsAtLoad = await measurement.measureAtLoad(workload, server, perSecond);
      });
  return results;
}

async function start(name) {
  const { isGateway, prepare, variables } = servers[name];
  const env = { ...environment, ...(isGateway ? gatewayVariables : {}), ...variables };
  if (prepare) execFileSync(prepare[0], prepare.slice(1), { env, stdio: ['ignore', 'ignore', 'inherit'] });
  return startServer(resources, name, servers[name], env, core);
}

function positive(text, name) {
  const number = Number(text);
  if (!(number > 0)) failUsage(usage, `--${name} must be a positive number.`);
  return number;
}

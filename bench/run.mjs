/* `npm run bench`: runs all benchmarks, or the named ones, each as a child process. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { failUsage, parseCli } from '../src/scripts/lib/cli.ts';
import { nodeOptions } from './support/node-options.ts';

const benchmarks = {
  operations: 'requests per second by operation; gain of the prediction and response caches; cost of metrics',
  executor: 'CPU time of pages with the executor and with graphql-js; cost of rejected fields',
  lists: 'writing a list object by object beside field by field',
  prepared: 'CPU time of operations that are prepared, beside Apollo Server',
  bindings: 'a page with a field that a model computes, beside a page and a call of the model',
  inference: 'prediction path without HTTP: batching, overhead over ONNX Runtime, cached rows',
  serving: 'predictions over HTTP: batching, and the effect of large requests and hot reloads on small requests',
  compression:
    'CPU time and size of encodings on real responses; cost of compression with and without the response cache',
  database: 'keyset pagination and search with 200,000 employees (EMPLOYEES=<n> for another number)',
  scale: 'pages and searches with 1,000 and 100,000 employees (EMPLOYEES=1000,1000000 for other numbers)',
  models: 'single predictions spread over 1, 8 and 32 models',
  processes: 'one process beside two behind one port, with Redis',
  history: 'the history of predictions: parallel writers, and the cost of the journal',
  telemetry: 'cost of tracing every request',
  revocation: 'time until a second replica rejects the tokens of a deactivated user',
  memory:
    'resident memory at rest, with 20 models more and after a load, and the start, beside Fastify with ONNX Runtime',
  lag: 'longest turns of the event loop for wide outputs and large bodies, beside graphql-js with JSON.stringify',
  guards: 'cost of all authorization rules and limits on a page of employees',
};

const usage = `Usage: npm run bench -- [benchmark ...]

Runs the named benchmarks, by default all:

${Object.entries(benchmarks)
  .map(([name, description]) => `  ${name.padEnd(12)}${description}`)
  .join('\n')}
`;

process.exitCode = await main();

async function main() {
  const { positionals } = parseCli(usage, { options: {}, maxPositionals: Infinity });
  const unknown = positionals.filter((name) => !Object.hasOwn(benchmarks, name));
  if (unknown.length > 0) failUsage(usage, `Unknown benchmark: ${unknown.join(', ')}.`);
  const failed = [];
  for (const name of positionals.length > 0 ? positionals : Object.keys(benchmarks)) {
    process.stdout.write(`\n# ${name}: ${benchmarks[name]}\n`);
    const startedAt = performance.now();
    const exitCode = await run(name);
    if (exitCode !== 0) failed.push(name);
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    process.stdout.write(`${name}: ${exitCode === 0 ? 'done' : `failed (${exitCode})`} in ${seconds} s\n`);
  }
  if (failed.length > 0) process.stderr.write(`\nFailed: ${failed.join(', ')}\n`);
  return failed.length > 0 ? 1 : 0;
}

/** @returns the exit code, or the signal that ended the benchmark */
async function run(name) {
  const child = spawn(process.execPath, [...nodeOptions, path.join(import.meta.dirname, 'benchmarks', `${name}.mjs`)], {
    cwd: path.join(import.meta.dirname, '..'),
    env: { ...process.env, NODE_ENV: 'production' },
    stdio: 'inherit',
  });
  const [exitCode, signal] = await once(child, 'exit');
  return exitCode ?? signal;
}

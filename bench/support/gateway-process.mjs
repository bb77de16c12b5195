/* Gateways in separate processes, as the image runs them. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { nodeOptions } from './node-options.ts';
import { cpuMsOf } from './processes.mjs';

const pollMs = 5;

/** The image's settings of the C library. */
export const imageVariables = { MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '131072' };

/** Arguments of Node.js that start a gateway. */
export const gatewayProgram = [...nodeOptions, path.join('dist', 'bundle', 'main.js')];

/**
 * Starts a program, which the stack ends.
 * @param core the only core it may use; null for all
 * @returns it once `/readyz` is ready, and what the start took
 */
export async function startProgram(resources, args, variables, { core = null } = {}) {
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const startedAt = performance.now();
  const pinned = core === null ? [] : ['taskset', '--cpu-list', String(core)];
  const [program, ...programArgs] = [...pinned, process.execPath, ...args];
  const child = spawn(program, programArgs, {
    env: { PATH: process.env.PATH, NODE_ENV: 'production', ...variables, PORT: String(port) },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const started = { child, origin };
  resources.defer(() => stopProgram(started));
  while (!(await isReadyAt(origin))) {
    if (child.exitCode !== null) throw new Error(`The program ended with exit code ${child.exitCode}.`);
    await sleep(pollMs);
  }
  const readyMs = performance.now() - startedAt;
  return { ...started, figures: { 'ready, ms': readyMs, 'CPU until ready, ms': await cpuMsOf(child.pid) } };
}

export async function stopProgram({ child }) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill();
  await ended;
}

/** The model repository with copies of car-price: `car-price-1` and so on. @returns its folder, in `dir` */
export async function copiesOfModel(dir, copies) {
  const store = await mkdtemp(path.join(dir, 'models-'));
  await cp('model-store', store, { recursive: true });
  for (let copy = 1; copy <= copies; copy++) {
    const folder = path.join(store, `car-price-${copy}`);
    await cp('model-store/car-price', folder, { recursive: true });
    const manifest = path.join(folder, 'model.yaml');
    await writeFile(manifest, (await readFile(manifest, 'utf8')).replace(/^title:.*/, `title: Car ${copy}`));
  }
  return store;
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

async function isReadyAt(origin) {
  return fetch(`${origin}/readyz`).then(
    ({ ok }) => ok,
    () => false,
  );
}

/* Starts servers on their core, and waits until they respond. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { signIn } from '../support/setup.mjs';
import { cpuMsOf, cpuMsOfEnded, memoryMbOf, processTree } from '../support/processes.mjs';
import { projectDir } from './servers.mjs';

const startLimitMs = 60_000;

/**
 * Starts a server, on one core if given.
 * @returns it with its URL, its credential, and what the start took
 * @throws Error with the end of its output if it exits or does not respond in time
 */
export async function startServer(resources, name, { command, isGateway, ready, headers = {} }, env, core) {
  const [program, ...args] = core === null ? command : ['taskset', '-c', core, ...command];
  const startedAt = performance.now();
  const child = spawn(program, args, { cwd: projectDir, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = once(child, 'exit');
  const stop = async () => {
    child.kill('SIGTERM');
    // Some servers wait for what never comes.
    const isOver = await Promise.race([exited.then(() => true), sleep(10_000, false, { ref: false })]);
    if (!isOver) child.kill('SIGKILL');
    await exited;
  };
  resources.defer(stop);
  const url = await urlOf(child, name, isGateway ? /"msg":"ready"/ : /./);
  if (ready !== undefined) await untilReady(url + ready, startedAt + startLimitMs);
  const startMs = performance.now() - startedAt;
  const credential = isGateway ? { authorization: `Bearer ${await signIn(`${url}/graphql`)}` } : headers;
  const server = { name, pid: child.pid, url, headers: credential, stop };
  const { cpuMs, rssMb } = await usageOf(server);
  return { ...server, start: { startMs, cpuMs, rssMb } };
}

/** CPU time and resident memory of a server with all its processes, also those that have ended. */
export async function usageOf({ pid }) {
  const processes = await processTree(pid);
  // PostgreSQL ends a process with its connection, which pools close.
  const cpuMs = await Promise.all([cpuMsOfEnded(pid), ...processes.map(cpuMsOf)]);
  const rssMb = await Promise.all(processes.map(async (one) => (await memoryMbOf(one, ['VmRSS']))[0]));
  const sum = (values) => values.reduce((total, value) => total + value, 0);
  return { cpuMs: sum(cpuMs), rssMb: sum(rssMb) };
}

/** The URL that a server prints. */
function urlOf(child, name, isReady) {
  let output = '';
  return new Promise((resolve, reject) => {
    const fail = (what) => reject(new Error(`${name} ${what}: ${output.slice(-2_000)}`));
    const timer = setTimeout(() => fail('does not start'), startLimitMs);
    const read = (chunk) => {
      output = `${output}${chunk}`.slice(-20_000);
      const [, port] = /http:\/\/(?:127\.0\.0\.1|localhost):(\d+)/.exec(output) ?? [];
      if (port === undefined || !isReady.test(output)) return;
      clearTimeout(timer);
      resolve(`http://127.0.0.1:${port}`);
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.once('exit', (code) => {
      clearTimeout(timer);
      fail(`exited with ${code}`);
    });
  });
}

async function untilReady(url, deadline) {
  for (;;) {
    const isReady = await fetch(url).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isReady) return;
    if (performance.now() > deadline) throw new Error(`${url} is not ready`);
    await sleep(50);
  }
}

import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** A Redis server of one test suite, without persistence. */
export interface TestRedis {
  url: string;
  /** Stops the server and waits for its exit. */
  stop: () => Promise<void>;
  /** Suspends the process: connections stay open, and nothing responds. */
  pause: () => void;
  resume: () => void;
  /** Kills the process; its data is lost. */
  kill: () => Promise<void>;
  /** Starts an empty server on the same port. */
  restart: () => Promise<void>;
}

/**
 * @returns why tests with Redis must be skipped here; null if they can run.
 * @throws Error in CI, where a skipped test must not count as passed
 */
export function reasonToSkipRedis(): string | null {
  if (spawnSync('redis-server', ['--version']).status === 0) return null;
  const reason = 'redis-server is not on the PATH; install it to run these tests';
  if (process.env.CI) throw new Error(reason);
  return reason;
}

/** Starts a Redis server on a free port, with `password` and `options` of its command line if given. */
export async function startRedis({
  password,
  options = [],
}: { password?: string; options?: readonly string[] } = {}): Promise<TestRedis> {
  const port = await freePort();
  const args = [...options, ...(password === undefined ? [] : ['--requirepass', password])];
  let server = await launch(port, args);
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (server.exitCode !== null || server.signalCode !== null) return;
    const exited = once(server, 'exit');
    server.kill(signal);
    // A suspended process handles other signals only once it is resumed.
    server.kill('SIGCONT');
    await exited;
  };
  return {
    url: `redis://${password === undefined ? '' : `:${password}@`}127.0.0.1:${port}`,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    pause: () => void server.kill('SIGSTOP'),
    resume: () => void server.kill('SIGCONT'),
    async restart() {
      await end('SIGKILL');
      server = await launch(port, args);
    },
  };
}

/** @returns a port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}

async function launch(port: number, args: readonly string[]): Promise<ChildProcess> {
  const options = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
  const server = spawn('redis-server', [...options, ...args], { stdio: 'ignore' });
  for (let attempt = 0; attempt < 200; attempt += 1) {
    if (server.exitCode !== null) break;
    if (await isListening(port)) return server;
    await sleep(25);
  }
  server.kill('SIGKILL');
  throw new Error(`redis-server did not start on port ${port}`);
}

/** Whether a server accepts connections on a port of this machine. */
export async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** A Redis of a test's own, in memory, on a port of its own. */
export interface TestRedis {
  url: string;
  /** Ends it and waits until it is gone. */
  stop: () => Promise<void>;
  /** It keeps its connections and answers nothing. */
  pause: () => void;
  resume: () => void;
  /** It is gone without a word, and with all that it held. */
  kill: () => Promise<void>;
  /** Starts it again on the same port, empty. */
  restart: () => Promise<void>;
}

/**
 * Why tests with a real Redis cannot run here, or null where they can.
 * @throws Error on CI, where a missing Redis must not pass for a passed test
 */
export function reasonToSkipRedis(): string | null {
  if (spawnSync('redis-server', ['--version']).status === 0) return null;
  const reason = 'there is no redis-server on the PATH; install one to run these tests';
  if (process.env.CI) throw new Error(reason);
  return reason;
}

/** Starts a Redis on a free port; with `password` it lets nobody else in. */
export async function startRedis({ password }: { password?: string } = {}): Promise<TestRedis> {
  const port = await freePort();
  let server = await launch(port, password);
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (server.exitCode !== null || server.signalCode !== null) return;
    const gone = once(server, 'exit');
    server.kill(signal);
    // A paused process takes no other signal until it goes on.
    server.kill('SIGCONT');
    await gone;
  };
  return {
    url: `redis://${password === undefined ? '' : `:${password}@`}127.0.0.1:${port}`,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    pause: () => void server.kill('SIGSTOP'),
    resume: () => void server.kill('SIGCONT'),
    async restart() {
      await end('SIGKILL');
      server = await launch(port, password);
    },
  };
}

/** A port that nobody listened on a moment ago. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}

async function launch(port: number, password: string | undefined): Promise<ChildProcess> {
  const options = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
  const server = spawn('redis-server', password === undefined ? options : [...options, '--requirepass', password], { stdio: 'ignore' });
  for (let attempt = 0; attempt < 200; attempt += 1) {
    if (server.exitCode !== null) break;
    if (await isListening(port)) return server;
    await sleep(25);
  }
  server.kill('SIGKILL');
  throw new Error(`redis-server did not come up on port ${port}`);
}

async function isListening(port: number): Promise<boolean> {
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

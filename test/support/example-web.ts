import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { projectDir } from './process.js';

const folder = path.join(projectDir, 'examples', 'web');
const vite = path.join(projectDir, 'node_modules', 'vite', 'bin', 'vite.js');
const startTimeoutMs = 30_000;

/** The built frontend, served on one origin with the gateway. */
export interface ServedFrontend {
  url: string;
  close: () => Promise<void>;
}

/** Builds the frontend. @returns the output folder @throws Error with the output of Vite */
export async function buildFrontend(): Promise<string> {
  const outDir = await mkdtemp(path.join(tmpdir(), 'auspex-example-web-'));
  await promisify(execFile)(process.execPath, [vite, 'build', '--outDir', outDir, '--emptyOutDir'], {
    cwd: folder,
    env: environment({ VITE_DEMO_ACCOUNTS: 'true' }),
  });
  return outDir;
}

/** Serves the built files on a free port and forwards `/graphql`, including WebSockets, to the gateway. */
export async function serveFrontend(outDir: string, gatewayUrl: string): Promise<ServedFrontend> {
  const args = [vite, 'preview', '--outDir', outDir, '--host', '127.0.0.1', '--port', '0'];
  const child = spawn(process.execPath, args, {
    cwd: folder,
    env: environment({ GATEWAY_URL: gatewayUrl }),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = once(child, 'close');
  return {
    url: await addressOf(child),
    async close() {
      child.kill();
      await ended;
    },
  };
}

export const removeFrontend = (outDir: string): Promise<void> => rm(outDir, { recursive: true, force: true });

/** No colours, because the URL is parsed from the output; no settings of the test process. */
const environment = (more: Record<string, string> = {}): Record<string, string> => ({
  PATH: process.env.PATH ?? '',
  NO_COLOR: '1',
  NODE_ENV: 'production',
  ...more,
});

async function addressOf(child: ChildProcess): Promise<string> {
  const { stdout, stderr } = child;
  if (!stdout || !stderr) throw new Error('The server has no stdout or stderr.');
  const deadline = AbortSignal.timeout(startTimeoutMs);
  let output = '';
  stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  while (child.exitCode === null && !deadline.aborted) {
    const url = /Local:\s+(http:\S+)/.exec(output)?.[1];
    if (url !== undefined) return url;
    await Promise.race([once(stdout, 'data', { signal: deadline }).catch(() => null), once(child, 'close')]);
  }
  child.kill();
  throw new Error(`The frontend server did not start:\n${output}`);
}

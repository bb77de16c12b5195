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

/** The example frontend as it is shipped: built, and served beside the gateway on one origin. */
export interface ServedFrontend {
  url: string;
  close: () => Promise<void>;
}

/** Builds the frontend. @returns the folder of its files @throws Error with what Vite said */
export async function buildFrontend(): Promise<string> {
  const outDir = await mkdtemp(path.join(tmpdir(), 'auspex-example-web-'));
  await promisify(execFile)(process.execPath, [vite, 'build', '--outDir', outDir, '--emptyOutDir'], { cwd: folder, env: environment() });
  return outDir;
}

/** Serves the built files at a free port, and `/graphql` of the same origin from the gateway, sockets included. */
export async function serveFrontend(outDir: string, gatewayUrl: string): Promise<ServedFrontend> {
  const args = [vite, 'preview', '--outDir', outDir, '--host', '127.0.0.1', '--port', '0'];
  const child = spawn(process.execPath, args, { cwd: folder, env: environment({ GATEWAY_URL: gatewayUrl }), stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = once(child, 'close');
  return {
    url: await addressOf(child),
    async close() {
      child.kill();
      await ended;
    },
  };
}

/** Removes what was built. */
export const removeFrontend = (outDir: string): Promise<void> => rm(outDir, { recursive: true, force: true });

/** Without the colours, between which the address would stand, and without the tests' own settings. */
const environment = (more: Record<string, string> = {}): Record<string, string> => ({ PATH: process.env.PATH ?? '', NO_COLOR: '1', NODE_ENV: 'production', ...more });

async function addressOf(child: ChildProcess): Promise<string> {
  const { stdout, stderr } = child;
  if (!stdout || !stderr) throw new Error('The server has no output to read.');
  const deadline = AbortSignal.timeout(startTimeoutMs);
  let said = '';
  stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  while (child.exitCode === null && !deadline.aborted) {
    const url = /Local:\s+(http:\S+)/.exec(said)?.[1];
    if (url !== undefined) return url;
    await Promise.race([once(stdout, 'data', { signal: deadline }).catch(() => null), once(child, 'close')]);
  }
  child.kill();
  throw new Error(`The frontend is not served:\n${said}`);
}

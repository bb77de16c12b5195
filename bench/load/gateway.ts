import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { UserError } from './options.ts';
import { nodeOptions } from '../support/node-options.ts';
import type { Command, Report } from './instrumentation.ts';

/** A gateway process under test: production mode, embedded database, demo data. */
export interface GatewayProcess {
  url: string;
  /** Sends a command to the instrumentation in its process. */
  inspect: (command: Command) => Promise<Report>;
  /** Stops the process and removes its data. @throws Error if its exit code is not 0 */
  stop: () => Promise<void>;
}

export const projectDir = path.join(import.meta.dirname, '..', '..');

const startTimeoutMs = 60_000;

/** Starts a gateway without rate limits. `env` overrides its environment. @throws UserError if it is not ready within a minute */
export async function startGateway(env: Record<string, string> = {}): Promise<GatewayProcess> {
  const dir = await mkdtemp(path.join(tmpdir(), 'auspex-load-'));
  // The embedded PostgreSQL may run as another user.
  await chmod(dir, 0o755);
  const instrumentation = path.join(import.meta.dirname, 'instrumentation.ts');
  const child = spawn(
    process.execPath,
    [...nodeOptions, '--expose-gc', '--import', instrumentation, path.join(projectDir, 'dist', 'main.js')],
    {
      cwd: dir,
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
      env: {
        PATH: process.env.PATH,
        ...environment,
        JWT_SECRET: randomBytes(48).toString('base64'),
        DATA_DIR: dir,
        ...env,
      },
    },
  );
  try {
    return {
      url: await readyUrl(child),
      inspect: (command) => reportOf(child, command),
      async stop() {
        const exited = once(child, 'exit');
        child.kill('SIGTERM');
        const [code] = (await exited) as [number | null];
        await rm(dir, { recursive: true, force: true });
        if (code !== 0) throw new Error(`The gateway exited with ${code}.`);
      },
    };
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
}

const environment = {
  NODE_ENV: 'production',
  HOST: '127.0.0.1',
  PORT: '0',
  ALLOW_EMBEDDED_DATABASE: 'true',
  DEMO_DATA: 'true',
  RATE_LIMIT_PER_VIEWER: '0',
  RATE_LIMIT_PER_ADDRESS: '0',
  RATE_LIMIT_PREDICTION_ROWS: '0',
  MAX_CONNECTIONS_PER_ADDRESS: '0',
  MAX_PENDING_SOCKETS: '100000',
  MAX_LOGINS_PER_ACCOUNT: '1000000',
  MAX_LOGINS_PER_ADDRESS: '1000000',
  SHUTDOWN_DELAY_SECONDS: '0',
};

/** Reads the URL from the log line "ready". Later output is read and discarded, so that the pipe never blocks the gateway. */
async function readyUrl(child: ChildProcess): Promise<string> {
  let text = '';
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  child.stdout?.on('data', (chunk: Buffer) => {
    text = (text + chunk.toString()).slice(-10_000);
    const url = /"url":"([^"]+)".*"msg":"ready"/.exec(text)?.[1];
    if (url !== undefined) resolve(url);
  });
  child.once('exit', (code) =>
    reject(new UserError(`The gateway did not start (exit code ${code}). Run npm run build first.\n${text}`)),
  );
  const timer = setTimeout(
    () => reject(new UserError(`The gateway was not ready within ${startTimeoutMs} ms.\n${text}`)),
    startTimeoutMs,
  );
  return promise.finally(() => clearTimeout(timer));
}

async function reportOf(child: ChildProcess, command: Command): Promise<Report> {
  const message = once(child, 'message');
  child.send(command);
  const [report] = (await message) as [Report];
  return report;
}

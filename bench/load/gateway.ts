import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Asked, Told } from './inside.ts';

/** A gateway that a measurement has started, in production mode, on an embedded database with the demo data. */
export interface OwnGateway {
  url: string;
  /** Asks it for something that only its own process knows. */
  ask: (asked: Asked) => Promise<Told>;
  /** Ends it, and removes its data. @throws Error where it does not end well */
  stop: () => Promise<void>;
}

export const projectDir = path.join(import.meta.dirname, '..', '..');

const startTimeoutMs = 60_000;

/** @param env is set over what measurements use: nobody is refused for asking often, and nothing waits at the end */
export async function startGateway(env: Record<string, string> = {}): Promise<OwnGateway> {
  const dir = await mkdtemp(path.join(tmpdir(), 'auspex-load-'));
  // PostgreSQL may run as another user, who has to come in.
  await chmod(dir, 0o755);
  const inside = path.join(import.meta.dirname, 'inside.ts');
  const child = spawn(process.execPath, ['--max-semi-space-size=64', '--expose-gc', '--import', inside, path.join(projectDir, 'dist', 'main.js')], {
    cwd: dir,
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    env: { PATH: process.env.PATH, ...environment, JWT_SECRET: randomBytes(48).toString('base64'), DATA_DIR: dir, ...env },
  });
  try {
    return {
      url: await readyUrl(child),
      ask: (asked) => answerOf(child, asked),
      async stop() {
        const gone = once(child, 'exit');
        child.kill('SIGTERM');
        const [code] = (await gone) as [number | null];
        await rm(dir, { recursive: true, force: true });
        if (code !== 0) throw new Error(`The gateway did not end well: ${code}.`);
      },
    };
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
}

const many = '1000000';

const environment = {
  NODE_ENV: 'production',
  HOST: '127.0.0.1',
  PORT: '0',
  ALLOW_EMBEDDED_DATABASE: 'true',
  DEMO_DATA: 'true',
  RATE_LIMIT_PER_VIEWER: '0',
  RATE_LIMIT_PER_ADDRESS: '0',
  MAX_LOGINS_PER_ACCOUNT: many,
  MAX_LOGINS_PER_ADDRESS: many,
  SHUTDOWN_DELAY_SECONDS: '0',
};

/** The address in the log line that says that it is ready. What is logged later is read and forgotten. */
async function readyUrl(child: ChildProcess): Promise<string> {
  let text = '';
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  child.stdout?.on('data', (chunk: Buffer) => {
    text = (text + chunk.toString()).slice(-10_000);
    const url = /"url":"([^"]+)".*"msg":"ready"/.exec(text)?.[1];
    if (url !== undefined) resolve(url);
  });
  child.once('exit', (code) => reject(new Error(`The gateway did not start (${code}); did you build it? npm run build\n${text}`)));
  const late = setTimeout(() => reject(new Error(`The gateway was not ready within ${startTimeoutMs} ms.\n${text}`)), startTimeoutMs);
  return promise.finally(() => clearTimeout(late));
}

async function answerOf(child: ChildProcess, asked: Asked): Promise<Told> {
  const answer = once(child, 'message');
  child.send(asked);
  const [told] = (await answer) as [Told];
  return told;
}

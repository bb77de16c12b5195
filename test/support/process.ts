import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

export const projectDir = path.join(import.meta.dirname, '..', '..');

const startTimeoutMs = 30_000;

/** Suites would exceed the default rate limits. */
const withoutLimits = {
  RATE_LIMIT_PER_VIEWER: '0',
  RATE_LIMIT_PER_ADDRESS: '0',
  RATE_LIMIT_PREDICTION_ROWS: '0',
  MAX_CONNECTIONS_PER_ADDRESS: '0',
  MAX_PENDING_SOCKETS: '100000',
};

/** A program of dist/ in its own process. */
export interface TestProcess {
  /** Output so far. */
  stdout: () => string;
  stderr: () => string;
  /**
   * Resolves with the URL in the ready line or log entry.
   * @throws Error with the output if the process exits first or is not ready in time
   */
  ready: (withinMs?: number) => Promise<string>;
  signal: (name: NodeJS.Signals) => void;
  /** The exit code or the terminating signal. */
  ended: Promise<number | NodeJS.Signals>;
}

/** Compiles src/ into dist/ and bundles the gateway, as `npm run build` does. Does nothing if it is up to date. */
export function buildProgram(): void {
  const compiler = path.join(projectDir, 'node_modules', 'typescript-native', 'bin', 'tsc');
  const { status, stdout } = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], {
    cwd: projectDir,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`The program does not compile:\n${stdout}`);
  const bundle = spawnSync(process.execPath, [path.join('ops', 'bundle.ts')], { cwd: projectDir, encoding: 'utf8' });
  if (bundle.status !== 0) throw new Error(`The gateway cannot be bundled:\n${bundle.stderr}`);
}

/** The gateway as `npm start` runs it, in dist/. */
export const gatewayProgram = 'bundle/main.js';

/** Bundles the IDE into dist/ide/, as `npm run build` does. Does nothing if it is up to date. */
export function buildIde(): void {
  const { status, stderr } = spawnSync(process.execPath, [path.join('ide', 'build.ts')], {
    cwd: projectDir,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`The IDE cannot be bundled:\n${stderr}`);
}

/** A temporary folder that the user of the PostgreSQL process can read, too. */
export async function reachableFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'auspex-process-'));
  chmodSync(folder, 0o755);
  return folder;
}

/**
 * Starts `dist/<program>` with only this environment. A `.env` file would be read from `cwd`. `inShell` runs it in a
 * shell, as npm does: the shell receives the signals, and `ended` resolves once both have exited.
 */
export function startProgram(
  program: string,
  {
    env,
    cwd,
    args = [],
    nodeArgs = [],
    inShell = false,
    project = projectDir,
  }: {
    env: Record<string, string>;
    cwd: string;
    args?: string[];
    nodeArgs?: string[];
    inShell?: boolean;
    /** The folder with `dist`. */
    project?: string;
  },
): TestProcess {
  const command = [process.execPath, ...nodeArgs, path.join(project, 'dist', program), ...args];
  const [file = '', ...words] = inShell ? ['sh', '-c', '"$@"; exit $?', 'sh', ...command] : command;
  const child = spawn(file, words, {
    cwd,
    env: { PATH: process.env.PATH, ...withoutLimits, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const ended = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | NodeJS.Signals);

  return {
    stdout: () => stdout,
    stderr: () => stderr,
    signal: (name) => void child.kill(name),
    ended,
    async ready(withinMs = startTimeoutMs) {
      const deadline = AbortSignal.timeout(withinMs);
      // The exit code is set when the process exits; `close` follows once its output is read.
      while (child.exitCode === null && child.signalCode === null && !deadline.aborted) {
        const url = /^ {2}GraphQL +(\S+)/m.exec(stdout)?.[1] ?? /"url":"([^"]+)".*"msg":"ready"/.exec(stdout)?.[1];
        if (url !== undefined) return url;
        await Promise.race([once(child.stdout, 'data', { signal: deadline }).catch(() => null), ended]);
      }
      child.kill('SIGTERM');
      throw new Error(`${program} did not become ready.\n${stdout}\n${stderr}`);
    },
  };
}

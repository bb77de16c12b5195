import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

export const projectDir = path.join(import.meta.dirname, '..', '..');

const startTimeoutMs = 30_000;

/** A suite asks more in a minute than people do. */
const withoutLimits = { RATE_LIMIT_PER_VIEWER: '0', RATE_LIMIT_PER_ADDRESS: '0' };

/** A program of dist/ that runs as a process of its own. */
export interface TestProcess {
  /** What it has printed so far. */
  stdout: () => string;
  stderr: () => string;
  /** The address in the ready line, or in the log's of production. @throws Error with what it printed where it ends before, or says nothing for that long */
  ready: (withinMs?: number) => Promise<string>;
  signal: (name: NodeJS.Signals) => void;
  /** Its exit code, or the signal that ended it. */
  ended: Promise<number | NodeJS.Signals>;
}

/** Compiles src/ into dist/, as `npm run build` does. */
export function buildProgram(): void {
  const { status, stdout } = spawnSync(path.join(projectDir, 'node_modules', '.bin', 'tsc'), ['-p', 'tsconfig.build.json'], { cwd: projectDir, encoding: 'utf8' });
  if (status !== 0) throw new Error(`The program does not compile:\n${stdout}`);
}

/** Bundles the IDE into dist/ide/, as `npm run build` does; does nothing where it is up to date. */
export function buildIde(): void {
  const { status, stderr } = spawnSync(process.execPath, [path.join('ide', 'build.ts')], { cwd: projectDir, encoding: 'utf8' });
  if (status !== 0) throw new Error(`The IDE cannot be bundled:\n${stderr}`);
}

/** A folder that also the user whom PostgreSQL runs as can reach. */
export async function reachableFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'auspex-process-'));
  chmodSync(folder, 0o755);
  return folder;
}

/**
 * Starts `dist/<program>` with this environment and no other. `cwd` is where a `.env` file would be read. As npm does it,
 * `inShell` runs it in a shell, which then takes the signals; it has ended once the program has, too.
 */
export function startProgram(
  program: string,
  { env, cwd, args = [], nodeArgs = [], inShell = false }: { env: Record<string, string>; cwd: string; args?: string[]; nodeArgs?: string[]; inShell?: boolean },
): TestProcess {
  const command = [process.execPath, ...nodeArgs, path.join(projectDir, 'dist', program), ...args];
  const [file = '', ...words] = inShell ? ['sh', '-c', '"$@"; exit $?', 'sh', ...command] : command;
  const child = spawn(file, words, { cwd, env: { PATH: process.env.PATH, ...withoutLimits, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
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
      // An exit code of its own says that it has ended; `close` follows once all that it printed is read.
      while (child.exitCode === null && child.signalCode === null && !deadline.aborted) {
        const url = /ready at (\S+)/.exec(stdout)?.[1] ?? /"url":"([^"]+)".*"msg":"ready"/.exec(stdout)?.[1];
        if (url !== undefined) return url;
        await Promise.race([once(child.stdout, 'data', { signal: deadline }).catch(() => null), ended]);
      }
      child.kill('SIGTERM');
      throw new Error(`${program} did not get ready.\n${stdout}\n${stderr}`);
    },
  };
}

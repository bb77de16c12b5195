import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const projectDir = path.join(import.meta.dirname, '..', '..');

/** A copy of the project, which generators can change. */
export class ProjectCopy {
  readonly dir = mkdtempSync(path.join(tmpdir(), 'auspex-copy-'));
  readonly #env: Record<string, string | undefined>;

  /** @param env of the programs that run in the copy */
  constructor(env: Record<string, string>) {
    this.#env = { ...process.env, TEST_DATABASE_URL: process.env.AUSPEX_TEST_POSTGRES, ...env };
    const files = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
      cwd: projectDir,
      encoding: 'utf8',
    });
    for (const file of files.split('\0').filter((name) => name !== '' && existsSync(path.join(projectDir, name)))) {
      mkdirSync(path.join(this.dir, path.dirname(file)), { recursive: true });
      cpSync(path.join(projectDir, file), path.join(this.dir, file));
    }
    symlinkSync(path.join(projectDir, 'node_modules'), path.join(this.dir, 'node_modules'));
  }

  /** Runs a program in the copy. @returns its output @throws Error with its output if it fails */
  run(command: string, ...args: string[]): string {
    const { status, stdout, stderr } = spawnSync(command, args, { cwd: this.dir, encoding: 'utf8', env: this.#env });
    if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed:\n${stdout}\n${stderr}`);
    return stdout;
  }

  /** Runs a script of the project, such as `scripts/new-type.js`; see `run`. */
  script(name: string, ...args: string[]): string {
    return this.run(process.execPath, `dist/${name}`, ...args);
  }

  /** Runs a tool of the dependencies, such as `eslint`; see `run`. */
  tool(name: string, ...args: string[]): string {
    return this.run(path.join(projectDir, 'node_modules', '.bin', name), ...args);
  }

  /** Runs tests; see `run`. */
  jest(...paths: string[]): string {
    const jest = path.join(projectDir, 'node_modules', 'jest', 'bin', 'jest.js');
    return this.run(process.execPath, '--experimental-vm-modules', jest, '--maxWorkers=1', ...paths);
  }

  delete(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}

import { describe, expect, it } from '@jest/globals';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const projectDir = path.join(import.meta.dirname, '..', '..');
const { scripts } = JSON.parse(readFileSync(path.join(projectDir, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>;
};

const runSteps = 'ide/run-steps.ts';

/** The npm scripts whose last command, which receives the arguments, is a program of this repository. */
const programs = Object.entries(scripts).flatMap(([name, command]) => {
  const last = command.split('&&').at(-1)?.trim() ?? '';
  const file = /^node (?:--\S+ )*((?:dist|bench|ops|ide|lint|test)\/\S+)/.exec(last)?.[1];
  const steps = file === runSteps ? [...Array.from(last.matchAll(/"([^"]+)"/g), ([, step = '']) => step), '--'] : [];
  return file === undefined ? [] : [{ name, file, steps }];
});

/** The npm scripts whose last command is a tool of others. */
const tools = Object.keys(scripts).filter((name) => !programs.some((program) => program.name === name));

/** Runs a program with a data folder that does not exist and a database that does not respond. */
function run(
  file: string,
  ...args: string[]
): { status: number | null; stdout: string; stderr: string; isUntouched: boolean } {
  const cwd = mkdtempSync(path.join(tmpdir(), 'auspex-usage-'));
  const dataDir = path.join(cwd, 'data');
  const env = { PATH: process.env.PATH, DATA_DIR: dataDir, DATABASE_URL: 'postgresql://me@127.0.0.1:1/none' };
  const { status, stdout, stderr } = spawnSync(process.execPath, [path.join(projectDir, file), ...args], {
    cwd,
    env,
    encoding: 'utf8',
    timeout: 20_000,
  });
  const isUntouched = !existsSync(dataDir);
  rmSync(cwd, { recursive: true });
  return { status, stdout, stderr, isUntouched };
}

describe('the npm scripts', () => {
  it('are programs of this repository, or tools that parse arguments themselves', () => {
    expect(programs.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['start', 'dev', 'migrate', 'seed', 'admin', 'schema', 'models:check', 'load', 'format']),
    );
    const ofJest = [
      'jest',
      'coverage',
      'screenshots',
      ...['unit', 'integration', 'e2e', 'security', 'slow', 'watch'].map((tier) => `test:${tier}`),
    ];
    expect([...tools].sort()).toEqual([...ofJest, 'build:watch', 'lint:code', 'types'].sort());
    for (const name of ofJest.slice(1)) expect(scripts[name]).toMatch(/&& (?:\w+=\w+ )?npm run --silent jest --/);
  });

  it.each(programs)('$name prints its usage with --help and does nothing', ({ file, steps }) => {
    expect(run(file, ...steps, '--help')).toEqual({
      status: 0,
      stdout: expect.stringMatching(/^Usage: /),
      stderr: '',
      isUntouched: true,
    });
  });

  it.each(programs)('$name rejects an unknown option with exit code 2 and does nothing', ({ file, steps }) => {
    expect(run(file, ...steps, '--no-such-option')).toEqual({
      status: 2,
      stdout: '',
      stderr: expect.stringMatching(/^Unknown option '--no-such-option'[^]*\nUsage: /),
      isUntouched: true,
    });
  });

  it.each(['build:watch', 'lint:code', 'types', 'jest'])('%s rejects an unknown option', (name) => {
    const bin = path.join(projectDir, 'node_modules', '.bin');
    const { status, stdout, stderr } = spawnSync(`${scripts[name] ?? ''} --bogus-option`, {
      cwd: projectDir,
      shell: true,
      env: { ...process.env, PATH: `${bin}${path.delimiter}${process.env.PATH ?? ''}` },
      encoding: 'utf8',
      timeout: 20_000,
    });
    expect([1, 2]).toContain(status);
    expect(stdout + stderr).toMatch(/bogus-?option/i);
  });
});

describe('the steps of an npm script', () => {
  const steps = (...commands: string[]) => run(runSteps, ...commands, '--');

  it('run in order until one fails, whose exit code is that of the script', () => {
    expect(steps('echo one', 'echo two || echo three', 'exit 3', 'echo four')).toMatchObject({
      status: 3,
      stdout: 'one\ntwo\n',
    });
    expect(steps('echo one')).toMatchObject({ status: 0, stdout: 'one\n' });
  });

  it('end with the signal that ends the script', async () => {
    const program = spawn(process.execPath, [path.join(projectDir, runSteps), 'echo started; exec sleep 60', '--']);
    await once(program.stdout, 'data');
    program.kill('SIGTERM');
    expect(await once(program, 'exit')).toEqual([143, null]);
  });
});

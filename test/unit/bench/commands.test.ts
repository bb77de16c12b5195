import { describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';

const benchDir = path.join(import.meta.dirname, '..', '..', '..', 'bench');

function run(script: string, ...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [path.join(benchDir, script), ...args], {
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

describe('npm run bench:peers', () => {
  it('lists servers and workloads with --help, without their packages', () => {
    const { status, stdout } = run('peers/run.mjs', '--help');
    expect(status).toBe(0);
    expect(stdout).toContain('mercurius');
    expect(stdout).toContain('W1');
  });

  it.each([
    [['--servers', 'express'], 'Unknown server: express.'],
    [['--workloads', 'W9'], 'Unknown workload: W9.'],
    [['--rounds', 'many'], '--rounds must be a positive number.'],
  ])('rejects %j before it starts anything', (args, message) => {
    expect(run('peers/run.mjs', ...args)).toEqual({ status: 2, stdout: '', stderr: expect.stringContaining(message) });
  });
});

describe('npm run bench', () => {
  it('lists every benchmark with --help', () => {
    const { status, stdout } = run('run.mjs', '--help');
    expect(status).toBe(0);
    const listed = [...stdout.matchAll(/^ {2}(\w+)/gm)].map(([, name]) => `${name}.mjs`);
    expect(listed.sort()).toEqual(readdirSync(path.join(benchDir, 'benchmarks')).sort());
  });

  it.each([
    [['speed'], 'Unknown benchmark: speed.'],
    [['--fast'], "Unknown option '--fast'"],
  ])('rejects %j', (args, message) => {
    expect(run('run.mjs', ...args)).toEqual({ status: 2, stdout: '', stderr: expect.stringContaining(message) });
  });
});

describe.each(['load', 'soak', 'profile'])('npm run %s', (name) => {
  it('prints its usage with --help', () => {
    expect(run(`load/${name}.ts`, '--help')).toEqual({
      status: 0,
      stdout: expect.stringMatching(new RegExp(`^Usage: npm run ${name} -- \\[options\\]\n[^]*--connections <n>`)),
      stderr: '',
    });
  });

  it('rejects unknown options and invalid numbers', () => {
    expect(run(`load/${name}.ts`, '--unknown', '1').stderr).toMatch(/^Unknown option '--unknown'.*\n[^]*Usage:/);
    expect(run(`load/${name}.ts`, '--connections', 'ten')).toEqual({
      status: 2,
      stdout: '',
      stderr: expect.stringMatching(/^--connections must be a whole number from 1 to 10000; received ten\n\nUsage: /),
    });
  });
});

describe('npm run load', () => {
  it('reports an unreachable gateway in one line', () => {
    // Port 1 is reserved, so nothing listens there.
    const url = 'http://127.0.0.1:1/graphql';
    expect(run('load/load.ts', '--url', url)).toEqual({
      status: 1,
      stdout: '',
      stderr: expect.stringMatching(new RegExp(`^Cannot reach ${url} \\([^)]+\\)\\. Start a gateway there, .*\n$`)),
    });
  });
});

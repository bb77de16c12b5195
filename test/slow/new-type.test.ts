import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { projectDir } from '../support/process.js';

/** Copies the project, so that the generator can change it. */
let copy: string;
let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
  copy = mkdtempSync(path.join(tmpdir(), 'auspex-new-type-'));
  const files = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: projectDir,
    encoding: 'utf8',
  });
  for (const file of files.split('\0').filter((name) => name !== '' && existsSync(path.join(projectDir, name)))) {
    mkdirSync(path.join(copy, path.dirname(file)), { recursive: true });
    cpSync(path.join(projectDir, file), path.join(copy, file));
  }
  symlinkSync(path.join(projectDir, 'node_modules'), path.join(copy, 'node_modules'));
}, 60_000);
afterAll(async () => {
  rmSync(copy, { recursive: true, force: true });
  await database.drop();
});

/** Runs a program in the copy. @returns its output @throws Error with its output if it fails */
function run(command: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd: copy,
    encoding: 'utf8',
    env: { ...process.env, DATABASE_URL: database.url, TEST_DATABASE_URL: process.env.AUSPEX_TEST_POSTGRES },
  });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed:\n${stdout}\n${stderr}`);
  return stdout;
}

const bin = (name: string): string => path.join(projectDir, 'node_modules', '.bin', name);

describe('npm run new:type', () => {
  it('writes a domain that passes lint, types, the build and its test unchanged', () => {
    run(bin('tsc'), '-p', 'tsconfig.build.json');
    expect(run(process.execPath, 'dist/scripts/new-type.js', 'SalesOrder')).toContain(
      'Wrote src/domains/sales-order/sales-order.resolver.ts',
    );
    run(bin('tsc'), '-p', 'tsconfig.build.json');
    expect(run(process.execPath, 'dist/scripts/create-migration.js')).toMatch(
      /Wrote src\/database\/migrations\/.*registered/,
    );
    run(bin('prettier'), '--write', '--log-level', 'warn', 'src', 'test/integration/sales-orders.test.ts');
    run(process.execPath, 'dist/scripts/print-schema.js');
    expect(readFileSync(path.join(copy, 'schema', 'schema.graphql'), 'utf8')).toContain(
      'type SalesOrder implements Node',
    );

    run(bin('tsc'), '-p', 'tsconfig.json');
    run(bin('eslint'), 'src/domains/sales-order', 'src/domains/index.ts', 'test/integration/sales-orders.test.ts');
    run(bin('prettier'), '--check', 'src/domains', 'test/integration/sales-orders.test.ts');
    run(process.execPath, 'dist/scripts/check-schema.js', '--files-only');
    const jest = path.join(projectDir, 'node_modules', 'jest', 'bin', 'jest.js');
    expect(run(process.execPath, '--experimental-vm-modules', jest, 'test/integration/sales-orders')).toContain(
      '7 passed, 0 failed, 0 skipped',
    );
  }, 600_000);

  it('rejects a type that exists, and an invalid name, and writes nothing', () => {
    const before = readFileSync(path.join(copy, 'src', 'domains', 'index.ts'), 'utf8');
    expect(() => run(process.execPath, 'dist/scripts/new-type.js', 'Employee')).toThrow('already exists');
    expect(() => run(process.execPath, 'dist/scripts/new-type.js', 'PageInfo')).toThrow('already has a type PageInfo');
    for (const name of ['Class', 'Connection', 'Delete'])
      expect(() => run(process.execPath, 'dist/scripts/new-type.js', name)).toThrow('would collide');
    expect(() => run(process.execPath, 'dist/scripts/new-type.js', 'sales_order')).toThrow('PascalCase');
    expect(() => run(process.execPath, 'dist/scripts/new-type.js')).toThrow('Usage');
    expect(readFileSync(path.join(copy, 'src', 'domains', 'index.ts'), 'utf8')).toBe(before);
  });
});

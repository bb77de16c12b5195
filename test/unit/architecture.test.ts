import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { importX } from 'eslint-plugin-import-x';
import { Linter } from 'eslint';
import { importZonesOf } from '../../lint/architecture.js';

/** A project with the two domains `company` and `project`, in this order. */
let root: string;

beforeAll(() => {
  root = mkdtempSync(path.join(tmpdir(), 'auspex-architecture-'));
  write(
    'src/domains/index.ts',
    `import { companyDomain } from './company/index.js';\nimport { projectDomain } from './project/index.js';\nexport const domains = [companyDomain, projectDomain];\n`,
  );
  for (const file of [
    'src/domains/company/index.ts',
    'src/domains/company/company.types.ts',
    'src/domains/company/company.service.ts',
    'src/domains/project/index.ts',
    'src/graphql/module.ts',
    'src/inference/serving/predictor.ts',
    'src/inference/serving/batcher.ts',
    'src/errors/app-error.ts',
  ])
    write(file, 'export {};\n');
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe('import rules', () => {
  it.each([
    ['a lower layer', 'src/graphql/a.ts', '../errors/app-error.js'],
    ['its own folder', 'src/domains/project/a.ts', './index.js'],
    ['types of an earlier domain', 'src/domains/project/a.ts', '../company/company.types.js'],
    ['the public interface of inference', 'src/domains/project/a.ts', '../../inference/serving/predictor.js'],
  ])('allow %s', (_case, file, specifier) => {
    expect(importErrors(file, specifier)).toEqual([]);
  });

  it.each([
    ['a higher layer', 'src/errors/a.ts', '../graphql/module.js', /lower layers/],
    ['a domain from technical folders', 'src/graphql/a.ts', '../domains/company/index.js', /lower layers/],
    ['a later domain', 'src/domains/company/a.ts', '../project/index.js', /domains before it/],
    ['a service of an earlier domain', 'src/domains/project/a.ts', '../company/company.service.js', /only types/],
    ['internals of inference', 'src/domains/project/a.ts', '../../inference/serving/batcher.js', /public interface/],
    ['the gateway from GraphiQL', 'ide/a.ts', '../src/graphql/module.js', /GraphiQL/],
  ])('reject %s', (_case, file, specifier, message) => {
    expect(importErrors(file, specifier)).toEqual([expect.stringMatching(message)]);
  });

  it('fail for a folder without a layer and for a domain that is not listed', () => {
    write('src/helpers/a.ts', 'export {};\n');
    expect(() => importZonesOf(path.join(root, 'src'))).toThrow('Add src/helpers to the layers');
    rmSync(path.join(root, 'src/helpers'), { recursive: true });
    write('src/domains/invoice/index.ts', 'export {};\n');
    expect(() => importZonesOf(path.join(root, 'src'))).toThrow('List the domain invoice');
    rmSync(path.join(root, 'src/domains/invoice'), { recursive: true });
  });
});

function write(file: string, text: string): void {
  mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
  writeFileSync(path.join(root, file), text);
}

/** What the rule reports about a file with one import. */
function importErrors(file: string, specifier: string): string[] {
  const text = `import '${specifier}';\n`;
  write(file, text);
  const settings = {
    'import-x/resolver': { node: { extensions: ['.ts'] } },
  };
  const linter = new Linter({ cwd: root });
  const messages = linter.verify(
    text.replace(/\.js'/, `.ts'`),
    {
      files: ['**/*.ts'],
      plugins: { 'import-x': importX },
      settings,
      rules: {
        'import-x/no-restricted-paths': ['error', { basePath: root, zones: importZonesOf(path.join(root, 'src')) }],
      },
    },
    path.join(root, file),
  );
  rmSync(path.join(root, file));
  return messages.map(({ message }) => message);
}

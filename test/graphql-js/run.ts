/*
 * Runs the execution tests of graphql-js on the compiled executor: `npm run conformance -- <checkout>`, where the checkout is
 * https://github.com/graphql/graphql-js, branch 16.x.x, after `npm ci`. The npm package of graphql has no tests.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { build, type Plugin } from 'esbuild';
import { failUsage, parseCli } from '../../src/scripts/lib/cli.ts';

const usage = 'Usage: npm run conformance -- <checkout of graphql-js with its packages>\n';
const { positionals } = parseCli(usage, { options: {}, maxPositionals: 1 });
const checkout = path.resolve(positionals[0] ?? failUsage(usage, 'The checkout is missing'));
const sources = path.join(checkout, 'src');
const testsDir = path.join(sources, 'execution', '__tests__');
if (!existsSync(testsDir)) failUsage(usage, `${checkout} is not a checkout of graphql-js`);

const installed = path.join(import.meta.dirname, '..', '..', 'node_modules', 'graphql');
const executor = path.join(import.meta.dirname, 'execute.ts');

/** The tests import the installed graphql, with the compiled executor for its own. */
const installedModules: Plugin = {
  name: 'installed-modules',
  setup(bundle) {
    bundle.onResolve({ filter: /^\./ }, ({ path: name, resolveDir }) => {
      const module = path.relative(sources, path.resolve(resolveDir, name));
      if (module.startsWith('..') || /__(?:tests|testUtils)__/.test(module)) return null;
      if (/^execution(?:\/(?:execute|index))?$/.test(module)) return { path: executor, external: true };
      const candidates = [`${module}.js`, `${module}/index.js`].map((file) => path.join(installed, file));
      const found = candidates.find((file) => existsSync(file));
      return found === undefined ? null : { path: found, external: true };
    });
  },
};

// Beside the packages of the checkout, which the tests need.
const outputDir = path.join(checkout, 'compiled-executor-tests');
try {
  const tests = (await readdir(testsDir)).filter((file) => file.endsWith('-test.ts'));
  await build({
    entryPoints: tests.map((file) => path.join(testsDir, file)),
    bundle: true,
    platform: 'node',
    format: 'cjs',
    outdir: outputDir,
    outExtension: { '.js': '.cjs' },
    external: ['chai', 'mocha'],
    plugins: [installedModules],
    logLevel: 'error',
  });
  const mocha = path.join(checkout, 'node_modules', 'mocha', 'bin', 'mocha.js');
  const run = spawn(process.execPath, [mocha, path.join(outputDir, '*.cjs')], { stdio: 'inherit' });
  const [code] = (await once(run, 'exit')) as [number | null];
  process.exitCode = code ?? 1;
} finally {
  await rm(outputDir, { recursive: true, force: true });
}

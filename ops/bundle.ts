/*
 * Bundles the gateway into dist/bundle/: `node ops/bundle.ts`. A third less memory than from a thousand modules, and a shorter start.
 * Skips the build if neither the compiled sources nor a package has changed. Scripts and worker threads run from dist/ itself.
 */
import { build, type Plugin } from 'esbuild';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseCli } from '../src/scripts/lib/cli.ts';

parseCli('Usage: node ops/bundle.ts\n\nBundles dist/main.js into dist/bundle/, unless nothing changed.\n', {
  options: {},
});

const projectDir = path.dirname(import.meta.dirname);
const compiledDir = path.join(projectDir, 'dist');
const outputDir = path.join(compiledDir, 'bundle');
/** Digest of what was bundled; written last, so that an interrupted build is repeated. */
const stampFile = path.join(outputDir, 'built-from');

/** Packages that are loaded at run time. */
const external = [
  // Native binaries.
  ...['bcrypt', 'onnxruntime-node', 'sharp'],
  // They load their files at run time.
  ...['pino', '@opentelemetry/sdk-node', '@opentelemetry/instrumentation-undici'],
  // Never loaded: routes have no JSON schemas.
  ...['@fastify/ajv-compiler', '@fastify/fast-json-stringify-compiler'],
  // It uses a deprecated module of Node.js, of which Node.js warns outside node_modules.
  'whatwg-url',
  // Optional packages of others, which are not installed.
  ...['class-validator', 'pg-native', 'better-sqlite3', 'mysql*', 'prettier', 'typescript', '@swc/core'],
];

/** Input source map of packages: one position for all, since only positions in our own sources are shown. */
const emptyMap = `//# sourceMappingURL=data:application/json;base64,${Buffer.from('{"version":3,"sources":["packages"],"mappings":"AAAA"}').toString('base64')}`;

/** ES modules and CommonJS packages share one copy of graphql: two would not recognize each other's types. */
const oneGraphql: Plugin = {
  name: 'one-graphql',
  setup(bundle) {
    bundle.onResolve({ filter: /^graphql(?:\/|$)/ }, ({ path: name }) => {
      const place = path.join(projectDir, 'node_modules', name.replace(/\.m?js$/, ''));
      const file = [`${place}.mjs`, path.join(place, 'index.mjs')].find((candidate) => existsSync(candidate));
      return file === undefined ? null : { path: file, sideEffects: false };
    });
  },
};

/** An `import` of node:http reads all of its exports, and so loads the WebSocket client of Node.js: 30 ms and 2 MB. `require` does not. */
const requiredHttp: Plugin = {
  name: 'required-http',
  setup(bundle) {
    bundle.onResolve({ filter: /^(?:node:)?http$/ }, ({ kind }) =>
      kind === 'import-statement'
        ? { path: 'node:http', namespace: 'required' }
        : { path: 'node:http', external: true },
    );
    bundle.onLoad({ filter: /^/, namespace: 'required' }, ({ path: name }) => ({
      contents: `module.exports = require(${JSON.stringify(name)});`,
      resolveDir: projectDir,
    }));
  },
};

/** Shortcuts that are valid in one file: text of a module, and its replacement. */
const shortcuts: Record<string, [from: string, to: string]> = {
  // The bundle contains what its own `require` loads.
  'dist/graphql/permissions/shield.js': ['const require = createRequire(import.meta.url);', ''],
  // The file of an entity is read from a stack, for which V8 parses the file again: 40 ms for a file that is the same for all.
  'node_modules/@mikro-orm/decorators/utils.js': ["stack || new Error().stack.split('\\n')", 'stack || []'],
};

/**
 * Adds to each class that it names itself: entities and types are named after their classes, and the bundler renames some of these. The
 * option `keepNames` of the bundler names functions as well, each time one is created, which takes 6 % of the CPU time of a page.
 */
const withClassNames = (source: string): string =>
  source
    .split('\n')
    .map((line) => {
      const name = line.endsWith('{') && isDeclaration.test(line) ? className.exec(line)?.groups?.name : undefined;
      return name === undefined ? line : `${line} static { nameClass(this, "${name}"); }`;
    })
    .join('\n');

const isDeclaration = /^\s*(?:export |class |let |const |var |exports\.)/;
const className = /\bclass (?<name>[\w$]+)/;

/** Modules find files beside them as before: from the bundle, `import.meta` leads to their place in dist/ or node_modules/. */
const placesOfModules: Plugin = {
  name: 'places-of-modules',
  setup(bundle) {
    bundle.onLoad({ filter: /\.[cm]?js$/ }, async ({ path: file }) => {
      const place = path.relative(outputDir, file).split(path.sep).join('/');
      const dir = `process.getBuiltinModule("node:path").join(import.meta.dirname, "${path.posix.dirname(place)}")`;
      const contents = withClassNames(await sourceOf(file))
        // esbuild does not escape characters in regular expressions.
        .replaceAll(/[\u2018\u201C]/g, (quote) => `\\u${quote.charCodeAt(0).toString(16)}`)
        .replaceAll('import.meta.dirname', dir)
        .replaceAll('import.meta.url', `new URL("${place}", import.meta.url).href`);
      const isPackage = place.includes('/node_modules/');
      return {
        contents: isPackage ? `${contents.replaceAll(/^\/\/# sourceMappingURL=.*$/gm, '')}\n${emptyMap}` : contents,
      };
    });
  },
};

/** The text of a module with its shortcut. @throws Error if the text to replace is missing */
async function sourceOf(file: string): Promise<string> {
  const source = await readFile(file, 'utf8');
  const shortcut = shortcuts[path.relative(projectDir, file).split(path.sep).join('/')];
  if (!shortcut) return source;
  const [from, to] = shortcut;
  if (!source.includes(from)) throw new Error(`${file} does not contain ${from}; adapt the shortcut`);
  return source.replace(from, to);
}

const stamp = await digestOfInputs();
if (!existsSync(stampFile) || (await readFile(stampFile, 'utf8')) !== stamp) await write(await bundle());

/** Digest of everything the bundle depends on: the compiled sources, this program, and package versions. */
async function digestOfInputs(): Promise<string> {
  const names = await readdir(compiledDir, { recursive: true });
  const compiled = names.filter((name) => name.endsWith('.js') && !/^(bundle|ide)\b/.test(name)).sort();
  const hash = createHash('sha256');
  for (const file of [
    ...compiled.map((name) => path.join(compiledDir, name)),
    import.meta.filename,
    path.join(projectDir, 'package-lock.json'),
  ])
    hash.update(`${path.relative(projectDir, file)}\0`).update(await readFile(file));
  return hash.digest('hex');
}

/** Output files by name. */
type Files = Map<string, Uint8Array>;

async function bundle(): Promise<Files> {
  const { outputFiles } = await build({
    absWorkingDir: projectDir,
    entryPoints: [path.join(compiledDir, 'main.js')],
    outdir: outputDir,
    chunkNames: '[name]-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    external,
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: 'none',
    sourcemap: 'linked',
    sourcesContent: false,
    // CommonJS packages load built-in modules by `require`.
    banner: {
      js: `import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);
const nameClass = (target, value) => Object.defineProperty(target, 'name', { value, configurable: true });`,
    },
    plugins: [oneGraphql, requiredHttp, placesOfModules],
    logLevel: 'warning',
    write: false,
  });
  const files: Files = new Map(outputFiles.map(({ path: file, contents }) => [path.basename(file), contents]));
  for (const [name, contents] of files) assertAscii(name, contents);
  return files;
}

/** V8 stores a source in one byte a character only if all are ASCII; esbuild escapes them, except in templates with a tag. */
function assertAscii(name: string, contents: Uint8Array): void {
  const at = contents.findIndex((byte) => byte > 0x7f);
  if (at < 0) return;
  const place = Buffer.from(contents.subarray(Math.max(0, at - 60), at + 20)).toString();
  throw new Error(`${name} must be ASCII; escape the character in the tagged template: ${place}`);
}

/** Writes to a temporary folder and swaps it in, so that a gateway that starts meanwhile never sees a partial build. */
async function write(files: Files): Promise<void> {
  const draft = `${outputDir}.${process.pid}`;
  await mkdir(draft, { recursive: true });
  for (const [name, contents] of files) await writeFile(path.join(draft, name), contents);
  await writeFile(path.join(draft, path.basename(stampFile)), stamp);
  await rm(outputDir, { recursive: true, force: true });
  await rename(draft, outputDir);
}

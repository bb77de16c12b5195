/* Bundles the IDE into dist/ide/: `node ide/build.ts`. Does nothing where neither a source nor a package has changed. */
import { build, type BuildOptions, type Plugin } from 'esbuild';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';

const sourceDir = import.meta.dirname;
const projectDir = path.dirname(sourceDir);
const outputDir = path.join(projectDir, 'dist', 'ide');
/** What it was built from; written last, so that a build that was broken off is done again. */
const stampFile = path.join(outputDir, 'built-from');

/** Monaco runs languages in workers; each becomes a file of its own. */
const workers = {
  editor: 'monaco-editor/esm/vs/editor/editor.worker.js',
  json: 'monaco-editor/esm/vs/language/json/json.worker.js',
  graphql: 'monaco-graphql/esm/graphql.worker.js',
};

const common = {
  bundle: true,
  minify: true,
  target: ['chrome123', 'firefox121', 'safari17.5'],
  define: { 'process.env.NODE_ENV': '"production"' },
  absWorkingDir: projectDir,
  outdir: outputDir,
  logLevel: 'warning',
} satisfies BuildOptions;

/** GraphiQL's own sheet holds the styles of Monaco; bundled again from Monaco's modules they would be there twice. */
const stylesOfMonaco: Plugin = {
  name: 'styles-of-monaco',
  setup(bundle) {
    bundle.onLoad({ filter: /monaco-editor[\\/].*\.css$/ }, () => ({ contents: '', loader: 'empty' }));
  },
};

/** A step below the best: a tenth larger at most, in a fraction of the time. */
const brotliQuality = 9;

/** A file to be, by its name. */
type Files = Map<string, Uint8Array>;

const stamp = await digestOfSources();
if (!existsSync(stampFile) || (await readFile(stampFile, 'utf8')) !== stamp) {
  const workerFiles = await bundleWorkers();
  const page = await bundlePage([...workerFiles.keys()]);
  await write(new Map([...workerFiles, ...page]));
}

/** Of all that the bundle is made from: the sources, those that they take from src/, and the versions of the packages. */
async function digestOfSources(): Promise<string> {
  const own = (await readdir(sourceDir)).sort().map((name) => path.join(sourceDir, name));
  const shared = path.join(projectDir, 'src', 'domains', 'prediction', 'typed-models', 'names.ts');
  const hash = createHash('sha256');
  for (const file of [...own, shared, path.join(projectDir, 'package-lock.json')]) hash.update(`${path.basename(file)}\0`).update(await readFile(file));
  return hash.digest('hex');
}

async function bundleWorkers(): Promise<Files> {
  const { outputFiles } = await build({ ...common, entryPoints: workers, entryNames: '[name].worker-[hash]', format: 'iife', write: false });
  return new Map(outputFiles.map(({ path: file, contents }) => [path.basename(file), contents]));
}

async function bundlePage(workerNames: string[]): Promise<Files> {
  const { outputFiles } = await build({
    ...common,
    entryPoints: { main: path.join(sourceDir, 'main.tsx') },
    entryNames: '[name]-[hash]',
    chunkNames: 'part-[hash]',
    format: 'esm',
    splitting: true,
    define: { ...common.define, WORKER_FILES: JSON.stringify(Object.fromEntries(workerNames.map((name) => [name.split('.')[0], name]))) },
    plugins: [stylesOfMonaco],
    write: false,
  });
  const files: Files = new Map();
  let styles = '';
  let script = '';
  for (const { path: file, contents, text } of outputFiles) {
    if (file.endsWith('.css')) styles = addStyles(text, files);
    else files.set(path.basename(file), contents);
    if (path.basename(file).startsWith('main-') && file.endsWith('.js')) script = path.basename(file);
  }
  const icon = addHashed(files, 'icon', 'svg', await readFile(path.join(sourceDir, 'icon.svg')));
  const page = await readFile(path.join(sourceDir, 'index.html'), 'utf8');
  files.set('index.html', Buffer.from(page.replace('%icon%', icon).replace('%styles%', styles).replace('%script%', script)));
  return files;
}

/** The styles with their fonts as files, so that a browser loads the few that it needs; answers the name. */
function addStyles(text: string, files: Files): string {
  const withFiles = text.replaceAll(/url\("?data:font\/(\w+);base64,([\w+/=]+)"?\)/g, (_url, extension: string, base64: string) => {
    return `url(${addHashed(files, 'font', extension, Buffer.from(base64, 'base64'))})`;
  });
  return addHashed(files, 'main', 'css', Buffer.from(withFiles));
}

function addHashed(files: Files, name: string, extension: string, contents: Uint8Array): string {
  const fileName = `${name}-${createHash('sha256').update(contents).digest('hex').slice(0, 8)}.${extension}`;
  files.set(fileName, contents);
  return fileName;
}

/** Writes into a folder beside, which then takes the old one's place: a gateway that starts meanwhile sees one of the two, whole. */
async function write(files: Files): Promise<void> {
  const draft = `${outputDir}.${process.pid}`;
  await mkdir(draft, { recursive: true });
  await Promise.all(
    [...files].map(async ([name, contents]) => {
      await writeFile(path.join(draft, name), contents);
      if (!/\.(js|css)$/.test(name)) return;
      await writeFile(path.join(draft, `${name}.gz`), await promisify(gzip)(contents, { level: 9 }));
      await writeFile(path.join(draft, `${name}.br`), await promisify(brotliCompress)(contents, { params: { [constants.BROTLI_PARAM_QUALITY]: brotliQuality } }));
    }),
  );
  await writeFile(path.join(draft, path.basename(stampFile)), stamp);
  await rm(outputDir, { recursive: true, force: true });
  await rename(draft, outputDir);
}

import { chmod, cp, mkdir, mkdtemp, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openPredictor } from '../../../src/inference/serving/open-predictor.js';
import { ModelRepositoryError, type Predictor } from '../../../src/inference/serving/predictor.js';
import { readModel, scanModelRepository, servedFolders } from '../../../src/inference/repository/model-repository.js';
import { readModelBytes } from '../../../src/inference/repository/model-files.js';
import { UnreadableFolder } from '../../../src/inference/repository/problems.js';
import { checkModelStore } from '../../../src/inference/repository/validator.js';
import { readGoldenRows } from '../../../src/inference/repository/version-folder.js';
import { openCache } from '../../../src/cache/cache.js';
import { createLogger } from '../../../src/telemetry/logger.js';
import { openForAll } from '../../support/models.js';

const logger = createLogger('silent');
const cache = openCache({ namespace: 'test', maxEntries: 100, maxBytes: 100_000 });

let storeDir: string;
let iris: string;

beforeEach(async () => {
  storeDir = await mkdtemp(path.join(tmpdir(), 'auspex-models-'));
  iris = path.join(storeDir, 'iris');
  await cp(path.resolve('model-store', 'iris'), iris, { recursive: true });
  // These tests change files that it lists.
  await rm(inIris('1', 'SHA256SUMS'));
});

afterEach(() => rm(storeDir, { recursive: true, force: true }));

const open = (): Promise<Predictor> => openPredictor({ storeDir, isStrict: true, cache, logger });

async function problems(): Promise<readonly string[]> {
  try {
    const predictor = await open();
    await predictor.close();
    return [];
  } catch (error) {
    if (error instanceof ModelRepositoryError) return error.problems;
    throw error;
  }
}

async function edit(file: string, change: (text: string) => string): Promise<void> {
  const text = await readFile(file, 'utf8');
  const changed = change(text);
  expect(changed).not.toBe(text);
  await writeFile(file, changed);
}

/** Runs as a user that may read everything but these paths; root may read any. */
async function withoutPrivileges(closed: readonly string[], work: () => Promise<void>): Promise<void> {
  openForAll(storeDir);
  for (const file of closed) await chmod(file, 0);
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) process.seteuid?.(65534);
  try {
    await work();
  } finally {
    if (isRoot) process.seteuid?.(0);
    for (const file of closed) await chmod(file, 0o755);
  }
}

/** The folders that are models. */
async function modelNames(): Promise<string[]> {
  const models = await Promise.all((await servedFolders(storeDir)).names.map((name) => readModel(storeDir, name)));
  return models.flatMap((model) => model?.name ?? []);
}

const inIris = (...parts: string[]) => path.join(iris, ...parts);

const flower = { petal_length: 4, petal_width: 1.3 };

describe('a model store', () => {
  it('ignores files, hidden folders and folders without a model', async () => {
    await writeFile(path.join(storeDir, 'README.md'), 'Models');
    await mkdir(path.join(storeDir, '.git', '1'), { recursive: true });
    await mkdir(path.join(storeDir, 'training', 'data'), { recursive: true });

    expect(await modelNames()).toEqual(['iris']);
  });

  it('serves several versions, by default the current one', async () => {
    await cp(inIris('1'), inIris('2'), { recursive: true });
    await cp(inIris('1'), inIris('10'), { recursive: true });
    await edit(inIris('model.yaml'), (text) => text.replace('current: 1', 'current: 2'));
    const predictor = await open();

    const model = predictor.model('iris');
    const versions = [undefined, null, 1, 2, 10].map((version) =>
      predictor.predict({ model: 'iris', rows: [flower], ...(version === undefined ? {} : { version }) }),
    );
    expect(model?.versions.map(({ version }) => version)).toEqual([1, 2, 10]);
    expect(model?.current).toBe(model?.versions[1]);
    expect((await Promise.all(versions)).map(({ version }) => version.version)).toEqual([2, 2, 1, 2, 10]);
    await predictor.close();
  });

  it('uses the highest version as current if the manifest names none', async () => {
    await cp(inIris('1'), inIris('2'), { recursive: true });
    await edit(inIris('model.yaml'), (text) => text.replace('current: 1\n', ''));
    const predictor = await open();

    expect(predictor.model('iris')?.current.version).toBe(2);
    await predictor.close();
  });

  it('serves a version without golden rows and metrics', async () => {
    await rm(inIris('1', 'golden.jsonl'));
    await rm(inIris('1', 'metrics.json'));
    const predictor = await open();

    expect(predictor.model('iris')?.current.metrics).toBeNull();
    expect((await predictor.predict({ model: 'iris', rows: [flower] })).rows).toHaveLength(1);
    await predictor.close();
  });

  it('ignores folders that file systems create', async () => {
    await mkdir(path.join(storeDir, 'lost+found', '1'), { recursive: true });
    await writeFile(path.join(storeDir, 'lost+found', '1', 'model.onnx'), 'recovered');

    expect(await modelNames()).toEqual(['iris']);
  });

  it('passes over a folder that cannot be read', async () => {
    const closed = path.join(storeDir, 'closed');
    await mkdir(closed, { mode: 0o700 });
    await chmod(storeDir, 0o755);
    // The thread that loads a graph would read its program as that user, too.
    await rm(iris, { recursive: true });

    await withoutPrivileges([closed], async () => {
      await expect(readModel(storeDir, 'closed')).rejects.toBeInstanceOf(UnreadableFolder);
      expect(await checkModelStore(storeDir)).toMatchObject({
        problems: [expect.stringContaining('holds no model')],
        warnings: ['closed cannot be read (EACCES); give the user of this process permission to read it'],
      });
    });
  });

  it('names a file of a model that cannot be read', async () => {
    await chmod(storeDir, 0o755);

    await withoutPrivileges([inIris('1', 'model.onnx')], async () => {
      expect(await problems()).toEqual([
        'iris/1/model.onnx cannot be read (EACCES); give the user of this process permission to read it',
      ]);
    });
  });

  it('looks different after a file is replaced by one of the same size and time', async () => {
    const file = inIris('1', 'metrics.json');
    const { atime, mtime, size } = await stat(file);
    const before = await scanModelRepository(storeDir);
    await sleep(20);
    await writeFile(file, 'x'.repeat(size));
    await utimes(file, atime, mtime);

    expect((await scanModelRepository(storeDir)).get('iris')).not.toBe(before.get('iris'));
  });

  it('may be empty', async () => {
    await rm(iris, { recursive: true });
    const predictor = await open();

    expect(predictor.models()).toEqual([]);
    await predictor.close();
  });

  it('must be a folder', async () => {
    await rm(storeDir, { recursive: true });

    expect(await problems()).toEqual([`${storeDir} cannot be read as a folder; name the folder that holds the models`]);
  });

  it('is rejected with all problems of all models at once', async () => {
    await cp(iris, path.join(storeDir, 'second'), { recursive: true });
    await cp(iris, path.join(storeDir, 'third'), { recursive: true });
    await rm(inIris('1', 'model.onnx'));
    await writeFile(inIris('1', 'metrics.json'), 'NaN');
    await writeFile(path.join(storeDir, 'second', 'model.yaml'), 'title: Second');
    await rm(path.join(storeDir, 'third', 'model.yaml'));

    expect(await problems()).toEqual([
      'iris/1 has no model.onnx; add it or remove the folder',
      'second/model.yaml: inputs is missing',
      'second/model.yaml: outputs is missing',
      'third has a version 1 but no model.yaml; add one',
    ]);
  });

  it('is rejected with all graphs that cannot be loaded at once', async () => {
    await cp(iris, path.join(storeDir, 'second'), { recursive: true });
    await writeFile(inIris('1', 'model.onnx'), 'not a graph');
    await edit(path.join(storeDir, 'second', 'model.yaml'), (text) => text.replace('petal_width:', 'petal_girth:'));

    expect(await problems()).toEqual([
      expect.stringContaining('iris/1/model.onnx cannot be loaded: '),
      'second/1: input petal_width of the graph is not in the manifest; describe it there',
      'second/1: input petal_girth of the manifest is not in the graph, which has sepal_length, sepal_width, petal_length, petal_width',
    ]);
  });

  it.each<[string, string, () => Promise<unknown>]>([
    [
      'a version that is no number',
      'iris/v1 contains a model.onnx but is not a version',
      () => rename(inIris('1'), inIris('v1')),
    ],
    ['a version 01', 'iris/01 contains a model.onnx but is not a version', () => rename(inIris('1'), inIris('01'))],
    [
      'no version',
      'iris has no version; put the model at iris/1/model.onnx',
      () => rm(inIris('1'), { recursive: true }),
    ],
    ['two manifests', 'iris has both model.yaml and model.json; keep one', () => writeFile(inIris('model.json'), '{}')],
    [
      'a current version that is not there',
      'iris/model.yaml:5: current is 3, which does not exist; versions: 1',
      () => edit(inIris('model.yaml'), (text) => text.replace('current: 1', 'current: 3')),
    ],
    [
      'damaged metrics',
      'iris/1/metrics.json must be one JSON object of at most 1.0 MiB: Unexpected end of JSON input',
      () => writeFile(inIris('1', 'metrics.json'), '{"r2": '),
    ],
    [
      'a damaged golden row',
      'iris/1/golden.jsonl:1: must be one line of JSON',
      () => writeFile(inIris('1', 'golden.jsonl'), '{"input": {'),
    ],
    [
      'limits that its golden row breaks',
      'iris/1/golden.jsonl:1: input petal_length must be from 50 to 60 (unit: cm), not 4',
      () =>
        edit(inIris('model.yaml'), (text) =>
          text.replace('minimum: 0.2\n    maximum: 12', 'minimum: 50\n    maximum: 60'),
        ),
    ],
    [
      'golden rows of another training',
      'model.onnx and golden.jsonl come from different trainings',
      () =>
        writeFile(
          inIris('1', 'golden.jsonl'),
          JSON.stringify({
            input: flower,
            output: { species: 'setosa', probabilities: { setosa: 1, versicolor: 0, virginica: 0 } },
          }),
        ),
    ],
    [
      'labels too few',
      'iris/1: output probabilities has 2 labels for 3 elements',
      () => edit(inIris('model.yaml'), (text) => text.replace('labels: ["setosa", ', 'labels: [')),
    ],
    [
      'limits on a string',
      'must be',
      () => edit(inIris('model.yaml'), (text) => text.replace('maximum: 12', 'maximum: high')),
    ],
    [
      'a name that no path could hold',
      'cannot be the name of a model',
      () => rename(iris, path.join(storeDir, 'my iris')),
    ],
  ])('is rejected with %s', async (_, problem, damage) => {
    await damage();

    expect((await problems())[0]).toContain(problem);
  });

  it('does not load bytes that no longer match the digest', async () => {
    const model = await readModel(storeDir, 'iris');
    const version = model?.versions[0];
    if (!version) throw new Error('iris has a version');
    expect((await readModelBytes(version)).byteLength).toBeGreaterThan(0);
    await writeFile(version.modelFile, 'another');

    await expect(readModelBytes(version)).rejects.toThrow('iris/1/model.onnx changed while it was being loaded');
  });

  it('reads the requested number of golden rows', async () => {
    const model = await readModel(storeDir, 'iris');
    const version = model?.versions[0];
    if (!version) throw new Error('iris has a version');

    expect(await readGoldenRows(version, 3)).toHaveLength(3);
    expect((await readGoldenRows(version)).length).toBeGreaterThan(50);
  });
});

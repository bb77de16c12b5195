import { cp, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ModelStoreError, openPredictor, type Predictor } from '../../../src/inference/predictor.js';
import { readGoldenRows, readModelBytes, readModelStore } from '../../../src/inference/model-store.js';
import { openCache } from '../../../src/shared/cache.js';
import { createLogger } from '../../../src/shared/logger.js';

const logger = createLogger('silent');
const cache = openCache({ namespace: 'test', maxEntries: 100, maxBytes: 100_000, logger });

let storeDir: string;
let iris: string;

beforeEach(async () => {
  storeDir = await mkdtemp(path.join(tmpdir(), 'auspex-models-'));
  iris = path.join(storeDir, 'iris');
  await cp(path.resolve('model-store', 'iris'), iris, { recursive: true });
});

afterEach(() => rm(storeDir, { recursive: true, force: true }));

const open = (): Promise<Predictor> => openPredictor({ storeDir, cache, logger });

async function problems(): Promise<readonly string[]> {
  try {
    const predictor = await open();
    await predictor.close();
    return [];
  } catch (error) {
    if (error instanceof ModelStoreError) return error.problems;
    throw error;
  }
}

async function edit(file: string, change: (text: string) => string): Promise<void> {
  const text = await readFile(file, 'utf8');
  const changed = change(text);
  expect(changed).not.toBe(text);
  await writeFile(file, changed);
}

const inIris = (...parts: string[]) => path.join(iris, ...parts);

const flower = { petal_length: 4, petal_width: 1.3 };

describe('a model store', () => {
  it('passes over files, hidden folders and folders that plainly are no model', async () => {
    await writeFile(path.join(storeDir, 'README.md'), 'Models');
    await mkdir(path.join(storeDir, '.git', '1'), { recursive: true });
    await mkdir(path.join(storeDir, 'training', 'data'), { recursive: true });

    expect((await readModelStore(storeDir)).map(({ name }) => name)).toEqual(['iris']);
  });

  it('serves several versions and the current one where none is asked for', async () => {
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

  it('takes the highest version for the current one where the manifest names none', async () => {
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

  it('is refused with all the problems of all its models at once', async () => {
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

  it('is refused with all the graphs that cannot be loaded at once', async () => {
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
    ['a version that is no number', 'iris/v1 holds a model.onnx but is no version', () => rename(inIris('1'), inIris('v1'))],
    ['a version 01', 'iris/01 holds a model.onnx but is no version', () => rename(inIris('1'), inIris('01'))],
    ['no version', 'iris has no version; put the model at iris/1/model.onnx', () => rm(inIris('1'), { recursive: true })],
    ['two manifests', 'iris has both model.yaml and model.json; keep one', () => writeFile(inIris('model.json'), '{}')],
    [
      'a current version that is not there',
      'iris/model.yaml:5: current is 3, which is not there; there is 1',
      () => edit(inIris('model.yaml'), (text) => text.replace('current: 1', 'current: 3')),
    ],
    ['damaged metrics', 'iris/1/metrics.json must be one JSON object', () => writeFile(inIris('1', 'metrics.json'), '{"r2": NaN}')],
    [
      'a damaged golden row',
      'iris/1/golden.jsonl:1: must be one line of JSON',
      () => writeFile(inIris('1', 'golden.jsonl'), '{"input": {'),
    ],
    [
      'limits that its golden row breaks',
      'iris/1/golden.jsonl:1: input petal_length must be from 50 to 60 cm, not 4',
      () => edit(inIris('model.yaml'), (text) => text.replace('minimum: 0.2\n    maximum: 12', 'minimum: 50\n    maximum: 60')),
    ],
    [
      'golden rows of another training',
      'model.onnx and golden.jsonl are not of one training',
      () =>
        writeFile(
          inIris('1', 'golden.jsonl'),
          JSON.stringify({ input: flower, output: { species: 'setosa', probabilities: { setosa: 1, versicolor: 0, virginica: 0 } } }),
        ),
    ],
    [
      'labels too few',
      'iris/1: output probabilities has 2 labels for 3 elements',
      () => edit(inIris('model.yaml'), (text) => text.replace('labels: ["setosa", ', 'labels: [')),
    ],
    ['limits on a string', 'must be', () => edit(inIris('model.yaml'), (text) => text.replace('maximum: 12', 'maximum: high'))],
    ['a name that no path could hold', 'cannot be the name of a model', () => rename(iris, path.join(storeDir, 'my iris'))],
  ])('is refused with %s', async (_, problem, damage) => {
    await damage();

    expect((await problems())[0]).toContain(problem);
  });

  it('does not load bytes that are no longer those it took the digest of', async () => {
    const [model] = await readModelStore(storeDir);
    const version = model?.versions[0];
    if (!version) throw new Error('iris has a version');
    expect((await readModelBytes(version)).byteLength).toBeGreaterThan(0);
    await writeFile(version.modelFile, 'another');

    await expect(readModelBytes(version)).rejects.toThrow('iris/1/model.onnx changed while it was being loaded');
  });

  it('reads as many golden rows as are wanted', async () => {
    const [model] = await readModelStore(storeDir);
    const version = model?.versions[0];
    if (!version) throw new Error('iris has a version');

    expect(await readGoldenRows(version, 3)).toHaveLength(3);
    expect((await readGoldenRows(version)).length).toBeGreaterThan(50);
  });
});

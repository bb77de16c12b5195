import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openPredictor } from '../../src/inference/serving/open-predictor.js';
import { ModelRepositoryError, type Predictor } from '../../src/inference/serving/predictor.js';
import { openCache } from '../../src/cache/cache.js';
import { createLogger } from '../../src/telemetry/logger.js';
import { bytesField, elementTypes, intField, modelOf, node, text, valueInfo } from '../support/onnx-proto.js';

const logger = createLogger('silent');
const cache = openCache({ namespace: 'test', maxEntries: 100, maxBytes: 100_000 });

let storeDir: string;
const opened: Predictor[] = [];

beforeEach(async () => {
  storeDir = await mkdtemp(path.join(tmpdir(), 'auspex-exported-'));
});

afterEach(async () => {
  for (const predictor of opened.splice(0)) await predictor.close();
  await rm(storeDir, { recursive: true, force: true });
});

/** Serves a graph as the model `m`. */
async function serve(graph: number[], manifest: object, golden = ''): Promise<Predictor> {
  const folder = path.join(storeDir, 'm', '1');
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(storeDir, 'm', 'model.json'), JSON.stringify({ title: 'M', ...manifest }));
  await writeFile(path.join(folder, 'model.onnx'), modelOf([...graph, ...bytesField(2, text('g'))]));
  await writeFile(path.join(folder, 'golden.jsonl'), golden);
  const predictor = await openPredictor({ storeDir, isStrict: true, cache, logger });
  opened.push(predictor);
  return predictor;
}

async function problems(...args: Parameters<typeof serve>): Promise<readonly string[]> {
  const error: unknown = await serve(...args).then(
    () => null,
    (reason: unknown) => reason,
  );
  if (error instanceof ModelRepositoryError) return error.problems;
  throw new Error('The model is served.', { cause: error });
}

const outputs = async (predictor: Predictor, ...rows: object[]) =>
  (await predictor.predict({ model: 'm', rows })).rows.map(({ output }) => output);

const integer = (name: string, value: number) => [
  ...bytesField(1, text(name)),
  ...intField(3, value),
  ...intField(20, 2),
];

const { float, int64, string } = elementTypes;
const input = (name: string, type: number, dims: (string | number)[]) => bytesField(11, valueInfo(name, type, dims));
const output = (name: string, type: number, dims: (string | number)[]) => bytesField(12, valueInfo(name, type, dims));

/** The index of the largest of four numbers. */
function classifier(rows: string | number, declared: (string | number)[]): number[] {
  const attributes = bytesField(5, integer('keepdims', 0));
  return [
    ...bytesField(1, [...node('ArgMax', ['x'], 'label', integer('axis', 1)), ...attributes]),
    ...input('x', float, [rows, 4]),
    ...output('label', int64, declared),
  ];
}

const identity = (type: number, dims: (string | number)[]) => [
  ...bytesField(1, node('Identity', ['x'], 'y')),
  ...input('x', type, dims),
  ...output('y', type, dims),
];

describe('an exported graph', () => {
  it.each<[string, (string | number)[]]>([
    ['[1], as onnxmltools does for LightGBM', [1]],
    ['[1, 1]', [1, 1]],
    ['[N]', ['N']],
  ])('may declare the label as %s', async (_, declared) => {
    const predictor = await serve(classifier('N', declared), { inputs: { x: {} }, outputs: { label: {} } });

    expect(await outputs(predictor, { x: [1, 9, 2, 3] }, { x: [1, 2, 3, 9] }, { x: [9, 2, 3, 1] })).toEqual([
      { label: 1 },
      { label: 3 },
      { label: 0 },
    ]);
    expect(predictor.model('m')?.current.outputs[0]).toMatchObject({ shape: [null], rowShape: [] });
  });

  it('must return one value for each row', async () => {
    const graph = [
      ...bytesField(1, [...node('ReduceMax', ['x'], 'y', integer('keepdims', 0))]),
      ...input('x', float, ['N', 1]),
      ...output('y', float, ['N']),
    ];

    expect(await problems(graph, { inputs: { x: {} }, outputs: { y: {} } })).toEqual([
      'm/1: output y has the shape [] for 1 row; the first dimension must be the number of rows: transpose it in the export, or leave it out',
    ]);
  });

  it.each([1, 2, 3])('may take exactly %i rows, of which the last run is filled up', async (fixed) => {
    const rows = [0, 1, 2, 3, 4, 5, 6].map((label) => ({
      x: [0, 1, 2, 3].map((index) => Number(index === label % 4)),
    }));
    const predictor = await serve(classifier(fixed, [fixed]), { inputs: { x: {} }, outputs: { label: {} } });

    expect(await outputs(predictor, ...rows)).toEqual([0, 1, 2, 3, 0, 1, 2].map((label) => ({ label })));
    expect(predictor.model('m')?.current.inputs[0]).toMatchObject({ shape: [null, 4], rowShape: [4] });
  });

  it('must have inputs for the same number of rows', async () => {
    const graph = [...identity(float, ['N', 2]), ...input('k', float, [1])];

    expect(await problems(graph, { inputs: { x: {}, k: {} }, outputs: { y: {} } })).toEqual([
      'm/1: input k has the shape [1]; the first dimension is the number of rows: export it free for all inputs, or fixed to the same number for all',
    ]);
  });

  it('may return a ZipMap, whose keys are the labels', async () => {
    const map = bytesField(
      4,
      bytesField(1, bytesField(5, [...intField(1, int64), ...bytesField(2, bytesField(1, intField(1, float)))])),
    );
    const keys = (name: string, ...values: number[][]) => [
      ...bytesField(1, text(name)),
      ...values.flat(),
      ...intField(20, name.endsWith('strings') ? 8 : 7),
    ];
    const zipMap = (attribute: number[]) => [
      ...bytesField(1, [...node('ZipMap', ['x'], 'y', attribute), ...bytesField(7, text('ai.onnx.ml'))]),
      ...input('x', float, ['N', 2]),
      ...bytesField(12, [...bytesField(1, text('y')), ...bytesField(2, map)]),
    ];
    const numbers = zipMap(keys('classlabels_int64s', intField(8, 0), intField(8, 1)));
    const names = zipMap(keys('classlabels_strings', bytesField(9, text('no')), bytesField(9, text('yes'))));
    const manifest = { inputs: { x: {} }, outputs: { y: {} } };

    expect(await outputs(await serve(numbers, manifest), { x: [0.25, 0.75] })).toEqual([{ y: { 0: 0.25, 1: 0.75 } }]);
    const predictor = await serve(names, manifest);
    expect(await outputs(predictor, { x: [0.25, 0.75] })).toEqual([{ y: { no: 0.25, yes: 0.75 } }]);
    expect(predictor.model('m')?.current.outputs[0]).toMatchObject({ labels: ['no', 'yes'], values: ['no', 'yes'] });
  });

  it('returns a sequence of tensors as an output for each', async () => {
    const sequence = bytesField(4, bytesField(1, bytesField(1, intField(1, float))));
    const output = bytesField(12, [...bytesField(1, text('y')), ...bytesField(2, sequence)]);
    const graph = [
      ...bytesField(1, node('Neg', ['x'], 'n')),
      ...bytesField(1, node('SequenceConstruct', ['x', 'n'], 'y')),
      ...input('x', float, ['N', 2]),
      ...output,
    ];
    const predictor = await serve(graph, { inputs: { x: {} }, outputs: { y_0: {}, y_1: {} } });

    expect(await outputs(predictor, { x: [1, 2] })).toEqual([{ y_0: [1, 2], y_1: [-1, -2] }]);
    const split = [
      ...bytesField(1, node('SplitToSequence', ['x'], 'y', integer('axis', 1))),
      ...input('x', float, ['N', 2]),
      ...output,
    ];
    expect(await problems(split, { inputs: { x: {} }, outputs: { y: {} } })).toEqual([
      'm/1: output y is no tensor but comes from SplitToSequence; export the model with tensors only',
    ]);
  });

  it('takes texts of the length that the manifest allows, and empty ones', async () => {
    const manifest = { inputs: { x: { max_length: 5000 } }, outputs: { y: {} } };
    const predictor = await serve(identity(string, ['N', 1]), manifest);

    expect(await outputs(predictor, { x: '' }, { x: 'é'.repeat(5000) })).toEqual([{ y: '' }, { y: 'é'.repeat(5000) }]);
    await expect(outputs(predictor, { x: 'é'.repeat(5001) })).rejects.toMatchObject({
      fields: [{ row: 0, field: 'x', message: 'must have 5000 characters or fewer; it has 5001' }],
    });
  });

  it('takes texts of 1000 characters if the manifest does not set a length', async () => {
    const predictor = await serve(identity(string, ['N', 1]), { inputs: { x: {} }, outputs: { y: {} } });

    expect(await outputs(predictor, { x: 'a'.repeat(1000) })).toHaveLength(1);
    await expect(outputs(predictor, { x: 'a'.repeat(1001) })).rejects.toThrow();
  });

  it('names the locale that its texts need and this system lacks', async () => {
    const textAttribute = (name: string, value: string) => [
      ...bytesField(1, text(name)),
      ...bytesField(4, text(value)),
      ...intField(20, 3),
    ];
    const normalizer = [
      ...node('StringNormalizer', ['x'], 'y', textAttribute('case_change_action', 'LOWER')),
      ...bytesField(5, textAttribute('locale', 'xx_XX.UTF-8')),
    ];
    const graph = [...bytesField(1, normalizer), ...input('x', string, ['N']), ...output('y', string, ['N'])];

    expect(await problems(graph, { inputs: { x: {} }, outputs: { y: {} } })).toEqual([
      expect.stringMatching(
        /^m\/1\/model\.onnx cannot be loaded: The graph normalizes text in the locale xx_XX\.UTF-8, which this system lacks; generate it/,
      ),
    ]);
  });

  it('gets NaN for null in a list where the manifest allows it', async () => {
    const isMissing = [
      ...bytesField(1, node('IsNaN', ['x'], 'y')),
      ...input('x', float, ['N', 3]),
      ...output('y', elementTypes.bool, ['N', 3]),
    ];
    const predictor = await serve(isMissing, { inputs: { x: { nullable_elements: true } }, outputs: { y: {} } });

    expect(await outputs(predictor, { x: [1, null, 0] }, { x: [1, 0, 0] }, { x: [null, null, null] })).toEqual([
      { y: [false, true, false] },
      { y: [false, false, false] },
      { y: [true, true, true] },
    ]);
    await expect(outputs(predictor, { x: [1, null] })).rejects.toThrow();
  });

  it('gets no null in a list otherwise', async () => {
    const predictor = await serve(identity(float, ['N', 3]), { inputs: { x: {} }, outputs: { y: {} } });

    await expect(outputs(predictor, { x: [1, null, 0] })).rejects.toMatchObject({
      fields: [{ row: 0, field: 'x[1]', message: 'must be a number, not null' }],
    });
  });

  it.each([
    [{ nullable_elements: true }, float, ['N', 1], 'm/1: input x is no list of floats; nullable_elements is for those'],
    [{ nullable_elements: true }, int64, ['N', 2], 'm/1: input x is no list of floats; nullable_elements is for those'],
    [{ max_length: 5 }, float, ['N', 1], 'm/1: input x is float; max_length is for strings'],
    [{ max_length: 0 }, string, ['N', 1], 'm/model.json:1: inputs.x.max_length must be 1 or more'],
  ])('is rejected with %j on another type', async (x, type, dims, problem) => {
    expect(await problems(identity(type, dims), { inputs: { x }, outputs: { y: {} } })).toEqual([problem]);
  });
});

it('serves a model whose names allow no typed field by predict, and notes the names', async () => {
  await mkdir(path.join(storeDir, 'm', '1'), { recursive: true });
  await writeFile(
    path.join(storeDir, 'm', 'model.json'),
    JSON.stringify({ title: 'M', inputs: { größe: {} }, outputs: { y: {} } }),
  );
  const graph = [
    ...bytesField(1, node('Identity', ['größe'], 'y')),
    ...input('größe', float, ['N', 1]),
    ...output('y', float, ['N', 1]),
  ];
  await writeFile(path.join(storeDir, 'm', '1', 'model.onnx'), modelOf([...graph, ...bytesField(2, text('g'))]));
  const predictor = await openPredictor({ storeDir, cache, logger, typingProblems: () => ['m/model.yaml: größe'] });
  opened.push(predictor);

  expect(predictor.model('m')).toMatchObject({
    isTyped: false,
    problems: ['m/model.yaml: größe; until then only predict serves this model'],
  });
  expect(await outputs(predictor, { größe: 4 })).toEqual([{ y: 4 }]);
});

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openCache } from '../../../src/cache/cache.js';
import { checkModelStore } from '../../../src/inference/repository/validator.js';
import { openPredictor } from '../../../src/inference/serving/open-predictor.js';
import type { Predictor } from '../../../src/inference/serving/predictor.js';
import { createLogger } from '../../../src/telemetry/logger.js';
import {
  bytesField,
  elementTypes,
  initializer,
  intField,
  modelOf,
  node,
  text,
  valueInfo,
} from '../../support/onnx-proto.js';

let storeDir: string;
const opened: { close(): Promise<void> }[] = [];

beforeEach(async () => {
  storeDir = await mkdtemp(path.join(tmpdir(), 'auspex-rows-'));
});

afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close();
  await rm(storeDir, { recursive: true, force: true });
});

const { float, int64 } = elementTypes;
const step = (...args: Parameters<typeof node>) => bytesField(1, node(...args));
const axes = (...values: number[]) => [
  ...bytesField(1, text('axes')),
  ...intField(20, 7),
  ...values.flatMap((value) => intField(8, value)),
];
const axis = (value: number) => [...bytesField(1, text('axis')), ...intField(20, 2), ...intField(3, value)];

/** A graph from `x` to `y`. */
const graph = (type: number, width: number, out: number | string, ...parts: number[][]): Uint8Array =>
  modelOf([
    ...bytesField(11, valueInfo('x', type, ['N', width])),
    ...bytesField(12, valueInfo('y', type, ['N', out])),
    ...parts.flat(),
    ...bytesField(2, text('g')),
  ]);

/** Scales each row by the range of the whole batch, as `quantize_dynamic` of ONNX Runtime does. */
const quantized = graph(
  ...([float, 4, 4] as const),
  step('DynamicQuantizeLinear', ['x'], ['q', 'scale', 'zero']),
  step('DequantizeLinear', ['q', 'scale', 'zero'], 'y'),
);
const centred = graph(
  ...([float, 1, 1] as const),
  step('ReduceMean', ['x'], 'mean', axes(0)),
  step('Sub', ['x', 'mean'], 'y'),
);
const cumulative = graph(
  ...([float, 1, 1] as const),
  initializer('zero', int64, [1], [0]),
  step('CumSum', ['x', 'zero'], 'y'),
);
/** Pads every row to the largest value. */
const padded = graph(
  ...([int64, 1, 'longest'] as const),
  initializer('one', int64, [1], [1]),
  step('ReduceMax', ['x'], 'max'),
  step('Reshape', ['max', 'one'], 'length'),
  step('Concat', ['one', 'length'], 'shape', axis(0)),
  step('Expand', ['x', 'shape'], 'y'),
);
/** Adds the first row of the batch. */
const positional = graph(
  ...([float, 1, 1] as const),
  initializer('zero', int64, [1], [0]),
  step('Gather', ['x', 'zero'], 'first', axis(0)),
  step('Add', ['x', 'first'], 'y'),
);
const softmax = graph(...([float, 4, 4] as const), step('Softmax', ['x'], 'y', axis(1)));

interface Version {
  golden?: object[];
  manifest?: object;
}

async function write(model: Uint8Array, { golden = [], manifest = {} }: Version = {}): Promise<void> {
  const folder = path.join(storeDir, 'm', '1');
  await mkdir(folder, { recursive: true });
  const fields = { inputs: { x: {} }, outputs: { y: {} } };
  await writeFile(path.join(storeDir, 'm', 'model.json'), JSON.stringify({ title: 'M', ...fields, ...manifest }));
  await writeFile(path.join(folder, 'model.onnx'), model);
  await writeFile(path.join(folder, 'golden.jsonl'), golden.map((row) => `${JSON.stringify(row)}\n`).join(''));
}

const checked = async (): Promise<string[]> =>
  (await checkModelStore(storeDir)).problems.filter((problem) => !problem.includes('README.md'));

async function serve(): Promise<Predictor> {
  const cache = openCache({ namespace: 'test', maxEntries: 100, maxBytes: 100_000 });
  const predictor = await openPredictor({ storeDir, cache, logger: createLogger('silent') });
  opened.push(cache, predictor);
  return predictor;
}

const singles = { serving: { max_batch: 1 } };

describe('a graph whose rows influence each other', () => {
  it.each([
    ['dynamic quantization', quantized, /beside others/],
    ['a mean over the batch', centred, /generated row has y -?\S+ alone and -?\S+ beside others/],
    ['a cumulative sum', cumulative, /beside others/],
    ['padding to the longest row', padded, /beside others|fail together/],
    ['a use of the first row', positional, /beside others/],
  ])('is rejected with %s, and served row by row with the remedy', async (_, model, difference) => {
    await write(model);
    const [problem = '', ...others] = await checked();
    expect(problem).toMatch(/^m\/1: rows influence each other: .*Set serving\.max_batch: 1, or export a graph/);
    expect(problem).toMatch(difference);
    expect(problem.length).toBeLessThan(500);
    expect(others).toEqual([]);

    await write(model, { manifest: singles });
    expect(await checked()).toEqual([]);
    expect((await serve()).model('m')?.problems).toEqual([]);
  });

  it('is found although golden rows of one batch agree', async () => {
    const golden = [-1, 0, 1].map((x) => ({ input: { x }, output: { y: x } }));
    await write(centred, { golden });
    expect(await checked()).toEqual([expect.stringMatching(/the row of golden.jsonl:3 has y 0 alone and/)]);
  });

  it('is found by a missing value that spoils the batch', async () => {
    const manifest = { inputs: { x: { nullable_elements: true, minimum: -1, maximum: 1 } } };
    await write(quantized, { manifest });
    expect(await checked()).toHaveLength(1);
  });

  it('returns the result of a row alone beside an extreme row of another caller', async () => {
    await write(quantized, { manifest: singles });
    const predictor = await serve();
    const output = async (x: number[], caller: string) =>
      (await predictor.predict({ model: 'm', rows: [{ x }], caller })).rows[0];
    const [beside] = await Promise.all([output([0, 0.25, 0.5, 1], 'a'), output([0, 0, 0, 1e6], 'b')]);
    expect(beside?.output.y).toEqual([0, 0.25, 0.5, 1].map((x) => expect.closeTo(x, 2) as number));
    expect(await output([0, 0.25, 0.5, 1], 'a')).toMatchObject({ output: beside?.output, source: 'CACHE' });
  });
});

describe('a graph with independent rows', () => {
  it.each([
    ['golden rows', { golden: [{ input: { x: [0, 0, 0, 0] }, output: { y: [0.25, 0.25, 0.25, 0.25] } }] }],
    ['no golden rows', {}],
    ['batches of two rows', { manifest: { serving: { max_batch: 2 } } }],
  ])('is accepted with %s', async (_, version) => {
    await write(softmax, version);
    expect(await checked()).toEqual([]);
  });

  it('is accepted with random outputs, which no batch explains', async () => {
    const random = graph(
      ...([float, 1, 1] as const),
      step('RandomUniformLike', ['x'], 'noise'),
      step('Add', ['x', 'noise'], 'y'),
    );
    await write(random);
    expect(await checked()).toEqual([]);
  });

  it('is accepted although it fails on extreme rows', async () => {
    const lookup = graph(
      ...([int64, 1, 1] as const),
      initializer('table', int64, [3], [10, 20, 30]),
      step('Gather', ['table', 'x'], 'y'),
    );
    await write(lookup, { golden: [{ input: { x: 2 }, output: { y: 30 } }] });
    expect(await checked()).toEqual([]);
  });
});

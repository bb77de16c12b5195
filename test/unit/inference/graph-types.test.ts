import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openPredictor } from '../../../src/inference/serving/open-predictor.js';
import type { Predictor } from '../../../src/inference/serving/predictor.js';
import { openCache, type Cache } from '../../../src/cache/cache.js';
import type { BadUserInput } from '../../../src/errors/app-error.js';
import { createLogger } from '../../../src/telemetry/logger.js';
import { bytesField, elementTypes, intField, modelOf, node, text, valueInfo } from '../../support/onnx-proto.js';

const inputNames = Object.keys(elementTypes) as (keyof typeof elementTypes)[];

const logger = createLogger('silent');

let storeDir: string;
let cache: Cache;
let predictor: Predictor;

beforeAll(async () => {
  storeDir = await mkdtemp(path.join(tmpdir(), 'auspex-echo-'));
  const inputs = inputNames.map((name) => `  ${name}: { required: ${!['float', 'double', 'string'].includes(name)} }`);
  const outputs = [...inputNames.map((name) => `  ${name}_out: {}`), '  pair: {}', '  grid_out: {}'];
  await mkdir(path.join(storeDir, 'echo', '1'), { recursive: true });
  await writeFile(
    path.join(storeDir, 'echo', 'model.yaml'),
    ['title: Echo', 'inputs:', ...inputs, '  grid: {}', 'outputs:', ...outputs].join('\n'),
  );
  await writeFile(path.join(storeDir, 'echo', '1', 'model.onnx'), echoGraph());
  cache = openCache({ namespace: 'test', maxEntries: 1000, maxBytes: 1_000_000 });
  predictor = await openPredictor({ storeDir, isStrict: true, cache, logger });
});

afterAll(async () => {
  await predictor.close();
  await cache.close();
  await rm(storeDir, { recursive: true, force: true });
});

const row = {
  float: 0.5,
  int32: -7,
  int64: 9_007_199_254_740_991,
  string: 'Zürich, "北京"',
  bool: true,
  double: 0.1,
  grid: [
    [1, 2, 3],
    [4, 5, 6],
  ],
};

const response = {
  float_out: 0.5,
  int32_out: -7,
  int64_out: 9_007_199_254_740_991,
  string_out: 'Zürich, "北京"',
  bool_out: true,
  double_out: 0.1,
  pair: [0.5, 0.5],
  grid_out: [
    [1, 2, 3],
    [4, 5, 6],
  ],
};

describe('a served model', () => {
  it('accepts and returns every supported type, from the graph and from the cache', async () => {
    const first = await predictor.predict({ model: 'echo', rows: [row, { ...row, bool: false, int32: 5 }] });
    const second = await predictor.predict({ model: 'echo', rows: [row] });

    expect(first.rows.map(({ output }) => output)).toEqual([response, { ...response, bool_out: false, int32_out: 5 }]);
    expect(second.rows[0]).toMatchObject({ output: response, source: 'CACHE' });
    expect(first.version.inputs.map(({ name, type }) => [name, type])).toEqual([
      ['float', 'float'],
      ['int32', 'integer'],
      ['int64', 'integer'],
      ['string', 'string'],
      ['bool', 'boolean'],
      ['double', 'float'],
      ['grid', 'float'],
    ]);
    expect(first.version.inputs.at(-1)).toMatchObject({ shape: [null, 2, 3], rowShape: [2, 3] });
  });

  it('passes an empty string for a missing text', async () => {
    const { rows } = await predictor.predict({ model: 'echo', rows: [{ ...row, string: null }] });

    expect(rows[0]?.output.string_out).toBe('');
  });

  it('rejects a row whose output is not a number, and serves rows of other calls in the batch', async () => {
    const outcomes = await Promise.allSettled([
      predictor.predict({ model: 'echo', rows: [row, { ...row, float: null, int32: 1 }] }),
      predictor.predict({ model: 'echo', rows: [{ ...row, int32: 2 }] }),
    ]);

    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
    const rejected = (outcomes[0] as PromiseRejectedResult).reason as BadUserInput;
    expect(rejected.fields).toEqual([
      { row: 1, field: 'float_out', message: expect.stringContaining('has no finite value') as string },
    ]);
  });

  it('returns the other rows of the call with onInvalid: NULL', async () => {
    const { rows, invalid } = await predictor.predict({
      model: 'echo',
      onInvalid: 'NULL',
      rows: [{ ...row, float: null, int32: 4 }, row, { ...row, int32: 'x' }, row, 5],
    });

    expect(rows.map(({ output }) => output)).toEqual([response, response]);
    expect([...invalid].map(([index, { fields }]) => [index, ...fields.map(({ row, field }) => [row, field])])).toEqual(
      [
        [2, [2, 'int32']],
        [4, [4, 'inputs']],
        [0, [0, 'float_out']],
      ],
    );
  });

  it('returns no row if all are invalid with onInvalid: NULL', async () => {
    const { rows, invalid } = await predictor.predict({ model: 'echo', onInvalid: 'NULL', rows: [{}, {}] });

    expect(rows).toEqual([]);
    expect([...invalid.keys()]).toEqual([0, 1]);
  });

  it('does not cache a row without a response', async () => {
    const missing = { ...row, float: null, int32: 3 };
    await expect(predictor.predict({ model: 'echo', rows: [missing] })).rejects.toThrow('has no finite value');
    await expect(predictor.predict({ model: 'echo', rows: [missing] })).rejects.toThrow('has no finite value');
  });
});

/** A graph with one Identity per type, a vector of two floats, and a grid of rank 3. */
function echoGraph(): Uint8Array {
  const identities = inputNames.map((name) => node('Identity', [name], `${name}_out`));
  const concat = node('Concat', ['float', 'float'], 'pair', [
    ...bytesField(1, text('axis')),
    ...intField(3, 1),
    ...intField(20, 2),
  ]);
  const graph = [
    ...[...identities, concat, node('Identity', ['grid'], 'grid_out')].flatMap((each) => bytesField(1, each)),
    ...bytesField(2, text('echo')),
    ...inputNames.flatMap((name) => bytesField(11, valueInfo(name, elementTypes[name], ['N', 1]))),
    ...inputNames.flatMap((name) => bytesField(12, valueInfo(`${name}_out`, elementTypes[name], ['N', 1]))),
    ...bytesField(11, valueInfo('grid', elementTypes.float, ['N', 2, 3])),
    ...bytesField(12, valueInfo('pair', elementTypes.float, ['N', 2])),
    ...bytesField(12, valueInfo('grid_out', elementTypes.float, ['N', 2, 3])),
  ];
  return modelOf(graph);
}

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openCache } from '../../../src/cache/cache.js';
import { checkModelStore } from '../../../src/inference/repository/validator.js';
import { openPredictor } from '../../../src/inference/serving/open-predictor.js';
import { createLogger } from '../../../src/telemetry/logger.js';
import { bytesField, elementTypes, initializer, modelOf, node, text, valueInfo } from '../../support/onnx-proto.js';

let storeDir: string;

beforeEach(async () => {
  storeDir = await mkdtemp(path.join(tmpdir(), 'auspex-golden-'));
});

afterEach(() => rm(storeDir, { recursive: true, force: true }));

const { float, int64 } = elementTypes;

/** A graph that adds a constant to each row. */
const adding = (type: number, constant: number | bigint): Uint8Array =>
  modelOf([
    ...bytesField(11, valueInfo('x', type, ['N', 1])),
    ...bytesField(12, valueInfo('y', type, ['N', 1])),
    ...initializer('constant', type, [1, 1], [constant]),
    ...bytesField(1, node('Add', ['x', 'constant'], 'y')),
    ...bytesField(2, text('g')),
  ]);

/** The problems of a model with one golden row. @param golden the output of `x = 0` as JSON text */
async function problems(model: Uint8Array, golden: string, manifest: object = {}): Promise<string[]> {
  const folder = path.join(storeDir, 'm', '1');
  await mkdir(folder, { recursive: true });
  const fields = { inputs: { x: {} }, outputs: { y: {} } };
  await writeFile(path.join(storeDir, 'm', 'model.json'), JSON.stringify({ title: 'M', ...fields, ...manifest }));
  await writeFile(path.join(folder, 'model.onnx'), model);
  await writeFile(path.join(folder, 'golden.jsonl'), `{"input": {"x": 0}, "output": {"y": ${golden}}}\n`);
  const report = await checkModelStore(storeDir);
  return report.problems.filter((problem) => !problem.includes('README.md'));
}

const expected = (problem: string) => [
  `m/1/golden.jsonl:1: ${problem}; model.onnx and golden.jsonl come from different trainings`,
];

describe('golden rows', () => {
  it('find an integer that is one too high', async () => {
    expect(await problems(adding(int64, 50_322), '50322')).toEqual([]);
    expect(await problems(adding(int64, 50_322), '50321')).toEqual(expected('y is 50322, not 50321'));
  });

  it('name the form of a single value', async () => {
    expect(await problems(adding(int64, 50_322), '[50322]')).toEqual([
      'm/1/golden.jsonl:1: y is 50322; write one value without brackets, not [50322]',
    ]);
  });

  it('find a difference of one beyond 2^53, as a number or a string', async () => {
    const graph = adding(int64, 9_007_199_254_740_993n);
    expect(await problems(graph, '9007199254740993')).toEqual([]);
    expect(await problems(graph, '"9007199254740993"')).toEqual([]);
    expect(await problems(graph, '9007199254740992')).toEqual(
      expected('y is "9007199254740993", not 9007199254740992'),
    );
  });

  it('are equal to floats within the tolerance of the manifest, or that of the output', async () => {
    expect(await problems(adding(float, 100), '101')).toEqual(expected('y is 100, not 101'));
    expect(await problems(adding(float, 100), '101', { tolerance: { relative: 0.01 } })).toEqual([]);
    const outputs = { y: { tolerance: { absolute: 0.5 } } };
    expect(await problems(adding(float, 100), '101', { tolerance: { relative: 0.01 }, outputs })).toEqual(
      expected('y is 100, not 101'),
    );
  });

  it('may have floats that look like large integers', async () => {
    expect(await problems(adding(float, 2 ** 60), '1152921504606846976')).toEqual([]);
    expect(await problems(adding(float, 2 ** 60), '1152921504606846977')).toEqual([]);
  });
});

describe('a version without golden rows', () => {
  const widths = modelOf([
    ...bytesField(11, valueInfo('x', float, ['N', 1])),
    ...bytesField(12, valueInfo('y', float, ['N', 'wide'])),
    ...initializer('shape', int64, [2], [1, 300]),
    ...bytesField(1, node('Expand', ['x', 'shape'], 'y')),
    ...bytesField(2, text('g')),
  ]);

  it('is found by the check if its outputs are too large for a call, as by a start', async () => {
    const manifest = { serving: { max_row_bytes: 1000 } };
    const found = await problems(widths, '0', manifest);
    await writeFile(path.join(storeDir, 'm', '1', 'golden.jsonl'), '');
    const checked = (await checkModelStore(storeDir)).problems.filter((problem) => !problem.includes('README.md'));
    expect(found).toEqual(checked);
    expect(checked).toEqual([expect.stringMatching(/^m\/1: .*y .*(1200|bytes)/)]);
    const cache = openCache({ namespace: 'test', maxEntries: 1, maxBytes: 1 });
    const logger = createLogger('silent');
    await expect(openPredictor({ storeDir, cache, logger, isStrict: true })).rejects.toMatchObject({
      problems: checked,
    });
    await cache.close();
  });

  it('is warned of as a canary with other outputs than the current version', async () => {
    expect(await problems(adding(float, 0), '0', { current: 1, canary: { version: 2, percent: 5 } })).toHaveLength(1);
    const folder = path.join(storeDir, 'm', '2');
    await mkdir(folder);
    await writeFile(path.join(folder, 'model.onnx'), widths);
    const report = await checkModelStore(storeDir);
    expect(report.warnings).toContain('m: canary 2 has other inputs or outputs than 1; it is not used');
  });
});

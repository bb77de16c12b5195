import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openOnnxSession } from '../../../src/inference/onnx/onnx-session.js';
import { externalTensors } from '../../../src/inference/onnx/external-data.js';
import { checkModelStore } from '../../../src/inference/repository/validator.js';
import { openPredictor } from '../../../src/inference/serving/open-predictor.js';
import { ModelRepositoryError, type Predictor } from '../../../src/inference/serving/predictor.js';
import { openCache } from '../../../src/cache/cache.js';
import { createLogger } from '../../../src/telemetry/logger.js';
import { bytesField, elementTypes, intField, modelOf, node, text, valueInfo } from '../../support/onnx-proto.js';
import { waitUntil } from '../../support/wait-until.js';

/** y = x * w, where w is a float that the graph stores in another file. */
interface ScalingModel {
  location: string;
  offset?: number;
  length?: number;
  /** Where the graph has the tensor. */
  place?: 'initializer' | 'attribute' | 'subgraph';
}

const logger = createLogger('silent');
const cache = openCache({ namespace: 'test', maxEntries: 100, maxBytes: 100_000 });

let storeDir: string;
let versionDir: string;
const opened: Predictor[] = [];

beforeEach(async () => {
  storeDir = await mkdtemp(path.join(tmpdir(), 'auspex-external-'));
  versionDir = path.join(storeDir, 'scale', '1');
  await mkdir(versionDir, { recursive: true });
  await writeFile(
    path.join(storeDir, 'scale', 'model.yaml'),
    'title: Scale\ninputs: { x: {} }\noutputs: { y: {} }\nserving: { max_batch: 8 }\n',
  );
});

afterEach(async () => {
  for (const predictor of opened.splice(0)) await predictor.close();
  await rm(storeDir, { recursive: true, force: true });
});

async function open(pollMs = 0): Promise<Predictor> {
  const predictor = await openPredictor({ storeDir, isStrict: true, cache, logger, pollMs });
  opened.push(predictor);
  return predictor;
}

async function problems(): Promise<readonly string[]> {
  try {
    await open();
    return [];
  } catch (error) {
    if (error instanceof ModelRepositoryError) return error.problems;
    throw error;
  }
}

const writeModel = (model: ScalingModel) => writeFile(path.join(versionDir, 'model.onnx'), scalingModel(model));
const writeData = (file: string, ...values: number[]) =>
  writeFile(path.join(versionDir, file), new Uint8Array(Float32Array.from(values).buffer));

const scaled = async (predictor: Predictor, x: number) =>
  (await predictor.predict({ model: 'scale', rows: [{ x }] })).rows[0]?.output.y;

describe('external data of a graph', () => {
  it.each<[string, string]>([
    ['a file of the working directory', 'package.json'],
    ['a hidden file of the working directory', '.data/jwt-secret'],
    ['an absolute path', '/etc/passwd'],
    ['a file in a parent folder', '../model.yaml'],
    ['a path that leaves the folder and returns', '../1/weights.bin'],
    ['a path through a missing folder', 'a/../../model.yaml'],
    ['the folder itself', '.'],
    ['no path', ''],
    ['an address in memory', '*/_ORT_MEM_ADDR_/*'],
    ['a long path', 'a'.repeat(300)],
  ])('is rejected if it names %s', async (_, location) => {
    await writeData('weights.bin', 3);
    await writeModel({ location, length: 4 });

    const [problem, ...others] = await problems();
    expect(problem).toMatch(/^scale\/1\/model\.onnx stores (the tensor "w"|tensors) in "/);
    expect(problem?.length).toBeLessThan(400);
    expect(others).toEqual([]);
    expect((await checkModelStore(storeDir)).problems).toContain(problem);
  });

  it.each(['initializer', 'attribute', 'subgraph'] as const)('is found in an %s', async (place) => {
    await writeModel({ location: 'package.json', length: 4, place });
    expect((await problems())[0]).toContain('stores tensors in "package.json"');

    await writeData('weights.bin', 3);
    await writeModel({ location: 'weights.bin', length: 4, place });
    expect(await scaled(await open(), 7)).toBe(21);
  });

  it.each<[string, number[]]>([
    ['a sparse initializer', bytesField(7, bytesField(15, bytesField(1, externalTensor({ location: 'a' }))))],
    [
      'a list of tensors',
      bytesField(7, bytesField(1, bytesField(5, bytesField(10, externalTensor({ location: 'a' }))))),
    ],
    ['a function', bytesField(25, bytesField(7, bytesField(5, bytesField(5, externalTensor({ location: 'a' })))))],
    ['training information', bytesField(20, bytesField(1, bytesField(5, externalTensor({ location: 'a' }))))],
    [
      'a message that is split in two',
      bytesField(
        7,
        bytesField(1, bytesField(5, [...bytesField(5, entry('location', 'a')), ...bytesField(5, intField(14, 1))])),
      ),
    ],
    [
      'a number with leading zeros',
      bytesField(7, bytesField(5, [...bytesField(13, entry('location', 'a')), 0x70, 0x81, 0])),
    ],
  ])('is found in %s', (_, model) => {
    expect(externalTensors(Uint8Array.from(model))).toHaveLength(1);
  });

  it('is rejected by the runtime if it was not embedded', async () => {
    await expect(openOnnxSession(scalingModel({ location: 'package.json', length: 4 }))).rejects.toThrow(
      'The graph refers to data in other files.',
    );
  });

  it('is rejected if the file is a link to another folder', async () => {
    await writeFile(path.join(storeDir, 'secret'), 'secret');
    await symlink(path.join(storeDir, 'secret'), path.join(versionDir, 'weights.bin'));
    await writeModel({ location: 'weights.bin', length: 4 });

    expect((await problems())[0]).toContain(
      'stores tensors in "weights.bin", which is not a file in the folder scale/1',
    );
  });

  it('is rejected if the file is shorter than the graph states', async () => {
    await writeData('weights.bin', 3);
    await writeModel({ location: 'weights.bin', offset: 4, length: 4 });

    expect(await problems()).toEqual([
      'scale/1/model.onnx reads the tensor "w" up to byte 8 of "weights.bin", which has 4; copy the file again, or export the model again',
    ]);
  });

  it('is rejected if the graph is damaged', async () => {
    await writeFile(path.join(versionDir, 'model.onnx'), '{"location": "a"}');

    expect(await problems()).toEqual(['scale/1/model.onnx cannot be loaded: it is not a valid ONNX graph']);
  });

  it.each<[string, ScalingModel]>([
    ['beside the graph', { location: 'weights.bin', offset: 4, length: 4 }],
    ['up to the end of the file', { location: './weights.bin', offset: 4 }],
    ['in a folder beside the graph', { location: 'data/weights.bin', offset: 4, length: 4 }],
  ])('is served from the folder of the version: %s', async (_, model) => {
    await mkdir(path.join(versionDir, 'data'));
    await writeData(model.location, 100, 3);
    await writeModel(model);

    expect(await scaled(await open(), 5)).toBe(15);
  });

  it('is part of the digest, and a change of it alone is loaded', async () => {
    await writeData('weights.bin', 2);
    await writeModel({ location: 'weights.bin', length: 4 });
    const predictor = await open(10);
    const before = predictor.model('scale')?.current.digest;
    expect(await scaled(predictor, 4)).toBe(8);

    await writeData('weights.bin', 5);
    await waitUntil(() => predictor.model('scale')?.current.digest !== before);
    expect(await scaled(predictor, 4)).toBe(20);
  });

  it('is loaded once it is copied', async () => {
    const predictor = await open(10).catch(() => null);
    expect(predictor).toBeNull();
    await rm(path.join(storeDir, 'scale', 'model.yaml'));
    await writeData('weights.bin', 2);
    await writeModel({ location: 'weights.bin', length: 4 });
    await writeFile(
      path.join(storeDir, 'scale', 'model.yaml'),
      'title: Scale\ninputs: { x: {} }\noutputs: { y: {} }\n',
    );
    const serving = await open(10);
    await mkdir(path.join(storeDir, 'scale', '2'));
    await writeFile(path.join(storeDir, 'scale', '2', 'model.onnx'), scalingModel({ location: 'w.bin', length: 4 }));
    await waitUntil(() => serving.problems().length > 0);
    await writeFile(path.join(storeDir, 'scale', '2', 'w.bin'), new Uint8Array(Float32Array.from([9]).buffer));
    await waitUntil(() => serving.problems().length === 0);

    expect(await scaled(serving, 2)).toBe(18);
  });

  it('must be in the list of checksums', async () => {
    await writeData('weights.bin', 2);
    await writeModel({ location: 'weights.bin', length: 4 });
    await writeFile(path.join(versionDir, 'SHA256SUMS'), '');

    expect((await checkModelStore(storeDir)).problems).toEqual(
      expect.arrayContaining(['scale/1/SHA256SUMS: does not list weights.bin']),
    );
  });
});

it.each(['model.onnx', 'metrics.json', 'golden.jsonl', 'signature.yaml'])(
  'rejects a %s that is a link out of the repository',
  async (file) => {
    await writeData('weights.bin', 2);
    await writeModel({ location: 'weights.bin', length: 4 });
    await rm(path.join(versionDir, file), { force: true });
    await symlink(path.resolve('package.json'), path.join(versionDir, file));

    expect(await problems()).toEqual([
      `scale/1/${file} is a link to a file outside of the model repository; copy the file instead`,
    ]);
  },
);

it('rejects a manifest that is a link out of the repository', async () => {
  await writeData('weights.bin', 2);
  await writeModel({ location: 'weights.bin', length: 4 });
  await rm(path.join(storeDir, 'scale', 'model.yaml'));
  await symlink(path.resolve('package.json'), path.join(storeDir, 'scale', 'model.json'));

  expect(await problems()).toEqual([
    'scale/model.json is a link to a file outside of the model repository; copy the file instead',
  ]);
});

it('serves a model whose folder and files are links within the repository', async () => {
  await mkdir(path.join(versionDir, '..data'));
  await writeData('..data/weights.bin', 2);
  await writeFile(path.join(versionDir, '..data', 'model.onnx'), scalingModel({ location: 'weights.bin', length: 4 }));
  for (const file of ['weights.bin', 'model.onnx'])
    await symlink(path.join('..data', file), path.join(versionDir, file));
  await symlink(path.join(storeDir, 'scale'), path.join(storeDir, 'linked'));

  const predictor = await open();
  expect((await predictor.predict({ model: 'linked', rows: [{ x: 3 }] })).rows[0]?.output.y).toBe(6);
});

function scalingModel({ place = 'initializer', ...data }: ScalingModel): Uint8Array {
  const constant = node('Constant', [], 'w', [
    ...bytesField(1, text('value')),
    ...bytesField(5, externalTensor(data)),
    ...intField(20, 4),
  ]);
  const branch = [
    ...bytesField(1, constant),
    ...bytesField(2, text('branch')),
    ...bytesField(12, valueInfo('w', elementTypes.float, [1])),
  ];
  const branches = ['then_branch', 'else_branch'].flatMap((name) =>
    bytesField(5, [...bytesField(1, text(name)), ...bytesField(6, branch), ...intField(20, 5)]),
  );
  const isTrue = [...intField(2, elementTypes.bool), ...intField(5, 1), ...bytesField(8, text('is_true'))];
  const source = {
    initializer: bytesField(5, externalTensor(data)),
    attribute: bytesField(1, constant),
    subgraph: [...bytesField(5, isTrue), ...bytesField(1, [...node('If', ['is_true'], 'w'), ...branches])],
  }[place];
  return modelOf([
    ...source,
    ...bytesField(1, node('Mul', ['x', 'w'], 'y')),
    ...bytesField(2, text('scale')),
    ...bytesField(11, valueInfo('x', elementTypes.float, ['N', 1])),
    ...bytesField(12, valueInfo('y', elementTypes.float, ['N', 1])),
  ]);
}

/** The TensorProto of one float `w`. */
function externalTensor({ location, offset, length }: ScalingModel): number[] {
  const entries = Object.entries({ location, offset, length }).flatMap(([key, value]) =>
    value === undefined ? [] : bytesField(13, entry(key, String(value))),
  );
  return [
    ...intField(1, 1),
    ...intField(2, elementTypes.float),
    ...bytesField(8, text('w')),
    ...entries,
    ...intField(14, 1),
  ];
}

function entry(key: string, value: string): number[] {
  return [...bytesField(1, text(key)), ...bytesField(2, text(value))];
}

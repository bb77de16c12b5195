import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openCache } from '../../../src/cache/cache.js';
import type { BadUserInput } from '../../../src/errors/app-error.js';
import { openPredictor } from '../../../src/inference/serving/open-predictor.js';
import type { Predictor } from '../../../src/inference/serving/predictor.js';
import { createLogger } from '../../../src/telemetry/logger.js';
import { bytesField, elementTypes, intField, modelOf, node, text, valueInfo } from '../../support/onnx-proto.js';

const logger = createLogger('silent');
const cache = openCache({ namespace: 'test', maxEntries: 1000, maxBytes: 1_000_000 });

let storeDir: string;
let predictor: Predictor;

/** Element types that only this suite has, as ONNX numbers them. */
const types = {
  ...elementTypes,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  float16: 10,
  uint32: 12,
  uint64: 13,
  bfloat16: 16,
};
type TypeName = keyof typeof types;
const typeNames = Object.keys(types) as TypeName[];

const integer = (name: string, value: number) => [
  ...bytesField(1, text(name)),
  ...intField(3, value),
  ...intField(20, 2),
];
const input = (name: string, type: number, dims: (string | number)[]) => bytesField(11, valueInfo(name, type, dims));
const output = (name: string, type: number, dims: (string | number)[]) => bytesField(12, valueInfo(name, type, dims));

/** Returns `x` as `y`. */
const echo = (type: number, dims: (string | number)[]) => [
  ...bytesField(1, node('Identity', ['x'], 'y')),
  ...input('x', type, dims),
  ...output('y', type, dims),
];

async function addModel(name: string, graph: number[], manifest: object): Promise<void> {
  await mkdir(path.join(storeDir, name, '1'), { recursive: true });
  await writeFile(path.join(storeDir, name, 'model.json'), JSON.stringify({ title: name, ...manifest }));
  await writeFile(path.join(storeDir, name, '1', 'model.onnx'), modelOf([...graph, ...bytesField(2, text('g'))]));
}

beforeAll(async () => {
  storeDir = await mkdtemp(path.join(tmpdir(), 'auspex-tensors-'));
  const plain = { inputs: { x: {} }, outputs: { y: {} } };
  for (const name of typeNames) {
    await addModel(`scalar-${name}`, echo(types[name], ['N', 1]), plain);
    await addModel(`list-${name}`, echo(types[name], ['N', 2]), plain);
  }
  await addModel(
    'mask',
    [
      ...bytesField(1, node('Expand', ['x', 'size'], 'y')),
      ...bytesField(5, [
        ...[1, 512, 512].flatMap((size) => intField(7, size)),
        ...[...intField(1, 3), ...intField(2, types.int64), ...bytesField(8, text('size'))],
      ]),
      ...input('x', types.uint8, ['N', 1, 1]),
      ...output('y', types.uint8, ['N', 512, 512]),
    ],
    plain,
  );
  await addModel('rank-5', echo(types.float, ['N', 1, 2, 1, 2, 3]), plain);
  await addModel('half-missing', echo(types.float16, ['N', 2]), {
    inputs: { x: { nullable_elements: true, maximum: 10 } },
    outputs: { y: {} },
  });
  await addModel(
    'tokens',
    [
      ...bytesField(1, node('Mul', ['ids', 'mask'], 'kept')),
      ...bytesField(1, node('Shape', ['kept'], 'shape')),
      ...bytesField(1, node('Expand', ['one', 'shape'], 'sizes')),
      ...bytesField(1, node('Mul', ['kept', 'sizes'], 'y')),
      ...bytesField(5, [
        ...intField(1, 1),
        ...intField(2, types.int64),
        ...bytesField(8, text('one')),
        ...intField(7, 1),
      ]),
      ...input('ids', types.int64, ['N', 'length']),
      ...input('mask', types.int64, ['N', 'length']),
      ...output('y', types.int64, ['N', 'length']),
    ],
    { inputs: { ids: {}, mask: {} }, outputs: { y: {} } },
  );
  await addModel('image', echo(types.float, ['N', 'h', 'w']), {
    ...plain,
    serving: { max_row_bytes: 80, max_call_bytes: 200 },
  });
  // A generated row would have more bytes.
  const golden = { input: { x: [[1]] }, output: { y: [[1]] } };
  await writeFile(path.join(storeDir, 'image', '1', 'golden.jsonl'), JSON.stringify(golden));
  await addModel(
    'mean',
    [
      ...bytesField(1, [...node('ReduceMean', ['x'], 'y', integer('keepdims', 0)), ...bytesField(5, axes(1, 2, 3))]),
      ...input('x', types.float, ['N', 3, 224, 224]),
      ...output('y', types.float, ['N']),
    ],
    plain,
  );
  predictor = await openPredictor({ storeDir, cache, logger, threads: 2 });
});

/** The axes of a reduction. */
const axes = (...values: number[]) => [
  ...bytesField(1, text('axes')),
  ...values.flatMap((value) => intField(8, value)),
  ...intField(20, 7),
];

afterAll(async () => {
  await predictor.close();
  await cache.close();
  await rm(storeDir, { recursive: true, force: true });
});

const outputsOf = async (model: string, ...rows: object[]) =>
  (await predictor.predict({ model, rows })).rows.map(({ output }) => output.y);

const problemOf = async (model: string, ...rows: object[]) => {
  const error: unknown = await outputsOf(model, ...rows).catch((reason: unknown) => reason);
  const [problem] = (error as BadUserInput).fields;
  return `${problem?.field} ${problem?.message}`;
};

const base64 = (...elements: NodeJS.ArrayBufferView[]) => ({
  base64: Buffer.concat(
    elements.map(({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength)),
  ).toString('base64'),
});

describe('an integer', () => {
  it.each<[TypeName, number | string, number | string]>([
    ['int8', -128, 127],
    ['uint8', 0, 255],
    ['int16', -32_768, 32_767],
    ['uint16', 0, 65_535],
    ['int32', -2_147_483_648, 2_147_483_647],
    ['uint32', 0, 4_294_967_295],
    ['int64', '-9223372036854775808', '9223372036854775807'],
    ['uint64', 0, '18446744073709551615'],
  ])('of %s is exact from %s to %s, and rejected beyond', async (name, lowest, highest) => {
    const beyond = [BigInt(lowest) - 1n, BigInt(highest) + 1n].map((value) =>
      Number.isSafeInteger(Number(value)) ? Number(value) : String(value),
    );

    expect(await outputsOf(`scalar-${name}`, { x: lowest }, { x: highest })).toEqual([lowest, highest]);
    expect(await outputsOf(`list-${name}`, { x: [lowest, highest] })).toEqual([[lowest, highest]]);
    for (const x of beyond) {
      expect(await problemOf(`scalar-${name}`, { x })).toBe(`x must be from ${lowest} to ${highest}, not ${x}`);
      expect(await problemOf(`list-${name}`, { x: [1, x] })).toContain(`x[1] must be from ${lowest}`);
    }
  });

  it('of 64 bits shares the cached result of its digits', async () => {
    await outputsOf('scalar-int64', { x: 41 });
    const { rows } = await predictor.predict({ model: 'scalar-int64', rows: [{ x: '0041' }] });

    expect(rows[0]).toMatchObject({ output: { y: 41 }, source: 'CACHE' });
  });

  it.each(['1.5', '', '0x10', '1e3', ' 1', '9'.repeat(21)])('of 64 bits is no text such as "%s"', async (x) => {
    expect(await problemOf('scalar-int64', { x })).toBe('x must be a number, or a string of digits');
  });

  it('beyond 2^53 is no number', async () => {
    expect(await problemOf('scalar-int64', { x: 2 ** 53 })).toContain('send it as a string of digits');
    expect(await problemOf('scalar-uint32', { x: '7' })).toBe('x must be a number, not a string');
  });
});

describe('a float of 16 bits', () => {
  it.each<[TypeName, number, number, number]>([
    ['float16', 0.1, 0.0999755859375, 65_504],
    ['bfloat16', 0.1, 0.10009765625, 3.3895313892515355e38],
  ])('%s is a float, rounded', async (name, sent, rounded, highest) => {
    expect(await outputsOf(`scalar-${name}`, { x: sent }, { x: -1.5 }, { x: highest })).toEqual([
      rounded,
      -1.5,
      highest,
    ]);
    expect(await outputsOf(`list-${name}`, { x: [sent, 2] })).toEqual([[rounded, 2]]);
    expect(await problemOf(`scalar-${name}`, { x: highest * 1.01 })).toContain('x must be from -');
  });

  it('is described as a float of its type', () => {
    expect(predictor.model('list-float16')?.current).toMatchObject({
      inputs: [{ name: 'x', type: 'float', tensorType: 'float16', rowShape: [2] }],
      outputs: [{ name: 'y', type: 'float', tensorType: 'float16', rowShape: [2] }],
    });
  });
});

describe('a list in base64', () => {
  it.each<[TypeName, NodeJS.ArrayBufferView, unknown[]]>([
    ['float', Float32Array.of(0.5, -2), [0.5, -2]],
    ['double', Float64Array.of(0.1, 1e300), [0.1, 1e300]],
    ['float16', Uint16Array.of(0x3c00, 0x8001), [1, -5.960464477539063e-8]],
    ['bfloat16', Uint16Array.of(0x3f80, 0xc000), [1, -2]],
    ['int8', Int8Array.of(-128, 5), [-128, 5]],
    ['uint8', Uint8Array.of(0, 255), [0, 255]],
    ['int16', Int16Array.of(-3, 300), [-3, 300]],
    ['uint16', Uint16Array.of(3, 65_535), [3, 65_535]],
    ['int32', Int32Array.of(-70_000, 1), [-70_000, 1]],
    ['uint32', Uint32Array.of(1, 4_000_000_000), [1, 4_000_000_000]],
    ['int64', BigInt64Array.of(-1n, 2n ** 60n), [-1, '1152921504606846976']],
    ['uint64', BigUint64Array.of(1n, 2n ** 64n - 1n), [1, '18446744073709551615']],
    ['bool', Uint8Array.of(1, 0), [true, false]],
  ])('has the bytes of %s', async (name, elements, values) => {
    expect(await outputsOf(`list-${name}`, { x: base64(elements) })).toEqual([values]);
    const { rows } = await predictor.predict({ model: `list-${name}`, rows: [{ x: values }] });
    expect(rows[0]).toMatchObject({ output: { y: values }, source: 'CACHE' });
  });

  it('is rejected if its bytes are not those of the elements', async () => {
    const two = base64(Float32Array.of(1, 2)).base64;
    const expected = 'x must be 8 bytes in base64, 4 for each of 2 float32 (little-endian), without line breaks';
    for (const text of [
      '',
      two.slice(0, -4),
      `${two}AAAA`,
      `${two}\n`,
      two.replace('A', '*'),
      two.replaceAll('A', ' '),
    ])
      expect(await problemOf('list-float', { x: { base64: text } })).toBe(expected);
    expect(await problemOf('list-float', { x: { base64: 5 } })).toBe('x must have base64 as a string');
    expect(await problemOf('list-float', { x: { base64: two, dtype: 'f4' } })).toBe(
      'x must have the keys base64 and shape only',
    );
    expect(await problemOf('list-float', { x: { base64: two, shape: [1, 2] } })).toBe('x must have the shape [2]');
    expect(await problemOf('list-string', { x: { base64: two } })).toContain('must be lists of strings');
    expect(await problemOf('list-bool', { x: { base64: 'AQI=' } })).toBe('x must have bytes of 0 or 1');
    expect(await problemOf('list-float', { x: base64(Float32Array.of(1, NaN)) })).toBe('x[1] must be a finite number');
    expect(await problemOf('scalar-float', { x: base64(Float32Array.of(1)) })).toContain(
      'must be a number, not an object',
    );
  });

  it('keeps the limits of the manifest, and its missing elements', async () => {
    expect(await problemOf('half-missing', { x: base64(Uint16Array.of(0x3c00, 0x4a00)) })).toBe(
      'x[1] must be 10 or less, not 12',
    );
    // NaN is missing, and passes; the output then has no JSON value.
    expect(await problemOf('half-missing', { x: base64(Uint16Array.of(0x3c00, 0x7e00)) })).toContain(
      'y has no finite value for this row',
    );
  });

  it('takes an image of 224 x 224, which has 602,112 bytes', async () => {
    const pixels = new Float32Array(3 * 224 * 224).fill(0.5);

    expect(await outputsOf('mean', { x: base64(pixels) })).toEqual([0.5]);
    const row = Array.from({ length: 224 }, () => 0.5);
    const channel = Array.from({ length: 224 }, () => row);
    const { rows } = await predictor.predict({ model: 'mean', rows: [{ x: [channel, channel, channel] }] });
    expect(rows[0]).toMatchObject({ output: { y: 0.5 }, source: 'CACHE' });
  });
});

it('returns a mask of 512 x 512', async () => {
  const [mask] = await outputsOf('mask', { x: [[7]] });

  expect((mask as number[][]).map((row) => row.length)).toEqual(Array.from({ length: 512 }, () => 512));
  expect(new Set((mask as number[][]).flat())).toEqual(new Set([7]));
});

describe('nested lists', () => {
  it('have up to 5 dimensions or more', async () => {
    const x = [
      [
        [
          [
            [1, 2, 3],
            [4, 5, 6],
          ],
        ],
        [
          [
            [7, 8, 9],
            [10, 11, 12],
          ],
        ],
      ],
    ];

    expect(await outputsOf('rank-5', { x })).toEqual([x]);
  });

  it('of free length run with others of the same length, without padding', async () => {
    const rows = [[1, 2, 3], [4], [5, 6, 7], [8, 9], [10]].map((ids) => ({ ids, mask: ids.map(() => 1) }));
    const before = predictor.model('tokens')?.current.statistics.runs ?? 0;

    expect(await outputsOf('tokens', ...rows)).toEqual(rows.map(({ ids }) => ids));
    // One run of the batch, whatever its shapes.
    expect((predictor.model('tokens')?.current.statistics.runs ?? 0) - before).toBe(1);
  });

  it('of one name have one length in a row', async () => {
    expect(await problemOf('tokens', { ids: [1, 2, 3], mask: [1, 1] })).toBe(
      'mask must have the size of ids in the dimension length: 3, not 2',
    );
    expect(await problemOf('tokens', { ids: [], mask: [] })).toBe('ids must be any number of numbers; ids is empty');
    expect(await problemOf('tokens', { ids: [[1]], mask: [1] })).toBe('ids[0] must be a number, not a list');
  });

  it('of the same elements in other shapes are other rows', async () => {
    const flat = [1, 2, 3, 4, 5, 6];
    const tall = [
      [1, 2],
      [3, 4],
      [5, 6],
    ];
    const wide = [
      [1, 2, 3],
      [4, 5, 6],
    ];

    expect(await outputsOf('image', { x: tall }, { x: wide }, { x: [flat] })).toEqual([tall, wide, [flat]]);
    const bytes = base64(Float32Array.from(flat));
    expect(await outputsOf('image', { x: { ...bytes, shape: [2, 3] } }, { x: { ...bytes, shape: [3, 2] } })).toEqual([
      wide,
      tall,
    ]);
    expect(await problemOf('image', { x: bytes })).toBe('x needs its shape beside base64, such as [?, ?] with numbers');
    expect(await problemOf('image', { x: [[1, 2], [3]] })).toBe(
      'x must be any number of lists of any number of numbers; x[1] has 1',
    );
  });

  it('are limited by bytes, of a row and of a call', async () => {
    const row = Array.from({ length: 20 }, (_, index) => index);

    expect(await outputsOf('image', { x: [row] })).toEqual([[row]]);
    expect(await problemOf('image', { x: [[...row, 20]] })).toBe(
      'x has 84 bytes; serving.max_row_bytes of the model is 80',
    );
    expect(await problemOf('image', { x: { base64: '', shape: [2 ** 52, 2] } })).toContain('serving.max_row_bytes');
    expect(await problemOf('image', { x: [row] }, { x: [row.toReversed()] }, { x: [row.with(0, 5)] })).toBe(
      'inputs must be fewer rows in one call: 2 of these have up to 200 bytes of inputs and outputs, the maximum (serving.max_call_bytes of the model)',
    );
  });
});

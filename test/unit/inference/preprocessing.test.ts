import { cp, mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import sharp from 'sharp';
import { openCache } from '../../../src/cache/cache.js';
import { checkModelStore } from '../../../src/inference/repository/validator.js';
import { openPredictor } from '../../../src/inference/serving/open-predictor.js';
import type { Predictor } from '../../../src/inference/serving/predictor.js';
import { createLogger } from '../../../src/telemetry/logger.js';
import { bytesField, elementTypes, intField, modelOf, node, text, valueInfo } from '../../support/onnx-proto.js';

const { float, int64 } = elementTypes;
const tokenizers = path.join(import.meta.dirname, '..', '..', 'models', 'tokenizers');

let storeDir: string;
const opened: { close(): Promise<void> }[] = [];
beforeEach(async () => {
  storeDir = await mkdtemp(path.join(tmpdir(), 'auspex-preprocess-'));
});
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close();
  await rm(storeDir, { recursive: true, force: true });
});

const step = (...args: Parameters<typeof node>) => bytesField(1, node(...args));
const axes = (...values: number[]) => [
  ...bytesField(1, text('axes')),
  ...intField(20, 7),
  ...values.flatMap((value) => intField(8, value)),
];
const input = (...args: Parameters<typeof valueInfo>) => bytesField(11, valueInfo(...args));
const output = (...args: Parameters<typeof valueInfo>) => bytesField(12, valueInfo(...args));
const graphOf = (...parts: number[][]) => modelOf([...parts.flat(), ...bytesField(2, text('g'))]);

/** The mean of each channel of an image of free size. */
const means = graphOf(
  input('input', float, ['N', 3, 'height', 'width']),
  output('means', float, ['N', 3]),
  step('ReduceMean', ['input'], 'kept', axes(2, 3)),
  step('Flatten', ['kept'], 'means'),
);

/** Ids, mask and types of a text as they are. */
const tokens = graphOf(
  input('input_ids', int64, ['N', 'length']),
  input('attention_mask', int64, ['N', 'length']),
  output('ids', int64, ['N', 'length']),
  output('mask', int64, ['N', 'length']),
  step('Identity', ['input_ids'], 'ids'),
  step('Identity', ['attention_mask'], 'mask'),
);

async function write(name: string, graph: Uint8Array, manifest: Record<string, unknown>, golden: unknown[] = []) {
  const version = path.join(storeDir, name, '1');
  await mkdir(version, { recursive: true });
  await writeFile(path.join(storeDir, name, 'model.json'), JSON.stringify({ title: name, ...manifest }));
  await writeFile(path.join(version, 'model.onnx'), graph);
  if (golden.length > 0)
    await writeFile(path.join(version, 'golden.jsonl'), golden.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return version;
}

async function open(): Promise<Predictor> {
  const cache = openCache({ namespace: 'test', maxEntries: 100, maxBytes: 1_000_000 });
  const predictor = await openPredictor({
    storeDir,
    cache,
    threads: 1,
    isStrict: true,
    logger: createLogger('silent'),
  });
  opened.push(cache, predictor);
  return predictor;
}

const problemOf = (): Promise<string> =>
  open().then(
    () => 'none',
    (error: unknown) => (error as Error).message,
  );

const filled = (background: string, side = 4, compressionLevel = 6): Promise<string> =>
  sharp({ create: { width: side, height: side, channels: 3, background } })
    .png({ compressionLevel })
    .toBuffer()
    .then((bytes) => bytes.toString('base64'));

const photo = { preprocess: { kind: 'image', to: 'input', width: 8, height: 8 } };
const imageModel = { inputs: { photo }, outputs: { means: {} } };

describe('preprocess: image', () => {
  it('gives the graph a tensor; golden rows and models:check run through it', async () => {
    await write('m', means, imageModel, [{ input: { photo: await filled('#ff0000') }, output: { means: [1, 0, 0] } }]);
    const predictor = await open();
    expect(predictor.model('m')?.current.inputs).toEqual([
      expect.objectContaining({ name: 'photo', type: 'string', media: 'image', required: true }),
    ]);
    const { rows } = await predictor.predict({ model: 'm', rows: [{ photo: await filled('#00ff00') }] });
    expect(rows[0]?.output).toEqual({ means: [0, 1, 0] });
    const report = await checkModelStore(storeDir);
    expect(report.problems.filter((problem) => !problem.startsWith('m/README.md'))).toEqual([]);
  });

  it('rejects a version whose golden images have other results, or are no images', async () => {
    const golden = [{ input: { photo: await filled('#ff0000') }, output: { means: [0, 0, 1] } }];
    await write('m', means, imageModel, golden);
    expect(await problemOf()).toContain('m/1/golden.jsonl:1: means');
    await write('m', means, imageModel, [{ input: { photo: 'AAAA' }, output: { means: [0, 0, 1] } }]);
    expect(await problemOf()).toContain('m/1/golden.jsonl:1: input photo must be a JPEG or PNG file');
  });

  it('records a description instead of the file, and caches by the pixels', async () => {
    await write('m', means, imageModel);
    const predictor = await open();
    const first = await predictor.predict({ model: 'm', rows: [{ photo: await filled('#123456') }] });
    expect(first.rows[0]?.input.photo).toMatch(/^image\/png; 4x4; \d+ bytes; sha256:[0-9a-f]{64}$/);
    // Other bytes with the same pixels.
    const again = await predictor.predict({ model: 'm', rows: [{ photo: await filled('#123456', 4, 0) }] });
    expect(again.rows[0]?.source).toBe('CACHE');
    const other = await predictor.predict({ model: 'm', rows: [{ photo: await filled('#123457') }] });
    expect(other.rows[0]?.source).toBe('MODEL');
  });

  it('has one clear error for each bad row, and predicts the others', async () => {
    await write('m', means, imageModel);
    const predictor = await open();
    const rows = [{ photo: await filled('#ffffff') }, { photo: 'AAAA' }, { photo: 7 }, {}];
    await expect(predictor.predict({ model: 'm', rows })).rejects.toMatchObject({
      fields: [
        { row: 2, field: 'photo' },
        { row: 3, field: 'photo' },
      ],
    });
    await expect(predictor.predict({ model: 'm', rows: rows.slice(0, 2) })).rejects.toMatchObject({
      fields: [{ row: 1, field: 'photo', message: expect.stringContaining('must be a JPEG or PNG file') }],
    });
    const { rows: predicted, invalid } = await predictor.predict({ model: 'm', rows, onInvalid: 'NULL' });
    expect(predicted.map(({ output }) => output)).toEqual([{ means: [1, 1, 1] }]);
    expect([...invalid.keys()].sort()).toEqual([1, 2, 3]);
  });

  it('bounds the pixels of a call, although each image is small in bytes', async () => {
    await write('m', means, imageModel);
    const predictor = await open();
    const huge = await filled('#000000', 4000, 9);
    expect(huge.length).toBeLessThan(100_000);
    const { rows, invalid } = await predictor
      .predict({ model: 'm', rows: Array(20).fill({ photo: huge }), onInvalid: 'NULL' })
      .catch(
        // A slow machine reaches the deadline first.
        (error: unknown) => ({ rows: [], invalid: new Map([[0, error]]) }),
      );
    expect(rows.length).toBeLessThanOrEqual(6);
    expect(invalid.size).toBeGreaterThan(0);
  });

  it('stops decoding for a caller that has gone', async () => {
    await write('m', means, imageModel);
    const predictor = await open();
    const gone = new AbortController();
    const prediction = predictor.predict({
      model: 'm',
      rows: Array(100).fill({ photo: await filled('#000', 1000) }),
      signal: gone.signal,
    });
    gone.abort(new Error('gone'));
    await expect(prediction).rejects.toThrow('gone');
  });

  it.each([
    [{ to: 'other' }, 'm/1: input photo is an image for other, which is no input of the graph'],
    [{ to: 'input' }, 'm/1: input photo is an image of free size; set preprocess.width and preprocess.height'],
    [{ to: 'input', color: 'gray', width: 8, height: 8 }, 'm/1: input photo is an image for the shape'],
    [{ to: 'input', layout: 'nhwc', width: 8, height: 8 }, 'm/1: input photo has'],
    [{ to: 'input', with: 8 }, 'inputs.photo.preprocess.with is unknown; known keys are'],
    [{ to: 'input', std: 0 }, 'inputs.photo.preprocess.std must not be 0'],
    [{ kind: 'sound' }, 'must have kind: image or kind: tokenizer'],
  ])('explains the manifest %j', async (preprocess, problem) => {
    await write('m', means, { ...imageModel, inputs: { photo: { preprocess: { kind: 'image', ...preprocess } } } });
    expect(await problemOf()).toContain(problem);
  });

  it('must be required, since there is no sign for a missing image', async () => {
    await write('m', means, { ...imageModel, inputs: { photo: { ...photo, required: false } } });
    expect(await problemOf()).toContain('m/1: input photo has preprocessing, which has no sign for a missing value');
  });

  it('rejects limits of numbers beside it', async () => {
    await write('m', means, { ...imageModel, inputs: { photo: { ...photo, minimum: 0 } } });
    expect(await problemOf()).toContain('inputs.photo.preprocess is for images and texts');
  });
});

describe('an image beside the input that it makes', () => {
  const graph = graphOf(
    input('pixels', float, ['N', 2, 2]),
    output('mean', float, ['N', 1]),
    step('ReduceMean', ['pixels'], 'kept', axes(1, 2)),
    step('Flatten', ['kept'], 'mean'),
  );
  const inputs = {
    pixels: { minimum: 0, maximum: 1 },
    image: { preprocess: { kind: 'image', to: 'pixels', color: 'gray' } },
  };

  it('may be given instead of it, and not together with it', async () => {
    await write('m', graph, { inputs, outputs: { mean: {} } });
    const predictor = await open();
    const pixels = [
      [0, 0],
      [0, 1],
    ];
    const image = await filled('#ffffff', 2);
    const { rows } = await predictor.predict({ model: 'm', rows: [{ pixels }, { image }] });
    expect(rows.map(({ output }) => output)).toEqual([{ mean: 0.25 }, { mean: 1 }]);
    for (const [row, problem] of [
      [{}, 'is required, unless pixels is given'],
      [{ pixels: null, image: null }, 'is required, unless pixels is given'],
      [{ pixels, image }, 'is another form of pixels; send one of them'],
    ] as const)
      await expect(predictor.predict({ model: 'm', rows: [row] })).rejects.toMatchObject({
        fields: [{ row: 0, field: 'image', message: problem }],
      });
    await expect(
      predictor.predict({
        model: 'm',
        rows: [
          {
            pixels: [
              [0, 0],
              [0, 2],
            ],
          },
        ],
      }),
    ).rejects.toMatchObject({
      fields: [{ row: 0, field: 'pixels[1][1]' }],
    });
  });
});

describe('preprocess: tokenizer', () => {
  const message = { preprocess: { kind: 'tokenizer', max_length: 16 } };
  const textModel = { inputs: { message }, outputs: { ids: {}, mask: {} } };
  const withTokenizer = async (name = 'wordpiece', manifest: Record<string, unknown> = textModel) => {
    const version = await write('m', tokens, manifest);
    await cp(path.join(tokenizers, `${name}.json`), path.join(version, 'tokenizer.json'));
    return version;
  };

  it('gives the graph tokens of a fixed length, so that rows do not influence each other', async () => {
    await withTokenizer();
    const predictor = await open();
    const { rows } = await predictor.predict({ model: 'm', rows: [{ message: 'the fox' }, { message: '' }] });
    expect(rows.map(({ output }) => (output.mask as number[]).reduce((sum, one) => sum + one, 0))).toEqual([4, 2]);
    expect(rows.map(({ output }) => (output.ids as number[]).length)).toEqual([16, 16]);
    expect(rows.map(({ input }) => input)).toEqual([{ message: 'the fox' }, { message: '' }]);
  });

  it('rejects texts that are too long in characters or tokens, and NUL', async () => {
    await withTokenizer('bpe', {
      ...textModel,
      inputs: { message: { max_length: 100, preprocess: { ...message.preprocess, truncate: false } } },
    });
    const predictor = await open();
    for (const [long, problem] of [
      ['a b c '.repeat(15), 'tokens; the maximum is 16; shorten it'],
      ['x'.repeat(101), 'must have 100 characters or fewer'],
      ['\0', 'must be well-formed text'],
    ] as const)
      await expect(predictor.predict({ model: 'm', rows: [{ message: long }] })).rejects.toMatchObject({
        fields: [{ row: 0, field: 'message', message: expect.stringContaining(problem) }],
      });
  });

  it('has another digest with another tokenizer, and results of the old one are not reused', async () => {
    const version = await withTokenizer();
    const first = await (await open()).predict({ model: 'm', rows: [{ message: 'the fox' }] });
    await cp(path.join(tokenizers, 'bpe.json'), path.join(version, 'tokenizer.json'));
    const second = await (await open()).predict({ model: 'm', rows: [{ message: 'the fox' }] });
    expect(second.version.digest).not.toBe(first.version.digest);
    expect(second.rows[0]?.output).not.toEqual(first.rows[0]?.output);
  });

  it('needs its file in the folder of the version', async () => {
    await write('m', tokens, textModel);
    expect(await problemOf()).toContain('m/1 has no tokenizer.json, which preprocess names; add it');
    for (const file of ['../tokenizer.json', '/etc/passwd', '.hidden', 'a/b.json']) {
      await write('m', tokens, { ...textModel, inputs: { message: { preprocess: { ...message.preprocess, file } } } });
      expect(await problemOf()).toContain('must be the name of a file in the folder of the version');
    }
  });

  it('rejects a link out of the folder, and files that are no tokenizer', async () => {
    const version = await withTokenizer();
    const outside = path.join(storeDir, 'tokenizer.json');
    await rename(path.join(version, 'tokenizer.json'), outside);
    await symlink(outside, path.join(version, 'tokenizer.json'));
    expect(await problemOf()).toContain('m/1/tokenizer.json is a link to a file outside of its folder');
    await rm(path.join(version, 'tokenizer.json'));
    await writeFile(path.join(version, 'tokenizer.json'), '{"model": {"type": "Other"}}');
    expect(await problemOf()).toContain('m/1: a tokenizer cannot be used');
  });
});

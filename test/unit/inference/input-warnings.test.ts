import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createInputWarnings } from '../../../src/inference/reference/input-warnings.js';
import { referenceProblems } from '../../../src/inference/reference/reference-problems.js';
import type { Reference } from '../../../src/inference/reference/reference.js';
import { PreparedTensor } from '../../../src/inference/signature/prepared-tensor.js';
import type { InputField } from '../../../src/inference/signature/types.js';
import { openFakePredictor, TestStore } from '../../support/models.js';

const field = (name: string, more: Partial<InputField> = {}): InputField => ({
  ...{ name, type: 'float', tensorType: 'float32', shape: [null, 1], rowShape: [], required: false, isClosed: false },
  ...more,
});

const fields = [
  field('power', { unit: 'bhp' }),
  field('fuel', { type: 'string', tensorType: 'string' }),
  field('pixels', { rowShape: [2, 2] }),
  field('text', { type: 'string', tensorType: 'string' }),
];

const reference = {
  rows: 100,
  inputs: {
    power: { kind: 'number' as const, low: 30, high: 400 },
    fuel: { kind: 'category' as const, values: { Petrol: 0.6, Diesel: 0.4 } },
    pixels: { kind: 'list' as const, low: 0, high: 16, mean: { low: 2, high: 8 } },
    text: { kind: 'text' as const, length: { low: 3, high: 20 } },
  },
};

const codes = (row: Record<string, unknown>): string[] =>
  createInputWarnings(fields, reference)?.(row).map((warning) => `${warning.field} ${warning.code}`) ?? ['none'];

describe('createInputWarnings', () => {
  it('finds nothing unusual in rows like those of the training, nor in missing values', () => {
    const pixels = [
      [0, 16],
      [2, 2],
    ];
    expect(codes({ power: 30, fuel: 'Petrol', pixels, text: 'a text' })).toEqual([]);
    expect(codes({ power: null, pixels })).toEqual([]);
    expect(codes({})).toEqual([]);
  });

  it('finds numbers, lists and texts outside the training range, and unknown categories', () => {
    expect(codes({ power: 400.1, fuel: 'Uranium', text: 'a' })).toEqual([
      'power OUT_OF_TRAINING_RANGE',
      'fuel UNKNOWN_CATEGORY',
      'text OUT_OF_TRAINING_RANGE',
    ]);
    const outside = [
      [
        [17, 2],
        [2, 2],
      ],
      [
        [0, 0],
        [0, 0],
      ],
    ];
    for (const pixels of outside) expect(codes({ pixels })).toEqual(['pixels OUT_OF_TRAINING_RANGE']);
    // So do other forms of the same elements.
    const tensor = Float32Array.of(0, 0, 0, 1);
    const base64 = Buffer.from(tensor.buffer).toString('base64');
    for (const pixels of [new PreparedTensor([2, 2], tensor), { base64 }])
      expect(codes({ pixels })).toEqual(['pixels OUT_OF_TRAINING_RANGE']);
  });

  it('names value, range and unit, and bounds what it repeats', () => {
    const find = createInputWarnings(fields, reference);
    expect(find?.({ power: 1000 }).map(({ field, code, message }) => [field, code, message])).toEqual([
      [
        'power',
        'OUT_OF_TRAINING_RANGE',
        '1000 is outside 30 to 400 bhp, the range of the training data; the model extrapolates',
      ],
    ]);
    expect(find?.({ text: '' })[0]?.message).toBe(
      'its length of 0 characters is outside 3 to 20, the range of the training data; the model extrapolates',
    );
    expect(
      find?.({
        pixels: [
          [17, 2],
          [2, 2],
        ],
      })[0]?.message,
    ).toContain('an element is 17, outside 0 to 16, the range');
    expect(find?.({ fuel: 'x'.repeat(100_000) })[0]?.message.length).toBeLessThan(200);
  });

  it('knows open categories from the manifest, and needs no warning for closed ones', () => {
    const open = field('fuel', { type: 'string', tensorType: 'string', values: ['Petrol'] });
    expect(createInputWarnings([open], null)?.({ fuel: 'Coal' })).toHaveLength(1);
    expect(createInputWarnings([{ ...open, isClosed: true }], null)).toBeNull();
    expect(createInputWarnings([field('x')], null)).toBeNull();
  });
});

describe('referenceProblems', () => {
  const output = { ...field('price'), required: true, labels: null };
  const signature = { inputs: [field('power', { required: true })], outputs: [output], maxRowBytes: 1000 };
  const problemsOf = (content: Omit<Reference, 'rows'>) => referenceProblems(signature, { rows: 1, ...content }, 'm/1');

  it('finds profiles of unknown inputs and of the wrong kind', () => {
    expect(problemsOf({ inputs: { ...reference.inputs, power: reference.inputs.text } })).toEqual([
      'm/1/reference.json: inputs.power is a text profile; this input needs number or category',
      'm/1/reference.json: inputs.fuel is no input of the model, which has power',
      'm/1/reference.json: inputs.pixels is no input of the model, which has power',
      'm/1/reference.json: inputs.text is no input of the model, which has power',
    ]);
  });

  it('finds profiles of unknown outputs and of vectors', () => {
    const { power } = reference.inputs;
    expect(problemsOf({ inputs: {}, outputs: { price: power }, base: { power: 50 } })).toEqual([]);
    expect(problemsOf({ inputs: {}, outputs: { constructor: power } })).toEqual([
      'm/1/reference.json: outputs.constructor is no output of the model, which has price',
    ]);
    const vector = { ...signature, outputs: [{ ...output, rowShape: [3] }] };
    expect(referenceProblems(vector, { rows: 1, inputs: {}, outputs: { price: power } }, 'm/1')).toEqual([
      'm/1/reference.json: outputs.price is a number profile; this output has none; remove the profile',
    ]);
  });

  it('finds a base row that the version would reject, and bounds the problems', () => {
    expect(problemsOf({ inputs: {}, base: { fuel: 'Petrol' } })).toEqual([
      expect.stringMatching(/^m\/1\/reference\.json: base\.power is required/),
      expect.stringMatching(/^m\/1\/reference\.json: base\.fuel /),
    ]);
    const many = Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`x${index}`, reference.inputs.power]));
    expect(problemsOf({ inputs: many, base: many })).toHaveLength(10);
  });
});

describe('predictions of a version with reference.json', () => {
  let store: TestStore;
  beforeEach(async () => {
    store = await TestStore.create();
    await store.manifest('m');
    await store.version('m', 1, { factor: 2 });
  });
  afterEach(() => store.close());
  const write = (content: unknown): Promise<void> =>
    writeFile(path.join(store.dir, 'm', '1', 'reference.json'), JSON.stringify(content));

  it('have warnings, also from the cache and later, while that version serves', async () => {
    await write({ rows: 10, inputs: { x: { kind: 'number', low: 0, high: 5 } } });
    const { predictor, close } = await openFakePredictor(store);
    try {
      const warned = async (x: number) => {
        const { rows } = await predictor.predict({ model: 'm', rows: [{ x }] });
        return [rows[0]?.source, rows[0]?.warnings?.map(({ code }) => code)];
      };
      expect(await warned(5)).toEqual(['MODEL', []]);
      expect(await warned(6)).toEqual(['MODEL', ['OUT_OF_TRAINING_RANGE']]);
      expect(await warned(6)).toEqual(['CACHE', ['OUT_OF_TRAINING_RANGE']]);
      const past = { model: 'm', version: 1, digest: predictor.model('m')?.current.digest ?? '', input: { x: 6 } };
      expect(predictor.warningsOf(past)).toHaveLength(1);
      expect(predictor.warningsOf({ ...past, digest: 'another' })).toBeNull();
      expect(predictor.warningsOf({ ...past, model: 'gone' })).toBeNull();
    } finally {
      await close();
    }
  });

  it.each([
    ['no JSON', 'm/1/reference.json: '],
    [{ rows: 10 }, 'm/1/reference.json: inputs: '],
    [{ rows: 10, inputs: { x: { kind: 'number', low: 'a', high: 1 } } }, 'm/1/reference.json: inputs.x.low: '],
    [{ rows: 10, inputs: { w: { kind: 'number', low: 0, high: 1 } } }, 'm/1/reference.json: inputs.w is no input'],
    [{ rows: 10, inputs: { x: { kind: 'number', low: 2, high: 1 } } }, 'm/1/reference.json: inputs.x.low: must not be'],
    [
      { rows: 10, inputs: { x: { kind: 'number', low: 0, high: 1, quantiles: [1, 0] } } },
      'm/1/reference.json: inputs.x.quantiles: must be in ascending order',
    ],
    [{ rows: 10, inputs: {}, base: { x: 'one' } }, 'm/1/reference.json: base.x must be a number'],
    ['x'.repeat(1024 * 1024 + 1), 'm/1/reference.json must be a file of at most 1.0 MiB'],
  ])('have none where the file is broken, which is a problem of the model: case %#', async (content, problem) => {
    if (typeof content === 'string') await writeFile(path.join(store.dir, 'm', '1', 'reference.json'), content);
    else await write(content);
    const { predictor, close } = await openFakePredictor(store);
    try {
      const { rows } = await predictor.predict({ model: 'm', rows: [{ x: 3 }] });
      expect(rows[0]).toMatchObject({ source: 'MODEL', warnings: null });
      expect(predictor.model('m')?.problems).toEqual([expect.stringContaining(problem)]);
    } finally {
      await close();
    }
    await expect(openFakePredictor(store, { isStrict: true })).rejects.toThrow(problem);
  });
});

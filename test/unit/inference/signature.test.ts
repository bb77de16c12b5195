import { runInNewContext } from 'node:vm';
import { createSignature, withActualOutputs } from '../../../src/inference/signature/create-signature.js';
import { fromTensors, isOutput } from '../../../src/inference/signature/decode.js';
import { encodeRow, toTensors } from '../../../src/inference/signature/encode.js';
import { maxProblems, validateRows } from '../../../src/inference/signature/validation.js';

const plain = { required: false, integer: false, closed: false };

const graph = {
  inputs: [
    { name: 'year', type: 'float32' as const, shape: [null, 1] },
    { name: 'weight', type: 'float32' as const, shape: [null] },
    { name: 'fuel', type: 'string' as const, shape: [null, 1] },
    { name: 'gearbox', type: 'string' as const, shape: [null, 1] },
    { name: 'is_new', type: 'bool' as const, shape: [null, 1] },
    { name: 'count', type: 'int64' as const, shape: [null, 1] },
  ],
  outputs: [{ name: 'price', type: 'float32' as const, shape: [null, 1] }],
};

const manifest = {
  inputs: {
    year: { ...plain, required: true, integer: true, minimum: 1980, maximum: 2030, unit: 'year' },
    weight: { ...plain, minimum: 0 },
    fuel: { ...plain, values: ['Diesel', 'Petrol'] },
    gearbox: { ...plain, values: ['Manual', 'Automatic'], closed: true },
    is_new: { ...plain, required: true },
    count: { ...plain, required: true },
  },
  outputs: { price: {} },
};

const signature = createSignature('test/1', graph, manifest);

const sound = { year: 2015, weight: 1.5, fuel: 'Hydrogen', gearbox: 'Manual', is_new: false, count: 3 };

const problemsOf = (row: unknown) => validateRows(signature, [row]).map(({ field, message }) => `${field} ${message}`);

describe('a row', () => {
  it('is accepted with or without optional fields', () => {
    expect(problemsOf(sound)).toEqual([]);
    expect(problemsOf({ year: 1980, is_new: true, count: -1 })).toEqual([]);
    expect(problemsOf({ ...sound, weight: null, fuel: undefined, gearbox: null })).toEqual([]);
    expect(problemsOf(Object.assign(Object.create(null) as object, sound))).toEqual([]);
    expect(problemsOf(runInNewContext('({ year: 2015, is_new: true, count: 1 })'))).toEqual([]);
  });

  it.each([
    ['a missing field', { year: undefined }, 'year is required'],
    ['a null', { year: null }, 'year is required'],
    ['a number in quotes', { year: '2015' }, 'year must be a number, not a string'],
    ['a boolean for a number', { year: true }, 'year must be a number, not a boolean'],
    ['a list for a number', { year: [2015] }, 'year must be a number, not a list'],
    ['an object for a number', { year: {} }, 'year must be a number, not an object'],
    ['a bigint for a number', { year: 2015n }, 'year must be a number, not a bigint'],
    ['half a year', { year: 2015.5 }, 'year must be a whole number, not 2015.5'],
    ['a year too early', { year: 1979 }, 'year must be from 1980 to 2030 (unit: year), not 1979'],
    ['a year too late', { year: 2031 }, 'year must be from 1980 to 2030 (unit: year), not 2031'],
    ['NaN', { weight: NaN }, 'weight must be a finite number'],
    ['Infinity', { weight: Infinity }, 'weight must be a finite number'],
    ['a number below an open range', { weight: -0.1 }, 'weight must be 0 or more, not -0.1'],
    [
      'a number that float32 cannot hold',
      { weight: 1e39 },
      'weight must be from -3.4028234663852886e+38 to 3.4028234663852886e+38, not 1e+39',
    ],
    [
      'a whole number that JSON cannot hold',
      { count: 2 ** 53 },
      'count must be from -9007199254740991 to 9007199254740991, not 9007199254740992; send it as a string of digits, since JSON numbers are exact up to 2^53',
    ],
    ['a fraction for an int64', { count: 1.5 }, 'count must be a whole number, not 1.5'],
    ['a number for a string', { fuel: 5 }, 'fuel must be a string, not a number'],
    ['an empty string', { fuel: '' }, 'fuel must not be empty; omit it if it is unknown'],
    ['a long string', { fuel: 'x'.repeat(1001) }, 'fuel must have 1000 characters or fewer; it has 1001'],
    ['a NUL', { fuel: 'a\0b' }, 'fuel must be well-formed text without NUL characters'],
    ['half a surrogate pair', { fuel: 'a\ud800' }, 'fuel must be well-formed text without NUL characters'],
    ['a value that a closed list lacks', { gearbox: 'manual' }, 'gearbox must be one of "Manual", "Automatic"'],
    ['a number for a boolean', { is_new: 1 }, 'is_new must be true or false, not a number'],
    ['a string for a boolean', { is_new: 'true' }, 'is_new must be true or false, not a string'],
    ['an unknown field', { colour: 'red' }, 'colour is not an input of this model'],
    ['an input in both spellings', { isNew: true }, 'isNew is the same input as is_new; send one of them'],
    ['a field with a slip', { wieght: 1 }, 'wieght is not an input of this model; did you mean weight?'],
    ['a name of the prototype', { constructor: 1 }, 'constructor is not an input of this model'],
  ])('is rejected with %s', (_, change, problem) => {
    expect(problemsOf({ ...sound, ...change })).toEqual([problem]);
  });

  it.each([null, undefined, 5, 'text', true, [], [sound], new Date(), new Map()])(
    'is rejected when it is %p',
    (row) => {
      expect(validateRows(signature, [sound, row])).toEqual([
        { row: 1, field: 'inputs', message: expect.stringContaining('must be an object') as string },
      ]);
    },
  );

  it('has only own fields, not those of its prototype', () => {
    expect(problemsOf(JSON.parse('{"__proto__": {"year": 2015, "is_new": true, "count": 1}}'))).toEqual([
      'year is required',
      'is_new is required',
      'count is required',
      '__proto__ is not an input of this model',
    ]);
    expect(validateRows(signature, [Object.create(sound)])).toHaveLength(1);
  });

  it('reports every problem with its row', () => {
    expect(
      validateRows(signature, [sound, { year: 1, gearbox: 'none', extra: 1 }]).map(({ row, field }) => [row, field]),
    ).toEqual([
      [1, 'year'],
      [1, 'gearbox'],
      [1, 'is_new'],
      [1, 'count'],
      [1, 'extra'],
    ]);
  });

  it('reports at most 100 problems, each of bounded length', () => {
    const rows = [
      Object.fromEntries(Array.from({ length: 5000 }, (_, index) => [`${'x'.repeat(500)}${index}`, 1])),
      ...Array<object>(500).fill({}),
    ];
    const problems = validateRows(signature, rows);

    expect(problems).toHaveLength(maxProblems);
    expect(Math.max(...problems.map(({ field, message }) => field.length + message.length))).toBeLessThan(500);
  });

  it('becomes a list in graph order, with null for missing values', () => {
    expect(encodeRow(signature, { is_new: true, count: 1, year: 2015, fuel: null })).toEqual([
      2015,
      null,
      null,
      null,
      true,
      1,
    ]);
  });
});

describe('a signature', () => {
  const problemsWith = (change: { graph?: Partial<typeof graph>; inputs?: object; outputs?: object }) => {
    try {
      createSignature(
        'test/1',
        { ...graph, ...change.graph },
        {
          ...manifest,
          inputs: { ...manifest.inputs, ...change.inputs },
          outputs: { ...manifest.outputs, ...change.outputs },
        },
      );
      return [];
    } catch (error) {
      return (error as { problems: string[] }).problems;
    }
  };

  it('names every field that only one of graph and manifest has', () => {
    const inputs = [...graph.inputs.slice(1), { name: 'power', type: 'float32' as const, shape: [null, 1] }];

    expect(problemsWith({ graph: { inputs }, outputs: { species: {} } })).toEqual([
      'test/1: input power of the graph is not in the manifest; describe it there',
      'test/1: input year of the manifest is not in the graph, which has weight, fuel, gearbox, is_new, count, power',
      'test/1: output species of the manifest is not in the graph, which has price',
    ]);
  });

  it('rejects limits on a type that is not a number', () => {
    expect(problemsWith({ inputs: { fuel: { ...plain, minimum: 1 } } })).toEqual([
      'test/1: input fuel is string; integer, minimum and maximum are for numbers',
    ]);
  });

  it('rejects an optional input of a type without a missing value', () => {
    expect(problemsWith({ inputs: { count: plain } })).toEqual([
      'test/1: input count is int64, which has no sign for a missing value; set required: true',
    ]);
  });

  it.each([
    ['a map', { name: 'price', type: null, shape: [], operator: 'ZipMap' }, 'export the model without ZipMap'],
    [
      'a sequence',
      { name: 'price', type: null, shape: [], operator: 'SplitToSequence' },
      'price is no tensor but comes from SplitToSequence; export the model with tensors only',
    ],
    ['something else', { name: 'price', type: null, shape: [] }, 'is no tensor; export the model with tensors only'],
    ['integers of 4 bits', { name: 'price', type: 'int4', shape: [null, 1] }, 'has the type int4; served are'],
  ])('rejects an output with %s', (_, output, problem) => {
    expect(problemsWith({ graph: { outputs: [output as unknown as (typeof graph.outputs)[number]] } })).toEqual([
      expect.stringContaining(problem),
    ]);
  });

  it('rejects an input with another number of rows', () => {
    const inputs = graph.inputs.map((input, index) => (index === 0 ? { ...input, shape: [1, 1] } : input));

    expect(problemsWith({ graph: { inputs } })).toEqual([
      'test/1: input year has the shape [1, 1]; the first dimension is the number of rows: export it free for all inputs, or fixed to the same number for all',
    ]);
  });

  it('rejects labels that do not match the vector', () => {
    const problemsOf = (labels: string[], dims: number[]) => {
      const labelled = createSignature('test/1', graph, { ...manifest, outputs: { price: { labels } } });
      const price = {
        type: 'float32' as const,
        dims,
        data: new Float32Array(dims.reduce((size, dim) => size * dim, 1)),
      };
      try {
        return withActualOutputs('test/1', labelled, [{ rows: 2, outputs: { price } }]).outputs[0];
      } catch (error) {
        return (error as { problems: string[] }).problems;
      }
    };

    expect(problemsOf(['a', 'b'], [2, 3])).toEqual(['test/1: output price has 2 labels for 3 elements']);
    expect(problemsOf(['a', 'b'], [2])).toEqual([
      'test/1: output price has labels, but is no vector: its shape is [N]',
    ]);
    expect(problemsOf(['a', 'b', 'c'], [2, 3])).toMatchObject({ rowShape: [3] });
  });

  it('has the shapes of outputs that the graph returns, whatever it declares', () => {
    const actual = (...shapes: number[][]) =>
      withActualOutputs(
        'test/1',
        createSignature('test/1', { ...graph, outputs: [{ name: 'price', type: 'float32', shape: [1, 5] }] }, manifest),
        shapes.map((dims) => ({
          rows: dims[0] ?? 0,
          outputs: { price: { type: 'float32', dims, data: new Float32Array() } },
        })),
      ).outputs[0]?.rowShape;

    expect(actual([1, 1], [2, 1])).toEqual([]);
    expect(actual([1], [2])).toEqual([]);
    expect(actual([1, 3], [2, 3])).toEqual([3]);
    expect(actual([1, 3], [2, 4])).toEqual([null]);
  });
});

describe('a row with lists', () => {
  const listGraph = {
    inputs: [
      { name: 'pixels', type: 'float32', shape: [null, 2, 3] },
      { name: 'counts', type: 'int64', shape: [null, 2] },
      { name: 'words', type: 'string', shape: [null, 2] },
      { name: 'flags', type: 'bool', shape: [null, 1, 1] },
    ],
    outputs: [
      { name: 'digit', type: 'int64', shape: [null, 1] },
      { name: 'shares', type: 'float32', shape: [null, 2] },
      { name: 'boxes', type: 'float32', shape: [null, null, 2] },
    ],
  };
  const required = { required: true, integer: false, closed: false };
  const lists = createSignature('lists/1', listGraph, {
    inputs: {
      pixels: { ...required, minimum: 0, maximum: 16 },
      counts: { ...required, integer: true },
      words: { ...required, values: ['a', 'b'], closed: true },
      flags: required,
    },
    outputs: { digit: {}, shares: { labels: ['no', 'yes'] }, boxes: {} },
  });
  const row = {
    pixels: [
      [0, 1, 2],
      [3, 4, 16],
    ],
    counts: [1, 2],
    words: ['a', 'b'],
    flags: [[true]],
  };

  it('has the shape of each value', () => {
    expect(lists.inputs.map(({ rowShape }) => rowShape)).toEqual([[2, 3], [2], [2], [1, 1]]);
    expect(lists.outputs.map(({ rowShape }) => rowShape)).toEqual([[], [2], [null, 2]]);
  });

  it('is accepted if it is valid', () => {
    expect(validateRows(lists, [row])).toEqual([]);
  });

  it.each([
    ['no list', { pixels: undefined }, 'pixels is required'],
    ['null', { pixels: null }, 'pixels is required'],
    ['a single number', { pixels: 5 }, 'pixels must be 2 lists of 3 numbers; pixels is a number'],
    ['a flat list', { pixels: [1, 2, 3, 4, 5, 6] }, 'pixels must be 2 lists of 3 numbers; pixels has 6'],
    ['a list of numbers for lists', { pixels: [1, 2] }, 'pixels must be 2 lists of 3 numbers; pixels[0] is a number'],
    [
      'a list that is too short',
      {
        pixels: [
          [0, 1, 2],
          [3, 4],
        ],
      },
      'pixels must be 2 lists of 3 numbers; pixels[1] has 2',
    ],
    [
      'a list that is too deep',
      {
        pixels: [
          [0, 1, 2],
          [3, 4, [5]],
        ],
      },
      'pixels[1][2] must be a number, not a list',
    ],
    [
      'a hole',
      {
        pixels: [
          [0, 1, 2],
          [3, null, 5],
        ],
      },
      'pixels[1][1] must be a number, not null',
    ],
    [
      'a number past its limit',
      {
        pixels: [
          [0, 17, 2],
          [3, 4, 5],
        ],
      },
      'pixels[0][1] must be from 0 to 16, not 17',
    ],
    [
      'NaN',
      {
        pixels: [
          [0, 1, 2],
          [3, 4, NaN],
        ],
      },
      'pixels[1][2] must be a finite number',
    ],
    ['half a count', { counts: [1, 2.5] }, 'counts[1] must be a whole number, not 2.5'],
    ['a word too many', { words: ['a', 'b', 'a'] }, 'words must be 2 strings; words has 3'],
    ['a word that is not known', { words: ['a', 'c'] }, 'words[1] must be one of "a", "b"'],
    ['an empty word', { words: ['', 'b'] }, 'words[0] must not be empty'],
    ['a number for a boolean', { flags: [[1]] }, 'flags[0][0] must be true or false, not a number'],
  ])('is rejected with %s, naming the position', (_, change, problem) => {
    expect(validateRows(lists, [{ ...row, ...change }]).map(({ field, message }) => `${field} ${message}`)).toEqual([
      problem,
    ]);
  });

  it('reports at most five problems per field', () => {
    const problems = validateRows(lists, [
      {
        ...row,
        pixels: [
          [99, 99, 99],
          [99, 99, 99],
        ],
        counts: [0.5, 1],
      },
    ]);

    expect(problems.map(({ field }) => field)).toEqual([
      'pixels[0][0]',
      'pixels[0][1]',
      'pixels[0][2]',
      'pixels[1][0]',
      'pixels[1][1]',
      'counts[0]',
    ]);
  });

  it('is fed as flat lists, without -0', () => {
    const encoded = encodeRow(lists, {
      ...row,
      pixels: [
        [-0, 1, 2],
        [3, 4, 16],
      ],
    });

    expect(encoded).toEqual([
      { shape: [2, 3], data: Float32Array.of(0, 1, 2, 3, 4, 16) },
      { shape: [2], data: BigInt64Array.of(1n, 2n) },
      { shape: [2], data: ['a', 'b'] },
      { shape: [1, 1], data: Uint8Array.of(1) },
    ]);
  });

  it("becomes tensors of the graph's shape, row after row", () => {
    const encoded = [
      row,
      {
        ...row,
        pixels: [
          [9, 9, 9],
          [9, 9, 9],
        ],
        counts: [3, 4],
      },
    ].map((each) => encodeRow(lists, each));

    expect(toTensors(lists, encoded)).toEqual({
      pixels: { type: 'float32', dims: [2, 2, 3], data: Float32Array.of(0, 1, 2, 3, 4, 16, 9, 9, 9, 9, 9, 9) },
      counts: { type: 'int64', dims: [2, 2], data: BigInt64Array.of(1n, 2n, 3n, 4n) },
      words: { type: 'string', dims: [2, 2], data: ['a', 'b', 'a', 'b'] },
      flags: { type: 'bool', dims: [2, 1, 1], data: Uint8Array.of(1, 1) },
    });
  });

  const returned = {
    digit: { type: 'int64' as const, dims: [2, 1], data: BigInt64Array.of(7n, 8n) },
    shares: { type: 'float32' as const, dims: [2, 2], data: Float32Array.of(0.25, 0.75, 0.5, 0.5) },
    boxes: { type: 'float32' as const, dims: [2, 3, 2], data: Float32Array.from({ length: 12 }, (_, index) => index) },
  };

  it('is returned as nested lists, with dynamic dimensions as in the output', async () => {
    expect(await fromTensors(lists, returned, 2)).toEqual([
      {
        kind: 'ok',
        output: {
          digit: 7,
          shares: { no: 0.25, yes: 0.75 },
          boxes: [
            [0, 1],
            [2, 3],
            [4, 5],
          ],
        },
      },
      {
        kind: 'ok',
        output: {
          digit: 8,
          shares: { no: 0.5, yes: 0.5 },
          boxes: [
            [6, 7],
            [8, 9],
            [10, 11],
          ],
        },
      },
    ]);
  });

  it('has no response if one element is not a number', async () => {
    const boxes = { ...returned.boxes, data: returned.boxes.data.with(11, NaN) };

    expect((await fromTensors(lists, { ...returned, boxes }, 2)).map(({ kind }) => kind)).toEqual(['ok', 'not-finite']);
  });

  it.each([
    ['of another rank', { ...returned.boxes, dims: [2, 6] }],
    ['of another size', { ...returned.boxes, dims: [2, 2, 3] }],
    ['for another number of rows', { ...returned.boxes, dims: [3, 2, 2] }],
    ['that is not there', undefined],
  ])('fails on an output %s', async (_, boxes) => {
    await expect(fromTensors(lists, { ...returned, boxes } as typeof returned, 2)).rejects.toThrow(
      'The output boxes has the shape',
    );
  });

  it('fails if a row has too many bytes', async () => {
    const boxes = { type: 'float32' as const, dims: [1, 2_097_153, 2], data: new Float32Array(4_194_306) };
    const one = {
      digit: { ...returned.digit, dims: [1, 1], data: BigInt64Array.of(1n) },
      shares: { ...returned.shares, dims: [1, 2], data: Float32Array.of(0, 1) },
    };

    await expect(fromTensors(lists, { ...one, boxes }, 1)).rejects.toThrow(
      'The output boxes has 16777224 bytes for a row; serving.max_row_bytes is 16777216',
    );
  });

  it('accepts results of its shape and rejects those of another', () => {
    const output = {
      digit: 7,
      shares: { no: 0.25, yes: 0.75 },
      boxes: [
        [0, 1],
        [2, 3],
      ],
    };

    expect(isOutput(lists, output)).toBe(true);
    expect(isOutput(lists, { ...output, boxes: [] })).toBe(true);
    for (const boxes of [[0, 1], [[0, 1, 2]], [[0, '1']], [[[0], [1]]], {}, null])
      expect(isOutput(lists, { ...output, boxes })).toBe(false);
    expect(isOutput(lists, { ...output, shares: [0.25, 0.75] })).toBe(false);
    expect(isOutput(lists, { ...output, digit: [7] })).toBe(false);
  });

  it.each([
    ['no dimension', [], required, 'has no dimension; the first must be the number of rows'],
    ['a dimension of nothing', [null, 2, 0], required, 'has the shape [N, 2, 0], which holds no value'],
    [
      'more bytes than a row may have',
      [null, 4096, 1025],
      required,
      'has 16793600 bytes for each row; raise serving.max_row_bytes, which is 16777216',
    ],
    [
      'nothing where it is left out',
      [null, 2, 2],
      { ...required, required: false },
      'takes lists, which have no sign for a missing value; set required: true',
    ],
  ])('is rejected by the signature with %s', (_, shape, reported, problem) => {
    const inputs = [{ name: 'pixels', type: 'float32', shape }];

    expect(() =>
      createSignature('lists/1', { inputs, outputs: [] }, { inputs: { pixels: reported }, outputs: {} }),
    ).toThrow(`lists/1: input pixels ${problem}`);
  });
});

import { runInNewContext } from 'node:vm';
import { createSignature, encodeRow, maxProblems, validateRows } from '../../../src/inference/signature.js';

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
  title: 'test',
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
  it('is taken as it should be, with or without what is optional', () => {
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
    ['a year too early', { year: 1979 }, 'year must be from 1980 to 2030 year, not 1979'],
    ['a year too late', { year: 2031 }, 'year must be from 1980 to 2030 year, not 2031'],
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
      'count must be from -9007199254740991 to 9007199254740991, not 9007199254740992',
    ],
    ['a fraction for an int64', { count: 1.5 }, 'count must be a whole number, not 1.5'],
    ['a number for a string', { fuel: 5 }, 'fuel must be a string, not a number'],
    ['an empty string', { fuel: '' }, 'fuel must not be empty; leave it out where it is not known'],
    ['a long string', { fuel: 'x'.repeat(1001) }, 'fuel must have 1000 characters or fewer; it has 1001'],
    ['a NUL', { fuel: 'a\0b' }, 'fuel must be well-formed text without NUL characters'],
    ['half a surrogate pair', { fuel: 'a\ud800' }, 'fuel must be well-formed text without NUL characters'],
    ['a value that a closed list lacks', { gearbox: 'manual' }, 'gearbox must be one of "Manual", "Automatic", not "manual"'],
    ['a number for a boolean', { is_new: 1 }, 'is_new must be true or false, not a number'],
    ['a string for a boolean', { is_new: 'true' }, 'is_new must be true or false, not a string'],
    ['an unknown field', { colour: 'red' }, 'colour is not an input of this model'],
    ['a field spelt otherwise', { isNew: true }, 'isNew is not an input of this model; did you mean is_new?'],
    ['a field with a slip', { wieght: 1 }, 'wieght is not an input of this model; did you mean weight?'],
    ['a name of the prototype', { constructor: 1 }, 'constructor is not an input of this model'],
  ])('is refused with %s', (_, change, problem) => {
    expect(problemsOf({ ...sound, ...change })).toEqual([problem]);
  });

  it.each([null, undefined, 5, 'text', true, [], [sound], new Date(), new Map()])('is refused when it is %p', (row) => {
    expect(validateRows(signature, [sound, row])).toEqual([
      { row: 1, field: 'inputs', message: expect.stringContaining('must be an object') as string },
    ]);
  });

  it('has only what is its own, whatever its prototype says', () => {
    expect(problemsOf(JSON.parse('{"__proto__": {"year": 2015, "is_new": true, "count": 1}}'))).toEqual([
      'year is required',
      'is_new is required',
      'count is required',
      '__proto__ is not an input of this model',
    ]);
    expect(validateRows(signature, [Object.create(sound)])).toHaveLength(1);
  });

  it('is told every problem it has, with its place in the list', () => {
    expect(validateRows(signature, [sound, { year: 1, gearbox: 'none', extra: 1 }]).map(({ row, field }) => [row, field])).toEqual([
      [1, 'year'],
      [1, 'gearbox'],
      [1, 'is_new'],
      [1, 'count'],
      [1, 'extra'],
    ]);
  });

  it('is told no more than the first hundred problems, each of bounded length', () => {
    const rows = [
      Object.fromEntries(Array.from({ length: 5000 }, (_, index) => [`${'x'.repeat(500)}${index}`, 1])),
      ...Array<object>(500).fill({}),
    ];
    const problems = validateRows(signature, rows);

    expect(problems).toHaveLength(maxProblems);
    expect(Math.max(...problems.map(({ field, message }) => field.length + message.length))).toBeLessThan(500);
  });

  it('becomes a list in the order of the graph, null where something is missing', () => {
    expect(encodeRow(signature, { is_new: true, count: 1, year: 2015, fuel: null })).toEqual([2015, null, null, null, true, 1]);
  });
});

describe('a signature', () => {
  const problemsWith = (change: { graph?: Partial<typeof graph>; inputs?: object; outputs?: object }) => {
    try {
      createSignature(
        'test/1',
        { ...graph, ...change.graph },
        { ...manifest, inputs: { ...manifest.inputs, ...change.inputs }, outputs: { ...manifest.outputs, ...change.outputs } },
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

  it('refuses limits on what is no number', () => {
    expect(problemsWith({ inputs: { fuel: { ...plain, minimum: 1 } } })).toEqual([
      'test/1: input fuel is string; integer, minimum and maximum are for numbers',
    ]);
  });

  it('refuses an optional input that the graph has no sign for', () => {
    expect(problemsWith({ inputs: { count: plain } })).toEqual([
      'test/1: input count is int64, which has no sign for a missing value; set required: true',
    ]);
  });

  it.each([
    ['a fixed number of rows', { name: 'price', type: 'float32' as const, shape: [1, 1] }, 'the first dimension must be free'],
    ['a tensor of rank 3', { name: 'price', type: 'float32' as const, shape: [null, 2, 2] }, 'a value or a vector for each row'],
    ['a map instead of a tensor', { name: 'price', type: null, shape: [] }, 'export the model without ZipMap'],
    ['half precision', { name: 'price', type: 'float16' as const, shape: [null, 1] }, 'has the type float16; served are'],
  ])('refuses an output with %s', (_, output, problem) => {
    expect(problemsWith({ graph: { outputs: [output as (typeof graph.outputs)[number]] } })).toEqual([expect.stringContaining(problem)]);
  });

  it('refuses labels that do not fit the vector', () => {
    const outputs = [{ name: 'price', type: 'float32' as const, shape: [null, 3] }] as unknown as typeof graph.outputs;

    expect(problemsWith({ graph: { outputs }, outputs: { price: { labels: ['a', 'b'] } } })).toEqual([
      'test/1: output price has 2 labels for 3 elements',
    ]);
    expect(problemsWith({ graph: { outputs }, outputs: { price: { labels: ['a', 'b', 'c'] } } })).toEqual([]);
  });
});

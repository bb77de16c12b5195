import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openCache } from '../../../src/cache/cache.js';
import { domains } from '../../../src/domains/index.js';
import { domainSchema } from '../../../src/graphql/schema/build-schema.js';
import { checkModelStore } from '../../../src/inference/repository/validator.js';
import { openPredictor } from '../../../src/inference/serving/open-predictor.js';
import { writeModelFolder, type NewModel } from '../../../src/scripts/new-model/scaffold.js';
import { createLogger } from '../../../src/telemetry/logger.js';
import { bytesField, elementTypes, intField, modelOf, node, text, valueInfo } from '../../support/onnx-proto.js';

const schema = domainSchema(domains);
const { float, int64, string, bool } = elementTypes;
type Dims = (string | number)[];

let storeDir: string;
let exports: string;

beforeEach(async () => {
  storeDir = await mkdtemp(path.join(tmpdir(), 'auspex-new-model-'));
  exports = await mkdtemp(path.join(tmpdir(), 'auspex-exports-'));
});

afterEach(async () => {
  await rm(storeDir, { recursive: true, force: true });
  await rm(exports, { recursive: true, force: true });
});

const input = (name: string, type: number, dims: Dims) => bytesField(11, valueInfo(name, type, dims));
const output = (name: string, type: number, dims: Dims) => bytesField(12, valueInfo(name, type, dims));

/** An integer attribute of a node. */
const integer = (name: string, value: number) => [
  ...bytesField(1, text(name)),
  ...intField(3, value),
  ...intField(20, 2),
];

/** Numbers of an attribute of floats, all 0.5. */
const halves = (name: string, count: number) => [
  ...bytesField(1, text(name)),
  ...Array.from({ length: count }, () => [(7 << 3) | 5, 0, 0, 0, 63]).flat(),
  ...intField(20, 6),
];

const strings = (name: string, values: string[]) => [
  ...bytesField(1, text(name)),
  ...values.flatMap((value) => bytesField(9, text(value))),
  ...intField(20, 8),
];

const machineLearning = bytesField(7, text('ai.onnx.ml'));

/** Two columns, one a category that an encoder reads, and a classifier with label and probabilities. */
function classifier(plans = ['free', 'pro']): number[] {
  const encoder = [
    ...node('OneHotEncoder', ['plan'], 'encoded', strings('cats_strings', plans)),
    ...bytesField(5, integer('zeros', 0)),
    ...machineLearning,
  ];
  const concat = node('Concat', ['flat', 'seats'], 'row', integer('axis', 1));
  const linear = [
    ...bytesField(1, text('row')),
    ...bytesField(2, text('label')),
    ...bytesField(2, text('probabilities')),
    ...bytesField(4, text('LinearClassifier')),
    ...bytesField(5, strings('classlabels_strings', ['leaves', 'stays'])),
    ...bytesField(5, halves('coefficients', 2 * (plans.length + 1))),
    ...bytesField(5, halves('intercepts', 2)),
    ...machineLearning,
  ];
  return [
    ...bytesField(1, encoder),
    ...bytesField(1, node('Flatten', ['encoded'], 'flat')),
    ...bytesField(1, concat),
    ...bytesField(1, linear),
    ...input('plan', string, ['N', 1]),
    ...input('seats', float, ['N', 1]),
    ...output('label', string, ['N']),
    ...output('probabilities', float, ['N', 2]),
  ];
}

const identity = (name: string, type: number, dims: Dims) => [
  ...bytesField(1, node('Identity', [name], `${name}_out`)),
  ...input(name, type, dims),
  ...output(`${name}_out`, type, dims),
];

async function exported(graph: number[], file = 'model.onnx'): Promise<string> {
  await writeFile(path.join(exports, file), modelOf([...graph, ...bytesField(2, text('g'))]));
  return path.join(exports, file);
}

const create = (modelFile: string, options: Partial<NewModel> = {}) =>
  writeModelFolder({ modelFile, name: 'fresh', storeDir, rows: null, schema, ...options });

const fileOf = (...parts: string[]): Promise<string> => readFile(path.join(storeDir, 'fresh', ...parts), 'utf8');

async function goldenRows(): Promise<{ input: object; output: object; generated?: boolean }[]> {
  return (await fileOf('1', 'golden.jsonl'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

/** The outputs of the served model for its golden rows. */
async function served(): Promise<unknown[]> {
  const cache = openCache({ namespace: 'test', maxEntries: 100, maxBytes: 100_000 });
  const predictor = await openPredictor({ storeDir, cache, logger: createLogger('silent') });
  try {
    const rows = (await goldenRows()).map(({ input }) => input);
    return (await predictor.predict({ model: 'fresh', rows })).rows.map((row) => row.output);
  } finally {
    await predictor.close();
    await cache.close();
  }
}

describe('a new model folder', () => {
  it('has the categories and classes of the graph, and passes the check with warnings for what to fill in', async () => {
    const { warnings } = await create(await exported(classifier()));

    const manifest = await fileOf('model.yaml');
    expect(manifest).toContain('title: Fresh\n');
    expect(manifest).toContain('\n  plan: { values: ["free", "pro"] } # string\n  seats: {} # float\n');
    expect(manifest).toContain('\n  label: { values: ["leaves", "stays"] } # string\n');
    expect(manifest).toContain('\n  probabilities: { labels: ["leaves", "stays"] } # 2 floats\n');
    const rows = await goldenRows();
    expect(rows).toHaveLength(8);
    expect(rows[0]).toEqual({
      input: { plan: expect.stringMatching(/^(free|pro)$/), seats: expect.any(Number) },
      output: {
        label: expect.stringMatching(/^(leaves|stays)$/),
        probabilities: { leaves: expect.any(Number), stays: expect.any(Number) },
      },
      generated: true,
    });
    const report = await checkModelStore(storeDir);
    expect(report).toMatchObject({ models: 1, versions: 1, goldenRows: 8, problems: [], warnings });
    expect(warnings).toEqual([
      'fresh/README.md:3: 10 places marked "**To fill in:**"; write what is required there and remove the mark',
      'fresh/1/metrics.json is missing; write down how good the model is',
      'fresh/1/golden.jsonl has 8 generated rows; replace them with rows whose outputs come from the training framework',
    ]);
    expect(await readdir(storeDir)).toEqual(['fresh']);
  });

  it.each<[string, () => number[]]>([
    ['columns and a classifier', () => classifier()],
    ['a category for missing texts', () => classifier(['', 'free'])],
    ['a vector', () => identity('x', float, ['N', 4])],
    ['an image', () => identity('pixels', float, ['N', 8, 8])],
    [
      'integers, texts and booleans',
      () => [
        ...identity('count', int64, ['N', 1]),
        ...identity('word', string, ['N', 1]),
        ...identity('flag', bool, ['N']),
      ],
    ],
    ['one row at a time', () => identity('x', float, [1, 4])],
    ['a name that is none in GraphQL', () => identity('od280/od315', float, ['N', 1])],
    ['a name that means something else in YAML', () => identity('null', float, ['N', 1])],
  ])('is served with %s, and predict returns the golden outputs', async (_, graph) => {
    await create(await exported(graph()));

    expect(await served()).toEqual((await goldenRows()).map((row) => row.output));
    expect((await checkModelStore(storeDir)).problems).toEqual([]);
  });

  it.each([
    ['is fixed to one row', [1, 4]],
    ['is fixed to eight rows', [8, 4]],
    ['takes sequences of any length', ['N', 'L']],
  ])('serves a graph that %s', async (_, dims) => {
    await create(await exported(identity('x', float, dims)));

    expect(await served()).toEqual((await goldenRows()).map((row) => row.output));
  });

  it('limits runs to one row for a graph whose rows influence each other', async () => {
    const quantized = [
      ...bytesField(1, node('DynamicQuantizeLinear', ['x'], ['q', 'scale', 'zero'])),
      ...bytesField(1, node('DequantizeLinear', ['q', 'scale', 'zero'], 'y')),
      ...input('x', float, ['N', 4]),
      ...output('y', float, ['N', 4]),
    ];
    await create(await exported(quantized));

    expect(await fileOf('model.yaml')).toContain('serving: { max_batch: 1 } # Rows of one run influence each other.');
    expect(await served()).toEqual((await goldenRows()).map((row) => row.output));
  });

  it('makes a text optional that has a category for missing ones', async () => {
    await create(await exported(classifier(['', 'free'])));

    expect(await fileOf('model.yaml')).toContain('\n  plan: { required: false, values: ["free"] } # string\n');
  });

  it('has copies of external data', async () => {
    await mkdir(path.join(exports, 'data'));
    await writeFile(path.join(exports, 'data', 'w.bin'), new Uint8Array(Float32Array.of(2).buffer));
    await create(await exported(scaled('data/w.bin')));

    expect(await fileOf('1', 'SHA256SUMS')).toMatch(/^[0-9a-f]{64} {2}model\.onnx\n[0-9a-f]{64} {2}data\/w\.bin\n$/);
    expect(await served()).toEqual((await goldenRows()).map((row) => row.output));
  });

  it('may have the rows of its author', async () => {
    const rows = [{ plan: 'pro', seats: 3 }];
    await create(await exported(classifier()), { rows });

    expect((await goldenRows()).map((row) => row.input)).toEqual(rows);
  });
});

/** y = x * w, with w in another file. */
function scaled(location: string): number[] {
  const entry = [...bytesField(1, text('location')), ...bytesField(2, text(location))];
  const weight = [
    ...intField(1, 1),
    ...intField(2, float),
    ...bytesField(8, text('w')),
    ...bytesField(13, entry),
    ...intField(14, 1),
  ];
  return [
    ...bytesField(1, node('Mul', ['x', 'w'], 'y')),
    ...bytesField(5, weight),
    ...input('x', float, ['N', 1]),
    ...output('y', float, ['N', 1]),
  ];
}

describe('a model that cannot be added', () => {
  /** The message; checks that it is one line and that the store is unchanged. */
  async function rejection(modelFile: string, options: Partial<NewModel> = {}): Promise<string> {
    const before = await readdir(storeDir, { recursive: true });
    const message = await create(modelFile, options).then(
      () => 'nothing was rejected',
      (error: unknown) => (error as Error).message,
    );
    expect(await readdir(storeDir, { recursive: true })).toEqual(before);
    expect(message.split('\n')).toHaveLength(1);
    return message;
  }

  it('has a name that is taken, also in the spelling of the schema', async () => {
    const file = await exported(classifier());
    await create(file);

    expect(await rejection(file)).toContain('fresh already exists; choose another name with --name');
    expect(await rejection(file, { name: 'Fresh' })).toBe(
      'The models fresh and Fresh would both be predictFresh in the schema; choose another name with --name.',
    );
  });

  it.each(['../up', '.hidden', '', 'a b', 'x'.repeat(101)])('has the name %j', async (name) => {
    expect(await rejection(await exported(classifier()), { name })).toContain('cannot be the name of a model');
  });

  it('is not there, is a folder, or is no graph', async () => {
    await writeFile(path.join(exports, 'text.onnx'), 'not a graph');

    expect(await rejection(path.join(exports, 'none.onnx'))).toMatch(/none\.onnx is not a file; name the ONNX file/);
    expect(await rejection(exports)).toMatch(/is not a file/);
    expect(await rejection(path.join(exports, 'text.onnx'))).toMatch(/text\.onnx cannot be loaded: /);
  });

  it('has external data outside its folder, or none', async () => {
    const file = await exported(scaled('../secret'));
    expect(await rejection(file)).toMatch(/stores the tensor "w" in "\.\.\/secret", which is not a file in the folder/);

    await exported(scaled('w.bin'));
    expect(await rejection(file)).toMatch(/stores tensors in "w\.bin", which does not exist; copy it into the folder/);

    await writeFile(path.join(storeDir, '..', `${path.basename(storeDir)}.secret`), 'secret');
    await symlink(path.join(storeDir, '..', `${path.basename(storeDir)}.secret`), path.join(exports, 'w.bin'));
    expect(await rejection(file)).toMatch(/stores tensors in "w\.bin", which is not a file in the folder/);
    await rm(path.join(storeDir, '..', `${path.basename(storeDir)}.secret`));
  });

  it('has inputs for different numbers of rows, or an output that is no tensor', async () => {
    const sequence = bytesField(4, bytesField(1, bytesField(1, intField(1, float))));
    const split = [
      ...bytesField(1, node('SplitToSequence', ['x'], 'y', integer('axis', 1))),
      ...input('x', float, ['N', 2]),
      ...bytesField(12, [...bytesField(1, text('y')), ...bytesField(2, sequence)]),
    ];

    const mixed = [...identity('x', float, ['N', 4]), ...input('k', float, [1])];
    expect(await rejection(await exported(mixed))).toContain(
      'input k has the shape [1]; the first dimension is the number of rows: export it free for all inputs',
    );
    expect(await rejection(await exported(split))).toContain('output y is no tensor but comes from SplitToSequence');
  });

  it('rejects the rows of its author', async () => {
    const file = await exported(classifier());
    expect(await rejection(file, { rows: [{ plan: 'pro', seats: 3 }, { plan: 'pro' }] })).toBe(
      'Row 2 is invalid: seats is required.',
    );
    expect(await rejection(file, { rows: [{ plan: 'unknown', seats: 3 }] })).toMatch(/runs none of the rows: /);
    expect(await rejection(file, { rows: [] })).toMatch(/runs none of the rows: there are none/);
  });

  it('has no store', async () => {
    const file = await exported(classifier());
    expect(await rejection(file, { storeDir: path.join(storeDir, 'none') })).toMatch(
      /none cannot be read as a folder; create it, or name the model store with --store/,
    );
  });

  (process.platform === 'linux' ? it : it.skip)('has a store that cannot be written', async () => {
    const created = create(await exported(classifier()), { storeDir: '/proc' });
    await expect(created).rejects.toThrow(
      /^\/proc cannot be written \(E\w+\); check its permissions and free space\.$/,
    );
  });
});

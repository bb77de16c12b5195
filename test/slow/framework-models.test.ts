import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openCache } from '../../src/cache/cache.js';
import { openPredictor } from '../../src/inference/serving/open-predictor.js';
import { ModelRepositoryError, type Predictor } from '../../src/inference/serving/predictor.js';
import { firstDifference } from '../../src/inference/signature/compare.js';
import { createLogger } from '../../src/telemetry/logger.js';
import { startGateway, type TestGateway } from '../support/gateway.js';

/** Models of the common frameworks; `recipes.py` beside them says how each is made. */
const modelsDir = path.join(import.meta.dirname, '../models');
const servedDir = path.join(modelsDir, 'store');
const rejectedDir = path.join(modelsDir, 'rejected');

interface GoldenRow {
  input: Record<string, unknown>;
  output: Record<string, unknown>;
}

const served = await readdir(servedDir);
const rejected = await readdir(rejectedDir);

const logger = createLogger('silent');

async function goldenRows(model: string): Promise<GoldenRow[]> {
  const source = await readFile(path.join(servedDir, model, '1', 'golden.jsonl'), 'utf8');
  return source
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as GoldenRow);
}

describe('an exported model', () => {
  const cache = openCache({ namespace: 'test', maxEntries: 10_000, maxBytes: 10_000_000 });
  let predictor: Predictor;

  beforeAll(async () => {
    predictor = await openPredictor({ storeDir: servedDir, cache, logger, threads: 2 });
  });

  afterAll(async () => {
    await predictor.close();
    await cache.close();
  });

  it.each(served)('of the recipe %s returns the outputs of its framework', async (model) => {
    const golden = await goldenRows(model);
    // Not as at load: in reverse, so that other rows share a run.
    const rows = golden.toReversed();
    const predicted = await predictor.predict({ model, rows: rows.map(({ input }) => input) });

    expect(predictor.model(model)?.problems).toEqual([]);
    expect(predicted.rows).toHaveLength(rows.length);
    const differences = predicted.rows.map(({ output }, index) =>
      firstDifference(predicted.version.outputs, output, rows[index]?.output ?? {}),
    );
    expect(differences).toEqual(rows.map(() => null));
  });

  it('is in the table of the documentation', async () => {
    const page = await readFile(path.join(modelsDir, '../../docs/exported-models.md'), 'utf8');
    const listed = [...page.matchAll(/^\| `([\w-]+)` \|/gm)].map(([, name]) => name);

    expect(listed.toSorted()).toEqual([...served, ...rejected].toSorted());
    expect(served.length).toBeGreaterThanOrEqual(30);
  });
});

describe('a model that cannot be served', () => {
  it.each([
    ['quantised-dynamic-batched', /rows influence each other.*Set serving\.max_batch: 1, or export/],
    ['sklearn-dictionaries', /input row is no tensor; export the model with tensors only/],
    [
      'torch-chosen-boxes',
      /output found has the shape \[5, 5\] for 1 row; .*: transpose it in the export, or leave it out/,
    ],
    [
      'torch-lstm-states',
      /output state has the shape \[1, 2, 4\] for 2 rows; .*: transpose it in the export, or leave/,
    ],
  ])('of the recipe %s is rejected with a remedy', async (model, remedy) => {
    const storeDir = await mkdtemp(path.join(tmpdir(), 'auspex-rejected-'));
    const cache = openCache({ namespace: 'test', maxEntries: 10, maxBytes: 10_000 });
    try {
      await cp(path.join(rejectedDir, model), path.join(storeDir, model), { recursive: true });
      const problems = await openPredictor({ storeDir, cache, logger, threads: 1 }).then(
        async (predictor) => {
          const found = predictor.problems().flatMap(({ problems }) => problems);
          await predictor.close();
          return found;
        },
        (error: unknown) => {
          if (error instanceof ModelRepositoryError) return error.problems;
          throw error;
        },
      );

      expect(problems.join('\n')).toMatch(remedy);
    } finally {
      await cache.close();
      await rm(storeDir, { recursive: true });
    }
  });

  it('has a test', () => {
    expect(rejected).toHaveLength(4);
  });
});

describe('a gateway', () => {
  let gateway: TestGateway;

  beforeAll(async () => {
    gateway = await startGateway({ MODEL_STORE: servedDir, MAX_BODY_BYTES: '10000000' });
  });

  afterAll(() => gateway.close());

  it('has a typed field for each of them', async () => {
    const { data } = await gateway.execute<{ models: { name: string; problems: string[] }[] }>(
      'admin',
      '{ models { name problems } }',
    );

    expect(data?.models).toEqual(served.toSorted().map((name) => ({ name, problems: [] })));
  });

  it('takes token ids of any length in a typed field', async () => {
    const rows = await goldenRows('bert-tokens');
    const { data, errors } = await gateway.execute<{ predictBertTokens: { logits: number[][] }[] }>(
      'user',
      `query ($inputs: [BertTokensInput!]!) { predictBertTokens(inputs: $inputs) { logits } }`,
      {
        inputs: rows.map(({ input }) => ({
          inputIds: input.input_ids,
          attentionMask: input.attention_mask,
          tokenTypeIds: input.token_type_ids,
        })),
      },
    );

    expect(errors).toEqual([]);
    expect(data?.predictBertTokens.map(({ logits }) => logits.length)).toEqual([6, 3, 9, 6]);
  });

  it('takes an image as bytes in base64, with the result of its nested lists', async () => {
    const [row] = await goldenRows('torchvision-resnet18');
    const bytes = Buffer.from((row?.input.image as number[][][]).flat(2)).toString('base64');
    const { data, errors } = await gateway.execute<{ predict: { output: unknown }[] }>(
      'user',
      'query ($inputs: [JSONObject!]!) { predict(model: "torchvision-resnet18", inputs: $inputs) { output } }',
      { inputs: [{ image: { base64: bytes } }, row?.input] },
    );

    expect(errors).toEqual([]);
    expect(data?.predict[0]).toEqual(data?.predict[1]);
    expect(data?.predict).toHaveLength(2);
  });
});

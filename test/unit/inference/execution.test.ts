import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pino, type Logger } from 'pino';
import { openCache } from '../../../src/cache/cache.js';
import { openPredictor } from '../../../src/inference/serving/open-predictor.js';
import type { Predictor } from '../../../src/inference/serving/predictor.js';
import { waitUntil } from '../../support/wait-until.js';

const modelsDir = path.join(import.meta.dirname, '../../models/store');
const cache = openCache({ namespace: 'test', maxEntries: 100, maxBytes: 100_000 });

let storeDir: string;
let lines: Record<string, unknown>[];
let logger: Logger;
let predictor: Predictor | null = null;

beforeEach(async () => {
  storeDir = await mkdtemp(path.join(tmpdir(), 'auspex-execution-'));
  lines = [];
  logger = pino({}, { write: (line: string) => lines.push(JSON.parse(line) as Record<string, unknown>) });
});

afterEach(async () => {
  await predictor?.close();
  predictor = null;
  await rm(storeDir, { recursive: true });
});

/** Adds a model of `test/models` with other serving settings. */
async function addModel(name: string): Promise<void> {
  await cp(path.join(modelsDir, name), path.join(storeDir, name), { recursive: true });
}

async function writeServing(name: string, serving: string | null): Promise<void> {
  const file = path.join(storeDir, name, 'model.yaml');
  const source = (await readFile(file, 'utf8')).replace(/^serving:.*\n(?: .*\n)*/m, '');
  await writeFile(file, serving === null ? source : `${source}serving: ${serving}\n`);
}

async function open(pollMs = 0): Promise<Predictor> {
  predictor = await openPredictor({ storeDir, cache, logger, threads: 1, pollMs });
  return predictor;
}

// The package of ONNX Runtime has no CUDA provider, whatever the machine.
describe('a model that prefers a GPU', () => {
  it('runs on the CPU where there is none, and says so', async () => {
    await addModel('torch-mlp');
    await writeServing('torch-mlp', '{ providers: [cuda, cpu], intra_op_threads: 2 }');
    const opened = await open();

    expect(opened.model('torch-mlp')?.current).toMatchObject({ executionProvider: 'cpu' });
    expect(lines.filter(({ msg }) => msg === 'execution provider unavailable; using the next')).toMatchObject([
      {
        model: 'torch-mlp',
        modelVersion: 1,
        provider: 'cpu',
        reason: expect.stringMatching(/^cuda is not available: /) as string,
      },
    ]);
    const { rows } = await opened.predict({ model: 'torch-mlp', rows: [{ x: [1, 2, 3, 4] }] });
    expect(rows).toHaveLength(1);
  });

  it('is rejected where there is none and the manifest has no other', async () => {
    await addModel('torch-mlp');
    await writeServing('torch-mlp', '{ providers: [cuda] }');
    const problems = await open().then(
      (opened) => opened.problems().flatMap((folder) => folder.problems),
      (error: unknown) => [String(error)],
    );

    expect(problems.join('\n')).toMatch(/torch-mlp\/1\/model\.onnx cannot be loaded: .*add cpu to serving\.providers/);
  });

  it.each(['[]', '[cpu, cpu]', '[gpu]', 'cuda'])('cannot have the providers %s', async (providers) => {
    await addModel('torch-mlp');
    await writeServing('torch-mlp', `{ providers: ${providers} }`);
    const problems = await open().then(
      (opened) => opened.problems().flatMap((folder) => folder.problems),
      (error: unknown) => [String(error)],
    );

    expect(problems.join('\n')).toMatch(/torch-mlp\/model\.yaml:\d+: serving\.providers/);
  });
});

it('verifies a version again once its rows may share runs', async () => {
  await addModel('quantised-dynamic');
  const opened = await open(20);
  expect(opened.model('quantised-dynamic')?.problems).toEqual([]);

  await writeServing('quantised-dynamic', null);
  await waitUntil(() => opened.model('quantised-dynamic')?.problems.length === 1);

  expect(opened.model('quantised-dynamic')?.problems[0]).toContain('rows influence each other');
});

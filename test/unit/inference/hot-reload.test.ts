import { chmod, mkdir, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { problemsOf, publicProblems } from '../../../src/inference/repository/problems.js';
import type { Model, ModelProblems, Predictor } from '../../../src/inference/serving/predictor.js';
import { openFakePredictor, openForAll, TestStore, type FakeBackend } from '../../support/models.js';
import { createLogger } from '../../../src/telemetry/logger.js';
import { waitUntil } from '../../support/wait-until.js';

let store: TestStore;
let backend: FakeBackend;
let predictor: Predictor;
let check: (models: readonly Model[]) => ModelProblems[] = () => [];
const opened: { close(): Promise<void> }[] = [];

beforeEach(async () => {
  check = () => [];
  store = await TestStore.create();
  await store.manifest('times');
  await store.version('times', 1, { factor: 1 });
  const fake = await openFakePredictor(store, { pollMs: 10, check: (models) => check(models) });
  opened.push(fake);
  ({ predictor, backend } = fake);
});

afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close();
  await store.close();
});

const names = () => predictor.models().map(({ name }) => name);
const current = (name = 'times') => predictor.model(name)?.current.version;
const response = async (x: number, model = 'times') =>
  (await predictor.predict({ model, rows: [{ x }] })).rows[0]?.output.y;

/** Waits for several polls, long enough for a change to be detected and loaded. */
const severalPolls = () => sleep(120);

/**
 * Sends calls in the background until stopped. The returned function resolves with their number, and rejects if one
 * failed.
 */
function callRepeatedly(): () => Promise<number> {
  const stop = new AbortController();
  let returned = 0;
  const requesting = (async () => {
    while (!stop.signal.aborted) {
      await Promise.all([response(Math.random()), response(Math.random())]);
      returned += 1;
      await sleep(1);
    }
  })();
  return async () => {
    stop.abort();
    await requesting;
    return returned;
  };
}

describe('a model folder', () => {
  it('is served after it is added', async () => {
    await store.manifest('new');
    await store.version('new', 1, { factor: 7 });
    await waitUntil(() => names().includes('new'));
    expect(names()).toEqual(['new', 'times']);
    expect(await response(2, 'new')).toBe(14);
  });

  it('serves an added version without failed calls', async () => {
    const stop = callRepeatedly();
    await store.version('times', 2, { factor: 2 });
    await waitUntil(() => current() === 2);
    expect(await response(10)).toBe(20);
    expect(await stop()).toBeGreaterThan(3);
    expect(predictor.model('times')?.versions.map(({ version }) => version)).toEqual([1, 2]);
  });

  it('serves a version that is changed in place, and releases the old one', async () => {
    expect(await response(10)).toBe(10);
    await store.version('times', 1, { factor: 5 });
    const before = predictor.model('times')?.current.digest;
    await waitUntil(() => predictor.model('times')?.current.digest !== before);
    expect(await response(10)).toBe(50);
    await waitUntil(() => backend.loaded === 1);
  });

  it('is no longer served after removal, and its pending calls finish', async () => {
    backend.before = () => sleep(80);
    const calling = response(3);
    await store.manifest('other');
    await store.version('other', 1, { factor: 4 });
    await waitUntil(() => names().includes('other'));
    const slow = response(4);
    await store.remove('times');
    await waitUntil(() => !names().includes('times'));
    expect(await Promise.all([calling, slow])).toEqual([3, 4]);
    await expect(response(3)).rejects.toThrow('times is not served; served models: other');
    await waitUntil(() => backend.loaded === 1);
  });

  it('keeps its sessions and statistics if only the manifest changes', async () => {
    await response(1);
    const statistics = predictor.model('times')?.current.statistics;
    await store.manifest('times', { title: 'Another title', serving: { max_queue: 1 } });
    await waitUntil(() => predictor.model('times')?.title === 'Another title');
    expect(predictor.model('times')?.current.statistics).toBe(statistics);
    expect(statistics?.successes).toBe(1);
    await expect(predictor.predict({ model: 'times', rows: [{ x: 8 }, { x: 9 }] })).rejects.toMatchObject({
      code: 'OVERLOADED',
    });
  });

  it('is loaded once its files stop changing', async () => {
    const changes: (number | undefined)[] = [];
    predictor.onChange(() => changes.push(current()));
    for (let size = 1; size <= 6; size++) {
      await store.version('times', 2, { factor: 2, note: 'x'.repeat(size) }, size < 6 ? [] : undefined);
      await sleep(8);
    }
    await waitUntil(() => current() === 2);
    expect(predictor.problems()).toEqual([]);
    expect(await response(2)).toBe(4);
  });
});

describe('an invalid model folder', () => {
  /** Waits until the problem is reported, and expects that the loaded version keeps serving. */
  async function expectRejected(problem: string): Promise<void> {
    await waitUntil(() => predictor.problems().length > 0);
    expect(predictor.problems()).toEqual([{ model: 'times', problems: [problem] }]);
    expect(predictor.model('times')?.problems).toEqual([
      problem,
      'times: version 2 cannot be served; 1 serves in its place',
    ]);
    expect(await response(6)).toBe(6);
    expect(backend.loaded).toBe(1);
  }

  it('keeps serving with an invalid manifest, and is loaded once it is fixed', async () => {
    await writeFile(path.join(store.dir, 'times', 'model.json'), '{"title": ');
    await waitUntil(() => predictor.problems().length > 0);
    expect(predictor.problems()[0]?.problems[0]).toMatch(/^times\/model.json:1: /);
    expect(await response(6)).toBe(6);

    await store.manifest('times', { title: 'Fixed' });
    await waitUntil(() => predictor.model('times')?.title === 'Fixed');
    expect([predictor.problems(), predictor.model('times')?.problems]).toEqual([[], []]);
  });

  it('keeps serving with wrong golden rows', async () => {
    await store.version('times', 2, { factor: 2 }, [{ input: { x: 1 }, output: { y: 3 } }]);
    await expectRejected(
      'times/2/golden.jsonl:1: y is 2, not 3; model.onnx and golden.jsonl come from different trainings',
    );
  });

  it('keeps serving if a file is not a model', async () => {
    await store.version('times', 1, { factor: 2 });
    await writeFile(path.join(store.dir, 'times', '1', 'model.onnx'), 'not a model');
    const message = () => predictor.problems()[0]?.problems[0] ?? '';
    // Before, it may be read while it is written.
    await waitUntil(() => message().startsWith('times/1/model.onnx cannot be loaded: '), 'The message');
    expect(await response(6)).toBe(6);
  });

  it('is not served with a conflicting name, while other models keep serving', async () => {
    check = (models) =>
      models.flatMap(({ name }) => (name === 'Times' ? [{ model: name, problems: ['Times is taken'] }] : []));
    await store.manifest('Times');
    await store.version('Times', 1, { factor: 2 });
    await waitUntil(() => predictor.problems().length > 0);
    expect(predictor.problems()).toEqual([{ model: 'Times', problems: ['Times is taken'] }]);
    expect(names()).toEqual(['times']);
    await waitUntil(() => backend.loaded === 1);

    await store.remove('Times');
    await waitUntil(() => predictor.problems().length === 0);
  });

  it('is skipped and logged once if it cannot be read', async () => {
    const warnings: unknown[] = [];
    const logger = Object.assign(createLogger('silent'), { warn: (fields: unknown) => void warnings.push(fields) });
    opened.push(await openFakePredictor(store, { pollMs: 10, logger }));
    openForAll(store.dir);
    const isRoot = process.geteuid?.() === 0;
    try {
      await mkdir(path.join(store.dir, 'closed'), { mode: 0 });
      // Root may read any folder.
      if (isRoot) process.seteuid?.(65534);
      await waitUntil(() => warnings.length > 0);
      await severalPolls();
    } finally {
      if (isRoot) process.seteuid?.(0);
      await chmod(path.join(store.dir, 'closed'), 0o755);
    }
    expect(warnings).toEqual([{ problems: [expect.stringMatching(/^closed cannot be read \(EACCES\)/)] }]);
    expect(predictor.problems()).toEqual([]);
  });

  it('is not loaded again until it changes', async () => {
    let changes = 0;
    predictor.onChange(() => (changes += 1));
    await writeFile(path.join(store.dir, 'times', 'model.json'), '{}');
    await waitUntil(() => predictor.problems().length > 0);
    await severalPolls();
    expect(changes).toBe(1);
  });
});

describe('a new folder that cannot be served', () => {
  it('disappears from the problems when it is removed, also from an otherwise empty store', async () => {
    const empty = await TestStore.create();
    const fake = await openFakePredictor(empty, { pollMs: 10 });
    opened.push({ close: () => empty.close() }, fake);
    await empty.manifest('new');
    await waitUntil(() => fake.predictor.problems().length > 0);
    expect(fake.predictor.problems()).toEqual([
      { model: 'new', problems: ['new has no version; put the model at new/1/model.onnx'] },
    ]);
    expect(fake.predictor.models()).toEqual([]);
    await empty.remove('new');
    await waitUntil(() => fake.predictor.problems().length === 0);
  });

  it('disappears although its last load failed for a reason that may pass', async () => {
    let checks = 0;
    check = () => {
      checks += 1;
      throw new Error('interrupted');
    };
    await store.manifest('new');
    await store.version('new', 1, { factor: 2 });
    await waitUntil(() => checks > 2);
    expect(predictor.problems()).toEqual([{ model: 'new', problems: ['interrupted'] }]);
    await store.remove('new');
    await waitUntil(() => predictor.problems().length === 0);
  });
});

describe('the log', () => {
  it('has one line for each version that is loaded, replaced or removed', async () => {
    const lines: Record<string, unknown>[] = [];
    const sink = new Writable({
      write(chunk: Buffer, _encoding, done) {
        lines.push(JSON.parse(chunk.toString()) as Record<string, unknown>);
        done();
      },
    });
    opened.push(await openFakePredictor(store, { pollMs: 10, logger: createLogger('info', sink) }));
    const digest = expect.stringMatching(/^[0-9a-f]{64}$/) as unknown;
    const loaded = { level: 'info', model: 'times', digest, durationMs: expect.any(Number) as unknown };
    const logged = (): Record<string, unknown>[] => lines.splice(0);
    expect(logged()).toEqual([expect.objectContaining({ ...loaded, modelVersion: 1, msg: 'model version loaded' })]);

    await store.version('times', 2, { factor: 2 });
    await waitUntil(() => lines.length > 0);
    expect(logged()).toEqual([expect.objectContaining({ ...loaded, modelVersion: 2, msg: 'model version loaded' })]);

    await store.version('times', 2, { factor: 3 });
    await waitUntil(() => lines.length > 0);
    const replaced = { ...loaded, modelVersion: 2, previousDigest: digest, msg: 'model version replaced' };
    expect(logged()).toEqual([expect.objectContaining(replaced)]);

    await store.remove('times', '2');
    await waitUntil(() => lines.length > 0);
    expect(logged()).toEqual([
      expect.objectContaining({ model: 'times', modelVersion: 2, msg: 'model version removed' }),
    ]);

    await store.manifest('times', { title: 'Another title' });
    await waitUntil(() => lines.length > 0);
    expect(logged()).toEqual([expect.objectContaining({ ...loaded, modelVersion: 1, msg: 'model manifest applied' })]);
  });
});

describe('problems that callers see', () => {
  it('are bounded in number and length, on one line each', () => {
    const problems = publicProblems(
      Array.from({ length: 30 }, () => `a\nb\u2028${'x'.repeat(100_000)}`),
      '/store',
    );
    expect(problems).toHaveLength(21);
    expect(problems[0]).toMatch(/^a b x{493}\.\.\.$/);
    expect(problems[20]).toBe('and 10 more; run npm run models:check');
  });

  it.each([
    ["ENOENT: no such file, open '/home/ml/.env'", "ENOENT: no such file, open '<path>'"],
    ['/onnxruntime_src/onnxruntime/core/graph.cc:202 failed', '<path>:202 failed'],
    ['/store/iris/1/model.onnx is damaged', 'iris/1/model.onnx is damaged'],
    ['iris/1/golden.jsonl:3: y is 1/2, not 2', 'iris/1/golden.jsonl:3: y is 1/2, not 2'],
    ['see https://example.com/a/b', 'see https://example.com/a/b'],
  ])('have no path outside the repository: %s', (problem, shown) => {
    expect(publicProblems([problem], '/store')).toEqual([shown]);
  });

  it('name a file that cannot be read without the folder of the repository', () => {
    const error = Object.assign(new Error("EIO: i/o error, read '/store/iris/1/model.onnx'"), {
      code: 'EIO',
      path: '/store/iris/1/model.onnx',
    });
    expect(problemsOf(error, '/store')).toEqual(['iris/1/model.onnx cannot be read (EIO); check the volume']);
  });
});

it('keeps serving while the store is missing or empty, and reloads once it is available again', async () => {
  await rename(store.dir, `${store.dir}-moved`);
  await severalPolls();
  expect(await response(2)).toBe(2);
  await rename(`${store.dir}-moved`, store.dir);
  await store.version('times', 2, { factor: 2 });
  await waitUntil(() => current() === 2);
  await store.remove('times');
  await severalPolls();
  expect(await response(3)).toBe(6);
});

it('releases every model when it closes, after pending calls', async () => {
  backend.before = () => sleep(30);
  const calling = response(4);
  await predictor.close();
  expect(await calling).toBe(4);
  expect([backend.loaded, backend.isClosed]).toEqual([0, true]);
});

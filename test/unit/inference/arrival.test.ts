import { createHash } from 'node:crypto';
import { cp, mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Writable } from 'node:stream';
import { sha256OfBytes } from '../../../src/inference/repository/files.js';
import { readModel } from '../../../src/inference/repository/model-repository.js';
import { readGoldenRows } from '../../../src/inference/repository/version-folder.js';
import type { Predictor } from '../../../src/inference/serving/predictor.js';
import { createLogger } from '../../../src/telemetry/logger.js';
import { openFakePredictor, TestStore } from '../../support/models.js';
import { waitUntil } from '../../support/wait-until.js';

let store: TestStore;
const opened: { close(): Promise<void> }[] = [];

beforeEach(async () => {
  store = await TestStore.create();
  await store.manifest('times');
});

afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close();
  await store.close();
});

async function open(options: Parameters<typeof openFakePredictor>[1] = {}): Promise<Predictor> {
  const fake = await openFakePredictor(store, { pollMs: 10, ...options });
  opened.push(fake);
  return fake.predictor;
}

const file = (...parts: string[]) => path.join(store.dir, 'times', ...parts);
const current = (predictor: Predictor) => predictor.model('times')?.current.version;
const allProblems = (predictor: Predictor) => predictor.problems().flatMap(({ problems }) => problems);
const golden = (x: number, y: number) => `${JSON.stringify({ input: { x }, output: { y } })}\n`;
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

/** Writes a graph without golden rows, as the first file of a slow copy. */
async function graphOnly(version: number, factor: number): Promise<string> {
  await mkdir(file(String(version)), { recursive: true });
  const graph = JSON.stringify({ factor });
  await writeFile(file(String(version), 'model.onnx'), graph);
  return graph;
}

const y = async (predictor: Predictor, x: number) =>
  (await predictor.predict({ model: 'times', rows: [{ x }] })).rows[0]?.output.y;

describe('a version whose files arrive one after the other', () => {
  it('is withdrawn for the last that passed when its golden rows arrive late and fail', async () => {
    await store.version('times', 1, { factor: 1 });
    const predictor = await open();
    await graphOnly(2, 2);
    await waitUntil(() => current(predictor) === 2);

    await writeFile(file('2', 'golden.jsonl'), golden(1, 3));
    await waitUntil(() => current(predictor) === 1);
    expect(await y(predictor, 10)).toBe(10);
    expect(predictor.model('times')?.versions.map(({ version }) => version)).toEqual([1]);
    expect(predictor.model('times')?.problems).toEqual([
      'times/2/golden.jsonl:1: y is 2, not 3; model.onnx and golden.jsonl come from different trainings',
      'times: version 2 cannot be served; 1 serves in its place',
    ]);

    await writeFile(file('2', 'golden.jsonl'), golden(1, 2));
    await waitUntil(() => current(predictor) === 2);
    expect(allProblems(predictor)).toEqual([]);
  });

  it('is withdrawn when more golden rows arrive that fail, although the first passed', async () => {
    await store.version('times', 1, { factor: 1 });
    await store.version('times', 2, { factor: 2 });
    const predictor = await open();
    await writeFile(file('2', 'golden.jsonl'), golden(1, 2) + golden(2, 5));
    await waitUntil(() => current(predictor) === 1);
  });

  it('is withdrawn when it is the only one and never passed golden rows', async () => {
    await graphOnly(1, 2);
    const predictor = await open();
    expect(await y(predictor, 10)).toBe(20);
    await writeFile(file('1', 'golden.jsonl'), golden(1, 3));
    await waitUntil(() => predictor.model('times') === null);
    expect(allProblems(predictor)).toHaveLength(1);
  });

  it('keeps serving when it is the only one and passed golden rows before', async () => {
    await store.version('times', 1, { factor: 2 });
    const predictor = await open();
    await writeFile(file('1', 'golden.jsonl'), golden(1, 3));
    await waitUntil(() => allProblems(predictor).length > 0);
    expect(await y(predictor, 10)).toBe(20);
  });

  it('is served once every file of SHA256SUMS has arrived', async () => {
    await store.version('times', 1, { factor: 1 });
    const predictor = await open();
    await mkdir(file('2'));
    const rows = golden(1, 2);
    const graph = JSON.stringify({ factor: 2 });
    await writeFile(file('2', 'SHA256SUMS'), `${sha256(graph)}  model.onnx\n${sha256(rows)}  golden.jsonl\n`);
    await writeFile(file('2', 'model.onnx'), graph);
    await waitUntil(() => allProblems(predictor).join().includes('golden.jsonl is not there'));
    expect(current(predictor)).toBe(1);

    await writeFile(file('2', 'golden.jsonl'), rows);
    await waitUntil(() => current(predictor) === 2);
    expect(allProblems(predictor)).toEqual([]);
  });

  it('is withdrawn when SHA256SUMS arrives last and lists another graph', async () => {
    await store.version('times', 1, { factor: 1 });
    const predictor = await open();
    await graphOnly(2, 2);
    await waitUntil(() => current(predictor) === 2);
    await writeFile(file('2', 'SHA256SUMS'), `${'0'.repeat(64)}  model.onnx\n`);
    await waitUntil(() => current(predictor) === 1);
    expect(allProblems(predictor)).toEqual([
      expect.stringMatching(/^times\/2\/SHA256SUMS:1: model.onnx is not the file that the training wrote/),
    ]);
  });

  it('keeps the graph that passed while another one is copied over it', async () => {
    await store.version('times', 1, { factor: 2 });
    const predictor = await open();
    await graphOnly(1, 3);
    await waitUntil(() => allProblems(predictor).length > 0);
    expect(await y(predictor, 10)).toBe(20);
    await writeFile(file('1', 'golden.jsonl'), golden(1, 3));
    await waitUntil(() => allProblems(predictor).length === 0);
    expect(await y(predictor, 10)).toBe(30);
  });

  it('is served whole after its folder is swapped by a link, as Kubernetes mounts do', async () => {
    const mounts = await mkdtemp(path.join(tmpdir(), 'auspex-mount-'));
    opened.push({ close: () => rm(mounts, { recursive: true }) });
    await store.version('times', 1, { factor: 2 });
    for (const [name, factor] of Object.entries({ one: 2, two: 5 })) {
      await store.version('times', 1, { factor });
      await cp(file(), path.join(mounts, name, 'times'), { recursive: true });
    }
    await store.remove('times');
    // The repository is the mount: `times` leads through `..data`, which is swapped.
    await symlink(path.join(mounts, 'one'), path.join(store.dir, '..data'));
    await symlink(path.join('..data', 'times'), file());
    const predictor = await open();
    expect(await y(predictor, 10)).toBe(20);

    await symlink(path.join(mounts, 'two'), path.join(store.dir, '..data_tmp'));
    await rename(path.join(store.dir, '..data_tmp'), path.join(store.dir, '..data'));
    await waitUntil(async () => (await y(predictor, 10)) === 50);
    expect(allProblems(predictor)).toEqual([]);
  });

  it('is not served with files that changed while it was being loaded', async () => {
    await store.version('times', 1, { factor: 1 });
    const fake = await openFakePredictor(store, { pollMs: 10 });
    opened.push(fake);
    let changes = 0;
    fake.backend.before = async (_xs, { factor }) => {
      if (factor === 2 && (changes += 1) === 1) await writeFile(file('2', 'golden.jsonl'), golden(1, 7));
    };
    await store.version('times', 2, { factor: 2 });
    await waitUntil(() => allProblems(fake.predictor).join().includes('y is 2, not 7'));
    expect(changes).toBeGreaterThan(0);
    expect(current(fake.predictor)).toBe(1);
  });

  it('is not checked by golden rows other than those that were hashed', async () => {
    await store.version('times', 1, { factor: 1 });
    const version = (await readModel(store.dir, 'times'))?.versions[0];
    if (!version) throw new Error('times has a version');
    expect(await readGoldenRows(version)).toHaveLength(2);
    await writeFile(file('1', 'golden.jsonl'), golden(1, 1));
    await expect(readGoldenRows(version)).rejects.toThrow('golden.jsonl changed while it was being loaded');
  });
});

describe('a start with broken models', () => {
  beforeEach(async () => {
    await store.version('times', 1, { factor: 1 });
    await store.manifest('broken');
    await store.version('broken', 1, { factor: 2 }, [{ input: { x: 1 }, output: { y: 3 } }]);
  });

  const problem = 'broken/1/golden.jsonl:1: y is 2, not 3; model.onnx and golden.jsonl come from different trainings';

  it('serves the others and reports the problems', async () => {
    const predictor = await open();
    expect(predictor.models().map(({ name }) => name)).toEqual(['times']);
    expect(predictor.problems()).toEqual([{ model: 'broken', problems: [problem] }]);

    await store.version('broken', 1, { factor: 3 });
    await waitUntil(() => predictor.model('broken') !== null);
    expect(predictor.problems()).toEqual([]);
  });

  it('serves the versions that pass, and the next lower one as current', async () => {
    await store.version('times', 2, { factor: 2 });
    await store.version('times', 3, { factor: 3 }, [{ input: { x: 1 }, output: { y: 4 } }]);
    const predictor = await open();
    expect([current(predictor), await y(predictor, 10)]).toEqual([2, 20]);
    expect(predictor.model('times')?.problems[1]).toBe('times: version 3 cannot be served; 2 serves in its place');
    expect(predictor.model('times')?.overrides).toEqual([]);
  });

  it('does not serve a model whose manifest is invalid', async () => {
    await writeFile(path.join(store.dir, 'broken', 'model.json'), '{}');
    const predictor = await open();
    expect(predictor.models().map(({ name }) => name)).toEqual(['times']);
    expect(allProblems(predictor)[0]).toMatch(/^broken\/model.json: /);
  });

  it('starts without any model that can be served', async () => {
    await store.remove('times');
    const predictor = await open();
    expect(predictor.models()).toEqual([]);
  });

  it('loads a model again that failed for a reason that may pass', async () => {
    let attempts = 0;
    const predictor = await open({
      check: (models) => {
        if (models.some(({ name }) => name === 'times') && (attempts += 1) === 1) throw new Error('interrupted');
        return [];
      },
    });
    expect(predictor.problems()).toContainEqual({ model: 'times', problems: ['interrupted'] });
    await waitUntil(() => predictor.model('times') !== null);
  });

  it('fails with every problem if it is strict', async () => {
    let logged = '';
    const sink = new Writable({
      write(chunk: Buffer, _encoding, done) {
        logged += chunk.toString();
        done();
      },
    });
    await expect(open({ isStrict: true, logger: createLogger('error', sink) })).rejects.toThrow(problem);
    // The error of the start says it.
    expect(logged).toBe('');
    await open({ logger: createLogger('error', sink) });
    expect(JSON.parse(logged)).toMatchObject({
      model: 'broken',
      problems: [problem],
      msg: 'model load failed; not served',
    });
  });
});

it('re-tests a graph whose batches are no longer limited to one row', async () => {
  await store.version('times', 1, { factor: 2 });
  await store.manifest('times', { serving: { max_batch: 1 } });
  const fake = await openFakePredictor(store, { pollMs: 10 });
  opened.push(fake);
  await store.manifest('times', { title: 'Batches' });
  await waitUntil(() => fake.predictor.model('times')?.title === 'Batches');
  expect(fake.backend.runs.some((xs) => xs.length > 1)).toBe(true);
});

it('hashes bytes in slices as in one piece', async () => {
  const bytes = Buffer.alloc(3 * 1024 * 1024 + 7, 'auspex');
  expect(await sha256OfBytes(bytes)).toBe(createHash('sha256').update(bytes).digest('hex'));
  expect(await sha256OfBytes(new Uint8Array())).toBe(createHash('sha256').digest('hex'));
});

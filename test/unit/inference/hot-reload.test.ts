import { rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Model, ModelProblems, Predictor } from '../../../src/inference/predictor.js';
import { openFakePredictor, TestStore, type FakeBackend } from '../../kit/models.js';

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
const answer = async (x: number, model = 'times') => (await predictor.predict({ model, rows: [{ x }] })).rows[0]?.output.y;

/** Waits until `isSo`; the test's own time limit ends it. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await sleep(5);
}

/** Long enough for a change to have been seen and taken up. */
const someLooks = () => sleep(120);

/** Asks in the background until stopped; answers how many were answered. Any failure fails. */
function askOnAndOn(): () => Promise<number> {
  const stop = new AbortController();
  let answered = 0;
  const asking = (async () => {
    while (!stop.signal.aborted) {
      await Promise.all([answer(Math.random()), answer(Math.random())]);
      answered += 1;
      await sleep(1);
    }
  })();
  return async () => {
    stop.abort();
    await asking;
    return answered;
  };
}

describe('a folder that is', () => {
  it('added is served', async () => {
    await store.manifest('new');
    await store.version('new', 1, { factor: 7 });
    await until(() => names().includes('new'));
    expect(names()).toEqual(['new', 'times']);
    expect(await answer(2, 'new')).toBe(14);
  });

  it('given another version answers with it, without a call that fails', async () => {
    const stop = askOnAndOn();
    await store.version('times', 2, { factor: 2 });
    await until(() => current() === 2);
    expect(await answer(10)).toBe(20);
    expect(await stop()).toBeGreaterThan(3);
    expect(predictor.model('times')?.versions.map(({ version }) => version)).toEqual([1, 2]);
  });

  it('changed in place answers with the new model, and lets the old one go', async () => {
    expect(await answer(10)).toBe(10);
    await store.version('times', 1, { factor: 5 });
    const before = predictor.model('times')?.current.digest;
    await until(() => predictor.model('times')?.current.digest !== before);
    expect(await answer(10)).toBe(50);
    await until(() => backend.loaded === 1);
  });

  it('removed is served no more, and its calls under way are answered', async () => {
    backend.before = () => sleep(80);
    const calling = answer(3);
    await store.manifest('other');
    await store.version('other', 1, { factor: 4 });
    await until(() => names().includes('other'));
    const slow = answer(4);
    await store.remove('times');
    await until(() => !names().includes('times'));
    expect(await Promise.all([calling, slow])).toEqual([3, 4]);
    await expect(answer(3)).rejects.toThrow('times is not served; served are other');
    await until(() => backend.loaded === 1);
  });

  it('only read again keeps its sessions and its counts', async () => {
    await answer(1);
    const statistics = predictor.model('times')?.current.statistics;
    await store.manifest('times', { title: 'Another title', serving: { max_queue: 1 } });
    await until(() => predictor.model('times')?.title === 'Another title');
    expect(predictor.model('times')?.current.statistics).toBe(statistics);
    expect(statistics?.successes).toBe(1);
    await expect(predictor.predict({ model: 'times', rows: [{ x: 8 }, { x: 9 }] })).rejects.toMatchObject({ code: 'OVERLOADED' });
  });

  it('written piece by piece is taken up when it stands still', async () => {
    const changes: (number | undefined)[] = [];
    predictor.onChange(() => changes.push(current()));
    for (let size = 1; size <= 6; size++) {
      await store.version('times', 2, { factor: 2, note: 'x'.repeat(size) }, size < 6 ? [] : undefined);
      await sleep(8);
    }
    await until(() => current() === 2);
    expect(predictor.problems()).toEqual([]);
    expect(await answer(2)).toBe(4);
  });
});

describe('a broken folder', () => {
  /** Waits until the problem is told, and checks that what served still does. */
  async function expectRefused(problem: string): Promise<void> {
    await until(() => predictor.problems().length > 0);
    expect(predictor.problems()).toEqual([{ model: 'times', problems: [problem] }]);
    expect(predictor.model('times')?.problems).toEqual([problem]);
    expect(await answer(6)).toBe(6);
    expect(backend.loaded).toBe(1);
  }

  it('with a bad manifest changes nothing that serves, and is taken up once it is mended', async () => {
    await writeFile(path.join(store.dir, 'times', 'model.json'), '{"title": ');
    await until(() => predictor.problems().length > 0);
    expect(predictor.problems()[0]?.problems[0]).toMatch(/^times\/model.json:1: /);
    expect(await answer(6)).toBe(6);

    await store.manifest('times', { title: 'Mended' });
    await until(() => predictor.model('times')?.title === 'Mended');
    expect([predictor.problems(), predictor.model('times')?.problems]).toEqual([[], []]);
  });

  it('with wrong golden rows changes nothing that serves', async () => {
    await store.version('times', 2, { factor: 2 }, [{ input: { x: 1 }, output: { y: 3 } }]);
    await expectRefused('times/2/golden.jsonl:1: y is 2, not 3; model.onnx and golden.jsonl are not of one training');
  });

  it('with a file that is no model changes nothing that serves', async () => {
    await store.version('times', 1, { factor: 2 });
    await writeFile(path.join(store.dir, 'times', '1', 'model.onnx'), 'no model');
    await until(() => predictor.problems().length > 0);
    expect(predictor.problems()[0]?.problems[0]).toMatch(/^times\/1\/model.onnx cannot be loaded: /);
    expect(await answer(6)).toBe(6);
  });

  it('with a name that clashes changes nothing that serves', async () => {
    check = (models) => models.flatMap(({ name }) => (name === 'Times' ? [{ model: name, problems: ['Times is taken'] }] : []));
    await store.manifest('Times');
    await store.version('Times', 1, { factor: 2 });
    await until(() => predictor.problems().length > 0);
    expect(predictor.problems()).toEqual([{ model: 'Times', problems: ['Times is taken'] }]);
    expect(names()).toEqual(['times']);
    await until(() => backend.loaded === 1);

    await store.remove('Times');
    await until(() => predictor.problems().length === 0);
  });

  it('is not tried again and again', async () => {
    let changes = 0;
    predictor.onChange(() => (changes += 1));
    await writeFile(path.join(store.dir, 'times', 'model.json'), '{}');
    await until(() => predictor.problems().length > 0);
    await someLooks();
    expect(changes).toBe(1);
  });
});

it('keeps serving where the store is gone or empty, and follows it when it is back', async () => {
  await rename(store.dir, `${store.dir}-away`);
  await someLooks();
  expect(await answer(2)).toBe(2);
  await rename(`${store.dir}-away`, store.dir);
  await store.version('times', 2, { factor: 2 });
  await until(() => current() === 2);
  await store.remove('times');
  await someLooks();
  expect(await answer(3)).toBe(6);
});

it('releases every model when it closes, after the calls under way', async () => {
  backend.before = () => sleep(30);
  const calling = answer(4);
  await predictor.close();
  expect(await calling).toBe(4);
  expect([backend.loaded, backend.isClosed]).toEqual([0, true]);
});

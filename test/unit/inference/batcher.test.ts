import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { Batcher, type BatchItem, type BatchLimits } from '../../../src/inference/batcher.js';
import { VersionCounters } from '../../../src/inference/statistics.js';
import { Overloaded, ServiceUnavailable } from '../../../src/shared/errors.js';

/** A row that is a number; its answer is its square. */
class Item implements BatchItem<number> {
  isQueued = false;
  answer: number | null = null;
  error: unknown = null;
  readonly #done = Promise.withResolvers<undefined>();

  constructor(readonly row: number) {}

  settle(answer: number): void {
    this.answer = answer;
    this.#done.resolve(undefined);
  }

  fail(error: unknown): void {
    this.error = error;
    this.#done.resolve(undefined);
  }

  get done(): Promise<undefined> {
    return this.#done.promise;
  }
}

const items = (...rows: number[]): Item[] => rows.map((row) => new Item(row));

const doneOf = (list: readonly Item[]) => Promise.all(list.map(({ done }) => done));

/** A batcher whose runs are recorded; a run that holds one of `bad` fails. */
function squares(limits: Partial<BatchLimits> = {}, bad: ReadonlySet<number> = new Set()) {
  const runs: number[][] = [];
  const state = { room: 0, before: (): Promise<void> | void => undefined };
  const counters = new VersionCounters();
  const batcher = new Batcher<number, Item>(
    {
      room: () => state.room,
      async run(batch) {
        const rows = batch.map(({ row }) => row);
        runs.push(rows);
        await state.before();
        if (rows.some((row) => bad.has(row))) throw new Error('a bad row');
        return { answers: rows.map((row) => row * row), computeMs: 2 };
      },
    },
    counters,
    { maxBatch: 8, maxQueue: 100, windowMs: 0, ...limits },
  );
  return { batcher, runs, state, counters };
}

describe('joining', () => {
  it('runs at once what comes in one turn of the event loop, whoever asks', async () => {
    const { batcher, runs } = squares();
    const [one, two, three] = [items(1, 2), items(3), items(4, 5)];
    batcher.submit(one);
    batcher.submit(two);
    void Promise.resolve().then(() => batcher.submit(three));
    await doneOf([...one, ...two]);
    await doneOf(three);

    expect(runs).toEqual([[1, 2, 3, 4, 5]]);
    expect([...one, ...two, ...three].map(({ answer }) => answer)).toEqual([1, 4, 9, 16, 25]);
  });

  it('waits no longer than the turn where no window is set', async () => {
    const { batcher, runs } = squares();
    const first = items(1);
    batcher.submit(first);
    await nextTurn();
    await doneOf(first);
    batcher.submit(items(2));
    await nextTurn();
    expect(runs).toEqual([[1], [2]]);
  });

  it('keeps a window open for others, and closes it early when the batch is full', async () => {
    const { batcher, runs } = squares({ windowMs: 60_000, maxBatch: 3 });
    const waiting = items(1);
    batcher.submit(waiting);
    await sleep(20);
    expect(runs).toEqual([]);
    const rest = items(2, 3);
    batcher.submit(rest);
    await doneOf([...waiting, ...rest]);
    expect(runs).toEqual([[1, 2, 3]]);
  });

  it('runs what came within the window when it ends', async () => {
    const { batcher, runs } = squares({ windowMs: 30 });
    const [one, two] = [items(1), items(2)];
    batcher.submit(one);
    await nextTurn();
    batcher.submit(two);
    await doneOf([...one, ...two]);
    expect(runs).toEqual([[1, 2]]);
  });

  it('never runs more rows than maxBatch, and keeps calls whole where they fit', async () => {
    const { batcher, runs } = squares({ maxBatch: 4 });
    const calls = [items(1, 2, 3), items(4, 5), items(6), items(7, 8, 9, 10, 11, 12)];
    for (const call of calls) batcher.submit(call);
    await doneOf(calls.flat());

    expect(runs[0]).toEqual([1, 2, 3, 6]);
    expect(runs.every((run) => run.length <= 4)).toBe(true);
    expect(calls.flat().map(({ answer, row }) => answer === row * row)).not.toContain(false);
  });

  it('runs what waits already when its limit is lowered', async () => {
    const { batcher, runs } = squares({ maxBatch: 4 });
    const call = items(1, 2, 3);
    batcher.submit(call);
    batcher.limits = { maxBatch: 2, maxQueue: 100, windowMs: 0 };
    await doneOf(call);
    expect(runs).toEqual([[1, 2, 3]]);
  });

  it('joins what comes while a run is under way into the next', async () => {
    const { batcher, runs, state } = squares();
    const gate = Promise.withResolvers<undefined>();
    state.before = async () => {
      await gate.promise;
    };
    const [one, two, three] = [items(1), items(2), items(3)];
    batcher.submit(one);
    await nextTurn();
    batcher.submit(two);
    await nextTurn();
    batcher.submit(three);
    await nextTurn();
    expect(runs).toEqual([[1]]);
    gate.resolve(undefined);
    await doneOf([...one, ...two, ...three]);
    expect(runs).toEqual([[1], [2, 3]]);
  });

  it('lets a small call overtake a large one where all else is busy', async () => {
    const { batcher, runs, state } = squares();
    const gate = Promise.withResolvers<undefined>();
    state.before = async () => {
      await gate.promise;
    };
    batcher.submit(items(1));
    await nextTurn();
    state.room = 2;
    const large = items(2, 3, 4, 5);
    batcher.submit(large);
    batcher.submit(items(6));
    await nextTurn();
    expect(runs).toEqual([[1], [6]]);
    gate.resolve(undefined);
    await doneOf(large);
    expect(runs).toEqual([[1], [6], [2, 3, 4, 5]]);
  });
});

describe('a failed run', () => {
  it('fails the bad row alone', async () => {
    const { batcher } = squares({}, new Set([3]));
    const call = items(1, 2, 3, 4, 5);
    batcher.submit(call);
    await doneOf(call);
    expect(call.map(({ answer }) => answer)).toEqual([1, 4, null, 16, 25]);
    expect(call[2]?.error).toEqual(new Error('a bad row'));
  });

  it('fails every row where a runtime is away, without asking it again', async () => {
    const { batcher, runs, state } = squares();
    state.before = () => Promise.reject(new ServiceUnavailable('The runtime is away.'));
    const call = items(1, 2, 3);
    batcher.submit(call);
    await doneOf(call);
    expect(call.every(({ error }) => error instanceof ServiceUnavailable)).toBe(true);
    expect(runs).toHaveLength(1);
  });

  it('fails rows for which too few answers came', async () => {
    const batcher = new Batcher<number, Item>(
      { room: () => 0, run: () => Promise.resolve({ answers: [], computeMs: 1 }) },
      new VersionCounters(),
      { maxBatch: 8, maxQueue: 8, windowMs: 0 },
    );
    const call = items(1, 2);
    batcher.submit(call);
    await doneOf(call);
    expect(call.map(({ error }) => (error as Error).message)).toEqual(['0 answers came for 1 rows', '0 answers came for 1 rows']);
  });
});

describe('the queue', () => {
  it('refuses at once what does not fit, whole, and says when to come back', async () => {
    const { batcher, runs, counters } = squares({ maxQueue: 3 });
    const first = items(1, 2);
    batcher.submit(first);
    expect(() => batcher.submit(items(3, 4))).toThrow(Overloaded);
    expect(counters.pending).toBe(2);
    const fits = items(5);
    batcher.submit(fits);
    await doneOf([...first, ...fits]);
    expect(runs).toEqual([[1, 2, 5]]);
  });

  it('gives the place of a withdrawn row to another, and does not run it', async () => {
    const { batcher, runs, counters } = squares({ maxQueue: 2 });
    const [gone, stays] = items(1, 2) as [Item, Item];
    batcher.submit([gone, stays]);
    expect(batcher.withdraw(gone)).toBe(true);
    expect(batcher.withdraw(gone)).toBe(false);
    const late = items(3);
    batcher.submit(late);
    await doneOf([stays, ...late]);
    await nextTurn();
    expect(runs).toEqual([[2, 3]]);
    expect(counters.pending).toBe(0);
    expect(batcher.isIdle).toBe(true);
  });

  it('takes new rows for as long as others withdraw, while a run hangs', async () => {
    const { batcher, runs, state } = squares({ maxQueue: 4 });
    const gate = Promise.withResolvers<undefined>();
    state.before = async () => {
      await gate.promise;
    };
    batcher.submit(items(0));
    await nextTurn();
    for (let round = 0; round < 50; round += 1) {
      const gone = items(1, 2, 3);
      batcher.submit(gone);
      for (const item of gone) batcher.withdraw(item);
    }
    const last = items(4, 5, 6, 7);
    batcher.submit(last);
    expect(() => batcher.submit(items(8))).toThrow(Overloaded);
    gate.resolve(undefined);
    await doneOf(last);
    expect(runs).toEqual([[0], [4, 5, 6, 7]]);
  });

  it('does nothing where all have withdrawn', async () => {
    const { batcher, runs } = squares();
    const call = items(1, 2);
    batcher.submit(call);
    for (const item of call) batcher.withdraw(item);
    await nextTurn();
    await nextTurn();
    expect(runs).toEqual([]);
    expect(batcher.isIdle).toBe(true);
  });
});

it('counts runs, rows, sizes and times', async () => {
  const { batcher, counters } = squares();
  const calls = [items(1), items(2, 3, 4, 5, 6)];
  for (const call of calls) batcher.submit(call);
  expect(counters.pending).toBe(6);
  await doneOf(calls.flat());
  await nextTurn();
  const more = items(7);
  batcher.submit(more);
  await doneOf(more);
  await nextTurn();
  expect(counters).toMatchObject({ runs: 2, rows: 7, computeMs: 4, pending: 0 });
  expect(counters.batchSizes).toEqual([
    { rows: 1, runs: 1 },
    { rows: 8, runs: 1 },
  ]);
  expect(counters.queueMs).toBeGreaterThan(0);
});

it('gives each row what it would get alone, however calls, faults and withdrawals fall together', async () => {
  const action = fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('ask' as const), rows: fc.array(fc.nat(30), { minLength: 1, maxLength: 9 }) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('turn' as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('withdraw' as const), index: fc.nat(50) }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 30 }), fc.uniqueArray(fc.nat(30), { maxLength: 6 }), fc.nat(5), async (actions, badRows, room) => {
      const bad = new Set(badRows);
      const { batcher, runs, state, counters } = squares({ maxBatch: 7, maxQueue: 1000 }, bad);
      state.room = room;
      state.before = async () => {
        await nextTurn();
      };
      const asked: Item[] = [];
      const withdrawn = new Set<Item>();
      for (const step of actions) {
        if (step.kind === 'turn') await nextTurn();
        if (step.kind === 'ask') {
          const call = items(...step.rows);
          asked.push(...call);
          batcher.submit(call);
        }
        const item = step.kind === 'withdraw' ? asked[step.index] : undefined;
        if (item && batcher.withdraw(item)) withdrawn.add(item);
      }
      const staying = asked.filter((item) => !withdrawn.has(item));
      await doneOf(staying);
      await nextTurn();

      for (const { row, answer, error } of staying) {
        if (bad.has(row)) expect(error).toBeInstanceOf(Error);
        else expect([answer, error]).toEqual([row * row, null]);
      }
      for (const { answer, error } of withdrawn) expect([answer, error]).toEqual([null, null]);
      expect(runs.every((run) => run.length <= 7)).toBe(true);
      expect(counters.pending).toBe(0);
      expect(batcher.isIdle).toBe(true);
    }),
    { numRuns: 150 },
  );
});

import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { Batcher, type BatchItem, type BatchLimits } from '../../../src/inference/serving/batcher.js';
import { VersionCounters } from '../../../src/inference/serving/version-statistics.js';
import { Overloaded, ServiceUnavailable } from '../../../src/errors/app-error.js';

/** A row with a number; its response is the square. */
class Item implements BatchItem<number> {
  isQueued = false;
  isNeeded = true;
  response: number | null = null;
  error: unknown = null;
  readonly #done = Promise.withResolvers<undefined>();

  constructor(
    readonly row: number,
    readonly caller = 'anna',
  ) {}

  settle(response: number): void {
    this.response = response;
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

/** A batcher that records its runs; a run with one of `bad` fails. */
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
        return { results: rows.map((row) => row * row), computeMs: 2 };
      },
    },
    counters,
    { maxBatch: 8, maxQueue: 100, windowMs: 0, ...limits },
  );
  return { batcher, runs, state, counters };
}

describe('batching', () => {
  it('runs rows of several calls in one turn of the event loop together', async () => {
    const { batcher, runs } = squares();
    const [one, two, three] = [items(1, 2), items(3), items(4, 5)];
    batcher.submit(one);
    batcher.submit(two);
    void Promise.resolve().then(() => batcher.submit(three));
    await doneOf([...one, ...two]);
    await doneOf(three);

    expect(runs).toEqual([[1, 2, 3, 4, 5]]);
    expect([...one, ...two, ...three].map(({ response }) => response)).toEqual([1, 4, 9, 16, 25]);
  });

  it('waits no longer than one turn without a window', async () => {
    const { batcher, runs } = squares();
    const first = items(1);
    batcher.submit(first);
    await nextTurn();
    await doneOf(first);
    batcher.submit(items(2));
    await nextTurn();
    expect(runs).toEqual([[1], [2]]);
  });

  it('keeps the window open for other calls, and closes it early when the batch is full', async () => {
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

  it('runs the rows of the window when it ends', async () => {
    const { batcher, runs } = squares({ windowMs: 30 });
    const [one, two] = [items(1), items(2)];
    batcher.submit(one);
    await nextTurn();
    batcher.submit(two);
    await doneOf([...one, ...two]);
    expect(runs).toEqual([[1, 2]]);
  });

  it('never runs more rows than maxBatch, and does not split calls that fit', async () => {
    const { batcher, runs } = squares({ maxBatch: 4 });
    const calls = [items(1, 2, 3), items(4, 5), items(6), items(7, 8, 9, 10, 11, 12)];
    for (const call of calls) batcher.submit(call);
    await doneOf(calls.flat());

    expect(runs[0]).toEqual([1, 2, 3, 6]);
    expect(runs.every((run) => run.length <= 4)).toBe(true);
    expect(calls.flat().map(({ response, row }) => response === row * row)).not.toContain(false);
  });

  it('runs queued rows together although maxBatch is lowered', async () => {
    const { batcher, runs } = squares({ maxBatch: 4 });
    const call = items(1, 2, 3);
    batcher.submit(call);
    batcher.limits = { maxBatch: 2, maxQueue: 100, windowMs: 0 };
    await doneOf(call);
    expect(runs).toEqual([[1, 2, 3]]);
  });

  it('batches rows that arrive during a run into the next one', async () => {
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

  it('runs a small call before a large one if only that fits the free capacity', async () => {
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
    expect(call.map(({ response }) => response)).toEqual([1, 4, null, 16, 25]);
    expect(call[2]?.error).toEqual(new Error('a bad row'));
  });

  it('fails every row if the runtime is unavailable, without retrying', async () => {
    const { batcher, runs, state } = squares();
    state.before = () => Promise.reject(new ServiceUnavailable('The runtime is unavailable.'));
    const call = items(1, 2, 3);
    batcher.submit(call);
    await doneOf(call);
    expect(call.every(({ error }) => error instanceof ServiceUnavailable)).toBe(true);
    expect(runs).toHaveLength(1);
  });

  it('fails rows without a result', async () => {
    const batcher = new Batcher<number, Item>(
      { room: () => 0, run: () => Promise.resolve({ results: [], computeMs: 1 }) },
      new VersionCounters(),
      { maxBatch: 8, maxQueue: 8, windowMs: 0 },
    );
    const call = items(1, 2);
    batcher.submit(call);
    await doneOf(call);
    expect(call.map(({ error }) => (error as Error).message)).toEqual([
      'received 0 results for 1 rows',
      'received 0 results for 1 rows',
    ]);
  });
});

describe('a failed run of several callers', () => {
  /** Rows of a caller from a number on. */
  const rowsOf = (caller: string, count: number, from = 0): Item[] =>
    Array.from({ length: count }, (_, index) => new Item(from + index, caller));

  it('finds one bad row of 1024 in 2 log2 n runs', async () => {
    for (const bad of [0, 1, 511, 512, 700, 1023]) {
      const { batcher, runs } = squares({ maxBatch: 1024, maxQueue: 2000 }, new Set([bad]));
      const call = rowsOf('anna', 1024);
      batcher.submit(call);
      await doneOf(call);
      expect(call.filter(({ error }) => error !== null).map(({ row }) => row)).toEqual([bad]);
      expect(runs.length - 1).toBeLessThanOrEqual(20);
    }
  });

  it('ends the search for a call that has failed with its first bad row', async () => {
    const all = new Set(Array.from({ length: 1000 }, (_, row) => row));
    const { batcher, runs, counters } = squares({ maxBatch: 1024, maxQueue: 2000 }, all);
    const call = rowsOf('anna', 1000);
    // The call fails with its first row, and leaves the others.
    for (const item of call) {
      const fail = item.fail.bind(item);
      item.fail = (error) => {
        fail(error);
        for (const other of call) other.isNeeded = false;
      };
    }
    batcher.submit(call);
    await doneOf(call);
    expect(runs.length).toBeLessThanOrEqual(11);
    expect(runs.flat().length).toBeLessThan(2 * 1000 + 20);
    await nextTurn();
    expect(counters.droppedRows).toBe(999);
    expect(counters.pending).toBe(0);
  });

  it('limits the runs for one caller whose rows are all bad, and serves all others', async () => {
    const all = new Set(Array.from({ length: 500 }, (_, row) => row));
    const { batcher, runs } = squares({ maxBatch: 1024, maxQueue: 2000 }, all);
    const bad = rowsOf('mallory', 500);
    const good = ['anna', 'bob', 'zoe'].map((caller, index) => rowsOf(caller, 10, 1000 + 10 * index));
    // Each row is a separate call, so that none is dropped.
    for (const item of bad) batcher.submit([item]);
    for (const call of good) batcher.submit(call);
    await doneOf([...bad, ...good.flat()]);
    expect(good.flat().map(({ response, row }) => response === row * row)).not.toContain(false);
    expect(bad.every(({ error }) => error !== null)).toBe(true);
    expect(runs.length).toBeLessThanOrEqual(1 + 64 + 10);
  });

  it('runs the rows of that caller apart from others for some seconds, and after those that waited less', async () => {
    const { batcher, runs, state } = squares({ maxBatch: 64 }, new Set([0]));
    const bad = rowsOf('mallory', 8);
    batcher.submit(bad);
    await doneOf(bad);
    runs.length = 0;
    const gate = Promise.withResolvers<undefined>();
    state.before = async () => {
      await gate.promise;
    };
    batcher.submit(rowsOf('anna', 1, 100));
    await nextTurn();
    const calls = [rowsOf('mallory', 2, 10), rowsOf('anna', 2, 20), rowsOf('bob', 2, 30)];
    for (const call of calls) batcher.submit(call);
    gate.resolve(undefined);
    await doneOf(calls.flat());
    expect(runs).toEqual([[100], [30, 31, 20, 21], [10, 11]]);
  });
});

describe('fairness', () => {
  const call = (caller: string, rows: number): Item[] =>
    Array.from({ length: rows }, (_, row) => new Item(row, caller));

  it('runs a row of an idle caller next, whatever another has queued', async () => {
    const { batcher, runs } = squares({ maxBatch: 8, maxQueue: 1000 });
    const flood = Array.from({ length: 50 }, () => call('mallory', 8));
    for (const one of flood) batcher.submit(one);
    await doneOf(flood[2] ?? []);
    const before = runs.length;
    const single = [new Item(77, 'anna')];
    batcher.submit(single);
    await doneOf(single);
    expect(runs.length - before).toBeLessThanOrEqual(3);
    await doneOf(flood.flat());
  });

  it('shares the runs of a model among callers by rows', async () => {
    const { batcher, runs, state } = squares({ maxBatch: 8, maxQueue: 1000 });
    const finished: string[] = [];
    state.before = () => nextTurn();
    const flood = Array.from({ length: 20 }, () => call('mallory', 8));
    const others = ['anna', 'bob'].flatMap((caller) => Array.from({ length: 5 }, () => call(caller, 8)));
    for (const one of [...flood, ...others]) batcher.submit(one);
    await Promise.all(
      [...flood, ...others].map(async (one) => {
        await doneOf(one);
        finished.push(one[0]?.caller ?? '');
      }),
    );
    expect(runs).toHaveLength(30);
    // Five rounds of all three, then what mallory has left.
    expect(finished.slice(0, 17).filter((caller) => caller !== 'mallory')).toHaveLength(10);
  });
});

describe('the queue', () => {
  it('rejects a call that does not fit as a whole, at once', async () => {
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

  it('frees the place of a withdrawn row and does not run it', async () => {
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

  it('accepts new rows after others are withdrawn while a run hangs', async () => {
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

  it('runs nothing if all rows are withdrawn', async () => {
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

it('returns the same for each row as if it ran alone, for any interleaving of calls, errors and withdrawals', async () => {
  const action = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('submit' as const),
        rows: fc.array(fc.nat(30), { minLength: 1, maxLength: 9 }),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('turn' as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('withdraw' as const), index: fc.nat(50) }) },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(action, { maxLength: 30 }),
      fc.uniqueArray(fc.nat(30), { maxLength: 6 }),
      fc.nat(5),
      async (actions, badRows, room) => {
        const bad = new Set(badRows);
        const { batcher, runs, state, counters } = squares({ maxBatch: 7, maxQueue: 1000 }, bad);
        state.room = room;
        state.before = async () => {
          await nextTurn();
        };
        const requested: Item[] = [];
        const withdrawn = new Set<Item>();
        for (const step of actions) {
          if (step.kind === 'turn') await nextTurn();
          if (step.kind === 'submit') {
            const call = items(...step.rows);
            requested.push(...call);
            batcher.submit(call);
          }
          const item = step.kind === 'withdraw' ? requested[step.index] : undefined;
          if (item && batcher.withdraw(item)) withdrawn.add(item);
        }
        const staying = requested.filter((item) => !withdrawn.has(item));
        await doneOf(staying);
        await nextTurn();

        for (const { row, response, error } of staying) {
          if (bad.has(row)) expect(error).toBeInstanceOf(Error);
          else expect([response, error]).toEqual([row * row, null]);
        }
        for (const { response, error } of withdrawn) expect([response, error]).toEqual([null, null]);
        expect(runs.every((run) => run.length <= 7)).toBe(true);
        expect(counters.pending).toBe(0);
        expect(batcher.isIdle).toBe(true);
      },
    ),
    { numRuns: 150 },
  );
});

import { setTimeout as sleep } from 'node:timers/promises';
import { Batcher } from '../../../src/inference/batcher.js';
import { ServiceUnavailable } from '../../../src/shared/errors.js';

/** Doubles numbers, writes down what each run held, and fails a run that holds a negative number. */
function doubling(limits = { maxBatch: 100, maxWaiting: 1000 }) {
  const runs: number[][] = [];
  const batcher = new Batcher<number, number>(async (rows) => {
    runs.push([...rows]);
    await sleep(5);
    if (rows.some((row) => row < 0)) throw new Error('negative');
    return rows.map((row) => row * 2);
  }, limits);
  return { runs, batcher };
}

describe('the batcher', () => {
  it('joins calls of the same moment into one run and gives each call its own answers in order', async () => {
    const { runs, batcher } = doubling();

    const answers = await Promise.all([batcher.answer([1, 2]), batcher.answer([3]), batcher.answer([5, 4])]);

    expect(answers).toEqual([[2, 4], [6], [10, 8]]);
    expect(runs).toEqual([[1, 2, 3, 5, 4]]);
  });

  it('joins what comes in while a run is busy into the next one', async () => {
    const { runs, batcher } = doubling();
    const first = batcher.answer([1]);
    await sleep(2);
    const later = [batcher.answer([2]), batcher.answer([3])];

    expect(await Promise.all([first, ...later])).toEqual([[2], [4], [6]]);
    expect(runs).toEqual([[1], [2, 3]]);
  });

  it('fills a run with whole calls up to its bound and never overtakes', async () => {
    const { runs, batcher } = doubling({ maxBatch: 4, maxWaiting: 100 });

    await Promise.all([batcher.answer([1, 2, 3]), batcher.answer([4, 5]), batcher.answer([6]), batcher.answer([7, 8])]);

    expect(runs).toEqual([
      [1, 2, 3],
      [4, 5, 6],
      [7, 8],
    ]);
  });

  it('refuses a call that is larger than a run', async () => {
    const { runs, batcher } = doubling({ maxBatch: 2, maxWaiting: 100 });

    await expect(batcher.answer([1, 2, 3])).rejects.toThrow(RangeError);
    expect(runs).toEqual([]);
  });

  it('fails only the call whose rows fail the run', async () => {
    const { batcher } = doubling();

    const outcomes = await Promise.allSettled([batcher.answer([1]), batcher.answer([2, -1]), batcher.answer([3])]);

    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(outcomes[2]).toEqual({ status: 'fulfilled', value: [6] });
    expect(await batcher.answer([4])).toEqual([8]);
  });

  it('fails a call rather than give it the answers of another when a run answers too few rows', async () => {
    const batcher = new Batcher<number, number>((rows) => Promise.resolve(rows.slice(1)), { maxBatch: 10, maxWaiting: 10 });

    const outcomes = await Promise.allSettled([batcher.answer([1]), batcher.answer([2])]);

    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  });

  it('refuses at once what does not fit into the queue, and takes rows again when it has shrunk', async () => {
    const { runs, batcher } = doubling({ maxBatch: 5, maxWaiting: 5 });
    const waiting = batcher.answer([1, 2, 3, 4]);

    await expect(batcher.answer([5, 6])).rejects.toThrow(ServiceUnavailable);
    expect(runs).toEqual([]);
    await waiting;
    expect(await batcher.answer([5, 6])).toEqual([10, 12]);
  });

  it('lets the event loop turn between two runs', async () => {
    const { batcher } = doubling({ maxBatch: 1, maxWaiting: 100 });
    let turns = 0;
    const timer = setInterval(() => (turns += 1), 1);
    await Promise.all(Array.from({ length: 10 }, (_, row) => batcher.answer([row])));
    clearInterval(timer);

    expect(turns).toBeGreaterThan(5);
  });
});

import { WorkerPool, type PoolAnswer, type WorkerPoolOptions } from '../../../src/inference/backend/worker-pool.js';
import { Overloaded, TimedOut } from '../../../src/shared/errors.js';

const program = new URL('../../kit/obedient-thread.js', import.meta.url);

const pools: WorkerPool[] = [];

function openPool(options: Partial<WorkerPoolOptions> = {}): WorkerPool {
  const limits = { size: 2, maxQueue: 100, hangMs: 20_000, loadHangMs: 20_000, restartMs: 50, graceMs: 1000, exitMs: 1000 };
  const pool = new WorkerPool({ program, ...limits, ...options });
  pools.push(pool);
  return pool;
}

/** A pool in which graph 1 is loaded. */
async function loadedPool(options: Partial<WorkerPoolOptions> = {}): Promise<WorkerPool> {
  const pool = openPool(options);
  await pool.load(1, Buffer.from('good'));
  return pool;
}

function act(pool: WorkerPool, what: string, graph = 1): Promise<PoolAnswer> {
  return pool.run(graph, { act: { type: 'string', dims: [1], data: [what] } });
}

afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.close()));
});

describe('the worker pool', () => {
  it('runs in all of its threads, and more than there are threads', async () => {
    const pool = await loadedPool();

    const answers = await Promise.all(Array.from({ length: 20 }, () => act(pool, 'answer')));

    expect(new Set(answers.map(({ thread }) => thread))).toEqual(new Set([0, 1]));
    expect(pool.idle).toBe(2);
  });

  it('counts the threads that are idle', async () => {
    const pool = await loadedPool();
    const runs = [act(pool, 'answer'), act(pool, 'answer')];

    expect(pool.idle).toBe(0);
    await Promise.all(runs);
    expect(pool.idle).toBe(2);
  });

  it('tells the error of a load, and serves what was loaded before', async () => {
    const pool = await loadedPool();

    await expect(pool.load(2, Buffer.from('bad'))).rejects.toThrow('this is no model');
    await expect(act(pool, 'answer', 2)).rejects.toThrow('graph 2 is not loaded');
    expect(await act(pool, 'answer')).toMatchObject({ computeMs: 1 });
  });

  it('tells the error of a run and keeps the thread', async () => {
    const pool = await loadedPool({ size: 1 });
    const before = await act(pool, 'answer');

    await expect(act(pool, 'fail')).rejects.toThrow('the model failed');
    expect((await act(pool, 'answer')).outputs).toEqual(before.outputs);
  });

  it.each([
    ['breaks', 'throw', "The model's thread failed: the thread broke"],
    ['exits', 'exit', "The model's thread ended with exit code 3."],
  ])('fails what a thread is at that %s, and goes on with one that has all graphs', async (_, what, message) => {
    const pool = await loadedPool({ size: 1 });
    await pool.load(2, Buffer.from('good'));
    const before = await act(pool, 'answer');

    const [lost, next, other] = await Promise.allSettled([act(pool, what), act(pool, 'answer'), act(pool, 'answer', 2)]);

    expect(lost).toMatchObject({ status: 'rejected', reason: { message } });
    expect([next.status, other.status]).toEqual(['fulfilled', 'fulfilled']);
    expect((next as PromiseFulfilledResult<PoolAnswer>).value.outputs).not.toEqual(before.outputs);
  });

  it.each(['spin', 'never'])('gives up a run that does not come to its end (%s), and goes on', async (what) => {
    const pool = await loadedPool({ size: 1, hangMs: 1000 });

    const [hung, next] = await Promise.allSettled([act(pool, what), act(pool, 'answer')]);

    expect(hung).toMatchObject({ status: 'rejected', reason: { message: "The model's run took longer than 1000 ms and was given up." } });
    expect((hung as PromiseRejectedResult).reason).toBeInstanceOf(TimedOut);
    expect(next.status).toBe('fulfilled');
  });

  it('loads in the other threads what is loaded while one is being replaced', async () => {
    const pool = await loadedPool();
    const lost = act(pool, 'exit');
    const loading = pool.load(2, Buffer.from('good'));

    await expect(lost).rejects.toThrow('exit code 3');
    await loading;
    const answers = await Promise.all(Array.from({ length: 20 }, () => act(pool, 'answer', 2)));
    expect(answers).toHaveLength(20);
  });

  it('refuses a run at once where too many wait', async () => {
    const pool = await loadedPool({ size: 1, maxQueue: 2, graceMs: 0 });
    const waiting = Promise.allSettled([act(pool, 'never'), act(pool, 'answer'), act(pool, 'answer')]);

    await expect(act(pool, 'answer')).rejects.toThrow(Overloaded);
    await pool.close();
    expect((await waiting).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
  });

  it('fails what is asked of it where no thread starts, rather than let it wait', async () => {
    const pool = openPool({ program: new URL('no-such-program.js', import.meta.url) });

    await expect(pool.load(1, Buffer.from('good'))).rejects.toThrow('no-such-program.js');
    await expect(act(pool, 'answer')).rejects.toThrow('no-such-program.js');
  });

  it('frees a graph in all threads', async () => {
    const pool = await loadedPool();
    await pool.load(2, Buffer.from('good'));
    await pool.release(1);

    const outcomes = await Promise.allSettled(Array.from({ length: 10 }, () => act(pool, 'answer')));

    expect(new Set(outcomes.map(({ status }) => status))).toEqual(new Set(['rejected']));
    expect(await act(pool, 'answer', 2)).toMatchObject({ computeMs: 1 });
  });

  it('takes nothing once it is closed', async () => {
    const pool = await loadedPool();
    await pool.close();

    await expect(act(pool, 'answer')).rejects.toThrow('The model runtime is closed.');
    await expect(pool.load(2, Buffer.from('good'))).rejects.toThrow('The model runtime is closed.');
  });
});

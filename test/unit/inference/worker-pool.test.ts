import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { SessionMemory } from '../../../src/inference/onnx/session-memory.js';
import { WorkerPool, type PoolResponse, type WorkerPoolOptions } from '../../../src/inference/onnx/worker-pool.js';
import { Overloaded, TimedOut } from '../../../src/errors/app-error.js';
import { waitUntil } from '../../support/wait-until.js';

const program = new URL('../../support/scripted-thread.js', import.meta.url);

const pools: WorkerPool[] = [];

function openPool(options: Partial<WorkerPoolOptions> = {}, memory = new SessionMemory(Infinity)): WorkerPool {
  const limits = {
    size: 2,
    largeBytes: 100,
    maxQueue: 100,
    hangMs: 20_000,
    loadHangMs: 20_000,
    restartMs: 50,
    idleMs: 20_000,
    graceMs: 1000,
    exitMs: 1000,
  };
  const pool = new WorkerPool({ program, ...limits, ...options }, memory);
  pools.push(pool);
  return pool;
}

/** A pool with graph 1 loaded. */
async function loadedPool(options: Partial<WorkerPoolOptions> = {}): Promise<WorkerPool> {
  const pool = openPool(options);
  await pool.load(1, Buffer.from('good'));
  return pool;
}

function act(pool: WorkerPool, what: string, graph = 1): Promise<PoolResponse> {
  return pool.run(graph, { act: { type: 'string', dims: [1], data: [what] } });
}

afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.close()));
});

describe('the worker pool', () => {
  it('runs in all of its threads, and queues further runs', async () => {
    const pool = await loadedPool();
    const threads = new Set<number>();

    // The second thread starts while the first responds.
    await waitUntil(async () => {
      const responses = await Promise.all(Array.from({ length: 20 }, () => act(pool, 'respond')));
      for (const { thread } of responses) threads.add(thread);
      return threads.size === 2;
    });

    expect(pool.idleFor(1)).toBe(2);
  });

  it('gives graphs that compete for a thread runs by their weights, and starves none', async () => {
    const pool = await loadedPool({ size: 1 });
    await pool.load(2, Buffer.from('good'));
    const counts = [0, 0];
    const feeds = { act: { type: 'string', dims: [1], data: ['respond'] } } as const;
    /** A graph that queues its next run in the turn after the last one, as a batcher does. */
    const repeat = async (index: number, weight: number): Promise<void> => {
      while ((counts[0] ?? 0) + (counts[1] ?? 0) < 170) {
        await pool.run(index + 1, { act: { ...feeds.act, data: [...feeds.act.data] } }, { weight });
        counts[index] = (counts[index] ?? 0) + 1;
        await nextTurn();
      }
    };
    // Runs of low weight always wait.
    await Promise.all([...Array.from({ length: 4 }, () => repeat(0, 1)), repeat(1, 16)]);
    const [low = 0, high = 0] = counts;
    expect(low).toBeGreaterThanOrEqual(8);
    expect(high / low).toBeGreaterThan(8);
  });

  it('counts the threads that are idle', async () => {
    const pool = await loadedPool();
    await waitUntil(() => pool.idleFor(1) === 2);
    const runs = [act(pool, 'respond'), act(pool, 'respond')];

    expect(pool.idleFor(1)).toBe(0);
    await Promise.all(runs);
    await waitUntil(() => pool.idleFor(1) === 2);
  });

  it('reports the error of a load, and keeps serving loaded graphs', async () => {
    const pool = await loadedPool();

    await expect(pool.load(2, Buffer.from('bad'))).rejects.toThrow('invalid model');
    await expect(act(pool, 'respond', 2)).rejects.toThrow('graph 2 is not loaded');
    expect(await act(pool, 'respond')).toMatchObject({ computeMs: 1 });
  });

  it('reports the error of a run and keeps the thread', async () => {
    const pool = await loadedPool({ size: 1 });
    const before = await act(pool, 'respond');

    await expect(act(pool, 'fail')).rejects.toThrow('the model failed');
    expect((await act(pool, 'respond')).outputs).toEqual(before.outputs);
  });

  it.each([
    ['crashes', 'throw', "The model's thread failed: the thread crashed"],
    ['exits', 'exit', "The model's thread ended with exit code 3."],
  ])(
    'fails the request of a thread that %s, and replaces the thread by one that loads what it runs',
    async (_, what, message) => {
      const pool = await loadedPool({ size: 1 });
      await pool.load(2, Buffer.from('good'));
      const before = await act(pool, 'respond');

      const [lost, next, other] = await Promise.allSettled([
        act(pool, what),
        act(pool, 'respond'),
        act(pool, 'respond', 2),
      ]);

      expect(lost).toMatchObject({ status: 'rejected', reason: { message } });
      expect([next.status, other.status]).toEqual(['fulfilled', 'fulfilled']);
      expect((next as PromiseFulfilledResult<PoolResponse>).value.outputs).not.toEqual(before.outputs);
    },
  );

  it.each(['spin', 'never'])('aborts a run that never ends (%s), and serves the next one', async (what) => {
    const pool = await loadedPool({ size: 1, hangMs: 1000 });

    const [hung, next] = await Promise.allSettled([act(pool, what), act(pool, 'respond')]);

    expect(hung).toMatchObject({
      status: 'rejected',
      reason: { message: "The model's run exceeded its limit of 1000 ms and was aborted." },
    });
    expect((hung as PromiseRejectedResult).reason).toBeInstanceOf(TimedOut);
    expect(next.status).toBe('fulfilled');
  });

  it('loads a graph while a thread is being replaced', async () => {
    const pool = await loadedPool();
    const lost = act(pool, 'exit');
    const loading = pool.load(2, Buffer.from('good'));

    await expect(lost).rejects.toThrow('exit code 3');
    await loading;
    const responses = await Promise.all(Array.from({ length: 20 }, () => act(pool, 'respond', 2)));
    expect(responses).toHaveLength(20);
  });

  it('rejects a run at once if the queue is full', async () => {
    const pool = await loadedPool({ size: 1, maxQueue: 2, graceMs: 0 });
    const waiting = Promise.allSettled([act(pool, 'never'), act(pool, 'respond'), act(pool, 'respond')]);

    await expect(act(pool, 'respond')).rejects.toThrow(Overloaded);
    await pool.close();
    expect((await waiting).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
  });

  it('rejects requests if no thread starts', async () => {
    const pool = openPool({ program: new URL('no-such-program.js', import.meta.url) });

    await expect(pool.load(1, Buffer.from('good'))).rejects.toThrow('no-such-program.js');
    await expect(act(pool, 'respond')).rejects.toThrow('no-such-program.js');
  });

  it('releases a graph in all threads', async () => {
    const pool = await loadedPool();
    await pool.load(2, Buffer.from('good'));
    await pool.release(1);

    const outcomes = await Promise.allSettled(Array.from({ length: 10 }, () => act(pool, 'respond')));

    expect(new Set(outcomes.map(({ status }) => status))).toEqual(new Set(['rejected']));
    expect(await act(pool, 'respond', 2)).toMatchObject({ computeMs: 1 });
  });

  it('loads a graph in a thread at its first run there, and a large graph in one thread only', async () => {
    const memory = new SessionMemory(Infinity);
    const pool = openPool({}, memory);
    await pool.load(1, Buffer.from('good'));
    await pool.load(2, Buffer.alloc(101));
    expect(memory.bytes).toBe(2000);
    await waitUntil(() => pool.idleFor(1) === 2);
    expect(pool.idleFor(2)).toBe(1);

    const threads = { small: new Set<number>(), large: new Set<number>() };
    await waitUntil(async () => {
      const [small = [], large = []] = await Promise.all(
        [1, 2].map((graph) => Promise.all(Array.from({ length: 10 }, () => act(pool, 'respond', graph)))),
      );
      for (const { thread } of small) threads.small.add(thread);
      for (const { thread } of large) threads.large.add(thread);
      return threads.small.size === 2;
    });

    expect(threads.large.size).toBe(1);
    expect(memory.bytes).toBe(3000);
  });

  it('frees the graphs that have not run for longest beyond the budget, and loads them again when they run', async () => {
    const memory = new SessionMemory(2500);
    const pool = openPool({ size: 1 }, memory);
    for (const graph of [1, 2]) await pool.load(graph, Buffer.from('good'));
    const first = await act(pool, 'respond', 1);
    await pool.load(3, Buffer.from('good'));
    expect(memory.bytes).toBe(2000);

    // Graph 2 was freed, and frees graph 1.
    for (const graph of [3, 2, 1, 2, 3]) expect((await act(pool, 'respond', graph)).outputs).toEqual(first.outputs);
    expect(memory.bytes).toBe(2000);
  });

  it('keeps a graph that exceeds the budget alone', async () => {
    const memory = new SessionMemory(10);
    const pool = openPool({ size: 1 }, memory);
    await pool.load(1, Buffer.from('good'));

    expect(await act(pool, 'respond')).toMatchObject({ computeMs: 1 });
    expect(memory.bytes).toBe(1000);
  });

  it('counts no memory for a thread that ended, and unloads graphs', async () => {
    const memory = new SessionMemory(Infinity);
    const pool = openPool({ size: 1 }, memory);
    await pool.load(1, Buffer.from('good'));
    await expect(act(pool, 'exit')).rejects.toThrow('exit code 3');
    expect(memory.bytes).toBe(0);

    await act(pool, 'respond');
    expect(memory.bytes).toBe(1000);
    await pool.unload(1);
    expect(memory.bytes).toBe(0);
    await act(pool, 'respond');
    expect(memory.bytes).toBe(1000);
  });

  it('ends a thread that holds no graph and is not used, and starts another for the next run', async () => {
    const pool = await loadedPool({ size: 1, idleMs: 1 });
    const threadOf = async () => (await act(pool, 'respond')).outputs.thread?.data[0];
    const first = await threadOf();
    await pool.unload(1);

    await waitUntil(async () => {
      const isAnother = (await threadOf()) !== first;
      await pool.unload(1);
      return isAnother;
    });
  });

  it('keeps a thread that holds a graph', async () => {
    const pool = await loadedPool({ size: 1, idleMs: 1 });
    const first = await act(pool, 'respond');
    await sleep(100);

    expect((await act(pool, 'respond')).outputs).toEqual(first.outputs);
  });

  it('rejects requests after close', async () => {
    const pool = await loadedPool();
    await pool.close();

    await expect(act(pool, 'respond')).rejects.toThrow('The model runtime is closed.');
    await expect(pool.load(2, Buffer.from('good'))).rejects.toThrow('The model runtime is closed.');
  });
});

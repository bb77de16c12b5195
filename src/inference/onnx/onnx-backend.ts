import { availableParallelism } from 'node:os';
import path from 'node:path';
import { activeSpan } from '../../telemetry/tracing.js';
import type { Tensors } from './tensor.js';
import type { Backend, RunResult, LoadedGraph, ModelSource } from './backend.js';
import { openOnnxSession, type OnnxSession } from './onnx-session.js';
import { mayRunOnEventLoop, RunCosts } from './placement.js';
import { joinRows, sliceRows } from './tensor-rows.js';
import { WorkerPool, type WorkerPoolOptions } from './worker-pool.js';

/** Defaults of a pool. */
const defaults: WorkerPoolOptions = {
  program: new URL(`./onnx-worker${path.extname(import.meta.url)}`, import.meta.url),
  // One core is left to the event loop; a second thread serves while the first is busy.
  size: Math.max(2, Math.min(4, availableParallelism() - 1)),
  maxQueue: 256,
  hangMs: 30_000,
  loadHangMs: 120_000,
  restartMs: 1000,
  graceMs: 5000,
  exitMs: 1000,
};

/**
 * ONNX Runtime in this process. Every graph is loaded in worker threads. A graph that loads and runs fast enough is also loaded
 * on the main thread, where small batches run; see `placement.ts`.
 */
export function openOnnxBackend(options: Partial<WorkerPoolOptions> = {}): Backend {
  const pool = new WorkerPool({ ...defaults, ...options });
  const eventLoop = new EventLoopThread();
  const graphs = new Set<LoadedGraph>();
  let lastNumber = 0;

  async function load({ bytes }: ModelSource): Promise<LoadedGraph> {
    const number = (lastNumber += 1);
    const { inputs, outputs, loadMs } = await pool.load(number, bytes);
    const here = mayRunOnEventLoop(bytes, loadMs) ? await openHere(number, bytes) : null;
    const costs = new RunCosts();

    async function runInThreads(feeds: Tensors, rowCount: number, limitMs?: number): Promise<RunResult> {
      const sizes = costs.chunks(rowCount, pool.idle);
      let start = 0;
      const responses = await Promise.all(
        sizes.map(async (rows) => {
          const chunk = sizes.length === 1 ? feeds : sliceRows(feeds, rowCount, start, (start += rows));
          const response = await pool.run(number, chunk, limitMs);
          costs.learn(rows, response.computeMs);
          return response;
        }),
      );
      return { outputs: joinRows(responses.map(({ outputs }) => outputs)), computeMs: longestThread(responses) };
    }

    const graph: LoadedGraph = {
      inputs,
      outputs,
      room() {
        if (pool.idle > 0) return Number.MAX_SAFE_INTEGER;
        return here ? costs.rowsOnEventLoop() : 0;
      },
      async run(feeds, rowCount, limitMs) {
        if (!graphs.has(graph)) throw new Error('The model is closed.');
        const inThreads = !here || rowCount > costs.rowsOnEventLoop();
        activeSpan()?.setAttribute('auspex.model.thread', inThreads ? 'worker' : 'event loop');
        if (inThreads) return runInThreads(feeds, rowCount, limitMs);
        const response = await eventLoop.run(here, feeds);
        costs.learn(rowCount, response.computeMs);
        return response;
      },
      async close() {
        if (!graphs.delete(graph)) return;
        await here?.close();
        await pool.release(number);
      },
    };
    graphs.add(graph);
    return graph;
  }

  async function openHere(number: number, bytes: Uint8Array): Promise<OnnxSession> {
    try {
      return await openOnnxSession(bytes);
    } catch (error) {
      await pool.release(number);
      throw error;
    }
  }

  return {
    load,
    async close() {
      await pool.close();
      await Promise.all(Array.from(graphs, (graph) => graph.close()));
    },
  };
}

/** The main thread: at most one run per event loop turn, over all graphs. */
class EventLoopThread {
  #last: Promise<unknown> = Promise.resolve();

  run(session: OnnxSession, feeds: Tensors): Promise<RunResult> {
    const response = this.#last.then(() => session.run(feeds));
    this.#last = response.catch(() => null);
    return response;
  }
}

/** The time of a call's runs: serial within a thread, parallel across threads. */
function longestThread(responses: readonly { thread: number; computeMs: number }[]): number {
  const byThread = new Map<number, number>();
  for (const { thread, computeMs } of responses) byThread.set(thread, (byThread.get(thread) ?? 0) + computeMs);
  return Math.max(...byThread.values());
}

import { availableParallelism } from 'node:os';
import path from 'node:path';
import { spanHere } from '../../shared/tracing.js';
import type { Tensors } from '../tensor.js';
import type { Backend, GraphAnswer, LoadedGraph, ModelSource } from './backend.js';
import { openOnnxSession, type OnnxSession } from './onnx-session.js';
import { mayRunOnEventLoop, RunCosts } from './placement.js';
import { joinRows, sliceRows } from './tensor-rows.js';
import { WorkerPool, type WorkerPoolOptions } from './worker-pool.js';

/** What a pool has where nothing else is said. */
const defaults: WorkerPoolOptions = {
  program: new URL(`./onnx-worker${path.extname(import.meta.url)}`, import.meta.url),
  // One core is left to the event loop, and one thread to serve while the other is busy.
  size: Math.max(2, Math.min(4, availableParallelism() - 1)),
  maxQueue: 256,
  hangMs: 30_000,
  loadHangMs: 120_000,
  restartMs: 1000,
  graceMs: 5000,
  exitMs: 1000,
};

/**
 * ONNX Runtime in this process. Every graph is loaded in worker threads; one that loads and runs fast enough, on this thread
 * too, where small batches then run. `placement.ts` is the rule.
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

    async function runInThreads(feeds: Tensors, rowCount: number, limitMs?: number): Promise<GraphAnswer> {
      const sizes = costs.chunks(rowCount, pool.idle);
      let start = 0;
      const answers = await Promise.all(
        sizes.map(async (rows) => {
          const chunk = sizes.length === 1 ? feeds : sliceRows(feeds, rowCount, start, (start += rows));
          const answer = await pool.run(number, chunk, limitMs);
          costs.learn(rows, answer.computeMs);
          return answer;
        }),
      );
      return { outputs: joinRows(answers.map(({ outputs }) => outputs)), computeMs: longestThread(answers) };
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
        spanHere()?.setAttribute('auspex.model.thread', inThreads ? 'worker' : 'event loop');
        if (inThreads) return runInThreads(feeds, rowCount, limitMs);
        const answer = await eventLoop.run(here, feeds);
        costs.learn(rowCount, answer.computeMs);
        return answer;
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

/** The thread that everything else runs on: one run in each turn of its event loop, however many graphs have one. */
class EventLoopThread {
  #last: Promise<unknown> = Promise.resolve();

  run(session: OnnxSession, feeds: Tensors): Promise<GraphAnswer> {
    const answer = this.#last.then(() => session.run(feeds));
    this.#last = answer.catch(() => null);
    return answer;
  }
}

/** What the runs of one call took: those of one thread come one after the other, those of several at the same time. */
function longestThread(answers: readonly { thread: number; computeMs: number }[]): number {
  const byThread = new Map<number, number>();
  for (const { thread, computeMs } of answers) byThread.set(thread, (byThread.get(thread) ?? 0) + computeMs);
  return Math.max(...byThread.values());
}

import { availableParallelism, totalmem } from 'node:os';
import path from 'node:path';
import { activeSpan } from '../../telemetry/tracing.js';
import type { Tensors } from './tensor.js';
import type { Backend, RunResult, LoadedGraph, ModelSource } from './backend.js';
import { EventLoopSession, EventLoopThread } from './event-loop-session.js';
import { onCpu } from './execution.js';
import { mayRunOnEventLoop, RunCosts } from './placement.js';
import { SessionMemory } from './session-memory.js';
import { joinRows, sliceRows } from './tensor-rows.js';
import { WorkerPool, type WorkerPoolOptions } from './worker-pool.js';

/** Defaults of a pool. */
const defaults: WorkerPoolOptions = {
  program: new URL(`./onnx-worker${path.extname(import.meta.url)}`, import.meta.url),
  // One core is left to the event loop; a second thread serves while the first is busy.
  size: Math.max(2, Math.min(4, availableParallelism() - 1)),
  largeBytes: 64 * 1024 * 1024,
  maxQueue: 256,
  hangMs: 30_000,
  loadHangMs: 120_000,
  restartMs: 1000,
  idleMs: 10_000,
  graceMs: 5000,
  exitMs: 1000,
};

const defaultMemoryBytes = Math.min(process.constrainedMemory() || Infinity, totalmem()) / 2;

export interface OnnxBackendOptions extends Partial<WorkerPoolOptions> {
  /** Memory of sessions beyond which those that have not run for longest are freed; by default half of what the process may use. */
  memoryBytes?: number | undefined;
}

/**
 * ONNX Runtime in this process. A graph is loaded in the worker threads that run it. One that loads and runs fast enough runs small
 * batches on the main thread; see `placement.ts`.
 */
export function openOnnxBackend({ memoryBytes = defaultMemoryBytes, ...options }: OnnxBackendOptions = {}): Backend {
  const memory = new SessionMemory(memoryBytes);
  const pool = new WorkerPool({ ...defaults, ...options }, memory);
  const eventLoop = new EventLoopThread();
  const graphs = new Set<LoadedGraph>();
  let lastNumber = 0;

  async function load({ bytes, settings = onCpu }: ModelSource): Promise<LoadedGraph> {
    const number = (lastNumber += 1);
    const { inputs, outputs, execution, loadMs, sessionBytes } = await pool.load(number, bytes, settings);
    // Other settings are for graphs that are too slow for it.
    const isPlain = execution.provider === 'cpu' && settings.intraOpThreads === 1;
    const here =
      isPlain && mayRunOnEventLoop(bytes, loadMs) ? new EventLoopSession(bytes, sessionBytes, eventLoop, memory) : null;
    const costs = new RunCosts();

    async function runInThreads(
      feeds: Tensors,
      rowCount: number,
      limitMs?: number,
      weight?: number,
    ): Promise<RunResult> {
      const sizes = costs.chunks(rowCount, pool.idleFor(number));
      let start = 0;
      const responses = await Promise.all(
        sizes.map(async (rows) => {
          const chunk = sizes.length === 1 ? feeds : sliceRows(feeds, rowCount, start, (start += rows));
          const response = await pool.run(number, chunk, { limitMs, weight, cost: costs.expectedMs(rows) ?? 1 });
          costs.learn(rows, response.computeMs);
          return response;
        }),
      );
      return { outputs: joinRows(responses.map(({ outputs }) => outputs)), computeMs: longestThread(responses) };
    }

    const graph: LoadedGraph = {
      inputs,
      outputs,
      execution,
      room() {
        if (pool.idleFor(number) > 0) return Number.MAX_SAFE_INTEGER;
        return here ? costs.rowsOnEventLoop() : 0;
      },
      async run(feeds, rowCount, limitMs, weight) {
        if (!graphs.has(graph)) throw new Error('The model is closed.');
        const inThreads = !here || rowCount > costs.rowsOnEventLoop();
        activeSpan()?.setAttribute('auspex.model.thread', inThreads ? 'worker' : 'event loop');
        if (inThreads) return runInThreads(feeds, rowCount, limitMs, weight);
        const response = await here.run(feeds);
        costs.learn(rowCount, response.computeMs);
        return response;
      },
      async shrink(sessions) {
        const isHere = here !== null && costs.rowsOnEventLoop() > 0;
        await pool.unload(number, isHere ? 0 : sessions);
        if (sessions === 0) here?.evict();
        else if (isHere) await here.load();
      },
      async close() {
        if (!graphs.delete(graph)) return;
        here?.evict();
        await pool.release(number);
      },
    };
    graphs.add(graph);
    return graph;
  }

  return {
    load,
    get memoryBytes() {
      return memory.bytes;
    },
    async close() {
      await pool.close();
      await Promise.all(Array.from(graphs, (graph) => graph.close()));
    },
  };
}

/** The time of a call's runs: serial within a thread, parallel across threads. */
function longestThread(responses: readonly { thread: number; computeMs: number }[]): number {
  const byThread = new Map<number, number>();
  for (const { thread, computeMs } of responses) byThread.set(thread, (byThread.get(thread) ?? 0) + computeMs);
  return Math.max(...byThread.values());
}

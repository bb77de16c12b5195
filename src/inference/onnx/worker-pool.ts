import { Overloaded } from '../../errors/app-error.js';
import type { Tensors } from './tensor.js';
import type { RunResult } from './backend.js';
import type { LoadResponse, ThreadRequest, ThreadValue } from './onnx-worker.js';
import { WorkerThread } from './worker-thread.js';

export interface WorkerPoolOptions {
  /** The program of a thread, see `WorkerThread`. */
  program: URL;
  /** Threads, each of which holds every graph; 1 or more. */
  size: number;
  /** Runs that may wait for a thread. */
  maxQueue: number;
  /** Default time limit of a run in milliseconds; its thread is replaced after that. */
  hangMs: number;
  /** The same for a load and for the start of a thread. */
  loadHangMs: number;
  /** Delay before a thread that failed to start is retried. */
  restartMs: number;
  /** How long `close` waits for runs in progress. */
  graceMs: number;
  /** How long the exit of the process waits if `close` was not called or timed out; then the process kills itself. */
  exitMs: number;
}

/** A result and the index of its thread in the pool. */
export interface PoolResponse extends RunResult {
  thread: number;
}

/**
 * Worker threads that load and run graphs. A thread does one thing at a time; what waits goes to the first that is free. One
 * that ends or hangs fails what it was at, and is replaced by another, which loads all graphs before it runs any.
 */
export class WorkerPool {
  readonly #seats: readonly Seat[];
  readonly #queue: Task[] = [];
  readonly #graphs = new Map<number, Uint8Array>();
  /** Aborted threads that have not ended yet. */
  readonly #ending = new Set<WorkerThread>();
  #lastChange: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  constructor(private readonly options: WorkerPoolOptions) {
    this.#seats = Array.from({ length: options.size }, (_, place) => ({
      place,
      own: [],
      state: down(new Error('not started')),
    }));
    for (const seat of this.#seats) this.#start(seat);
    process.on('exit', this.#makeExitSafe);
  }

  /** Idle threads. */
  get idle(): number {
    return this.#seats.filter(({ state }) => state.phase === 'ready' && !state.thread.isBusy).length;
  }

  /**
   * Loads a graph in one thread after another, while the others continue serving.
   * @param graph a number unique within this pool
   * @throws Error from the runtime, or if no thread could load it
   */
  load(graph: number, bytes: Uint8Array): Promise<LoadResponse> {
    return this.#change(() => this.#load(graph, bytes));
  }

  /**
   * Runs a loaded graph on the first idle thread.
   * @throws Overloaded if too many runs are queued, TimedOut if the run hung, Error from the runtime or if the thread ended
   */
  run(graph: number, feeds: Tensors, limitMs = this.options.hangMs): Promise<PoolResponse> {
    return new Promise((resolve, reject) => {
      if (this.#queue.length >= this.options.maxQueue) {
        reject(new Overloaded('Too many model runs are queued.'));
        return;
      }
      this.#queue.push({
        request: { kind: 'run', graph, feeds },
        limitMs,
        resolve: (value, thread) => resolve({ ...(value as RunResult), thread }),
        reject,
      });
      this.#serve();
    });
  }

  /** Frees a graph in every thread; a lost thread has freed it already. */
  async release(graph: number): Promise<void> {
    await this.#change(async () => {
      this.#graphs.delete(graph);
      await Promise.allSettled(this.#seats.map((seat) => this.#runOn(seat, { kind: 'release', graph })));
    });
  }

  /** Fails queued runs, waits a while for runs in progress, and ends the threads. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const seat of this.#seats) {
      const { state } = seat;
      if (state.phase === 'down') clearTimeout(state.retry);
      else this.#awaitEnd(state.thread);
      this.#stop(seat, new Error('The model runtime is closed.'));
    }
    await Promise.all(Array.from(this.#ending, (thread) => thread.close(this.options.graceMs)));
    if (this.#ending.size === 0) process.off('exit', this.#makeExitSafe);
  }

  /** At exit Node waits for all threads, for ever if one hangs in native code. */
  readonly #makeExitSafe = (): void => {
    const threads = [
      ...this.#ending,
      ...this.#seats.flatMap(({ state }) => (state.phase === 'down' ? [] : [state.thread])),
    ];
    const areStoppable = threads.every((thread) => thread.shut(this.options.exitMs));
    if (!areStoppable) process.kill(process.pid, 'SIGKILL');
  };

  /** Loads and releases are serialized, so that a restarted thread knows which graphs exist. */
  #change<Result>(change: () => Promise<Result>): Promise<Result> {
    const changing = this.#lastChange.then(change);
    this.#lastChange = changing.catch(() => null);
    return changing;
  }

  async #load(graph: number, bytes: Uint8Array): Promise<LoadResponse> {
    // On an idle thread first: it shows soonest whether the graph is valid.
    const [first, ...others] = this.#seats.toSorted((one, other) => waitFor(one) - waitFor(other));
    if (!first) throw new RangeError('a pool has one thread or more');
    const loadInto = async (seat: Seat) => (await this.#runOn(seat, { kind: 'load', graph, bytes })) as LoadResponse;
    const response = await loadInto(first);
    this.#graphs.set(graph, bytes);
    let { loadMs } = response;
    for (const seat of others) {
      try {
        loadMs = Math.min(loadMs, (await loadInto(seat)).loadMs);
      } catch (error) {
        // The graph is valid, so the thread is not; its replacement loads all graphs.
        if (seat.state.phase === 'ready') seat.state.thread.abort(error as Error);
      }
    }
    // The minimum: the first load in a process includes the start of the runtime.
    return { ...response, loadMs };
  }

  /** Runs a task on the thread of a seat once it is idle. */
  #runOn(seat: Seat, request: ThreadRequest): Promise<ThreadValue> {
    return new Promise((resolve, reject) => {
      seat.own.push({ request, limitMs: this.options.loadHangMs, resolve, reject });
      this.#serve();
    });
  }

  /** Dispatches queued runs to idle threads; fails them if no thread is running or starting. */
  #serve(): void {
    for (const seat of this.#seats) {
      const { own, state } = seat;
      if (state.phase === 'down') {
        for (const task of own.splice(0)) task.reject(state.error);
      } else if (state.phase === 'ready' && !state.thread.isBusy) {
        const task = own.shift() ?? this.#queue.shift();
        if (task) void this.#dispatch(seat, state.thread, task);
      }
    }
    const [first] = this.#seats;
    if (first?.state.phase === 'down' && this.#seats.every(({ state }) => state.phase === 'down')) {
      for (const task of this.#queue.splice(0)) task.reject(first.state.error);
    }
  }

  async #dispatch({ place }: Seat, thread: WorkerThread, { request, limitMs, resolve, reject }: Task): Promise<void> {
    try {
      resolve(await thread.send(request, limitMs), place);
    } catch (error) {
      reject(error as Error);
    }
    this.#serve();
  }

  #start(seat: Seat): void {
    if (this.#isClosed) return;
    // A hanging thread uses a core until it ends, so their number is limited to the seats.
    if (this.#ending.size > this.options.size) {
      this.#retry(seat, new Error('Model runs hang in too many threads; none is left to run on.'));
      return;
    }
    const thread = new WorkerThread(this.options.program, (error) => {
      this.#awaitEnd(thread);
      // A thread that served is replaced at once; one that failed to start is retried after a delay.
      if (seat.state.phase === 'ready') this.#start(seat);
      else this.#retry(seat, error);
    });
    seat.state = { phase: 'starting', thread };
    void this.#makeReady(seat, thread);
  }

  async #makeReady(seat: Seat, thread: WorkerThread): Promise<void> {
    try {
      await thread.send({ kind: 'start' }, this.options.loadHangMs);
      // Iterating a map includes entries added meanwhile.
      for (const [graph, bytes] of this.#graphs)
        await thread.send({ kind: 'load', graph, bytes }, this.options.loadHangMs);
    } catch (error) {
      thread.abort(error as Error);
      return;
    }
    if (this.#isClosed) return;
    seat.state = { phase: 'ready', thread };
    this.#serve();
  }

  #awaitEnd(thread: WorkerThread): void {
    this.#ending.add(thread);
    void thread.ended.then(() => this.#ending.delete(thread));
  }

  #retry(seat: Seat, error: Error): void {
    this.#stop(seat, error, setTimeout(() => this.#start(seat), this.options.restartMs).unref());
  }

  #stop(seat: Seat, error: Error, retry?: NodeJS.Timeout): void {
    seat.state = down(error, retry);
    this.#serve();
  }
}

/** A slot for a thread. Its tasks outlive the thread. */
interface Seat {
  /** From 0. */
  place: number;
  /** Tasks for this thread only, such as loading a graph. */
  own: Task[];
  state:
    | { phase: 'starting' | 'ready'; thread: WorkerThread }
    | { phase: 'down'; error: Error; retry: NodeJS.Timeout | undefined };
}

interface Task {
  request: ThreadRequest;
  limitMs: number;
  /** @param thread the index of the thread that ran */
  resolve: (value: ThreadValue, thread: number) => void;
  reject: (error: Error) => void;
}

function down(error: Error, retry?: NodeJS.Timeout): Seat['state'] {
  return { phase: 'down', error, retry };
}

/** Lower if a task would start sooner. */
function waitFor({ state }: Seat): number {
  if (state.phase === 'ready') return state.thread.isBusy ? 1 : 0;
  return state.phase === 'starting' ? 2 : 3;
}

import { Overloaded } from '../../shared/errors.js';
import type { Tensors } from '../tensor.js';
import type { GraphAnswer } from './backend.js';
import type { LoadAnswer, ThreadRequest, ThreadValue } from './onnx-worker.js';
import { WorkerThread } from './worker-thread.js';

export interface WorkerPoolOptions {
  /** The program of a thread, see `WorkerThread`. */
  program: URL;
  /** Threads, each of which holds every graph; 1 or more. */
  size: number;
  /** Runs that may wait for a thread. */
  maxQueue: number;
  /** A run that takes longer fails, and its thread is replaced, where it has no limit of its own. */
  hangMs: number;
  /** The same for a load, and for the start of a thread. */
  loadHangMs: number;
  /** The pause before a thread that did not start is tried again. */
  restartMs: number;
  /** How long `close` waits for what is under way. */
  graceMs: number;
  /** How long the process's exit does, where `close` was not called or did not help; then the process kills itself. */
  exitMs: number;
}

/** An answer, and the thread that gave it, by its place in the pool. */
export interface PoolAnswer extends GraphAnswer {
  thread: number;
}

/**
 * Worker threads that load and run graphs. A thread does one thing at a time; what waits goes to the first that is free. One
 * that ends or hangs fails what it was at, and is replaced by another, which loads all graphs before it runs any.
 */
export class WorkerPool {
  readonly #seats: readonly Seat[];
  readonly #waiting: Task[] = [];
  readonly #graphs = new Map<number, Uint8Array>();
  /** Threads that were given up and have not ended. */
  readonly #ending = new Set<WorkerThread>();
  #lastChange: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  constructor(private readonly options: WorkerPoolOptions) {
    this.#seats = Array.from({ length: options.size }, (_, place) => ({ place, own: [], state: down(new Error('not started')) }));
    for (const seat of this.#seats) this.#start(seat);
    process.on('exit', this.#makeExitSafe);
  }

  /** Threads that would begin a run at once. */
  get idle(): number {
    return this.#seats.filter(({ state }) => state.phase === 'ready' && !state.thread.isBusy).length;
  }

  /**
   * Loads a graph in one thread after the other, so that the others go on serving.
   * @param graph a number that no other graph of this pool has had
   * @throws Error from the runtime, or where no thread could load it
   */
  load(graph: number, bytes: Uint8Array): Promise<LoadAnswer> {
    return this.#change(() => this.#load(graph, bytes));
  }

  /**
   * Runs a loaded graph on a thread that is free, or the first to be.
   * @throws Overloaded where too many runs wait; TimedOut where the run hung; Error from the runtime, or where the thread ended
   */
  run(graph: number, feeds: Tensors, limitMs = this.options.hangMs): Promise<PoolAnswer> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.length >= this.options.maxQueue) {
        reject(new Overloaded('Too many model runs are waiting.'));
        return;
      }
      this.#waiting.push({
        request: { kind: 'run', graph, feeds },
        limitMs,
        resolve: (value, thread) => resolve({ ...(value as GraphAnswer), thread }),
        reject,
      });
      this.#serve();
    });
  }

  /** Frees a graph in every thread; a thread that is lost meanwhile has freed it, too. */
  async release(graph: number): Promise<void> {
    await this.#change(async () => {
      this.#graphs.delete(graph);
      await Promise.allSettled(this.#seats.map((seat) => this.#ask(seat, { kind: 'release', graph })));
    });
  }

  /** Fails what waits, lets what is under way come to its end for a while, and ends the threads. */
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

  /** Node stops all threads and waits for them when the process exits: for ever where one hangs in native code. */
  readonly #makeExitSafe = (): void => {
    const threads = [...this.#ending, ...this.#seats.flatMap(({ state }) => (state.phase === 'down' ? [] : [state.thread]))];
    const areStoppable = threads.every((thread) => thread.shut(this.options.exitMs));
    if (!areStoppable) process.kill(process.pid, 'SIGKILL');
  };

  /** Loads and releases come one after the other, so that a thread that starts anew knows which graphs there are. */
  #change<Result>(change: () => Promise<Result>): Promise<Result> {
    const changing = this.#lastChange.then(change);
    this.#lastChange = changing.catch(() => null);
    return changing;
  }

  async #load(graph: number, bytes: Uint8Array): Promise<LoadAnswer> {
    // First where nothing else is done: that says soonest whether the graph is good.
    const [first, ...others] = this.#seats.toSorted((one, other) => waitFor(one) - waitFor(other));
    if (!first) throw new RangeError('a pool has one thread or more');
    const loadInto = async (seat: Seat) => (await this.#ask(seat, { kind: 'load', graph, bytes })) as LoadAnswer;
    const answer = await loadInto(first);
    this.#graphs.set(graph, bytes);
    let { loadMs } = answer;
    for (const seat of others) {
      try {
        loadMs = Math.min(loadMs, (await loadInto(seat)).loadMs);
      } catch (error) {
        // The graph is good, so the thread is not; another loads it with all the rest.
        if (seat.state.phase === 'ready') seat.state.thread.giveUp(error as Error);
      }
    }
    // The least of all: the first load in a process pays for the start of the runtime as well.
    return { ...answer, loadMs };
  }

  /** Asks the thread of one seat, when it is free. */
  #ask(seat: Seat, request: ThreadRequest): Promise<ThreadValue> {
    return new Promise((resolve, reject) => {
      seat.own.push({ request, limitMs: this.options.loadHangMs, resolve, reject });
      this.#serve();
    });
  }

  /** Gives what waits to the threads that are free; fails it where there are none and none is about to be. */
  #serve(): void {
    for (const seat of this.#seats) {
      const { own, state } = seat;
      if (state.phase === 'down') {
        for (const task of own.splice(0)) task.reject(state.error);
      } else if (state.phase === 'ready' && !state.thread.isBusy) {
        const task = own.shift() ?? this.#waiting.shift();
        if (task) void this.#give(seat, state.thread, task);
      }
    }
    const [first] = this.#seats;
    if (first?.state.phase === 'down' && this.#seats.every(({ state }) => state.phase === 'down')) {
      for (const task of this.#waiting.splice(0)) task.reject(first.state.error);
    }
  }

  async #give({ place }: Seat, thread: WorkerThread, { request, limitMs, resolve, reject }: Task): Promise<void> {
    try {
      resolve(await thread.ask(request, limitMs), place);
    } catch (error) {
      reject(error as Error);
    }
    this.#serve();
  }

  #start(seat: Seat): void {
    if (this.#isClosed) return;
    // Each that hangs takes a core until it ends, so they are not let grow beyond the seats.
    if (this.#ending.size > this.options.size) {
      this.#retry(seat, new Error('Model runs hang in too many threads; none is left to run on.'));
      return;
    }
    const thread = new WorkerThread(this.options.program, (error) => {
      this.#awaitEnd(thread);
      // What served is replaced at once; what did not even start is not, lest it start and end for ever.
      if (seat.state.phase === 'ready') this.#start(seat);
      else this.#retry(seat, error);
    });
    seat.state = { phase: 'starting', thread };
    void this.#makeReady(seat, thread);
  }

  async #makeReady(seat: Seat, thread: WorkerThread): Promise<void> {
    try {
      await thread.ask({ kind: 'start' }, this.options.loadHangMs);
      // A map also goes through what is added on the way.
      for (const [graph, bytes] of this.#graphs) await thread.ask({ kind: 'load', graph, bytes }, this.options.loadHangMs);
    } catch (error) {
      thread.giveUp(error as Error);
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

/** The place of one thread. What is asked of it outlives the thread. */
interface Seat {
  /** From 0. */
  place: number;
  /** What this thread must do itself, such as to load a graph. */
  own: Task[];
  state: { phase: 'starting' | 'ready'; thread: WorkerThread } | { phase: 'down'; error: Error; retry: NodeJS.Timeout | undefined };
}

interface Task {
  request: ThreadRequest;
  limitMs: number;
  /** @param thread the place of the one that answered */
  resolve: (value: ThreadValue, thread: number) => void;
  reject: (error: Error) => void;
}

function down(error: Error, retry?: NodeJS.Timeout): Seat['state'] {
  return { phase: 'down', error, retry };
}

/** Lower where a task would begin sooner. */
function waitFor({ state }: Seat): number {
  if (state.phase === 'ready') return state.thread.isBusy ? 1 : 0;
  return state.phase === 'starting' ? 2 : 3;
}

import { Overloaded } from '../../errors/app-error.js';
import { FairQueue } from '../scheduling/fair-queue.js';
import type { Tensors } from './tensor.js';
import type { RunResult } from './backend.js';
import { onCpu } from './execution.js';
import type { LoadResponse, ThreadRequest, ThreadValue } from './onnx-worker.js';
import { isFree, isIdle, waitFor, type PooledGraph, type RunTask, type Seat, type Task } from './pool-seat.js';
import { PoolThreads, type PoolThreadsOptions } from './pool-threads.js';
import { SessionMemory, type Resident } from './session-memory.js';

export interface WorkerPoolOptions extends PoolThreadsOptions {
  /** Threads; 1 or more. */
  size: number;
  /** Graphs with more bytes are loaded in one thread at a time; others in every thread that runs them. */
  largeBytes: number;
  /** Runs that may wait for a thread. */
  maxQueue: number;
  /** Default time limit of a run in milliseconds; its thread is replaced after that. */
  hangMs: number;
}

export interface RunOptions {
  /** Time limit in milliseconds; by default that of the pool. */
  limitMs?: number | undefined;
  /** Share of the threads, relative to other graphs; 1 by default. */
  weight?: number | undefined;
  /** Expected duration, in the same unit for all graphs; 1 by default. */
  cost?: number;
}

/** A result and the index of its thread in the pool. */
export interface PoolResponse extends RunResult {
  thread: number;
}

/**
 * Worker threads that load and run graphs. A thread does one thing at a time, and holds the graphs that it has run. A run goes to an idle
 * thread that holds its graph, or else to any idle thread, which loads the graph first. A thread that ends or hangs fails what it was
 * at, and is replaced. Threads start when a task needs them, and end when they hold no graph and are not used.
 */
export class WorkerPool {
  readonly #seats: readonly Seat[];
  /** Runs that wait for a thread. Graphs get threads in proportion to the weights of their runs. */
  readonly #queue = new FairQueue<RunTask>();
  readonly #graphs = new Map<number, PooledGraph>();
  readonly #threads: PoolThreads;
  #isHolding = false;

  constructor(
    private readonly options: WorkerPoolOptions,
    private readonly memory: SessionMemory,
  ) {
    this.#seats = Array.from({ length: options.size }, (_, place) => ({
      place,
      own: [],
      sessions: new Map(),
      task: null,
      isUsed: false,
      state: { phase: 'stopped' },
    }));
    this.#threads = new PoolThreads(this.#seats, options, {
      onChange: () => this.#serve(),
      onLost: (seat) => this.#dropSessions(seat),
    });
  }

  /** Idle threads that a run of the graph can use now. */
  idleFor(graph: number): number {
    return this.#seatsFor(graph).filter(isFree).length;
  }

  /**
   * Loads a graph in one thread, to learn whether it is valid.
   * @param graph a number unique within this pool
   * @throws Error from the runtime, or if no thread could load it
   */
  async load(graph: number, bytes: Uint8Array, settings = onCpu): Promise<LoadResponse> {
    // An idle thread shows soonest whether the graph is valid.
    const [seat] = this.#seats.toSorted((one, other) => waitFor(one) - waitFor(other));
    if (!seat) throw new RangeError('a pool has one thread or more');
    const response = (await this.#runOn(seat, { kind: 'load', graph, bytes, settings })) as LoadResponse;
    // Other threads do not try again what is not available.
    const providers = settings.providers.slice(settings.providers.indexOf(response.execution.provider));
    this.#graphs.set(graph, { bytes, sessionBytes: response.sessionBytes, settings: { ...settings, providers } });
    if (seat.state.phase === 'ready') this.#hold(seat, graph, response.sessionBytes);
    return response;
  }

  /**
   * Runs a loaded graph.
   * @throws Overloaded if too many runs are queued, TimedOut if the run hung, Error from the runtime or if the thread ended
   */
  run(graph: number, feeds: Tensors, options: RunOptions = {}): Promise<PoolResponse> {
    const { limitMs = this.options.hangMs, weight = 1, cost = 1 } = options;
    return new Promise((resolve, reject) => {
      if (this.#queue.length >= this.options.maxQueue) {
        reject(new Overloaded('Too many model runs are queued.'));
        return;
      }
      const task: RunTask = {
        request: { kind: 'run', graph, feeds },
        limitMs,
        weight,
        resolve: (value, thread) => resolve({ ...(value as RunResult), thread }),
        reject,
      };
      this.#queue.push(task, { flow: String(graph), cost, weight });
      this.#serve();
    });
  }

  /** Frees the sessions of a graph beyond `kept`; a run loads it again. */
  async unload(graph: number, kept = 0): Promise<void> {
    const holders = this.#seats.filter(({ sessions }) => sessions.has(graph));
    await Promise.all(holders.slice(kept).map((seat) => this.#free(seat, graph)));
  }

  /** Frees a graph; no run may follow. */
  async release(graph: number): Promise<void> {
    this.#graphs.delete(graph);
    await this.unload(graph);
  }

  /** Fails queued runs, waits a while for runs in progress, and ends the threads. */
  async close(): Promise<void> {
    await this.#threads.close(new Error('The model runtime is closed.'));
  }

  /** Runs a task on the thread of a seat once it is idle. */
  #runOn(seat: Seat, request: ThreadRequest): Promise<ThreadValue> {
    return new Promise((resolve, reject) => {
      seat.own.push({ request, limitMs: this.options.loadHangMs, resolve, reject });
      this.#serve();
    });
  }

  /** Dispatches tasks to idle threads; fails them if no thread is running or starting. */
  #serve(): void {
    for (const seat of this.#seats) {
      if (seat.state.phase === 'down') for (const task of seat.own.splice(0)) task.reject(seat.state.error);
      if (seat.state.phase === 'stopped' && seat.own.length > 0) this.#threads.start(seat);
      const task = isIdle(seat) ? seat.own.shift() : undefined;
      if (task) void this.#dispatch(seat, task);
    }
    const runs = this.#queue.take((task) => {
      if (this.#isHolding) return false;
      const seat = this.#seatsFor(task.request.graph).find(isIdle);
      if (seat) seat.task = task;
      return seat !== undefined;
    });
    for (const seat of this.#seats)
      if (seat.task && runs.includes(seat.task as RunTask)) void this.#dispatch(seat, seat.task);
    if (!this.#isHolding) this.#threads.startFor(this.#queue.length);
    const [first] = this.#seats;
    if (first?.state.phase === 'down' && this.#seats.every(({ state }) => state.phase === 'down')) {
      for (const task of this.#queue.take(() => true)) task.reject(first.state.error);
    }
  }

  /** The threads that may run a graph, those that hold it first. Only one may hold a large graph. */
  #seatsFor(graph: number): Seat[] {
    const holders = this.#seats.filter(({ sessions }) => sessions.has(graph));
    const others = this.#seats.filter(({ sessions }) => !sessions.has(graph));
    const isLarge = (this.#graphs.get(graph)?.bytes.length ?? 0) > this.options.largeBytes;
    return isLarge && holders.length > 0 ? holders : [...holders, ...others];
  }

  async #dispatch(seat: Seat, task: Task): Promise<void> {
    const { request, limitMs, weight = 0, resolve, reject } = task;
    seat.task = task;
    seat.isUsed = true;
    try {
      if (request.kind === 'run') {
        const session = seat.sessions.get(request.graph);
        if (session) this.memory.touch(session);
        else await this.#loadInto(seat, request.graph);
      }
      resolve(await this.#send(seat, request, limitMs), seat.place);
    } catch (error) {
      reject(error as Error);
    }
    seat.task = null;
    if ((this.#queue.next?.weight ?? weight) < weight) this.#holdRuns();
    else this.#serve();
  }

  /** Starts no run until the end of the turn: the next run of the same graph is queued then, and competes with those of lower weight. */
  #holdRuns(): void {
    this.#isHolding = true;
    process.nextTick(() =>
      setImmediate(() => {
        this.#isHolding = false;
        this.#serve();
      }),
    );
  }

  /** Loads a known graph into a thread that lacks it. */
  async #loadInto(seat: Seat, graph: number): Promise<void> {
    const known = this.#graphs.get(graph);
    if (!known) throw new Error(`graph ${graph} is not loaded`);
    try {
      await this.#send(
        seat,
        { kind: 'load', graph, bytes: known.bytes, settings: known.settings },
        this.options.loadHangMs,
      );
    } catch (error) {
      // The graph is valid, so the thread is not.
      if (seat.state.phase === 'ready') seat.state.thread.abort(error as Error);
      throw error;
    }
    this.#hold(seat, graph, known.sessionBytes);
  }

  #send({ state }: Seat, request: ThreadRequest, limitMs: number): Promise<ThreadValue> {
    if (state.phase === 'down') throw state.error;
    if (state.phase === 'stopped') throw new Error('the thread was not started');
    return state.thread.send(request, limitMs);
  }

  #hold(seat: Seat, graph: number, bytes: number): void {
    const session: Resident = {
      bytes,
      get isBusy() {
        return seat.task?.request.kind === 'run' && seat.task.request.graph === graph;
      },
      evict: () => void this.#free(seat, graph),
    };
    seat.sessions.set(graph, session);
    this.memory.add(session);
  }

  /** Stops counting the sessions of a lost thread. */
  #dropSessions({ sessions }: Seat): void {
    for (const session of sessions.values()) this.memory.remove(session);
    sessions.clear();
  }

  async #free(seat: Seat, graph: number): Promise<void> {
    const session = seat.sessions.get(graph);
    if (!session) return;
    seat.sessions.delete(graph);
    this.memory.remove(session);
    // A thread that is lost has freed it.
    await this.#runOn(seat, { kind: 'release', graph }).catch(() => undefined);
  }
}

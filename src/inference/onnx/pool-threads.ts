import { isIdle, type Seat } from './pool-seat.js';
import { WorkerThread } from './worker-thread.js';

export interface PoolThreadsOptions {
  /** The program of a thread, see `WorkerThread`. */
  program: URL;
  /** Time limit of the start of a thread in milliseconds, and of a load. */
  loadHangMs: number;
  /** Delay before a thread that failed to start is retried. */
  restartMs: number;
  /** A thread that holds no graph ends when it was not used for this long, or at most twice as long. */
  idleMs: number;
  /** How long `close` waits for runs in progress. */
  graceMs: number;
  /** How long the exit of the process waits if `close` was not called or timed out; then the process kills itself. */
  exitMs: number;
}

interface PoolThreadsListener {
  /** A thread became ready, or its seat went down. */
  onChange: () => void;
  /** A thread ended or was aborted, and with it its sessions. */
  onLost: (seat: Seat) => void;
}

/**
 * The threads of a pool's seats: starts them on demand, replaces those that are lost, and ends those that hold no graph and are not
 * used.
 */
export class PoolThreads {
  /** Threads that were aborted or closed and have not ended yet. */
  readonly #ending = new Set<WorkerThread>();
  readonly #unusedTimer: NodeJS.Timeout;
  #isClosed = false;

  constructor(
    private readonly seats: readonly Seat[],
    private readonly options: PoolThreadsOptions,
    private readonly listener: PoolThreadsListener,
  ) {
    this.#unusedTimer = setInterval(() => this.#endUnused(), options.idleMs).unref();
    process.on('exit', this.#makeExitSafe);
  }

  /** Starts the thread of a seat without one. */
  start(seat: Seat): void {
    if (this.#isClosed) return;
    // A hanging thread uses a core until it ends, so their number is limited to the seats.
    if (this.#ending.size > this.seats.length) {
      this.#retry(seat, new Error('Model runs hang in too many threads; none is left to run on.'));
      return;
    }
    const thread = new WorkerThread(this.options.program, (error) => {
      this.#awaitEnd(thread);
      this.listener.onLost(seat);
      // A thread that served is replaced at once; one that failed to start is retried after a delay.
      if (seat.state.phase === 'ready') this.start(seat);
      else this.#retry(seat, error);
    });
    seat.state = { phase: 'starting', thread };
    void this.#makeReady(seat, thread);
  }

  /** Starts threads for runs that wait, beyond those that are starting. */
  startFor(runs: number): void {
    const starting = this.seats.filter(({ state }) => state.phase === 'starting').length;
    const stopped = this.seats.filter(({ state }) => state.phase === 'stopped');
    for (const seat of stopped.slice(0, Math.max(0, runs - starting))) this.start(seat);
  }

  /** Takes every seat down, waits a while for runs in progress, and ends the threads. */
  async close(reason: Error): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#unusedTimer);
    for (const seat of this.seats) {
      if (seat.state.phase === 'down') clearTimeout(seat.state.retry);
      else if (seat.state.phase !== 'stopped') this.#awaitEnd(seat.state.thread);
      this.#takeDown(seat, reason);
    }
    await Promise.all(Array.from(this.#ending, (thread) => thread.close(this.options.graceMs)));
    if (this.#ending.size === 0) process.off('exit', this.#makeExitSafe);
  }

  /** At exit Node waits for all threads, for ever if one hangs in native code. */
  readonly #makeExitSafe = (): void => {
    const threads = [...this.#ending, ...this.seats.flatMap(({ state }) => ('thread' in state ? [state.thread] : []))];
    const areStoppable = threads.every((thread) => thread.shut(this.options.exitMs));
    if (!areStoppable) process.kill(process.pid, 'SIGKILL');
  };

  /** Ends idle threads that hold no graph and got no task since the last call. */
  #endUnused(): void {
    for (const seat of this.seats) {
      const { state, isUsed } = seat;
      seat.isUsed = false;
      if (isUsed || state.phase !== 'ready' || !isIdle(seat) || seat.own.length > 0 || seat.sessions.size > 0) continue;
      seat.state = { phase: 'stopped' };
      this.#awaitEnd(state.thread);
      void state.thread.close(this.options.graceMs);
    }
  }

  async #makeReady(seat: Seat, thread: WorkerThread): Promise<void> {
    try {
      await thread.send({ kind: 'start' }, this.options.loadHangMs);
    } catch (error) {
      thread.abort(error as Error);
      return;
    }
    if (this.#isClosed) return;
    seat.state = { phase: 'ready', thread };
    this.listener.onChange();
  }

  #awaitEnd(thread: WorkerThread): void {
    this.#ending.add(thread);
    void thread.ended.then(() => this.#ending.delete(thread));
  }

  #retry(seat: Seat, error: Error): void {
    this.#takeDown(seat, error, setTimeout(() => this.start(seat), this.options.restartMs).unref());
  }

  #takeDown(seat: Seat, error: Error, retry?: NodeJS.Timeout): void {
    seat.state = { phase: 'down', error, retry };
    this.listener.onChange();
  }
}

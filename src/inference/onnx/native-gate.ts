const open = 0;
const inside = 1;
const shut = 2;

/**
 * Prevents stopping a thread inside native code, where ONNX Runtime would abort the whole process. The thread holds the mutex
 * while it loads, runs or frees a graph; the mutex is acquired before the thread is stopped.
 */
export class NativeGate {
  /** Shared memory of the two threads. */
  readonly state: Int32Array;

  constructor(state: Int32Array = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))) {
    this.state = state;
  }

  /** Runs the work while holding the mutex. If it is closed, blocks until the thread is stopped. */
  async pass<Result>(work: () => Promise<Result>): Promise<Result> {
    while (Atomics.compareExchange(this.state, 0, open, inside) !== open) Atomics.wait(this.state, 0, shut);
    try {
      return await work();
    } finally {
      Atomics.store(this.state, 0, open);
      Atomics.notify(this.state, 0);
    }
  }

  /** Closes the mutex permanently, blocking until it is free. @returns false if that took longer than `limitMs` */
  shut(limitMs: number): boolean {
    const deadline = performance.now() + limitMs;
    while (Atomics.compareExchange(this.state, 0, open, shut) === inside) {
      if (Atomics.wait(this.state, 0, inside, Math.max(0, deadline - performance.now())) === 'timed-out') return false;
    }
    return true;
  }
}

const open = 0;
const inside = 1;
const shut = 2;

/**
 * Keeps a thread from being stopped inside native code: when that comes back to JavaScript and finds it gone, ONNX Runtime
 * aborts the whole process. The thread is inside this gate while it loads, runs or frees; whoever stops it shuts the gate first.
 */
export class NativeGate {
  /** Shared by the two threads. */
  readonly state: Int32Array;

  constructor(state: Int32Array = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))) {
    this.state = state;
  }

  /** Does the work inside; where the gate is shut, blocks until the thread is stopped. */
  async pass<Result>(work: () => Promise<Result>): Promise<Result> {
    while (Atomics.compareExchange(this.state, 0, open, inside) !== open) Atomics.wait(this.state, 0, shut);
    try {
      return await work();
    } finally {
      Atomics.store(this.state, 0, open);
      Atomics.notify(this.state, 0);
    }
  }

  /** Shuts the gate for good, blocking this thread until nobody is inside; false where that took longer than `limitMs`. */
  shut(limitMs: number): boolean {
    const deadline = performance.now() + limitMs;
    while (Atomics.compareExchange(this.state, 0, open, shut) === inside) {
      if (Atomics.wait(this.state, 0, inside, Math.max(0, deadline - performance.now())) === 'timed-out') return false;
    }
    return true;
  }
}

/** A call did not end in time. */
export class DeadlineExceeded extends Error {
  constructor(ms: number) {
    super(`No reply within ${ms} ms`);
    this.name = 'DeadlineExceeded';
  }
}

interface PendingCall {
  endsAtMs: number;
  fail: () => void;
}

/** Gives calls the same time, with one timer for all of them: most end long before it. */
export class Deadline {
  /** In the order of their ends. */
  readonly #pending = new Set<PendingCall>();
  #timer: NodeJS.Timeout | null = null;

  constructor(private readonly ms: number) {}

  /** @throws DeadlineExceeded past the deadline; the call itself continues. */
  within<Result>(call: Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      const pending: PendingCall = {
        endsAtMs: performance.now() + this.ms,
        fail: () => reject(new DeadlineExceeded(this.ms)),
      };
      this.#pending.add(pending);
      this.#timer ??= this.#startTimer(this.ms);
      call.then(resolve, reject).finally(() => this.#pending.delete(pending));
    });
  }

  #startTimer(ms: number): NodeJS.Timeout {
    // Replies that have arrived are read first: after a long turn of the event loop they are not late.
    return setTimeout(() => setImmediate(() => this.#failExpired()), ms).unref();
  }

  #failExpired(): void {
    this.#timer = null;
    const nowMs = performance.now();
    for (const pending of this.#pending) {
      if (pending.endsAtMs > nowMs) {
        this.#timer = this.#startTimer(Math.ceil(pending.endsAtMs - nowMs));
        return;
      }
      this.#pending.delete(pending);
      pending.fail();
    }
  }
}

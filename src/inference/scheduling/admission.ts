import { Overloaded } from '../../errors/app-error.js';
import { FairQueue } from './fair-queue.js';

/** What calls take of the gateway while they are in flight. */
interface Load {
  rows: number;
  /** Estimated memory of inputs and outputs. */
  bytes: number;
}

/** A call that is to be admitted. */
export interface AdmissionRequest extends Load {
  model: string;
  caller: string;
  /** Rows of a run. */
  maxBatch: number;
  /** Rows that may wait for this model. */
  maxQueue: number;
  /** How long the call may wait, in milliseconds. */
  waitMs: number;
  signal?: AbortSignal | undefined;
}

export interface AdmissionLimits {
  /** Calls in progress of one caller on one model. One call may be larger. */
  caller: Load;
  /** Calls in progress on one model, of all callers. */
  model: Load;
  /** Calls that wait for one model. Their rows are limited by the manifest. */
  waitingBytes: number;
  /** Rows of a caller in progress up to which its calls do not wait. */
  smallRows: number;
}

const mebibyte = 2 ** 20;

/**
 * More rows in progress would not make a model faster: a run has 1024 rows by default. They would only take turns of the event
 * loop from each other, and from the calls of others. Larger runs need more of them.
 */
const defaultLimits: AdmissionLimits = {
  caller: { rows: 3_000, bytes: 16 * mebibyte },
  model: { rows: 6_000, bytes: 64 * mebibyte },
  waitingBytes: 128 * mebibyte,
  smallRows: 100,
};

/** The calls of a model, counted since the start of the process. */
export interface AdmissionStatistics {
  waitingRows: number;
  runningRows: number;
  /** Rejected calls: the queue was full, or the call waited too long. */
  rejections: { queue_full: number; wait: number };
}

/**
 * Admits calls to models before any work is done for them. The rows and bytes in progress are limited by caller and by model;
 * further calls wait, and callers are admitted in turn, by rows. A full queue rejects the newest call of the caller with most
 * waiting rows, so that one caller can use what no other needs, and cannot keep others out.
 */
export class Admission {
  readonly #gates = new Map<string, Gate>();

  constructor(private readonly limits: AdmissionLimits = defaultLimits) {}

  /**
   * Admits a call, at once or when its turn comes.
   * @returns a function that ends the call, to be called once
   * @throws Overloaded if too much waits, or the call waited for `waitMs`; the signal's reason
   */
  enter(request: AdmissionRequest): (() => void) | Promise<() => void> {
    let gate = this.#gates.get(request.model);
    if (!gate) this.#gates.set(request.model, (gate = new Gate(this.limits)));
    return gate.enter(request);
  }

  /** Null for a model that was never called. */
  statistics(model: string): AdmissionStatistics | null {
    return this.#gates.get(model)?.statistics ?? null;
  }
}

interface Waiter {
  request: AdmissionRequest;
  admit: () => void;
  reject: (error: unknown) => void;
}

/** Loads by caller and in total. */
class Loads {
  readonly total: Load = { rows: 0, bytes: 0 };
  readonly #byCaller = new Map<string, Load>();

  of(caller: string): Readonly<Load> {
    return this.#byCaller.get(caller) ?? { rows: 0, bytes: 0 };
  }

  add({ caller, rows, bytes }: AdmissionRequest, sign: 1 | -1): void {
    const load = { rows: this.of(caller).rows + sign * rows, bytes: this.of(caller).bytes + sign * bytes };
    if (load.rows > 0) this.#byCaller.set(caller, load);
    else this.#byCaller.delete(caller);
    this.total.rows += sign * rows;
    this.total.bytes += sign * bytes;
  }

  /** The caller with most rows. */
  largest(): string | undefined {
    let largest: [string, number] | undefined;
    for (const [caller, { rows }] of this.#byCaller) if (rows > (largest?.[1] ?? 0)) largest = [caller, rows];
    return largest?.[0];
  }
}

/** The calls of one model. */
class Gate {
  readonly #running = new Loads();
  readonly #waiting = new Loads();
  readonly #queue = new FairQueue<Waiter>();
  readonly #rejections = { queue_full: 0, wait: 0 };
  /** Moving average of how long a call is in progress. */
  #meanMs = 0;

  constructor(private readonly limits: AdmissionLimits) {}

  get statistics(): AdmissionStatistics {
    return {
      waitingRows: this.#waiting.total.rows,
      runningRows: this.#running.total.rows,
      rejections: { ...this.#rejections },
    };
  }

  enter(request: AdmissionRequest): (() => void) | Promise<() => void> {
    const { caller, rows, signal } = request;
    signal?.throwIfAborted();
    const isSmall = this.#running.of(caller).rows + rows <= this.limits.smallRows;
    if (isSmall || (this.#queue.length === 0 && this.#fitsCaller(request) && this.#fitsModel(request)))
      return this.#start(request);
    this.#makeRoom(request);
    return this.#wait(request);
  }

  async #wait(request: AdmissionRequest): Promise<() => void> {
    const { caller, rows, waitMs, signal } = request;
    const { promise, resolve, reject } = Promise.withResolvers<() => void>();
    const waiter: Waiter = { request, admit: () => resolve(this.#start(request)), reject };
    this.#queue.push(waiter, { flow: caller, cost: rows });
    this.#waiting.add(request, 1);
    const tooLong = (): void => {
      this.#rejections.wait += 1;
      this.#withdraw(waiter, this.#overloaded('Too many predictions wait for this model.'));
    };
    const timer = setTimeout(tooLong, Math.max(0, waitMs)).unref();
    const abort = (): void => this.#withdraw(waiter, signal?.reason);
    signal?.addEventListener('abort', abort, { once: true });
    this.#admitNext();
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    }
  }

  #fitsCaller(request: AdmissionRequest): boolean {
    const { rows, bytes } = this.limits.caller;
    return fits(this.#running.of(request.caller), request, { rows: Math.max(rows, 3 * request.maxBatch), bytes });
  }

  #fitsModel(request: AdmissionRequest): boolean {
    const { rows, bytes } = this.limits.model;
    return fits(this.#running.total, request, { rows: Math.max(rows, 6 * request.maxBatch), bytes });
  }

  #start(request: AdmissionRequest): () => void {
    this.#running.add(request, 1);
    const startMs = performance.now();
    return () => {
      this.#running.add(request, -1);
      this.#meanMs += 0.1 * (performance.now() - startMs - this.#meanMs);
      this.#admitNext();
    };
  }

  /** Admits waiting calls in fair order. A caller at its limit is skipped; a call that the model has no room for is awaited. */
  #admitNext(): void {
    if (this.#queue.length === 0) return;
    const skipped = new Set<string>();
    let isFull = false;
    const admitted = this.#queue.take(({ request }) => {
      if (isFull || skipped.has(request.caller)) return false;
      isFull = !this.#fitsModel(request);
      if (isFull) return false;
      if (!this.#fitsCaller(request)) {
        skipped.add(request.caller);
        return false;
      }
      this.#running.add(request, 1);
      return true;
    });
    for (const { request, admit } of admitted) {
      this.#running.add(request, -1);
      this.#waiting.add(request, -1);
      admit();
    }
  }

  /** Rejects waiting calls of callers that have more of them. @throws Overloaded if the call itself is the one too many */
  #makeRoom(request: AdmissionRequest): void {
    const { caller, rows, maxQueue } = request;
    while (!this.#hasRoom(request, maxQueue)) {
      const largest = this.#waiting.largest();
      const newest = largest === undefined ? undefined : this.#queue.lastOf(largest);
      this.#rejections.queue_full += 1;
      const error = this.#overloaded('Too many predictions are queued for this model.');
      const isLarger = largest !== undefined && this.#waiting.of(largest).rows > this.#waiting.of(caller).rows + rows;
      if (!newest || !isLarger) throw error;
      this.#withdraw(newest, error);
    }
  }

  #hasRoom(load: Load, maxQueue: number): boolean {
    return fits(this.#waiting.total, load, { rows: maxQueue, bytes: this.limits.waitingBytes });
  }

  #withdraw(waiter: Waiter, error: unknown): void {
    if (!this.#queue.remove(waiter)) return;
    this.#waiting.add(waiter.request, -1);
    waiter.reject(error);
  }

  /** The time until the queue is processed, by Little's law. */
  #overloaded(message: string): Overloaded {
    const ms = (this.#waiting.total.rows / Math.max(1, this.#running.total.rows)) * this.#meanMs;
    return new Overloaded(message, Math.min(60, Math.max(1, Math.ceil(ms / 1000))));
  }
}

/** Whether a load can be added within the limit. A single one may exceed it. */
function fits(present: Readonly<Load>, { rows, bytes }: Load, limit: Load): boolean {
  return present.rows === 0 || (present.rows + rows <= limit.rows && present.bytes + bytes <= limit.bytes);
}

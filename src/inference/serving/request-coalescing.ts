import { TimedOut } from '../../errors/app-error.js';
import { activeSpanContext, type SpanOrigin } from '../../telemetry/tracing.js';
import type { EncodedRow, RowResult } from '../signature/types.js';
import type { Received } from './batcher.js';

/** The outcome of a row. */
export interface Outcome {
  result: RowResult;
  source: 'MODEL' | 'CACHE' | 'STALE';
  /** Shared by the rows of a run. */
  received: Received;
}

/** An expired cached result. */
export interface StaleResult {
  result: RowResult;
  /** When the model computed it, in milliseconds since 1970. */
  computedAt: number;
}

/** A row in pending, shared by all calls that need it. */
export class PendingPrediction {
  /** Usually a single call waits for a row; a set per row would cost more than the rest of its path. */
  #wait: Wait | null = null;
  #others: Set<Wait> | null = null;
  isQueued = false;
  /** Whether this process has to compute it, and not another one; null if that is not known yet. */
  isClaimed: boolean | null = null;
  outcome: Outcome | null = null;
  /** Whether it is part of a run in progress. */
  isRunning = false;
  /** The fallback if no result arrives. */
  stale: StaleResult | null = null;

  constructor(
    readonly key: string,
    readonly row: EncodedRow,
    /** The caller that it was started for; others may join. */
    readonly caller: string,
    private readonly onSettled: (pending: PendingPrediction) => void,
  ) {}

  /** Whether any call waits for it. */
  get isNeeded(): boolean {
    return this.#wait !== null || (this.#others !== null && this.#others.size > 0);
  }

  /** The span contexts of the waiting calls. */
  origins(): SpanOrigin[] {
    return [...(this.#wait ? [this.#wait.origin] : []), ...Array.from(this.#others ?? [], ({ origin }) => origin)];
  }

  /** @returns false if the call waits for it already */
  join(wait: Wait): boolean {
    if (this.#wait === wait || this.#others?.has(wait)) return false;
    if (this.#wait) (this.#others ??= new Set()).add(wait);
    else this.#wait = wait;
    return true;
  }

  leave(wait: Wait): void {
    if (this.#wait === wait) this.#wait = null;
    else this.#others?.delete(wait);
  }

  /** Completes it with a result of the model. */
  settle(result: RowResult, received: Received): void {
    this.complete({ result, source: 'MODEL', received });
  }

  complete(outcome: Outcome): void {
    this.outcome = outcome;
    this.onSettled(this);
    this.#wait?.settledOne();
    this.#others?.forEach((wait) => wait.settledOne());
    this.#leaveAll();
  }

  fail(error: unknown): void {
    this.onSettled(this);
    this.#wait?.fail(error, this);
    this.#others?.forEach((wait) => wait.fail(error, this));
    this.#leaveAll();
  }

  #leaveAll(): void {
    this.#wait = null;
    this.#others = null;
  }
}

/** A pending prediction failed; `pending` is the row that caused it. */
export class PendingPredictionFailed extends Error {
  constructor(
    readonly pending: PendingPrediction,
    cause: unknown,
  ) {
    super('Prediction of a row failed.', { cause });
    this.name = 'PendingPredictionFailed';
  }
}

/** A call that waits for its rows until all are settled, one fails, the deadline passes or the caller disconnects. */
export class Wait {
  readonly origin = activeSpanContext();
  readonly #done = Promise.withResolvers<undefined>();
  #open = 0;

  /** @param pendingRows may have a row several times */
  constructor(readonly pendingRows: readonly PendingPrediction[]) {
    for (const pending of pendingRows) if (!pending.outcome && pending.join(this)) this.#open += 1;
    if (this.#open === 0) this.#done.resolve(undefined);
  }

  settledOne(): void {
    this.#open -= 1;
    if (this.#open === 0) this.#done.resolve(undefined);
  }

  fail(cause: unknown, pending: PendingPrediction): void {
    this.#done.reject(new PendingPredictionFailed(pending, cause));
  }

  /**
   * Resolves once every row is settled.
   * @param leftMs milliseconds that are left of `deadlineMs`, the deadline of the model
   * @throws PendingPredictionFailed, TimedOut, or the signal's reason; the call then leaves its unsettled rows
   */
  async settled(leftMs: number, deadlineMs: number, signal: AbortSignal | undefined): Promise<void> {
    const timer = setTimeout(
      () => this.#done.reject(new TimedOut(`The model did not respond within ${deadlineMs} ms.`, deadlineMs)),
      leftMs,
    );
    const abort = (): void => this.#done.reject(signal?.reason);
    signal?.addEventListener('abort', abort, { once: true });
    try {
      signal?.throwIfAborted();
      await this.#done.promise;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
      if (this.#open > 0) for (const pending of this.pendingRows) pending.leave(this);
    }
  }
}

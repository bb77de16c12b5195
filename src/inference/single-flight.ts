import { TimedOut } from '../shared/errors.js';
import { originHere, type Origin } from '../shared/tracing.js';
import type { EncodedRow, RowAnswer } from './signature.js';

/** What came of a row. */
export interface Outcome {
  answer: RowAnswer;
  source: 'MODEL' | 'CACHE' | 'STALE';
  /** Milliseconds since 1970 at which the model gave the answer. */
  computedAt: number;
  /** `performance.now()` when it was known here. */
  knownAt: number;
}

/** An answer that was given before and has expired since. */
export type StaleAnswer = Pick<Outcome, 'answer' | 'computedAt'>;

/** One row on its way to an answer, for every call that wants it. */
export class Flight {
  /** Nearly always a single call wants a row: a set for each would cost more than the row's whole way. */
  #wait: Wait | null = null;
  #others: Set<Wait> | null = null;
  isQueued = false;
  outcome: Outcome | null = null;
  /** Whether a run has begun that it is part of. */
  isRunning = false;
  /** What may stand in where no answer comes. */
  stale: StaleAnswer | null = null;

  constructor(
    readonly key: string,
    readonly row: EncodedRow,
    private readonly landed: (flight: Flight) => void,
  ) {}

  /** Whether any call still waits for it. */
  get isWanted(): boolean {
    return this.#wait !== null || (this.#others !== null && this.#others.size > 0);
  }

  /** Where the calls that wait for it are in their traces. */
  origins(): Origin[] {
    return [...(this.#wait ? [this.#wait.origin] : []), ...Array.from(this.#others ?? [], ({ origin }) => origin)];
  }

  join(wait: Wait): void {
    if (this.#wait) (this.#others ??= new Set()).add(wait);
    else this.#wait = wait;
  }

  leave(wait: Wait): void {
    if (this.#wait === wait) this.#wait = null;
    else this.#others?.delete(wait);
  }

  /** The model's answer. */
  settle(answer: RowAnswer): void {
    this.land({ answer, source: 'MODEL', computedAt: Date.now(), knownAt: performance.now() });
  }

  land(outcome: Outcome): void {
    this.outcome = outcome;
    this.landed(this);
    this.#tell((wait) => wait.oneLanded());
  }

  fail(error: unknown): void {
    this.landed(this);
    this.#tell((wait) => wait.fail(error, this));
  }

  #tell(what: (wait: Wait) => void): void {
    if (this.#wait) what(this.#wait);
    for (const wait of this.#others ?? []) what(wait);
    this.#wait = null;
    this.#others = null;
  }
}

/** A flight failed; `flight` tells which row was at fault. */
export class FlightFailed extends Error {
  constructor(
    readonly flight: Flight,
    cause: unknown,
  ) {
    super('A row was not answered.', { cause });
    this.name = 'FlightFailed';
  }
}

/** One call that waits for its flights, until all have landed, one has failed, its time is up or the caller has gone. */
export class Wait {
  readonly origin = originHere();
  readonly #done = Promise.withResolvers<undefined>();
  #open = 0;

  constructor(readonly flights: readonly Flight[]) {
    for (const flight of flights) {
      if (flight.outcome) continue;
      this.#open += 1;
      flight.join(this);
    }
    if (this.#open === 0) this.#done.resolve(undefined);
  }

  oneLanded(): void {
    this.#open -= 1;
    if (this.#open === 0) this.#done.resolve(undefined);
  }

  fail(cause: unknown, flight: Flight): void {
    this.#done.reject(new FlightFailed(flight, cause));
  }

  /**
   * Resolves once every flight has landed.
   * @throws FlightFailed, TimedOut, or the signal's reason; flights that have not landed are left then
   */
  async settled(deadlineMs: number, signal: AbortSignal | undefined): Promise<void> {
    const timer = setTimeout(() => this.#done.reject(new TimedOut(`The model did not answer within ${Math.round(deadlineMs)} ms.`, deadlineMs)), deadlineMs);
    const giveUp = (): void => this.#done.reject(signal?.reason);
    signal?.addEventListener('abort', giveUp, { once: true });
    try {
      signal?.throwIfAborted();
      await this.#done.promise;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', giveUp);
      if (this.#open > 0) for (const flight of this.flights) flight.leave(this);
    }
  }
}

import { ServiceUnavailable } from '../shared/errors.js';

/** Answers rows of one model version, one answer for each row, in their order. */
export type Run<Row, Answer> = (rows: readonly Row[]) => Promise<Answer[]>;

export interface BatchLimits {
  /** Rows of one run; no call may have more. */
  maxBatch: number;
  /** Rows that may wait for a run. */
  maxWaiting: number;
}

interface Call<Row, Answer> {
  rows: readonly Row[];
  resolve: (answers: Answer[]) => void;
  reject: (error: unknown) => void;
}

/**
 * Joins the rows that several calls want at the same moment into one run. Nobody waits for company: a run takes what
 * came in during the same turn of the event loop, or while the run before it was busy.
 */
export class Batcher<Row, Answer> {
  readonly #waiting: Call<Row, Answer>[] = [];
  #waitingRows = 0;
  #isBusy = false;

  constructor(
    private readonly run: Run<Row, Answer>,
    private readonly limits: BatchLimits,
  ) {}

  /**
   * The answers to a call's rows, in their order.
   * @throws ServiceUnavailable at once where too many rows wait already, and whatever the run throws
   */
  async answer(rows: readonly Row[]): Promise<Answer[]> {
    if (rows.length > this.limits.maxBatch) throw new RangeError(`${rows.length} rows do not fit into a batch of ${this.limits.maxBatch}`);
    if (this.#waitingRows + rows.length > this.limits.maxWaiting) {
      throw new ServiceUnavailable('Too many predictions are waiting for this model; try again shortly.');
    }
    const answers = new Promise<Answer[]>((resolve, reject) => {
      this.#waiting.push({ rows, resolve, reject });
    });
    this.#waitingRows += rows.length;
    this.#schedule();
    return answers;
  }

  /** A macrotask, also between two batches: sockets are read and written in the meantime. */
  #schedule(): void {
    if (this.#isBusy || this.#waiting.length === 0) return;
    this.#isBusy = true;
    setImmediate(() => {
      void this.#runBatch(this.#takeBatch()).finally(() => {
        this.#isBusy = false;
        this.#schedule();
      });
    });
  }

  /** Whole calls, in the order in which they came, as many as fit. */
  #takeBatch(): Call<Row, Answer>[] {
    let rowCount = 0;
    let callCount = 0;
    for (const { rows } of this.#waiting) {
      if (rowCount + rows.length > this.limits.maxBatch) break;
      rowCount += rows.length;
      callCount += 1;
    }
    this.#waitingRows -= rowCount;
    return this.#waiting.splice(0, callCount);
  }

  async #runBatch(calls: readonly Call<Row, Answer>[]): Promise<void> {
    try {
      await this.#runJoined(calls);
    } catch (error) {
      // One call's rows may have failed the run for its neighbours; a call alone has failed for itself.
      if (calls.length > 1) for (const call of calls) await this.#runBatch([call]);
      else for (const call of calls) call.reject(error);
    }
  }

  async #runJoined(calls: readonly Call<Row, Answer>[]): Promise<void> {
    const rows = calls.flatMap((call) => call.rows);
    const answers = await this.run(rows);
    if (answers.length !== rows.length) throw new Error(`${answers.length} answers came for ${rows.length} rows`);
    let start = 0;
    for (const call of calls) {
      call.resolve(answers.slice(start, start + call.rows.length));
      start += call.rows.length;
    }
  }
}

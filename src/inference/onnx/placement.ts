/**
 * Decides where a graph runs, from its measured cost. ONNX Runtime blocks its thread, and a round trip to another thread takes
 * 0.1 to 0.25 ms: short runs use the main thread, others worker threads.
 */

/** Maximum milliseconds that a run may block the event loop. */
export const maxHoldMs = 2;

/** Maximum milliseconds that a load may block the event loop, once per version. */
export const maxLoadHoldMs = 30;

/** Maximum rows per run in a worker thread; larger runs are not cheaper per row and delay others. */
export const maxChunkRows = 512;

/** Milliseconds of work that justify another worker thread. */
const worthwhileMs = 1;

/** Weight of the latest run in the moving average. */
const weightOfLatest = 0.2;

/**
 * Whether a graph may be loaded and run on the main thread.
 * @param loadMs load time in a worker thread
 */
export function mayRunOnEventLoop(model: Uint8Array, loadMs: number): boolean {
  return loadMs <= maxLoadHoldMs && !mayLoop(model);
}

/** The run time of a graph with ONNX's `Loop` depends on its inputs, so measurements do not predict it. */
function mayLoop({ buffer, byteOffset, byteLength }: Uint8Array): boolean {
  return Buffer.from(buffer, byteOffset, byteLength).includes('Loop');
}

/** Measured cost of the runs of a graph. */
export class RunCosts {
  /** Milliseconds per row of runs with 2^(index-1) to 2^index rows; empty if there was none. */
  readonly #msPerRow: (number | undefined)[] = [];

  /** Records a run in milliseconds. */
  learn(rows: number, ms: number): void {
    const index = sizeIndex(rows);
    const before = this.#msPerRow[index] ?? ms / rows;
    this.#msPerRow[index] = before + weightOfLatest * (ms / rows - before);
  }

  /**
   * Maximum rows of a run on the main thread that blocks it no longer than `maxHoldMs`: a power of two up to `maxChunkRows`, or 0
   * if one row is too slow or nothing was measured yet.
   */
  rowsOnEventLoop(): number {
    for (let rows = maxChunkRows; rows >= 1; rows /= 2) {
      const ms = this.expectedMs(rows);
      if (ms !== null && ms <= maxHoldMs) return rows;
    }
    return 0;
  }

  /**
   * Splits rows into runs for worker threads: as few as `maxChunkRows` allows, or one for each idle thread if that is faster;
   * of nearly equal size.
   */
  chunks(rows: number, idleThreads: number): number[] {
    const worthwhile = Math.floor((this.expectedMs(rows) ?? 0) / worthwhileMs);
    const count = Math.max(Math.ceil(rows / maxChunkRows), Math.min(idleThreads, worthwhile, rows));
    return Array.from(
      { length: count },
      (_, chunk) => Math.floor(((chunk + 1) * rows) / count) - Math.floor((chunk * rows) / count),
    );
  }

  /**
   * Estimates the milliseconds of a run; null if nothing was measured. An unknown size is estimated from the cost per row of the
   * next smaller size, or the total cost of the next larger one: larger runs are cheaper per row and slower in total.
   */
  expectedMs(rows: number): number | null {
    const index = sizeIndex(rows);
    const smaller = this.#msPerRow.findLastIndex((ms, size) => ms !== undefined && size <= index);
    const known = smaller >= 0 ? smaller : this.#msPerRow.findIndex((ms) => ms !== undefined);
    const msPerRow = this.#msPerRow[known];
    return msPerRow === undefined ? null : msPerRow * (smaller >= 0 ? rows : 2 ** known);
  }
}

/** The exponent of the smallest power of two that holds the rows, capped at `maxChunkRows`. */
function sizeIndex(rows: number): number {
  return Math.ceil(Math.log2(Math.min(rows, maxChunkRows)));
}

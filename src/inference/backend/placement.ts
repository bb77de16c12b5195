/**
 * Where a graph runs, by what it was measured to cost. ONNX Runtime blocks its thread, and a way to another thread and back
 * takes 0.1 to 0.25 ms: so what is short runs on the event loop's thread, and everything else in worker threads.
 */

/** For how many milliseconds one run may hold the event loop. */
export const maxHoldMs = 2;

/** For how many milliseconds a load may hold the event loop, which it does once for each version and mostly before serving. */
export const maxLoadHoldMs = 30;

/** Rows of one run in a worker thread: beyond them a row gets no cheaper, and others would wait longer. */
export const maxChunkRows = 512;

/** Milliseconds of work that are worth a worker thread of their own. */
const worthwhileMs = 1;

/** How much the latest run counts against all before it. */
const weightOfLatest = 0.2;

/**
 * Whether a graph may be loaded, and so run, on the event loop's thread.
 * @param loadMs what loading it took in a worker thread
 */
export function mayRunOnEventLoop(model: Uint8Array, loadMs: number): boolean {
  return loadMs <= maxLoadHoldMs && !mayLoop(model);
}

/** A graph with ONNX's `Loop` takes as long as its inputs say, perhaps for ever; what it took before tells nothing. */
function mayLoop({ buffer, byteOffset, byteLength }: Uint8Array): boolean {
  return Buffer.from(buffer, byteOffset, byteLength).includes('Loop');
}

/** What the runs of one graph cost, learned from each. */
export class RunCosts {
  /** Milliseconds per row of runs with up to 2^index rows and more than half of that; a hole where there was none. */
  readonly #msPerRow: (number | undefined)[] = [];

  /** Takes in a run that took so many milliseconds, wherever it ran. */
  learn(rows: number, ms: number): void {
    const index = sizeIndex(rows);
    const before = this.#msPerRow[index] ?? ms / rows;
    this.#msPerRow[index] = before + weightOfLatest * (ms / rows - before);
  }

  /**
   * Rows that may run on the event loop's thread at once so that they hold it no longer than `maxHoldMs`: a power of two up
   * to `maxChunkRows`, or 0 where one is too many or nothing was measured yet.
   */
  rowsOnEventLoop(): number {
    for (let rows = maxChunkRows; rows >= 1; rows /= 2) {
      const ms = this.#expectedMs(rows);
      if (ms !== null && ms <= maxHoldMs) return rows;
    }
    return 0;
  }

  /**
   * The sizes of the runs in worker threads that answer so many rows together: as few as `maxChunkRows` allows, or one for
   * each idle thread where that is faster; as even as can be.
   */
  chunks(rows: number, idleThreads: number): number[] {
    const worthwhile = Math.floor((this.#expectedMs(rows) ?? 0) / worthwhileMs);
    const count = Math.max(Math.ceil(rows / maxChunkRows), Math.min(idleThreads, worthwhile, rows));
    return Array.from({ length: count }, (_, chunk) => Math.floor(((chunk + 1) * rows) / count) - Math.floor((chunk * rows) / count));
  }

  /**
   * What a run of so many rows is expected to take; null where nothing was measured. A size that was never seen is taken to
   * cost what its rows would cost in the next smaller one, or else all of the next larger one: a row gets cheaper, and a run
   * dearer, the larger the run is.
   */
  #expectedMs(rows: number): number | null {
    const index = sizeIndex(rows);
    const smaller = this.#msPerRow.findLastIndex((ms, size) => ms !== undefined && size <= index);
    const known = smaller >= 0 ? smaller : this.#msPerRow.findIndex((ms) => ms !== undefined);
    const msPerRow = this.#msPerRow[known];
    return msPerRow === undefined ? null : msPerRow * (smaller >= 0 ? rows : 2 ** known);
  }
}

/** The smallest power of two, as its exponent, that holds so many rows; sizes beyond `maxChunkRows` count as that. */
function sizeIndex(rows: number): number {
  return Math.ceil(Math.log2(Math.min(rows, maxChunkRows)));
}

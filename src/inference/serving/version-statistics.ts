import type { VersionStatistics } from './model.js';

/** Runs are counted by size up to this; larger ones fall into the last class. */
const largestBatch = 65_536;
/** Runs from which on the fastest one says what the model takes. */
const measuredRuns = 10;
const sizes = Array.from({ length: Math.log2(largestBatch) + 1 }, (_, power) => 2 ** power);

/** Counts what one version does. */
export class VersionCounters implements VersionStatistics {
  successes = 0;
  failures = 0;
  staleRows = 0;
  invalidRows = 0;
  lateCalls = 0;
  rows = 0;
  runs = 0;
  queueMs = 0;
  computeMs = 0;
  cacheHits = 0;
  cacheMisses = 0;
  pending = 0;
  droppedRows = 0;
  #fastestRowMs = Infinity;
  readonly #runsBySize = sizes.map(() => 0);

  countRun(rows: number, computeMs: number): void {
    this.rows += rows;
    this.runs += 1;
    this.computeMs += computeMs;
    this.#fastestRowMs = Math.min(this.#fastestRowMs, computeMs / rows);
    const size = Math.min(Math.ceil(Math.log2(rows)), sizes.length - 1);
    this.#runsBySize[size] = (this.#runsBySize[size] ?? 0) + 1;
  }

  /**
   * The milliseconds that a row takes: those of the fastest run, since a busy machine and a first run make the average many times
   * as long. 0 until enough runs were measured.
   */
  get rowMs(): number {
    return this.runs < measuredRuns ? 0 : this.#fastestRowMs;
  }

  get batchSizes(): { rows: number; runs: number }[] {
    return sizes.map((rows, size) => ({ rows, runs: this.#runsBySize[size] ?? 0 })).filter(({ runs }) => runs > 0);
  }
}

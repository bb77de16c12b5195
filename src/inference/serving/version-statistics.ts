import type { VersionStatistics } from './model.js';

/** Runs are counted by size up to this; larger ones fall into the last class. */
const largestBatch = 65_536;
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
  readonly #runsBySize = sizes.map(() => 0);

  countRun(rows: number, computeMs: number): void {
    this.rows += rows;
    this.runs += 1;
    this.computeMs += computeMs;
    const size = Math.min(Math.ceil(Math.log2(rows)), sizes.length - 1);
    this.#runsBySize[size] = (this.#runsBySize[size] ?? 0) + 1;
  }

  get batchSizes(): { rows: number; runs: number }[] {
    return sizes.map((rows, size) => ({ rows, runs: this.#runsBySize[size] ?? 0 })).filter(({ runs }) => runs > 0);
  }
}

/** What a histogram has counted: of `bounds`, ascending, how many values were up to each and above the one before; last, how many were above all. */
export interface HistogramCounts {
  bounds: readonly number[];
  counts: readonly number[];
  /** Of the values. */
  sum: number;
}

/** Counts values by their size, in as much room as there are bounds. */
export class Histogram implements HistogramCounts {
  readonly counts: number[];
  sum = 0;

  /** @param bounds ascending */
  constructor(readonly bounds: readonly number[]) {
    this.counts = Array.from({ length: bounds.length + 1 }, () => 0);
  }

  observe(value: number): void {
    let at = 0;
    while (at < this.bounds.length && value > (this.bounds[at] ?? 0)) at += 1;
    this.counts[at] = (this.counts[at] ?? 0) + 1;
    this.sum += value;
  }
}

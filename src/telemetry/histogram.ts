/** `counts[i]` values were at most `bounds[i]` and above the bound before it; the last count is of values above all bounds. */
export interface HistogramCounts {
  bounds: readonly number[];
  counts: readonly number[];
  /** Sum of the values. */
  sum: number;
}

/** Counts values in buckets, with memory only for the bounds. */
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

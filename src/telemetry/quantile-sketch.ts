/** Each bucket is this much wider than the one before, so that a quantile is off by 2.5 % at most. */
const growth = 1.05;
const smallest = 1e-12;
const largest = 1e15;

const { ceil, log, max, min } = Math;
const logGrowth = log(growth);

/**
 * Quantiles of a stream of values that are not negative, in bounded memory (some 1,300 counts): the buckets of DDSketch (Masson, Rim
 * and Lee, 2019). Values below 10^-12 count as zero, and those above 10^15 as 10^15.
 */
export class QuantileSketch {
  readonly #counts = new Map<number, number>();
  #zeros = 0;
  #sum = 0;
  count = 0;

  observe(value: number): void {
    this.count += 1;
    this.#sum += min(value, largest);
    if (value < smallest) {
      this.#zeros += 1;
      return;
    }
    const bucket = ceil(log(min(value, largest)) / logGrowth);
    this.#counts.set(bucket, (this.#counts.get(bucket) ?? 0) + 1);
  }

  /** Null without values. */
  get mean(): number | null {
    return this.count === 0 ? null : this.#sum / this.count;
  }

  /** The value that this share of the values, from 0 to 1, does not exceed; null without values. */
  quantile(share: number): number | null {
    if (this.count === 0) return null;
    let below = this.#zeros;
    const rank = max(1, ceil(share * this.count));
    if (below >= rank) return 0;
    for (const bucket of [...this.#counts.keys()].sort((one, other) => one - other)) {
      below += this.#counts.get(bucket) ?? 0;
      // The value of a bucket with the same relative distance to both bounds.
      if (below >= rank) return (2 * growth ** bucket) / (growth + 1);
    }
    return null;
  }
}
